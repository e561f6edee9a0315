using System.Numerics;
using DePIN.Evidence;
using DePIN.Gateway.Anchor;
using DePIN.Gateway.Peer;

namespace DePIN.Gateway.Tests.Anchor;

/// <summary>
/// The pure core against a simulated chain, pool, store and clock, driven by seeded random events: blocks, reorganisations,
/// lost transactions, lost records, crashes before and after each durable step, fee spikes, rival anchors. A failing seed replays.
/// </summary>
internal sealed class AnchorCoreTests
{
    [Test]
    public void Random_histories_never_anchor_a_certificate_twice_and_end_with_all_anchored([Range(1, 60)] int seed)
    {
        Simulation simulation = new(seed, gateways: 1 + seed % 4);
        for (int i = 0; i < 400; i++) simulation.RandomEvent();
        simulation.Calm();
        for (int i = 0; i < 2_000 && simulation.PendingCount > 0; i++) simulation.GoodEvent();
        Assert.That(simulation.PendingCount, Is.Zero, $"seed {seed}: everything is anchored once faults end");
    }

    [Test]
    public void Transactions_that_are_mined_in_vain_become_rare()
    {
        GatewaySigner signer = new(Enumerable.Repeat((byte)7, 32).ToArray());
        AnchorRules rules = Simulation.Rules(signer.Address);
        SubmittableAnchor anchor = new(new AnchorHeader(1_000, Hash32.Zero, EthereumCrypto.Keccak256([1]), 1, 1), []);
        List<AnchorAttempt> attempts = [];
        int waited = 0;
        for (long now = 0; now < 24 * 3_600_000; now += 1_000)
        {
            // Every transaction is mined at once, and none gets the anchor onto the ledger.
            ChainView view = new(1, 60_000, EpochSchedule.Fixed(60), new GatewaySet([signer.Address]), Hash32.Zero, null, (ulong)attempts.Count, BigInteger.Pow(10, 20), 1_000_000_000);
            switch (AnchorCore.Decide(new AnchorInput(view, anchor, attempts, now), rules))
            {
                case AnchorAction.Submit submit: attempts.Add(new AnchorAttempt(EthereumCrypto.Keccak256(BitConverter.GetBytes(attempts.Count)), submit.Nonce, submit.MaxFeePerGas, submit.PriorityFeePerGas, 100_000, now, now, [])); break;
                case AnchorAction.Wait wait: Assert.That(wait.Reason, Is.EqualTo(AnchorWait.MinedInVain)); waited++; break;
                default: Assert.Fail("nothing is out"); break;
            }
        }

        Assert.That(attempts, Has.Count.InRange(20, 40), "a day of a broken ledger: two free, then 15 s doubling up to an hour");
        Assert.That(waited, Is.GreaterThan(80_000));
    }

    private sealed class Simulation
    {
        private static readonly BigInteger Gwei = 1_000_000_000;
        private readonly Random _random;
        private readonly GatewaySigner _signer;
        private readonly GatewaySet _active;
        private readonly AnchorRules _rules;
        private readonly List<Block> _chain = [new([], 0)];
        private readonly Dictionary<Hash32, Tx> _pool = [];
        private readonly Dictionary<Hash32, Tx> _ever = [];
        private readonly List<Signed> _signed = [];
        private readonly List<BatchHeader> _certificates = [];
        private BigInteger _baseFee = Gwei;
        private ulong _time = 60_000;
        private long _clockMs = 1_000_000;

        public Simulation(int seed, int gateways)
        {
            _random = new Random(seed);
            _signer = new GatewaySigner(Enumerable.Repeat((byte)(seed % 250 + 1), 32).ToArray());
            // The other gateways' signatures are not this core's business: a quorum of one is what the set of one has; in larger
            // sets the simulation stands in for peers by adding their (unchecked) attestations.
            _active = new GatewaySet(Enumerable.Range(1, gateways - 1).Select(i => new Address(Enumerable.Repeat((byte)i, 20).ToArray())).Append(_signer.Address));
            _rules = Rules(_signer.Address);
        }

        public int PendingCount => _certificates.Count - AnchoredNumbers().Count;

        public static AnchorRules Rules(Address self) => new(self, new Eip712Domain(1, self), 100 * Gwei, Gwei, 60_000, 250);

        public void Calm() => _baseFee = Gwei;

        public void RandomEvent()
        {
            switch (_random.Next(12))
            {
                case 0: Certify(); break;
                case 1 or 2: Mine(_random.Next(3) > 0); break;
                case 3: if (_random.Next(3) == 0) Reorganise(_random.Next(1, 6)); break;
                case 4: _pool.Clear(); break;
                case 5: _baseFee = _random.Next(1, 200) * Gwei; break;
                case 6: _clockMs += _random.Next(0, 90_000); break;
                case 7: _clockMs -= _random.Next(0, 120_000); break;
                case 8: Rival(); break;
                case 9 when _random.Next(6) == 0: foreach (Signed signed in _signed) signed.Attempts.Clear(); break; // records lost: the transactions are not
                default: Act(); break;
            }

            Check();
        }

        public void GoodEvent()
        {
            Act();
            Mine(true);
            _clockMs += 20_000;
            Check();
        }

        private void Certify()
        {
            ulong number = (ulong)_certificates.Count + 1;
            Hash32 made = EthereumCrypto.Keccak256(BitConverter.GetBytes(number));
            _certificates.Add(new BatchHeader(_signer.Address, number, number == 1 ? Hash32.Zero : _certificates[^1].Hash(), made, 1, 1, 1, 1, made));
        }

        /// <summary>One decision; each durable step may be lost before, or lost after (done, but the caller does not know).</summary>
        private void Act()
        {
            if (Next() is not { } anchor) return;
            bool lost = _random.Next(6) == 0;
            List<AnchorHeader> ledger = Ledger();
            ChainView view = new((ulong)_chain.Count, _time, EpochSchedule.Fixed(60), _active, ledger.Count == 0 ? Hash32.Zero : ledger[^1].Hash(), ledger.Count == 0 ? null : ledger[^1].Epoch, Nonce(), BigInteger.Pow(10, 20), _baseFee);
            switch (AnchorCore.Decide(new AnchorInput(view, new SubmittableAnchor(anchor.Header, []), anchor.Attempts, _clockMs), _rules))
            {
                case AnchorAction.Submit submit when !lost:
                    Assert.That(submit.MaxFeePerGas, Is.LessThanOrEqualTo(_rules.FeeCap));
                    Assert.That(submit.PriorityFeePerGas, Is.LessThanOrEqualTo(submit.MaxFeePerGas));
                    Hash32 hash = EthereumCrypto.Keccak256([.. anchor.Header.Hash().ToArray(), .. BitConverter.GetBytes(submit.Nonce), .. submit.MaxFeePerGas.ToByteArray(), (byte)_ever.Count, (byte)(_ever.Count >> 8)]);
                    _ever[hash] = new Tx(hash, submit.Nonce, anchor.Header, submit.MaxFeePerGas);
                    anchor.Attempts.Add(new AnchorAttempt(hash, submit.Nonce, submit.MaxFeePerGas, submit.PriorityFeePerGas, 100_000, _clockMs, 0, []));
                    break;
                case AnchorAction.Send send:
                    if (!lost && send.Attempt.Nonce >= Nonce()) _pool[send.Attempt.Hash] = _ever[send.Attempt.Hash];
                    if (_random.Next(6) != 0) // else: sent, but a crash forgot it
                        anchor.Attempts[anchor.Attempts.FindIndex(t => t.Hash == send.Attempt.Hash)] = send.Attempt with { SentMs = _clockMs };
                    break;
            }
        }

        /// <summary>What the network core would hand over: the anchor signed on the head, or a new one in a free epoch.</summary>
        private Signed? Next()
        {
            List<AnchorHeader> ledger = Ledger();
            Hash32 head = ledger.Count == 0 ? Hash32.Zero : ledger[^1].Hash();
            if (_signed.FirstOrDefault(s => s.Header.Previous == head) is { } onHead) return onHead;
            HashSet<ulong> done = AnchoredNumbers();
            BatchHeader[] pending = [.. _certificates.Where(c => !done.Contains(c.Number)).Take(3)];
            ulong epoch = _time / 60;
            if (pending.Length == 0 || (ledger.Count > 0 && ledger[^1].Epoch >= epoch) || _signed.Any(s => s.Header.Epoch == epoch)) return null;
            _signed.Add(new Signed(AnchorHeader.Build(epoch, head, pending).Anchor, [.. pending.Select(p => p.Number)], []));
            return _signed[^1];
        }

        /// <summary>The contract and the pool: lowest nonce first, dearest first, rejected anchors revert and use their nonce up.</summary>
        private void Mine(bool include)
        {
            _time += (ulong)_random.Next(1, 30);
            List<Tx> mined = [];
            Block block = new(mined, _time);
            _chain.Add(block);
            while (include)
            {
                Tx? next = _pool.Values.Where(t => t.Nonce == Nonce() && t.Fee >= _baseFee).MaxBy(t => t.Fee);
                if (next is null) break;
                List<AnchorHeader> ledger = Ledger();
                Hash32 head = ledger.Count == 0 ? Hash32.Zero : ledger[^1].Hash();
                bool takes = next.Header.Previous == head && (ledger.Count == 0 || next.Header.Epoch > ledger[^1].Epoch) && next.Header.Epoch <= _time / 60;
                mined.Add(next with { Takes = takes });
                foreach (Hash32 gone in _pool.Values.Where(t => t.Nonce <= next.Nonce).Select(t => t.Hash).ToList()) _pool.Remove(gone);
            }
        }

        /// <summary>Another gateway's anchor gets in first.</summary>
        private void Rival()
        {
            List<AnchorHeader> ledger = Ledger();
            Hash32 head = ledger.Count == 0 ? Hash32.Zero : ledger[^1].Hash();
            ulong epoch = _time / 60;
            if (_random.Next(4) != 0 || (ledger.Count > 0 && ledger[^1].Epoch >= epoch)) return;
            Hash32 root = EthereumCrypto.Keccak256(BitConverter.GetBytes(_random.NextInt64()));
            _chain.Add(new Block([new Tx(root, ulong.MaxValue, new AnchorHeader(epoch, head, root, 1, 1), 0) { Takes = true }], _time));
        }

        private void Reorganise(int depth)
        {
            for (int i = 0; i < depth && _chain.Count > 1; i++)
            {
                foreach (Tx back in _chain[^1].Mined.Where(t => t.Nonce != ulong.MaxValue))
                    if (_random.Next(2) == 0) _pool[back.Hash] = back with { Takes = false };
                _chain.RemoveAt(_chain.Count - 1);
            }
        }

        private ulong Nonce() => (ulong)_chain.Sum(b => b.Mined.Count(t => t.Nonce != ulong.MaxValue));

        private List<AnchorHeader> Ledger() => [.. _chain.SelectMany(b => b.Mined).Where(t => t.Takes).Select(t => t.Header)];

        private HashSet<ulong> AnchoredNumbers()
        {
            HashSet<Hash32> ledger = [.. Ledger().Select(h => h.Hash())];
            return [.. _signed.Where(s => ledger.Contains(s.Header.Hash())).SelectMany(s => s.Numbers)];
        }

        private void Check()
        {
            List<AnchorHeader> ledger = Ledger();
            Assert.That(ledger.Select(h => h.Epoch), Is.Ordered.And.Unique, "at most one anchor per epoch");
            HashSet<Hash32> hashes = [.. ledger.Select(h => h.Hash())];
            Assert.That(_signed.Where(s => hashes.Contains(s.Header.Hash())).SelectMany(s => s.Numbers), Is.Unique, "a certificate is on the ledger twice");
            foreach (Signed anchor in _signed)
            {
                foreach (IGrouping<ulong, AnchorAttempt> sameNonce in anchor.Attempts.GroupBy(a => a.Nonce))
                {
                    AnchorAttempt[] attempts = [.. sameNonce];
                    for (int i = 1; i < attempts.Length; i++)
                        Assert.That(attempts[i].MaxFeePerGas * 1000, Is.GreaterThanOrEqualTo(attempts[i - 1].MaxFeePerGas * 1125), "a replacement a node would refuse");
                }
            }
        }

        private sealed record Signed(AnchorHeader Header, ulong[] Numbers, List<AnchorAttempt> Attempts);

        private sealed record Block(List<Tx> Mined, ulong Time);

        private sealed record Tx(Hash32 Hash, ulong Nonce, AnchorHeader Header, BigInteger Fee)
        {
            public bool Takes { get; init; }
        }
    }
}
