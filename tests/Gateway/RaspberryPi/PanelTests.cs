using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.RaspberryPi.Panel;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Tests.Anchor;
using DePIN.Gateway.Tests.Web;
using DePIN.Mqtt;
using DePIN.Protocol;
using DePIN.Provision;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.RaspberryPi;

/// <summary>The Pi's panel without a Pi: what it shows and signs; the drivers alone are missing here.</summary>
internal sealed class PanelTests
{
    private static readonly Air Room = new(2150, 455, 101_325);

    private TempFolder _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    [TestCase(Standing.Healthy, 1)]
    [TestCase(Standing.Degraded, 2)]
    [TestCase(Standing.Failed, 4)]
    [TestCase(Standing.Silent, 0)]
    public void The_light_flashes_so_many_times_in_three_seconds(Standing standing, int flashes)
    {
        bool[] lit = [.. Enumerable.Range(0, 3_000).Select(ms => StatusLight.IsOn(standing, 3_000 + ms))];
        Assert.That(Enumerable.Range(1, 2_999).Count(ms => lit[ms - 1] && !lit[ms]), Is.EqualTo(flashes));
        Assert.That(lit.All(on => on), Is.EqualTo(standing == Standing.Silent));
    }

    [Test]
    public void A_press_is_short_when_let_go_long_while_held_and_a_bounce_is_none()
    {
        Button button = new();
        Assert.That(button.Next(true, 0), Is.EqualTo(Press.None));
        Assert.That(button.Next(false, 20), Is.EqualTo(Press.None), "a bounce");
        button.Next(true, 100);
        Assert.That(button.Next(false, 400), Is.EqualTo(Press.Short));
        Assert.That(button.Next(false, 450), Is.EqualTo(Press.None));
        button.Next(true, 1_000);
        Assert.That(button.Next(true, 5_999), Is.EqualTo(Press.None));
        Assert.That(button.Next(true, 6_000), Is.EqualTo(Press.Long));
        Assert.That(button.Next(true, 9_000), Is.EqualTo(Press.None), "told once");
        Assert.That(button.Next(false, 9_100), Is.EqualTo(Press.None));
    }

    [Test]
    public void Every_page_fits_the_display_and_an_answer_that_is_none_is_silence()
    {
        GatewayView view = new(Standing.Degraded, "0x", "registry: " + new string('ä', 200), "look", 1_000_000, long.MaxValue, 3_600_000);
        for (int page = 0; page < StatusPages.Count; page++)
        {
            string[] lines = StatusPages.Page(page, view, new Air(-4_000, 1_000, 110_000), new string('a', 40));
            Assert.That(lines, Has.Length.EqualTo(StatusPages.Lines));
            Assert.That(lines, Has.All.Matches<string>(line => line.Length <= StatusPages.Columns && line.All(char.IsAscii)));
        }

        Assert.That(StatusPages.Page(2, view, Room, "d"), Is.EqualTo(new[] { "21.5 C", "45.5 %", "1013.3 hPa", "d" }));
        foreach (string wrong in new[] { "", "[]", "{}", "{\"status\":\"healthy\"}", "{\"status\":1,\"queues\":{},\"problems\":3}" })
            Assert.That(GatewayView.Parse(System.Text.Encoding.UTF8.GetBytes(wrong)), Is.EqualTo(GatewayView.None), wrong);
    }

    [Test]
    public void A_sequence_is_never_used_twice_and_what_was_not_acknowledged_is_sent_again()
    {
        OwnDevice device = Open();
        device.Add(Room);
        byte[] first = device.Pending.ToArray();
        Assert.That(() => device.Add(Room), Throws.InvalidOperationException);
        OwnDevice again = Open(); // killed before the acknowledgement
        Assert.That(again.Id, Is.EqualTo(device.Id));
        Assert.That(again.Pending.ToArray(), Is.EqualTo(first), "the same bytes, not another frame of that number");
        again.Acknowledged();
        again.Add(Room);
        Assert.That(again.Sequence, Is.EqualTo(2UL));
        again.Acknowledged();
        Assert.That((Open().Sequence, Open().Pending.Length), Is.EqualTo((2UL, 0)));
    }

    [Test]
    public void A_lost_damaged_or_foreign_key_is_refused_and_none_is_made()
    {
        Open();
        string key = Path.Combine(_folder.Path, OwnDevice.KeyFileName), chain = Path.Combine(_folder.Path, OwnDevice.ChainFileName), text = File.ReadAllText(key);
        File.Delete(key);
        Assert.That(Open, Throws.TypeOf<SettingsException>().With.Message.Contains("Restore the key"));
        Assert.That(File.Exists(key), Is.False);
        SecretFile.Write(key, "zz"u8);
        Assert.That(Open, Throws.TypeOf<SettingsException>().With.Message.Contains("holds no key"));
        SecretFile.Write(key, System.Text.Encoding.ASCII.GetBytes(new string('1', 64)));
        Assert.That(Open, Throws.TypeOf<SettingsException>().With.Message.Contains("of another device"));
        SecretFile.Write(key, System.Text.Encoding.ASCII.GetBytes(text));
        SecretFile.Write(chain, "short"u8);
        Assert.That(Open, Throws.TypeOf<SettingsException>().With.Message.Contains("is damaged"));
    }

    [Test]
    public async Task Its_readings_reach_a_real_gateway_as_those_of_a_registered_device()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        OwnDevice device = Open();
        string line = device.Claim(network.Deployment.ChainId, network.Deployment.DeviceRegistry.ToString(), network.Owner.Address.ToString());
        CollectedClaim claim = ClaimCollector.Read([line], "test").Single();
        byte[] key = Convert.FromHexString(claim.PublicKey), signature = Convert.FromHexString(claim.Signature);
        await network.Sender.SendAsync(network.Deployment.DeviceRegistry, DeviceRegistry.EncodeRegister(claim.KeyKind, new Hash32(key.AsSpan(0, 32)), new Hash32(key.AsSpan(32)),
            new Hash32(signature.AsSpan(0, 32)), new Hash32(signature.AsSpan(32)), Address.Parse(claim.Owner)));
        await using GatewayProcess gateway = new(network);
        await gateway.StartAsync();

        using CancellationTokenSource stopping = new();
        using SeenPanel panel = new();
        MqttClientOptions mqtt = new() { Host = "127.0.0.1", Port = gateway.Mqtt.Port, ClientId = device.Id };
        Task running = new PanelLoop(panel, device, gateway.Http, mqtt, TimeSpan.FromMilliseconds(200), () => { }, TimeProvider.System).RunAsync(stopping.Token);
        JsonNode frames = await GatewayProcess.WaitAsync("two frames of the Pi", async () =>
        {
            using HttpResponseMessage answer = await gateway.Http.GetAsync($"/api/devices/{device.Id}/frames");
            JsonNode? told = answer.IsSuccessStatusCode ? JsonNode.Parse(await answer.Content.ReadAsStringAsync()) : null;
            return told?["frames"]!.AsArray().Count >= 2 ? told : null;
        });
        Assert.That(frames["frames"]![0]!["samples"]!.AsArray().Select(sample => sample!["value"]!.GetValue<string>()), Is.EqualTo(new[] { "21.5", "45.5", "101325" }));
        await GatewayProcess.WaitAsync("the gateway on the display", () => Task.FromResult(panel.Shown.Any(lines => lines[0] is "HEALTHY" or "DEGRADED" && lines[1].StartsWith("clients ", StringComparison.Ordinal)) ? "" : null));
        await gateway.KillAsync();
        panel.Shown.Clear();
        await GatewayProcess.WaitAsync("silence on the display", () => Task.FromResult(panel.Shown.Any(lines => lines[0] == "SILENT") ? "" : null));
        await stopping.CancelAsync();
        await running;
    }

    private OwnDevice Open() => OwnDevice.Open(_folder.Path, TimeProvider.System);

    private sealed class SeenPanel : IPanel
    {
        public ConcurrentQueue<IReadOnlyList<string>> Shown { get; } = [];

        public bool IsPressed => false;

        public void Light(bool on)
        {
        }

        public void Show(IReadOnlyList<string> lines)
        {
            if (Shown.Count < 10_000) Shown.Enqueue(lines);
        }

        public Air? Read() => Room;

        public void Dispose()
        {
        }
    }
}
