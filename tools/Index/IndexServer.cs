using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Verify;
using DePIN.Gateway.Web;
using DePIN.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Net.Http.Headers;
using Npgsql;

namespace DePIN.Index;

/// <summary>
/// The index over HTTP/1.1, read only: devices, their readings with where the ledger has them, proofs, how it stands. Every answer is bounded and comes from the database; requests are
/// read as strictly as the gateway's and errors are its problem documents (RFC 9457). No TLS and no login: loopback, or a reverse proxy before it.
/// </summary>
public sealed class IndexServer(IPEndPoint listen, IndexReads reads)
{
    /// <summary>Frames on a page at most.</summary>
    public const int PageMax = 1_000;

    /// <summary>Frames on a page when the client does not say.</summary>
    public const int PageDefault = 100;

    /// <summary>Gaps in /status.</summary>
    public const int GapsShown = 100;

    private const int ConnectionsMax = 256;
    private const string Csv = "text/csv";

    private readonly TaskCompletionSource<IPEndPoint> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the bound address once requests are taken.</summary>
    public Task<IPEndPoint> Listening => _listening.Task;

    /// <summary>Serves until <paramref name="stopping"/>.</summary>
    /// <exception cref="IndexException">The address cannot be bound.</exception>
    public async Task RunAsync(CancellationToken stopping)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { Args = [] });
        builder.Services.AddSingleton<ILoggerFactory>(NullLoggerFactory.Instance);
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = ConnectionsMax;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Limits.MaxRequestLineSize = 4 * 1024;
            kestrel.Limits.MaxRequestHeadersTotalSize = 16 * 1024;
            kestrel.Listen(listen);
        });
        await using WebApplication application = builder.Build();
        application.Use(AnswerProblemsAsync);
        application.UseRouting();
        Get(application, "/status", StatusAsync);
        Get(application, "/devices", DevicesAsync);
        Get(application, "/devices/{device}/readings", ReadingsAsync);
        Get(application, "/devices/{device}/frames/{sequence}/proof", ProofAsync);
        try
        {
            await application.StartAsync(stopping).ConfigureAwait(false);
        }
        catch (IOException taken)
        {
            throw new IndexException($"--serve: {listen} cannot be bound ({taken.Message})", "stop what uses it, or name another port");
        }

        _listening.TrySetResult(IPEndPoint.Parse(new Uri(application.Urls.First()).Authority));
        await application.WaitForShutdownAsync(stopping).ConfigureAwait(false);
    }

    private static void Get(IEndpointRouteBuilder routes, string path, RequestDelegate handle) => routes.MapGet(path, handle);

    private async Task StatusAsync(HttpContext context)
    {
        ApiRequest.Allow(context);
        StatusRow row = await reads.StatusAsync(context.RequestAborted).ConfigureAwait(false);
        StatusJson answer = new(row.ChainId, row.Ledger.ToString(), row.Block, row.BlockTimeS, row.Head, row.Head - row.Block, row.FinalBlock, row.UpdatedMs,
            new CountsJson(row.Anchors, row.AnchorsFinal, row.AnchorsUnknown, row.Batches, row.BatchesMissing, row.Frames, row.Gaps),
            await reads.GapsAsync(GapsShown, context.RequestAborted).ConfigureAwait(false), await reads.SourcesAsync(context.RequestAborted).ConfigureAwait(false));
        await AnswerAsync(context, answer, IndexJsonContext.Default.StatusJson).ConfigureAwait(false);
    }

    private async Task DevicesAsync(HttpContext context)
    {
        ApiRequest.Allow(context, "after", "limit");
        byte[] after = context.Request.Query.ContainsKey("after") ? ApiRequest.Device("after", context.Request.Query["after"]).ToArray() : [];
        int limit = Limit(context);
        List<DeviceRow> page = await reads.DevicesAsync(after, limit + 1, context.RequestAborted).ConfigureAwait(false);
        DeviceListJson answer = new([.. page.Take(limit).Select(device => new IndexedDeviceJson(device.Device, HexText.Encode(device.PublicKey),
            DeviceRegistryReader.KeyKindName((byte)device.KeyKind), HexText.Encode(device.Owner), device.RegisteredAtS, device.RevokedAtS))],
            page.Count > limit ? page[limit - 1].Device : null);
        await AnswerAsync(context, answer, IndexJsonContext.Default.DeviceListJson).ConfigureAwait(false);
    }

    private async Task ReadingsAsync(HttpContext context)
    {
        ApiRequest.Allow(context, "from", "to", "channel", "limit", "after");
        DeviceIdValue device = ApiRequest.PathDevice(context);
        int limit = Limit(context);
        int? channel = context.Request.Query.ContainsKey("channel") ? (int)ApiRequest.Number(context, "channel", 0, 0, ushort.MaxValue) : null;
        string media = context.Request.Headers.Accept.ToString().Contains(Csv, StringComparison.OrdinalIgnoreCase) ? Csv
            : ApiRequest.Wants(context, SenMl.MediaType) ? SenMl.MediaType : "application/json";
        if (channel is not null && media == SenMl.MediaType) throw ApiRequest.Bad("channel", "cannot be chosen in SenML, whose packs are whole frames", "Leave it out, or accept application/json or text/csv.");
        List<IndexedFrame> frames = await reads.FramesAsync(device.ToArray(), (long)ApiRequest.Number(context, "from", 0), (long)ApiRequest.Number(context, "to", long.MaxValue), After(context), limit, context.RequestAborted).ConfigureAwait(false);
        if (frames.Count == 0 && !await reads.HasDeviceAsync(device.ToArray(), context.RequestAborted).ConfigureAwait(false))
            throw ApiRequest.NotFound($"Device {device} is not in the registry, as far as the chain is read.", "See /devices, and /status for how far that is.");
        string? next = frames.Count == limit ? string.Create(CultureInfo.InvariantCulture, $"{frames[^1].TimeMs}-{FrameParser.Sequence(frames[^1].Frame, 0)}") : null;
        if (next is not null) context.Response.Headers.Link = $"<{Next(context, next)}>; rel=\"next\""; // RFC 8288: also for those whose format has no place for it
        if (media == SenMl.MediaType)
        {
            await AnswerAsync(context, Pack(frames), media).ConfigureAwait(false);
            return;
        }

        IEnumerable<ReadingJson> readings = frames.SelectMany(frame => Readings(device, frame)).Where(reading => channel is null || reading.Channel == channel);
        if (media == Csv) await AnswerAsync(context, Encoding.UTF8.GetBytes(Table(device, readings)), Csv + "; charset=utf-8").ConfigureAwait(false);
        else await AnswerAsync(context, new ReadingsJson([.. readings], next), IndexJsonContext.Default.ReadingsJson).ConfigureAwait(false);
    }

    private async Task ProofAsync(HttpContext context)
    {
        ApiRequest.Allow(context);
        DeviceIdValue device = ApiRequest.PathDevice(context);
        ulong sequence = ApiRequest.PathNumber(context, "sequence");
        Proof proof = await reads.ProveAsync(device.ToArray(), (long)sequence, context.RequestAborted).ConfigureAwait(false)
            ?? throw ApiRequest.NotFound($"Frame {sequence} of device {device} is not indexed.", "It is not anchored yet, or its batch is among the gaps that /status shows.");
        await AnswerAsync(context, proof.ToJson(), "application/json").ConfigureAwait(false);
    }

    private static IEnumerable<ReadingJson> Readings(DeviceIdValue device, IndexedFrame indexed)
    {
        byte[] frame = indexed.Frame;
        bool synchronised = FrameParser.IsClockSynchronised(frame, 0);
        ulong sequence = FrameParser.Sequence(frame, 0);
        string proof = string.Create(CultureInfo.InvariantCulture, $"/devices/{device}/frames/{sequence}/proof");
        Sample sample = new();
        for (int i = 0; i < FrameParser.SampleCount(frame, 0); i++)
        {
            FrameParser.ReadSample(frame, 0, i, sample);
            yield return new ReadingJson(sequence, i, indexed.TimeMs + (synchronised ? sample.OffsetMs : 0), synchronised, sample.Channel, Channels.Name(sample.Channel), Channels.Unit(sample.Channel),
                SenMl.Decimal(sample.Value, sample.Exponent), sample.Quality, indexed.Ordinal, indexed.Epoch, indexed.Block, indexed.Transaction.ToString(), indexed.Gateway.ToString(), indexed.Batch,
                indexed.Place, indexed.IsFinal, proof);
        }
    }

    /// <summary>RFC 4180. Nothing in it needs quotes: names and units are ours, all else is numbers and hex.</summary>
    private static string Table(DeviceIdValue device, IEnumerable<ReadingJson> readings)
    {
        StringBuilder table = new("device,sequence,sample,timeMs,clockSynchronised,channel,name,unit,value,quality,ordinal,epoch,block,transaction,gateway,batch,place,final,proof\r\n");
        foreach (ReadingJson r in readings)
        {
            table.Append(CultureInfo.InvariantCulture,
                $"{device},{r.Sequence},{r.Sample},{r.TimeMs},{(r.ClockSynchronised ? "true" : "false")},{r.Channel},{r.Name},{r.Unit},{r.Value},{r.Quality},{r.Ordinal},{r.Epoch},{r.Block},{r.Transaction},{r.Gateway},{r.Batch},{r.Place},{(r.Final ? "true" : "false")},{r.Proof}\r\n");
        }

        return table.ToString();
    }

    /// <summary>One SenML pack of several frames: base values are set anew by each frame's first record (RFC 8428 section 4.1).</summary>
    private static byte[] Pack(IReadOnlyList<IndexedFrame> frames)
    {
        using MemoryStream buffer = new();
        using (StreamWriter pack = new(buffer, new UTF8Encoding(false)))
        {
            pack.Write('[');
            System.Buffers.ArrayBufferWriter<byte> one = new();
            bool isFirst = true;
            foreach (IndexedFrame frame in frames)
            {
                one.ResetWrittenCount();
                if (SenMl.Write(frame.Frame, one, (ulong)frame.TimeMs) == 0) continue;
                if (!isFirst) pack.Write(',');
                isFirst = false;
                pack.Write(Encoding.UTF8.GetString(one.WrittenSpan[1..^1]));
            }

            pack.Write(']');
        }

        return buffer.ToArray();
    }

    private static (long TimeMs, long Sequence) After(HttpContext context)
    {
        if (!context.Request.Query.ContainsKey("after")) return (-1, 0);
        string[] parts = context.Request.Query["after"].ToString().Split('-');
        return parts.Length == 2 && long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out long time) && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long sequence)
            ? (time, sequence) : throw ApiRequest.Bad("after", "is no place in the readings", "Give 'next' of the page before.");
    }

    private static string Next(HttpContext context, string next) => context.Request.Path + QueryString.Create(
        context.Request.Query.Where(pair => pair.Key != "after").Select(pair => KeyValuePair.Create(pair.Key, (string?)pair.Value.ToString())).Append(KeyValuePair.Create("after", (string?)next)));

    private static int Limit(HttpContext context) => (int)ApiRequest.Number(context, "limit", PageDefault, 1, PageMax);

    private static Task AnswerAsync<T>(HttpContext context, T answer, JsonTypeInfo<T> type) => AnswerAsync(context, JsonSerializer.SerializeToUtf8Bytes(answer, type), "application/json");

    /// <summary>With an entity tag over the bytes (RFC 9110 section 8.8.3): who asks again is told that nothing changed.</summary>
    private static async Task AnswerAsync(HttpContext context, byte[] body, string mediaType)
    {
        HttpResponse response = context.Response;
        string tag = $"\"{Convert.ToHexStringLower(SHA256.HashData(body).AsSpan(0, 16))}\"";
        response.Headers.ETag = tag;
        response.Headers.CacheControl = "no-cache";
        response.Headers.Vary = HeaderNames.Accept;
        response.Headers.XContentTypeOptions = "nosniff";
        if (context.Request.Headers.IfNoneMatch.ToString().Contains(tag, StringComparison.Ordinal))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            await response.StartAsync(context.RequestAborted).ConfigureAwait(false);
            return;
        }

        response.ContentType = mediaType;
        response.ContentLength = body.Length;
        await response.Body.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
    }

    private static async Task AnswerProblemsAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context).ConfigureAwait(false);
            if (context.Response.HasStarted || context.Response.ContentLength is not null) return;
            if (context.Response.StatusCode == StatusCodes.Status404NotFound)
                await WriteAsync(context, ApiRequest.NotFound("There is nothing at this path.", "See tools/Index/README.md for the paths.").Problem).ConfigureAwait(false);
            else if (context.Response.StatusCode == StatusCodes.Status405MethodNotAllowed)
                await WriteAsync(context, new Problem("about:blank", "Method not allowed", 405, "The path does not know this method.", null, "Use GET.")).ConfigureAwait(false);
        }
        catch (ProblemException problem)
        {
            await WriteAsync(context, problem.Problem).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client went away; there is nobody to answer.
        }
        catch (Exception fault) when (!context.Response.HasStarted && fault is NpgsqlException or InvalidDataException or IOException or TimeoutException)
        {
            context.Response.Clear();
            await WriteAsync(context, new Problem("about:blank", "Database not readable", 503, fault.Message, null, "Try again; if it stays, see whether PostgreSQL runs.")).ConfigureAwait(false);
        }
    }

    private static Task WriteAsync(HttpContext context, Problem problem) => ApiRequest.WriteAsync(context, problem, IndexJsonContext.Default.Problem, problem.Status);
}
