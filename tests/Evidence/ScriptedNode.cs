using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace DePIN.Evidence.Tests;

/// <summary>
/// A JSON-RPC endpoint on a real socket that answers as the test says, raw bytes included: what a broken node, a proxy or an
/// attacker sends. One request per connection.
/// </summary>
internal sealed class ScriptedNode : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Func<Request, byte[]?> _answer;
    private readonly Task _running;

    /// <param name="answer">The raw HTTP response; empty closes the connection; null never answers.</param>
    public ScriptedNode(Func<Request, byte[]?> answer)
    {
        _answer = answer;
        _listener.Start();
        Url = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/v3/secret-api-key?token=secret");
        _running = AcceptAsync();
    }

    public Uri Url { get; }

    public ConcurrentQueue<Request> Requests { get; } = new();

    /// <summary>A request as the node saw it.</summary>
    public sealed record Request(long Id, string Method, JsonElement Parameters, int Number);

    public static byte[] Http(string body, string status = "200 OK", string headers = "") => Http(Encoding.UTF8.GetBytes(body), status, headers);

    public static byte[] Http(byte[] body, string status = "200 OK", string headers = "") =>
        [.. Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\nConnection: close\r\n{headers}\r\n"), .. body];

    public static byte[] Result(Request request, string result) => Http(string.Create(CultureInfo.InvariantCulture,
        $$"""{"jsonrpc":"2.0","id":{{request.Id}},"result":{{result}}}"""));

    public static byte[] Error(Request request, string error) => Http(string.Create(CultureInfo.InvariantCulture,
        $$"""{"jsonrpc":"2.0","id":{{request.Id}},"error":{{error}}}"""));

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _running;
        _listener.Dispose();
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        List<Task> connections = [];
        try
        {
            while (true) connections.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stopping.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using TcpClient owned = client;
        try
        {
            NetworkStream stream = client.GetStream();
            JsonElement body = await ReadAsync(stream);
            Request request = new(body.GetProperty("id").GetInt64(), body.GetProperty("method").GetString()!, body.GetProperty("params"), Requests.Count + 1);
            Requests.Enqueue(request);
            byte[]? answer = _answer(request);
            if (answer is null) await Task.Delay(Timeout.Infinite, _stopping.Token);
            else await stream.WriteAsync(answer, _stopping.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException)
        {
            return; // the client hung up, or the test is over: that is what some tests are about
        }
    }

    private async Task<JsonElement> ReadAsync(NetworkStream stream)
    {
        List<byte> bytes = [];
        byte[] buffer = new byte[4096];
        while (true)
        {
            int count = await stream.ReadAsync(buffer, _stopping.Token);
            if (count == 0) throw new IOException("closed");
            bytes.AddRange(buffer.AsSpan(0, count));
            string text = Encoding.Latin1.GetString([.. bytes]);
            int end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (end < 0) continue;
            string header = text[..end].Split("\r\n").Single(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase));
            int length = int.Parse(header.AsSpan(15), NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture);
            if (bytes.Count < end + 4 + length) continue;
            using JsonDocument document = JsonDocument.Parse(bytes.GetRange(end + 4, length).ToArray());
            return document.RootElement.Clone();
        }
    }
}

/// <summary>A clock on which waits are over at once and recorded; timers as long as an attempt's timeout never fire.</summary>
internal sealed class ImpatientClock : TimeProvider
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    public ConcurrentQueue<TimeSpan> Waits { get; } = new();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime >= Patience || dueTime < TimeSpan.Zero) return System.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, period);
        Waits.Enqueue(dueTime);
        return System.CreateTimer(callback, state, TimeSpan.Zero, period);
    }
}
