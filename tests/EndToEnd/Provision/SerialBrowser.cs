using System.Collections.Concurrent;
using System.Threading.Channels;
using DePIN.Cli.Serial;
using Microsoft.Playwright;

namespace DePIN.EndToEnd.Tests.Provision;

/// <summary>
/// Real headless Chromium whose `navigator.serial` gives pseudo-terminals of this machine: a headless browser has no port chooser, so that one object is
/// replaced before the page's scripts run; everything above it is the browser's own.
/// </summary>
public sealed class SerialBrowser : IAsyncDisposable
{
    private const string Serial = """
        const ports = new Map();
        class Port {
          constructor(path) { this.path = path; }
          async open() {
            this.id = await window.depinOpen(this.path);
            ports.set(this.id, this);
            this.readable = new ReadableStream({ start: (controller) => { this.controller = controller; }, cancel: () => {} });
            this.writable = new WritableStream({ write: (chunk) => window.depinWrite(this.id, Array.from(chunk)).then((e) => { if (e) throw new Error(e); }) });
          }
          async setSignals() {}
          async close() { ports.delete(this.id); await window.depinClose(this.id); }
        }
        window.depinPush = (id, bytes) => ports.get(id)?.controller.enqueue(Uint8Array.from(bytes));
        window.depinEnd = (id, why) => ports.get(id)?.controller.error(new Error(why));
        Object.defineProperty(navigator, "serial", { value: { async requestPort() {
          const path = await window.depinChoose();
          if (!path) throw new DOMException("No port selected by the user.", "NotFoundError");
          return new Port(path);
        } } });
        """;

    /// <summary>The texts that stand out from what is behind them by less than 4.5 to 1; those of disabled controls are exempt.</summary>
    private const string Faint = """
        () => {
          const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
          const rgba = (color) => {
            canvas.clearRect(0, 0, 1, 1);
            canvas.fillStyle = color;
            canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
          };
          const light = (color) => rgba(color).slice(0, 3).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const behind = (e) => e && rgba(getComputedStyle(e).backgroundColor)[3] === 255 ? getComputedStyle(e).backgroundColor : e?.parentElement ? behind(e.parentElement) : "Canvas";
          return [...document.querySelectorAll("body *")]
            .filter((e) => e.checkVisibility() && !e.disabled && (e.matches("input") || [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())))
            .map((e) => {
              const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
              return { e, ratio: (a + 0.05) / (b + 0.05) };
            })
            .filter(({ ratio }) => ratio < 4.5)
            .map(({ e, ratio }) => `${e.tagName} '${e.textContent.trim().slice(0, 30)}' ${ratio.toFixed(2)}`);
        }
        """;

    /// <summary>For what the page does by itself, on a busy machine.</summary>
    private const int PatienceMs = 60_000;

    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;
    private readonly ConcurrentDictionary<int, SerialLine> _open = new();
    private int _ids;

    private SerialBrowser(IPlaywright playwright, IBrowser browser) => (_playwright, _browser) = (playwright, browser);

    /// <summary>Ports that the person chooses next; empty: they close the chooser.</summary>
    public ConcurrentQueue<string> Chosen { get; } = new();

    public IPage Page { get; private set; } = null!;

    /// <summary>What the page said on its console that it should not have.</summary>
    public ConcurrentQueue<string> Complaints { get; } = new();

    public static async Task<SerialBrowser> StartAsync(int width = 1200, bool isAnyCertificate = false)
    {
        string[] programs = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
        string? chromium = programs.FirstOrDefault(File.Exists);
        if (chromium is null) Assert.Ignore("chromium is not installed (tests/run installs it where it can)");
        IPlaywright playwright = await Playwright.CreateAsync();
        IBrowser browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = chromium, Args = ["--no-sandbox"] });
        SerialBrowser serial = new(playwright, browser);
        serial.Page = await browser.NewPageAsync(new() { ViewportSize = new() { Width = width, Height = 800 }, IgnoreHTTPSErrors = isAnyCertificate });
        serial.Page.SetDefaultTimeout(PatienceMs);
        Assertions.SetDefaultExpectTimeout(PatienceMs);
        serial.Page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning") serial.Complaints.Enqueue(message.Text);
        };
        serial.Page.PageError += (_, error) => serial.Complaints.Enqueue(error);
        await serial.Page.ExposeFunctionAsync("depinChoose", () => serial.Chosen.TryDequeue(out string? path) ? path : "");
        await serial.Page.ExposeFunctionAsync<string, int>("depinOpen", serial.Open);
        await serial.Page.ExposeFunctionAsync<int, int[], string>("depinWrite", serial.Write);
        await serial.Page.ExposeFunctionAsync<int>("depinClose", serial.Close);
        await serial.Page.AddInitScriptAsync(Serial);
        return serial;
    }

    /// <summary>Pictures for people to look at, with the test's results: in light and in dark, whose text a person with weak eyes must be able to read (WCAG 2.2, 1.4.3).</summary>
    public async Task SaveAsync(string name)
    {
        foreach (ColorScheme scheme in (ColorScheme[])[ColorScheme.Dark, ColorScheme.Light])
        {
            await Page.EmulateMediaAsync(new() { ColorScheme = scheme });
            string[] faint = await Page.EvaluateAsync<string[]>(Faint);
            Assert.That(faint, Is.Empty, $"{name} in {scheme}");
            string file = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"{name}-{scheme.ToString().ToLowerInvariant()}.png");
            await Page.ScreenshotAsync(new() { Path = file, FullPage = true });
            TestContext.AddTestAttachment(file);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _browser.DisposeAsync();
        _playwright.Dispose();
        foreach (int id in _open.Keys) Close(id);
    }

    private int Open(string path)
    {
        int id = Interlocked.Increment(ref _ids);
        SerialLine line = _open[id] = SerialLine.Open(path);
        _ = Task.Run(() => PumpAsync(id, line));
        return id;
    }

    private async Task PumpAsync(int id, SerialLine line)
    {
        try
        {
            while (true)
            {
                byte[] bytes = await line.ReadAsync(CancellationToken.None);
                await Page.EvaluateAsync("([id, bytes]) => window.depinPush(id, bytes)", new object[] { id, bytes.Select(b => (int)b).ToArray() });
            }
        }
        catch (Exception error) when (error is ChannelClosedException or IOException or ObjectDisposedException)
        {
            if (_open.ContainsKey(id)) await Page.EvaluateAsync("([id, why]) => window.depinEnd(id, why)", new object[] { id, "The device has been lost." });
        }
        catch (PlaywrightException)
        {
            // the page is gone
        }
    }

    private string Write(int id, int[] bytes)
    {
        try
        {
            _open[id].Write([.. bytes.Select(b => (byte)b)]);
            return "";
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException or KeyNotFoundException)
        {
            return "The device has been lost.";
        }
    }

    private void Close(int id)
    {
        if (_open.TryRemove(id, out SerialLine? line)) line.Dispose();
    }
}
