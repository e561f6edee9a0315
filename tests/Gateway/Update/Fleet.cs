using System.Buffers.Binary;
using System.Security.Cryptography;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Update;
using DePIN.Gateway.Verify;
using DePIN.Protocol;
using DePIN.Tests.Harness;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Update;

/// <summary>A log that fails when a test says so, before or after it has written.</summary>
internal sealed class FailingLog(IRolloutLog log) : IRolloutLog
{
    public bool Fails { get; set; }

    public bool ButPersists { get; set; }

    public RolloutContent Read() => log.Read();

    public void Write(RolloutChanges changes)
    {
        if (Fails && !ButPersists) throw new IOException("the disk is full");
        log.Write(changes);
        if (Fails) throw new IOException("the disk is full, done");
    }
}

/// <summary>A scripted node: says what a real one says, or lies.</summary>
internal sealed class ScriptedNode(Fleet fleet, DeviceIdValue id)
{
    public DeviceIdValue Id => id;

    public uint Running { get; set; } = 1;

    public string Board { get; set; } = Operator.Board;

    /// <summary>Does nothing and says nothing.</summary>
    public bool IsAway { get; set; }

    /// <summary>Went away while it tried the release.</summary>
    public bool Dies { get; set; }

    /// <summary>Goes back from the release.</summary>
    public bool GoesBack { get; set; }

    public byte State { get; set; } = UpdateStates.Idle;

    /// <summary>Its last offer: null for none.</summary>
    public UpdateManifest? Offer { get; set; }

    public byte[] OfferHash { get; set; } = [];

    public int Manifests { get; set; }

    public void Take(ReadOnlyMemory<byte> manifest)
    {
        Manifests++;
        Offer = null;
        if (manifest.IsEmpty) return;
        Offer = new UpdateManifest();
        Assert.That(Offer.Read(manifest.ToArray(), 0, manifest.Length), Is.EqualTo(ManifestFault.None));
        OfferHash = SHA256.HashData(manifest.Span);
    }

    public void Say(byte state, byte error = UpdateErrors.None, uint? running = null, uint? offered = null)
    {
        State = state;
        byte[] buffer = new byte[UpdateState.BytesMax];
        int count = UpdateState.Write(running ?? Running, offered ?? Offer?.Release ?? 0, OfferHash.Length == 0 ? null : OfferHash, state, error, 0, 0, "1.0", buffer, 0);
        count = UpdateState.WriteBoard(Board, buffer, 0, count);
        fleet.Stage.State(id.ToArray(), buffer.AsSpan(0, count));
    }

    /// <summary>One step of an update, as a node takes them.</summary>
    public void Step()
    {
        if (IsAway) return;
        if (Offer is null || Offer.Release <= Running)
        {
            if (State is not (UpdateStates.Confirmed or UpdateStates.RolledBack)) Say(UpdateStates.Idle);
            return;
        }

        switch (State)
        {
            case UpdateStates.RolledBack: break;
            case UpdateStates.Fetching: Say(UpdateStates.Staged); break;
            case UpdateStates.Staged when Dies:
                Say(UpdateStates.Trying, running: Offer.Release);
                IsAway = true;
                break;
            case UpdateStates.Staged when GoesBack: Say(UpdateStates.RolledBack, UpdateErrors.NotHealthy); break;
            case UpdateStates.Staged: Say(UpdateStates.Trying, running: Offer.Release); break;
            case UpdateStates.Trying:
                Running = Offer.Release;
                Say(UpdateStates.Confirmed);
                break;
            default: Say(UpdateStates.Fetching); break;
        }
    }
}

/// <summary>A stage with scripted nodes under a clock that a test moves; can be killed and opened again on the same files.</summary>
internal sealed class Fleet : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly UpdateMetrics _metrics = new();
    private RolloutLog _log;

    public Fleet(int nodes)
    {
        Operators = new Operator();
        for (int i = 0; i < nodes; i++) Add();
        _log = RolloutLog.Open(_folder.Path);
        Log = new FailingLog(_log);
        Stage = Open();
    }

    public Operator Operators { get; }

    public Dictionary<DeviceIdValue, ScriptedNode> Nodes { get; } = [];

    public ManualTimeProvider Time { get; } = new();

    public UpdateMetrics Metrics => _metrics;

    public HealthBoard Health { get; private set; } = null!;

    public FailingLog Log { get; private set; }

    public UpdateStage Stage { get; private set; }

    public static RolloutPlan Plan(string stages = "3,10%,50%,100%", string confirmed = "90%", string failed = "5%", int soakS = 600) =>
        new(RolloutPlan.ParseStages(stages, out _)!, Portion.TryParse(confirmed, out Portion c) ? c : default, Portion.TryParse(failed, out Portion f) ? f : default, soakS, 3_600);

    public ScriptedNode Add()
    {
        byte[] id = SHA256.HashData(BitConverter.GetBytes(Nodes.Count))[..20];
        ScriptedNode node = new(this, new DeviceIdValue(id));
        Nodes[node.Id] = node;
        return node;
    }

    /// <summary>kill -9 and a new start: memory is gone, files stay. Nodes connect again and hear their offers.</summary>
    public void Kill()
    {
        _log.Dispose();
        _log = RolloutLog.Open(_folder.Path);
        Log = new FailingLog(_log);
        Stage = Open();
        Stage.Turn();
        foreach (ScriptedNode node in Nodes.Values.Where(n => !n.IsAway)) node.Take(Stage.ManifestFor(node.Id.ToArray()));
    }

    /// <summary>All nodes take a step, the stage a turn, and a minute passes.</summary>
    public void Minute()
    {
        foreach (ScriptedNode node in Nodes.Values) node.Step();
        Stage.Turn();
        Time.Advance(TimeSpan.FromMinutes(1));
        Stage.Turn();
    }

    public void Minutes(int count)
    {
        for (int i = 0; i < count; i++) Minute();
    }

    public int MinutesUntil(Func<bool> condition, string what, int max = 400)
    {
        for (int i = 0; i < max; i++)
        {
            if (condition()) return i;
            Minute();
        }

        Assert.Fail($"{max} minutes passed without: {what}. {Newest}");
        return max;
    }

    public Rollout Newest => Stage.Read((core, _) => core.Rollouts[0]);

    public int Count(MemberState state) => Stage.Read((core, _) => core.Count(core.Rollouts[0].Id, state));

    public IReadOnlyCollection<Member> Members => Stage.Read((core, _) => core.Members(core.Rollouts[0].Id).ToArray());

    public int Offers => Nodes.Values.Count(n => n.Offer is not null);

    public void Dispose()
    {
        _log.Dispose();
        _metrics.Dispose();
        Operators.Dispose();
        _folder.Dispose();
    }

    private UpdateStage Open()
    {
        Health = new HealthBoard(Time, NullLogger.Instance);
        return new UpdateStage(
            new PackageStore(Path.Combine(_folder.Path, "updates"), Operators.Key), Log, new ChunkRates(1 << 20, 1 << 24), Nodes.ContainsKey,
            (device, manifest) =>
            {
                DeviceIdValue.TryParse(device, out DeviceIdValue id);
                if (!Nodes[id].IsAway) Nodes[id].Take(manifest);
            },
            _metrics, Health, Time);
    }
}
