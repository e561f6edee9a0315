using System.Collections.Concurrent;
using System.IO.Compression;
using System.Threading.Channels;
using DePIN.Evidence;
using DePIN.Gateway.Settings;
using Microsoft.Net.Http.Headers;

namespace DePIN.Gateway.Peer;

/// <summary>How a fetch ended.</summary>
public enum FetchOutcome
{
    /// <summary>The whole body, of the right hash, is in the part file.</summary>
    Complete = 0,

    /// <summary>Not now; what came so far is kept.</summary>
    Unavailable,

    /// <summary>The peer sent other bytes.</summary>
    NotTheBody,

    /// <summary>The disk has no room or fails.</summary>
    Disk,
}

/// <summary>
/// Bodies between gateways, in parts of 256 KiB over the streams that are there: fetches with one part outstanding (memory for one part, resumed
/// at the offset that is on disk, from whoever is asked next), and answers from its sources, off the core's thread. Also answers
/// <c>GET /peer/bodies/…</c>.
/// </summary>
public sealed class BodyTransfer : IPeerBodies
{
    /// <summary>Bytes of a part, before it is deflated. Every part but the last has exactly these.</summary>
    public const int PartBytes = 256 * 1024;

    /// <summary>Fetches at the same time; more wait.</summary>
    public const int FetchesMax = 4;

    /// <summary>A part is asked for so often before a fetch gives up.</summary>
    public const int TriesMax = 3;

    /// <summary>Questions of one peer that wait; above, they are dropped and the peer asks again.</summary>
    public const int AsksPerPeerMax = 16;

    /// <summary>Parts read and deflated at the same time.</summary>
    private const int AnswersMax = 2;

    /// <summary>Bodies of one peer's questions kept open between parts.</summary>
    private const int ReadingsMax = 4;

    /// <summary>A fetch that is slower than this is given up. Bytes per second.</summary>
    private const long SlowestBytesPerS = 32 * 1024;

    private static readonly TimeSpan PartPatience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan FetchPatience = TimeSpan.FromSeconds(60);

    private readonly BodyStore _store;
    private readonly IReadOnlyList<IBodySource> _sources;
    private readonly IPeerTransport _transport;
    private readonly PeerSettings _settings;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _fetches = new(FetchesMax, FetchesMax);
    private readonly SemaphoreSlim _answers = new(AnswersMax, AnswersMax);
    private readonly ConcurrentDictionary<(Address Peer, Hash32 FramesHash), Asked> _asked = [];
    private readonly ConcurrentDictionary<Hash32, bool> _fetching = [];
    private readonly ConcurrentDictionary<Address, Service> _services = [];
    private CancellationToken _stopping = new(canceled: true);

    /// <param name="store">Where fetched bodies go; also the first source.</param>
    /// <param name="own">Further sources: own batches from the frame store.</param>
    /// <param name="transport">Carries the messages; give this to its <see cref="PeerTransport.Use"/>.</param>
    /// <param name="settings">The rate at which one peer is served.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">For what fails.</param>
    public BodyTransfer(BodyStore store, IReadOnlyList<IBodySource> own, IPeerTransport transport, PeerSettings settings, TimeProvider time, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(own);
        (_store, _sources, _transport, _settings, _time, _log) = (store, [store, .. own], transport, settings, time, log);
    }

    /// <summary>Answers questions until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        _stopping = stopping;
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, _time, stopping).ConfigureAwait(false);
        }
        finally
        {
            await Task.WhenAll(_services.Values.Select(s => s.Answering)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>
    /// Gets a body from a peer into the part file and compares its hash. One fetch per body; a second one meanwhile is Unavailable.
    /// <paramref name="bytesMax"/>: more cannot be right. <paramref name="isWhole"/>: whether the part file is what was asked for, where its name is not its SHA-256.
    /// </summary>
    public async Task<FetchOutcome> FetchAsync(Address from, Hash32 framesHash, long bytesMax, CancellationToken stopping, Func<bool>? isWhole = null)
    {
        if (!_fetching.TryAdd(framesHash, true)) return FetchOutcome.Unavailable;
        try
        {
            await _fetches.WaitAsync(stopping).ConfigureAwait(false);
            try
            {
                bool resumed = _store.PartLength(framesHash) > 0;
                FetchOutcome outcome = await FetchPartsAsync(from, framesHash, bytesMax, isWhole, stopping).ConfigureAwait(false);
                // What was there before may be another peer's, or damaged: only a body that came whole from this peer accuses it.
                if (outcome == FetchOutcome.NotTheBody && resumed) outcome = await FetchPartsAsync(from, framesHash, bytesMax, isWhole, stopping).ConfigureAwait(false);
                return outcome;
            }
            finally
            {
                _fetches.Release();
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            _log.LogError(fault, "the body {Hash} could not be written", framesHash);
            return FetchOutcome.Disk;
        }
        finally
        {
            _fetching.TryRemove(framesHash, out _);
        }
    }

    /// <inheritdoc/>
    void IPeerBodies.Asked(Address peer, GetBodyMessage message)
    {
        if (_stopping.IsCancellationRequested) return;
        Service service = _services.GetOrAdd(peer, static (_, self) => new Service(new TokenBucket((double)self._settings.MibPerS * (1 << 20), 4.0 * self._settings.MibPerS * (1 << 20), self._time)), this);
        if (service.Start()) service.Answering = Task.Run(() => AnswerAsync(peer, service, _stopping), CancellationToken.None);
        if (!service.Asks.Writer.TryWrite(message)) _transport.Blame(peer, PeerScores.TooFast, $"it asks for more than {AsksPerPeerMax} parts of bodies at once");
    }

    /// <inheritdoc/>
    bool IPeerBodies.Arrived(Address peer, BodyPartMessage message) =>
        _asked.TryGetValue((peer, message.FramesHash), out Asked? asked) && asked.Offset == message.Offset && asked.Part.TrySetResult(message);

    /// <inheritdoc/>
    void IPeerBodies.Away(Address peer)
    {
        foreach (((Address from, _), Asked asked) in _asked)
            if (from == peer) asked.Part.TrySetResult(null);
    }

    /// <inheritdoc/>
    async Task IPeerBodies.AnswerAsync(HttpContext context, Hash32 framesHash)
    {
        using BodyReading? whole = Open(framesHash, 0);
        if (whole is null)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        HttpResponse response = context.Response;
        response.ContentType = "application/octet-stream";
        response.Headers.AcceptRanges = "bytes";
        response.Headers.ETag = $"\"{framesHash}\"";
        (long from, long length, bool partial) = (0, whole.Length, false);
        if (RangeHeaderValue.TryParse(context.Request.Headers.Range.ToString(), out RangeHeaderValue? range) && range.Unit == "bytes" && range.Ranges.Count == 1)
        {
            RangeItemHeaderValue one = range.Ranges.First();
            from = one.From ?? Math.Max(0, whole.Length - one.To!.Value);
            long to = one.From is null ? whole.Length - 1 : Math.Min(one.To ?? long.MaxValue, whole.Length - 1);
            if (from > to)
            {
                response.StatusCode = StatusCodes.Status416RangeNotSatisfiable;
                response.Headers.ContentRange = $"bytes */{whole.Length}";
                return;
            }

            (length, partial) = (to - from + 1, true);
        }

        if (partial)
        {
            response.StatusCode = StatusCodes.Status206PartialContent;
            response.Headers.ContentRange = $"bytes {from}-{from + length - 1}/{whole.Length}";
        }

        // A range is one of the plain body (RFC 9110 section 14.2), so a partial answer is not coded.
        string coding = partial ? "" : Coding(context.Request.Headers.AcceptEncoding.ToString());
        response.Headers.Vary = "Accept-Encoding";
        if (coding.Length > 0) response.Headers.ContentEncoding = coding;
        else response.ContentLength = length;
        using BodyReading? reading = from == 0 ? null : Open(framesHash, from);
        Stream source = from == 0 ? whole.Rest : reading?.Rest ?? throw new IOException("the body is gone");
        Stream coded = coding switch
        {
            "br" => new BrotliStream(response.Body, CompressionLevel.Fastest, leaveOpen: true),
            "deflate" => new ZLibStream(response.Body, CompressionLevel.Fastest, leaveOpen: true), // deflate is the zlib format: RFC 9110 section 8.4.1.2
            _ => response.Body,
        };
        byte[] buffer = new byte[64 * 1024];
        TokenBucket rate = new((double)_settings.MibPerS * (1 << 20), (double)_settings.MibPerS * (1 << 20), _time);
        while (length > 0)
        {
            int read = source.Read(buffer, 0, (int)Math.Min(buffer.Length, length));
            if (read == 0) throw new IOException("the body ended early");
            await coded.WriteAsync(buffer.AsMemory(0, read), context.RequestAborted).ConfigureAwait(false);
            length -= read;
            if (rate.Charge(read) is var wait && wait > TimeSpan.Zero) await Task.Delay(wait, _time, context.RequestAborted).ConfigureAwait(false);
        }

        if (coding.Length > 0) await coded.DisposeAsync().ConfigureAwait(false);
    }

    private async Task<FetchOutcome> FetchPartsAsync(Address from, Hash32 framesHash, long bytesMax, Func<bool>? isWhole, CancellationToken stopping)
    {
        long offset = _store.PartLength(framesHash), total = -1, began = _time.GetTimestamp(), start = offset;
        int tries = 0;
        while (offset != total)
        {
            if (_time.GetElapsedTime(began) > FetchPatience + TimeSpan.FromSeconds((double)(offset - start) / SlowestBytesPerS)) return FetchOutcome.Unavailable;
            BodyPartMessage? part = await AskAsync(from, new GetBodyMessage(framesHash, (uint)offset), stopping).ConfigureAwait(false);
            if (part is null)
            {
                if (++tries >= TriesMax || !IsConnected(from)) return FetchOutcome.Unavailable;
                continue;
            }

            if (part.Total == 0) return FetchOutcome.Unavailable;
            if (total < 0 && offset > part.Total) // what is on disk is not of this body
            {
                _store.DiscardPart(framesHash);
                (offset, start) = (0, 0);
                continue;
            }

            if ((total >= 0 && part.Total != total) || part.Total > bytesMax || part.Total > EvidenceLimits.BatchBodyBytesMax) return FetchOutcome.NotTheBody;
            total = part.Total;
            if (Plain(part, (int)Math.Min(PartBytes, total - offset)) is not { } bytes) return FetchOutcome.NotTheBody;
            if (!_store.Append(framesHash, offset, bytes)) return FetchOutcome.Disk;
            offset += bytes.Length;
            tries = 0;
        }

        if (isWhole?.Invoke() ?? _store.HashPart(framesHash) == framesHash) return FetchOutcome.Complete;
        _store.DiscardPart(framesHash);
        return FetchOutcome.NotTheBody;
    }

    private bool IsConnected(Address peer) => _transport.Peers().Any(p => p.Gateway == peer && p.IsConnected);

    private async Task<BodyPartMessage?> AskAsync(Address from, GetBodyMessage question, CancellationToken stopping)
    {
        Asked asked = new(question.Offset);
        _asked[(from, question.FramesHash)] = asked;
        try
        {
            if (!_transport.Send(from, question)) return null;
            return await asked.Part.Task.WaitAsync(PartPatience, _time, stopping).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return null;
        }
        finally
        {
            _asked.TryRemove((from, question.FramesHash), out _);
        }
    }

    /// <summary>The part's bytes, exactly so many; null when they are not.</summary>
    private static byte[]? Plain(BodyPartMessage part, int expected)
    {
        if (!part.Compressed) return part.Part.Length == expected ? part.Part.ToArray() : null;
        byte[] bytes = new byte[expected];
        try
        {
            using DeflateStream plain = new(new MemoryStream(part.Part.ToArray()), CompressionMode.Decompress);
            return plain.ReadAtLeast(bytes, expected, throwOnEndOfStream: false) == expected && plain.ReadByte() < 0 ? bytes : null;
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    private BodyReading? Open(Hash32 framesHash, long offset)
    {
        foreach (IBodySource source in _sources)
            if (source.Open(framesHash, offset) is { } reading) return reading;
        return null;
    }

    private async Task AnswerAsync(Address peer, Service service, CancellationToken stopping)
    {
        LinkedList<OpenBody> open = [];
        try
        {
            while (await service.Asks.Reader.WaitToReadAsync(stopping).ConfigureAwait(false))
            {
                while (service.Asks.Reader.TryRead(out GetBodyMessage? question))
                {
                    BodyPartMessage answer;
                    await _answers.WaitAsync(stopping).ConfigureAwait(false);
                    try
                    {
                        answer = Part(open, question);
                    }
                    catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or Store.StoreException or System.Data.Common.DbException)
                    {
                        _log.LogError(fault, "the body {Hash} could not be read for a peer", question.FramesHash);
                        answer = new BodyPartMessage(question.FramesHash, question.Offset, 0, false, default);
                    }
                    finally
                    {
                        _answers.Release();
                    }

                    _transport.Send(peer, answer); // a full queue: it asks again
                    if (service.Rate.Charge(answer.Part.Length) is var wait && wait > TimeSpan.Zero) await Task.Delay(wait, _time, stopping).ConfigureAwait(false);
                }

                while (open.Count > 0 && !service.Asks.Reader.TryPeek(out _) && open.First!.Value.AtEnd) Close(open);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The stop.
        }
        finally
        {
            while (open.Count > 0) Close(open);
        }
    }

    private static void Close(LinkedList<OpenBody> open)
    {
        open.First!.Value.Reading.Dispose();
        open.RemoveFirst();
    }

    private BodyPartMessage Part(LinkedList<OpenBody> open, GetBodyMessage question)
    {
        // A question for the next part goes on where the last one ended: a source may have to walk to an offset.
        OpenBody? at = open.FirstOrDefault(o => o.FramesHash == question.FramesHash && o.Position == question.Offset);
        if (at is null)
        {
            if (Open(question.FramesHash, question.Offset) is not { } reading) return new BodyPartMessage(question.FramesHash, question.Offset, 0, false, default);
            at = new OpenBody(question.FramesHash, reading) { Position = question.Offset };
            if (open.Count >= ReadingsMax) Close(open);
            open.AddLast(at);
        }

        byte[] bytes = new byte[Math.Clamp(at.Reading.Length - at.Position, 0, PartBytes)];
        at.Reading.Rest.ReadExactly(bytes);
        at.Position += bytes.Length;
        uint total = (uint)at.Reading.Length;
        if (at.AtEnd)
        {
            at.Reading.Dispose();
            open.Remove(at);
        }

        using MemoryStream small = new(bytes.Length);
        using (DeflateStream deflate = new(small, CompressionLevel.Fastest, leaveOpen: true)) deflate.Write(bytes);
        bool smaller = small.Length < bytes.Length;
        return new BodyPartMessage(question.FramesHash, question.Offset, total, smaller, smaller ? small.ToArray() : bytes);
    }

    private static string Coding(string accepted)
    {
        if (!StringWithQualityHeaderValue.TryParseList([accepted], out IList<StringWithQualityHeaderValue>? wanted)) return "";
        bool Takes(string coding) => wanted.Any(w => w.Value == coding && (w.Quality ?? 1) > 0);
        return Takes("br") ? "br" : Takes("deflate") ? "deflate" : "";
    }

    private sealed class Asked(uint offset)
    {
        public uint Offset => offset;

        public TaskCompletionSource<BodyPartMessage?> Part { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Service(TokenBucket rate)
    {
        private int _started;

        public Channel<GetBodyMessage> Asks { get; } = Channel.CreateBounded<GetBodyMessage>(new BoundedChannelOptions(AsksPerPeerMax) { SingleReader = true });

        public TokenBucket Rate => rate;

        public Task Answering { get; set; } = Task.CompletedTask;

        public bool Start() => Interlocked.Exchange(ref _started, 1) == 0;
    }

    private sealed class OpenBody(Hash32 framesHash, BodyReading reading)
    {
        public Hash32 FramesHash => framesHash;

        public BodyReading Reading => reading;

        public long Position { get; set; }

        public bool AtEnd => Position >= reading.Length;
    }
}
