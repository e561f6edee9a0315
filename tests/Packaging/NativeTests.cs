using DePIN.Cli.Gateway;
using DePIN.Cli.Up;
using DePIN.Contracts;
using DePIN.Mqtt;
using DePIN.Protocol;
using DePIN.Provision;
using DePIN.Tests.Harness;

namespace DePIN.Packaging.Tests;

/// <summary>The gateway compiled ahead of time: what the compiler leaves out is only seen when it runs.</summary>
internal sealed class NativeTests
{
    [Test, Category("ByHand")] // clang, NuGet's compiler and minutes
    public async Task The_native_gateway_of_the_package_takes_a_frame_to_the_ledger()
    {
        Packages.Need("clang", "clang");
        using TempFolder folder = new();
        using Publisher publisher = new(Devnet.Repository.Root, noBuild: true);
        DebPackage package = PackageContent.Make(await publisher.PublishNativeAsync(Packages.Amd64), Packages.Amd64, "1.0.0-1", DateTimeOffset.FromUnixTimeSeconds(1_790_000_000), Build.Native, Devnet.Repository.Root);
        string file = Path.Combine(folder.Path, package.FileName), root = folder.Sub("root");
        package.Write(file);
        (int code, string output) = await Packages.RunAsync("dpkg-deb", "-x", file, root);
        Assert.That(code, Is.Zero, output);
        (code, output) = await Packages.RunAsync("lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", file);
        Assert.That((code, output.Trim()), Is.EqualTo((0, "")));
        string program = Path.Combine(root, "usr/lib/depin", NativeGateway.FileName);

        (code, output) = await Packages.RunAsync(program, "--config", Path.Combine(root, "etc/depin/gateway.jsonc"), "--check");
        Assert.That((code, output), Is.EqualTo((78, output)).And.Matches<(int, string)>(said => said.Item2.Contains("chain.rpcUrls", StringComparison.Ordinal)), "the template wants an endpoint");

        string data = folder.Sub("gateway");
        GatewayIdentity identity = LocalGateway.CreateIdentity(data);
        await using LocalChain chain = await LocalChain.StartAsync(folder.Sub("chain"), [identity], CancellationToken.None);
        await using LocalGateway gateway = await LocalGateway.StartAsync(
            new LocalGatewayOptions(data, identity, chain.DeploymentFile, chain.Node.RpcUrl, Path.Combine(folder.Path, "gateway.log")) { Program = program, BatchAgeMaxS = 1 }, CancellationToken.None);
        using SampleDevice device = new();
        byte[] claim = device.Sign(DeviceClaim.Message(device.KeyKind, chain.Deployment.ChainId, chain.Deployment.DeviceRegistry, chain.Owner));
        await chain.RegisterAsync(new BoardIdentity(device.KeyKind, device.PublicKey, device.Text, 0, "", ""), claim, CancellationToken.None);
        await using MqttClient client = new(new MqttClientOptions { Host = "127.0.0.1", Port = gateway.MqttPort, ClientId = device.Text });
        Assert.That((await client.ConnectAsync()).IsConnected, Is.True);
        byte[] frame = device.NextFrame();
        await Eventually.TrueAsync(async () => (await client.PublishAsync(Topics.Frame(device.Text), frame)).IsSuccess, "the frame is acknowledged", () => File.ReadAllText(Path.Combine(folder.Path, "gateway.log")));
        await Eventually.TrueAsync(async () => (await gateway.Api.GetAsync($"/api/devices/{device.Text}/frames/1", CancellationToken.None)).GetProperty("state").GetString() == "anchored",
            "the frame is anchored", () => File.ReadAllText(Path.Combine(folder.Path, "gateway.log")));
        Assert.That(await gateway.Api.GetBytesAsync("/metrics", "text/plain", CancellationToken.None), Is.Not.Empty);
    }
}
