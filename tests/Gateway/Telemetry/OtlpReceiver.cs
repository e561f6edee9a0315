using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DePIN.Gateway.Tests.Telemetry;

/// <summary>A span as it came over the wire; ids in hex, <see cref="Parent"/> empty for a root, times in ns.</summary>
internal sealed record ReceivedSpan(string Trace, string Id, string Parent, string Name, ulong StartNs, ulong EndNs, IReadOnlyList<string> LinkedTraces, string Service);

/// <summary>A collector on a real socket that takes OTLP as protobuf over HTTP and reads of it what tests ask for (opentelemetry-proto 1.x, field numbers beside the names).</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly HttpListener _listener = new();
    private readonly Task _serving;

    public OtlpReceiver()
    {
        using (TcpListener free = new(IPAddress.Loopback, 0))
        {
            free.Start();
            Url = new Uri($"http://127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}/");
        }

        _listener.Prefixes.Add(Url.ToString());
        _listener.Start();
        _serving = ServeAsync();
    }

    public Uri Url { get; }

    public ConcurrentQueue<ReceivedSpan> Spans { get; } = new();

    public ConcurrentDictionary<string, bool> Metrics { get; } = new();

    /// <summary>The value of the header "Authorization" that came last.</summary>
    public string? Authorization { get; private set; }

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _serving;
        _listener.Close();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception ended) when (ended is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            using MemoryStream body = new();
            await context.Request.InputStream.CopyToAsync(body);
            Authorization = context.Request.Headers["Authorization"];
            if (context.Request.Url!.AbsolutePath == "/v1/traces") ReadTraces(body.ToArray());
            if (context.Request.Url.AbsolutePath == "/v1/metrics") ReadMetrics(body.ToArray());
            context.Response.ContentType = "application/x-protobuf";
            context.Response.Close();
        }
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
