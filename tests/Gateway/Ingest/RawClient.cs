// A socket that speaks bytes, for what a well-behaved client would not send.

using System.Net.Sockets;
using DePIN.Mqtt;

namespace DePIN.Gateway.Tests.Ingest;

internal sealed class RawClient : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _buffer = new byte[1 << 20];
    private int _count;

    public Socket Socket => _socket;

    public static async Task<RawClient> OpenAsync(IngestHost host)
    {
        RawClient client = new();
        await client._socket.ConnectAsync("127.0.0.1", host.Port);
        return client;
    }

    /// <summary>Opens and connects as 3.1.1 or 5 with a clean session; the CONNACK has been read.</summary>
    public static async Task<RawClient> ConnectAsync(IngestHost host, MqttVersion version, string clientId = "raw", string propertiesHex = "", ushort keepAlive = 0)
    {
        RawClient client = await OpenAsync(host);
        await client.SendAsync(Connect(version, clientId, propertiesHex, keepAlive));
        (byte first, byte[] body) = await client.ReadPacketAsync();
        Assert.That(first, Is.EqualTo(0x20));
        Assert.That(body[1], Is.Zero, "CONNACK code");
        return client;
    }

    public static byte[] Connect(MqttVersion version, string clientId, string propertiesHex = "", ushort keepAlive = 0)
    {
        PacketBuffer output = new();
        new ConnectPacket
        {
            Version = version,
            CleanStart = true,
            KeepAliveSeconds = keepAlive,
            ClientId = System.Text.Encoding.UTF8.GetBytes(clientId),
            Properties = new MqttProperties(Convert.FromHexString(propertiesHex)),
        }.Write(output);
        return output.Written.ToArray();
    }

    public static byte[] Publish(MqttVersion version, string topic, byte[] payload, MqttQos qos, ushort packetId, bool duplicate = false, bool retain = false)
    {
        PacketBuffer output = new();
        new PublishPacket
        {
            Qos = qos,
            PacketId = packetId,
            Duplicate = duplicate,
            Retain = retain,
            Topic = System.Text.Encoding.UTF8.GetBytes(topic),
            Payload = payload,
        }.Write(version, output);
        return output.Written.ToArray();
    }

    public static byte[] Subscribe(MqttVersion version, string filter, byte options, ushort packetId = 1)
    {
        PacketBuffer output = new();
        SubscribePacket.Write(version, packetId, System.Text.Encoding.UTF8.GetBytes(filter), new SubscriptionOptions(options), default, output);
        return output.Written.ToArray();
    }

    public async Task SendAsync(byte[] bytes) => await _socket.SendAsync(bytes);

    public Task SendAsync(string hex) => SendAsync(Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal)));

    /// <summary>The next packet; fails the test when the server closes or takes too long.</summary>
    public async Task<(byte First, byte[] Body)> ReadPacketAsync() =>
        await TryReadPacketAsync() ?? throw new AssertionException("The server closed the connection.");

    /// <summary>The next packet, or null when the server closed.</summary>
    public async Task<(byte First, byte[] Body)?> TryReadPacketAsync()
    {
        using CancellationTokenSource timeout = new(Patience);
        while (true)
        {
            MqttResult result = PacketFraming.TryReadPacket(_buffer.AsSpan(0, _count), _buffer.Length, out MqttHeader header, out ReadOnlySpan<byte> body);
            if (result == MqttResult.Ok)
            {
                byte[] copy = body.ToArray();
                _buffer.AsSpan(header.PacketBytes, _count - header.PacketBytes).CopyTo(_buffer);
                _count -= header.PacketBytes;
                return (header.First, copy);
            }

            Assert.That(result, Is.EqualTo(MqttResult.NeedMore));
            int read;
            try
            {
                read = await _socket.ReceiveAsync(_buffer.AsMemory(_count), timeout.Token);
            }
            catch (SocketException)
            {
                return null;
            }

            if (read == 0)
            {
                return null;
            }

            _count += read;
        }
    }

    /// <summary>Reads until the server closes; the packets on the way.</summary>
    public async Task<List<(byte First, byte[] Body)>> ReadToEndAsync()
    {
        List<(byte, byte[])> packets = [];
        while (await TryReadPacketAsync() is { } packet)
        {
            packets.Add(packet);
        }

        return packets;
    }

    public void Dispose() => _socket.Dispose();
}
