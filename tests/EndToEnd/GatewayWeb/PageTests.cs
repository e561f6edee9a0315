using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using DePIN.Cli.Prove;
using DePIN.Devnet;
using DePIN.EndToEnd.Tests.Chaos;
using DePIN.EndToEnd.Tests.Provision;
using DePIN.Tests.Harness;
using Microsoft.Playwright;

namespace DePIN.EndToEnd.Tests.GatewayWeb;

/// <summary>The gateway's page in real Chromium: a gateway process with a chain, devices that send, phone and desktop width, dark and light, axe-core.</summary>
public sealed class PageTests
{
    private const int Phone = 360, Desktop = 1280;

    private static readonly string Axe = File.ReadAllText(Path.Combine(Repository.Root, "tests", "node_modules", "axe-core", "axe.min.js"));

    private Network _network = null!;
    private readonly CancellationTokenSource _enough = new();
    private Task _loading = Task.CompletedTask;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _network = await Network.StartAsync(devices: 2);
        _loading = Task.WhenAll(_network.Devices.Select(device => Task.Run(() => device.RunAsync(_enough.Token))));
        await Eventually.TrueAsync(async () => (await _network.AnchorsAsync()).Count >= 2, "two anchors are made", _network.Told);
        await _enough.CancelAsync(); // what is stored is plenty; live values have a test of their own
        await _loading;
        await _network.UntilAnchoredAsync();
    }

    [OneTimeTearDown]
    public async Task EndAsync()
    {
        await _network.DisposeAsync();
        _enough.Dispose();
    }

    private string Id => _network.Devices[0].Device.Text;

    private string Url(string path) => new Uri(_network.Gateway.Api.Url, path).ToString();

    private IEnumerable<string> Paths => ["/", "/devices", $"/devices/{Id}", $"/devices/{Id}/frames/1", "/batches", "/batches/1", "/peers", "/chain", "/disputes", "/system", "/settings", "/verify"];

    [TestCase(Phone)]
    [TestCase(Desktop)]
    public async Task Every_page_shows_without_a_complaint_a_serious_finding_or_sideways_scrolling(int width)
    {
        await using SerialBrowser browser = await SerialBrowser.StartAsync(width);
        foreach (string path in Paths)
        {
            await browser.Page.GotoAsync(Url(path));
            await Assertions.Expect(browser.Page.Locator("h1")).ToBeVisibleAsync();
            if (path == $"/devices/{Id}") await Assertions.Expect(browser.Page.Locator("#plot canvas")).ToBeVisibleAsync();
            Assert.That(await browser.Page.EvaluateAsync<int>("document.documentElement.scrollWidth"), Is.LessThanOrEqualTo(width), $"{path} is wider than the screen");
            foreach (ColorScheme scheme in (ColorScheme[])[ColorScheme.Light, ColorScheme.Dark])
            {
                await browser.Page.EmulateMediaAsync(new() { ColorScheme = scheme });
                Assert.That(await FindingsAsync(browser.Page), Is.Empty, $"{path} at {width} in {scheme}");
            }

            await browser.SaveAsync($"gateway-{width}-{(path == "/" ? "overview" : path.Trim('/').Replace(Id, "device", StringComparison.Ordinal).Replace('/', '-'))}");
        }

        Assert.That(browser.Complaints, Is.Empty);
    }

    [Test]
    public async Task A_frames_way_is_told_and_its_proof_is_checked_in_the_browser_also_a_false_one()
    {
        await using SerialBrowser browser = await SerialBrowser.StartAsync(Desktop);
        await browser.Page.GotoAsync(Url($"/devices/{Id}/frames/1"));
        await Assertions.Expect(browser.Page.Locator(".way li.good")).ToHaveCountAsync(5);
        await browser.Page.GetByRole(AriaRole.Button, new() { Name = "Check it here" }).ClickAsync();
        await Assertions.Expect(browser.Page.Locator("#steps li.good")).ToHaveCountAsync(6);
        Assert.That(await browser.Page.Locator("#steps li.bad").CountAsync(), Is.Zero, await browser.Page.Locator("#steps").InnerTextAsync());

        string proof = System.Text.Encoding.UTF8.GetString(await _network.Gateway.Api.GetBytesAsync(ProveCommand.PathOf(Id, 1), "application/json", CancellationToken.None));
        foreach ((string member, string step) in new[] { ("frame", "signature"), ("publicKey", "device"), ("root", "path"), ("ledgerPath", "ledger path") })
        {
            string altered = Altered(proof, member);
            await browser.Page.GotoAsync(Url("/verify"));
            await browser.Page.GetByLabel("Proof").SetInputFilesAsync(new FilePayload { Name = "proof.json", MimeType = "application/json", Buffer = System.Text.Encoding.UTF8.GetBytes(altered) });
            await Assertions.Expect(browser.Page.Locator("#steps li.bad").First).ToContainTextAsync(step);
        }

        await browser.Page.GetByLabel("Proof").SetInputFilesAsync(new FilePayload { Name = "x.json", MimeType = "application/json", Buffer = "<img src=x onerror=alert(1)>"u8.ToArray() });
        await Assertions.Expect(browser.Page.Locator("#steps li.bad")).ToContainTextAsync("no proof");
        Assert.That(browser.Complaints, Is.Empty);
    }

    [Test]
    public async Task What_devices_send_is_seen_live_and_silence_of_the_gateway_is_said()
    {
        await using SerialBrowser browser = await SerialBrowser.StartAsync(Desktop);
        await browser.Page.GotoAsync(Url("/devices"));
        ILocator cell = browser.Page.Locator($"tr[data-device='{Id}'] [data-sequence]");
        string before = await cell.InnerTextAsync();
        using CancellationTokenSource one = new();
        Task loading = Task.Run(() => _network.Devices[0].RunAsync(one.Token));
        await Eventually.TrueAsync(async () => await cell.InnerTextAsync() != before, "the row's sequence moves without a reload", _network.Told);
        await one.CancelAsync();
        await loading;

        await browser.Page.RouteAsync("**/events", route => route.AbortAsync());
        await browser.Page.GotoAsync(Url("/"));
        await Assertions.Expect(browser.Page.Locator("#stale")).ToContainTextAsync("No word from the gateway");
    }

    [Test]
    public async Task The_page_says_everything_without_JavaScript()
    {
        using HttpClient http = new() { BaseAddress = _network.Gateway.Api.Url };
        http.DefaultRequestHeaders.Accept.ParseAdd("text/html");
        string overview = await http.GetStringAsync("/");
        Assert.That(overview, Does.Contain("This gateway is").And.Contain("Frames stored"));
        Assert.That(await http.GetStringAsync("/devices"), Does.Contain(Id));
        Assert.That(await http.GetStringAsync($"/devices/{Id}/frames/1"), Does.Contain("Download the proof"));
        foreach (string path in Paths)
            foreach (Match link in Regex.Matches(await http.GetStringAsync(path), "(?:href|src)=\"(/[^\"]*)\""))
            {
                using HttpResponseMessage answer = await http.GetAsync(WebUtility.HtmlDecode(link.Groups[1].Value));
                Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK), $"{link.Groups[1].Value} on {path}");
            }
    }

    /// <summary>The proof with one digit of a member changed.</summary>
    private static string Altered(string proof, string member)
    {
        int at = proof.IndexOf($"\"{member}\"", StringComparison.Ordinal);
        if (member == "ledgerPath") return proof.Insert(proof.IndexOf('[', at) + 1, "\"0x" + new string('1', 64) + "\"" + (proof[(proof.IndexOf('[', at) + 1)..].TrimStart().StartsWith(']') ? "" : ","));
        int digit = proof.IndexOf("0x", at, StringComparison.Ordinal) + 2 + (member == "frame" ? 200 : 10); // the frame's payload; anything of a key or root
        return proof[..digit] + (proof[digit] == '0' ? '1' : '0') + proof[(digit + 1)..];
    }

    private static async Task<string[]> FindingsAsync(IPage page)
    {
        await page.EvaluateAsync(Axe); // by the debugger: the page's policy lets no script in
        JsonElement found = await page.EvaluateAsync<JsonElement>("async () => (await axe.run()).violations.map((v) => ({ impact: v.impact, text: `${v.id}: ${v.nodes.map((n) => n.html).slice(0, 3).join(' | ')}` }))");
        return [.. found.EnumerateArray().Where(one => one.GetProperty("impact").GetString() is "serious" or "critical").Select(one => one.GetProperty("text").GetString()!)];
    }
}
