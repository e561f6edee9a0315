// A gateway of a few lines behind a real socket: MQTT 3.1.1 with one node at a time, frames acknowledged, one update offered. What it
// does wrong is the test's.

using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using DePIN.Protocol;

namespace DePIN.Firmware.Tests.Update;

internal sealed class ScriptedGateway : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Lock _gate = new();
    private NetworkStream? _stream;
    private string _id = "";
    private byte[]? _held;

    public ScriptedGateway()
    {
        _listener.Start();
        new Thread(Accept) { IsBackground = true, Name = "scripted-gateway" }.Start();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Offered to whoever subscribes; null: nothing.</summary>
    public byte[]? Offer { get; set; }

    public (string Name, byte[] Content)[] Files { get; set; } = [];

    /// <summary>Which chunks answer a request; the default is the right one.</summary>
    public Func<byte[], byte[], IEnumerable<byte[]>> Answer { get; set; } = (_, right) => [right];

    /// <summary>Frames by sequence, as first acknowledged.</summary>
    public ConcurrentDictionary<ulong, byte[]> Frames { get; } = new();

    /// <summary>Sequences that came with two contents.</summary>
    public ConcurrentQueue<ulong> Contradictions { get; } = new();

    /// <summary>Every state that was reported: running, state, error, version.</summary>
    public ConcurrentQueue<(uint Running, byte State, byte Error, string Version)> States { get; } = new();

    public ConcurrentQueue<byte[]> Gets { get; } = new();

    /// <summary>The answer to this many-th request is given only after that many frames more were acknowledged.</summary>
    public (int Request, int Frames) Hold { get; set; }

    /// <summary>Frames that were acknowledged while an answer was held.</summary>
    public int FramesWhileHeld { get; private set; }

    /// <summary>Ends the connection; the node comes again.</summary>
    public void Drop() => _stream?.Dispose();

    public bool Has(byte state) => States.Any(item => item.State == state);

    public void Dispose()
    {
        _listener.Stop();
        _stream?.Dispose();
    }

    private static int TopicEnd(byte[] body, int at) => at + 2 + (body[at] << 8) + body[at + 1];

    private static string Topic(byte[] body, int at) => Encoding.UTF8.GetString(body, at + 2, TopicEnd(body, at) - at - 2);

    private void Accept()
    {
        while (true)
        {
            try
            {
                using TcpClient client = _listener.AcceptTcpClient();
                client.NoDelay = true;
                using NetworkStream stream = client.GetStream();
                _stream = stream;
                Serve(stream);
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // The node went away, as nodes do.
            }
            catch (SocketException)
            {
                return;
            }
        }
    }

    private void Serve(NetworkStream stream)
    {
        while (true)
        {
            int head = stream.ReadByte();
            if (head < 0)
            {
                return;
            }

            int length = 0;
            int shift = 0;
            int part;
            do
            {
                part = stream.ReadByte();
                length |= (part & 127) << shift;
                shift += 7;
            }
            while (part >= 128);

            byte[] body = new byte[length];
            stream.ReadExactly(body);
            switch (head >> 4)
            {
                case 1:
                    int id = TopicEnd(body, 0) + 4;
                    _id = Topic(body, id);
                    Send(0x20, [0, 0]);
                    break;
                case 3:
                    Take(head, body);
                    break;
                case 8:
                    Send(0x90, [body[0], body[1], 0]);
                    if (Topic(body, 2) == Topics.UpdateChunk(_id) && Offer is { } offer)
                    {
                        Publish(Topics.UpdateManifest(_id), offer);
                    }

                    break;
                case 12:
                    Send(0xD0, []);
                    break;
                case 14:
                    return;
                default:
                    break;
            }
        }
    }

    private void Take(int head, byte[] body)
    {
        string topic = Topic(body, 0);
        int at = TopicEnd(body, 0);
        bool acknowledged = (head & 6) != 0;
        byte[] payload = body[(at + (acknowledged ? 2 : 0))..];
        if (topic == Topics.Frame(_id))
        {
            ulong sequence = FrameParser.Sequence(payload, 0);
            if (!Frames.GetOrAdd(sequence, payload).AsSpan().SequenceEqual(payload))
            {
                Contradictions.Enqueue(sequence);
            }

            Send(0x40, [body[at], body[at + 1]]);
            if (_held is { } held && ++FramesWhileHeld == Hold.Frames)
            {
                _held = null;
                Publish(Topics.UpdateChunk(_id), held);
            }
        }
        else if (topic == Topics.UpdateState(_id) && UpdateState.IsValid(payload, 0, payload.Length))
        {
            States.Enqueue((UpdateState.Running(payload, 0), UpdateState.State(payload, 0), UpdateState.Error(payload, 0), UpdateState.Version(payload, 0)));
        }
        else if (topic == Topics.UpdateGet(_id) && UpdateGet.IsValid(payload, 0, payload.Length))
        {
            Gets.Enqueue(payload);
            byte[] chunk = new byte[UpdateChunk.BytesMax];
            byte[] right = chunk[..UpdateChunk.Write(payload, 0, Files[UpdateGet.File(payload, 0)].Content, (int)UpdateGet.At(payload, 0), chunk, 0)];
            if (Gets.Count == Hold.Request)
            {
                _held = right;
                return;
            }

            foreach (byte[] answer in Answer(payload, right))
            {
                Publish(Topics.UpdateChunk(_id), answer);
            }
        }
    }

    private void Publish(string topic, byte[] payload)
    {
        byte[] name = Encoding.UTF8.GetBytes(topic);
        Send(0x30, [(byte)(name.Length >> 8), (byte)name.Length, .. name, .. payload]);
    }

    private void Send(byte head, byte[] body)
    {
        List<byte> packet = [head];
        int length = body.Length;
        do
        {
            packet.Add((byte)((length & 127) | (length > 127 ? 128 : 0)));
            length >>= 7;
        }
        while (length > 0);

        packet.AddRange(body);
        lock (_gate)
        {
            _stream!.Write([.. packet]);
        }
    }
}
