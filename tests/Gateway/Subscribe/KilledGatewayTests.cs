using System.Text.Json.Nodes;
using DePIN.Gateway.Tests.Anchor;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Tests.Web;
using DePIN.Mqtt;
using DePIN.Protocol;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Subscribe;

/// <summary>The whole gateway as a process behind a real mosquitto, killed while frames come.</summary>
[TestFixture]
internal sealed class KilledGatewayTests
{
    [Test]
    public async Task A_gateway_killed_during_load_has_every_frame_of_the_broker_once_after_its_return()
    {
        const int Frames = 300;
        await using Mosquitto broker = await Mosquitto.StartAsync();
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice device = new(7);
        await network.RegisterAsync(device);
        await using GatewayProcess gateway = new(network);
        JsonNode settings = JsonNode.Parse(await File.ReadAllTextAsync(gateway.ConfigFile), documentOptions: new() { CommentHandling = System.Text.Json.JsonCommentHandling.Skip, AllowTrailingCommas = true })!;
        settings["broker"] = new JsonObject { ["url"] = $"mqtt://127.0.0.1:{broker.Port}" };
        await File.WriteAllTextAsync(gateway.ConfigFile, settings.ToJsonString());
        await gateway.StartAsync();
        await PartAsync(gateway, "broker");
        await GatewayProcess.WaitAsync("the device", async () => (await gateway.Http.GetAsync($"/api/devices/{device.Text}")).IsSuccessStatusCode ? "" : null);

        await using MqttClient board = new(new MqttClientOptions { Host = "127.0.0.1", Port = broker.Port, ClientId = device.Text });
        await board.ConnectAsync();
        Task<MqttAnswer>[] answers = [.. Enumerable.Range(0, Frames).Select(_ => board.PublishAsync(Topics.Frame(device.Text), device.NextFrame()).AsTask())];
        await answers[Frames / 3];
        await gateway.KillAsync();
        Assert.That(await Task.WhenAll(answers), Has.All.Matches<MqttAnswer>(answer => answer.IsSuccess), "the broker has them all");

        await gateway.StartAsync();
        await GatewayProcess.WaitAsync("the last frame", async () =>
            (await gateway.Http.GetAsync($"/api/devices/{device.Text}/frames/{Frames}")).IsSuccessStatusCode ? "" : null);
        for (int from = 1; from <= Frames; from += 50)
        {
            JsonNode page = await gateway.GetAsync($"/api/devices/{device.Text}/frames?from={from}&limit=50");
            Assert.That(page["frames"]!.AsArray().Select(frame => frame!["sequence"]!.GetValue<int>()), Is.EqualTo(Enumerable.Range(from, 50)));
        }
    }

    [Test]
    public async Task A_member_of_a_share_group_killed_under_load_loses_no_frame_that_the_broker_has_and_none_is_in_two_batches()
    {
        const int Frames = 100;
        PostgresServer server = await PostgresForTests.Server.Value;
        string database = "k" + Guid.NewGuid().ToString("N");
        await server.CreateDatabaseAsync(database);
        await using Mosquitto broker = await Mosquitto.StartAsync();
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice[] devices = [new(41), new(42), new(43)];
        foreach (TestDevice device in devices) await network.RegisterAsync(device);
        string store = $$"""{ "postgres": "{{server.Uri(database)}}?sslmode=disable", "passwordFile": "{{server.PasswordFile}}" }""";
        await using GatewayProcess one = new(network, name: "one", store: store), two = new(network, name: "two", store: store);
        foreach (GatewayProcess process in (GatewayProcess[])[one, two])
        {
            JsonNode settings = JsonNode.Parse(await File.ReadAllTextAsync(process.ConfigFile), documentOptions: new() { CommentHandling = System.Text.Json.JsonCommentHandling.Skip, AllowTrailingCommas = true })!;
            settings["broker"] = new JsonObject { ["url"] = $"mqtt://127.0.0.1:{broker.Port}", ["shareGroup"] = "g", ["clientId"] = process == one ? "one" : "two" };
            await File.WriteAllTextAsync(process.ConfigFile, settings.ToJsonString());
            if (process == two) File.Copy(Path.Combine(one.DataFolder, PeerKey.FileName), Path.Combine(two.DataFolder, PeerKey.FileName)); // one identity
            await process.StartAsync();
            await PartAsync(process, "broker");
            foreach (TestDevice device in devices) await GatewayProcess.WaitAsync("the device", async () => (await process.Http.GetAsync($"/api/devices/{device.Text}")).IsSuccessStatusCode ? "" : null);
        }

        await using MqttClient board = new(new MqttClientOptions { Host = "127.0.0.1", Port = broker.Port, ClientId = "boards" });
        await board.ConnectAsync();
        List<Task<MqttAnswer>> answers = [];
        for (int i = 0; i < Frames; i++)
        {
            foreach (TestDevice device in devices) answers.Add(board.PublishAsync(Topics.Frame(device.Text), device.NextFrame()).AsTask());
            if (i != Frames / 3) continue;
            await Task.WhenAll(answers);
            await one.KillAsync();
        }

        Assert.That(await Task.WhenAll(answers), Has.All.Matches<MqttAnswer>(answer => answer.IsSuccess), "the broker has them all");
        await one.StartAsync(); // what it had not answered waits in its session
        string total = (devices.Length * Frames).ToString(System.Globalization.CultureInfo.InvariantCulture);
        await Eventually.TrueAsync(async () => await server.PsqlAsync(database, "SELECT value FROM store_state WHERE key = 'cut_row'") == total, "every frame is in a batch", () => one.Output() + two.Output());
        Assert.That(await server.PsqlAsync(database, "SELECT count(*), count(DISTINCT (device, sequence)), max(row) FROM frames"), Is.EqualTo($"{total}|{total}|{total}"), "each once, no holes");
        Assert.That(await server.PsqlAsync(database, "SELECT count(*) FROM frames f WHERE (SELECT count(*) FROM batches b WHERE f.row BETWEEN b.first_row AND b.last_row) <> 1"), Is.EqualTo("0"), "each in exactly one batch");
        Assert.That(await server.PsqlAsync(database, "SELECT count(*) FROM misconduct"), Is.EqualTo("0"));
    }

    private static Task<string> PartAsync(GatewayProcess gateway, string part) => GatewayProcess.WaitAsync($"part {part}", async () =>
        (await gateway.GetAsync("/health"))["parts"]!.AsArray().Any(p => p!["name"]!.GetValue<string>() == part && p["state"]!.GetValue<string>() == "ok") ? "" : null);
}
