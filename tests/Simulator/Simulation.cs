using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Simulator;

/// <summary>What came of a seed.</summary>
internal sealed record SimulationResult(ulong Seed, ViolationException? Violation, ulong TraceHash, long Steps, long SimulatedMs, ulong Epochs, long Anchors, long Messages,
    long FramesAcknowledged, long[] Faults, long[] Hostile, IReadOnlyList<string> Trace);

/// <summary>
/// One run: N gateways with the real core, devices, network, disks and chain, decided by one seed. Faults until they heal; then everything acknowledged must
/// be on the ledger within <see cref="LivenessEpochs"/> (and the epochs that a backlog of more batches than fit into one anchor takes).
/// </summary>
internal sealed class Simulation
{
    /// <summary>Unix time of the beginning, ms.</summary>
    public const long BaseMs = 1_700_000_000_000;

    /// <summary>After the faults healed, everything acknowledged is anchored within so many epochs.</summary>
    public const int LivenessEpochs = 12;

    private readonly Dictionary<Address, int> _index = [];
    private readonly Dictionary<Address, int> _devices = [];
    private readonly long[] _faults = new long[Enum.GetValues<FaultKind>().Length];
    private readonly long[] _hostile = new long[Enum.GetValues<HostileKind>().Length];
    private readonly List<int> _mayBeWiped = [];
    private long _healedMs;
    private int _backlogEpochs; // what is waiting when the faults heal takes so many full anchors

    public Simulation(Scenario scenario)
    {
        Scenario = scenario;
        World = new World(scenario.Seed);
        Keys = new Keys(scenario.Seed);
        Checks = new Checks(this);
        for (int i = 0; i < scenario.Gateways; i++)
        {
            GatewayNode node = new(this, i, RandomAddress());
            _index[node.Address] = i;
            Nodes.Add(node);
        }

        for (int i = 0; i < scenario.Devices; i++)
        {
            Device device = new(this, RandomAddress(), i);
            if (scenario.Has(FaultKind.DeviceRegisteredLate) && World.Random.Below(3) == 0) device.RegisteredAt = (ulong)World.Random.Range(2, 20);
            if (device.RegisteredAt > 0) Count(FaultKind.DeviceRegisteredLate);
            _devices[device.Address] = i;
            Devices.Add(device);
        }

        List<int> order = [.. Enumerable.Range(0, scenario.Initial)];
        World.Random.Shuffle(order);
        foreach (int i in order.Take(scenario.Hostile))
        {
            HostileKind[] kinds = [.. Enum.GetValues<HostileKind>().Where(_ => World.Random.Below(3) == 0)];
            Nodes[i].Hostile = new Hostile(this, Nodes[i], kinds);
        }

        _mayBeWiped.AddRange(order.Skip(scenario.Hostile).Take(scenario.Wipes));
        Network = new SimulatedNetwork(this);
        Chain = new SimulatedChain(this, MembershipOf(1, Nodes.Take(scenario.Initial)));
        if (!scenario.Crashes) SharedAttestations = [];
    }

    public Scenario Scenario { get; }

    public World World { get; }

    public Keys Keys { get; }

    public Checks Checks { get; }

    public SimulatedNetwork Network { get; }

    public SimulatedChain Chain { get; }

    public List<GatewayNode> Nodes { get; } = [];

    public List<Device> Devices { get; } = [];

    public bool IsHealed { get; private set; }

    public Dictionary<Hash32, IReadOnlyList<Attestation>>? SharedAttestations { get; }

    public static SimulationResult Run(ulong seed, Mutation mutation = Mutation.None, Action<string>? listen = null)
    {
        Simulation simulation = new(Scenario.Draw(seed, mutation));
        if (listen is not null) simulation.World.Listener = e => listen(simulation.Line(e));
        return simulation.Run();
    }

    public SimulationResult Run()
    {
        ViolationException? violation = null;
        try
        {
            Begin();
            while (World.Step()) { }
            Checks.AtEnd();
        }
        catch (ViolationException broken)
        {
            violation = broken;
        }

        return new SimulationResult(Scenario.Seed, violation, World.TraceHash, World.Steps, World.NowMs, (ulong)World.NowMs / 1000 / Scenario.EpochSeconds, Chain.Head.Entries.Length,
            Network.Messages, Checks.FramesAcknowledged, _faults, _hostile, violation is null ? [] : [.. World.LastEvents().Select(Line)]);
    }

    /// <summary>For the measurement: each gateway takes so many frames in every epoch, at a moment of its own, without devices in between.</summary>
    public void SupplyFrames(int devicesPerGateway, int framesPerDevice, int beginWithinEpochs)
    {
        long epochMs = (long)Scenario.EpochSeconds * 1000;
        foreach (GatewayNode node in Nodes)
        {
            List<Address> devices = [.. Enumerable.Range(0, devicesPerGateway).Select(_ => RandomAddress())];
            Supply(node, devices, 1, World.Random.Below(beginWithinEpochs * (int)epochMs));
        }

        void Supply(GatewayNode node, List<Address> devices, ulong sequence, long atMs) => World.At(atMs, () =>
        {
            for (int i = 0; i < framesPerDevice; i++, sequence++)
                foreach (Address device in devices) node.TakeFrame(new Frame(device, sequence, World.Random.Next(), true), null);
            Supply(node, devices, sequence, atMs + epochMs);
        });
    }

    public void Count(FaultKind kind) => _faults[(int)kind]++;

    public void Count(HostileKind kind) => _hostile[(int)kind]++;

    public int IndexOf(Address gateway) => _index.GetValueOrDefault(gateway, -1);

    public ulong RegisteredAt(Address device) => _devices.TryGetValue(device, out int index) ? Devices[index].RegisteredAt : 0;

    public string Name(Address who) => _index.TryGetValue(who, out int g) ? $"g{g}" : _devices.TryGetValue(who, out int d) ? $"d{d}" : who.ToString()[..8];

    public void Cut(GatewayNode node, BatchSummary batch, Body body) => Checks.Made(batch, body);

    public void BodyKept(GatewayNode node, BatchSummary batch) => Checks.BodyKept(node, batch);

    public void Certified(GatewayNode node, BatchSummary batch)
    {
        if (node.IsHonest) Checks.Certified(batch);
    }

    public void BeforeWipe(GatewayNode node, bool frames) => Checks.Wiped(node, frames);

    /// <summary>A frame on its way from a device to a gateway.</summary>
    public void DeliverFrame(Device device, int gateway, Frame frame) =>
        World.After(World.Random.Delay(5, 60), () => Nodes[gateway].Enter(() => Nodes[gateway].TakeFrame(frame, device)));

    /// <summary>A gateway promises that a frame is never lost, and tells the device.</summary>
    public void Acknowledge(GatewayNode node, Device device, Frame frame)
    {
        Checks.Acknowledged(node, frame);
        if (!IsHealed && Scenario.Has(FaultKind.AcknowledgementLost) && World.Random.Below(10) == 0)
        {
            Count(FaultKind.AcknowledgementLost);
            return;
        }

        World.After(World.Random.Delay(5, 60), () => device.Acknowledged(node.Index, frame.Sequence));
    }

    public void StartLater(GatewayNode node)
    {
        long delay = IsHealed ? 100 : World.Random.Delay(200, 15_000);
        World.After(delay, () =>
        {
            if (!node.IsUp) node.Start();
        });
    }

    /// <summary>At each block after healing: is everything done, or is it too late?</summary>
    public void OnBlock()
    {
        if (!IsHealed || Scenario.MeasuresBytes) return;
        if (World.NowMs - _healedMs > (LivenessEpochs + _backlogEpochs) * (long)Scenario.EpochSeconds * 1000) throw NotLive();
        if (Checks.Missing().Any()) return;
        GatewaySet active = Chain.Head.Members.Active;
        foreach (GatewayNode node in Nodes)
        {
            if (!node.IsHonest || !active.Contains(node.Address)) continue;
            if (node.Log.KnownEntries != (ulong)Chain.Head.Entries.Length) return;
            foreach (BatchRecord record in node.Log.Pending(int.MaxValue))
                if (Nodes[IndexOf(record.Summary.Header.Gateway)] is { IsHonest: true } author && active.Contains(author.Address)) return;
        }

        World.Stop();
    }

    /// <summary>Everyone starts.</summary>
    public void Begin()
    {
        Prng random = World.Random;
        foreach (GatewayNode node in Nodes)
        {
            if (Scenario.Has(FaultKind.ClockDrift))
            {
                node.DriftPpm = random.Range(-2_000, 2_000);
                Count(FaultKind.ClockDrift);
            }

            World.After(random.Below(500), node.Start);
        }

        foreach (Device device in Devices)
        {
            World.After(random.Below(2_000), () => device.Connect(device.Index % Scenario.Initial));
            World.After(random.Below(Scenario.FrameEveryMs), () => Sense(device));
        }

        Chain.Start();
        if (Scenario.MeasuresBytes) return;
        if (Scenario.Events.Length > 0) World.After(Scenario.EventEveryMs, Strike);
        World.At(Scenario.FaultsUntilMs, Heal);
    }

    private void Sense(Device device)
    {
        if (IsHealed) return;
        device.Sense(Scenario.Has(FaultKind.DeviceEquivocates) && device.Index == 0 && World.Random.Below(8) == 0);
        World.After(Scenario.FrameEveryMs / 2 + World.Random.Below(Scenario.FrameEveryMs), () => Sense(device));
    }

    private void Heal()
    {
        IsHealed = true;
        _healedMs = World.NowMs;
        _backlogEpochs = 2 * Checks.BatchesWaiting / Scenario.CertificatesMax;
        World.Trace(-1, Happened.Healed);
        Network.Heal();
        foreach (GatewayNode node in Nodes)
        {
            node.Disk.FullUntilMs = node.RpcDownUntilMs = 0;
            node.ViewLagMs = 0;
            if (!node.IsUp) StartLater(node);
        }

        foreach (Device device in Devices)
            if (device.Gateway < 0) device.Connect(device.Index % Scenario.Initial);
    }

    /// <summary>One of the seed's faults, on someone.</summary>
    private void Strike()
    {
        if (IsHealed) return;
        Prng random = World.Random;
        FaultKind kind = random.Pick(Scenario.Events);
        GatewayNode node = random.Pick(Nodes);
        int lastsMs = random.Range(1, 25) * 1_000;
        bool did = true;
        switch (kind)
        {
            case FaultKind.Bisect:
                int left = random.Range(1, (1 << Nodes.Count) - 2 > 0 ? (1 << Nodes.Count) - 2 : 1);
                Partition(lastsMs, (a, b) => (left >> a & 1) != (left >> b & 1));
                break;
            case FaultKind.MajorityRing:
                int reach = Nodes.Count / 3; // each hears its neighbours on a ring, so majorities differ
                Partition(lastsMs, (a, b) => Math.Min((a - b + Nodes.Count) % Nodes.Count, (b - a + Nodes.Count) % Nodes.Count) > reach);
                break;
            case FaultKind.OneWay:
                Partition(lastsMs, (a, b) => a == node.Index);
                break;
            case FaultKind.Isolate:
                Partition(lastsMs, (a, b) => a == node.Index || b == node.Index);
                break;
            case FaultKind.CrashIdle:
                did = node.IsUp;
                node.Stop();
                StartLater(node);
                break;
            case FaultKind.DiskFull:
                node.Disk.FullUntilMs = World.NowMs + lastsMs;
                break;
            case FaultKind.WipedDisk or FaultKind.WipedChainRecords:
                node = Nodes[random.Pick(_mayBeWiped)];
                node.Stop();
                node.Wipe(frames: kind is FaultKind.WipedDisk);
                StartLater(node);
                break;
            case FaultKind.Reorganisation:
                did = false; // counted there
                Chain.Reorganise(random.Range(1, 5));
                break;
            case FaultKind.RpcOutage:
                node.RpcDownUntilMs = World.NowMs + lastsMs;
                break;
            case FaultKind.ViewLag:
                node.ViewLagMs = random.Range(500, 8_000);
                break;
            case FaultKind.Join or FaultKind.Leave or FaultKind.Replace:
                did = Change(kind);
                break;
            case FaultKind.ClockJump:
                node.WallOffsetMs += random.Range(-100_000, 100_000);
                break;
            case FaultKind.DeviceRoams:
                random.Pick(Devices).Connect(random.Below(Nodes.Count));
                break;
            case FaultKind.DeviceCutOff:
                Device device = random.Pick(Devices);
                device.Connect(-1);
                World.After(lastsMs, () => device.Connect(World.Random.Below(Scenario.Initial)));
                break;
        }

        if (did)
        {
            Count(kind);
            World.Trace(node.Index, Happened.Fault, kind, (int)kind);
        }

        World.After(Scenario.EventEveryMs / 2 + random.Below(Scenario.EventEveryMs), Strike);
    }

    private void Partition(int lastsMs, Func<int, int, bool> cut)
    {
        for (int a = 0; a < Nodes.Count; a++)
            for (int b = 0; b < Nodes.Count; b++)
                if (a != b) Network.Cut(a, b, cut(a, b));
        Network.ReviewAll();
        World.After(lastsMs, Network.Heal);
    }

    /// <summary>One gateway comes, goes, or takes another's place; never below the size that f was reckoned with.</summary>
    private bool Change(FaultKind kind)
    {
        Membership now = Chain.Head.Members;
        List<GatewayNode> outside = [.. Nodes.Where(n => !now.Active.Contains(n.Address))];
        List<GatewayNode> inside = [.. Nodes.Where(n => now.Active.Contains(n.Address) && n.IsHonest && !_mayBeWiped.Contains(n.Index))];
        GatewayNode? comes = kind is FaultKind.Leave || outside.Count == 0 ? null : World.Random.Pick(outside);
        GatewayNode? goes = kind is FaultKind.Join || inside.Count == 0 ? null : World.Random.Pick(inside);
        if (kind is FaultKind.Join && comes is null || kind is FaultKind.Leave && goes is null || kind is FaultKind.Replace && (comes is null || goes is null)) return false;
        int least = Math.Max(1, Scenario.Initial - 1);
        Chain.Change(members =>
        {
            List<Address> next = [.. members.Members.Select(m => m.Gateway)];
            if (goes is not null && !next.Remove(goes.Address)) return null;
            if (comes is not null && next.Contains(comes.Address)) return null;
            if (comes is not null) next.Add(comes.Address);
            return next.Count < least ? null : MembershipOf(members.Version + 1, next.Select(a => Nodes[IndexOf(a)]));
        });
        return true;
    }

    private static Membership MembershipOf(ulong version, IEnumerable<GatewayNode> nodes)
    {
        Member[] members = [.. nodes.Select(n => new Member(n.Address, Hash32.Zero, ""))];
        return new Membership(version, new GatewaySet(members.Select(m => m.Gateway), Math.Max(EvidenceLimits.GatewaysMax, members.Length)), members);
    }

    private ViolationException NotLive()
    {
        List<string> lines = [];
        List<(FrameKey Frame, ulong By)> missing = [.. Checks.Missing()];
        lines.Add($"{missing.Count} acknowledged frames are not on the ledger {LivenessEpochs} epochs after the faults healed: "
            + string.Join(", ", missing.Take(8).Select(m => $"{Name(m.Frame.Device)}:{m.Frame.Sequence} (acknowledged by {string.Join(' ', Nodes.Where(n => (m.By >> n.Index & 1) == 1).Select(n => $"g{n.Index}"))})")));
        foreach (GatewayNode node in Nodes)
        {
            string what = node.Hostile is { } hostile ? $"hostile ({string.Join(' ', hostile.Kinds)})" : node.WasWiped ? "was wiped" : "honest";
            NetworkState state = node.Core.State();
            lines.Add($"  g{node.Index} {what}, up {node.IsUp}, active {Chain.Head.Members.Active.Contains(node.Address)}: knows {state.KnownEntries} of {Chain.Head.Entries.Length} entries, pending "
                + $"{string.Join(' ', node.Log.Pending(8).Select(r => $"{Name(r.Summary.Header.Gateway)}:{r.Summary.Header.Number}"))}, void {state.Void}, own batches {node.Store.LastNumber}, restoring {node.Core.IsRestoring}; {state.Waits}");
        }

        return new ViolationException("everything acknowledged is anchored in time", string.Join(Environment.NewLine, lines));
    }

    private Address RandomAddress()
    {
        Span<byte> bytes = stackalloc byte[Address.Bytes];
        World.Random.Fill(bytes);
        return new Address(bytes);
    }

    private string Line(TraceEvent e) =>
        $"{e.TimeMs / 1000.0,9:F3} s  {(e.Node < 0 ? "chain" : $"g{e.Node}"),-6}{e.What,-13} {(e.What is Happened.Delivered ? $"from g{e.Number}: " : e.What is Happened.Lost or Happened.Connected or Happened.Disconnected ? $"g{e.Number} " : "")}{Describe.It(e.Detail, Name)}{(e.What is Happened.Block or Happened.Followed or Happened.Reorganised ? $"{e.Number}" : "")}";
}
