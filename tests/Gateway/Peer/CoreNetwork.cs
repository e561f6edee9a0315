using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;

namespace DePIN.Gateway.Tests.Peer;

/// <summary>
/// Gateways that run the real core on real databases, joined by a queue in memory and a ledger that is a list; time goes by the test's hand. Everything is
/// deterministic. The simulator does this at large; here one thing at a time.
/// </summary>
internal sealed class CoreNetwork : IDisposable
{
    public const ulong EpochSeconds = 60;

    public static readonly Eip712Domain Domain = new(31337, Address.Parse("0x5FbDB2315678afecb367f032d93F642f64180aa3"));

    private readonly Queue<(Node From, Address To, byte[] Message)> _wire = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("depin-").FullName;
    private readonly List<ulong> _setFrom = [];

    public CoreNetwork(int gateways, int? active = null)
    {
        for (int i = 0; i < gateways; i++) Nodes.Add(new Node(this, i, Path.Combine(_folder, $"gateway-{i}")));
        SetActive(Enumerable.Range(0, active ?? gateways));
    }

    public List<Node> Nodes { get; } = [];

    public List<AnchorHeader> Ledger { get; } = [];

    public List<IReadOnlyList<Attestation>> LedgerSignatures { get; } = [];

    public Membership Members { get; private set; } = null!;

    public ulong TimeS { get; private set; } = 100 * EpochSeconds;

    public long NowMs { get; private set; } = 1_000_000;

    public ulong Epoch => Epochs.EpochAt(TimeS);

    public EpochSchedule Epochs { get; set; } = EpochSchedule.Fixed(EpochSeconds);

    /// <summary>Messages of these pass or not: for partitions.</summary>
    public Func<Node, Node, bool> Passes { get; set; } = (_, _) => true;

    public void SetActive(IEnumerable<int> nodes)
    {
        _setFrom.Add(TimeS);
        GatewaySet set = new(nodes.Select(i => Nodes[i].Signer.Address));
        Members = new Membership((ulong)_setFrom.Count, set, [.. set.Signers.ToArray().Select(s => new Member(s, Hash32.Zero, ""))]);
    }

    public Node Leader(int place = 0) => Nodes.First(n => n.Signer.Address == Members.Active.LeadersOf(Epoch)[place]);

    /// <summary>Time passes in steps of half a second: every core sees the chain, ticks, and all messages arrive; then who must, submits.</summary>
    public void Run(int seconds, bool submits = true)
    {
        for (int i = 0; i < seconds * 2; i++)
        {
            NowMs += 500;
            if (i % 2 == 1) TimeS++;
            foreach (Node node in Nodes.Where(n => n.IsUp)) node.Step();
            Deliver();
            if (submits)
                foreach (Node node in Nodes.Where(n => n.IsUp)) Submit(node);
        }
    }

    /// <summary>The next epoch begins.</summary>
    public void NextEpoch() => TimeS = Epochs.StartOf(Epoch + 1);

    public void Until(Func<bool> condition, string what, int secondsMax = 600)
    {
        for (int i = 0; i < secondsMax && !condition(); i++) Run(1);
        Assert.That(condition(), Is.True, what + "\n" + string.Join('\n', Nodes.Select(n => n.ToString())));
    }

    public void Send(Node from, Address to, PeerMessage message) => _wire.Enqueue((from, to, PeerCodec.Write(message)));

    public void Deliver()
    {
        for (int i = 0; _wire.Count > 0; i++)
        {
            Assert.That(i, Is.LessThan(100_000), "the gateways talk without end");
            (Node from, Address to, byte[] bytes) = _wire.Dequeue();
            if (Nodes.FirstOrDefault(n => n.Signer.Address == to) is not { IsUp: true } receiver || !from.IsUp || !Passes(from, receiver)) continue;
            PeerMessage message = PeerCodec.TryRead(bytes) ?? throw new InvalidOperationException("a message does not read");
            receiver.Guard(() => receiver.Core.Received(from.Signer.Address, message));
        }
    }

    /// <summary>The ledger's rules.</summary>
    public bool Submit(Node node)
    {
        if (node.Core.ToSubmit() is not { } anchor) return false;
        Hash32 head = Ledger.Count == 0 ? Hash32.Zero : Ledger[^1].Hash();
        if (anchor.Header.Previous != head || anchor.Header.Epoch > Epoch || (Ledger.Count > 0 && anchor.Header.Epoch <= Ledger[^1].Epoch)) return false;
        QuorumFault fault = Members.Active.Check(anchor.Header.Digest(Domain), [.. anchor.Attestations.OrderBy(a => a.Gateway)]);
        Assert.That(fault, Is.EqualTo(QuorumFault.None), "the contract would refuse these signatures");
        Ledger.Add(anchor.Header);
        LedgerSignatures.Add(anchor.Attestations);
        return true;
    }

    /// <summary>Every batch anchored once: no frame in two entries, and all gateways that are up agree.</summary>
    public void AssertOneLedger()
    {
        Run(5, submits: false);
        Node up = Nodes.First(n => n.IsUp && Members.Active.Contains(n.Signer.Address));
        SpanSet seen = new();
        for (ulong ordinal = 0; ordinal < (ulong)Ledger.Count; ordinal++)
        {
            foreach (BatchRecord batch in up.Log.BatchesIn(ordinal))
            {
                Assert.That(seen.Overlaps(batch.Summary.Spans), Is.False, $"a frame of batch {batch.Summary.Id} is anchored twice");
                seen.Add(batch.Summary.Spans);
            }
        }

        foreach (Node node in Nodes.Where(n => n.IsUp && Members.Active.Contains(n.Signer.Address)))
            Assert.That(node.Log.KnownEntries, Is.EqualTo((ulong)Ledger.Count), $"{node} knows every entry");
        Assert.That(Ledger.Select(a => a.Epoch), Is.Unique.And.Ordered);
    }

    public ChainSnapshot Snapshot() => new((ulong)(100 + Ledger.Count), TimeS, Epochs, Members, Members.Active, (ulong)Ledger.Count,
        Ledger.Count == 0 ? Hash32.Zero : Ledger[^1].Hash(), Ledger.Count == 0 ? null : Ledger[^1].Epoch);

    public void Dispose()
    {
        foreach (Node node in Nodes) node.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>One gateway: its key, its database, its core, and a frame store that is a list of batches.</summary>
    internal sealed class Node : INetworkHost, IDisposable
    {
        private readonly CoreNetwork _network;
        private readonly string _folder;
        private readonly HashSet<Hash32> _bodies = [];
        private ChainDatabase _database;

        public Node(CoreNetwork network, int index, string folder)
        {
            (_network, _folder, Index) = (network, Directory.CreateDirectory(folder).FullName, index);
            Signer = new GatewaySigner(EthereumCrypto.Keccak256(BitConverter.GetBytes(index + 1)).ToArray());
            _database = ChainDatabase.Open(_folder);
            Log = new NetworkLog(_database);
            Core = null!;
            Start();
        }

        public int Index { get; }
        public GatewaySigner Signer { get; }
        public NetworkLog Log { get; private set; }
        public NetworkCore Core { get; private set; }
        public bool IsUp { get; private set; } = true;
        public Anchor.Faults Faults { get; set; } = new();
        public bool RestartsOnFault { get; set; }
        public bool WithholdsBodies { get; set; }
        public SortedDictionary<ulong, BatchSummary> Own { get; } = [];
        public List<ulong> Recuts { get; } = [];
        public List<string> Blamed { get; } = [];
        public HashSet<Hash32> BadBodies { get; } = [];
        public bool FollowsChain { get; set; } = true;

        /// <summary>How far its endpoint's chain is behind, seconds.</summary>
        public ulong BehindS { get; set; }

        public BatchId Id(ulong number) => new(Signer.Address, number);

        public BatchState? StateOf(BatchId batch) => Log.Find(batch)?.State;

        /// <summary>The next own batch, over frames of one device.</summary>
        public BatchSummary Cut(int device, ulong first, ulong last)
        {
            ulong number = Own.Count == 0 ? 1 : Own.Keys.Last() + 1;
            return Own[number] = Make(number, Own.Count == 0 ? Hash32.Zero : Own[number - 1].Hash, device, first, last);
        }

        public BatchSummary Make(ulong number, Hash32 previous, int device, ulong first, ulong last, int salt = 0)
        {
            Address id = new(EthereumCrypto.Keccak256(BitConverter.GetBytes(device)).ToArray().AsSpan(12));
            FrameSpans spans = FrameSpans.From(Enumerable.Range((int)first, (int)(last - first + 1)).Select(s => new FrameKey(id, (ulong)s)))!;
            Hash32 frames = EthereumCrypto.Keccak256([.. spans.ToArray(), (byte)salt]);
            BatchHeader header = new(Signer.Address, number, previous, EthereumCrypto.Keccak256(frames.ToArray()), (uint)spans.Frames, 1, 1_000, 2_000, BatchBody.Commitment(spans.Hash(), frames));
            return new BatchSummary(header, frames, spans);
        }

        public void Start()
        {
            IsUp = true;
            Core = new NetworkCore(new NetworkRules(Signer.Address, Domain) { LeaderTimeoutS = 10, StartPatienceMs = 20_000 }, new FaultyNetworkLog(Log, () => Faults), this);
            foreach (Node other in _network.Nodes.Where(n => n != this && n.IsUp))
            {
                other.Core.Connected(Signer.Address);
                Core.Connected(other.Signer.Address);
            }
        }

        public void Stop()
        {
            IsUp = false;
            foreach (Node other in _network.Nodes.Where(n => n != this && n.IsUp)) other.Core.Disconnected(Signer.Address);
        }

        public void Restart()
        {
            Stop();
            _database.Dispose();
            _database = ChainDatabase.Open(_folder);
            Log = new NetworkLog(_database);
            Start();
        }

        /// <summary>Disk gone, key kept.</summary>
        public void LoseDisk()
        {
            Stop();
            _database.Dispose();
            Directory.Delete(_folder, recursive: true);
            Directory.CreateDirectory(_folder);
            Own.Clear();
            _bodies.Clear();
            _database = ChainDatabase.Open(_folder);
            Log = new NetworkLog(_database);
            Start();
        }

        /// <summary>The kept body of a batch is gone.</summary>
        public void Forget(BatchSummary batch) => _bodies.Remove(batch.Hash);

        public void Step() => Guard(() =>
        {
            Core.ChainChanged(FollowsChain ? _network.Snapshot() with { TimeS = _network.TimeS - BehindS } : null);
            Core.Tick();
        });

        /// <summary>A fault of the disk is a pause, or a restart.</summary>
        public void Guard(Action work)
        {
            try
            {
                work();
            }
            catch (IOException) when (!RestartsOnFault)
            {
            }
            catch (IOException)
            {
                Restart();
            }
        }

        public override string ToString() => $"gateway {Index} ({Signer.Address}): {Core.State().Waits}; {Core.State()}";

        long INetworkHost.NowMs => _network.NowMs;

        void INetworkHost.Send(Address to, PeerMessage message) => _network.Send(this, to, message);

        void INetworkHost.FetchBody(Address from, BatchSummary batch)
        {
            Node source = _network.Nodes.First(n => n.Signer.Address == from);
            BodyVerdict verdict = source.WithholdsBodies ? BodyVerdict.Unavailable : source.BadBodies.Contains(batch.Hash) ? BodyVerdict.BadFrame : BodyVerdict.Good;
            if (verdict == BodyVerdict.Good) _bodies.Add(batch.Hash);
            Core.BodyChecked(batch, verdict, new byte[] { 1 });
        }

        bool INetworkHost.HasBody(BatchSummary batch) => _bodies.Contains(batch.Hash);

        public bool Keeps(BatchSummary batch) => _bodies.Contains(batch.Hash);

        BatchSummary? INetworkHost.OwnBatch(ulong number) => Own.GetValueOrDefault(number);

        ulong INetworkHost.FirstMissingOwn(ulong from)
        {
            while (Own.ContainsKey(from)) from++;
            return from;
        }

        bool INetworkHost.IsStoreEmpty => Own.Count == 0;

        void INetworkHost.RestoreOwn(Address from, BatchSummary batch)
        {
            Node source = _network.Nodes.First(n => n.Signer.Address == from);
            if (source.IsUp && source._bodies.Contains(batch.Hash)) Own[batch.Header.Number] = batch;
            else Core.RestoreFailed(batch.Header.Number, from);
        }

        void INetworkHost.Recut(ulong number)
        {
            if (!Recuts.Contains(number)) Recuts.Add(number);
        }

        Attestation INetworkHost.Sign(Hash32 digest) => Attestation.Sign(Signer, digest);

        bool INetworkHost.IsOver(Attestation attestation, Hash32 digest) => attestation.IsOver(digest);

        AnchorHeader? INetworkHost.LedgerEntry(ulong ordinal) => ordinal < (ulong)_network.Ledger.Count ? _network.Ledger[(int)ordinal] : null;

        void INetworkHost.Blame(Address peer, string reason) => Blamed.Add($"{_network.Nodes.First(n => n.Signer.Address == peer).Index}: {reason}");

        public void Dispose()
        {
            _database.Dispose();
            Signer.Dispose();
        }
    }
}

/// <summary>Faults around each write of the core's log.</summary>
internal sealed class FaultyNetworkLog(INetworkLog inner, Func<Anchor.Faults> faults) : INetworkLog
{
    public static readonly string[] Steps = ["SaveBatchVote", "SaveCertificate", "SaveEntry", "TakeBack", "SaveAnchorVote", "SaveMisconduct"];

    public BatchRecord? Find(BatchId batch) => inner.Find(batch);
    public Hash32? Replaced(BatchId batch) => inner.Replaced(batch);
    public ulong HighestNumber(Address gateway) => inner.HighestNumber(gateway);
    public IReadOnlyList<Address> Authors() => inner.Authors();
    public IReadOnlyList<BatchRecord> Pending(int limit) => inner.Pending(limit);
    public IReadOnlyList<BatchRecord> PendingOf(Address gateway, int limit) => inner.PendingOf(gateway, limit);

    public IReadOnlyList<ulong> VoidNumbers(Address gateway) => inner.VoidNumbers(gateway);
    public (long Pending, long Void) Counts() => inner.Counts();
    public void SaveVote(BatchSummary batch, IReadOnlyList<Attestation> attestations) => Around("SaveBatchVote", () => inner.SaveVote(batch, attestations));
    public void SaveCertificate(BatchSummary batch, IReadOnlyList<Attestation> attestations) => Around("SaveCertificate", () => inner.SaveCertificate(batch, attestations));
    public bool IsAnchored(FrameSpans spans) => inner.IsAnchored(spans);
    public ulong KnownEntries => inner.KnownEntries;
    public Hash32 EntryHash(ulong ordinal) => inner.EntryHash(ordinal);
    public IReadOnlyList<BatchRecord> BatchesIn(ulong ordinal) => inner.BatchesIn(ordinal);
    public void SaveEntry(ulong ordinal, AnchorHeader anchor, IReadOnlyList<BatchSummary> contents) => Around("SaveEntry", () => inner.SaveEntry(ordinal, anchor, contents));
    public void TakeBack(ulong ordinal) => Around("TakeBack", () => inner.TakeBack(ordinal));
    public AnchorVote? VoteIn(ulong epoch) => inner.VoteIn(epoch);
    public IReadOnlyList<AnchorVote> VotesOn(Hash32 previous) => inner.VotesOn(previous);
    public void SaveVote(AnchorVote vote) => Around("SaveAnchorVote", () => inner.SaveVote(vote));
    public bool HasMisconduct(EvidenceKind kind, Address accused, ulong height) => inner.HasMisconduct(kind, accused, height);
    public void SaveMisconduct(Misconduct misconduct) => Around("SaveMisconduct", () => inner.SaveMisconduct(misconduct));
    public IReadOnlyList<Misconduct> Misconducts(int limit) => inner.Misconducts(limit);

    private void Around(string step, Action work) => faults().Around(step, () => { work(); return 0; });
}
