// Sessions over time: takeover, wills, keep alive, expiry, queues; time is moved by hand where it matters.

using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using DePIN.Gateway.Ingest;
using DePIN.Mqtt;
using DePIN.Protocol;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Ingest;

[TestFixture]
internal sealed class SessionTests
{
    private static Task<IngestHost> OpenHostAsync(TimeProvider? time = null, Func<IngestSettings, IngestSettings>? change = null) =>
        IngestHost.StartAsync(s => (change?.Invoke(s) ?? s) with { OpenTopics = true }, time);

    // Moves time in steps until the condition holds: the sweep runs on the same clock.
    private static Task AdvanceUntilAsync(ManualTimeProvider time, TimeSpan step, Func<bool> condition, string what) =>
        Until.TrueAsync(
            () =>
            {
                if (!condition())
                {
                    time.Advance(step);
                }

                return condition();
            },
            what);

    private static byte[] ConnectWithWill(MqttVersion version, string clientId, string topic, ushort keepAlive = 0, string propertiesHex = "", string willPropertiesHex = "", bool cleanStart = true)
    {
        PacketBuffer output = new();
        new ConnectPacket
        {
            Version = version,
            CleanStart = cleanStart,
            KeepAliveSeconds = keepAlive,
            ClientId = Encoding.UTF8.GetBytes(clientId),
            Properties = new MqttProperties(Convert.FromHexString(propertiesHex)),
            HasWill = true,
            WillTopic = Encoding.UTF8.GetBytes(topic),
            WillPayload = "gone"u8,
            WillProperties = new MqttProperties(Convert.FromHexString(willPropertiesHex)),
        }.Write(output);
        return output.Written.ToArray();
    }

    private static async Task<RawClient> OpenAsync(IngestHost host, byte[] connect)
    {
        RawClient client = await RawClient.OpenAsync(host);
        await client.SendAsync(connect);
        Assert.That((await client.ReadPacketAsync()).Body[1], Is.Zero);
        return client;
    }

    private static async Task<RawClient> SubscriberAsync(IngestHost host, string filter)
    {
        RawClient client = await RawClient.ConnectAsync(host, MqttVersion.V311, "subscriber");
        await client.SendAsync(RawClient.Subscribe(MqttVersion.V311, filter, 0));
        Assert.That((await client.ReadPacketAsync()).First, Is.EqualTo(0x90));
        return client;
    }

    [Test]
    public async Task A_second_connection_with_the_same_client_id_takes_over()
    {
        await using IngestHost host = await OpenHostAsync();
        using RawClient five = await RawClient.ConnectAsync(host, MqttVersion.V5, "same");
        using RawClient three = await RawClient.ConnectAsync(host, MqttVersion.V311, "same");
        List<(byte First, byte[] Body)> end = await five.ReadToEndAsync();
        Assert.That(end.Single().First, Is.EqualTo(0xE0));
        Assert.That(end.Single().Body[0], Is.EqualTo(0x8E));
        using RawClient third = await RawClient.ConnectAsync(host, MqttVersion.V5, "same");
        Assert.That(await three.ReadToEndAsync(), Is.Empty);
        Assert.That(host.Ingest.SessionCount, Is.EqualTo(1));
    }

    [Test]
    public async Task A_lost_client_s_will_is_published_and_a_departing_one_s_is_not()
    {
        await using IngestHost host = await OpenHostAsync();
        using RawClient subscriber = await SubscriberAsync(host, "will/+");
        using (RawClient polite = await OpenAsync(host, ConnectWithWill(MqttVersion.V311, "polite", "will/polite")))
        {
            await polite.SendAsync("e000");
            Assert.That(await polite.ReadToEndAsync(), Is.Empty);
        }

        using (RawClient asking = await OpenAsync(host, ConnectWithWill(MqttVersion.V5, "asking", "will/asking")))
        {
            await asking.SendAsync("e00104");
            Assert.That(await asking.ReadToEndAsync(), Is.Empty);
        }

        Assert.That(Encoding.UTF8.GetString((await subscriber.ReadPacketAsync()).Body), Does.Contain("will/asking"));
        (await OpenAsync(host, ConnectWithWill(MqttVersion.V311, "lost", "will/lost"))).Dispose();
        Assert.That(Encoding.UTF8.GetString((await subscriber.ReadPacketAsync()).Body), Does.Contain("will/lost").And.Contain("gone"));
    }

    [Test]
    public async Task A_client_that_breaks_the_protocol_or_is_taken_over_leaves_its_will()
    {
        await using IngestHost host = await OpenHostAsync();
        using RawClient subscriber = await SubscriberAsync(host, "will/+");
        using RawClient broken = await OpenAsync(host, ConnectWithWill(MqttVersion.V311, "broken", "will/broken"));
        await broken.SendAsync("00");
        await broken.SendAsync("00");
        Assert.That(Encoding.UTF8.GetString((await subscriber.ReadPacketAsync()).Body), Does.Contain("will/broken"));
        using RawClient first = await OpenAsync(host, ConnectWithWill(MqttVersion.V311, "taken", "will/taken"));
        using RawClient second = await RawClient.ConnectAsync(host, MqttVersion.V311, "taken");
        Assert.That(Encoding.UTF8.GetString((await subscriber.ReadPacketAsync()).Body), Does.Contain("will/taken"));
    }

    [Test]
    public async Task A_delayed_will_waits_and_is_forgotten_when_its_client_returns_in_time()
    {
        ManualTimeProvider time = new();
        await using IngestHost host = await OpenHostAsync(time);
        using RawClient subscriber = await SubscriberAsync(host, "will/+");
        byte[] connect = ConnectWithWill(MqttVersion.V5, "delayed", "will/delayed", propertiesHex: "110000003c", willPropertiesHex: "180000000a", cleanStart: false);
        (await OpenAsync(host, connect)).Dispose();
        await Until.TrueAsync(() => host.Ingest.Metrics.Connections == 1, "the client to be gone");
        time.Advance(TimeSpan.FromSeconds(9));
        await subscriber.SendAsync("c000");
        Assert.That((await subscriber.ReadPacketAsync()).First, Is.EqualTo(0xD0), "Not yet.");
        (await OpenAsync(host, connect)).Dispose();
        await Until.TrueAsync(() => host.Ingest.Metrics.Connections == 1, "the client to be gone again");
        time.Advance(TimeSpan.FromSeconds(9));
        await subscriber.SendAsync("c000");
        Assert.That((await subscriber.ReadPacketAsync()).First, Is.EqualTo(0xD0), "The clock of the will began anew.");
        await AdvanceUntilAsync(time, TimeSpan.FromSeconds(1), () => subscriber.Socket.Available > 0, "the will");
        Assert.That(Encoding.UTF8.GetString((await subscriber.ReadPacketAsync()).Body), Does.Contain("will/delayed"));
    }

    [Test]
    public async Task A_will_delay_beyond_the_session_s_life_ends_with_the_session()
    {
        ManualTimeProvider time = new();
        await using IngestHost host = await OpenHostAsync(time);
        using RawClient subscriber = await SubscriberAsync(host, "will/+");
        (await OpenAsync(host, ConnectWithWill(MqttVersion.V5, "short", "will/short", propertiesHex: "1100000005", willPropertiesHex: "1800000e10"))).Dispose();
        await Until.TrueAsync(() => host.Ingest.Metrics.Connections == 1, "the client to be gone");
        long start = time.GetTimestamp();
        await AdvanceUntilAsync(time, TimeSpan.FromSeconds(0.5), () => subscriber.Socket.Available > 0, "the will");
        Assert.That(time.GetElapsedTime(start), Is.GreaterThanOrEqualTo(TimeSpan.FromSeconds(5)));
        Assert.That(host.Ingest.SessionCount, Is.EqualTo(1));
    }

    [Test]
    public async Task A_silent_client_is_disconnected_after_one_and_a_half_keep_alives([Values] MqttVersion version)
    {
        ManualTimeProvider time = new();
        await using IngestHost host = await OpenHostAsync(time);
        using RawClient client = await RawClient.ConnectAsync(host, version, "silent", keepAlive: 10);
        time.Advance(TimeSpan.FromSeconds(14));
        await client.SendAsync("c000");
        Assert.That((await client.ReadPacketAsync()).First, Is.EqualTo(0xD0), "14 s are in time.");
        long start = time.GetTimestamp();
        await AdvanceUntilAsync(time, TimeSpan.FromSeconds(1), () => host.Ingest.Metrics.Disconnects(MqttReason.KeepAliveTimeout) == 1, "the keep alive to run out");
        Assert.That(time.GetElapsedTime(start), Is.GreaterThan(TimeSpan.FromSeconds(14)));
        List<(byte First, byte[] Body)> end = await client.ReadToEndAsync();
        Assert.That(end.Select(p => p.Body[0]), version == MqttVersion.V5 ? Is.EqualTo(new byte[] { 0x8D }) : Is.Empty);
    }

    [Test]
    public async Task A_client_that_never_sends_CONNECT_or_sends_it_drop_by_drop_is_disconnected([Values(0, 5)] int bytes)
    {
        ManualTimeProvider time = new();
        await using IngestHost host = await OpenHostAsync(time);
        using RawClient client = await RawClient.OpenAsync(host);
        await client.SendAsync(RawClient.Connect(MqttVersion.V311, "slow")[..bytes]);
        await Until.TrueAsync(() => host.Ingest.Metrics.Connections == 1, "the connection");
        await AdvanceUntilAsync(time, TimeSpan.FromSeconds(1), () => host.Ingest.Metrics.Disconnects(MqttReason.MaximumConnectTime) == 1, "the timeout");
        Assert.That(await client.ReadToEndAsync(), Is.Empty);
    }

    [Test]
    public async Task A_packet_that_drips_in_ends_the_connection()
    {
        ManualTimeProvider time = new();
        await using IngestHost host = await OpenHostAsync(time);
        using RawClient client = await RawClient.ConnectAsync(host, MqttVersion.V311, "drip");
        byte[] publish = RawClient.Publish(MqttVersion.V311, "a", new byte[100], MqttQos.AtMostOnce, 0);
        int at = 0;
        await Until.TrueAsync(
            () =>
            {
                if (host.Ingest.Metrics.Disconnects(MqttReason.KeepAliveTimeout) == 0 && at < 60)
                {
                    client.Socket.Send(publish.AsSpan(at++, 1));
                    time.Advance(TimeSpan.FromSeconds(1));
                }

                return host.Ingest.Metrics.Disconnects(MqttReason.KeepAliveTimeout) == 1;
            },
            "the slow packet to be noticed");
        Assert.That(await client.ReadToEndAsync(), Is.Empty);
    }

    [Test]
    public async Task A_client_that_never_reads_is_dropped_and_costs_bounded_memory()
    {
        ManualTimeProvider time = new();
        await using IngestHost host = await OpenHostAsync(time, s => s with { OutboundBytesMax = 32 * 1024, QueueMessagesMax = 10 });
        using RawClient deaf = await RawClient.ConnectAsync(host, MqttVersion.V5, "deaf");
        deaf.Socket.ReceiveBufferSize = 4096;
        await deaf.SendAsync(RawClient.Subscribe(MqttVersion.V5, $"depin/1/{IngestHost.Device}/senml", 0));
        await Until.TrueAsync(() => host.Ingest.HasReaders(IngestHost.Device), "the subscription");
        byte[] senml = new byte[8 * 1024];
        await Until.TrueAsync(
            () =>
            {
                host.Ingest.PublishReadings(IngestHost.Device, senml);
                return host.Ingest.Metrics.Drops(DropReason.OutboundFull) > 100;
            },
            "messages to be dropped");
        await AdvanceUntilAsync(time, TimeSpan.FromSeconds(5), () => host.Ingest.Metrics.Connections == 0, "the client to be dropped");
        Assert.That(host.Ingest.Metrics.Disconnects(MqttReason.AdministrativeAction), Is.EqualTo(1));
    }

    [Test]
    public async Task A_client_over_TLS_that_never_reads_is_dropped_and_costs_bounded_memory()
    {
        using TestAuthority authority = new();
        ManualTimeProvider time = new();
        await using IngestHost host = await OpenHostAsync(time, s => s with { Tls = new IPEndPoint(IPAddress.Loopback, 0), Certificate = () => authority.Presented, OutboundBytesMax = 32 * 1024, QueueMessagesMax = 10 });
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync(host.EndPoints.Tls!);
        await using SslStream deaf = new(new NetworkStream(socket), leaveInnerStreamOpen: false, (_, _, _, _) => true);
        await deaf.AuthenticateAsClientAsync("localhost");
        await deaf.WriteAsync((byte[])[.. RawClient.Connect(MqttVersion.V5, "deaf"), .. RawClient.Subscribe(MqttVersion.V5, $"depin/1/{IngestHost.Device}/senml", 0)]);
        await Until.TrueAsync(() => host.Ingest.HasReaders(IngestHost.Device), "the subscription");
        byte[] senml = new byte[8 * 1024];
        await Until.TrueAsync(
            () =>
            {
                host.Ingest.PublishReadings(IngestHost.Device, senml);
                return host.Ingest.Metrics.Drops(DropReason.OutboundFull) > 100; // 25 times what may wait for it
            },
            "messages to be dropped");
        await AdvanceUntilAsync(time, TimeSpan.FromSeconds(5), () => host.Ingest.Metrics.Connections == 0, "the client to be dropped");
        Assert.That(host.Ingest.Metrics.Disconnects(MqttReason.AdministrativeAction), Is.EqualTo(1));
    }

    [Test]
    public async Task Two_addresses_that_take_all_they_get_leave_places_for_others()
    {
        const int Places = 64;
        await using IngestHost host = await OpenHostAsync(change: s => s with { ConnectionsMax = Places, ConnectionsPerAddressMax = Places / 2 });
        List<Socket> sockets = [];
        try
        {
            for (int i = 0; i < 2 * Places; i++)
            {
                try
                {
                    sockets.Add(await DialAsync(i % 2 == 0 ? "127.0.0.2" : "127.0.0.3"));
                }
                catch (SocketException)
                {
                    // Refused and reset before connect returned.
                }
            }

            await Until.TrueAsync(() => host.Ingest.Metrics.Connections + host.Ingest.Metrics.Admission(AdmissionRefusal.AddressMax) == 2 * Places, "all of them to be judged");
            Assert.That(host.Ingest.Metrics.Admission(AdmissionRefusal.ConnectionsMax), Is.Zero, "it is never full");
            for (int other = 4; other < 8; other++)
            {
                Socket socket = await DialAsync($"127.0.0.{other}");
                sockets.Add(socket);
                await socket.SendAsync(RawClient.Connect(MqttVersion.V311, $"board-{other}"));
                Assert.That(await socket.ReceiveAsync(new byte[4]), Is.EqualTo(4), "its CONNACK");
            }
        }
        finally
        {
            foreach (Socket socket in sockets) socket.Dispose();
        }

        async Task<Socket> DialAsync(string from)
        {
            Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Parse(from), 0));
            await socket.ConnectAsync(IPAddress.Loopback, host.Port);
            return socket;
        }
    }

    // What reads all readings, some device's, or a part of the tree; and what boards subscribe to.
    [TestCase("#", true)]
    [TestCase("+/+/+/+", true)]
    [TestCase("depin/#", true)]
    [TestCase("depin/1/#", true)]
    [TestCase("depin/1/+/#", true)]
    [TestCase("depin/+/+/senml", true)]
    [TestCase("depin/1/00112233445566778899aabbccddeeff00112233/senml", true)]
    [TestCase("depin/1/00112233445566778899aabbccddeeff00112233/senml/#", true)]
    [TestCase("depin/1/00112233445566778899aabbccddeeff00112233/verdict", false)]
    [TestCase("depin/1/time", false)]
    [TestCase("depin/1/+", false)]
    [TestCase("depin/1/+/senml/+", false)]
    [TestCase("+/+/+/+/+", false)]
    [TestCase("depin/2/#", false)]
    [TestCase("news/#", false)]
    public async Task Someone_reads_readings_as_long_as_a_subscription_could_match_some(string filter, bool reads)
    {
        await using IngestHost host = await OpenHostAsync();
        Assert.That(host.Ingest.HasAnyReader, Is.False);
        MqttClient client = await host.ConnectAsync(o => o with { ClientId = "reader" });
        await client.SubscribeAsync(filter);
        await client.SubscribeAsync(filter); // Replaces the first.
        Assert.That(host.Ingest.HasAnyReader, Is.EqualTo(reads));
        Assert.That(host.Ingest.HasReaders(IngestHost.Device), Is.EqualTo(reads));
        await client.UnsubscribeAsync(filter);
        Assert.That(host.Ingest.HasAnyReader, Is.False);
        await client.SubscribeAsync(filter);
        await client.DisconnectAsync();
        await Until.TrueAsync(() => !host.Ingest.HasAnyReader, "the session to end");
        await client.DisposeAsync();
    }

    [Test]
    public async Task A_session_survives_its_connection_and_ends_with_its_expiry()
    {
        ManualTimeProvider time = new();
        await using IngestHost host = await OpenHostAsync(time);
        MqttClient first = await host.ConnectAsync(o => o with { ClientId = "lasting", CleanStart = false, SessionExpirySeconds = 60, KeepAliveSeconds = 0 });
        await first.SubscribeAsync("news/#");
        await first.DisconnectAsync();
        await using MqttClient publisher = await host.ConnectAsync(o => o with { ClientId = "publisher" });
        for (int i = 0; i < 3; i++)
        {
            Assert.That((await publisher.PublishAsync("news/today", new byte[] { (byte)i })).IsSuccess);
        }

        List<byte> received = [];
        MqttClientOptions again = new()
        {
            Host = "127.0.0.1", Port = host.Port, ClientId = "lasting", CleanStart = false, SessionExpirySeconds = 60,
            OnMessage = (in MqttMessage m) =>
            {
                lock (received)
                {
                    received.Add(m.Payload[0]);
                }
            },
        };
        MqttClient second = new(again);
        Assert.That((await second.ConnectAsync()).SessionPresent);
        await Until.TrueAsync(() => { lock (received) { return received.Count == 3; } }, "the queued messages");
        Assert.That(received, Is.EqualTo(new byte[] { 0, 1, 2 }));
        await second.DisconnectAsync();
        await Until.TrueAsync(() => host.Ingest.Metrics.Connections == 1, "the client to be gone");
        await AdvanceUntilAsync(time, TimeSpan.FromSeconds(5), () => host.Ingest.SessionCount == 1, "the session's end");
        await using MqttClient third = new(again);
        Assert.That((await third.ConnectAsync()).SessionPresent, Is.False);
        Assert.That(host.Ingest.QueuedBytes, Is.Zero);
    }

    [Test]
    public async Task Unacknowledged_messages_are_sent_again_with_DUP_on_the_next_connection()
    {
        await using IngestHost host = await OpenHostAsync();
        byte[] connect = RawClient.Connect(MqttVersion.V5, "again", "110000003c");
        connect[9] = 0; // not a clean start
        using (RawClient first = await OpenAsync(host, connect))
        {
            await first.SendAsync(RawClient.Subscribe(MqttVersion.V5, "again/+", 2));
            await first.ReadPacketAsync();
            await first.SendAsync(RawClient.Publish(MqttVersion.V5, "again/1", [1], MqttQos.AtLeastOnce, 1));
            await first.SendAsync(RawClient.Publish(MqttVersion.V5, "again/2", [2], MqttQos.ExactlyOnce, 2));
            for (int i = 0; i < 4; i++)
            {
                await first.ReadPacketAsync();
            }
        }

        using RawClient second = await RawClient.OpenAsync(host);
        await second.SendAsync(connect);
        Assert.That((await second.ReadPacketAsync()).Body[0], Is.EqualTo(1), "session present");
        Assert.That((await second.ReadPacketAsync()).First, Is.EqualTo(0x3A));
        Assert.That((await second.ReadPacketAsync()).First, Is.EqualTo(0x3C));
    }

    [Test]
    public async Task Queues_sessions_and_retained_messages_stay_within_their_bounds()
    {
        await using IngestHost host = await OpenHostAsync(change: s => s with { QueueMessagesMax = 5, SessionsMax = 10, RetainedMax = 3 });
        for (int i = 0; i < 30; i++)
        {
            MqttClient client = await host.ConnectAsync(o => o with { ClientId = $"s{i}", CleanStart = false, SessionExpirySeconds = 1000 });
            await client.SubscribeAsync("all");
            await client.DisconnectAsync();
            Assert.That(host.Ingest.SessionCount, Is.LessThanOrEqualTo(10));
        }

        await using MqttClient publisher = await host.ConnectAsync(o => o with { ClientId = "publisher" });
        for (int i = 0; i < 20; i++)
        {
            Assert.That((await publisher.PublishAsync("all", new byte[10])).IsSuccess);
            MqttAnswer kept = await publisher.PublishAsync($"kept/{i}", new byte[10], retain: true);
            Assert.That(kept.Reason, Is.EqualTo(i < 3 ? MqttReason.Success : MqttReason.QuotaExceeded));
        }

        Assert.That(host.Ingest.RetainedCount, Is.EqualTo(3));
        Assert.That(host.Ingest.QueuedBytes, Is.LessThanOrEqualTo(10 * 5 * 200));
        Assert.That(host.Ingest.Metrics.Drops(DropReason.QueueFull), Is.Positive);
    }

    [Test]
    public async Task An_expired_message_is_not_delivered_and_a_living_one_says_what_is_left()
    {
        ManualTimeProvider time = new();
        await using IngestHost host = await OpenHostAsync(time);
        byte[] connect = RawClient.Connect(MqttVersion.V5, "late", "110000003c");
        using (RawClient first = await OpenAsync(host, connect))
        {
            await first.SendAsync(RawClient.Subscribe(MqttVersion.V5, "e", 1));
            await first.ReadPacketAsync();
            await first.SendAsync("e000");
            await first.ReadToEndAsync();
        }

        using RawClient publisher = await RawClient.ConnectAsync(host, MqttVersion.V5, "publisher");
        await publisher.SendAsync("320c0001650001" + "05" + "0200000005" + "01");
        await publisher.SendAsync("320c0001650002" + "05" + "020000001e" + "02");
        await publisher.ReadPacketAsync();
        await publisher.ReadPacketAsync();
        time.Advance(TimeSpan.FromSeconds(10));
        connect[9] = 0;
        using RawClient second = await RawClient.OpenAsync(host);
        await second.SendAsync(connect);
        await second.ReadPacketAsync();
        (byte first2, byte[] body) = await second.ReadPacketAsync();
        Assert.That(first2, Is.EqualTo(0x32));
        Assert.That(Convert.ToHexStringLower(body), Does.EndWith("05" + "0200000014" + "02"), "30 s less 10 s.");
        Assert.That(host.Ingest.Metrics.Drops(DropReason.Expired), Is.EqualTo(1));
    }

    [Test]
    public async Task Connections_beyond_the_limits_are_closed_before_a_byte_is_read()
    {
        await using IngestHost host = await IngestHost.StartAsync(s => s with { ConnectionsMax = 3, ConnectionsPerAddressMax = 2 });
        using RawClient a = await RawClient.ConnectAsync(host, MqttVersion.V311, "a");
        using RawClient b = await RawClient.ConnectAsync(host, MqttVersion.V311, "b");
        try
        {
            using RawClient c = await RawClient.OpenAsync(host);
            Assert.That(await c.TryReadPacketAsync(), Is.Null);
        }
        catch (System.Net.Sockets.SocketException)
        {
            // Reset while it was still connecting: as good as closed.
        }

        Assert.That(host.Ingest.Metrics.Admission(AdmissionRefusal.AddressMax), Is.EqualTo(1));
        a.Dispose();
        await Until.TrueAsync(() => host.Ingest.Metrics.Connections == 1, "a place to be free");
        using RawClient d = await RawClient.ConnectAsync(host, MqttVersion.V311, "d");
    }

    [Test]
    public async Task The_time_comes_on_subscribing_and_every_minute_but_not_from_an_unset_clock()
    {
        ManualTimeProvider time = new();
        await using (IngestHost host = await IngestHost.StartAsync(time: time))
        {
            using RawClient client = await RawClient.ConnectAsync(host, MqttVersion.V311, "clockless");
            await client.SendAsync(RawClient.Subscribe(MqttVersion.V311, Topics.Time, 0));
            Assert.That((await client.ReadPacketAsync()).First, Is.EqualTo(0x90));
            (byte first, byte[] body) = await client.ReadPacketAsync();
            Assert.That(first, Is.EqualTo(0x30));
            Assert.That(TimeMessage.UnixMs(body, body.Length - TimeMessage.Bytes), Is.EqualTo((ulong)time.GetUtcNow().ToUnixTimeMilliseconds()));
            await AdvanceUntilAsync(time, TimeSpan.FromSeconds(5), () => client.Socket.Available > 0, "the next minute's time");
            Assert.That((await client.ReadPacketAsync()).Body, Has.Length.EqualTo(body.Length));
        }

        await using IngestHost unset = await IngestHost.StartAsync(time: new ManualTimeProvider(DateTimeOffset.UnixEpoch));
        using RawClient other = await RawClient.ConnectAsync(unset, MqttVersion.V311, "clockless");
        await other.SendAsync(RawClient.Subscribe(MqttVersion.V311, "depin/1/+", 0));
        Assert.That((await other.ReadPacketAsync()).First, Is.EqualTo(0x90));
        await other.SendAsync("c000");
        Assert.That((await other.ReadPacketAsync()).First, Is.EqualTo(0xD0));
    }
}
