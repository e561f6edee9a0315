using DePIN.Gateway.Tests.Anchor;
using DePIN.Gateway.Tests.Registry;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Gateway.Tests.Web;

/// <summary>The name service goes away: the real resolver of a gateway process whose /etc/hosts is the test's.</summary>
internal sealed class NameServiceTests
{
    [Test]
    public async Task While_no_name_resolves_frames_are_acknowledged_even_after_a_restart_and_anchored_when_names_are_back()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice device = new(1);
        await network.RegisterAsync(device);
        await using DoubtfulEndpoint endpoint = new(network.Node.RpcUrl);
        await endpoint.StartAsync();
        string names = Path.Combine(network.Folder, "hosts"), known = "127.0.0.1 localhost chain.depin.test\n";
        await File.WriteAllTextAsync(names, known);
        await using GatewayProcess gateway = new(network, endpoint.Url("chain.depin.test"), names);
        await gateway.StartAsync();
        await PublishAsync(gateway, device);
        await UntilAnchoredAsync(gateway, device, 1);

        await File.WriteAllTextAsync(names, "127.0.0.1 localhost\n"); // the same file: it is mounted
        await endpoint.StopAsync(); // an open connection needs no name
        await endpoint.StartAsync();
        await GatewayProcess.WaitAsync("the gateway says that it cannot reach the chain", async () => (await gateway.GetAsync("/health")).ToJsonString() is { } health
            && health.Contains("chain.depin.test", StringComparison.Ordinal) && health.Contains("chain.rpcUrls", StringComparison.Ordinal) ? health : null);
        await PublishAsync(gateway, device);
        await gateway.KillAsync();
        await gateway.StartAsync();
        await PublishAsync(gateway, device);
        await UntilAnchoredAsync(gateway, device, 1);

        await File.WriteAllTextAsync(names, known);
        await UntilAnchoredAsync(gateway, device, 3);
        Assert.That(await gateway.StopAsync(), Is.Zero, gateway.Output());
    }

    private static Task UntilAnchoredAsync(GatewayProcess gateway, TestDevice device, int sequence) => GatewayProcess.WaitAsync("an anchored frame", async () =>
        (await gateway.GetAsync($"/api/devices/{device.Text}/frames/{sequence}"))["state"]!.GetValue<string>() == "anchored" ? "" : null);

    private static async Task PublishAsync(GatewayProcess gateway, TestDevice device)
    {
        await using MqttClient client = new(new MqttClientOptions { Host = "127.0.0.1", Port = gateway.Mqtt.Port, ClientId = device.Text });
        Assert.That((await client.ConnectAsync()).IsConnected, Is.True);
        byte[] frame = device.NextFrame();
        await GatewayProcess.WaitAsync("an acknowledged frame", async () => (await client.PublishAsync(Topics.Frame(device.Text), frame)).IsSuccess ? "" : null);
    }
}
