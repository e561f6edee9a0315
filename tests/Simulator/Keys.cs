using System.Buffers.Binary;
using System.Runtime.InteropServices;
using DePIN.Evidence;

namespace DePIN.Simulator;

/// <summary>
/// Signatures that cost nanoseconds: r is a keyed mix of the digest, s with its parity bit is the digest itself, so that a signature tells what it is over.
/// Nobody but a gateway's own host calls <see cref="Sign"/> for it, so within a run they cannot be forged.
/// </summary>
internal sealed class Keys(ulong seed)
{
    private readonly Dictionary<Address, ulong> _secrets = [];

    public Attestation Sign(Address gateway, Hash32 digest)
    {
        (Hash32 s, byte parity) = Carry(digest);
        return new Attestation(gateway, new EthereumSignature(Mac(gateway, digest), s, parity));
    }

    public bool IsOver(Attestation attestation, Hash32 digest)
    {
        (Hash32 s, byte parity) = Carry(digest);
        return attestation.Signature.S == s && attestation.Signature.YParity == parity && attestation.Signature.R == Mac(attestation.Gateway, digest);
    }

    /// <summary>The digest that a signature claims to be over.</summary>
    public static Hash32 DigestOf(Attestation attestation)
    {
        Span<byte> bytes = stackalloc byte[Hash32.Bytes];
        attestation.Signature.S.CopyTo(bytes);
        bytes[0] |= (byte)(attestation.Signature.YParity << 7);
        return new Hash32(bytes);
    }

    private static (Hash32 S, byte Parity) Carry(Hash32 digest)
    {
        Span<byte> bytes = stackalloc byte[Hash32.Bytes];
        digest.CopyTo(bytes);
        byte parity = (byte)(bytes[0] >> 7);
        bytes[0] &= 0x7f;
        return (new Hash32(bytes), parity);
    }

    private Hash32 Mac(Address gateway, Hash32 digest)
    {
        if (!_secrets.TryGetValue(gateway, out ulong secret))
        {
            Span<byte> address = stackalloc byte[Address.Bytes];
            gateway.CopyTo(address);
            secret = Prng.Mix(Prng.Mix(seed ^ BinaryPrimitives.ReadUInt64BigEndian(address)) ^ BinaryPrimitives.ReadUInt64BigEndian(address[12..]));
            _secrets[gateway] = secret;
        }

        Span<byte> bytes = stackalloc byte[Hash32.Bytes];
        digest.CopyTo(bytes);
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes);
        ulong state = secret;
        for (int i = 0; i < words.Length; i++) state = Prng.Mix(state ^ BinaryPrimitives.ReadUInt64BigEndian(bytes[(8 * i)..])) + secret;
        for (int i = 0; i < words.Length; i++) BinaryPrimitives.WriteUInt64BigEndian(bytes[(8 * i)..], Prng.SplitMix(ref state));
        return new Hash32(bytes);
    }
}
