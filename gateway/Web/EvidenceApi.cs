using System.Globalization;
using DePIN.Evidence;
using DePIN.Gateway.Dispute;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Web;

/// <summary>
/// What is behind the ledger's entries, for whoever is no member of the network: the batches of an anchor, own and peers', and the bodies of batches by
/// their SHA-256; and what this gateway made of evidence. Nobody needs to believe it: an anchor's root is over its batches' hashes, a batch's header commits to its body. Bodies are up to 76 MB and
/// read from the disk, so only a few are sent at once.
/// </summary>
public sealed class EvidenceApi(WebSettings settings, NetworkLog network, RegistryLog registry, DisputeLog disputes, CaseLog cases, IReadOnlyList<IBodySource> bodies)
{
    /// <summary>Bodies sent at once; who comes then is told to come again.</summary>
    public const int BodiesAtOnceMax = 4;

    private const int RetryAfterS = 2;

    private readonly SemaphoreSlim _turns = new(BodiesAtOnceMax);

    /// <summary>Adds the paths.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        ReadApi.Get(routes, "/api/anchors/{ordinal}/batches", Batches);
        ReadApi.Get(routes, "/api/anchors/{ordinal}/spans/{leaf}", Spans);
        ReadApi.Get(routes, "/api/bodies/{hash}", BodyAsync);
        ReadApi.Get(routes, "/api/disputes", Disputes);
    }

    private Task Disputes(HttpContext context)
    {
        ApiRequest.Allow(context, "limit");
        int limit = (int)ApiRequest.Number(context, "limit", (ulong)Math.Min(ReadApi.PageDefault, settings.PageMax), 1, (ulong)settings.PageMax);
        return ApiRequest.WriteAsync(context, new DisputesJson([.. disputes.All(limit).Select(Json)], [.. cases.All(limit).Select(Json)]), ApiJsonContext.Default.DisputesJson);
    }

    /// <summary>A dispute without what must stay secret until it is reported.</summary>
    internal static DisputeJson Json(DisputeRecord dispute) => new(
        ApiRequest.Name(dispute.Kind), dispute.Accused.ToString(), dispute.Id.ToString(), ApiRequest.Name(dispute.State), dispute.Reporter?.ToString(), dispute.MadeMs, dispute.Attempts, dispute.Text);

    /// <summary>A case, whoever opened it.</summary>
    internal static CaseJson Json(CaseRecord one) => new(
        one.Id.ToString(), one.Device.ToString(), one.Accused.ToString(), one.Reporter.ToString(), one.DeadlineS, one.Block, ApiRequest.Name(one.State), one.Attempts, one.Text);

    private Task Batches(HttpContext context)
    {
        ApiRequest.Allow(context, "from", "limit");
        ulong ordinal = ApiRequest.PathNumber(context, "ordinal", 0);
        int from = (int)ApiRequest.Number(context, "from", 0, 0, int.MaxValue);
        int limit = (int)ApiRequest.Number(context, "limit", (ulong)Math.Min(ReadApi.PageDefault, settings.PageMax), 1, (ulong)settings.PageMax);
        if (registry.Ledger(ordinal, 1) is not [var entry] || entry.Ordinal != ordinal)
            throw ApiRequest.NotFound($"There is no anchor {ordinal}, as far as this gateway has read the chain.", "See /api/anchors.");
        IReadOnlyList<BatchRecord> all = ordinal < network.KnownEntries && network.EntryHash(ordinal) == entry.Hash ? network.BatchesIn(ordinal) : [];
        if (all.Count == 0) throw ApiRequest.NotFound($"The batches of anchor {ordinal} are not known here yet.", "Ask again later, or ask another gateway.");
        List<BatchRecord> page = [.. all.Skip(from).Take(limit)];
        return ApiRequest.WriteAsync(context, new AnchoredBatchesJson(ordinal, entry.Hash.ToString(), [.. page.Select(Json)], from + page.Count < all.Count ? from + page.Count : null),
            ApiJsonContext.Default.AnchoredBatchesJson);
    }

    /// <summary>Which frames a batch holds, as the bytes that its header commits to: kept for ever, where bodies are not.</summary>
    private Task Spans(HttpContext context)
    {
        ApiRequest.Allow(context);
        ulong ordinal = ApiRequest.PathNumber(context, "ordinal", 0), leaf = ApiRequest.PathNumber(context, "leaf", 0);
        IReadOnlyList<BatchRecord> all = ordinal < network.KnownEntries ? network.BatchesIn(ordinal) : [];
        if (leaf >= (ulong)all.Count) throw ApiRequest.NotFound($"Batch {leaf} of anchor {ordinal} is not known here.", "See /api/anchors/{ordinal}/batches; ask again later, or another gateway.");
        return ApiRequest.WriteAsync(context, all[(int)leaf].Summary.Spans.ToArray(), "application/octet-stream");
    }

    private async Task BodyAsync(HttpContext context)
    {
        ApiRequest.Allow(context);
        string text = context.Request.RouteValues["hash"] as string ?? "";
        if (!Hash32.TryParse(text.StartsWith("0x", StringComparison.Ordinal) ? text : "0x" + text, out Hash32 hash))
            throw ApiRequest.Bad("hash", "is no SHA-256", "Give 64 hex digits: framesHash, as /api/anchors/{ordinal}/batches lists it.");
        string etag = $"\"{hash}\"";
        HttpResponse response = context.Response;
        response.Headers.ETag = etag;
        response.Headers.CacheControl = "public, max-age=31536000, immutable"; // named by its hash: it never is another
        if (context.Request.Headers.IfNoneMatch.ToString().Contains(etag, StringComparison.Ordinal))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            response.ContentLength = null;
            await response.StartAsync(context.RequestAborted).ConfigureAwait(false);
            return;
        }

        if (!await _turns.WaitAsync(0, context.RequestAborted).ConfigureAwait(false))
        {
            Uncache(response);
            response.Headers.RetryAfter = RetryAfterS.ToString(CultureInfo.InvariantCulture);
            throw new ProblemException(StatusCodes.Status503ServiceUnavailable, "Busy", $"{BodiesAtOnceMax} bodies are being sent already.", $"Ask again in {RetryAfterS} s, or ask another gateway.");
        }

        try
        {
            using BodyReading? body = bodies.Select(source => source.Open(hash, 0)).FirstOrDefault(opened => opened is not null);
            if (body is null)
            {
                Uncache(response);
                throw ApiRequest.NotFound("This body is not here: never fetched, or older than peer.bodyDays.", "Ask another gateway; the one that made the batch keeps its own.");
            }

            response.ContentType = "application/octet-stream";
            response.ContentLength = body.Length;
            response.Headers.XContentTypeOptions = "nosniff";
            await body.Rest.CopyToAsync(response.Body, context.RequestAborted).ConfigureAwait(false);
        }
        finally
        {
            _turns.Release();
        }
    }

    private static void Uncache(HttpResponse response)
    {
        response.Headers.ETag = default;
        response.Headers.CacheControl = "no-store";
    }

    private static AnchoredBatchJson Json(BatchRecord batch)
    {
        BatchHeader h = batch.Summary.Header;
        return new AnchoredBatchJson(h.Gateway.ToString(), h.Number, h.Previous.ToString(), h.Root.ToString(), h.Frames, h.Samples, h.FirstReceivedMs, h.LastReceivedMs, h.Body.ToString(),
            batch.Summary.FramesHash.ToString(), batch.Summary.Spans.Hash().ToString(), [.. batch.Attestations.Select(a => new AttestationJson(a.Gateway.ToString(), a.Signature.ToString()))]);
    }
}
