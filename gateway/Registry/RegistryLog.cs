using System.Buffers.Binary;
using System.Data.Common;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Registry;

/// <summary>
/// What the followed blocks said, durably: device events, active sets and ledger entries, each with its block, and
/// checkpoints (block, hash). Applying a range and its checkpoint is one transaction, and so is taking blocks back, so
/// after any crash the events are exactly those of the blocks up to the last checkpoint.
/// State is always derived from events (a revocation that a reorganisation took back is simply gone).
/// </summary>
public sealed class RegistryLog(ChainDatabase database)
{
    /// <summary>Checkpoints kept; with one per poll they reach back far beyond any reorganisation.</summary>
    public const int CheckpointsMax = 512;

    private const int Registered = 1, Transferred = 2, Revoked = 3, Rotated = 4;

    /// <summary>The last block whose events are stored, or null before the first.</summary>
    public (ulong Number, Hash32 Hash)? Last => database.Read(c => Checkpoints(c, 1).Cast<(ulong, Hash32)?>().FirstOrDefault());

    /// <summary>The stored checkpoints, the newest first.</summary>
    public IReadOnlyList<(ulong Number, Hash32 Hash)> RecentCheckpoints() => database.Read(c => Checkpoints(c, CheckpointsMax));

    /// <summary>
    /// Stores the events of the blocks after the last checkpoint up to <paramref name="last"/>. Throws <see cref="InvalidDataException"/> when a ledger entry or a length of epochs does not follow the stored ones.
    /// </summary>
    public void Apply(IReadOnlyList<ChainEvent> events, BlockMark last) => database.Write(c =>
    {
        foreach (ChainEvent happened in events) Insert(c, happened);
        Sql.Execute(c, "INSERT INTO checkpoints VALUES ($0, $1) ON CONFLICT (block) DO UPDATE SET hash = excluded.hash", (long)last.Number, last.Hash.ToArray());
        Sql.Execute(c, "DELETE FROM checkpoints WHERE block IN (SELECT block FROM checkpoints ORDER BY block DESC LIMIT 1000000 OFFSET $0)", CheckpointsMax);
    });

    /// <summary>Takes back everything after block <paramref name="kept"/> (null: everything): the chain no longer has it.</summary>
    /// <returns>The devices whose state may have changed, and whether ledger entries were taken back.</returns>
    public (IReadOnlyList<DeviceIdValue> Devices, int LedgerEntries) TakeBack(ulong? kept)
    {
        long after = kept is null ? -1 : (long)kept.Value;
        List<DeviceIdValue> devices = [];
        int entries = 0;
        database.Write(c =>
        {
            devices = Sql.Rows(c, r => new DeviceIdValue(r.GetFieldValue<byte[]>(0)), "SELECT DISTINCT device FROM device_events WHERE block > $0", after);
            entries = Sql.Execute(c, "DELETE FROM ledger WHERE block > $0", after);
            Sql.Execute(c, "DELETE FROM device_events WHERE block > $0", after);
            Sql.Execute(c, "DELETE FROM device_batches WHERE block > $0", after);
            Sql.Execute(c, "DELETE FROM gateway_sets WHERE block > $0", after);
            Sql.Execute(c, "DELETE FROM gateway_records WHERE block > $0", after);
            Sql.Execute(c, "DELETE FROM epoch_segments WHERE block > $0", after);
            Sql.Execute(c, "DELETE FROM checkpoints WHERE block > $0", after);
        });
        return (devices, entries);
    }

    /// <summary>One device as the followed events leave it, or null when they do not register it.</summary>
    public RegisteredDevice? Device(DeviceIdValue device) => database.Read(c => Fold(device, Sql.Rows(c, ReadDeviceEvent,
        "SELECT device, kind, public_key, key_kind, owner, at FROM device_events WHERE device = $0 ORDER BY block, position", device.ToArray())));

    /// <summary>All devices, in the order of their ids.</summary>
    public IReadOnlyList<RegisteredDevice> Devices() => database.Read(c => Sql.Rows(c, ReadDeviceEvent,
            "SELECT device, kind, public_key, key_kind, owner, at FROM device_events ORDER BY device, block, position"))
        .GroupBy(e => e.Device).Select(g => Fold(g.Key, g)).OfType<RegisteredDevice>().ToList();

    /// <summary>The newest device batches, at most <paramref name="limit"/>, in the order of their numbers.</summary>
    public IReadOnlyList<DeviceBatch> DeviceBatches(int limit) => database.Read(c => Sql.Rows(c, ReadDeviceBatch,
        "SELECT number, owner, root, count, profile, at FROM device_batches ORDER BY number DESC LIMIT $0", limit)).OrderBy(batch => batch.Number).ToList();

    /// <summary>When epochs begin, as the followed events say; null before the first.</summary>
    public EpochSchedule? Epochs() => database.Read(Epochs);

    /// <summary>The newest active set that was followed, or null before the first.</summary>
    public (ulong Version, GatewaySet Set)? ActiveSet() => database.Read(c => Sql.Rows(c, r =>
    {
        byte[] packed = r.GetFieldValue<byte[]>(1);
        return ((ulong Version, GatewaySet Set)?)((ulong)r.GetInt64(0), new GatewaySet(packed.Chunk(Address.Bytes).Select(a => new Address(a))));
    }, "SELECT version, signers FROM gateway_sets ORDER BY version DESC LIMIT 1").FirstOrDefault());

    /// <summary>
    /// The network that rules an epoch beginning at <paramref name="timeS"/>: the newest set of a block before that time, with the keys and endpoints recorded before it; on a
    /// chain younger than that the first ones. The same for everyone who follows the same chain. Null before the first set.
    /// </summary>
    public Membership? MembershipBefore(ulong timeS) => database.Read(c =>
    {
        if (Sql.First(c, r => new Known((ulong)r.GetInt64(0), r.GetFieldValue<byte[]>(1)), "SELECT version, signers FROM gateway_sets WHERE at < $0 ORDER BY version DESC LIMIT 1", (long)timeS)
            is not { } set && (set = Sql.First(c, r => new Known((ulong)r.GetInt64(0), r.GetFieldValue<byte[]>(1)), "SELECT version, signers FROM gateway_sets ORDER BY version LIMIT 1")) is null) return null;
        Address[] signers = [.. set.Signers.Chunk(Address.Bytes).Select(a => new Address(a))];
        return new Membership(set.Version, new GatewaySet(signers), [.. signers.Select(Recorded)]);

        Member Recorded(Address gateway) =>
            Sql.First(c, ReadMember, "SELECT gateway, tls_key_hash, endpoint FROM gateway_records WHERE gateway = $0 AND at < $1 ORDER BY block DESC, position DESC LIMIT 1", gateway.ToArray(), (long)timeS)
            ?? Sql.First(c, ReadMember, "SELECT gateway, tls_key_hash, endpoint FROM gateway_records WHERE gateway = $0 ORDER BY block, position LIMIT 1", gateway.ToArray())
            ?? new Member(gateway, Hash32.Zero, "");
    });

    /// <summary>The header of a ledger entry, or null when the followed ledger does not have it.</summary>
    public AnchorHeader? Entry(ulong ordinal) => ordinal <= long.MaxValue && Ledger(ordinal, 1) is [{ } entry] && entry.Ordinal == ordinal ? entry.Header : null;

    /// <summary>The ledger's entries from <paramref name="ordinal"/> on, ascending, at most <paramref name="limit"/>.</summary>
    public IReadOnlyList<LedgerEntry> Ledger(ulong ordinal, int limit) => database.Read(c => Sql.Rows(c, ReadLedgerEntry,
        "SELECT ordinal, header, block, transaction_hash FROM ledger WHERE ordinal >= $0 ORDER BY ordinal LIMIT $1", (long)ordinal, limit));

    /// <summary>The last entry, or null when the ledger is empty.</summary>
    public LedgerEntry? LedgerHead() => database.Read(c => Sql.First(c, ReadLedgerEntry,
        "SELECT ordinal, header, block, transaction_hash FROM ledger ORDER BY ordinal DESC LIMIT 1"));

    private static EpochSchedule? Epochs(DbConnection c)
    {
        List<EpochSegment> segments = Sql.Rows(c, r => new EpochSegment((ulong)r.GetInt64(0), (ulong)r.GetInt64(1), (ulong)r.GetInt64(2)),
            "SELECT first_epoch, start_s, seconds FROM epoch_segments ORDER BY first_epoch");
        try
        {
            return segments.Count == 0 ? null : new EpochSchedule(segments);
        }
        catch (ArgumentException missing)
        {
            throw new InvalidDataException($"the endpoint reports lengths of epochs that do not continue each other: events are missing ({missing.Message})", missing);
        }
    }

    private static void Insert(DbConnection c, ChainEvent happened)
    {
        (long block, long position) = ((long)happened.Block, happened.Position);
        switch (happened)
        {
            case DeviceRegistered e:
                InsertDevice(c, block, position, e.Device, Registered, e.PublicKey, e.KeyKind, e.Owner.ToArray(), e.AtS);
                break;
            case DeviceTransferred e:
                InsertDevice(c, block, position, e.Device, Transferred, [], 0, e.Owner.ToArray(), 0);
                break;
            case DeviceRevoked e:
                InsertDevice(c, block, position, e.Device, Revoked, [], 0, [], e.AtS);
                break;
            case DeviceKeyRotated e:
                InsertDevice(c, block, position, e.Device, Rotated, e.PublicKey, 0, [], 0);
                break;
            case DeviceBatchRegistered e:
                Sql.Execute(c, "INSERT INTO device_batches VALUES ($0, $1, $2, $3, $4, $5, $6) ON CONFLICT (number) DO UPDATE SET block = excluded.block, owner = excluded.owner, root = excluded.root, count = excluded.count, profile = excluded.profile, at = excluded.at",
                    block, (long)e.Number, e.Owner.ToArray(), e.Root.ToArray(), (long)e.Count, (long)e.Profile, (long)e.AtS);
                break;
            case EpochLengthChanged e:
                Sql.Execute(c, "INSERT INTO epoch_segments VALUES ($0, $1, $2, $3) ON CONFLICT (first_epoch) DO UPDATE SET block = excluded.block, start_s = excluded.start_s, seconds = excluded.seconds",
                    block, (long)e.FirstEpoch, (long)e.StartS, (long)e.Seconds);
                _ = Epochs(c); // what does not fit is not kept
                break;
            case GatewaySetChanged e:
                Sql.Execute(c, "INSERT INTO gateway_sets VALUES ($0, $1, $2, $3) ON CONFLICT (version) DO UPDATE SET block = excluded.block, signers = excluded.signers, at = excluded.at", block, (long)e.Version, e.Signers.SelectMany(s => s.ToArray()).ToArray(), (long)e.AtS);
                break;
            case GatewayRecorded e:
                Sql.Execute(c, "INSERT INTO gateway_records VALUES ($0, $1, $2, $3, $4, $5) ON CONFLICT (block, position) DO UPDATE SET gateway = excluded.gateway, tls_key_hash = excluded.tls_key_hash, endpoint = excluded.endpoint, at = excluded.at", block, position, e.Gateway.ToArray(), e.TlsKeyHash.ToArray(), e.Endpoint, (long)e.AtS);
                break;
            case LedgerAppended e:
                Append(c, e);
                break;
        }
    }

    private static void InsertDevice(DbConnection c, long block, long position, DeviceIdValue device, int kind, byte[] key, byte keyKind, byte[] owner, ulong at) =>
        Sql.Execute(c, "INSERT INTO device_events VALUES ($0, $1, $2, $3, $4, $5, $6, $7) ON CONFLICT (block, position) DO UPDATE SET device = excluded.device, kind = excluded.kind, public_key = excluded.public_key, key_kind = excluded.key_kind, owner = excluded.owner, at = excluded.at",
            block, position, device.ToArray(), kind, key, (long)keyKind, owner, (long)at);

    /// <summary>An endpoint that left events out would give a hole here; better to stop and read again than to follow a wrong head.</summary>
    private static void Append(DbConnection c, LedgerAppended e)
    {
        LedgerEntry? head = Sql.First(c, ReadLedgerEntry, "SELECT ordinal, header, block, transaction_hash FROM ledger ORDER BY ordinal DESC LIMIT 1");
        ulong expected = head is null ? 0 : head.Ordinal + 1;
        Hash32 previous = head is null ? Hash32.Zero : head.Hash;
        if (e.Ordinal != expected || e.Header.Previous != previous)
            throw new InvalidDataException($"the endpoint reports ledger entry {e.Ordinal} after {expected} entries, or with another predecessor: events are missing");
        Hash32 hash = e.Header.Hash();
        Sql.Execute(c, "INSERT INTO ledger VALUES ($0, $1, $2, $3, $4, $5)",
            (long)e.Ordinal, (long)e.Header.Epoch, hash.ToArray(), e.Header.ToArray(), (long)e.Block, e.TransactionHash.ToArray());
    }

    private static List<(ulong, Hash32)> Checkpoints(DbConnection c, int limit) => Sql.Rows(c,
        r => ((ulong)r.GetInt64(0), new Hash32(r.GetFieldValue<byte[]>(1))), "SELECT block, hash FROM checkpoints ORDER BY block DESC LIMIT $0", limit);

    private static (DeviceIdValue Device, int Kind, byte[] Key, byte KeyKind, byte[] Owner, ulong At) ReadDeviceEvent(DbDataReader r) =>
        (new DeviceIdValue(r.GetFieldValue<byte[]>(0)), (int)r.GetInt64(1), r.GetFieldValue<byte[]>(2), (byte)r.GetInt64(3), r.GetFieldValue<byte[]>(4), (ulong)r.GetInt64(5));

    private static DeviceBatch ReadDeviceBatch(DbDataReader r) => new((ulong)r.GetInt64(0), new Address(r.GetFieldValue<byte[]>(1)), new Hash32(r.GetFieldValue<byte[]>(2)), (uint)r.GetInt64(3), (ushort)r.GetInt64(4), (ulong)r.GetInt64(5));

    private static Member ReadMember(DbDataReader r) => new(new Address(r.GetFieldValue<byte[]>(0)), new Hash32(r.GetFieldValue<byte[]>(1)), r.GetString(2));

    private sealed record Known(ulong Version, byte[] Signers);

    private static LedgerEntry ReadLedgerEntry(DbDataReader r) => new(
        (ulong)r.GetInt64(0), AnchorHeader.Read(r.GetFieldValue<byte[]>(1)), (ulong)r.GetInt64(2), new Hash32(r.GetFieldValue<byte[]>(3)));

    private static RegisteredDevice? Fold(DeviceIdValue id, IEnumerable<(DeviceIdValue, int Kind, byte[] Key, byte KeyKind, byte[] Owner, ulong At)> events)
    {
        RegisteredDevice? device = null;
        foreach (var e in events)
        {
            device = e.Kind switch
            {
                // The token is minted in the same transaction, before the event: an owner that a Transfer set stays.
                Registered => new RegisteredDevice(id, e.Key, e.KeyKind, e.Owner, e.At, 0),
                Transferred => device is null ? null : device with { Owner = e.Owner },
                Rotated => device is null ? null : device with { PublicKey = e.Key, FormerKeys = [.. device.FormerKeys, device.PublicKey] },
                _ => device is null ? null : device with { RevokedAt = e.At == 0 ? 1 : e.At },
            };
        }

        return device;
    }
}

/// <summary>Devices registered by one root.</summary>
/// <param name="Number">As the registry counts.</param>
/// <param name="Owner">Whom all of them claimed.</param>
/// <param name="Root">Over their claims.</param>
/// <param name="Count">How many, as the owner says.</param>
/// <param name="Profile">Profile number of all; 0 when not said.</param>
/// <param name="AtS">Chain time of the registration, seconds.</param>
public sealed record DeviceBatch(ulong Number, Address Owner, Hash32 Root, uint Count, ushort Profile, ulong AtS);

/// <summary>One anchor on the ledger.</summary>
public sealed record LedgerEntry(ulong Ordinal, AnchorHeader Header, ulong Block, Hash32 TransactionHash)
{
    /// <summary>The anchor hash.</summary>
    public Hash32 Hash => Header.Hash();
}
