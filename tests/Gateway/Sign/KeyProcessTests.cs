using System.Security.Cryptography;
using System.Text.Json.Nodes;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Sign;
using DePIN.Gateway.Tests.Anchor;
using DePIN.Gateway.Tests.Web;
using DePIN.Mqtt;
using DePIN.Protocol;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Sign;

/// <summary>The gateway as a process with its key in each place.</summary>
[Platform("Linux"), System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal sealed class KeyProcessTests
{
    [Test]
    public async Task One_gateway_signs_batches_with_its_key_sealed_in_a_token_and_in_a_TPM()
    {
        using SoftToken token = new();
        await using SoftTpm tpm = await SoftTpm.StartAsync();
        await using TestNetwork network = await TestNetwork.StartAsync();
        await using GatewayProcess gateway = new(network);
        using RandomNumberGenerator random = RandomNumberGenerator.Create();
        TestDevice device = new(1);
        await network.RegisterAsync(device);
        string passphrase = token.Write("passphrase", "correct horse\n");
        int signed = 0;
        foreach (JsonObject section in new[]
        {
            new JsonObject { ["uri"] = "file:sealed.key", ["passphraseFile"] = passphrase }, new JsonObject { ["uri"] = token.Uri() }, new JsonObject { ["uri"] = $"tpm2:gateway.tpm2?socket={tpm.Socket}" },
        })
        {
            KeyPlace.Of(KeyUri.Parse(section["uri"]!.GetValue<string>(), gateway.DataFolder), new KeySecret(section["passphraseFile"]?.GetValue<string>() ?? "", _ => null)).Put(network.Gateway, random);
            gateway.UseKey(section);
            await gateway.StartAsync();
            await using MqttClient client = new(new MqttClientOptions { Host = "127.0.0.1", Port = gateway.Mqtt.Port, ClientId = device.Text });
            await client.ConnectAsync();
            byte[] frame = device.NextFrame();
            await GatewayProcess.WaitAsync("an acknowledged frame", async () => (await client.PublishAsync(Topics.Frame(device.Text), frame)).IsSuccess ? "" : null);
            signed++;
            await GatewayProcess.WaitAsync($"batch {signed} signed by {section["uri"]}", async () =>
                (await gateway.Http.GetAsync($"/api/batches/{signed}")).IsSuccessStatusCode && (await gateway.GetAsync($"/api/batches/{signed}"))["attestations"]!.AsArray().Count == 1 ? "" : null);
            Assert.That(gateway.Output(), Does.Contain($"gateway {network.Gateway.Address.ToChecksumString()} on chain").And.Not.Contain("correct horse").And.Not.Contain(SoftToken.Pin + "\n"));
            Assert.That(await gateway.StopAsync(), Is.EqualTo(ExitCodes.Stopped));
        }
    }

    [Test]
    public async Task What_a_restart_may_mend_ends_with_1_and_a_refused_PIN_and_a_lost_key_with_77()
    {
        using SoftToken token = new();
        await using TestNetwork network = await TestNetwork.StartAsync();
        await using GatewayProcess gateway = new(network);
        gateway.UseKey(new JsonObject { ["uri"] = token.Uri() });
        using (ChainDatabase database = ChainDatabase.Open(gateway.DataFolder)) database.Remember(GatewayKey.IdentityKey, network.Gateway.Address.ToChecksumString());
        (int code, string output) = await gateway.RunToEndAsync("--config", gateway.ConfigFile);
        Assert.That(code, Is.EqualTo(ExitCodes.Identity), output);
        Assert.That(output, Does.Contain("the key is missing").And.Contain(network.Gateway.Address.ToChecksumString()), "no new key where there was one");
        Assert.That(KeyPlace.Of(KeyUri.Parse(token.Uri(), "/"), new KeySecret("", _ => null)).TryOpen(), Is.Null);

        token.IsPulled = true;
        (code, output) = await gateway.RunToEndAsync("--config", gateway.ConfigFile);
        Assert.That(code, Is.EqualTo(ExitCodes.Failed), output);
        Assert.That(output, Does.Contain("is not there"));

        token.IsPulled = false;
        gateway.UseKey(new JsonObject { ["uri"] = token.Uri(pinFile: token.Write("wrong", "9999\n")) });
        (code, output) = await gateway.RunToEndAsync("--config", gateway.ConfigFile);
        Assert.That(code, Is.EqualTo(ExitCodes.Identity), output);
        Assert.That(output, Does.Contain("refused the PIN"));
    }
}
