using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Verify;
using DePIN.Protocol;

namespace DePIN.Gateway.Telemetry;

/// <summary>
/// Makes the spans of sampled frames and of batches. All ids follow from a hash (a frame's leaf, a batch's hash) and the span's name, so spans of one frame
/// find together although hours, a restart or another gateway lie between them, and nothing has to be remembered. Which frames are sampled follows from
/// their signature: every gateway picks the same ones. Made only while a collector is configured.
/// </summary>
public sealed class FrameTracer(double sampleRatio, Address self, TimeProvider time) : IFrameWatch, IBodyWatch, IDisposable
{
    /// <summary>The source's name, as collectors show it.</summary>
    public const string SourceName = "DePIN.Gateway";

    /// <summary>The spans of a frame, each with its parent's name; the first is the trace's root.</summary>
    public const string Publish = "publish", Verify = "verify", Commit = "commit", Batch = "batch", Certificate = "certificate", Anchor = "anchor",
        Submitted = "anchor submitted", Mined = "anchor mined", Final = "anchor final";

    /// <summary>At a peer: it fetched the batch and checked every frame of it, and will attest. One of each peer, so its id has the gateway in it.</summary>
    public const string PeerCheck = "peer check";

    /// <summary>Sampled frames of one batch that get spans.</summary>
    public const int SampledPerBatchMax = 16;

    private readonly ActivitySource _source = new(SourceName);
    private readonly ulong _below = sampleRatio >= 1 ? ulong.MaxValue : (ulong)(sampleRatio * ulong.MaxValue);
    private readonly string _gateway = self.ToChecksumString();

    /// <summary>The trace of a frame or batch: the first 16 bytes of its leaf or hash.</summary>
    public static ActivityTraceId TraceIdOf(Hash32 hash) => ActivityTraceId.CreateFromBytes(hash.ToArray().AsSpan(0, 16));

    /// <summary>A span of that trace: the first 8 bytes of SHA-256 over hash and name.</summary>
    public static ActivitySpanId SpanIdOf(Hash32 hash, string name) =>
        ActivitySpanId.CreateFromBytes(SHA256.HashData([.. hash.ToArray(), .. Encoding.ASCII.GetBytes(name)]).AsSpan(0, 8));

    /// <summary>By the first bytes of the signature, which are as good as random: no hash has to be made for it.</summary>
    public bool IsSampled(ReadOnlySpan<byte> frame) => BinaryPrimitives.ReadUInt64BigEndian(frame[^FrameFormat.SignatureBytes..]) < _below;

    /// <inheritdoc/>
    public void Committed(ReadOnlySpan<byte> frame, long submitted, long decided, long committed)
    {
        Hash32 leaf = FrameLeaf.Hash(frame);
        (DateTime from, DateTime checkedAt, DateTime to) = (At(submitted), At(decided), At(committed));
        Span(leaf, Publish, null, from, to, tags:
        [
            new("depin.device", Convert.ToHexStringLower(frame.Slice(FrameFormat.DeviceIdOffset, DeviceIdValue.Bytes))),
            new("depin.sequence", (long)BinaryPrimitives.ReadUInt64BigEndian(frame[FrameFormat.SequenceOffset..])),
            new("depin.frame.bytes", frame.Length),
            new("depin.frame.leaf", leaf.ToString()),
        ]);
        Span(leaf, Verify, Publish, from, checkedAt);
        Span(leaf, Commit, Publish, checkedAt, to);
    }

    /// <inheritdoc/>
    public void Checked(BatchSummary batch, ReadOnlyMemory<byte> body, long begun)
    {
        DateTime to = time.GetUtcNow().UtcDateTime, from = to - time.GetElapsedTime(begun);
        KeyValuePair<string, object?>[] tags = [new("depin.batch.gateway", batch.Header.Gateway.ToChecksumString()), new("depin.batch.number", (long)batch.Header.Number), new("depin.batch.frames", (int)batch.Header.Frames)];
        Span(batch.Hash, PeerCheck, Batch, from, to, tags: tags, of: _gateway);
        if (BatchBody.TryParse(body, out BatchBody? frames) != BatchBodyFault.None) return;
        for (int i = 0, sampled = 0; i < frames!.Count && sampled < SampledPerBatchMax; i++)
        {
            if (!IsSampled(frames[i].Span)) continue;
            sampled++;
            Span(FrameLeaf.Hash(frames[i].Span), PeerCheck, Batch, from, to, batch.Hash, tags, _gateway);
        }
    }

    /// <summary>Emits one span that is over. <paramref name="parent"/> null makes the root; <paramref name="batch"/> links to that batch's own trace; <paramref name="of"/> tells spans of one name in one trace apart.</summary>
    public void Span(Hash32 hash, string name, string? parent, DateTime from, DateTime to, Hash32? batch = null, IEnumerable<KeyValuePair<string, object?>>? tags = null, string of = "")
    {
        ActivityTraceId trace = TraceIdOf(hash);
        ActivityContext above = parent is null ? default : new ActivityContext(trace, SpanIdOf(hash, parent), ActivityTraceFlags.Recorded, isRemote: true);
        ActivityLink[]? links = batch is { } linked ? [new ActivityLink(new ActivityContext(TraceIdOf(linked), SpanIdOf(linked, Batch), ActivityTraceFlags.Recorded))] : null;
        using Activity? span = _source.CreateActivity(name, parent is null ? ActivityKind.Consumer : ActivityKind.Internal, above, tags, links);
        if (span is null) return; // nobody listens
        span.SetTag("depin.gateway", _gateway);
        span.SetStartTime(from).Start();
        // There is no public way to give a span its id. Set before anyone asks for it, the runtime goes by it.
        TraceId(span) = trace.ToHexString();
        SpanId(span) = SpanIdOf(hash, name + of).ToHexString();
        span.SetEndTime(to);
    }

    /// <inheritdoc/>
    public void Dispose() => _source.Dispose();

    private DateTime At(long timestamp) => time.GetUtcNow().UtcDateTime - time.GetElapsedTime(timestamp);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_spanId")]
    private static extern ref string? SpanId(Activity activity);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_traceId")]
    private static extern ref string? TraceId(Activity activity);
}
