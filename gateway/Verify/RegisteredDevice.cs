using DePIN.Protocol;

namespace DePIN.Gateway.Verify;

/// <summary>What the DeviceRegistry contract says of one device. The registry stage makes it, the device table keeps it.</summary>
/// <param name="Id">The device id: the last 20 bytes of SHA-256 of its first key.</param>
/// <param name="PublicKey">The key it has now, X ‖ Y, 64 bytes.</param>
/// <param name="KeyKind">As <see cref="KeyKinds"/>.</param>
/// <param name="Owner">The owner's address, 20 bytes, or empty when not looked up.</param>
/// <param name="RegisteredAt">Chain time of the registration, seconds since the Unix epoch; 0 unknown.</param>
/// <param name="RevokedAt">Chain time of the revocation, seconds since the Unix epoch; 0 not revoked.</param>
public sealed record RegisteredDevice(
    DeviceIdValue Id, ReadOnlyMemory<byte> PublicKey, byte KeyKind, ReadOnlyMemory<byte> Owner, ulong RegisteredAt, ulong RevokedAt)
{
    /// <summary>The keys it had before (DeviceRegistry.rotate and acceptKey), the first one first; empty when it never changed its key, and where only the present one is saved.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> FormerKeys { get; init; } = [];

    /// <summary>All of them, the present one first.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Keys => [PublicKey, .. FormerKeys];

    /// <summary>True once the owner has revoked it; permanent (DeviceRegistry.revoke).</summary>
    public bool IsRevoked => RevokedAt != 0;
}

/// <summary>
/// Looks up one device that the table does not know, normally by one call to the DeviceRegistry contract.
/// Implemented by the registry stage. The verifier bounds the calls in flight and remembers a "no" for a while.
/// </summary>
public interface IDeviceSource
{
    /// <summary>The device, or null when the registry does not know it. May throw when the registry cannot be asked: nothing is then remembered.</summary>
    ValueTask<RegisteredDevice?> FindAsync(DeviceIdValue device, CancellationToken cancellationToken);
}
