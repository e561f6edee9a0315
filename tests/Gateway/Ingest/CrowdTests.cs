// Crowds on real sockets: a whole village of boards that comes back at once after a power cut, and clients that only hold places.

using System.Net;
using System.Net.Sockets;
using DePIN.Gateway.Ingest;
using DePIN.Mqtt;

namespace DePIN.Gateway.Tests.Ingest;

[TestFixture]
internal sealed class CrowdTests
{
    private const int Boards = 2_000;

    /// <summary>Places of one address in the tests below.</summary>
    private const int PerAddress = 500;

    [Test]
    public async Task Two_thousand_boards_that_connect_at_once_over_TLS_each_get_a_frame_acknowledged()
    {
        using TestAuthority authority = new();
        FakeIntake intake = new() { Record = false };
        await using IngestHost host = await IngestHost.StartAsync(
            s => s with
            {
                Tls = new IPEndPoint(IPAddress.Loopback, 0), Certificate = () => authority.Presented, ConnectionsMax = Boards + Boards / 4, ConnectionsPerAddressMax = PerAddress,
                ConnectTimeout = TimeSpan.FromMinutes(2), // both ends share two processors here
            },
            intake: intake);
        MqttTls tls = new() { TargetHost = "localhost", TrustedRoots = [authority.Root] };
        MqttClient[] clients = [.. Enumerable.Range(0, Boards).Select(number => new MqttClient(Options(host.EndPoints.Tls!.Port, number, tls)))];
        try
        {
            await Task.WhenAll(clients.Select(async client =>
            {
                MqttConnectResult connected = await client.ConnectAsync();
                Assert.That(connected.IsConnected, Is.True, $"CONNACK {connected.Code}");
                Assert.That((await client.PublishAsync(IngestHost.FrameTopic, new byte[200])).IsSuccess, Is.True);
            }));
            Assert.That(intake.Submitted, Is.EqualTo(Boards));
            Assert.That(host.Ingest.Metrics.Connections, Is.EqualTo(Boards), "all of them are still here");
            Assert.That(Enum.GetValues<AdmissionRefusal>().Sum(r => host.Ingest.Metrics.Admission(r)), Is.Zero);
        }
        finally
        {
            await Task.WhenAll(clients.Select(client => client.DisposeAsync().AsTask()));
        }
    }

    [Test]
    public async Task Hundreds_of_slow_clients_are_cut_off_and_keep_no_honest_one_out()
    {
        const int Slow = 300, Places = 200, Honest = 20; // slow ones at each of the two listeners, all of one address
        byte[] connect = RawClient.Connect(MqttVersion.V311, new string('s', 100));
        byte[] hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3, .. new byte[505]]; // RFC 8446 section 5.1: a ClientHello whose end never comes
        using TestAuthority authority = new();
        await using IngestHost host = await IngestHost.StartAsync(s => s with
        {
            Tls = new IPEndPoint(IPAddress.Loopback, 0), Certificate = () => authority.Presented, ConnectTimeout = TimeSpan.FromSeconds(4),
            ConnectionsMax = Places + 2 * Honest, ConnectionsPerAddressMax = Places,
        });
        List<(Socket Socket, byte[] Bytes, Task Closed)> attack = [];
        List<MqttClient> honest = [];
        try
        {
            for (int i = 0; i < 2 * Slow; i++)
            {
                try
                {
                    Socket socket = await DialAsync(i % 2 == 0 ? host.Port : host.EndPoints.Tls!.Port, 2);
                    attack.Add((socket, i % 2 == 0 ? connect : hello, ClosedAsync(socket)));
                }
                catch (SocketException)
                {
                    // Refused and reset before connect returned.
                }
            }

            await Until.TrueAsync(() => host.Ingest.Metrics.Admission(AdmissionRefusal.AddressMax) > 0, "the slow ones' address to be full");
            Task dripping = DripAsync(attack);
            MqttTls tls = new() { TargetHost = "localhost", TrustedRoots = [authority.Root] };
            for (int i = 0; i < Honest; i++) honest.Add(new MqttClient(Options(i % 2 == 0 ? host.Port : host.EndPoints.Tls!.Port, i, i % 2 == 0 ? null : tls)));
            await Task.WhenAll(honest.Select(async client =>
            {
                Assert.That((await client.ConnectAsync()).IsConnected, Is.True);
                Assert.That((await client.PublishAsync(IngestHost.FrameTopic, new byte[200])).IsSuccess, Is.True);
            }));

            await dripping.WaitAsync(TimeSpan.FromMinutes(1)); // ends when the last is closed: none of them came to the end of its bytes
            Assert.That(host.Ingest.Metrics.Disconnects(MqttReason.MaximumConnectTime), Is.Positive);
            await Until.TrueAsync(() => host.Ingest.Metrics.Connections == Honest, "only honest clients to be left");
            await using MqttClient late = new(Options(host.EndPoints.Tls!.Port, PerAddress, tls)); // of the slow ones' address
            Assert.That((await late.ConnectAsync()).IsConnected, Is.True, "their places are free again");
            foreach (MqttClient client in honest) Assert.That((await client.PublishAsync(IngestHost.FrameTopic, new byte[200])).IsSuccess, Is.True);
        }
        finally
        {
            foreach (MqttClient client in honest) await client.DisposeAsync();
            foreach ((Socket socket, _, _) in attack) socket.Dispose();
        }
    }

    /// <summary>One byte each, ten times a second, until the server has closed all of them.</summary>
    private static async Task DripAsync(List<(Socket Socket, byte[] Bytes, Task Closed)> attack)
    {
        for (int at = 0; !attack.TrueForAll(one => one.Closed.IsCompleted); at++)
        {
            foreach ((Socket socket, byte[] bytes, Task closed) in attack)
            {
                if (closed.IsCompleted) continue;
                Assert.That(at, Is.LessThan(bytes.Length), "A slow client could send all it had.");
                try
                {
                    socket.Send(bytes.AsSpan(at, 1));
                }
                catch (SocketException)
                {
                    // The server closed it; its reader is about to notice.
                }
            }

            await Task.Delay(100);
        }
    }

    private static async Task ClosedAsync(Socket socket)
    {
        byte[] one = new byte[256];
        try
        {
            while (await socket.ReceiveAsync(one) > 0)
            {
                // A TLS alert, or nothing.
            }
        }
        catch (SocketException)
        {
            // A reset is closed, too.
        }
    }

    private static MqttClientOptions Options(int port, int number, MqttTls? tls) => new()
    {
        Host = "127.0.0.1", Port = port, ClientId = $"board-{number}", KeepAliveSeconds = 600, Tls = tls, ConnectTimeout = TimeSpan.FromMinutes(2),
        Dial = async cancel => new NetworkStream(await DialAsync(port, (byte)(1 + number / PerAddress), cancel), ownsSocket: true),
    };

    private static async Task<Socket> DialAsync(int port, byte lastOfAddress, CancellationToken cancel = default)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.Bind(new IPEndPoint(new IPAddress([127, 0, 0, lastOfAddress]), 0));
            await socket.ConnectAsync(IPAddress.Loopback, port, cancel);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
