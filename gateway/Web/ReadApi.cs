using System.Buffers;
using System.Reflection;
using DePIN.Evidence;
using DePIN.Gateway.Anchor;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;
using DePIN.Protocol;

namespace DePIN.Gateway.Web;

/// <summary>
/// The read API over what the other parts keep. Every answer is bounded (pages), built from the stores at the time of the
/// request, and the same on every gateway that has the same data.
/// </summary>
public sealed class ReadApi(
    WebSettings settings, ChainAddresses contracts, int confirmations, Address self, IFrameStore frames, DeviceTable devices, BatchReader batches,
    NetworkLog network, AnchorLog anchors, RegistryLog registry, LedgerRange ledger, GatewayFacts facts,
    Func<Address, ulong, BatchId?>? anchoredIn = null)
{
    /// <summary>Entries on a page when the client does not say.</summary>
    public const int PageDefault = 100;

    private const string AnchoredElsewhere = "anchored elsewhere";

    /// <summary>Adds the paths.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        Get(routes, "/api/status", Status);
        Get(routes, "/api/devices", Devices);
        Get(routes, "/api/devices/{device}", Device);
        Get(routes, "/api/devices/{device}/frames", Frames);
        Get(routes, "/api/devices/{device}/frames/{sequence}", Frame);
        Get(routes, "/api/devices/{device}/frames/{sequence}/proof", ProofOf);
        Get(routes, "/api/batches", Batches);
        Get(routes, "/api/batches/{number}", OneBatch);
        Get(routes, "/api/anchors", Anchors);
        Get(routes, "/api/anchors/{ordinal}/path", PathOf);
    }

    internal static void Get(IEndpointRouteBuilder routes, string path, RequestDelegate handle) => routes.MapGet(path, handle);

    private Task Status(HttpContext context)
    {
        ApiRequest.Allow(context);
        return ApiRequest.WriteAsync(context, StatusNow(), ApiJsonContext.Default.StatusJson);
    }

    /// <summary>/api/status.</summary>
    internal StatusJson StatusNow()
    {
        GatewaySet? active = registry.ActiveSet()?.Set;
        LedgerEntry? head = registry.LedgerHead();
        string version = typeof(ReadApi).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";
        return new StatusJson(
            version, self.ToChecksumString(), active?.Contains(self) ?? false, active?.Count ?? 0, active?.Quorum ?? 0, (long)contracts.ChainId,
            contracts.Ledger.ToString(), contracts.DeviceRegistry.ToString(), contracts.GatewayRegistry.ToString(), facts.EpochSeconds,
            devices.Count, frames.LastRow, frames.LastBatch()?.Number ?? 0, network.HighestNumber(self), network.Counts().Pending,
            head is null ? 0 : head.Ordinal + 1, head?.Header.Epoch, facts.Chain());
    }

    private Task Devices(HttpContext context)
    {
        ApiRequest.Allow(context, "after", "limit");
        DeviceIdValue? after = context.Request.Query.ContainsKey("after") ? ApiRequest.Device("after", context.Request.Query["after"]) : null;
        (IReadOnlyList<KnownDevice> page, string? next) = DevicesAfter(after, Limit(context));
        return ApiRequest.WriteAsync(context, new DevicesJson([.. page.Select(Json)], next), ApiJsonContext.Default.DevicesJson);
    }

    /// <summary>Devices in the order of their ids, after one.</summary>
    internal (IReadOnlyList<KnownDevice> Page, string? Next) DevicesAfter(DeviceIdValue? after, int limit)
    {
        List<KnownDevice> page = [.. devices.All
            .Where(d => after is not { } last || d.Registration.Id.CompareTo(last) > 0)
            .OrderBy(d => d.Registration.Id).Take(limit + 1)];
        string? next = page.Count > limit ? page[limit - 1].Registration.Id.ToString() : null;
        return ([.. page.Take(limit)], next);
    }

    private Task Device(HttpContext context)
    {
        ApiRequest.Allow(context);
        return ApiRequest.WriteAsync(context, Json(Known(context)), ApiJsonContext.Default.DeviceJson);
    }

    private Task Frames(HttpContext context)
    {
        ApiRequest.Allow(context, "from", "limit");
        KnownDevice device = Known(context);
        ulong from = ApiRequest.Number(context, "from", 1, 1);
        int limit = Limit(context);
        List<StoredFrame> page = frames.FramesOf(device.Log.Device, from, limit);
        if (ApiRequest.Wants(context, SenMl.MediaType)) return ApiRequest.WriteAsync(context, ReadingExport.Pack(page), SenMl.MediaType);
        ulong? next = page.Count == limit ? FrameParser.Sequence(page[^1].Frame, 0) + 1 : null;
        return ApiRequest.WriteAsync(context, new FramesJson([.. page.Select(f => Json(device, f))], next), ApiJsonContext.Default.FramesJson);
    }

    private Task Frame(HttpContext context)
    {
        ApiRequest.Allow(context);
        (KnownDevice device, StoredFrame frame) = Stored(context);
        if (ApiRequest.Wants(context, SenMl.MediaType)) return ApiRequest.WriteAsync(context, ReadingExport.Pack([frame]), SenMl.MediaType);
        return ApiRequest.WriteAsync(context, StateOf(device, frame), ApiJsonContext.Default.FrameStateJson);
    }

    /// <summary>A frame and how far it is on its way.</summary>
    internal FrameStateJson StateOf(KnownDevice device, StoredFrame frame)
    {
        (string state, BatchId? batch, ulong? ordinal) = StateOf(frame);
        return new FrameStateJson(Json(device, frame), state, batch?.Number, ordinal, batch is { } other && other.Gateway != self ? other.Gateway.ToChecksumString() : null);
    }

    private Task ProofOf(HttpContext context)
    {
        ApiRequest.Allow(context);
        (KnownDevice device, StoredFrame frame) = Stored(context);
        (string state, BatchId? batch, ulong? ordinal) = StateOf(frame);
        if (state == AnchoredElsewhere)
            throw new ProblemException(StatusCodes.Status409Conflict, "Anchored through another gateway", "Another gateway's batch brought the frame to the ledger first: the proof is over that batch.",
                batch is { } other ? $"Ask gateway {other.Gateway.ToChecksumString()}, whose batch {other.Number} holds the frame." : "Ask the other gateways that hear this device.");
        if (ordinal is null || ledger.Proof(ordinal.Value) is not { } range || registry.Ledger(ordinal.Value, 1) is not [var entry])
            throw new ProblemException(StatusCodes.Status409Conflict, "Not anchored yet", $"The frame is {state}, not anchored: there is no proof of it yet.",
                "Ask again after the next epoch; /health says whether anchoring works.");
        if (frames.BatchOf(frame.Row) is { } of && !batches.IsWhole(of)) throw Gone(of, isLost: !frames.IsDropped(of.FirstRow));
        BatchProof proof = batches.Prove(frame.Row) ?? throw ApiRequest.NotFound("The frame is in no batch.", "Ask again later.");
        BatchHeader[] leaves = [.. network.BatchesIn(ordinal.Value).Select(b => b.Summary.Header)];
        (AnchorHeader rebuilt, MerkleTree tree) = AnchorHeader.Build(entry.Header.Epoch, entry.Header.Previous, leaves);
        if (rebuilt != entry.Header)
            throw new ProblemException(StatusCodes.Status409Conflict, "Anchor not complete here", $"Not all batches of anchor {ordinal} are known here.",
                "Ask again later: peers are asked for them.");
        Proof json = new()
        {
            ChainId = contracts.ChainId, Ledger = contracts.Ledger, Frame = frame.Frame, PublicKey = KeyOf(device, frame),
            BatchPath = [.. proof.Path], Batch = BatchReader.Header(proof.Batch), AnchorPath = [.. tree.Proof(Array.FindIndex(leaves, l => l.Gateway == self && l.Number == batch?.Number))],
            Anchor = entry.Header, Ordinal = ordinal.Value, LedgerSize = (ulong)range.Size, LedgerPath = [.. range.Path],
        };
        return ApiRequest.WriteAsync(context, json.ToJson(), "application/json");
    }

    /// <summary>The key that signed the frame: what the device has now, or one it had when the frame was made.</summary>
    private ReadOnlyMemory<byte> KeyOf(KnownDevice device, StoredFrame frame)
    {
        ReadOnlyMemory<byte> now = device.Registration.PublicKey;
        if (registry.Device(device.Registration.Id) is not { FormerKeys: [_, ..] former } || ProofVerifier.VerifyFrame(now.Span, frame.Frame)) return now;
        return former.FirstOrDefault(key => ProofVerifier.VerifyFrame(key.Span, frame.Frame), now);
    }

    private Task Batches(HttpContext context)
    {
        ApiRequest.Allow(context, "from", "limit");
        int limit = Limit(context);
        List<BatchJson> page = BatchesFrom(ApiRequest.Number(context, "from", 1, 1), limit);
        return ApiRequest.WriteAsync(context, new BatchesJson(page, page.Count == limit ? page[^1].Number + 1 : null), ApiJsonContext.Default.BatchesJson);
    }

    /// <summary>Own batches, without their attestations.</summary>
    internal List<BatchJson> BatchesFrom(ulong from, int limit) => [.. frames.Batches(from, limit).Select(b => Json(b, Own(b.Number), false))];

    private Task OneBatch(HttpContext context)
    {
        ApiRequest.Allow(context);
        return ApiRequest.WriteAsync(context, BatchAt(ApiRequest.PathNumber(context, "number")), ApiJsonContext.Default.BatchJson);
    }

    /// <summary>An own batch with its attestations.</summary>
    /// <exception cref="ProblemException">There is none.</exception>
    internal BatchJson BatchAt(ulong number)
    {
        StoredBatch batch = frames.BatchAt(number) ?? throw ApiRequest.NotFound($"There is no batch {number}.", "See /api/batches.");
        return Json(batch, Own(number), true);
    }

    private Task Anchors(HttpContext context)
    {
        ApiRequest.Allow(context, "from", "limit");
        return ApiRequest.WriteAsync(context, AnchorsFrom(ApiRequest.Number(context, "from", 0), Limit(context)), ApiJsonContext.Default.AnchorsJson);
    }

    private Task PathOf(HttpContext context)
    {
        ApiRequest.Allow(context, "size");
        ulong ordinal = ApiRequest.PathNumber(context, "ordinal", 0), size = ApiRequest.Number(context, "size", 0);
        if (ledger.Proof(ordinal, size) is not { } found)
            throw ApiRequest.NotFound($"The ledger, as read here, has no anchor {ordinal} at that size.", "Leave size out for the present one; /health says how far the chain is read.");
        return ApiRequest.WriteAsync(context, new LedgerPathJson(ordinal, found.Hash.ToString(), (ulong)found.Size, [.. found.Path.Select(node => node.ToString())]), ApiJsonContext.Default.LedgerPathJson);
    }

    /// <summary>/api/anchors.</summary>
    internal AnchorsJson AnchorsFrom(ulong from, int limit)
    {
        IReadOnlyList<LedgerEntry> page = registry.Ledger(from, limit);
        ulong head = registry.Last?.Number ?? 0;
        Hash32 previous = registry.LedgerHead()?.Hash ?? Hash32.Zero;
        AnchorVote? open = network.VotesOn(previous).FirstOrDefault();
        return new AnchorsJson(
            [.. page.Select(e => Json(e, head))],
            page.Count == limit ? page[^1].Ordinal + 1 : null,
            open is null ? null : new OpenAnchorJson(open.Header.Epoch, open.Header.Hash().ToString(), open.Header.Batches, open.Header.Frames,
                [.. anchors.Attempts(open.Header.Hash()).Select(a => new AttemptJson(a.Hash.ToString(), a.Nonce, a.MaxFeePerGas.ToString(System.Globalization.CultureInfo.InvariantCulture),
                    a.PriorityFeePerGas.ToString(System.Globalization.CultureInfo.InvariantCulture), a.SavedMs, a.SentMs == 0 ? null : a.SentMs))]));
    }

    /// <summary>How far a frame has come: through its newest own batch, else through another gateway's (its batch, when it can be said which).</summary>
    private (string State, BatchId? Batch, ulong? Ordinal) StateOf(StoredFrame frame)
    {
        StoredBatch? batch = frames.BatchOf(frame.Row);
        BatchRecord? record = batch is null ? null : Own(batch.Number);
        if (record is not { State: BatchState.Anchored } && FrameSpans.Key(frame.Frame) is var key && network.IsAnchored(key.Device, key.Sequence))
            return (AnchoredElsewhere, anchoredIn?.Invoke(key.Device, key.Sequence), null);
        return batch is null ? ("stored", null, null) : (State(record), new BatchId(self, batch.Number), Ordinal(record));
    }

    private BatchRecord? Own(ulong number) => network.Find(new BatchId(self, number));

    private static ulong? Ordinal(BatchRecord? record) => record is { State: BatchState.Anchored } ? record.Ordinal : null;

    private static string State(BatchRecord? record) => record?.State switch
    {
        BatchState.Anchored => "anchored",
        BatchState.Certified => "certified",
        BatchState.Void => "void",
        _ => "batched",
    };

    private int Limit(HttpContext context) => (int)ApiRequest.Number(context, "limit", (ulong)Math.Min(PageDefault, settings.PageMax), 1, (ulong)settings.PageMax);

    internal KnownDevice Known(HttpContext context)
    {
        DeviceIdValue id = ApiRequest.PathDevice(context);
        return devices.Find(id) ?? throw ApiRequest.NotFound($"Device {id} is not in the registry, as far as this gateway knows.", "Register it on chain with its own signature, or wait until the gateway has read the block.");
    }

    internal (KnownDevice Device, StoredFrame Frame) Stored(HttpContext context)
    {
        KnownDevice device = Known(context);
        ulong sequence = ApiRequest.PathNumber(context, "sequence");
        StoredFrame frame = frames.Find(device.Log.Device, sequence)
            ?? throw (frames.FindDropped(device.Log.Device, sequence) is { } gone ? Gone(gone.Batch, gone.IsLost) : null) ?? (Exception) ApiRequest.NotFound($"There is no frame {sequence} of this device here.", $"The last sequence is {device.Log.LastSequence}; frames between may never have arrived, or be among those that the disk lost, which /health tells.");
        return (device, frame);
    }

    /// <summary>Its frames were dropped after they were anchored, or the disk lost them.</summary>
    private ProblemException Gone(StoredBatch? batch, bool isLost)
    {
        string where = batch is null ? "The frame was here" : $"The frame was in batch {batch.Number}{(Ordinal(Own(batch.Number)) is { } ordinal ? $", which ledger entry {ordinal} holds" : "")}";
        return new ProblemException(StatusCodes.Status410Gone, isLost ? "Lost by the disk" : "Dropped after it was anchored",
            isLost ? $"{where}; the disk lost it, or frames of its batch." : $"{where}; its frames were dropped, by age or disk budget.",
            isLost ? "It comes back if peers have the batch. See the folder quarantine, and /health." : "Its batch's header remains in /api/batches; peers and the device's owner may still have the frame. store.keepDays and store.diskBudgetMib say how long frames are kept.");
    }

    internal DeviceJson Json(KnownDevice device)
    {
        RegisteredDevice r = device.Registration;
        (ulong sequence, long row) = device.Log.Last;
        return new DeviceJson(
            r.Id.ToString(), HexText.Encode(r.PublicKey.Span), Contracts.DeviceRegistryReader.KeyKindName(r.KeyKind),
            r.Owner.IsEmpty ? null : HexText.Encode(r.Owner.Span), r.RegisteredAt, r.IsRevoked ? r.RevokedAt : null, sequence, row == 0 ? null : frames.FrameAt(row)?.ReceivedMs);
    }

    internal static FrameJson Json(KnownDevice device, StoredFrame stored)
    {
        byte[] frame = stored.Frame;
        bool isSealed = FrameParser.IsSealed(frame, 0);
        List<SampleJson> samples = [];
        Sample sample = new();
        for (int i = 0; !isSealed && i < FrameParser.SampleCount(frame, 0); i++)
        {
            FrameParser.ReadSample(frame, 0, i, sample);
            samples.Add(new SampleJson(sample.Channel, Channels.Name(sample.Channel), Channels.Unit(sample.Channel),
                SenMl.Decimal(sample.Value, sample.Exponent), sample.Quality, sample.OffsetMs));
        }

        return new FrameJson(device.Registration.Id.ToString(), FrameParser.Sequence(frame, 0), stored.ReceivedMs, FrameParser.TimeMs(frame, 0),
            FrameParser.IsClockSynchronised(frame, 0), FrameParser.BootCount(frame, 0), FrameParser.Profile(frame, 0), isSealed, samples, HexText.Encode(frame));
    }

    private static BatchJson Json(StoredBatch stored, BatchRecord? record, bool whole)
    {
        BatchHeader h = BatchReader.Header(stored);
        return new BatchJson(h.Number, h.Hash().ToString(), h.Gateway.ToString(), h.Previous.ToString(), h.Root.ToString(), h.Frames, h.Samples,
            h.FirstReceivedMs, h.LastReceivedMs, h.Body.ToString(), State(record), Ordinal(record),
            whole ? [.. (record?.Attestations ?? []).Select(a => new AttestationJson(a.Gateway.ToString(), a.Signature.ToString()))] : null);
    }

    private AnchorJson Json(LedgerEntry entry, ulong head)
    {
        ulong depth = head >= entry.Block ? head - entry.Block + 1 : 0;
        AnchorHeader h = entry.Header;
        return new AnchorJson(entry.Ordinal, h.Epoch, entry.Hash.ToString(), h.Previous.ToString(), h.Root.ToString(), h.Batches, h.Frames, entry.Block,
            entry.TransactionHash.ToString(), depth, depth >= (ulong)confirmations, [.. network.BatchesIn(entry.Ordinal).Where(b => b.Summary.Header.Gateway == self).Select(b => b.Summary.Header.Number)]);
    }
}
