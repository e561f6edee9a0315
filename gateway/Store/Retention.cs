using System.Diagnostics.Metrics;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Store;

/// <summary>What of the log is on the ledger for good, and what time it is there; answered by the network's records and the followed chain.</summary>
public interface ILedgerTimes
{
    /// <summary>Time of the newest block, seconds since the Unix epoch; null while the chain is not followed to its newest block.</summary>
    long? NowS { get; }

    /// <summary>When this gateway's batch was anchored, seconds; null while its entry has not all its confirmations.</summary>
    long? AnchoredS(ulong number);

    /// <summary>True when a frame is on the ledger, through whichever gateway.</summary>
    bool IsAnchored(ReadOnlySpan<byte> frame);
}

/// <summary>How long frames are kept.</summary>
/// <param name="KeepS">Seconds after their anchor; 0 for ever, that is until the disk budget.</param>
public sealed record RetentionOptions(long KeepS);

/// <summary>
/// Drops the log's oldest partitions when they are too old, or the disk budget is nearly used: only those of which every frame is on the ledger with all
/// confirmations. Age is counted in the chain's time, from the anchor to the newest block: whatever this machine's clock says, nothing goes too early.
/// What cannot be dropped stays, and at the budget the store stops acknowledging. In between it reads the partitions, slowly, to find damage before a person does.
/// </summary>
public sealed class Retention : IDisposable
{
    /// <summary>How often it is looked.</summary>
    public static readonly TimeSpan SweepInterval = TimeSpan.FromMinutes(1);

    /// <summary>Rows whose checksums are compared at each look: 8 GiB of frames in three weeks.</summary>
    private const int RowsVerified = 1_024;

    private const string Part = "retention";
    private readonly RetentionOptions _options;
    private readonly FrameLog _log;
    private readonly ILedgerTimes _ledger;
    private readonly Func<Task> _mend;
    private readonly HealthBoard _health;
    private readonly TimeProvider _time;
    private readonly Meter _meter = new("DePIN.Store");

    public Retention(RetentionOptions options, FrameLog log, ILedgerTimes ledger, Func<Task> mend, HealthBoard health, TimeProvider time)
    {
        (_options, _log, _ledger, _mend, _health, _time) = (options, log, ledger, mend, health, time);
        _meter.CreateObservableCounter("depin_store_written_bytes", () => Written(static bytes => bytes), description: "Bytes the store's writer made the kernel write to the disk (proc(5), write_bytes).");
        _meter.CreateObservableGauge("depin_store_bytes_written_per_frame", () => Written(bytes => _log.CommittedFrames is > 0 and long frames ? bytes / (double)frames : 0),
            description: "The same for each frame committed since the start: the wear of the card.");
        _meter.CreateObservableGauge("depin_store_bytes", () => _log.UsedBytes, description: "Bytes the frame store takes on the disk.");
        _meter.CreateObservableGauge("depin_store_partitions", () => _log.PartitionCount, description: "Files of the frame log on the disk.");
        _meter.CreateObservableGauge("depin_store_lost_frames", () => _log.LostFrames, description: "Rows that a damaged disk lost; what peers had of them is back under other rows.");
        _meter.CreateObservableGauge("depin_store_first_row", () => _log.FirstRow, description: "The oldest row on the disk; those before are dropped.");
    }

    /// <summary>Sweeps until stopped.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        while (true)
        {
            try
            {
                await Task.Run(() => _log.VerifyNext(RowsVerified), stopping).ConfigureAwait(false);
                await SweepAsync().ConfigureAwait(false);
            }
            catch (Exception fault) when (fault is StoreException or SqliteException or IOException or UnauthorizedAccessException)
            {
                _health.Report(Part, PartState.Degraded, $"old frames could not be dropped ({fault.Message}).", "Look at the disk of the data folder: free space, mode, mount.");
            }
            await Task.Delay(SweepInterval, _time, stopping).ConfigureAwait(false);
        }
    }

    /// <summary>Drops what may and should go now, the oldest first; gives how many partitions.</summary>
    public async Task<int> SweepAsync()
    {
        if (_log.LostRuns.Count > 0) await _mend().ConfigureAwait(false);
        if (_log.Damage is [.., var newest] all) _health.Report("disk", PartState.Degraded, newest, $"{all.Count} damaged files are told of in the folder {StoreDamage.Folder}: read the texts, check the disk, then delete them.");
        else _health.Report("disk", PartState.Ok);
        int dropped = 0;
        string waits = "";
        foreach ((long first, long last) in _log.ClosedPartitions())
        {
            bool isFull = _log.IsNearBudget;
            if (!isFull && (_options.KeepS == 0 || _ledger.NowS is null)) break;
            if (AnchoredS(first, last) is not { } anchoredS)
            {
                if (isFull) waits = $"the disk budget is nearly used, and rows {first} to {last} are not all on the ledger, so they stay";
                break;
            }
            if (!isFull && _ledger.NowS - anchoredS < _options.KeepS) break;
            if (!await _log.DropAsync(first).ConfigureAwait(false)) break;
            dropped++;
        }
        if (waits.Length > 0) _health.Report(Part, PartState.Degraded, waits, "Look at the parts attest and anchor, or raise store.diskBudgetMib.");
        else _health.Report(Part, PartState.Ok, _log.FirstRow > 1 ? $"frames from row {_log.FirstRow} on are kept" : "all frames are kept");
        return dropped;
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    /// <summary>When the last frame of these rows was anchored, seconds of the chain's time; null when one of them is not, or its anchor lacks confirmations.</summary>
    private long? AnchoredS(long first, long last)
    {
        if (last > _log.CutRow) return null;
        List<StoredBatch> anchored = [];
        long latest = 0;
        foreach (StoredBatch batch in _log.BatchesOver(first, last))
        {
            if (_ledger.AnchoredS(batch.Number) is not { } anchoredS) continue;
            anchored.Add(batch);
            latest = Math.Max(latest, anchoredS);
        }
        // A void batch's frames, and those left out of a batch: on the ledger through another gateway, or nothing goes.
        for (long row = first; row <= last; row++)
        {
            if (anchored.Find(batch => batch.Contains(row)) is { } whole && whole.Skipped.Count == 0)
                row = Math.Min(last, whole.LastRow);
            else if (!anchored.Exists(batch => batch.Contains(row)) && _log.LostRows(row, row).Count == 0 && (_log.FrameAt(row) is not { } frame || !_ledger.IsAnchored(frame.Frame)))
                return null;
        }
        return anchored.Count == 0 ? _ledger.NowS : latest;
    }

    private IEnumerable<Measurement<double>> Written(Func<long, double> figure) => _log.WrittenBytes is { } bytes ? [new Measurement<double>(figure(bytes))] : [];
}
