using DePIN.Evidence;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Registry;

/// <summary>A block's number, hash and time (seconds since the Unix epoch).</summary>
public sealed record BlockMark(ulong Number, Hash32 Hash, ulong TimeS);

/// <summary>One event of our contracts, with its place on the chain. Position is the log's index in its block.</summary>
public abstract record ChainEvent(ulong Block, uint Position);

/// <summary>A device was registered.</summary>
public sealed record DeviceRegistered(ulong Block, uint Position, DeviceIdValue Device, byte[] PublicKey, byte KeyKind, Address Owner, ulong AtS) : ChainEvent(Block, Position);

/// <summary>A device's token changed hands.</summary>
public sealed record DeviceTransferred(ulong Block, uint Position, DeviceIdValue Device, Address Owner) : ChainEvent(Block, Position);

/// <summary>A device was revoked, for ever.</summary>
public sealed record DeviceRevoked(ulong Block, uint Position, DeviceIdValue Device, ulong AtS) : ChainEvent(Block, Position);

/// <summary>A device has another key from here on; the ones before stay its own.</summary>
public sealed record DeviceKeyRotated(ulong Block, uint Position, DeviceIdValue Device, byte[] PublicKey) : ChainEvent(Block, Position);

/// <summary>Devices were registered by one Merkle root over their claims; who they are is in a list (<see cref="Contracts.MemberList"/>).</summary>
public sealed record DeviceBatchRegistered(ulong Block, uint Position, ulong Number, Address Owner, Hash32 Root, uint Count, ushort Profile, ulong AtS) : ChainEvent(Block, Position);

/// <summary>The active set has a new version, at chain time <paramref name="AtS"/>.</summary>
public sealed record GatewaySetChanged(ulong Block, uint Position, ulong Version, IReadOnlyList<Address> Signers, ulong AtS) : ChainEvent(Block, Position);

/// <summary>A gateway's TLS key and endpoint, as added or updated at chain time <paramref name="AtS"/>.</summary>
public sealed record GatewayRecorded(ulong Block, uint Position, Address Gateway, Hash32 TlsKeyHash, string Endpoint, ulong AtS) : ChainEvent(Block, Position);

/// <summary>Epochs have another length from <paramref name="FirstEpoch"/> on, which begins at <paramref name="StartS"/>; the first event is of the deployment.</summary>
public sealed record EpochLengthChanged(ulong Block, uint Position, ulong FirstEpoch, ulong StartS, ulong Seconds) : ChainEvent(Block, Position);

/// <summary>The ledger took an anchor.</summary>
public sealed record LedgerAppended(ulong Block, uint Position, ulong Ordinal, AnchorHeader Header, Hash32 TransactionHash) : ChainEvent(Block, Position);
