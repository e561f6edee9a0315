using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace DePIN.Gateway.Tests.Telemetry;

/// <summary>A span as it came over the wire; ids in hex, <see cref="Parent"/> empty for a root, times in ns.</summary>
internal sealed record ReceivedSpan(string Trace, string Id, string Parent, string Name, ulong StartNs, ulong EndNs, IReadOnlyList<string> LinkedTraces, string Service);

/// <summary>
/// A collector on a real socket that takes OTLP as protobuf over HTTP/1.1, or over gRPC (HTTP/2 with prior knowledge), and reads of it what tests ask for
/// (opentelemetry-proto 1.x, field numbers beside the names).
/// </summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private const int GrpcPrefix = 5; // compressed or not, then the length (gRPC over HTTP/2, Length-Prefixed-Message)

    private readonly WebApplication _host;

    private OtlpReceiver(WebApplication host) => _host = host;

    public static async Task<OtlpReceiver> StartAsync(bool grpc = false)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = grpc ? HttpProtocols.Http2 : HttpProtocols.Http1));
        OtlpReceiver receiver = new(builder.Build());
        receiver._host.Run(grpc ? receiver.TakeCallAsync : receiver.TakePostAsync);
        await receiver._host.StartAsync();
        receiver.Url = new Uri(receiver._host.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        return receiver;
    }

    public Uri Url { get; private set; } = null!;

    public ConcurrentQueue<ReceivedSpan> Spans { get; } = new();

    public ConcurrentDictionary<string, bool> Metrics { get; } = new();

    /// <summary>The value of the header "Authorization" that came last.</summary>
    public string? Authorization { get; private set; }

    /// <summary>Not 0: calls are refused with this gRPC status.</summary>
    public int Refusal { get; set; }

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    private async Task TakePostAsync(HttpContext context)
    {
        byte[] body = await BodyAsync(context);
        if (context.Request.Path == "/v1/traces") ReadTraces(body);
        if (context.Request.Path == "/v1/metrics") ReadMetrics(body);
        context.Response.ContentType = "application/x-protobuf";
    }

    private async Task TakeCallAsync(HttpContext context)
    {
        byte[] body = (await BodyAsync(context))[GrpcPrefix..];
        context.Response.ContentType = "application/grpc";
        if (Refusal != 0)
        {
            context.Response.Headers["grpc-status"] = Refusal.ToString(CultureInfo.InvariantCulture);
            return;
        }

        if (context.Request.Path == "/opentelemetry.proto.collector.trace.v1.TraceService/Export") ReadTraces(body);
        if (context.Request.Path == "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export") ReadMetrics(body);
        await context.Response.Body.WriteAsync(new byte[GrpcPrefix]); // an empty answer
        context.Response.AppendTrailer("grpc-status", "0");
    }

    private async Task<byte[]> BodyAsync(HttpContext context)
    {
        using MemoryStream body = new();
        await context.Request.Body.CopyToAsync(body);
        Authorization = context.Request.Headers.Authorization;
        return body.ToArray();
    }

    private void ReadTraces(byte[] request)
    {
        foreach (byte[] resourceSpans in Fields(request, 1))
        {
            // resource = 1 { attributes = 1 { key = 1, value = 2 { string_value = 1 } } }
            string service = Fields(Fields(resourceSpans, 1).Single(), 1).Where(a => Text(a, 1) == "service.name").Select(a => Text(Fields(a, 2).Single(), 1)).FirstOrDefault() ?? "";
            foreach (byte[] span in Fields(resourceSpans, 2).SelectMany(scope => Fields(scope, 2)))
                Spans.Enqueue(new ReceivedSpan(Hex(span, 1), Hex(span, 2), Hex(span, 4), Text(span, 5), Fixed(span, 7), Fixed(span, 8), [.. Fields(span, 13).Select(link => Hex(link, 1))], service));
        }
    }

    private void ReadMetrics(byte[] request)
    {
        foreach (byte[] metric in Fields(request, 1).SelectMany(resource => Fields(resource, 2)).SelectMany(scope => Fields(scope, 2))) Metrics[Text(metric, 1)] = true;
    }

    private static string Hex(byte[] message, int field) => Fields(message, field).Select(Convert.ToHexStringLower).FirstOrDefault() ?? "";

    private static string Text(byte[] message, int field) => Fields(message, field).Select(Encoding.UTF8.GetString).FirstOrDefault() ?? "";

    private static ulong Fixed(byte[] message, int field) => Fields(message, field).Select(bytes => BinaryPrimitives.ReadUInt64LittleEndian(bytes)).Single();

    /// <summary>The contents of a protobuf message's fields of that number: wire types 1, 2 and 5 as bytes, 0 left out.</summary>
    private static List<byte[]> Fields(byte[] message, int number)
    {
        List<byte[]> found = [];
        int at = 0;
        while (at < message.Length)
        {
            ulong key = Varint();
            int bytes = (int)(key & 7) switch { 0 => -1, 1 => 8, 5 => 4, 2 => (int)Varint(), _ => throw new FormatException("no OTLP") };
            if (bytes < 0)
            {
                Varint();
                continue;
            }

            if ((int)(key >> 3) == number) found.Add(message[at..(at + bytes)]);
            at += bytes;
        }

        return found;

        ulong Varint()
        {
            ulong value = 0;
            for (int shift = 0; ; shift += 7)
            {
                byte one = message[at++];
                value |= (ulong)(one & 0x7f) << shift;
                if (one < 0x80) return value;
            }
        }
    }
}
