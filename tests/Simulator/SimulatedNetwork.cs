using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Simulator;

/// <summary>
/// Connections between gateways: a delay per link, loss, duplicates and reordering by chance, cuts in one or both directions. A connection exists while both
/// ends are up, follow each other, and no cut is noticed; messages of one that ended are lost.
/// </summary>
internal sealed class SimulatedNetwork(Simulation simulation)
{
    private const int CodecEvery = 16;

    private readonly Dictionary<long, Link> _links = [];
    private readonly HashSet<long> _cut = []; // directed
    private long _connections;
    private PeerMessage? _sized;
    private int _size;

    public long Messages { get; private set; }

    public long MessageBytes { get; private set; }

    public long BodyBytes { get; private set; }

    public SortedDictionary<string, (long Count, long Bytes)> ByKind { get; } = new(StringComparer.Ordinal);

    public void Cut(int from, int to, bool cut)
    {
        if (cut) _cut.Add(Key(from, to));
        else _cut.Remove(Key(from, to));
    }

    public void Heal()
    {
        _cut.Clear();
        ReviewAll();
    }

    public void ReviewAll()
    {
        foreach (GatewayNode node in simulation.Nodes) Review(node);
    }

    /// <summary>Makes and ends the connections of a gateway that should exist or not.</summary>
    public void Review(GatewayNode node)
    {
        foreach (GatewayNode peer in simulation.Nodes)
        {
            if (peer.Index == node.Index) continue;
            Link link = LinkOf(node.Index, peer.Index);
            bool want = Wanted(node, peer);
            if (want == link.IsOpen) continue;
            if (want)
            {
                if (link.IsDialling) continue;
                link.IsDialling = true;
                (GatewayNode a, GatewayNode b) = node.Index < peer.Index ? (node, peer) : (peer, node);
                simulation.World.After(simulation.World.Random.Delay(10, 300), () => Establish(link, a, b));
            }
            else
            {
                Break(link, node, peer);
            }
        }
    }

    public void Send(int from, int to, PeerMessage message)
    {
        if (to < 0 || to == from) return;
        Link link = LinkOf(from, to);
        if (!link.Told[from < to ? 0 : 1]) return;
        Prng random = simulation.World.Random;
        Scenario scenario = simulation.Scenario;
        Messages++;
        if (scenario.MeasuresBytes) Measure(message);
        else if (Messages % CodecEvery == 0) message = ThroughCodec(from, message);
        if (!link.IsOpen || _cut.Contains(Key(from, to)))
        {
            simulation.World.Trace(from, Happened.Lost, message, to);
            return;
        }

        int delay = random.Delay(link.DelayMs, link.SpreadMs);
        if (!simulation.IsHealed)
        {
            if (random.Chance(scenario.LossPerMille))
            {
                simulation.Count(FaultKind.Loss);
                simulation.World.Trace(from, Happened.Lost, message, to);
                return;
            }

            if (random.Chance(scenario.DuplicatePerMille))
            {
                simulation.Count(FaultKind.Duplicate);
                Deliver(link, from, to, message, delay + random.Below(2_000));
            }

            if (random.Chance(scenario.ReorderPerMille))
            {
                simulation.Count(FaultKind.Reorder);
                Deliver(link, from, to, message, delay + random.Below(3_000));
                return;
            }
        }

        // In order per peer, as one stream is.
        int way = from < to ? 0 : 1;
        long at = Math.Max(simulation.World.NowMs + delay, link.LastMs[way]);
        link.LastMs[way] = at;
        Deliver(link, from, to, message, (int)(at - simulation.World.NowMs));
    }

    /// <summary>Asks for a body, part by part in the real transport, as one answer here. No answer when the connection is gone.</summary>
    public void Request(int from, int to, BatchSummary batch, Action<Body?> answer)
    {
        Link link = LinkOf(from, to);
        if (!link.IsOpen || !link.Told[from < to ? 0 : 1])
        {
            simulation.Nodes[from].After(1, () => answer(null));
            return;
        }

        long connection = link.Connection;
        Prng random = simulation.World.Random;
        (int life, GatewayNode asker, GatewayNode peer) = (simulation.Nodes[from].Life, simulation.Nodes[from], simulation.Nodes[to]);
        if (_cut.Contains(Key(from, to)) || (!simulation.IsHealed && random.Chance(simulation.Scenario.LossPerMille))) return;
        simulation.World.After(random.Delay(link.DelayMs, link.SpreadMs), () =>
        {
            if (!link.IsOpen || link.Connection != connection || !peer.IsUp) return;
            Body? body = peer.Hostile is { } hostile ? hostile.Serve(batch) : peer.Store.Find(batch.Hash);
            if (_cut.Contains(Key(to, from))) return;
            if (simulation.Scenario.MeasuresBytes) Measure(batch, body);
            simulation.World.After(random.Delay(link.DelayMs, 2 * link.SpreadMs), () =>
            {
                if (link.IsOpen && link.Connection == connection && asker.Life == life) answer(body);
            });
        });
    }

    private static long Key(int from, int to) => (long)from << 32 | (uint)to;

    private Link LinkOf(int a, int b)
    {
        long key = a < b ? Key(a, b) : Key(b, a);
        if (_links.TryGetValue(key, out Link? link)) return link;
        Prng random = simulation.World.Random;
        return _links[key] = new Link { DelayMs = random.Range(1, 60), SpreadMs = random.Range(1, 120) };
    }

    private bool Wanted(GatewayNode a, GatewayNode b) => a.IsUp && b.IsUp && a.Follows?.Contains(b.Address) == true && b.Follows?.Contains(a.Address) == true
        && !a.HasDropped(b.Index) && !b.HasDropped(a.Index) && !(_cut.Contains(Key(a.Index, b.Index)) && _cut.Contains(Key(b.Index, a.Index)));

    private void Establish(Link link, GatewayNode a, GatewayNode b)
    {
        link.IsDialling = false;
        if (link.IsOpen || !Wanted(a, b)) return;
        Tell(link, a, b, false);
        Tell(link, b, a, false);
        (link.IsOpen, link.Connection) = (true, ++_connections);
        link.LastMs[0] = link.LastMs[1] = 0;
        Tell(link, a, b, true);
        if (link.IsOpen) Tell(link, b, a, true);
    }

    private void Break(Link link, GatewayNode a, GatewayNode b)
    {
        link.IsOpen = false;
        link.Connection = ++_connections;
        long connection = link.Connection;
        simulation.World.After(simulation.World.Random.Below(1_500), () =>
        {
            if (link.IsOpen || link.Connection != connection) return;
            Tell(link, a, b, false);
            Tell(link, b, a, false);
        });
    }

    private void Tell(Link link, GatewayNode node, GatewayNode peer, bool isConnected)
    {
        int side = node.Index < peer.Index ? 0 : 1;
        int life = isConnected ? node.Life : link.Life[side];
        bool was = link.Told[side];
        if (was == isConnected) return;
        link.Told[side] = isConnected;
        link.Life[side] = node.Life;
        if (!node.IsUp || node.Life != life) return; // it does not remember
        simulation.World.Trace(node.Index, isConnected ? Happened.Connected : Happened.Disconnected, null, peer.Index);
        node.Enter(() =>
        {
            if (isConnected) node.Core.Connected(peer.Address);
            else node.Core.Disconnected(peer.Address);
        });
    }

    private void Deliver(Link link, int from, int to, PeerMessage message, int delayMs)
    {
        long connection = link.Connection;
        simulation.World.After(delayMs, () =>
        {
            GatewayNode node = simulation.Nodes[to];
            if (!link.IsOpen || link.Connection != connection || !node.IsUp || !link.Told[to < from ? 0 : 1]) return;
            simulation.World.Trace(to, Happened.Delivered, message, from);
            node.Enter(() => node.Received(from, message));
        });
    }

    private static PeerMessage ThroughCodec(int from, PeerMessage message)
    {
        byte[] bytes = PeerCodec.Write(message);
        PeerMessage? read = PeerCodec.TryRead(bytes);
        if (read is null || !PeerCodec.Write(read).AsSpan().SequenceEqual(bytes))
            throw new ViolationException("a message survives its encoding", $"{message.GetType().Name} of gateway {from}");
        return read;
    }

    private void Measure(PeerMessage message)
    {
        if (!ReferenceEquals(message, _sized)) (_sized, _size) = (message, PeerCodec.Write(message).Length);
        MessageBytes += _size;
        Add(message.GetType().Name, _size);
    }

    private void Measure(BatchSummary batch, Body? body)
    {
        int ask = PeerCodec.Write(new GetBodyMessage(batch.FramesHash, 0)).Length;
        int envelope = PeerCodec.Write(new BodyPartMessage(batch.FramesHash, 0, 1, false, Array.Empty<byte>())).Length;
        long bytes = (body?.Frames.Count ?? 0) * (long)(2 + simulation.Scenario.FrameBytes);
        (Messages, MessageBytes, BodyBytes) = (Messages + 2, MessageBytes + ask + envelope, BodyBytes + bytes);
        Add(nameof(GetBodyMessage), ask);
        Add(nameof(BodyPartMessage), envelope);
        Add("body", (int)bytes);
    }

    private void Add(string kind, int bytes)
    {
        (long count, long sum) = ByKind.GetValueOrDefault(kind);
        ByKind[kind] = (count + 1, sum + bytes);
    }

    /// <summary>A pair of gateways; side 0 is the one with the lower index.</summary>
    private sealed class Link
    {
        public int DelayMs { get; init; }

        public int SpreadMs { get; init; }

        public bool IsOpen { get; set; }

        public bool IsDialling { get; set; }

        public long Connection { get; set; }

        public bool[] Told { get; } = new bool[2];

        public int[] Life { get; } = new int[2];

        public long[] LastMs { get; } = new long[2];
    }
}
