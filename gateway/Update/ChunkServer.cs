using DePIN.Gateway.Ingest;
using DePIN.Gateway.Verify;
using DePIN.Protocol;

namespace DePIN.Gateway.Update;

/// <summary>How fast pieces are sent, bytes a second.</summary>
public sealed record ChunkRates(int DeviceBytesPerS, int AllBytesPerS);

/// <summary>
/// Answers requests for pieces of what the device is offered, at the device's rate and at the rate of all together. A request that comes too early waits,
/// one a device (a later one takes its place), so a device never has to ask twice because others are served; beyond <see cref="WaitMax"/> of work it is
/// dropped, counted, and the device asks again. What a request may cost is bounded: one look-up, one copy of at most 1,024 bytes.
/// </summary>
public sealed class ChunkServer(ChunkRates rates, UpdateMetrics metrics, TimeProvider time)
{
    /// <summary>So far ahead of the rate a device or all may be before a request waits.</summary>
    public static readonly TimeSpan Burst = TimeSpan.FromSeconds(0.25);

    /// <summary>Longer than this no request waits: half of what a node gives an answer (firmware/Update/Updater.cs).</summary>
    public static readonly TimeSpan WaitMax = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(20); // another device's request may come due before those that wait

    private readonly Lock _gate = new();
    private readonly Dictionary<DeviceIdValue, Lane> _lanes = [];
    private readonly PriorityQueue<Lane, long> _waiting = new();
    private readonly SemaphoreSlim _arrived = new(0, 1);
    private IReadOnlyDictionary<DeviceIdValue, UpdatePackage> _offers = new Dictionary<DeviceIdValue, UpdatePackage>();
    private long _allPaidUntil;

    /// <summary>What is offered from now on.</summary>
    public void Use(IReadOnlyDictionary<DeviceIdValue, UpdatePackage> offers)
    {
        lock (_gate)
        {
            _offers = offers;
            foreach (DeviceIdValue gone in _lanes.Keys.Where(d => !offers.ContainsKey(d)).ToArray()) _lanes.Remove(gone);
        }
    }

    /// <summary>The package offered to a device, or null.</summary>
    public UpdatePackage? OfferOf(DeviceIdValue device)
    {
        lock (_gate) return _offers.GetValueOrDefault(device);
    }

    /// <summary>Answers now, later, or not.</summary>
    public void Get(DeviceIdValue device, ReadOnlySpan<byte> request, IUpdateReceiver receiver)
    {
        byte[] copy = request.Length == UpdateGet.Bytes ? request.ToArray() : [];
        if (copy.Length == 0 || !UpdateGet.IsValid(copy, 0, copy.Length))
        {
            metrics.Count(UpdateRefusal.Malformed);
            return;
        }

        lock (_gate)
        {
            if (!_offers.TryGetValue(device, out UpdatePackage? package)) metrics.Count(UpdateRefusal.NoOffer);
            else if (!UpdateGet.IsFor(copy, 0, package.Hash)) metrics.Count(UpdateRefusal.OtherManifest);
            else if (!IsInside(package, copy)) metrics.Count(UpdateRefusal.OutOfRange);
            else if (Schedule(device, copy, receiver)) return;
            else Send(device, package, copy, receiver);
        }
    }

    /// <summary>Sends what waits, when it is due, until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        while (true)
        {
            TimeSpan? wait = SendDue();
            if (wait is null) await _arrived.WaitAsync(stopping).ConfigureAwait(false);
            else await Task.Delay(wait.Value < LookAgain ? wait.Value : LookAgain, time, stopping).ConfigureAwait(false);
        }
    }

    /// <summary>Sends what is due; how long until the next is, null when none waits. <see cref="RunAsync"/> does it, a test without a loop calls it.</summary>
    public TimeSpan? SendDue()
    {
        lock (_gate)
        {
            while (_waiting.TryPeek(out Lane? lane, out long due))
            {
                TimeSpan left = time.GetElapsedTime(time.GetTimestamp(), due);
                if (left > TimeSpan.Zero) return left;
                _waiting.Dequeue();
                byte[] request = lane.Request!;
                lane.Request = null;
                // The offer may have gone or changed while the request waited.
                if (_offers.TryGetValue(lane.Device, out UpdatePackage? package) && UpdateGet.IsFor(request, 0, package.Hash) && IsInside(package, request))
                    Send(lane.Device, package, request, lane.Receiver!);
                else metrics.Count(UpdateRefusal.NoOffer);
                lane.Receiver = null;
            }

            return null;
        }
    }

    private static bool IsInside(UpdatePackage package, byte[] request)
    {
        byte file = UpdateGet.File(request, 0);
        return file < package.Manifest.FileCount && (ulong)UpdateGet.At(request, 0) + UpdateGet.Count(request, 0) <= package.Manifest.Sizes[file];
    }

    // False: it may be answered now. Under the lock.
    private bool Schedule(DeviceIdValue device, byte[] request, IUpdateReceiver receiver)
    {
        if (!_lanes.TryGetValue(device, out Lane? lane)) _lanes[device] = lane = new Lane(device);
        if (lane.Request is not null)
        {
            (lane.Request, lane.Receiver) = (request, receiver); // its place in time is paid for
            return true;
        }

        long now = time.GetTimestamp();
        int bytes = UpdateChunk.HeaderBytes + UpdateGet.Count(request, 0);
        long burst = Ticks(Burst.TotalSeconds), deviceUntil = Math.Max(lane.PaidUntil, now), allUntil = Math.Max(_allPaidUntil, now);
        long due = Math.Max(deviceUntil, allUntil) - burst;
        if (due - now > Ticks(WaitMax.TotalSeconds))
        {
            metrics.Count(UpdateRefusal.Busy);
            return true;
        }

        lane.PaidUntil = deviceUntil + Ticks((double)bytes / rates.DeviceBytesPerS);
        _allPaidUntil = allUntil + Ticks((double)bytes / rates.AllBytesPerS);
        if (due <= now) return false;
        (lane.Request, lane.Receiver) = (request, receiver);
        _waiting.Enqueue(lane, due);
        metrics.Delay();
        if (_arrived.CurrentCount == 0) _arrived.Release();
        return true;
    }

    private void Send(DeviceIdValue device, UpdatePackage package, byte[] request, IUpdateReceiver receiver)
    {
        int count = UpdateGet.Count(request, 0);
        byte[] chunk = new byte[UpdateChunk.HeaderBytes + count];
        UpdateChunk.Write(request, 0, package.File(UpdateGet.File(request, 0)).Slice((int)UpdateGet.At(request, 0), count).ToArray(), 0, chunk, 0);
        metrics.Chunk(chunk.Length);
        receiver.SendChunk(device.ToString(), chunk);
    }

    private long Ticks(double seconds) => (long)(seconds * time.TimestampFrequency);

    private sealed class Lane(DeviceIdValue device)
    {
        public DeviceIdValue Device { get; } = device;

        public byte[]? Request { get; set; }

        public IUpdateReceiver? Receiver { get; set; }

        public long PaidUntil { get; set; }
    }
}
