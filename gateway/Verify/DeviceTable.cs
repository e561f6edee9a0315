using System.Collections.Concurrent;
using System.Security.Cryptography;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Verify;

/// <summary>
/// The devices this gateway takes frames from, in memory, saved in the store: a restart without the chain still knows them.
/// Written by the registry stage, read by the verifier on every frame. At most <see cref="FrameLogOptions.DevicesMax"/>.
/// </summary>
public sealed class DeviceTable
{
    private readonly ConcurrentDictionary<DeviceIdValue, KnownDevice> devices = new();
    private readonly IFrameStore log;
    private long changes;

    /// <summary>Reads the saved devices.</summary>
    public DeviceTable(IFrameStore log)
    {
        ArgumentNullException.ThrowIfNull(log);
        this.log = log;
        changes = log.DeviceChanges;
        Read();
    }

    /// <summary>Takes over what another process saved meanwhile. Not concurrently with itself.</summary>
    public void Refresh()
    {
        long now = log.DeviceChanges;
        if (now == changes)
            return;
        Read();
        changes = now;
    }

    private void Read()
    {
        foreach ((int id, RegisteredDevice device) in log.Devices())
            devices.GetOrAdd(device.Id, static (_, made) => made, new KnownDevice(device, log.LogOf(id))).Update(device);
    }

    /// <summary>How many devices are known, revoked ones included.</summary>
    public int Count => devices.Count;

    /// <summary>All devices, in no order.</summary>
    public IEnumerable<KnownDevice> All => devices.Values;

    /// <summary>The device, or null.</summary>
    public KnownDevice? Find(DeviceIdValue id) => devices.GetValueOrDefault(id);

    /// <summary>Devices that count as registered though the registry names none of them: members of device batches. They come into the table when they are first needed.</summary>
    public Func<DeviceIdValue, RegisteredDevice?> Members { get; set; } = _ => null;

    /// <summary>The device, also when it is a member that was not needed before; null when it is neither.</summary>
    /// <exception cref="StoreException">A member is not known to be saved: call again later.</exception>
    public async ValueTask<KnownDevice?> FindOrTakeAsync(DeviceIdValue id) =>
        Find(id) ?? (Members(id) is { } member && await PutAsync(member).ConfigureAwait(false) ? Find(id) : null);

    /// <summary>Whether the owner revoked the device of this id (40 hex digits).</summary>
    public bool IsRevoked(string id) => DeviceIdValue.TryParse(id, out DeviceIdValue value) && Find(value) is { Registration.IsRevoked: true };

    /// <summary>Every key that signs or signed for a device, X ‖ Y, 64 bytes each, the present one first; empty when the registry does not know it and it is no member of a batch.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> KeysOf(Evidence.Address device)
    {
        Span<byte> id = stackalloc byte[DeviceIdValue.Bytes];
        device.CopyTo(id);
        DeviceIdValue known = new(id);
        return (Find(known)?.Registration ?? Members(known))?.Keys ?? [];
    }

    /// <summary>
    /// Takes what the registry says of a device: new, changed owner, revoked. A revocation holds in memory at once, even when the store cannot
    /// save it, and is never taken back. Repeatable. False when the key is not the id's or the table is full.
    /// </summary>
    /// <exception cref="StoreException">Not known to be saved: call again later.</exception>
    public async ValueTask<bool> PutAsync(RegisteredDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (!KeyMatches(device))
            return false;
        if (devices.TryGetValue(device.Id, out KnownDevice? known))
        {
            if (!known.Update(device) && known.IsSaved)
                return true;
            known.IsSaved = false;
        }
        int id = await log.SaveDeviceAsync(known?.Registration ?? device).ConfigureAwait(false);
        if (id == 0)
            return false;
        known ??= devices.GetOrAdd(device.Id, static (_, made) => made, new KnownDevice(device, log.LogOf(id)));
        known.IsSaved = !known.Update(device);
        return true;
    }

    // The registry contract guarantees it of a device's first key; an RPC node that lies does not. A later key rests on the registry's word (chain.rpcAgree).
    private static bool KeyMatches(RegisteredDevice device)
    {
        if (device.PublicKey.Length != 64)
            return false;
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData((device.FormerKeys.Count == 0 ? device.PublicKey : device.FormerKeys[0]).Span, hash);
        return new DeviceIdValue(hash[12..]) == device.Id;
    }
}

/// <summary>One device of the table: what the registry says, and where its frames are.</summary>
public sealed class KnownDevice
{
    private RegisteredDevice registration;

    internal KnownDevice(RegisteredDevice registration, DeviceLog log)
    {
        this.registration = registration;
        Log = log;
        Lane = new DeviceLane(this);
    }

    /// <summary>The newest word of the registry.</summary>
    public RegisteredDevice Registration => Volatile.Read(ref registration);

    /// <summary>Where its frames are in the store.</summary>
    public DeviceLog Log { get; }

    internal DeviceLane Lane { get; }

    /// <summary>Frames of this device that were not taken since the start, by verdict; duplicates count as taken. Null: none.</summary>
    public IReadOnlyList<(FrameVerdict Verdict, long Frames)>? Refused =>
        refused is { } counts ? [.. counts.Select((count, verdict) => ((FrameVerdict)verdict, Interlocked.Read(ref counts[verdict]))).Where(one => one.Item2 > 0)] : null;

    private long[]? refused;

    internal void CountRefused(FrameVerdict verdict)
    {
        if (verdict.IsDurable()) return;
        if (refused is null) Interlocked.CompareExchange(ref refused, new long[FrameVerdicts.Count], null);
        Interlocked.Increment(ref refused[(int)verdict]);
    }

    // False after a change that the store has not confirmed: the next Put saves it again.
    internal bool IsSaved { get; set; } = true;

    /// <summary>False when nothing changed and nothing needs saving.</summary>
    internal bool Update(RegisteredDevice next)
    {
        while (true)
        {
            RegisteredDevice now = Registration;
            bool sameKey = next.PublicKey.Span.SequenceEqual(now.PublicKey.Span);
            RegisteredDevice merged = next with
            {
                RevokedAt = Math.Max(now.RevokedAt, next.RevokedAt),
                FormerKeys = sameKey && next.FormerKeys.Count == 0 ? now.FormerKeys : next.FormerKeys, // the store keeps the present key alone
            };
            if (sameKey && merged.FormerKeys.Count == now.FormerKeys.Count && merged.RevokedAt == now.RevokedAt && merged.RegisteredAt == now.RegisteredAt && merged.KeyKind == now.KeyKind && merged.Owner.Span.SequenceEqual(now.Owner.Span))
                return false;
            if (Interlocked.CompareExchange(ref registration, merged, now) == now)
                return true;
        }
    }
}
