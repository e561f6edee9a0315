using System.Buffers.Binary;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Contracts;

/// <summary>What changes a device's key by the key it has: the message that one signs, and the transaction that carries the signature.</summary>
public static class DeviceKeyChange
{
    /// <summary>The 143 bytes that the present key signs (DeviceRegistry.rotate): good once, for this chain, registry, device and new key only.</summary>
    /// <param name="chainId">The chain.</param>
    /// <param name="registry">Address of the DeviceRegistry.</param>
    /// <param name="device">Device id, 20 bytes.</param>
    /// <param name="publicKey">The new key, X ‖ Y, 64 bytes.</param>
    /// <param name="rotations">How often the key changed before.</param>
    public static byte[] Message(ulong chainId, Address registry, ReadOnlySpan<byte> device, ReadOnlySpan<byte> publicKey, uint rotations)
    {
        byte[] count = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(count, rotations);
        return [(byte)'D', (byte)'K', 1, .. DeviceClaim.ChainIdWord(chainId), .. registry.ToArray(), .. device, .. publicKey, .. count];
    }

    /// <summary>Call data of the change; anyone may send it.</summary>
    /// <param name="device">Device id, 20 bytes.</param>
    /// <param name="publicKey">The new key, X ‖ Y, 64 bytes.</param>
    /// <param name="signature">The present key's r ‖ s over SHA-256 of the message, 64 bytes, low s.</param>
    public static byte[] EncodeRotate(ReadOnlySpan<byte> device, ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> signature)
    {
        if (publicKey.Length != DeviceId.PublicKeyBytes)
            throw new ArgumentException("A public key has 64 bytes.", nameof(publicKey));
        if (signature.Length != FrameFormat.SignatureBytes)
            throw new ArgumentException("A signature has 64 bytes.", nameof(signature));
        return DeviceRegistry.EncodeRotate(device, new Hash32(publicKey[..32]), new Hash32(publicKey[32..]), new Hash32(signature[..32]), new Hash32(signature[32..]));
    }
}
