using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using DePIN.Gateway.HomeAssistant;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Tests.Ingest;
using DePIN.Gateway.Tests.Verify;
using DePIN.Mqtt;

namespace DePIN.Gateway.Tests.HomeAssistant;

/// <summary>What MQTT.js, in Home Assistant's place, gets from the listener; against the schema that Home Assistant documents.</summary>
[TestFixture]
internal sealed class HomeAssistantTests
{
    // home-assistant.io/integrations/mqtt (device discovery payload) and /integrations/sensor.mqtt (configuration variables).
    private static readonly string[] RootKeys = ["device", "origin", "components", "state_topic", "command_topic", "availability", "availability_topic", "availability_mode", "payload_available", "payload_not_available", "qos", "encoding"];
    private static readonly string[] SensorKeys =
    [
        "platform", "unique_id", "name", "value_template", "state_class", "device_class", "unit_of_measurement", "entity_category", "expire_after", "state_topic", "icon", "force_update",
        "suggested_display_precision", "enabled_by_default", "json_attributes_topic", "json_attributes_template", "availability", "options", "last_reset_value_template", "default_entity_id", "qos",
    ];

    private static readonly string[] DeviceKeys = ["identifiers", "connections", "name", "manufacturer", "model", "model_id", "hw_version", "sw_version", "serial_number", "suggested_area", "via_device", "configuration_url"];

    [Test]
    public async Task A_device_is_announced_with_its_first_frame_told_anew_at_the_birth_message_and_removed_when_it_is_revoked()
    {
        using Pipeline pipeline = new();
        await using IngestHost host = await IngestHost.StartAsync();
        DePIN.Tests.Harness.ManualTimeProvider time = new();
        string? revoked = null;
        HomeAssistantStage stage = new(new HomeAssistantSettings { Enabled = true, DevicesMax = 1 }, pipeline.Log, host.Ingest, "depin/1/gateway/00/status", id => id == revoked, time);
        using CancellationTokenSource stopping = new();
        Task running = Task.Run(() => stage.RunAsync(stopping.Token));
        SigningDevice device = await pipeline.AddDeviceAsync(), second = await pipeline.AddDeviceAsync();
        string id = Convert.ToHexStringLower(device.IdBytes);

        string script = $$"""
            const mqtt = require('mqtt');
            const client = mqtt.connect({ host: '127.0.0.1', port: {{host.Port}}, protocol: 'mqtt', protocolVersion: 4, clientId: 'home-assistant',
              will: { topic: 'homeassistant/status', payload: 'offline', qos: 1, retain: true } });
            client.on('error', e => { console.error(e); process.exit(1); });
            client.on('message', (topic, payload, packet) => console.log(JSON.stringify({ topic, retain: packet.retain, payload: payload.toString() })));
            client.on('connect', () => client.subscribe(['homeassistant/#', 'depin/1/+/state', 'depin/1/gateway/+/status'], { qos: 1 }, () => console.log('{"topic":"ready"}')));
            process.stdin.on('data', () => client.publish('homeassistant/status', 'online', { qos: 1, retain: true }));
            """;
        using Process node = Process.Start(new ProcessStartInfo("node", ["-e", script]) { RedirectStandardOutput = true, RedirectStandardInput = true, WorkingDirectory = Path.Combine(DePIN.Devnet.Repository.Root, "tests") })!;
        try
        {
            await NextAsync(node, "ready");
            await pipeline.SubmitAsync(device, device.Next(samples: 2));
            JsonNode discovery = JsonNode.Parse((await NextAsync(node, $"homeassistant/device/depin_{id}/config"))["payload"]!.GetValue<string>())!;
            CheckSchema(discovery, id);
            JsonNode state = JsonNode.Parse((await NextAsync(node, $"depin/1/{id}/state"))["payload"]!.GetValue<string>())!;
            Assert.That(state["temperature"]!.ToJsonString(), Is.EqualTo("2.2"), "the newest of the two");
            Assert.That(state["sequence"]!.GetValue<long>(), Is.EqualTo(1));
            Assert.That(DateTimeOffset.TryParse(state["time"]!.GetValue<string>(), System.Globalization.CultureInfo.InvariantCulture, out _));

            await pipeline.SubmitAsync(second, second.Next());
            await Until.TrueAsync(() => stage.FramesLeftOut == 1, "the device beyond the bound to be left out");

            // A Home Assistant that restarts.
            await node.StandardInput.WriteLineAsync("birth");
            await NextAsync(node, $"homeassistant/device/depin_{id}/config");
            await NextAsync(node, $"depin/1/{id}/state");

            revoked = id;
            Task<JsonNode> removed = NextAsync(node, $"homeassistant/device/depin_{id}/config");
            while (!removed.IsCompleted)
            {
                time.Advance(TimeSpan.FromMinutes(1));
                await Task.WhenAny(removed, Task.Delay(20));
            }

            Assert.That((await removed)["payload"]!.GetValue<string>(), Is.Empty);
            await Until.TrueAsync(() => host.Ingest.RetainedCount == 2, "only the two status topics to be kept");
        }
        finally
        {
            node.Kill();
            await node.WaitForExitAsync();
            await stopping.CancelAsync();
            Assert.CatchAsync<OperationCanceledException>(() => running);
        }
    }

    [Test]
    public void Every_channel_has_a_unit_that_its_device_class_allows()
    {
        // developers.home-assistant.io/docs/core/entity/sensor: available device classes.
        Dictionary<string, string[]> allowed = new()
        {
            ["temperature"] = ["°C", "°F", "K"], ["humidity"] = ["%"], ["pressure"] = ["Pa", "hPa", "kPa", "bar"], ["voltage"] = ["V", "mV"], ["current"] = ["A", "mA"], ["power"] = ["W", "kW"],
            ["energy"] = ["J", "kJ", "Wh", "kWh"], ["frequency"] = ["Hz", "kHz"], ["power_factor"] = ["%"], ["data_size"] = ["B", "kB", "MB"], ["carbon_dioxide"] = ["ppm"], ["pm1"] = ["µg/m³"],
            ["pm25"] = ["µg/m³"], ["pm10"] = ["µg/m³"], ["distance"] = ["m", "km"], ["speed"] = ["m/s"], ["duration"] = ["s", "min", "h", "d"], ["signal_strength"] = ["dB", "dBm"],
        };
        int known = 0;
        for (ushort channel = 0; channel < 1_024; channel++)
        {
            if (DePIN.Protocol.Channels.Name(channel) is not { } name) continue;
            known++;
            SensorKind kind = SensorKind.Of(channel);
            if (kind.DeviceClass is { } deviceClass) Assert.That(allowed[deviceClass], Does.Contain(kind.Unit), name);
            Assert.That(kind.StateClass, Is.AnyOf("measurement", "total_increasing"), name);
        }

        Assert.That(known, Is.GreaterThan(50));
    }

    private static void CheckSchema(JsonNode discovery, string id)
    {
        Assert.That(discovery.AsObject().Select(member => member.Key), Is.SubsetOf(RootKeys));
        Assert.That(discovery["device"]!.AsObject().Select(member => member.Key), Is.SubsetOf(DeviceKeys));
        Assert.That(discovery["device"]!["identifiers"]![0]!.GetValue<string>(), Is.EqualTo("depin_" + id));
        Assert.That(discovery["origin"]!["name"]!.GetValue<string>(), Is.Not.Empty, "required");
        Assert.That(discovery["state_topic"]!.GetValue<string>(), Is.EqualTo($"depin/1/{id}/state"));
        foreach ((string key, JsonNode? sensor) in discovery["components"]!.AsObject())
        {
            Assert.That(sensor!.AsObject().Select(member => member.Key), Is.SubsetOf(SensorKeys), key);
            Assert.That(sensor["platform"]!.GetValue<string>(), Is.EqualTo("sensor"));
            Assert.That(sensor["unique_id"]!.GetValue<string>(), Does.StartWith("depin_" + id));
        }

        JsonNode temperature = discovery["components"]!["temperature"]!;
        Assert.That((temperature["device_class"]!.GetValue<string>(), temperature["unit_of_measurement"]!.GetValue<string>(), temperature["state_class"]!.GetValue<string>()), Is.EqualTo(("temperature", "°C", "measurement")));
        Assert.That(temperature["value_template"]!.GetValue<string>(), Is.EqualTo("{{ value_json.temperature }}"));
    }

    private static async Task<JsonNode> NextAsync(Process node, string topic)
    {
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(60));
        while (true)
        {
            string line = await node.StandardOutput.ReadLineAsync(patience.Token) ?? throw new InvalidOperationException("node ended");
            JsonNode message = JsonNode.Parse(line)!;
            if (message["topic"]!.GetValue<string>() == topic) return message;
        }
    }
}
