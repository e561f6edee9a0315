using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Simulator;

/// <summary>One block of the simulated chain, with the state after it.</summary>
internal sealed class Block(ulong number, ulong timeS, Block? parent, Membership members, AnchorHeader[] entries, ulong epochSeconds)
{
    private readonly EpochSchedule _epochs = EpochSchedule.Fixed(epochSeconds);
    private ChainSnapshot? _snapshot;

    public ulong Number => number;

    public ulong TimeS => timeS;

    public Block? Parent => parent;

    public Membership Members => members;

    /// <summary>Who is in force in this block's epoch: the members of the last block before it.</summary>
    public Membership InForce { get; } = parent is null ? members : parent.InForceAt(timeS, epochSeconds);

    /// <summary>The same of a block on top of this one.</summary>
    public Membership InForceAt(ulong nextS, ulong seconds) => timeS / seconds == nextS / seconds ? InForce : members;

    public AnchorHeader[] Entries => entries;

    public Hash32 Head { get; } = entries.Length == 0 ? Hash32.Zero : entries.Length == parent?.Entries.Length ? parent.Head : entries[^1].Hash();

    /// <summary>Membership changes mined in this block, to be mined again when it is taken back.</summary>
    public List<Func<Membership, Membership?>> Changes { get; } = [];

    /// <summary>Anchors mined in this block.</summary>
    public List<SubmittableAnchor> Anchors { get; } = [];

    public ChainSnapshot Snapshot() => _snapshot ??= new ChainSnapshot(number, timeS, _epochs, InForce, InForce.Active, (ulong)entries.Length, Head, entries.Length == 0 ? null : entries[^1].Epoch);
}

/// <summary>The chain: blocks every few seconds, a pool of transactions, the rules of the Ledger and GatewayRegistry contracts, reorganisations.</summary>
internal sealed class SimulatedChain(Simulation simulation, Membership genesis)
{
    private readonly List<SubmittableAnchor> _pool = [];
    private readonly List<Func<Membership, Membership?>> _changes = [];

    public Block Head { get; private set; } = new(1, (ulong)Simulation.BaseMs / 1000, null, genesis, [], simulation.Scenario.EpochSeconds);

    public void Start() => Schedule();

    /// <summary>A transaction on its way: late, lost, or soon in the pool.</summary>
    public void Submit(GatewayNode node, SubmittableAnchor anchor)
    {
        Prng random = simulation.World.Random;
        simulation.World.Trace(node.Index, Happened.Submitted, anchor.Header, (long)anchor.Header.Epoch);
        Scenario scenario = simulation.Scenario;
        int delay = random.Delay(50, 500);
        if (!simulation.IsHealed && scenario.Has(FaultKind.TransactionLost) && random.Chance(200))
        {
            simulation.Count(FaultKind.TransactionLost);
            return;
        }

        if (!simulation.IsHealed && scenario.Has(FaultKind.TransactionDelayed) && random.Chance(200))
        {
            simulation.Count(FaultKind.TransactionDelayed);
            delay += random.Below(40_000);
        }

        simulation.World.After(delay, () => _pool.Add(anchor));
    }

    /// <summary>A change of the active set, by the quorum that the registry asks for. Null from it: not possible any more.</summary>
    public void Change(Func<Membership, Membership?> change) => _changes.Add(change);

    /// <summary>The last blocks are replaced by others; what was in them goes back into the pool, or is lost.</summary>
    public void Reorganise(int depth)
    {
        Prng random = simulation.World.Random;
        Block ancestor = Head;
        List<Block> gone = [];
        for (int i = 0; i < depth && ancestor.Parent is { } parent; i++)
        {
            gone.Add(ancestor);
            ancestor = parent;
        }

        if (gone.Count == 0) return;
        simulation.Count(FaultKind.Reorganisation);
        simulation.World.Trace(-1, Happened.Reorganised, null, gone.Count);
        gone.Reverse();
        foreach (Block block in gone)
        {
            _changes.AddRange(block.Changes);
            foreach (SubmittableAnchor anchor in block.Anchors)
                if (random.Below(2) == 0) _pool.Add(anchor);
        }

        Head = ancestor;
        simulation.Checks.Reorganised(Head);
        foreach (Block block in gone) Mine(Math.Max(block.TimeS, Head.TimeS + 1), random.Below(2) == 0);
        Tell();
    }

    private ulong NowS => (ulong)(Simulation.BaseMs + simulation.World.NowMs) / 1000;

    private void Schedule()
    {
        Scenario scenario = simulation.Scenario;
        long blockMs = scenario.BlockMs;
        if (scenario.Chance && simulation.World.Random.Below(10) == 0) blockMs *= simulation.World.Random.Range(1, 3); // missed slots
        simulation.World.After(blockMs, () =>
        {
            Mine(Math.Max(NowS, Head.TimeS + 1), true);
            Tell();
            simulation.OnBlock();
            Schedule();
        });
    }

    private void Tell()
    {
        foreach (GatewayNode node in simulation.Nodes) node.Follow();
    }

    private void Mine(ulong timeS, bool takesTransactions)
    {
        Membership members = Head.Members;
        AnchorHeader[] entries = Head.Entries;
        List<Func<Membership, Membership?>> changed = [];
        List<SubmittableAnchor> anchored = [];
        if (takesTransactions)
        {
            foreach (Func<Membership, Membership?> change in _changes)
            {
                if (change(members) is not { } next) continue;
                members = next;
                changed.Add(change);
            }

            _changes.Clear();
            List<SubmittableAnchor> pool = [.. _pool];
            _pool.Clear();
            simulation.World.Random.Shuffle(pool);
            foreach (SubmittableAnchor anchor in pool)
            {
                if (!Takes(anchor, entries, Head.InForceAt(timeS, simulation.Scenario.EpochSeconds).Active, timeS))
                {
                    simulation.World.Trace(-1, Happened.Reverted, anchor.Header, (long)anchor.Header.Epoch);
                    continue;
                }

                entries = [.. entries, anchor.Header];
                anchored.Add(anchor);
            }
        }

        Block block = new(Head.Number + 1, timeS, Head, members, entries, simulation.Scenario.EpochSeconds);
        block.Changes.AddRange(changed);
        block.Anchors.AddRange(anchored);
        Head = block;
        simulation.World.Trace(-1, Happened.Block, null, (long)block.Number);
        if (changed.Count > 0) simulation.World.Trace(-1, Happened.Members, $"version {members.Version}: {string.Join(' ', members.Members.Select(m => simulation.Name(m.Gateway)))}", (long)members.Version);
        foreach (SubmittableAnchor anchor in anchored)
        {
            simulation.World.Trace(-1, Happened.Anchored, anchor.Header, (long)anchor.Header.Epoch);
            simulation.Checks.Anchored(block, anchor.Header);
        }
    }

    /// <summary>Ledger.anchor: the epoch rises and is not in the future, the head is named, a quorum of the set in force signed.</summary>
    private bool Takes(SubmittableAnchor anchor, AnchorHeader[] entries, GatewaySet active, ulong timeS)
    {
        AnchorHeader header = anchor.Header;
        if (entries.Length > 0 && header.Epoch <= entries[^1].Epoch) return false;
        if (header.Epoch > timeS / simulation.Scenario.EpochSeconds) return false;
        if (header.Previous != (entries.Length == 0 ? Hash32.Zero : entries[^1].Hash())) return false;
        Hash32 digest = header.Digest(simulation.Scenario.Domain);
        HashSet<Address> signers = [];
        foreach (Attestation attestation in anchor.Attestations)
        {
            if (!active.Contains(attestation.Gateway) || !simulation.Keys.IsOver(attestation, digest)) return false;
            signers.Add(attestation.Gateway);
        }

        return signers.Count >= active.Quorum;
    }
}
