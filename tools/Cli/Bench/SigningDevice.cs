using System.Numerics;
using System.Security.Cryptography;
using DePIN.Gateway.Verify;
using DePIN.Protocol;

namespace DePIN.Cli.Bench;

/// <summary>A device that signs as fast as the system can, for benchmarks and tests: frames by the protocol's own builder, chained by `previous`. Not for several threads at once.</summary>
public sealed class SigningDevice : IDigestSigner, IDisposable
{
    private static readonly BigInteger Order = new(Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"), isUnsigned: true, isBigEndian: true);

    private readonly ECDsa key;
    private readonly byte[] publicKey = new byte[64];
    private readonly FrameBuilder builder;
    private readonly byte[] previous = new byte[32];

    /// <summary>Makes a device with a new key.</summary>
    public SigningDevice()
    {
        key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        ECParameters parameters = key.ExportParameters(false);
        parameters.Q.X!.CopyTo(publicKey, 0);
        parameters.Q.Y!.CopyTo(publicKey, 32);
        Id = new DeviceIdValue(SHA256.HashData(publicKey).AsSpan(12));
        builder = new FrameBuilder(Id.ToArray());
    }

    /// <summary>The device id.</summary>
    public DeviceIdValue Id { get; }

    /// <summary>The device id, 20 bytes.</summary>
    public byte[] IdBytes => Id.ToArray();

    /// <summary>X ‖ Y, 64 bytes.</summary>
    public byte[] PublicKey => publicKey;

    /// <inheritdoc/>
    public byte KeyKind => KeyKinds.Software;

    /// <summary>The sequence of the last frame of the chain; 0 none.</summary>
    public ulong Sequence { get; private set; }

    /// <summary>What the registry would say of it.</summary>
    public RegisteredDevice Registration => new(Id, publicKey, 1, new byte[20], 1, 0);

    /// <summary>The next frame of the chain.</summary>
    public byte[] Next(int samples = 1, ulong skip = 0)
    {
        Sequence += 1 + skip;
        byte[] frame = Frame(Sequence, Sequence == 1 ? null : previous, samples);
        builder.CopyDigest(previous, 0);
        return frame;
    }

    /// <summary>Any frame: the device itself never signs two with one sequence, a test does.</summary>
    public byte[] Frame(ulong sequence, byte[]? before, int samples = 1, long value = 21)
    {
        builder.Begin(1, true, 1, sequence, 1_700_000_000_000 + sequence, before);
        for (int i = 0; i < samples; i++)
            builder.TryAdd(1, -1, 0, (uint)i, value + i);
        builder.Sign(this);
        return builder.Buffer.AsSpan(0, builder.Count).ToArray();
    }

    /// <inheritdoc/>
    public void ReadPublicKey(byte[] destination, int offset) => publicKey.CopyTo(destination, offset);

    /// <inheritdoc/>
    public void Sign(byte[] buffer, int offset, int count, byte[] signature, int signatureOffset) =>
        SignDigest(SHA256.HashData(buffer.AsSpan(offset, count)), 0, signature, signatureOffset);

    /// <inheritdoc/>
    public void SignDigest(byte[] digest, int digestOffset, byte[] signature, int signatureOffset)
    {
        byte[] made = key.SignHash(digest.AsSpan(digestOffset, 32).ToArray(), DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        if (P256Order.IsHigh(made, 32))
            NegateS(made);
        made.CopyTo(signature, signatureOffset);
    }

    /// <inheritdoc/>
    public void Dispose() => key.Dispose();

    /// <summary>Replaces s, the last 32 bytes, by n - s: the other of the two signatures that verify. The protocol takes the low one.</summary>
    public static void NegateS(byte[] frame)
    {
        Span<byte> half = frame.AsSpan(frame.Length - 32);
        Write(Order - new BigInteger(half, isUnsigned: true, isBigEndian: true), half);
    }

    private static void Write(BigInteger value, Span<byte> destination)
    {
        byte[] bytes = value.ToByteArray(isUnsigned: true, isBigEndian: true);
        destination[..32].Clear();
        bytes.CopyTo(destination[(32 - bytes.Length)..]);
    }
}
