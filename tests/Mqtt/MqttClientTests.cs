// The client against a server that a test writes byte by byte, and against mosquitto.

using System.Diagnostics;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using DePIN.Tests.Harness;

namespace DePIN.Mqtt.Tests;

[TestFixture]
public sealed class MqttClientTests
{
    [Test]
    public async Task A_publish_completes_with_the_servers_reason_and_keeps_its_window()
    {
        await using ScriptedServer server = new();
        await using MqttClient client = new(server.Options with { InFlightMax = 2 });
        await server.AcceptAsync(client, "20030000" + "00");
        Task<MqttAnswer> first = client.PublishAsync("t", new byte[] { 1 }).AsTask();
        Task<MqttAnswer> second = client.PublishAsync("t", new byte[] { 2 }).AsTask();
        Task<MqttAnswer> third = client.PublishAsync("t", new byte[] { 3 }).AsTask();
        ushort a = await server.ReadPublishAsync();
        ushort b = await server.ReadPublishAsync();
        await server.SendAsync($"4004{b:x4}9700");
        Assert.That((await second).Reason, Is.EqualTo(MqttReason.QuotaExceeded));
        Assert.That((await second).IsSuccess, Is.False);
        Assert.That(await server.ReadPublishAsync(), Is.EqualTo(b), "The third goes out when a place is free.");
        await server.SendAsync($"4002{a:x4}");
        Assert.That((await first).IsSuccess);
        Assert.That(third.IsCompleted, Is.False);
        client.Abort();
        Assert.That((await third).IsAnswered, Is.False);
        Assert.That((await client.PublishAsync("t", new byte[] { 4 })).IsAnswered, Is.False);
        Assert.That((await client.Closed).Cause, Is.EqualTo(MqttCloseCause.Local));
    }

    [Test]
    public async Task The_servers_receive_maximum_narrows_the_window_and_its_packet_limit_refuses_at_once()
    {
        await using ScriptedServer server = new();
        await using MqttClient client = new(server.Options);
        await server.AcceptAsync(client, "200b0000" + "08" + "210001" + "2700000014");
        Assert.That((await client.PublishAsync("t", new byte[100])).Reason, Is.EqualTo(MqttReason.PacketTooLarge));
        Task<MqttAnswer> first = client.PublishAsync("t", new byte[] { 1 }).AsTask();
        Task<MqttAnswer> second = client.PublishAsync("t", new byte[] { 2 }).AsTask();
        ushort id = await server.ReadPublishAsync();
        Assert.That(second.IsCompleted, Is.False);
        await server.SendAsync($"4002{id:x4}");
        await first;
        await server.SendAsync($"4002{await server.ReadPublishAsync():x4}");
        Assert.That((await second).IsSuccess);
    }

    [Test]
    public async Task Publishes_that_wait_leave_in_the_order_of_the_calls_even_when_one_is_cancelled()
    {
        const int Messages = 200;
        const int Cancelled = 3;
        await using ScriptedServer server = new();
        await using MqttClient client = new(server.Options with { InFlightMax = 2 });
        await server.AcceptAsync(client, "20030000" + "00");
        using CancellationTokenSource impatient = new();
        Task<MqttAnswer>[] all = [.. Enumerable.Range(0, Messages).Select(i => client.PublishAsync("t", new byte[] { (byte)i }, cancellation: i == Cancelled ? impatient.Token : default).AsTask())];
        await impatient.CancelAsync();
        Assert.CatchAsync<OperationCanceledException>(() => all[Cancelled]);
        List<int> seen = [];
        while (seen.Count < Messages - 1)
        {
            byte[] packet = await server.ReadPacketAsync();
            PublishPacket.Read(MqttVersion.V5, (byte)(packet[0] & 15), packet.AsSpan(2), out PublishPacket publish);
            seen.Add(publish.Payload[0]);
            await server.SendAsync($"4002{publish.PacketId:x4}");
        }

        Assert.That(seen, Is.EqualTo(Enumerable.Range(0, Messages).Where(i => i != Cancelled)));
        for (int i = 0; i < Messages; i++)
        {
            Assert.That(i == Cancelled || (await all[i]).IsSuccess);
        }
    }

    [Test]
    public async Task Cancelling_stops_the_waiting_and_the_place_is_free_after_the_answer()
    {
        await using ScriptedServer server = new();
        await using MqttClient client = new(server.Options with { InFlightMax = 1 });
        await server.AcceptAsync(client, "20030000" + "00");
        using CancellationTokenSource impatient = new();
        Task<MqttAnswer> first = client.PublishAsync("t", new byte[] { 1 }, cancellation: impatient.Token).AsTask();
        ushort id = await server.ReadPublishAsync();
        await impatient.CancelAsync();
        Assert.CatchAsync<OperationCanceledException>(() => first);
        Task<MqttAnswer> second = client.PublishAsync("t", new byte[] { 2 }).AsTask();
        await server.SendAsync($"4002{id:x4}");
        await server.SendAsync($"4002{await server.ReadPublishAsync():x4}");
        Assert.That((await second).IsSuccess);
    }

    [Test]
    public async Task A_refused_connection_is_a_result()
    {
        await using ScriptedServer server = new();
        await using MqttClient client = new(server.Options with { Version = MqttVersion.V311 });
        Task<MqttConnectResult> connecting = client.ConnectAsync();
        await server.ReadPacketAsync();
        await server.SendAsync("20020005");
        Assert.That((await connecting).Code, Is.EqualTo((byte)ConnectReturnCode.NotAuthorized));
        Assert.That((await client.Closed).Cause, Is.EqualTo(MqttCloseCause.Server));
    }

    [Test]
    public async Task Silence_is_answered_with_PINGREQ_and_no_answer_ends_the_connection()
    {
        ManualTimeProvider time = new();
        await using ScriptedServer server = new();
        await using MqttClient client = new(server.Options with { Time = time, KeepAliveSeconds = 10, Version = MqttVersion.V311 });
        await server.AcceptAsync(client, "20020000");
        Task<byte[]> ping = server.ReadPacketAsync();
        await MoveUntilAsync(time, () => ping.IsCompleted);
        Assert.That(await ping, Is.EqualTo(new byte[] { 0xC0, 0 }));
        await server.SendAsync("d000");
        Task<byte[]> again = server.ReadPacketAsync();
        await MoveUntilAsync(time, () => again.IsCompleted);
        await MoveUntilAsync(time, () => client.Closed.IsCompleted);
        Assert.That((await client.Closed).Cause, Is.EqualTo(MqttCloseCause.KeepAlive));
    }

    [Test]
    public async Task No_CONNACK_is_a_timeout()
    {
        ManualTimeProvider time = new();
        await using ScriptedServer server = new();
        await using MqttClient client = new(server.Options with { Time = time });
        Task<MqttConnectResult> connecting = client.ConnectAsync();
        await server.ReadPacketAsync();
        await MoveUntilAsync(time, () => connecting.IsCompleted);
        Assert.ThrowsAsync<TimeoutException>(() => connecting);
    }

    [TestCase("30050001", MqttCloseCause.Network, TestName = "A stream that ends inside a packet is a lost network")]
    [TestCase("0000", MqttCloseCause.Protocol, TestName = "A malformed packet from the server ends the connection")]
    [TestCase("e0028b00", MqttCloseCause.Server, TestName = "A DISCONNECT from the server is reported")]
    public async Task The_end_of_a_connection_has_a_cause(string hex, MqttCloseCause cause)
    {
        await using ScriptedServer server = new();
        await using MqttClient client = new(server.Options);
        await server.AcceptAsync(client, "20030000" + "00");
        Task<MqttAnswer> waiting = client.PublishAsync("t", new byte[] { 1 }).AsTask();
        await server.ReadPublishAsync();
        await server.SendAsync(hex);
        await server.EndAsync();
        Assert.That((await client.Closed).Cause, Is.EqualTo(cause));
        Assert.That((await waiting).IsAnswered, Is.False);
    }

    [Test]
    public async Task Mosquitto_takes_ten_thousand_pipelined_messages_and_gives_them_back([Values] MqttVersion version)
    {
        const int Count = 10_000;
        await using MosquittoBroker broker = await MosquittoBroker.StartAsync();
        int received = 0;
        TaskCompletionSource all = new(TaskCreationOptions.RunContinuationsAsynchronously);
        MqttClientOptions options = new() { Host = "127.0.0.1", Port = broker.Port, Version = version, InFlightMax = 20, ClientId = "both" };
        await using MqttClient client = new(options with
        {
            OnMessage = (in MqttMessage message) =>
            {
                if (message.TopicText == "t/x" && ++received == Count)
                {
                    all.SetResult();
                }
            },
        });
        Assert.That((await client.ConnectAsync()).IsConnected);
        Assert.That((await client.SubscribeAsync("t/+", MqttQos.ExactlyOnce)).Reason, Is.EqualTo(MqttReason.GrantedQos2));
        List<Task<MqttAnswer>> answers = [];
        for (int i = 0; i < Count; i++)
        {
            answers.Add(client.PublishAsync("t/x", BitConverter.GetBytes(i), (MqttQos)(i % 3)).AsTask());
        }

        Assert.That((await Task.WhenAll(answers)).Where(a => !a.IsSuccess).Distinct().Take(5), Is.Empty);
        await all.Task.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That((await client.UnsubscribeAsync("t/+")).IsSuccess);
        await client.DisconnectAsync();
        Assert.That((await client.Closed).Cause, Is.EqualTo(MqttCloseCause.Local));
    }

    private static async Task MoveUntilAsync(ManualTimeProvider time, Func<bool> condition)
    {
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(60));
        while (!condition())
        {
            patience.Token.ThrowIfCancellationRequested();
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(5);
        }
    }

    // The other end of an in-memory stream.
    private sealed class ScriptedServer : IAsyncDisposable
    {
        private readonly Pipe _toServer = new();
        private readonly Pipe _toClient = new();

        public MqttClientOptions Options => new()
        {
            ClientId = "c", KeepAliveSeconds = 0, Dial = _ => ValueTask.FromResult<Stream>(new PipeStream(_toClient.Reader.AsStream(), _toServer.Writer.AsStream())),
        };

        public async Task AcceptAsync(MqttClient client, string connAckHex)
        {
            Task<MqttConnectResult> connecting = client.ConnectAsync();
            Assert.That((await ReadPacketAsync())[0], Is.EqualTo(0x10));
            await SendAsync(connAckHex);
            Assert.That((await connecting).IsConnected);
        }

        public async Task SendAsync(string hex) => await _toClient.Writer.WriteAsync(Convert.FromHexString(hex));

        public Task EndAsync() => _toClient.Writer.CompleteAsync().AsTask();

        public async Task<ushort> ReadPublishAsync()
        {
            byte[] packet = await ReadPacketAsync();
            Assert.That(packet[0] >> 4, Is.EqualTo(3));
            Assert.That(PublishPacket.Read(MqttVersion.V5, (byte)(packet[0] & 15), packet.AsSpan(2), out PublishPacket publish), Is.EqualTo(MqttResult.Ok));
            return publish.PacketId;
        }

        public async Task<byte[]> ReadPacketAsync()
        {
            while (true)
            {
                ReadResult read = await _toServer.Reader.ReadAsync();
                if (PacketFraming.TryReadPacket(read.Buffer, 1 << 20, out MqttHeader header, out System.Buffers.ReadOnlySequence<byte> _) == MqttResult.Ok)
                {
                    byte[] packet = System.Buffers.BuffersExtensions.ToArray(read.Buffer.Slice(0, header.PacketBytes));
                    _toServer.Reader.AdvanceTo(read.Buffer.GetPosition(header.PacketBytes));
                    return packet;
                }

                _toServer.Reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _toClient.Writer.CompleteAsync();
            await _toServer.Reader.CompleteAsync();
        }
    }

    private sealed class PipeStream(Stream input, Stream output) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => output.Flush();

        public override int Read(byte[] buffer, int offset, int count) => input.Read(buffer, offset, count);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => input.ReadAsync(buffer, cancellationToken);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => output.Write(buffer, offset, count);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => output.WriteAsync(buffer, cancellationToken);
    }

    private sealed class MosquittoBroker : IAsyncDisposable
    {
        private readonly Process _process;
        private readonly string _config;

        private MosquittoBroker(Process process, string config, int port)
        {
            _process = process;
            _config = config;
            Port = port;
        }

        public int Port { get; }

        public static async Task<MosquittoBroker> StartAsync()
        {
            string? binary = new[] { "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto", "/opt/homebrew/sbin/mosquitto" }.FirstOrDefault(File.Exists);
            if (binary is null)
            {
                const string Remedy = "mosquitto is missing: apt-get install mosquitto";
                if (Environment.GetEnvironmentVariable("CI") == "true")
                {
                    Assert.Fail(Remedy);
                }

                Assert.Ignore(Remedy);
            }

            TcpListener free = new(IPAddress.Loopback, 0);
            free.Start();
            int port = ((IPEndPoint)free.LocalEndpoint).Port;
            free.Stop();
            string config = Path.GetTempFileName();
            await File.WriteAllTextAsync(config, $"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n");
            Process process = Process.Start(new ProcessStartInfo(binary!, ["-c", config]) { RedirectStandardError = true })!;
            MosquittoBroker broker = new(process, config, port);
            using CancellationTokenSource patience = new(TimeSpan.FromSeconds(30));
            while (true)
            {
                try
                {
                    using TcpClient probe = new();
                    await probe.ConnectAsync(IPAddress.Loopback, port, patience.Token);
                    return broker;
                }
                catch (SocketException)
                {
                    await Task.Delay(20, patience.Token);
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            _process.Kill();
            await _process.WaitForExitAsync();
            _process.Dispose();
            File.Delete(_config);
        }
    }
}
