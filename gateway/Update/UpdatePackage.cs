// A release for one board as one file: the signed manifest and the files it names.
//
// offset  size  field
//      0     4  "DUP1"
//      4     2  length M of the manifest, at most 1024
//      6     M  manifest (shared/Protocol/UpdateManifest.cs), signed
//    6+M        the files, one behind the other, in the manifest's order and sizes; nothing follows

using System.Buffers.Binary;
using System.Security.Cryptography;
using DePIN.Protocol;

namespace DePIN.Gateway.Update;

/// <summary>
/// A package whose sizes and hashes agree with its manifest. <see cref="Read"/> takes hostile bytes and says in words what is wrong;
/// who signed is asked separately (<see cref="IsSignedBy"/>), because `depin ota inspect` also shows other operators' packages.
/// </summary>
public sealed class UpdatePackage
{
    /// <summary>Header, the largest manifest and the largest files.</summary>
    public const int BytesMax = HeadBytes + UpdateManifest.BytesMax + (int)UpdateManifest.TotalBytesMax;

    private const int HeadBytes = 6;
    private static ReadOnlySpan<byte> Magic => "DUP1"u8;

    private readonly int[] _offsets;

    private UpdatePackage(byte[] content, byte[] manifestBytes, UpdateManifest manifest)
    {
        Content = content;
        ManifestBytes = manifestBytes;
        Manifest = manifest;
        Hash = SHA256.HashData(manifestBytes);
        _offsets = new int[manifest.FileCount];
        int at = HeadBytes + manifestBytes.Length;
        for (int i = 0; i < _offsets.Length; i++)
        {
            _offsets[i] = at;
            at += (int)manifest.Sizes[i];
        }
    }

    /// <summary>The whole package, as in its file.</summary>
    public byte[] Content { get; }

    /// <summary>The manifest as it is published.</summary>
    public byte[] ManifestBytes { get; }

    /// <summary>SHA-256 of the manifest, which names the package.</summary>
    public byte[] Hash { get; }

    public UpdateManifest Manifest { get; }

    /// <summary>Lowest runtime as text: 1.9.1.0.</summary>
    public string Runtime => string.Join('.', Manifest.Runtime);

    /// <summary>Reads and checks everything but the signature.</summary>
    /// <returns>The package, or null with what is wrong in <paramref name="fault"/>.</returns>
    public static UpdatePackage? Read(byte[] content, out string fault)
    {
        ArgumentNullException.ThrowIfNull(content);
        fault = "";
        if (content.Length < HeadBytes || !content.AsSpan().StartsWith(Magic))
        {
            fault = "it does not begin as a package does";
            return null;
        }

        int length = BinaryPrimitives.ReadUInt16BigEndian(content.AsSpan(Magic.Length));
        if (length > UpdateManifest.BytesMax || length > content.Length - HeadBytes)
        {
            fault = "it ends before its manifest does";
            return null;
        }

        byte[] manifestBytes = content.AsSpan(HeadBytes, length).ToArray();
        UpdateManifest manifest = new();
        ManifestFault wrong = manifest.Read(manifestBytes, 0, length);
        if (wrong != ManifestFault.None)
        {
            fault = $"its manifest is wrong ({wrong})";
            return null;
        }

        long files = content.Length - HeadBytes - length;
        if (files != manifest.TotalBytes)
        {
            fault = $"its manifest names {manifest.TotalBytes} bytes of files, and {files} follow";
            return null;
        }

        UpdatePackage package = new(content, manifestBytes, manifest);
        for (int i = 0; i < manifest.FileCount; i++)
        {
            if (!SHA256.HashData(package.File(i)).AsSpan().SequenceEqual(manifest.Hashes[i]))
            {
                fault = $"the file {manifest.Names[i]} is not the one that was signed: its hash differs";
                return null;
            }
        }

        return package;
    }

    /// <summary>Whether this operator signed it.</summary>
    public bool IsSignedBy(OperatorKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return Manifest.OperatorId.AsSpan().SequenceEqual(key.Id) && key.Verify(ManifestBytes);
    }

    /// <summary>The bytes of one file.</summary>
    public ReadOnlySpan<byte> File(int index) => Content.AsSpan(_offsets[index], (int)Manifest.Sizes[index]);

    /// <summary>Makes a package and signs it.</summary>
    /// <exception cref="ArgumentException">A name, a size or a number breaks a rule of the manifest; the message says which.</exception>
    public static UpdatePackage Create(string board, uint release, string version, ushort[] runtime, IReadOnlyList<(string Name, byte[] Content)> files, ECDsa key)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(key);
        byte[] operatorId = new byte[Protocol.DeviceId.Bytes];
        Protocol.DeviceId.FromPublicKey(Convert.FromHexString(OperatorKey.TextOf(key)), 0, operatorId, 0);
        UpdateManifest manifest = new()
        {
            Board = board, Release = release, VersionText = version, Runtime = runtime, OperatorId = operatorId,
            Names = [.. files.Select(f => f.Name)], Sizes = [.. files.Select(f => (uint)f.Content.Length)], Hashes = [.. files.Select(f => SHA256.HashData(f.Content))],
        };
        byte[] buffer = new byte[UpdateManifest.BytesMax];
        int signed = manifest.WriteUnsigned(buffer, 0);
        byte[] signature = key.SignData(buffer.AsSpan(0, signed), HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        P256Order.MakeLow(signature, 32);
        signature.CopyTo(buffer, signed);

        byte[] head = new byte[HeadBytes];
        Magic.CopyTo(head);
        BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(Magic.Length), (ushort)(signed + signature.Length));
        byte[] content = [.. head, .. buffer.AsSpan(0, signed + signature.Length), .. files.SelectMany(f => f.Content)];
        return Read(content, out string fault) ?? throw new ArgumentException(fault);
    }
}
