// What a server must refuse and must honour (MQTT 3.1.1 and 5), told to a raw socket.

using System.Text;
using DePIN.Mqtt;

namespace DePIN.Gateway.Tests.Ingest;

[TestFixture]
internal sealed class ProtocolRuleTests
{
    private IngestHost _host = null!;

    [OneTimeSetUp]
    public async Task StartAsync() => _host = await IngestHost.StartAsync(s => s with
    {
        OpenTopics = true, ReceiveMaximum = 4, PacketBytesMax = 4096, SubscriptionsMax = 5, KeepAliveSecondsMax = 100,
        ConnectTimeout = TimeSpan.FromMinutes(5), PacketTimeout = TimeSpan.FromMinutes(5), DrainTimeout = TimeSpan.FromMilliseconds(200),
    });

    [OneTimeTearDown]
    public async Task StopAsync() => await _host.DisposeAsync();

    // After CONNECT, these bytes end a version 5 connection with this reason.
    [TestCase("c100", 0x81, TestName = "Reserved flag bits are refused")]
    [TestCase("308000", 0x81, TestName = "A length that is not minimal is refused")]
    [TestCase("30ffffffff7f", 0x81, TestName = "A length of five bytes is refused")]
    [TestCase("30ff7f", 0x95, TestName = "A packet above the maximum is refused before it is read")]
    [TestCase("30060003610062" + "00", 0x81, TestName = "U+0000 in a topic is refused")]
    [TestCase("30040001ff00", 0x81, TestName = "Ill-formed UTF-8 is refused")]
    [TestCase("300600" + "03eda080" + "00", 0x81, TestName = "A surrogate in UTF-8 is refused")]
    [TestCase("300400012b00", 0x90, TestName = "A wildcard in a topic name is refused")]
    [TestCase("3003000000", 0x90, TestName = "An empty topic without alias is refused")]
    [TestCase("8203000100", 0x82, TestName = "An empty SUBSCRIBE is refused")]
    [TestCase("a203000100", 0x82, TestName = "An empty UNSUBSCRIBE is refused")]
    [TestCase("360600016100" + "0100", 0x81, TestName = "QoS 3 is refused")]
    [TestCase("82070001000001" + "6103", 0x81, TestName = "A subscription with QoS 3 is refused")]
    [TestCase("3206000161000000", 0x82, TestName = "Packet identifier 0 is refused")]
    [TestCase("3006000161" + "05" + "0101", 0x81, TestName = "A property cut short is refused")]
    [TestCase("3008000161" + "04" + "01010101", 0x82, TestName = "A property given twice is refused")]
    [TestCase("3007000161" + "03" + "230000", 0x94, TestName = "Topic alias 0 is refused")]
    [TestCase("3007000161" + "03" + "230011", 0x94, TestName = "A topic alias above the maximum is refused")]
    [TestCase("30060000" + "03" + "230001", 0x94, TestName = "An unknown topic alias is refused")]
    [TestCase("3006000161" + "02" + "0b01", 0x82, TestName = "A subscription identifier from a client is refused")]
    [TestCase("100f00044d51545405020000000002" + "6464", 0x82, TestName = "A second CONNECT is refused")]
    [TestCase("20020000", 0x82, TestName = "A packet that only servers send is refused")]
    [TestCase("f000", 0x82, TestName = "AUTH without an authentication method is refused")]
    [TestCase("e0070005" + "1100000005", 0x82, TestName = "A session expiry out of nothing in DISCONNECT is refused")]
    public async Task Version_5_is_told_why(string hex, int reason)
    {
        using RawClient client = await RawClient.ConnectAsync(_host, MqttVersion.V5, Guid.NewGuid().ToString("N"));
        await client.SendAsync(hex);
        List<(byte First, byte[] Body)> packets = await client.ReadToEndAsync();
        Assert.That(packets, Has.Count.EqualTo(1), "DISCONNECT has to arrive.");
        Assert.That(packets[0].First, Is.EqualTo(0xE0));
        Assert.That(packets[0].Body[0], Is.EqualTo(reason), $"0x{packets[0].Body[0]:X2}");
    }

    [TestCase("c100")]
    [TestCase("308000")]
    [TestCase("30040002" + "6100")]
    [TestCase("300300012b")]
    [TestCase("82020001")]
    [TestCase("36050001610001")]
    [TestCase("3205000161" + "0000")]
    [TestCase("100e00044d5154540402000000026464")]
    [TestCase("f000")]
    [TestCase("82060001000161" + "04")]
    public async Task Version_3_1_1_is_closed_without_a_word(string hex)
    {
        using RawClient client = await RawClient.ConnectAsync(_host, MqttVersion.V311, Guid.NewGuid().ToString("N"));
        await client.SendAsync(hex);
        Assert.That(await client.ReadToEndAsync(), Is.Empty);
    }

    [TestCase("c000", TestName = "A first packet that is not CONNECT is refused")]
    [TestCase("474554202f20485454502f312e310d0a", TestName = "HTTP is refused")]
    [TestCase("160301020001", TestName = "TLS on the plain port is refused")]
    public async Task Nothing_is_said_to_who_does_not_speak_MQTT(string hex)
    {
        using RawClient client = await RawClient.OpenAsync(_host);
        await client.SendAsync(hex);
        Assert.That(await client.ReadToEndAsync(), Is.Empty);
    }

    [TestCase("100e00044d5154540602000000026464", "0001", TestName = "An unknown protocol level gets return code 1")]
    [TestCase("101000064d51497364700302000000026464", "0001", TestName = "MQTT 3.1 gets return code 1")]
    [TestCase("100c00044d51545404000000" + "0000", "0002", TestName = "An empty client id without clean session gets return code 2")]
    public async Task A_CONNECT_is_refused_with_its_code(string hex, string answer)
    {
        using RawClient client = await RawClient.OpenAsync(_host);
        await client.SendAsync(hex);
        List<(byte First, byte[] Body)> packets = await client.ReadToEndAsync();
        Assert.That(packets.Single().First, Is.EqualTo(0x20));
        Assert.That(Convert.ToHexStringLower(packets.Single().Body), Does.StartWith(answer));
    }

    [Test]
    public async Task A_broken_CONNECT_of_version_5_is_told_why()
    {
        using RawClient client = await RawClient.OpenAsync(_host);
        await client.SendAsync("1010 00044d515454 05 02 0000 03 210000 0000");
        (byte first, byte[] body) = (await client.ReadToEndAsync()).Single();
        Assert.That(first, Is.EqualTo(0x20));
        Assert.That(body[1], Is.EqualTo(0x82));
    }

    [Test]
    public async Task CONNACK_of_version_5_states_the_limits()
    {
        using RawClient client = await RawClient.OpenAsync(_host);
        await client.SendAsync(RawClient.Connect(MqttVersion.V5, "", "11ffffffff", keepAlive: 1000));
        (_, byte[] body) = await client.ReadPacketAsync();
        Assert.That(ConnAckPacket.Read(MqttVersion.V5, body, out ConnAckPacket packet), Is.EqualTo(MqttResult.Ok));
        Assert.That(packet.Properties.Number(MqttPropertyId.ReceiveMaximum), Is.EqualTo(4));
        Assert.That(packet.Properties.Number(MqttPropertyId.MaximumPacketBytes), Is.EqualTo(4096));
        Assert.That(packet.Properties.Number(MqttPropertyId.SharedSubscriptionAvailable), Is.Zero);
        Assert.That(packet.Properties.Number(MqttPropertyId.ServerKeepAliveSeconds), Is.EqualTo(100));
        Assert.That(packet.Properties.Number(MqttPropertyId.SessionExpirySeconds), Is.EqualTo(24 * 3600));
        Assert.That(packet.Properties.TryBytes(MqttPropertyId.AssignedClientId, out ReadOnlySpan<byte> id));
        Assert.That(Encoding.UTF8.GetString(id), Does.StartWith("auto-"));
    }

    [Test]
    public async Task More_unacknowledged_messages_than_the_receive_maximum_end_the_connection()
    {
        TaskCompletionSource<global::DePIN.Gateway.Verify.FrameVerdict> never = new();
        _host.Intake.Decide = (_, _) => new ValueTask<global::DePIN.Gateway.Verify.FrameVerdict>(never.Task);
        using RawClient client = await RawClient.ConnectAsync(_host, MqttVersion.V5, "greedy");
        for (ushort i = 1; i <= 5; i++)
        {
            await client.SendAsync(RawClient.Publish(MqttVersion.V5, IngestHost.FrameTopic, new byte[200], MqttQos.AtLeastOnce, i));
        }

        List<(byte First, byte[] Body)> packets = await client.ReadToEndAsync();
        Assert.That(packets, Has.Count.EqualTo(1));
        Assert.That(packets[0].First, Is.EqualTo(0xE0));
        Assert.That(packets[0].Body[0], Is.EqualTo(0x93));
        _host.Intake.Decide = static (_, _) => new(global::DePIN.Gateway.Verify.FrameVerdict.Accepted);
        never.SetResult(global::DePIN.Gateway.Verify.FrameVerdict.Accepted);
    }

    [Test]
    public async Task Unreleased_QoS_2_messages_count_against_the_receive_maximum()
    {
        using RawClient client = await RawClient.ConnectAsync(_host, MqttVersion.V5, "greedy-2");
        for (ushort i = 1; i <= 5; i++)
        {
            await client.SendAsync(RawClient.Publish(MqttVersion.V5, "a", [1], MqttQos.ExactlyOnce, i));
        }

        List<(byte First, byte[] Body)> packets = await client.ReadToEndAsync();
        Assert.That(packets, Has.Count.EqualTo(5));
        Assert.That(packets[4].First, Is.EqualTo(0xE0));
        Assert.That(packets[4].Body[0], Is.EqualTo(0x93));
    }

    [TestCase("a", 0x00, "01")]
    [TestCase("$share/g/a", 0x00, "9e")]
    [TestCase("a/#/b", 0x01, "8f")]
    [TestCase("", 0x01, "8f")]
    public async Task A_subscription_of_version_5_is_answered_with_its_reason(string filter, int options, string reason)
    {
        using RawClient client = await RawClient.ConnectAsync(_host, MqttVersion.V5, Guid.NewGuid().ToString("N"));
        await client.SendAsync(RawClient.Subscribe(MqttVersion.V5, filter, (byte)(filter == "a" ? 1 : options)));
        (byte first, byte[] body) = await client.ReadPacketAsync();
        Assert.That(first, Is.EqualTo(0x90));
        Assert.That(Convert.ToHexStringLower(body), Is.EqualTo("000100" + reason));
    }

    [Test]
    public async Task Subscriptions_beyond_the_limit_are_refused_and_replacing_one_is_not()
    {
        using RawClient client = await RawClient.ConnectAsync(_host, MqttVersion.V5, "many");
        for (int i = 0; i < 6; i++)
        {
            await client.SendAsync(RawClient.Subscribe(MqttVersion.V5, $"many/{i}", 1));
            Assert.That((await client.ReadPacketAsync()).Body[^1], Is.EqualTo(i < 5 ? 1 : 0x97));
        }

        await client.SendAsync(RawClient.Subscribe(MqttVersion.V5, "many/0", 0));
        Assert.That((await client.ReadPacketAsync()).Body[^1], Is.Zero);
        await client.SendAsync("a20b0002000006" + "6d616e792f30"); // UNSUBSCRIBE "many/0" with a body of 11 bytes
        Assert.That((await client.ReadPacketAsync()).First, Is.EqualTo(0xB0));
    }

    [Test]
    public async Task No_local_retain_as_published_and_subscription_identifiers_are_honoured()
    {
        using RawClient client = await RawClient.ConnectAsync(_host, MqttVersion.V5, "own");
        await client.SendAsync(RawClient.Subscribe(MqttVersion.V5, "own/quiet", 0x04));
        await client.ReadPacketAsync();
        await client.SendAsync("820f0002" + "020b07" + "00076f776e2f" + "6c6f64" + "08"); // id 7, "own/lod", retain as published
        await client.ReadPacketAsync();
        await client.SendAsync(RawClient.Publish(MqttVersion.V5, "own/quiet", [1], MqttQos.AtMostOnce, 0));
        await client.SendAsync(RawClient.Publish(MqttVersion.V5, "own/lod", [2], MqttQos.AtMostOnce, 0, retain: true));
        (byte first, byte[] body) = await client.ReadPacketAsync();
        Assert.That(first, Is.EqualTo(0x31), "The RETAIN flag is kept, and no-local held the first message back.");
        Assert.That(PublishPacket.Read(MqttVersion.V5, 1, body, out PublishPacket packet), Is.EqualTo(MqttResult.Ok));
        Assert.That(packet.Properties.Number(MqttPropertyId.SubscriptionId), Is.EqualTo(7));
        await client.SendAsync(RawClient.Publish(MqttVersion.V5, "own/lod", [], MqttQos.AtMostOnce, 0, retain: true));
    }

    [TestCase(0x00, true, true)]
    [TestCase(0x10, true, false)]
    [TestCase(0x20, false, false)]
    public async Task Retain_handling_decides_what_a_subscription_brings(int options, bool first, bool second)
    {
        string topic = $"kept/{options}";
        using RawClient client = await RawClient.ConnectAsync(_host, MqttVersion.V5, $"kept-{options}");
        await client.SendAsync(RawClient.Publish(MqttVersion.V5, topic, [7], MqttQos.AtLeastOnce, 1, retain: true));
        Assert.That((await client.ReadPacketAsync()).First, Is.EqualTo(0x40));
        foreach (bool expected in new[] { first, second })
        {
            await client.SendAsync(RawClient.Subscribe(MqttVersion.V5, "kept/+", (byte)options));
            Assert.That((await client.ReadPacketAsync()).First, Is.EqualTo(0x90));
            await client.SendAsync("c000");
            byte next = (await client.ReadPacketAsync()).First;
            Assert.That(next, Is.EqualTo(expected ? 0x31 : 0xD0));
            if (expected)
            {
                Assert.That((await client.ReadPacketAsync()).First, Is.EqualTo(0xD0));
            }
        }

        await client.SendAsync(RawClient.Publish(MqttVersion.V5, topic, [], MqttQos.AtMostOnce, 0, retain: true));
        Assert.That((await client.ReadPacketAsync()).First, Is.EqualTo(0x30));
    }

    [Test]
    public async Task A_topic_alias_stands_for_its_topic_in_both_directions()
    {
        using RawClient client = await RawClient.ConnectAsync(_host, MqttVersion.V5, "alias", "220001");
        await client.SendAsync(RawClient.Subscribe(MqttVersion.V5, "x/y", 0));
        await client.ReadPacketAsync();
        await client.SendAsync("300a 0003 782f79 03 230002 01");
        await client.SendAsync("3007 0000 03 230002 02");
        (_, byte[] named) = await client.ReadPacketAsync();
        (_, byte[] aliased) = await client.ReadPacketAsync();
        Assert.That(Convert.ToHexStringLower(named), Is.EqualTo("0003782f79" + "03230001" + "01"));
        Assert.That(Convert.ToHexStringLower(aliased), Is.EqualTo("0000" + "03230001" + "02"));
    }

    [Test]
    public async Task A_wildcard_does_not_match_a_dollar_topic()
    {
        using RawClient client = await RawClient.ConnectAsync(_host, MqttVersion.V311, "dollar");
        await client.SendAsync(RawClient.Subscribe(MqttVersion.V311, "#", 0));
        await client.ReadPacketAsync();
        while (true)
        {
            await client.SendAsync("c000"); // Skips retained messages and the time.
            if ((await client.ReadPacketAsync()).First == 0xD0)
            {
                break;
            }
        }

        await client.SendAsync(RawClient.Publish(MqttVersion.V311, "$private/a", [1], MqttQos.AtMostOnce, 0));
        await client.SendAsync(RawClient.Publish(MqttVersion.V311, "public/a", [2], MqttQos.AtMostOnce, 0));
        (byte first, byte[] body) = await client.ReadPacketAsync();
        while (first == 0xD0)
        {
            (first, body) = await client.ReadPacketAsync();
        }

        Assert.That(Encoding.UTF8.GetString(body), Does.Contain("public/a"));
    }

    [Test]
    public async Task A_message_larger_than_the_client_accepts_is_not_sent()
    {
        long before = _host.Ingest.Metrics.Drops(Gateway.Ingest.DropReason.TooLarge);
        using RawClient client = await RawClient.ConnectAsync(_host, MqttVersion.V5, "small", "2700000040");
        await client.SendAsync(RawClient.Subscribe(MqttVersion.V5, "size", 1));
        await client.ReadPacketAsync();
        await client.SendAsync(RawClient.Publish(MqttVersion.V5, "size", new byte[100], MqttQos.AtLeastOnce, 1));
        await client.SendAsync(RawClient.Publish(MqttVersion.V5, "size", new byte[10], MqttQos.AtMostOnce, 0));
        List<byte> firsts = [(await client.ReadPacketAsync()).First, (await client.ReadPacketAsync()).First];
        Assert.That(firsts, Is.EquivalentTo(new byte[] { 0x40, 0x30 }));
        Assert.That(_host.Ingest.Metrics.Drops(Gateway.Ingest.DropReason.TooLarge), Is.EqualTo(before + 1));
    }

    [Test]
    public async Task Only_the_gateway_publishes_below_depin([Values] MqttVersion version, [Values("depin/1/time", "depin/1/00112233445566778899aabbccddeeff00112233/senml", "depin/1/00112233445566778899AABBCCDDEEFF00112233/frame")] string topic)
    {
        using RawClient client = await RawClient.ConnectAsync(_host, version, Guid.NewGuid().ToString("N"));
        await client.SendAsync(RawClient.Publish(version, topic, [1], MqttQos.AtLeastOnce, 1));
        (byte First, byte[] Body)? answer = await client.TryReadPacketAsync();
        if (version == MqttVersion.V5)
        {
            Assert.That(answer!.Value.Body, Is.EqualTo(new byte[] { 0, 1, 0x87, 0 }));
        }
        else
        {
            Assert.That(answer, Is.Null);
        }
    }

    [Test]
    public async Task Other_topics_are_closed_by_default([Values] MqttVersion version, [Values(MqttQos.AtMostOnce, MqttQos.AtLeastOnce)] MqttQos qos)
    {
        await using IngestHost host = await IngestHost.StartAsync();
        using RawClient client = await RawClient.ConnectAsync(host, version);
        await client.SendAsync(RawClient.Publish(version, "anything", [1], qos, (ushort)qos));
        (byte First, byte[] Body)? answer = await client.TryReadPacketAsync();
        string expected = version == MqttVersion.V311 ? "" : qos == MqttQos.AtMostOnce ? "e0:8700" : "40:00018700";
        Assert.That(answer is { } a ? $"{a.First:x2}:{Convert.ToHexStringLower(a.Body)}" : "", Is.EqualTo(expected));
        Assert.That(host.Ingest.Metrics.RefusedPublishes(MqttReason.NotAuthorized), Is.EqualTo(1));
    }
}
