using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace DePIN.Evidence;

/// <summary>How to reach EVM nodes.</summary>
public sealed record JsonRpcSettings
{
    /// <param name="endpoints">1 to 8 http or https URLs, the preferred first.</param>
    /// <exception cref="ArgumentException">None, too many, or another scheme.</exception>
    public JsonRpcSettings(params IReadOnlyList<Uri> endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        if (endpoints.Count is 0 or > EndpointsMax) throw new ArgumentException($"Give 1 to {EndpointsMax} RPC endpoints.", nameof(endpoints));
        foreach (Uri endpoint in endpoints)
        {
            if (!endpoint.IsAbsoluteUri || (endpoint.Scheme != Uri.UriSchemeHttp && endpoint.Scheme != Uri.UriSchemeHttps))
                throw new ArgumentException("An RPC endpoint is an http or https URL.", nameof(endpoints));
        }
        Endpoints = endpoints;
    }

    /// <summary>Most endpoints.</summary>
    public const int EndpointsMax = 8;

    /// <summary>The endpoints, the preferred first.</summary>
    public IReadOnlyList<Uri> Endpoints { get; }

    /// <summary>Time for one attempt at one endpoint, request to last byte.</summary>
    public TimeSpan AttemptTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often all endpoints are tried in turn before giving up.</summary>
    public int RoundsMax { get; init; } = 3;

    /// <summary>Wait after the first round in vain; doubles each round, times a random 0.5 to 1.</summary>
    public TimeSpan BackoffFirst { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Longest wait between rounds.</summary>
    public TimeSpan BackoffMax { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest answer that is read.</summary>
    public int ResponseBytesMax { get; init; } = 16 * 1024 * 1024;
}

/// <summary>
/// JSON-RPC 2.0 over HTTP with fail-over: an endpoint that does not answer, answers 429 or 5xx, or answers nonsense, makes way for
/// the next; after a round in vain it waits with jitter and starts again, at most <see cref="JsonRpcSettings.RoundsMax"/> times.
/// An endpoint that worked stays preferred. Errors that the request itself earned (a revert, bad parameters) are thrown at once.
/// Safe for concurrent use. Every method used here may be sent twice: a transaction sent again is "already known".
/// </summary>
public sealed class JsonRpc
{
    private const int TooManyRequests = 429;
    private const int LimitExceeded = -32005; // EIP-1474
    private const int GethRevert = 3; // geth, anvil, reth: "execution reverted" with data

    private readonly HttpClient _http;
    private readonly JsonRpcSettings _settings;
    private readonly TimeProvider _clock;
    private readonly Random _jitter;
    private readonly Lock _jitterLock = new();
    private long _lastId;
    private long _failures;
    private volatile int _preferred;

    /// <param name="http">Owned by the caller; its handler is the seam to the network. <see cref="CreateHttpClient"/> makes a fitting one.</param>
    /// <param name="settings">Endpoints and bounds.</param>
    /// <param name="clock">Time for timeouts and waits.</param>
    /// <param name="jitter">Randomness for waits.</param>
    /// <param name="reverts">Custom errors to name; null knows Error and Panic only.</param>
    public JsonRpc(HttpClient http, JsonRpcSettings settings, TimeProvider clock, Random jitter, RevertRegistry? reverts = null)
    {
        ArgumentNullException.ThrowIfNull(http);
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(clock);
        ArgumentNullException.ThrowIfNull(jitter);
        _http = http;
        _settings = settings;
        _clock = clock;
        _jitter = jitter;
        Reverts = reverts ?? new RevertRegistry();
    }

    /// <summary>Attempts that an endpoint did not answer, or not well.</summary>
    public long Failures => Interlocked.Read(ref _failures);

    /// <summary>Names of custom errors; contract callers add theirs.</summary>
    public RevertRegistry Reverts { get; }

    /// <summary>A client without redirects (a POST must not wander), whose connections are renewed so that DNS changes are seen.</summary>
    public static HttpClient CreateHttpClient() => new(
        new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.All,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            PooledConnectionLifetime = TimeSpan.FromMinutes(10),
        })
    {
        Timeout = Timeout.InfiniteTimeSpan, // each attempt has its own, on the clock given
    };

    /// <summary>Calls a method.</summary>
    /// <param name="method">E.g. <c>eth_chainId</c>.</param>
    /// <param name="parameters">Writes the parameters inside the array already opened; null for none.</param>
    /// <param name="read">Reads <c>result</c>; an <see cref="RpcAnswerException"/> from it makes the next endpoint be tried.</param>
    /// <param name="stopping">Ends the call with OperationCanceledException.</param>
    /// <exception cref="RpcUnreachableException">No endpoint answered.</exception>
    /// <exception cref="RpcAnswerException">No endpoint answered rightly.</exception>
    /// <exception cref="RpcRejectedException">The node refused.</exception>
    /// <exception cref="ExecutionRevertedException">The call reverted.</exception>
    public async Task<T> CallAsync<T>(string method, Action<Utf8JsonWriter>? parameters, Func<RpcValue, T> read, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(read);
        long id = Interlocked.Increment(ref _lastId);
        byte[] request = WriteRequest(id, method, parameters);
        RpcException? failure = null;
        for (int round = 0; round < _settings.RoundsMax; round++)
        {
            if (round > 0) await Task.Delay(Backoff(round), _clock, stopping).ConfigureAwait(false);
            int first = _preferred;
            for (int i = 0; i < _settings.Endpoints.Count; i++)
            {
                int index = (first + i) % _settings.Endpoints.Count;
                try
                {
                    T result = await AttemptAsync(_settings.Endpoints[index], request, id, method, read, stopping).ConfigureAwait(false);
                    _preferred = index;
                    return result;
                }
                catch (RpcException e) when (MayTryElsewhere(e))
                {
                    Interlocked.Increment(ref _failures);
                    // An answer, even a wrong one, tells more than silence: keep it for the report.
                    if (failure is null or RpcUnreachableException || e is not RpcUnreachableException) failure = e;
                }
            }
        }
        throw failure ?? (Exception)new InvalidOperationException("JsonRpcSettings.RoundsMax must be at least 1.");
    }

    private static bool MayTryElsewhere(RpcException e) => e switch
    {
        RpcUnreachableException or RpcAnswerException => true,
        RpcRejectedException rejected => rejected.Code is LimitExceeded or TooManyRequests,
        _ => false,
    };

    private async Task<T> AttemptAsync<T>(
        Uri endpoint, byte[] request, long id, string method, Func<RpcValue, T> read, CancellationToken stopping)
    {
        string name = $"{endpoint.Scheme}://{endpoint.Authority}";
        using CancellationTokenSource timeout = new(_settings.AttemptTimeout, _clock);
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(stopping, timeout.Token);
        try
        {
            using HttpRequestMessage message = new(HttpMethod.Post, endpoint) { Content = new ByteArrayContent(request) };
            message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using HttpResponseMessage response =
                await _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, both.Token).ConfigureAwait(false);
            ReadOnlyMemory<byte> body = await ReadBodyAsync(response, name, method, both.Token).ConfigureAwait(false);
            return ReadAnswer(body, response.StatusCode, id, name, method, read);
        }
        catch (OperationCanceledException e) when (!stopping.IsCancellationRequested)
        {
            throw new RpcUnreachableException(
                $"RPC endpoint {name} did not answer {method} within {_settings.AttemptTimeout.TotalSeconds:0.###} s: "
                + "check that the node is synchronised and not overloaded, or add another endpoint.", e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new RpcUnreachableException(
                $"RPC endpoint {name} cannot be reached for {method} ({RpcText.Clean(e.Message)}): "
                + "check the URL and that the node runs, or add another endpoint.", e);
        }
    }

    private async Task<ReadOnlyMemory<byte>> ReadBodyAsync(HttpResponseMessage response, string name, string method, CancellationToken stopping)
    {
        if (response.Content.Headers.ContentLength > _settings.ResponseBytesMax) throw TooLong(name, method);
        Stream stream = await response.Content.ReadAsStreamAsync(stopping).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
        {
            ArrayBufferWriter<byte> body = new();
            while (true)
            {
                int count = await stream.ReadAsync(body.GetMemory(4096), stopping).ConfigureAwait(false);
                if (count == 0) return body.WrittenMemory;
                body.Advance(count);
                if (body.WrittenCount > _settings.ResponseBytesMax) throw TooLong(name, method);
            }
        }
    }

    private RpcAnswerException TooLong(string name, string method) => new(
        "", $"RPC endpoint {name} answered {method} with more than {_settings.ResponseBytesMax} bytes: ask for less, or use another endpoint.")
    {
        IsTooLong = true,
    };

    private T ReadAnswer<T>(ReadOnlyMemory<byte> body, HttpStatusCode status, long id, string name, string method, Func<RpcValue, T> read)
    {
        bool success = (int)status is >= 200 and < 300;
        if (status == HttpStatusCode.TooManyRequests || (int)status >= 500) throw BadStatus(status, name, method);
        try
        {
            using JsonDocument document = JsonDocument.Parse(body, new JsonDocumentOptions { AllowDuplicateProperties = false });
            RpcValue answer = new(document.RootElement, "answer");
            bool refused = answer.Optional("error") is { IsNull: false };
            if (!refused && !success) throw BadStatus(status, name, method);
            // A node that could not read the request answers with an error and id null (JSON-RPC 2.0 section 5).
            bool ours = document.RootElement.TryGetProperty("id", out JsonElement answeredId) && answeredId.ValueKind switch
            {
                JsonValueKind.Number => answeredId.TryGetInt64(out long number) && number == id,
                JsonValueKind.Null => refused,
                _ => false,
            };
            if (!ours) throw new RpcAnswerException("id", "id is not that of the request");
            if (refused) throw Refusal(document.RootElement.GetProperty("error"), name, method);
            if (!document.RootElement.TryGetProperty("result", out JsonElement result))
                throw new RpcAnswerException("result", "result is missing");
            return read(new RpcValue(result, "result"));
        }
        catch (JsonException) when (!success)
        {
            throw BadStatus(status, name, method);
        }
        catch (JsonException e)
        {
            throw new RpcAnswerException("", $"RPC endpoint {name} answered {method} with what is not JSON: check that the URL is that of a JSON-RPC node.", e);
        }
        catch (InvalidOperationException e)
        {
            // JsonElement.GetString on a string with a lone surrogate.
            throw new RpcAnswerException("", $"RPC endpoint {name} answered {method} with text that is not Unicode: use another endpoint.", e);
        }
        catch (RpcAnswerException e)
        {
            throw new RpcAnswerException(e.Field, $"RPC endpoint {name} answered {method} wrongly: {e.Message}. Check that it is an Ethereum node, or use another endpoint.", e)
            {
                IsTooLong = e.IsTooLong,
            };
        }
    }

    private static RpcUnreachableException BadStatus(HttpStatusCode status, string name, string method) => new(
        string.Create(CultureInfo.InvariantCulture, $"RPC endpoint {name} answered {method} with HTTP status {(int)status}: ")
        + (status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden
            ? "check the API key in its URL."
            : "check the URL and the provider's limits, or add another endpoint."), null);

    private RpcException Refusal(JsonElement error, string name, string method)
    {
        if (error.ValueKind != JsonValueKind.Object) return new RpcAnswerException("error", "error is not an object");
        if (!error.TryGetProperty("code", out JsonElement number) || number.ValueKind != JsonValueKind.Number || !number.TryGetInt32(out int code))
            return new RpcAnswerException("error.code", "error.code is not an integer");
        string text = error.TryGetProperty("message", out JsonElement message) && message.ValueKind == JsonValueKind.String
            ? RpcText.Clean(message.GetString()!)
            : "";
        byte[] data = RevertData(error);
        if (code == GethRevert || text.Contains("execution reverted", StringComparison.OrdinalIgnoreCase)
            || text.Contains("VM execution error", StringComparison.OrdinalIgnoreCase))
        {
            Revert revert = Reverts.Decode(data);
            return new ExecutionRevertedException(revert, $"{method} reverted: {revert.Text}.");
        }
        return new RpcRejectedException(code, text, string.Create(CultureInfo.InvariantCulture, $"RPC endpoint {name} refused {method}: {text} (code {code})."));
    }

    // geth, anvil, reth: "data":"0x…"; some nodes nest it as "data":{"data":"0x…"}; Nethermind and OpenEthereum write "Reverted 0x…".
    private byte[] RevertData(JsonElement error)
    {
        if (!error.TryGetProperty("data", out JsonElement data)) return [];
        if (data.ValueKind == JsonValueKind.Object && !data.TryGetProperty("data", out data)) return [];
        if (data.ValueKind != JsonValueKind.String) return [];
        string text = data.GetString()!;
        const string prefix = "Reverted ";
        if (text.StartsWith(prefix, StringComparison.Ordinal)) text = text[prefix.Length..];
        return HexText.TryDecode(text, _settings.ResponseBytesMax, out byte[] bytes) ? bytes : [];
    }

    private TimeSpan Backoff(int round)
    {
        double share;
        lock (_jitterLock) share = 0.5 + _jitter.NextDouble() / 2;
        double wait = Math.Min(_settings.BackoffFirst.TotalMilliseconds * Math.Pow(2, round - 1), _settings.BackoffMax.TotalMilliseconds);
        return TimeSpan.FromMilliseconds(wait * share);
    }

    private static byte[] WriteRequest(long id, string method, Action<Utf8JsonWriter>? parameters)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("jsonrpc", "2.0");
            writer.WriteNumber("id", id);
            writer.WriteString("method", method);
            writer.WriteStartArray("params");
            parameters?.Invoke(writer);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }
}
