using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using DePIN.Protocol;

namespace DePIN.Tests.Harness;

/// <summary>
/// A device made of .NET's own ECDSA, quick enough to load a gateway: signs real frames one after another, each naming the one
/// before. For the firmware's own signer see tests/Protocol and tests/Firmware. Not safe for concurrent use.
/// </summary>
public sealed class SignedDevice : IDeviceSigner, IDisposable
{
    private static readonly BigInteger Order = BigInteger.Parse("115792089210356248762697446949407573529996955224135760342422259061068512044369");

    private readonly ECDsa key;
    private readonly FrameBuilder builder;
    private readonly byte[] publicKey = new byte[DePIN.Protocol.DeviceId.PublicKeyBytes];
    private readonly byte[] id = new byte[DePIN.Protocol.DeviceId.Bytes];
    private readonly byte[] previous = new byte[32];

    public SignedDevice()
    {
        key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        ECPoint point = key.ExportParameters(includePrivateParameters: false).Q;
        point.X!.CopyTo(publicKey, 0);
        point.Y!.CopyTo(publicKey, 32);
        DePIN.Protocol.DeviceId.FromPublicKey(publicKey, 0, id, 0);
        builder = new FrameBuilder(id);
    }

    public byte KeyKind => KeyKinds.Software;

    public ReadOnlyMemory<byte> PublicKey => publicKey;

    public ReadOnlyMemory<byte> DeviceId => id;

    public string Text => DePIN.Protocol.DeviceId.ToText(id, 0);

    /// <summary>The sequence of the last frame made; 0 before the first.</summary>
    public ulong Sequence { get; private set; }

    /// <summary>The next frame: one temperature, whose value is the sequence.</summary>
    public byte[] NextFrame(ulong timeMs = 1_800_000_000_000)
    {
        Sequence++;
        builder.Begin(Profiles.Environment, clockSynchronised: true, bootCount: 1, Sequence, timeMs + Sequence, Sequence == 1 ? null : previous);
        builder.TryAdd(Channels.Temperature, exponent: -2, quality: 0, offsetMs: 0, (long)Sequence);
        builder.Sign(this);
        builder.CopyDigest(previous, 0);
        return builder.Buffer.AsSpan(0, builder.Count).ToArray();
    }

    /// <summary>What the device signs to be claimed: r ‖ s over the claim message.</summary>
    public byte[] Claim(ulong chainId, ReadOnlySpan<byte> registry, ReadOnlySpan<byte> owner)
    {
        byte[] chain = new byte[ClaimMessage.ChainIdBytes];
        BinaryPrimitives.WriteUInt64BigEndian(chain.AsSpan(24), chainId);
        byte[] message = new byte[ClaimMessage.Bytes];
        ClaimMessage.Write(KeyKind, chain, registry.ToArray(), owner.ToArray(), message, 0);
        byte[] signature = new byte[64];
        Sign(message, 0, message.Length, signature, 0);
        return signature;
    }

    public void ReadPublicKey(byte[] destination, int offset) => publicKey.CopyTo(destination, offset);

    /// <summary>.NET signs with either s; the frame's rule is the low one.</summary>
    public void Sign(byte[] buffer, int offset, int count, byte[] signature, int signatureOffset)
    {
        Span<byte> target = signature.AsSpan(signatureOffset, 64);
        key.SignData(buffer.AsSpan(offset, count), target, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        BigInteger s = new(target[32..], isUnsigned: true, isBigEndian: true);
        if (s > Order / 2)
        {
            target[32..].Clear();
            byte[] low = (Order - s).ToByteArray(isUnsigned: true, isBigEndian: true);
            low.CopyTo(target[(64 - low.Length)..]);
        }
    }

    public void Dispose() => key.Dispose();
}
