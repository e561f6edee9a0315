using System.Buffers.Binary;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Contracts;

/// <summary>What registers a device: the message it signs, and the transaction that carries the signature.</summary>
public static class DeviceClaim
{
    /// <summary>The 76 bytes a device signs to be owned (ClaimMessage): good for this chain, this registry and this owner only.</summary>
    public static byte[] Message(byte keyKind, ulong chainId, Address registry, Address owner)
    {
        byte[] message = new byte[ClaimMessage.Bytes];
        ClaimMessage.Write(keyKind, ChainIdWord(chainId), registry.ToArray(), owner.ToArray(), message, 0);
        return message;
    }

    /// <summary>A chain id as the device takes it: 32 bytes, big-endian.</summary>
    public static byte[] ChainIdWord(ulong chainId)
    {
        byte[] word = new byte[ClaimMessage.ChainIdBytes];
        BinaryPrimitives.WriteUInt64BigEndian(word.AsSpan(ClaimMessage.ChainIdBytes - sizeof(ulong)), chainId);
        return word;
    }

    /// <summary>Call data of the registration; anyone may send it.</summary>
    /// <param name="keyKind">As in the message.</param>
    /// <param name="publicKey">X ‖ Y, 64 bytes.</param>
    /// <param name="signature">r ‖ s over SHA-256 of the message, 64 bytes, low s.</param>
    /// <param name="owner">As in the message.</param>
    public static byte[] EncodeRegister(byte keyKind, ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> signature, Address owner)
    {
        if (publicKey.Length != DeviceId.PublicKeyBytes)
            throw new ArgumentException("A public key has 64 bytes.", nameof(publicKey));
        if (signature.Length != FrameFormat.SignatureBytes)
            throw new ArgumentException("A signature has 64 bytes.", nameof(signature));
        return DeviceRegistry.EncodeRegister(
            keyKind, new Hash32(publicKey[..32]), new Hash32(publicKey[32..]), new Hash32(signature[..32]), new Hash32(signature[32..]), owner);
    }
}
