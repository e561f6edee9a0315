using System.Diagnostics;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using DePIN.Cli.Bench;
using DePIN.Cli.Provision;
using DePIN.Cli.Up;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Provision;
using DePIN.Tests.Harness;
using Microsoft.Playwright;

namespace DePIN.EndToEnd.Tests.Provision;

/// <summary>`depin provision --web` in real Chromium, against boards that run the firmware behind pseudo-terminals, a real chain and gateway.</summary>
public sealed class ProvisionWebTests
{
    private TempFolder _folder = null!;
    private ProvisionFloor _floor = null!;
    private Process _server = null!;
    private SerialBrowser _browser = null!;
    private string _url = "";

    [SetUp]
    public async Task StartAsync()
    {
        _folder = new TempFolder();
        _floor = await ProvisionFloor.StartAsync(_folder.Sub("floor"), CancellationToken.None);
        _server = CliProcess.Start(_folder.Path, "provision", "--web", "--web-port", "0", "--template", _floor.Template, "--key", _floor.KeyFile, "--report", ReportFolder);
        _url = Regex.Match(await _server.StandardOutput.ReadLineAsync() ?? "", "http://\\S+").Value;
        _browser = await SerialBrowser.StartAsync();
    }

    [TearDown]
    public async Task EndAsync()
    {
        if (_browser is not null) await _browser.DisposeAsync();
        _server.Kill();
        await _server.WaitForExitAsync();
        _server.Dispose();
        await _floor.DisposeAsync();
        _folder.Dispose();
    }

    private string ReportFolder => Path.Combine(_folder.Path, "report");

    private IPage Page => _browser.Page;

    [Test]
    public async Task Two_boards_by_keyboard_alone_end_registered_verified_and_reported()
    {
        for (int i = 0; i < 2; i++) _browser.Chosen.Enqueue(await _floor.Plug().SerialPathAsync(CancellationToken.None));
        await Page.GotoAsync(_url);
        await Page.Locator("#add:enabled").WaitForAsync();

        await Page.Keyboard.PressAsync("Tab");
        Assert.That(await Page.EvaluateAsync<string>("document.activeElement.id"), Is.EqualTo("add"), "the first stop");
        await Page.Keyboard.PressAsync("Enter");
        await Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(Page.Locator("#lanes tr.good")).ToHaveCountAsync(2, new() { Timeout = 120_000 });

        await Assertions.Expect(Page.Locator("#said")).ToContainTextAsync("P000");
        List<ReportLine> report = Report();
        Assert.Multiple(() =>
        {
            Assert.That(report.Select(line => line.Code), Is.EqualTo(new[] { "P000", "P000" }));
            Assert.That(report.Select(line => line.Device), Is.Unique);
            Assert.That(report.Select(line => line.Sequence), Is.All.GreaterThan(0));
            Assert.That(_browser.Complaints, Is.Empty);
        });
        await _browser.SaveAsync("provision-done");
    }

    [Test]
    public async Task A_board_that_is_unplugged_a_closed_chooser_and_a_gateway_that_is_away_are_said_with_their_codes()
    {
        LocalBoard board = _floor.Plug();
        string path = await board.SerialPathAsync(CancellationToken.None);
        await Page.GotoAsync(_url);
        await Page.Locator("#add:enabled").ClickAsync();
        await Assertions.Expect(Page.Locator("#said")).ToContainTextAsync("No port was chosen");

        await _floor.Gateway.KillAsync();
        _browser.Chosen.Enqueue(path);
        await Page.ClickAsync("#add");
        await Assertions.Expect(Page.Locator("#lanes tr").Nth(0)).ToContainTextAsync("P601", new() { Timeout = 60_000 });
        await _floor.Gateway.LaunchAsync(CancellationToken.None);

        await board.Process.KillAsync();
        _browser.Chosen.Enqueue(path);
        await Page.ClickAsync("#add");
        await Assertions.Expect(Page.Locator("#lanes tr").Nth(1)).ToContainTextAsync(new Regex("P101|P902"), new() { Timeout = 60_000 });
        await Assertions.Expect(Page.Locator("#lanes tr").Nth(1)).ToContainTextAsync("provision it again");
        Assert.That(Report().Select(line => line.Code), Does.Contain("P601"));
        await _browser.SaveAsync("provision-errors");
    }

    [Test]
    public async Task Only_the_page_itself_gets_at_the_server()
    {
        using HttpClient http = new() { BaseAddress = new Uri(_url) };
        using HttpRequestMessage rebound = new(HttpMethod.Get, "/") { Headers = { Host = "evil.example" } };
        using HttpResponseMessage foreign = await http.SendAsync(rebound);
        using HttpResponseMessage bare = await http.GetAsync("/api/job");
        using HttpResponseMessage page = await http.GetAsync("/");
        Assert.Multiple(() =>
        {
            Assert.That(foreign.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden), "another name for this address: DNS rebinding");
            Assert.That(bare.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized), "no token");
            Assert.That(page.StatusCode, Is.EqualTo(HttpStatusCode.OK));
            Assert.That(page.Headers.GetValues("Content-Security-Policy").Single(), Does.Contain("default-src 'none'"));
        });
        string token = Regex.Match(await page.Content.ReadAsStringAsync(), "name=\"token\" content=\"([0-9a-f]{32})\"").Groups[1].Value;
        http.DefaultRequestHeaders.Authorization = new("Bearer", token);
        using StringContent lie = new(JsonSerializer.Serialize(new { port = "x", device = new string('a', 40), board = "", firmware = "", keyKind = 1, step = "done", code = "P000", message = "", sequence = 5, seconds = 1, waitSeconds = 0 }), null, "application/json");
        using HttpResponseMessage lied = await http.PostAsync("/api/report", lie);
        Assert.That(lied.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest), "done is what the gateway says");
        Assert.That(Report(), Is.Empty);
    }

    [Test]
    public async Task The_page_has_names_for_everything_and_fits_a_phone()
    {
        await Page.SetViewportSizeAsync(360, 700);
        await Page.GotoAsync(_url);
        await Page.Locator("#add:enabled").WaitForAsync();
        Assert.Multiple(async () =>
        {
            Assert.That(await Page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth"), Is.True, "nothing is cut off");
            Assert.That(await Page.EvaluateAsync<int>("[...document.querySelectorAll('button,input:not([hidden])')].filter(e => !(e.textContent.trim() || e.labels?.length)).length"), Is.Zero, "controls without a name");
            Assert.That(await Page.Locator("[aria-live]").CountAsync(), Is.EqualTo(1));
        });
        await _browser.SaveAsync("provision-phone");
    }

    private List<ReportLine> Report() => [.. AppendOnlyFile.ReadLines(Path.Combine(ReportFolder, "report.jsonl"))
        .Select(line => JsonSerializer.Deserialize<ReportLine>(line, new JsonSerializerOptions(JsonSerializerDefaults.Web))!)];
}
