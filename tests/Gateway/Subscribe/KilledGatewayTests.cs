using System.Text.Json.Nodes;
using DePIN.Gateway.Tests.Anchor;
using DePIN.Gateway.Tests.Web;
using DePIN.Mqtt;
using DePIN.Protocol;

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

    private static Task<string> PartAsync(GatewayProcess gateway, string part) => GatewayProcess.WaitAsync($"part {part}", async () =>
        (await gateway.GetAsync("/health"))["parts"]!.AsArray().Any(p => p!["name"]!.GetValue<string>() == part && p["state"]!.GetValue<string>() == "ok") ? "" : null);
}
