using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Registry;

/// <summary>
/// Follows the device registry, the gateway registry and the ledger from their deployment on, with a durable cursor, and
/// feeds the device table. Safe against reorganisations: before it reads on, it checks that the last block it read is still
/// on the chain; if not it goes back to the last common block it remembers and reads again from there. Also answers for one
/// device the table does not know (a device registered seconds ago, or a member of a device batch whose list is here). While no endpoint answers, everything known stays usable.
/// </summary>
public sealed class ChainRegistry(
    ChainSettings settings, ulong deployedAtBlock, IChainReader chain, RegistryLog log, LedgerRange ledger,
    Func<RegisteredDevice, ValueTask<bool>> feed, HealthBoard health, TimeProvider time, Func<DeviceIdValue, RegisteredDevice?>? members = null) : IDeviceSource, IDisposable
{
    /// <summary>The longest pause between two attempts while the chain cannot be asked.</summary>
    public static readonly TimeSpan BackoffMax = TimeSpan.FromSeconds(60);

    /// <summary>An endpoint whose newest block is older than what was read is given this many polls to catch up, before its chain is believed to have gone back.</summary>
    public const int BehindPollsMax = 3;

    /// <summary>Look-ups of single devices per second; what is above is refused and retried by the device.</summary>
    public const int LookupsPerSecondMax = 20;

    private const string Part = "registry";
    private readonly System.Threading.RateLimiting.TokenBucketRateLimiter _lookups = new(new()
    {
        TokenLimit = LookupsPerSecondMax, TokensPerPeriod = LookupsPerSecondMax, ReplenishmentPeriod = TimeSpan.FromSeconds(1), QueueLimit = 0, AutoReplenishment = true,
    });

    private readonly Signal _changed = new();
    private volatile ChainSnapshot? _snapshot;
    private volatile EpochSchedule? _epochs; // null: to be read from the log
    private bool _checked;
    private bool _fed;
    private int _behindPolls;

    /// <summary>True after a poll that reached the newest block, until one fails.</summary>
    public bool IsCurrent { get; private set; }

    /// <summary>The newest block seen, with its time; null before the first.</summary>
    public BlockMark? Head { get; private set; }

    /// <summary>The chain's time minus the gateway's clock when a new block was seen, ms (normally 0 to minus the poll interval); null before.</summary>
    public long? ClockErrorMs { get; private set; }

    /// <summary>The chain as of the newest block, for the network core; null while it is not read up to there.</summary>
    public ChainSnapshot? Snapshot() => IsCurrent ? _snapshot : null;

    /// <summary>When epochs begin, as far as the chain is read; before its first block the length at deployment for ever.</summary>
    public EpochSchedule Epochs => _epochs ??= log.Epochs() ?? EpochSchedule.Fixed((ulong)settings.EpochSeconds);

    /// <summary>Length of an epoch at the newest block, seconds.</summary>
    public ulong EpochSeconds => Epochs.SecondsAt(Head?.TimeS ?? ulong.MaxValue);

    /// <summary>Completes at the next change of what was read.</summary>
    public Task ChangedAsync(CancellationToken stopping) => _changed.WaitAsync(stopping);

    /// <summary>Follows until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        TimeSpan pause = TimeSpan.FromMilliseconds(settings.PollIntervalMs);
        TimeSpan backoff = pause;
        ledger.Refresh();
        while (true)
        {
            try
            {
                await PollAsync(stopping).ConfigureAwait(false);
                backoff = pause;
            }
            catch (Exception fault) when (fault is RpcException or ChainMismatchException or InvalidDataException or TryLaterException or System.Data.Common.DbException or Store.StoreException)
            {
                IsCurrent = false;
                _checked = false;
                health.Report(Part, fault is ChainMismatchException ? PartState.Failed : PartState.Degraded, fault.Message, NextStep(fault));
                backoff = TimeSpan.FromTicks(Math.Min(backoff.Ticks * 2, BackoffMax.Ticks));
                await Task.Delay(backoff, time, stopping).ConfigureAwait(false);
                continue;
            }

            await Task.Delay(pause, time, stopping).ConfigureAwait(false);
        }
    }

    /// <summary>Reads everything new. Public for tests and for one-shot tools; not to be called concurrently.</summary>
    public async Task PollAsync(CancellationToken stopping)
    {
        if (!_checked) await chain.CheckAsync(stopping).ConfigureAwait(false);
        _checked = true;
        if (!_fed) await FeedAllAsync().ConfigureAwait(false);
        BlockMark head = await chain.HeadAsync(stopping).ConfigureAwait(false);
        // The first block seen may be old (a quiet chain); a new one was made within the last poll.
        if (Head is not null && head.Number > Head.Number) ClockErrorMs = (long)head.TimeS * 1000 - time.GetUtcNow().ToUnixTimeMilliseconds();
        Head = head;
        if (!await IsOnChainAsync(head, stopping).ConfigureAwait(false)) return;

        ulong next = log.Last is { } last ? last.Number + 1 : deployedAtBlock;
        while (next <= head.Number)
        {
            ulong to = Math.Min(head.Number, next + (ulong)settings.LogRangeBlocks - 1);
            BlockMark? end = to == head.Number ? head : await chain.BlockAsync(to, stopping).ConfigureAwait(false);
            if (end is null) return; // the chain got shorter while we read: the next poll sees why
            IReadOnlyList<ChainEvent> events = await chain.EventsAsync(next, to, stopping).ConfigureAwait(false);
            // The logs belong to this branch only if its end and the block before its start are still there.
            if (await MovedAsync(to, end.Hash, stopping).ConfigureAwait(false)) return;
            if (log.Last is { } before && await MovedAsync(before.Number, before.Hash, stopping).ConfigureAwait(false)) return;
            log.Apply(events, end);
            if (events.Any(happened => happened is EpochLengthChanged)) _epochs = null;
            ledger.Refresh();
            await FeedAsync(events.Select(DeviceOf).OfType<DeviceIdValue>().Distinct()).ConfigureAwait(false);
            if (to < head.Number) health.Report(Part, PartState.Waiting, $"reading blocks: {to} of {head.Number}");
            next = to + 1;
            _changed.Raise();
        }

        ulong timeS = await chain.TimeAsync(head, stopping).ConfigureAwait(false);
        _snapshot = Look(head, timeS);
        IsCurrent = true;
        health.Report(Part, PartState.Ok, $"block {head.Number} read");
    }

    /// <inheritdoc/>
    public async ValueTask<RegisteredDevice?> FindAsync(DeviceIdValue device, CancellationToken cancellationToken)
    {
        return log.Device(device) ?? members?.Invoke(device) ?? await AskAsync(device, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Throws when the chain cannot be asked, or was asked too often in this second.</summary>
    private async ValueTask<RegisteredDevice?> AskAsync(DeviceIdValue device, CancellationToken cancellationToken)
    {
        using System.Threading.RateLimiting.RateLimitLease lease = _lookups.AttemptAcquire();
        if (!lease.IsAcquired) throw new TryLaterException("too many look-ups of unknown devices in this second");
        return await chain.DeviceAsync(device, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The keys a device has or had as of the newest block, whatever was followed; none when the registry does not know it. Throws when the chain cannot be asked, or was asked too often in this second.</summary>
    public async ValueTask<IReadOnlyList<ReadOnlyMemory<byte>>> KeysNowAsync(Address device, CancellationToken cancellationToken) =>
        (await AskAsync(new DeviceIdValue(device.ToArray()), cancellationToken).ConfigureAwait(false))?.Keys ?? [];

    /// <inheritdoc/>
    public void Dispose() => _lookups.Dispose();

    private ChainSnapshot? Look(BlockMark head, ulong timeS)
    {
        EpochSchedule epochs = Epochs;
        if (log.MembershipBefore(epochs.StartOf(epochs.EpochAt(timeS))) is not { } network) return null;
        LedgerEntry? last = log.LedgerHead();
        return new ChainSnapshot(head.Number, timeS, epochs, network, network.Active, last is null ? 0 : last.Ordinal + 1, last?.Hash ?? Hash32.Zero, last?.Header.Epoch);
    }

    /// <summary>True when what was read is on the chain (perhaps after going back); false when it is better to ask again.</summary>
    private async Task<bool> IsOnChainAsync(BlockMark head, CancellationToken stopping)
    {
        if (log.Last is not { } last) return true;
        if (head.Number >= last.Number && !await MovedAsync(last.Number, last.Hash, stopping).ConfigureAwait(false))
        {
            _behindPolls = 0;
            return true;
        }

        // The checkpoints that are still on the chain are its oldest ones: find the newest of them by halving.
        IReadOnlyList<(ulong Number, Hash32 Hash)> marks = log.RecentCheckpoints();
        int low = 0, high = marks.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (marks[middle].Number <= head.Number && !await MovedAsync(marks[middle].Number, marks[middle].Hash, stopping).ConfigureAwait(false)) high = middle;
            else low = middle + 1;
        }

        // Same branch but shorter: most likely another endpoint that lags. Give it time before believing it.
        bool onlyShorter = low < marks.Count && marks.Take(low).All(m => m.Number > head.Number);
        if (onlyShorter && ++_behindPolls < BehindPollsMax)
        {
            IsCurrent = false;
            health.Report(Part, PartState.Waiting, $"the endpoint is at block {head.Number}, {last.Number - head.Number} behind what was read");
            return false;
        }

        _behindPolls = 0;
        IsCurrent = false;
        ulong? kept = low < marks.Count ? marks[low].Number : null;
        (IReadOnlyList<DeviceIdValue> devices, int entries) = log.TakeBack(kept);
        _epochs = null;
        ledger.Refresh();
        health.Report(Part, PartState.Waiting, $"the chain reorganised: read again from block {kept ?? deployedAtBlock} ({devices.Count} devices, {entries} anchors taken back)");
        await FeedAsync(devices).ConfigureAwait(false);
        _changed.Raise();
        return true;
    }

    private async Task<bool> MovedAsync(ulong number, Hash32 hash, CancellationToken stopping) =>
        (await chain.BlockAsync(number, stopping).ConfigureAwait(false))?.Hash != hash;

    /// <summary>The device table keeps its own copy; feeding everything once per start heals a table that was lost or restored from an older backup.</summary>
    private async Task FeedAllAsync()
    {
        foreach (RegisteredDevice device in log.Devices()) await feed(device).ConfigureAwait(false);
        _fed = true;
    }

    private async Task FeedAsync(IEnumerable<DeviceIdValue> devices)
    {
        _fed = false; // until all are in: a failure here is repaired by feeding everything at the next poll
        foreach (DeviceIdValue device in devices)
            if (log.Device(device) is { } registered)
                await feed(registered).ConfigureAwait(false);
        _fed = true;
    }

    private static DeviceIdValue? DeviceOf(ChainEvent happened) => happened switch
    {
        DeviceRegistered e => e.Device,
        DeviceRevoked e => e.Device,
        DeviceTransferred e => e.Device,
        DeviceKeyRotated e => e.Device,
        _ => null,
    };

    private static string NextStep(Exception fault) => fault switch
    {
        ChainMismatchException mismatch => mismatch.NextStep,
        RpcException => "Devices already known keep working. Check chain.rpcUrls and the network; another endpoint there gives fail-over.",
        InvalidDataException => "The endpoint withholds events. Use another one in chain.rpcUrls.",
        _ => "Check the disk of the data folder: free space, mode, mount.",
    };
}

/// <summary>Something that is needed is not available for the moment; the caller may try again.</summary>
public sealed class TryLaterException(string message) : Exception(message);
