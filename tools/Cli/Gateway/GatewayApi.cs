using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using DePIN.Cli.Ota;
using DePIN.Cli.Terminal;

namespace DePIN.Cli.Gateway;

/// <summary>
/// The gateway's HTTP API as commands use it. Every failure is a <see cref="CliError"/> with the gateway's own words: its
/// problem documents (RFC 9457) say which field was wrong and what to do. Answers are bounded in size and time.
/// </summary>
public sealed class GatewayApi : IDisposable
{
    /// <summary>Names the gateway when --gateway does not.</summary>
    public const string Variable = "DEPIN_GATEWAY";

    public const string DefaultUrl = "http://127.0.0.1:8080";

    private const int AnswerBytesMax = 16 * 1024 * 1024;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(15);

    private readonly HttpClient http;

    /// <param name="url">Of the gateway.</param>
    /// <param name="authorityPem">The only authority that its certificate may be by; empty: those of this computer.</param>
    public GatewayApi(string url, byte[]? authorityPem = null)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? parsed) || parsed.Scheme is not ("http" or "https"))
        {
            throw new CliError(ExitCode.BadInput, $"--gateway: '{url}' is no http or https URL", $"for example {DefaultUrl}");
        }

        Url = parsed;
        // A gateway's refusal is waited for: after the default second a body would be begun, and cut off by it.
        SocketsHttpHandler handler = new() { Expect100ContinueTimeout = Timeout };
        if (authorityPem is { Length: > 0 })
        {
            handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            handler.SslOptions.CertificateChainPolicy.CustomTrustStore.Add(X509Certificate2.CreateFromPem(Encoding.ASCII.GetString(authorityPem)));
        }

        http = new HttpClient(handler) { BaseAddress = parsed, Timeout = Timeout, MaxResponseContentBufferSize = AnswerBytesMax };
    }

    public Uri Url { get; }

    /// <summary>The document at <paramref name="path"/>; null when the gateway says 404.</summary>
    public async Task<JsonElement?> TryGetAsync(string path, CancellationToken cancel)
    {
        (byte[] body, int status, string text) = await SendAsync(path, "application/json", cancel).ConfigureAwait(false);
        return status == 200 ? Parse(body, path) : status == 404 ? null : throw Refused(path, status, text);
    }

    /// <summary>The document at <paramref name="path"/>.</summary>
    public async Task<JsonElement> GetAsync(string path, CancellationToken cancel) => Parse(await GetBytesAsync(path, "application/json", cancel).ConfigureAwait(false), path);

    /// <summary>The health document; a gateway that is not healthy answers it with 503.</summary>
    public async Task<JsonElement> GetHealthAsync(CancellationToken cancel)
    {
        (byte[] body, int status, string text) = await SendAsync("/health", "application/json", cancel).ConfigureAwait(false);
        return status is 200 or 503 ? Parse(body, "/health") : throw Refused("/health", status, text);
    }

    /// <summary>The document at <paramref name="path"/>; null when it is not there (404) or not yet (409).</summary>
    public async Task<byte[]?> TryGetBytesAsync(string path, CancellationToken cancel)
    {
        (byte[] body, int status, string text) = await SendAsync(path, "application/json", cancel).ConfigureAwait(false);
        return status == 200 ? body : status is 404 or 409 ? null : throw Refused(path, status, text);
    }

    public async Task<byte[]> GetBytesAsync(string path, string accept, CancellationToken cancel)
    {
        (byte[] body, int status, string text) = await SendAsync(path, accept, cancel).ConfigureAwait(false);
        return status == 200 ? body : throw Refused(path, status, text);
    }

    /// <summary>An operator's request: the answer's document. <paramref name="token"/> is the content of the gateway's operator.token.</summary>
    public async Task<byte[]> PostAsync(string path, byte[] content, string token, CancellationToken cancel)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new ByteArrayContent(content) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        request.Headers.ExpectContinue = true; // a gateway that refuses says so before the package is sent, and not into a closed connection
        (byte[] body, int status, string text) = await SendAsync(request, cancel).ConfigureAwait(false);
        return status switch
        {
            200 => body,
            401 => throw Unknown(),
            404 => throw new CliError(ExitCode.BadInput, $"the gateway at {Url} has no {path.Split('?')[0]}{(text.Length > 0 ? ": " + text : "")}",
                "check the roll-out's id with 'depin ota status'; a gateway takes updates when its settings name update.operatorKey"),
            409 => throw new CliError(ExitCode.Failed, $"the gateway refused: {text}", "'depin ota status' shows what goes on"),
            _ => throw Refused(path, status, text),
        };
    }

    /// <summary>What <paramref name="path"/> gives an operator. <paramref name="token"/> is the content of the gateway's operator.token.</summary>
    public async Task<byte[]> GetAsync(string path, string token, CancellationToken cancel)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        (byte[] body, int status, string text) = await SendAsync(request, cancel).ConfigureAwait(false);
        return status switch { 200 => body, 401 => throw Unknown(), _ => throw Refused(path, status, text) };
    }

    public void Dispose() => http.Dispose();

    private async Task<(byte[] Body, int Status, string Problem)> SendAsync(string path, string accept, CancellationToken cancel)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(accept));
        // A gateway with a login lets programs read with the token.
        if (Environment.GetEnvironmentVariable(OperatorTokenFile.Variable) is { Length: > 0 }) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", OperatorTokenFile.Read(null));
        return await SendAsync(request, cancel).ConfigureAwait(false);
    }

    private async Task<(byte[] Body, int Status, string Problem)> SendAsync(HttpRequestMessage request, CancellationToken cancel)
    {
        try
        {
            using HttpResponseMessage answer = await http.SendAsync(request, cancel).ConfigureAwait(false);
            byte[] body = await answer.Content.ReadAsByteArrayAsync(cancel).ConfigureAwait(false);
            return answer.IsSuccessStatusCode ? (body, 200, "") : (body, (int)answer.StatusCode, ProblemText(body));
        }
        catch (HttpRequestException error)
        {
            throw Away(error.InnerException is System.Security.Authentication.AuthenticationException untrusted ? untrusted.Message : error.Message);
        }
        catch (TaskCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw Away($"no answer within {Timeout.TotalSeconds:0} s");
        }
    }

    private CliError Unknown() => new(ExitCode.BadInput, $"the gateway at {Url} does not know the token", "name its own operator.token with --token: it is in the gateway's data folder");

    private CliError Away(string why) => new(ExitCode.Unreachable, $"the gateway at {Url} does not answer: {why}",
        $"start one with 'depin up', or name another with --gateway URL or {Variable}");

    private JsonElement Parse(byte[] body, string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body);
            return document.RootElement.Clone();
        }
        catch (JsonException error)
        {
            throw new CliError(ExitCode.Unreachable, $"{new Uri(Url, path)} answered with something that is no JSON: {error.Message}", "check that --gateway names a DePIN Edge gateway and not another web server");
        }
    }

    private CliError Refused(string path, int status, string text) => new(status switch { 404 => ExitCode.BadInput, 503 => ExitCode.Unreachable, _ => ExitCode.Failed },
        $"the gateway refused {path} with {status}{(text.Length > 0 ? ": " + text : "")}", status == 409 ? "wait for the next anchor and try again: 'depin status' says what waits" : "run 'depin status' and 'depin device list' to see what the gateway has");

    private static string ProblemText(byte[] body)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body);
            string text = "";
            foreach (string field in (string[])["title", "detail", "remedy"])
            {
                if (document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.String)
                {
                    text += (text.Length > 0 ? " " : "") + value.GetString();
                }
            }

            return text;
        }
        catch (JsonException)
        {
            return ""; // a proxy's page; the status says enough
        }
    }
}
