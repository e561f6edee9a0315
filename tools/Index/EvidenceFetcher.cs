using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Protocol;

namespace DePIN.Index;

/// <summary>
/// Gets what is behind the ledger's anchors from gateways and believes none of them. An anchor's batches must give its root; a batch's two hashes must give what its
/// header commits to; a body must have its hash, and every frame in it a signature by the key that the registry had for its device at the anchor's block. Who sends something else is
/// blamed, and the next one is asked.
/// </summary>
public sealed class EvidenceFetcher : IDisposable
{
    private readonly IReadOnlyList<GatewaySource> _sources;
    private readonly BodyCheck _check;
    private readonly Action<string> _say;
    private int _next;

    /// <param name="sources">At least one.</param>
    /// <param name="say">Told when a gateway lied.</param>
    public EvidenceFetcher(IReadOnlyList<GatewaySource> sources, Action<string> say)
    {
        (_sources, _say) = (sources, say);
        _check = new BodyCheck(workers: Environment.ProcessorCount);
    }

    /// <summary>The gateways.</summary>
    public IReadOnlyList<GatewaySource> Sources => _sources;

    /// <summary>An anchor's batches in leaf order, checked; or the gap.</summary>
    public async Task<(List<AnchoredBatch>? Batches, Gap? Gap)> BatchesAsync(AnchorWork work, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(work);
        Attempts attempts = new();
        foreach (GatewaySource source in Turn())
        {
            SourceAnswer<List<AnchoredBatch>> answer = await source.BatchesAsync(work.Ordinal, work.Header.Batches, stopping).ConfigureAwait(false);
            if (answer.Value is not { } batches)
            {
                attempts.Add(source, answer.IsMissing, answer.IsLie, answer.Words);
                continue;
            }

            if (FaultOf(work, batches) is { } fault)
            {
                attempts.Add(source, missing: false, lied: true, Blame(source, $"the batches of anchor {work.Ordinal}: {fault}"));
                continue;
            }

            source.Praise();
            return (batches, null);
        }

        return (null, attempts.ToGap(work.Ordinal, Gap.Contents));
    }

    /// <summary>Which frames a batch holds, checked against what its header commits to; or the gap.</summary>
    public async Task<(FrameSpans? Spans, Gap? Gap)> SpansAsync(ulong ordinal, int leaf, AnchoredBatch batch, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Attempts attempts = new();
        foreach (GatewaySource source in Turn())
        {
            SourceAnswer<byte[]> answer = await source.SpansAsync(ordinal, leaf, (int)batch.Header.Frames * FrameSpan.Bytes, stopping).ConfigureAwait(false);
            if (answer.Value is not { } bytes)
            {
                attempts.Add(source, answer.IsMissing, answer.IsLie, answer.Words);
                continue;
            }

            if (FrameSpans.TryRead(bytes, out FrameSpans? spans) == FrameSpansFault.None && spans!.Hash() == batch.SpansHash)
            {
                source.Praise();
                return (spans, null);
            }

            attempts.Add(source, missing: false, lied: true, Blame(source, $"the frames of batch {batch.Header.Number} of {batch.Header.Gateway} in anchor {ordinal} are not those that its header commits to"));
        }

        return (null, attempts.ToGap(ordinal, leaf));
    }

    /// <summary>A batch's body, checked whole; or the gap.</summary>
    /// <param name="work">The batch.</param>
    /// <param name="keysAt">Public keys, the newest first, of those of the devices that are registered at a block.</param>
    /// <param name="stopping">Ends it.</param>
    public async Task<(CheckedBatch? Batch, Gap? Gap)> BodyAsync(BatchWork work, Func<IReadOnlyCollection<Address>, ulong, Task<ILookup<Address, byte[]>>> keysAt, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(work);
        ArgumentNullException.ThrowIfNull(keysAt);
        Attempts attempts = new();
        int bytesMax = (int)work.Header.Frames * (2 + FrameFormat.FrameBytesMax);
        foreach (GatewaySource source in Turn())
        {
            SourceAnswer<byte[]> answer = await source.BodyAsync(work.FramesHash, bytesMax, stopping).ConfigureAwait(false);
            if (answer.Value is not { } bytes)
            {
                attempts.Add(source, answer.IsMissing, answer.IsLie, answer.Words);
                continue;
            }

            if (BatchBody.HashOf(bytes) != work.FramesHash)
            {
                attempts.Add(source, missing: false, lied: true, Blame(source, $"the body of batch {work.Header.Number} of {work.Header.Gateway}: its SHA-256 is another"));
                continue;
            }

            source.Praise();
            // From here on the bytes are what a quorum certified: every fault is the network's.
            return await JudgeAsync(work, bytes, keysAt, stopping).ConfigureAwait(false);
        }

        return (null, attempts.ToGap(work.Ordinal, work.Position));
    }

    /// <inheritdoc/>
    public void Dispose() => _check.Dispose();

    private async Task<(CheckedBatch? Batch, Gap? Gap)> JudgeAsync(BatchWork work, byte[] bytes, Func<IReadOnlyCollection<Address>, ulong, Task<ILookup<Address, byte[]>>> keysAt, CancellationToken stopping)
    {
        if (BatchBody.TryParse(bytes, out BatchBody? body) is var fault && body is null) return (null, new Gap(work.Ordinal, work.Position, GapReason.BadFrame, $"it is no body ({fault})"));
        if (FrameSpans.Of(body) is not { } spans) return (null, new Gap(work.Ordinal, work.Position, GapReason.BadFrame, "a frame is in it twice"));
        HashSet<Address> devices = [.. spans.Runs.Select(run => run.Device)];
        ILookup<Address, byte[]> keys = await keysAt(devices, work.Block).ConfigureAwait(false);
        if (devices.Where(device => !keys.Contains(device)).ToList() is [var unknown, ..])
            return (null, new Gap(work.Ordinal, work.Position, GapReason.DeviceUnknown, $"device {unknown} is not registered at block {work.Block}"));
        BodyFinding finding = await _check.CheckAsync(new BatchSummary(work.Header, work.FramesHash, spans), bytes, device => [.. keys[device].Select(key => (ReadOnlyMemory<byte>)key)], stopping).ConfigureAwait(false);
        return finding.Verdict == BodyVerdict.Good ? (new CheckedBatch(work, body), null) : (null, new Gap(work.Ordinal, work.Position, GapReason.BadFrame, finding.Reason));
    }

    private static string? FaultOf(AnchorWork work, List<AnchoredBatch> batches)
    {
        if ((uint)batches.Count != work.Header.Batches) return $"{batches.Count} of {work.Header.Batches}";
        for (int i = 1; i < batches.Count; i++)
        {
            if (AnchorHeader.CompareLeaves(batches[i - 1].Header, batches[i].Header) >= 0) return "not in leaf order";
        }

        foreach (AnchoredBatch batch in batches)
        {
            if (batch.Header.Check() is var fault and not BatchHeaderFault.None) return $"a header contradicts itself ({fault})";
            if (BatchBody.Commitment(batch.SpansHash, batch.FramesHash) != batch.Header.Body) return $"batch {batch.Header.Number} of {batch.Header.Gateway} commits to another body";
        }

        (AnchorHeader rebuilt, _) = AnchorHeader.Build(work.Header.Epoch, work.Header.Previous, batches.Select(batch => batch.Header).ToArray());
        return rebuilt == work.Header ? null : "they do not give its root";
    }

    /// <summary>Those that are not resting, each time another one first.</summary>
    private IEnumerable<GatewaySource> Turn()
    {
        int first = Interlocked.Increment(ref _next);
        return Enumerable.Range(0, _sources.Count).Select(i => _sources[(int)((uint)(first + i) % (uint)_sources.Count)]).Where(source => !source.IsResting);
    }

    private string Blame(GatewaySource source, string what)
    {
        _say($"{source.Name} sent something else than what is on the chain: {what}");
        return source.Blame(what);
    }

    /// <summary>What each gateway said, for the gap.</summary>
    private sealed class Attempts
    {
        private readonly List<string> _words = [];
        private bool _missing, _lied;

        public void Add(GatewaySource source, bool missing, bool lied, string words)
        {
            _missing |= missing;
            _lied |= lied;
            _words.Add($"{source.Name}: {words}");
        }

        public Gap ToGap(ulong ordinal, int position) => new(ordinal, position, _missing ? GapReason.Missing : _lied ? GapReason.Altered : GapReason.Unreachable,
            _words.Count > 0 ? string.Join("; ", _words) : "every gateway is left alone for a while after what it last did");
    }
}
