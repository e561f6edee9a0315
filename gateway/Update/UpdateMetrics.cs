using System.Diagnostics.Metrics;
using DePIN.Gateway.Ingest;

namespace DePIN.Gateway.Update;

/// <summary>What the updates count. Meter name: DePIN.Gateway.Update.</summary>
public sealed class UpdateMetrics : IDisposable
{
    private readonly Meter _meter = new("DePIN.Gateway.Update");
    private readonly long[] _refusals = new long[Enum.GetValues<UpdateRefusal>().Length];
    private long _chunks, _chunkBytes, _delayed, _reports, _faults;

    /// <summary>Registers the instruments.</summary>
    public UpdateMetrics()
    {
        _meter.CreateObservableCounter("depin.update.chunks", () => Chunks, "{chunk}", "Pieces of packages sent.");
        _meter.CreateObservableCounter("depin.update.chunk.bytes", () => ChunkBytes, "By", "Payload bytes of them.");
        _meter.CreateObservableCounter("depin.update.delayed", () => Interlocked.Read(ref _delayed), "{chunk}", "Pieces that waited for their rate.");
        _meter.CreateObservableCounter("depin.update.reports", () => Interlocked.Read(ref _reports), "{report}", "States taken from devices.");
        _meter.CreateObservableCounter("depin.update.faults", () => Interlocked.Read(ref _faults), "{fault}", "Turns that could not be written; nothing of them took effect.");
        _meter.CreateObservableCounter("depin.update.refused", Refusals, "{message}", "Messages on update topics not taken.");
    }

    public long Chunks => Interlocked.Read(ref _chunks);

    public long ChunkBytes => Interlocked.Read(ref _chunkBytes);

    public long Refused(UpdateRefusal reason) => Interlocked.Read(ref _refusals[(int)reason]);

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    internal void Count(UpdateRefusal reason) => Interlocked.Increment(ref _refusals[(int)reason]);

    internal void Chunk(int bytes)
    {
        Interlocked.Increment(ref _chunks);
        Interlocked.Add(ref _chunkBytes, bytes);
    }

    internal void Delay() => Interlocked.Increment(ref _delayed);

    internal void Report() => Interlocked.Increment(ref _reports);

    internal void Fault() => Interlocked.Increment(ref _faults);

    private List<Measurement<long>> Refusals() => [.. Enum.GetValues<UpdateRefusal>().Where(r => Refused(r) > 0).Select(r => new Measurement<long>(Refused(r), new KeyValuePair<string, object?>("reason", r.ToString())))];
}
