using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.RegularExpressions;
using DePIN.Cli.Bench;
using DePIN.Cli.Terminal;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Provision;
using DePIN.Tests.Harness;
using Microsoft.Playwright;

namespace DePIN.EndToEnd.Tests.Provision;

/// <summary>The gateway's own page over HTTPS in real Chromium: the gateway process as users run it, boards behind pseudo-terminals, a real chain.</summary>
public sealed class GatewayPageTests
{
    private TempFolder _folder = null!;
    private ProvisionFloor _floor = null!;
    private SerialBrowser? _browser;
    private HttpClient _http = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _folder = new TempFolder();
        string manifest = Path.Combine(_folder.Path, "devices.csv");
        await File.WriteAllLinesAsync(manifest, ["device,name,location", ",roof-01,\"Wien, Haus 1\"", ",roof-02,"]);
        _floor = await ProvisionFloor.StartAsync(_folder.Sub("floor"), CancellationToken.None, pageManifest: manifest);
        SocketsHttpHandler handler = new();
        handler.SslOptions.RemoteCertificateValidationCallback = (_, _, _, errors) => (errors & ~SslPolicyErrors.RemoteCertificateNameMismatch) == 0; // some requests lie about the host
        handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        handler.SslOptions.CertificateChainPolicy.CustomTrustStore.Add(X509CertificateLoader.LoadCertificateFromFile(_floor.Gateway.AuthorityFile));
        _http = new HttpClient(handler) { BaseAddress = new Uri(Url) };
    }

    [TearDown]
    public async Task EndAsync()
    {
        if (_browser is not null) await _browser.DisposeAsync();
        _http.Dispose();
        await _floor.DisposeAsync();
        _folder.Dispose();
    }

    private string Url => $"https://127.0.0.1:{_floor.Gateway.ProvisionPort}";

    private string TokenFile => Path.Combine(_floor.GatewayFolder, "operator.token");

    private string ReportFile => Path.Combine(_floor.GatewayFolder, "provisioned", "report.jsonl");

    private IPage Page => _browser!.Page;

    [Test]
    public async Task By_keyboard_alone_a_board_is_provisioned_its_claim_registered_and_its_first_frame_told()
    {
        _browser = await SerialBrowser.StartAsync(isAnyCertificate: true);
        _browser.Chosen.Enqueue(await _floor.Plug().SerialPathAsync(CancellationToken.None));
        await Page.GotoAsync(Url);
        Assert.That(await Page.EvaluateAsync<bool>("isSecureContext"), Is.True, "Web Serial is there only in one");
        await Assertions.Expect(Page.Locator("#token")).ToBeFocusedAsync();
        await _browser.SaveAsync("gateway-page-door");
        await EnterTokenAsync();

        await Assertions.Expect(Page.Locator("#add")).ToBeFocusedAsync();
        await Assertions.Expect(Page.Locator("#door")).ToBeHiddenAsync();
        await Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(Page.Locator("#lanes tr")).ToContainTextAsync("P002", new() { Timeout = 120_000 });
        await Assertions.Expect(Page.Locator("#lanes tr .name")).ToHaveTextAsync("roof-01");
        await Eventually.TrueAsync(() => Report().Count == 1, "the page's line of the report");
        ReportLine collected = Report().Single();
        Assert.That(collected.Code, Is.EqualTo("P002"));
        await _browser.SaveAsync("gateway-page-collected");
        Assert.That(_browser.Complaints, Is.Empty);
        await _floor.Gateway.KillAsync(); // kill -9: what it said it has, it has
        await _floor.Gateway.LaunchAsync(CancellationToken.None);

        CliProcess registered = await RegisterAsync(TokenFile);
        Assert.That(registered.ExitCode, Is.EqualTo(ExitCode.Ok), registered.Output + registered.Errors);
        await Assertions.Expect(Page.Locator("#lanes tr")).ToContainTextAsync("P000", new() { Timeout = 120_000 });

        await Assertions.Expect(Page.Locator("#said")).ToContainTextAsync("P000");
        await Eventually.TrueAsync(() => Task.FromResult(Report().Count == 2), "the second line of the report");
        ReportLine done = Report()[1];
        Assert.Multiple(() =>
        {
            Assert.That((done.Code, done.Device, done.Name, done.Location), Is.EqualTo(("P000", collected.Device, "roof-01", "Wien, Haus 1")));
            Assert.That(done.Sequence, Is.GreaterThan(0));
        });
        await _browser.SaveAsync("gateway-page-done");
    }

    [Test]
    public async Task A_wrong_token_opens_nothing_and_the_right_one_can_be_given_after_it()
    {
        _browser = await SerialBrowser.StartAsync(isAnyCertificate: true);
        await Page.GotoAsync(Url);
        await Assertions.Expect(Page.Locator("#token")).ToBeFocusedAsync();
        await Page.Keyboard.TypeAsync(new string('0', 64));
        await Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(Page.Locator("#said")).ToContainTextAsync("The token is not that of this server");
        await Assertions.Expect(Page.Locator("#add")).ToBeDisabledAsync();
        Assert.That(await Page.EvaluateAsync<int>("sessionStorage.length"), Is.Zero, "a wrong token is not kept");
        await _browser.SaveAsync("gateway-page-refused");

        await EnterTokenAsync();
        await Assertions.Expect(Page.Locator("#add")).ToBeEnabledAsync();
        Assert.That(await Page.EvaluateAsync<string>("JSON.stringify([localStorage.length, document.cookie])"), Is.EqualTo("[0,\"\"]"), "kept for this tab only");
        await Page.ReloadAsync();
        await Assertions.Expect(Page.Locator("#add")).ToBeEnabledAsync();
        await Assertions.Expect(Page.Locator("#door")).ToBeHiddenAsync();

        string wrong = Path.Combine(_folder.Path, "wrong.token");
        await File.WriteAllTextAsync(wrong, new string('0', 64));
        CliProcess refused = await RegisterAsync(wrong);
        Assert.That(refused.ExitCode, Is.EqualTo(ExitCode.BadInput), refused.Output + refused.Errors);
        Assert.That(refused.Errors, Does.Contain("does not know the token"));
    }

    [Test]
    public async Task Without_the_token_from_another_origin_or_under_another_name_nothing_is_given_or_taken()
    {
        string token = (await File.ReadAllTextAsync(TokenFile)).Trim();
        foreach ((string method, string path) in ((string, string)[])[("GET", "/api/job"), ("GET", "/api/claims"), ("POST", "/api/boards"), ("POST", "/api/claims"), ("GET", $"/api/devices/{new string('a', 40)}"), ("POST", "/api/report")])
        {
            Assert.That(await AskAsync(method, path), Is.EqualTo(HttpStatusCode.Unauthorized), $"{method} {path} without a token");
            Assert.That(await AskAsync(method, path, token + "0"), Is.EqualTo(HttpStatusCode.Unauthorized), $"{method} {path} with a wrong one");
        }

        Assert.That(await AskAsync("GET", "/api/job", token), Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await AskAsync("GET", "/api/job", token, origin: "https://evil.example"), Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That(await AskAsync("GET", "/", host: "evil.example"), Is.EqualTo(HttpStatusCode.Forbidden), "another name for this address: DNS rebinding");
        Assert.That(await AskAsync("GET", "/", host: "a b"), Is.AnyOf(HttpStatusCode.BadRequest, HttpStatusCode.Forbidden));
        Assert.That(await AskAsync("GET", "/api/status", token), Is.EqualTo(HttpStatusCode.NotFound), "the rest of the gateway's API is not here");
        Assert.That(await AskAsync("POST", "/api/report", token, body: new string('x', ProvisionPage.BodyBytesMax + 1)), Is.EqualTo(HttpStatusCode.BadRequest).Or.EqualTo(HttpStatusCode.RequestEntityTooLarge));
        string lie = JsonSerializer.Serialize(new { port = "x", device = new string('a', 40), board = "", firmware = "", keyKind = 1, step = "done", code = "P000", message = "", sequence = 5, seconds = 1, waitSeconds = 0 });
        Assert.That(await AskAsync("POST", "/api/report", token, body: lie), Is.EqualTo(HttpStatusCode.BadRequest), "done is what the gateway says");
        Assert.That(Report(), Is.Empty);
    }

    [Test]
    public async Task Boards_are_given_the_gateway_as_the_technician_reached_it()
    {
        string token = (await File.ReadAllTextAsync(TokenFile)).Trim();
        async Task<(HttpStatusCode Status, string Text)> JobAsync(string host)
        {
            using HttpRequestMessage request = new(HttpMethod.Get, "/api/job") { Headers = { Host = host, Authorization = new("Bearer", token) } };
            using HttpResponseMessage answer = await _http.SendAsync(request);
            return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }

        JsonElement job = JsonDocument.Parse((await JobAsync("localhost")).Text).RootElement;
        Assert.Multiple(() =>
        {
            Assert.That(job.GetProperty("settings").GetString(), Does.Contain($"gateway-port={_floor.Gateway.MqttTlsPort}\n").And.Contain("tls=on\n"));
            Assert.That(job.GetProperty("authority").GetString(), Is.EqualTo(File.ReadAllText(_floor.Gateway.AuthorityFile)));
            Assert.That(job.GetProperty("owner").GetString(), Is.EqualTo(Convert.ToHexStringLower(_floor.Chain.Owner.ToArray())));
        });

        await _floor.Gateway.KillAsync();
        string template = Path.Combine(_folder.Path, "floor", "page.json");
        await File.WriteAllTextAsync(template, (await File.ReadAllTextAsync(template)).Replace(",\"gateway-host\":\"127.0.0.1\"", "", StringComparison.Ordinal));
        await _floor.Gateway.LaunchAsync(CancellationToken.None);
        string name = Dns.GetHostName();
        (HttpStatusCode status, string text) named = await JobAsync(name), local = await JobAsync("localhost"), loopback = await JobAsync("127.0.0.1");
        Assert.Multiple(() =>
        {
            Assert.That(named.status, Is.EqualTo(HttpStatusCode.OK));
            Assert.That(named.text, Does.Contain($"gateway-host={name}\\n"));
            Assert.That((local.status, loopback.status), Is.EqualTo((HttpStatusCode.Conflict, HttpStatusCode.Conflict)), "no board finds the gateway under it");
            Assert.That(local.text, Does.Contain("P401").And.Contain("set gateway-host in the template"));
        });
    }

    [Test]
    public async Task The_door_has_names_for_everything_and_fits_a_phone()
    {
        _browser = await SerialBrowser.StartAsync(width: 360, isAnyCertificate: true);
        await Page.GotoAsync(Url);
        await Assertions.Expect(Page.Locator("#token")).ToBeFocusedAsync();
        Assert.Multiple(async () =>
        {
            Assert.That(await Page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth"), Is.True, "nothing is cut off");
            Assert.That(await Page.EvaluateAsync<int>("[...document.querySelectorAll('button,input')].filter(e => !(e.textContent.trim() || e.labels?.length)).length"), Is.Zero, "controls without a name");
        });
        await _browser.SaveAsync("gateway-page-phone");
    }

    private async Task EnterTokenAsync()
    {
        await Page.Keyboard.TypeAsync((await File.ReadAllTextAsync(TokenFile)).Trim());
        await Page.Keyboard.PressAsync("Enter");
    }

    private Task<CliProcess> RegisterAsync(string token) =>
        CliProcess.RunAsync(_folder.Path, "provision", "register", "--gateway", Url, "--token", token, "--template", _floor.Template, "--key", _floor.KeyFile);

    private async Task<HttpStatusCode> AskAsync(string method, string path, string? token = null, string? origin = null, string? host = null, string body = "{}")
    {
        using HttpRequestMessage request = new(new HttpMethod(method), path);
        if (method == "POST") request.Content = new StringContent(body, null, "application/json");
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (origin is not null) request.Headers.Add("Origin", origin);
        if (host is not null) request.Headers.TryAddWithoutValidation("Host", host);
        using HttpResponseMessage answer = await _http.SendAsync(request);
        Assert.That(answer.StatusCode == HttpStatusCode.BadRequest && host is not null || answer.Headers.GetValues("Content-Security-Policy").Single().Contains("default-src 'none'", StringComparison.Ordinal), Is.True);
        return answer.StatusCode;
    }

    private List<ReportLine> Report() => [.. AppendOnlyFile.ReadLines(ReportFile).Select(line => JsonSerializer.Deserialize<ReportLine>(line, new JsonSerializerOptions(JsonSerializerDefaults.Web))!)];
}
