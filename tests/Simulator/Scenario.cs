using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Simulator;

/// <summary>A rule broken on purpose, to see that the simulator sees it.</summary>
internal enum Mutation
{
    None = 0,

    /// <summary>Votes are not in the durable journal: after a restart a gateway signs again.</summary>
    VotesForgottenAtRestart,

    /// <summary>Every body is good.</summary>
    BadBodiesAreGood,

    /// <summary>No frame counts as anchored, so no batch is void.</summary>
    NothingIsVoid,

    /// <summary>Bodies are checked but not kept.</summary>
    BodiesNotKept,

    /// <summary>Frames are acknowledged before they are durable.</summary>
    AcknowledgesBeforeSync,

    /// <summary>Void batches are not cut again.</summary>
    NoRecut,

    /// <summary>Signatures are not looked at.</summary>
    AnySignatureIsRight,
}

/// <summary>What a seed decides before anything happens: how large, how long, which faults (a different subset each time, so that rare ones meet).</summary>
internal sealed record Scenario
{
    private static readonly FaultKind[] DiskFaultKinds =
    [
        FaultKind.CrashBeforeWrite, FaultKind.CrashBeforeSync, FaultKind.TornWrite, FaultKind.CrashAfterSync, FaultKind.FailedNotPersisted, FaultKind.FailedButPersisted,
    ];

    /// <summary>What a scheduler does now and then.</summary>
    private static readonly FaultKind[] EventKinds =
    [
        FaultKind.Bisect, FaultKind.MajorityRing, FaultKind.OneWay, FaultKind.Isolate, FaultKind.CrashIdle, FaultKind.DiskFull, FaultKind.WipedDisk, FaultKind.WipedChainRecords,
        FaultKind.Reorganisation, FaultKind.RpcOutage, FaultKind.ViewLag, FaultKind.Join, FaultKind.Leave, FaultKind.Replace, FaultKind.ClockJump,
        FaultKind.DeviceRoams, FaultKind.DeviceCutOff,
    ];

    public required ulong Seed { get; init; }

    public Mutation Mutation { get; init; }

    public int Gateways { get; init; } = 4;

    /// <summary>Registered from the start; the others wait for Join and Replace.</summary>
    public int Initial { get; init; } = 4;

    public int Hostile { get; init; }

    /// <summary>Gateways that may lose their disks: hostile and wiped ones together are at most f.</summary>
    public int Wipes { get; init; }

    public int Devices { get; init; } = 8;

    public ulong EpochSeconds { get; init; } = 20;

    public ulong LeaderTimeoutS { get; init; } = 4;

    public int CommitteeAbove { get; init; } = 16;

    public int CommitteeSize { get; init; } = 16;

    public int CertificatesMax { get; init; } = 1_024;

    public long BlockMs { get; init; } = 2_000;

    public int TickMs { get; init; } = 400;

    public int BatchFrames { get; init; } = 8;

    public long BatchAgeMs { get; init; } = 8_000;

    public int FrameEveryMs { get; init; } = 5_000;

    /// <summary>Bytes of a frame, for the measurement.</summary>
    public int FrameBytes { get; init; } = 224;

    public long FaultsUntilMs { get; init; }

    public int LossPerMille { get; init; }

    public int DuplicatePerMille { get; init; }

    public int ReorderPerMille { get; init; }

    public int DiskFaultsPer10k { get; init; }

    public FaultKind[] DiskFaults { get; init; } = [];

    public FaultKind[] Events { get; init; } = [];

    public int EventEveryMs { get; init; } = 10_000;

    public IReadOnlySet<FaultKind> Faults { get; init; } = new HashSet<FaultKind>();

    public bool DropsBlamed { get; init; }

    public bool MeasuresBytes { get; init; }

    /// <summary>False in the measurement: no journal is kept, and blocks come on time.</summary>
    public bool Crashes { get; init; } = true;

    public bool Chance => Crashes;

    public Eip712Domain Domain { get; } = new(31_337, new Address([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]));

    public bool Has(FaultKind kind) => Faults.Contains(kind);

    public NetworkRules RulesOf(Address self) => new(self, Domain)
    {
        LeaderTimeoutS = LeaderTimeoutS, CertificatesMax = CertificatesMax, CommitteeAbove = CommitteeAbove, CommitteeSize = CommitteeSize, RetryMaxMs = 8_000, StartPatienceMs = 15_000,
    };

    public static Scenario Draw(ulong seed, Mutation mutation = Mutation.None)
    {
        Prng random = new(seed ^ 0x5CE4A210);
        int initial = random.Below(20) switch { 0 => 1, 1 => 2, 2 => 3, < 13 => 4, < 15 => 5, < 17 => 6, < 19 => 7, _ => 10 };
        bool usesCommittees = initial >= 6 && random.Below(2) == 0;
        int committee = usesCommittees ? random.Range(4, 5) : 16;
        int joins = random.Below(3) == 0 ? random.Range(1, 2) : 0;
        // f of the smallest set there will be; a leave takes one away.
        int smallest = Math.Max(1, initial - (joins > 0 || initial > 4 ? 1 : 0));
        int faulty = (Math.Min(usesCommittees ? committee : smallest, smallest) - 1) / 3;
        int hostile = random.Below(faulty + 1), wipes = faulty - hostile;
        HashSet<FaultKind> faults = [];
        foreach (FaultKind kind in Enum.GetValues<FaultKind>())
            if (random.Below(2) == 0) faults.Add(kind);
        if (joins == 0) faults.ExceptWith([FaultKind.Join, FaultKind.Replace]);
        // Where the last member of before could go, nobody could tell the others what the ledger holds.
        if (initial < 4) faults.ExceptWith([FaultKind.Leave, FaultKind.Replace]);
        if (joins == 0 && initial <= 4) faults.Remove(FaultKind.Leave);
        if (wipes == 0) faults.ExceptWith([FaultKind.WipedDisk, FaultKind.WipedChainRecords]);
        return new Scenario
        {
            Seed = seed,
            Mutation = mutation,
            Gateways = initial + joins,
            Initial = initial,
            Hostile = hostile,
            Wipes = wipes,
            Devices = Math.Max(3, initial + random.Below(initial + 1)),
            LeaderTimeoutS = (ulong)random.Range(2, 4),
            CommitteeAbove = usesCommittees ? committee : 16,
            CommitteeSize = committee,
            CertificatesMax = random.Below(6) == 0 ? 8 : 1_024,
            BlockMs = random.Range(1, 3) * 1_000,
            BatchFrames = random.Range(2, 12),
            BatchAgeMs = random.Range(3, 15) * 1_000,
            FrameEveryMs = random.Range(4, 16) * 1_000,
            FaultsUntilMs = random.Range(3, 7) * 20_000,
            LossPerMille = faults.Contains(FaultKind.Loss) ? random.Pick([5, 20, 100]) : 0,
            DuplicatePerMille = faults.Contains(FaultKind.Duplicate) ? random.Pick([5, 50]) : 0,
            ReorderPerMille = faults.Contains(FaultKind.Reorder) ? random.Pick([5, 50]) : 0,
            DiskFaults = [.. DiskFaultKinds.Where(faults.Contains)],
            DiskFaultsPer10k = random.Pick([20, 100, 300]),
            Events = [.. EventKinds.Where(faults.Contains)],
            EventEveryMs = random.Range(2, 15) * 1_000,
            Faults = faults,
            DropsBlamed = random.Below(2) == 0,
        };
    }
}
