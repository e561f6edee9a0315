using System.Security.Cryptography;
using DePIN.Protocol;

namespace DePIN.Tests.Harness;

/// <summary>
/// A device with the platform's P-256 (OpenSSL), another implementation than the firmware's signer, and quick enough to load a gateway.
/// Low s by hand. Not safe for concurrent use.
/// </summary>
public sealed class SampleDevice : IDeviceSigner, IDisposable
{
    private static readonly System.Numerics.BigInteger Order = System.Numerics.BigInteger.Parse(
        "0ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", System.Globalization.NumberStyles.HexNumber, System.Globalization.CultureInfo.InvariantCulture);

    private ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private byte[]? _previous;

    public SampleDevice()
    {
        PublicKey = Public(_key);
        DeviceId.FromPublicKey(PublicKey, 0, Id, 0);
    }

    /// <summary>The key it has now, X ‖ Y.</summary>
    public byte[] PublicKey { get; private set; }

    public byte[] Id { get; } = new byte[DeviceId.Bytes];

    /// <summary>The device id as topics and paths have it.</summary>
    public string Text => DeviceId.ToText(Id, 0);

    /// <summary>Sequence of the last frame of the chain; 0 before the first.</summary>
    public ulong Sequence { get; private set; }

    public byte KeyKind => KeyKinds.Software;

    /// <summary>The next frame of this device, chained to the last.</summary>
    public byte[] NextFrame(int samples = 2, ushort profile = Profiles.Environment, byte quality = 0)
    {
        FrameBuilder builder = new(Id);
        builder.Begin(profile, true, 1, ++Sequence, 1_800_000_000_000 + Sequence, _previous);
        for (int i = 0; i < samples; i++)
            builder.TryAdd(Channels.Temperature, -2, quality, (uint)i, 2150);
        builder.Sign(this);
        _previous = new byte[32];
        builder.CopyDigest(_previous, 0);
        return builder.Buffer[..builder.Count];
    }

    /// <summary>A frame by itself, not of the chain: with these samples, or whatever <paramref name="fill"/> puts in.</summary>
    public byte[] Frame(ulong sequence, Action<FrameBuilder>? fill = null, bool clock = true, ulong timeMs = 1_800_000_000_123)
    {
        FrameBuilder builder = new(Id);
        builder.Begin(Profiles.Environment, clock, 1, sequence, timeMs, sequence == 1 ? null : new byte[32]);
        if (fill is null)
            builder.TryAdd(Channels.Temperature, -2, 0, 0, 2150 + (long)sequence);
        else
            fill(builder);
        builder.Sign(this);
        return builder.Buffer[..builder.Count];
    }

    /// <summary>Its signature r ‖ s over any message.</summary>
    public byte[] Sign(byte[] message)
    {
        byte[] signature = new byte[FrameFormat.SignatureBytes];
        Sign(message, 0, message.Length, signature, 0);
        return signature;
    }

    /// <summary>Changes its key; the id stays.</summary>
    /// <param name="message">What the registry wants signed for a new public key.</param>
    /// <returns>The old key's signature, r ‖ s.</returns>
    public byte[] Rotate(Func<byte[], byte[]> message)
    {
        ECDsa next = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] signature = Sign(message(Public(next)));
        _key.Dispose();
        (_key, PublicKey) = (next, Public(next));
        return signature;
    }

    public void ReadPublicKey(byte[] destination, int offset) => PublicKey.CopyTo(destination, offset);

    public void Sign(byte[] buffer, int offset, int count, byte[] signature, int signatureOffset)
    {
        byte[] raw = _key.SignData(buffer, offset, count, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        System.Numerics.BigInteger s = new(raw.AsSpan(32), isUnsigned: true, isBigEndian: true);
        if (s > Order / 2)
            Write(Order - s, raw.AsSpan(32));
        raw.CopyTo(signature, signatureOffset);
    }

    /// <summary>The same signature with n - s: as good to the curve, refused by us.</summary>
    public static byte[] WithHighS(byte[] frame)
    {
        byte[] high = [.. frame];
        System.Numerics.BigInteger s = new(high.AsSpan(high.Length - 32), isUnsigned: true, isBigEndian: true);
        Write(Order - s, high.AsSpan(high.Length - 32));
        return high;
    }

    public override string ToString() => "device " + Text;

    public void Dispose() => _key.Dispose();

    private static byte[] Public(ECDsa key)
    {
        ECParameters parameters = key.ExportParameters(false);
        return [.. parameters.Q.X!, .. parameters.Q.Y!];
    }

    private static void Write(System.Numerics.BigInteger value, Span<byte> destination)
    {
        destination.Clear();
        byte[] digits = value.ToByteArray(isUnsigned: true, isBigEndian: true);
        digits.CopyTo(destination[(destination.Length - digits.Length)..]);
    }
}
