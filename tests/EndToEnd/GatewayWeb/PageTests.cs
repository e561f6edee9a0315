using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DePIN.Cli.Prove;
using DePIN.Devnet;
using DePIN.EndToEnd.Tests.Chaos;
using DePIN.EndToEnd.Tests.Provision;
using DePIN.Evidence;
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

    private IEnumerable<string> Paths => ["/", "/devices", $"/devices/{Id}", $"/devices/{Id}/frames/1", "/batches", "/batches/1", "/peers", "/chain", "/disputes", "/rewards", "/system", "/settings", "/verify"];

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
    public async Task A_frames_way_is_told_and_its_proof_is_checked_in_the_browser_as_the_verifier_does()
    {
        await using SerialBrowser browser = await SerialBrowser.StartAsync(Desktop);
        await browser.Page.GotoAsync(Url($"/devices/{Id}/frames/1"));
        await Assertions.Expect(browser.Page.Locator(".way li.good")).ToHaveCountAsync(5);
        await browser.Page.GetByRole(AriaRole.Button, new() { Name = "Check it here" }).ClickAsync();
        await Assertions.Expect(browser.Page.Locator("#steps li.good")).ToHaveCountAsync(9);
        Assert.That(await browser.Page.Locator("#steps li:not(.good)").CountAsync(), Is.Zero, await browser.Page.Locator("#steps").InnerTextAsync());

        JsonObject proof = JsonNode.Parse(await _network.Gateway.Api.GetBytesAsync(ProveCommand.PathOf(Id, 1), "application/json", CancellationToken.None))!.AsObject();
        await browser.Page.GotoAsync(Url("/verify"));
        List<string> passed = [];
        foreach ((string what, JsonObject altered) in Altered(proof).Append(("nothing", proof)))
        {
            await browser.Page.EvaluateAsync("document.getElementById('steps').replaceChildren()");
            byte[] json = JsonSerializer.SerializeToUtf8Bytes(altered);
            await browser.Page.GetByLabel("Proof").SetInputFilesAsync(new FilePayload { Name = "proof.json", MimeType = "application/json", Buffer = json });
            // The gateway's word comes last; a proof that cannot be read is one line.
            await Assertions.Expect(browser.Page.Locator("#steps li").Last).ToBeVisibleAsync();
            await Assertions.Expect(browser.Page.Locator("#steps li").Last).Not.ToContainTextAsync("asking");
            (string Name, string State)[] shown = [.. (await browser.Page.EvaluateAsync<string[]>("[...document.querySelectorAll('#steps li')].map((li) => li.querySelector('b').textContent + ':' + li.className)")).Select(step => (step.Split(':')[0], step.Split(':')[1]))];
            if (shown.All(step => step.State == "good")) passed.Add(what);

            // Step by step as the verifier of `depin verify`, and one more: this gateway's ledger.
            if (Proof.TryRead(json, out Proof? read) is { } fault) Assert.That(shown, Is.EqualTo(new[] { ("proof", "bad") }), $"{what}: {fault.Message}");
            else
                Assert.That(shown[..^1], Is.EqualTo(ProofVerifier.Check(read!).Steps.Select(step => (step.Name, step.Outcome switch { ProofOutcome.Passed => "good", ProofOutcome.Failed => "bad", _ => "open" }))), what);
        }

        Assert.That(passed, Is.EqualTo(new[] { "nothing" }), "whatever is altered is refused");
        await browser.Page.GetByLabel("Proof").SetInputFilesAsync(new FilePayload { Name = "x.json", MimeType = "application/json", Buffer = "<img src=x onerror=alert(1)>"u8.ToArray() });
        await Assertions.Expect(browser.Page.Locator("#steps li.bad")).ToContainTextAsync("no proof");
        Assert.That(browser.Complaints.Where(text => !text.Contains("404", StringComparison.Ordinal)), Is.Empty); // an anchor that the ledger has not
    }

    [Test]
    public async Task A_plot_asks_again_when_it_is_zoomed_and_shows_the_band_of_what_a_point_gathers()
    {
        await using SerialBrowser browser = await SerialBrowser.StartAsync(Desktop);
        // The gateway's own answers, as from a device with many frames: each asked point stands for 500.
        List<string> asked = [];
        await browser.Page.RouteAsync("**/series?*", async route =>
        {
            Match range = Regex.Match(route.Request.Url, "from=(\\d+)&before=(\\d+)&every=(\\d+)");
            lock (asked) asked.Add(range.Value);
            (long from, long before, long every) = (long.Parse(range.Groups[1].Value, CultureInfo.InvariantCulture), long.Parse(range.Groups[2].Value, CultureInfo.InvariantCulture), long.Parse(range.Groups[3].Value, CultureInfo.InvariantCulture));
            long low = Math.Max(from, before - (every == 1 ? 2_000 : 20_000));
            long[] points = [.. Enumerable.Range(0, (int)((before - 1) / every - low / every) + 1).Select(i => Math.Max(low, (low / every + i) * every))];
            await route.FulfillAsync(new()
            {
                ContentType = "application/json",
                Body = JsonSerializer.Serialize(new
                {
                    channel = "temperature", unit = "Cel", every, timesMs = points.Select(p => 1_700_000_000_000 + p * 60_000), min = points.Select(p => Math.Sin(p / 20_000.0) - 1), mean = points.Select(p => Math.Sin(p / 20_000.0)),
                    max = points.Select(p => Math.Sin(p / 20_000.0) + 1), count = points.Select(_ => 1), sequences = points, next = low > from ? low : (long?)null,
                }),
            });
        });
        await browser.Page.RouteAsync($"**/devices/{Id}", async route =>
        {
            IAPIResponse page = await route.FetchAsync();
            await route.FulfillAsync(new() { Response = page, Body = Regex.Replace(await page.TextAsync(), "data-last=\"\\d+\"", "data-last=\"300000\"") });
        });
        await browser.Page.GotoAsync(Url($"/devices/{Id}"));
        ILocator plot = browser.Page.Locator("#plot"), reach = browser.Page.Locator("#reach");
        await Assertions.Expect(reach).ToHaveTextAsync("Sequences 298001 to 300000.");
        for (int i = 0; i < 3; i++) await browser.Page.GetByRole(AriaRole.Button, new() { Name = "Further back" }).ClickAsync();
        await Assertions.Expect(reach).ToHaveTextAsync("Sequences 1 to 300000, about 500 frames a point.");
        await Assertions.Expect(plot).ToHaveAttributeAsync("data-points", "601");
        lock (asked) Assert.That(asked.Count(ask => ask.EndsWith("every=500", StringComparison.Ordinal)), Is.EqualTo(15), "a bounded part at a time");
        await browser.SaveAsync("gateway-1280-plot-year");

        LocatorBoundingBoxResult box = (await browser.Page.Locator("#plot .u-over").BoundingBoxAsync())!;
        await browser.Page.Mouse.MoveAsync(box.X + box.Width * 0.5f, box.Y + 40);
        await browser.Page.Mouse.DownAsync();
        await browser.Page.Mouse.MoveAsync(box.X + box.Width * 0.51f, box.Y + 40, new() { Steps = 4 });
        await browser.Page.Mouse.UpAsync();
        await Assertions.Expect(reach).Not.ToContainTextAsync("about 500");
        lock (asked) Assert.That(Regex.Match(asked[^1], "every=(\\d+)").Groups[1].Value, Is.Not.EqualTo("500"), "finer");
        await browser.Page.GetByRole(AriaRole.Button, new() { Name = "Newest" }).ClickAsync();
        await Assertions.Expect(reach).ToHaveTextAsync("Sequences 298001 to 300000.");
        Assert.That(browser.Complaints, Is.Empty);
    }

    [TestCase("/", 5, 32)]
    [TestCase("/devices", 5, 32)]
    [TestCase("device", 8, 220)]
    public async Task A_page_needs_few_requests_and_bytes(string path, int requestsMax, int kibMax)
    {
        await using SerialBrowser browser = await SerialBrowser.StartAsync(Phone);
        List<(string Path, Task<int> Bytes)> loaded = [];
        browser.Page.RequestFinished += (_, request) =>
        {
            if (!request.Url.StartsWith("data:", StringComparison.Ordinal)) lock (loaded) loaded.Add((new Uri(request.Url).AbsolutePath, SizeAsync(request)));
        };
        await browser.Page.GotoAsync(Url(path == "device" ? $"/devices/{Id}" : path), new() { WaitUntil = WaitUntilState.Load });
        if (path == "device") await Assertions.Expect(browser.Page.Locator("#plot canvas")).ToBeVisibleAsync();
        await Assertions.Expect(browser.Page.Locator("#theme")).ToBeVisibleAsync();
        (string Path, Task<int> Bytes)[] all;
        lock (loaded) all = [.. loaded];
        int bytes = (await Task.WhenAll(all.Where(one => !one.Path.EndsWith("/series", StringComparison.Ordinal)).Select(one => one.Bytes))).Sum(); // readings are as many as there are, of 2,000 frames at most
        TestContext.Out.WriteLine($"{path}: {all.Length} requests, {bytes / 1024.0:0.0} KiB: {string.Join(' ', all.Select(one => $"{one.Path} {one.Bytes.Result}"))}");
        Assert.That(all.Length, Is.InRange(2, requestsMax)); // the open stream of events has not finished, and is one more
        Assert.That(bytes / 1024.0, Is.InRange(4, kibMax));

        static async Task<int> SizeAsync(IRequest request)
        {
            RequestSizesResult sizes = await request.SizesAsync();
            return sizes.ResponseBodySize + sizes.ResponseHeadersSize;
        }
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

    /// <summary>The proof with one thing changed, everything that can be: a digit of each hex, each number by one, each path by one element, each member gone, one too many.</summary>
    private static IEnumerable<(string What, JsonObject Proof)> Altered(JsonObject proof)
    {
        foreach (string[] path in Members(proof, []))
        {
            foreach (string change in (string[])["value", "missing"])
            {
                JsonObject copy = proof.DeepClone().AsObject();
                JsonObject parent = path[..^1].Aggregate(copy, (at, name) => at[name]!.AsObject());
                JsonNode value = parent[path[^1]]!;
                string what = $"{string.Join('.', path)} {change}";
                if (change == "missing") parent.Remove(path[^1]);
                else if (value is JsonArray array)
                {
                    array.Add("0x" + new string('1', 64));
                    yield return (what + ": one more", copy.DeepClone().AsObject());
                    array.RemoveAt(array.Count - 1);
                    if (array.Count == 0) continue;
                    array[0] = Turned(array[0]!.GetValue<string>(), 20);
                }
                else if (value.GetValueKind() == JsonValueKind.Number)
                    parent[path[^1]] = value.GetValue<ulong>() + (path[^1] == "ledgerSize" ? 1UL << 20 : 1); // the next size may hold the same path, and be as true
                else parent[path[^1]] = value.GetValue<string>().StartsWith("0x", StringComparison.Ordinal) ? Turned(value.GetValue<string>(), path[^1] == "frame" ? 202 : 20) : value.GetValue<string>() + "1";
                yield return (what, copy);
            }
        }

        foreach (int at in (int[])[3, 7, 13, 65, 81, 97]) // in the frame: magic, version, flags, device, sequence, time, previous
        {
            JsonObject copy = proof.DeepClone().AsObject();
            copy["frame"] = Turned(copy["frame"]!.GetValue<string>(), at);
            yield return ($"frame at {at}", copy);
        }

        JsonObject signed = proof.DeepClone().AsObject();
        string frame = signed["frame"]!.GetValue<string>();
        signed["frame"] = Turned(frame, frame.Length - 3);
        yield return ("signature", signed);
        JsonObject more = proof.DeepClone().AsObject();
        more["more"] = 1;
        yield return ("one member more", more);

        static string Turned(string hex, int at) => hex[..at] + (hex[at] == '0' ? '1' : '0') + hex[(at + 1)..];

        static IEnumerable<string[]> Members(JsonObject from, string[] path) => from.SelectMany(member => member.Value is JsonObject inner ? Members(inner, [.. path, member.Key]) : [[.. path, member.Key]]);
    }

    private static async Task<string[]> FindingsAsync(IPage page)
    {
        await page.EvaluateAsync(Axe); // by the debugger: the page's policy lets no script in
        JsonElement found = await page.EvaluateAsync<JsonElement>("async () => (await axe.run()).violations.map((v) => ({ impact: v.impact, text: `${v.id}: ${v.nodes.map((n) => n.html).slice(0, 3).join(' | ')}` }))");
        return [.. found.EnumerateArray().Where(one => one.GetProperty("impact").GetString() is "serious" or "critical").Select(one => one.GetProperty("text").GetString()!)];
    }
}
