using System.Data.Common;
using System.Diagnostics.Metrics;
using System.Numerics;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;

namespace DePIN.Gateway.Reward;

/// <summary>What the stage goes by.</summary>
/// <param name="Self">This gateway.</param>
/// <param name="Contracts">The network.</param>
/// <param name="Confirmations">A block counts under so many.</param>
/// <param name="PollInterval">How often it looks.</param>
/// <param name="LeaderTimeout">Patience with each gateway that is before this one in the order of who publishes.</param>
/// <param name="FeeCap">Wei per gas that a transaction may cost.</param>
/// <param name="Publishes">Whether it sends transactions at all.</param>
public sealed record RewardOptions(Address Self, ChainAddresses Contracts, int Confirmations, TimeSpan PollInterval, TimeSpan LeaderTimeout, BigInteger FeeCap, bool Publishes);

/// <summary>What the stage saw last.</summary>
/// <param name="Published">The newest published roots, the oldest first.</param>
/// <param name="TimeS">The chain's time then; 0 before the first look.</param>
/// <param name="Agrees">Whether the last published root is what this gateway computes.</param>
/// <param name="Against">Gateways that signed another root than this one's.</param>
public sealed record RewardState(IReadOnlyList<PublishedPayout> Published, ulong TimeS, bool Agrees, IReadOnlyList<Address> Against);

/// <summary>
/// Computes, out of the chain and the batches it knows, what everybody earned; signs it, collects the others' signatures and publishes the root when a quorum has the same. A gateway that
/// computes something else does not sign what the others do, and says so; a wrong root on the chain is replaced by a quorum that computed another, until its escrow ends. Everything here can be
/// computed again, so a crash is a pause: nothing is signed that could not be signed twice.
/// </summary>
public sealed class RewardStage : IDisposable
{
    /// <summary>The own signature is sent again so often: peers keep none over a restart.</summary>
    public static readonly TimeSpan RepeatInterval = TimeSpan.FromSeconds(5);

    /// <summary>Transactions for one payout before the pause between them is the longest.</summary>
    public const int AttemptsQuickMax = 4;

    /// <summary>The longest pause between two transactions for one payout, and after a fault.</summary>
    public static readonly TimeSpan BackoffMax = TimeSpan.FromMinutes(5);

    /// <summary>The part of /health.</summary>
    public const string Part = "reward";

    private static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(60);

    private readonly RewardOptions _options;
    private readonly IEthereumSigner _key;
    private readonly EthereumClient _chain;
    private readonly IRewardChain _read;
    private readonly ChainRegistry _registry;
    private readonly NetworkLog _network;
    private readonly RewardLog _log;
    private readonly IPeerTransport _transport;
    private readonly Func<bool> _isAnchoring;
    private readonly HealthBoard _health;
    private readonly TimeProvider _time;
    private readonly PayoutVotes _votes;
    private readonly TransactionSender _sender;
    private readonly Meter _meter = new("DePIN.Gateway.Reward");
    private (RewardContracts At, RewardHistory History, RewardCalculator Calculator, Eip712Domain Domain)? _found;
    private (Rewards.Payout? Payout, RewardSums Sums, bool Agrees) _base = (null, new RewardSums(), true);
    private (Rewards.Payout Payout, Attestation Mine)? _signed;
    private long _saidAt, _quorumAt, _sentAt, _published, _epoch;
    private int _attempts, _against;
    private volatile RewardState _state = new([], 0, true, []);

    /// <param name="options">What it goes by.</param>
    /// <param name="key">Signs payouts and transactions.</param>
    /// <param name="chain">Where transactions go.</param>
    /// <param name="read">What rewards are computed from: what <c>chain.rpcAgree</c> endpoints say alike.</param>
    /// <param name="registry">How far the chain is read.</param>
    /// <param name="network">The batches under anchors.</param>
    /// <param name="log">Where sums are kept.</param>
    /// <param name="transport">To the peers.</param>
    /// <param name="isAnchoring">Whether an own anchor is under way.</param>
    /// <param name="health">Where it says how it stands.</param>
    /// <param name="time">Its clock.</param>
    public RewardStage(
        RewardOptions options, IEthereumSigner key, EthereumClient chain, IRewardChain read, ChainRegistry registry, NetworkLog network, RewardLog log, IPeerTransport transport,
        Func<bool> isAnchoring, HealthBoard health, TimeProvider time)
    {
        (_options, _key, _chain, _read, _registry, _network, _log, _transport, _isAnchoring, _health, _time) = (options, key, chain, read, registry, network, log, transport, isAnchoring, health, time);
        _votes = new PayoutVotes((peer, reason) => transport.Blame(peer, PeerScores.BrokenRule, reason));
        _sender = new TransactionSender(chain, key, time);
        _meter.CreateObservableGauge("depin_reward_epoch", () => Interlocked.Read(ref _epoch), description: "Last epoch of the payout this gateway signed last.");
        _meter.CreateObservableGauge("depin_reward_disagreements", () => (long)_against, description: "Gateways that computed another root than this one; with the root on chain, if that is another.");
        _meter.CreateObservableCounter("depin_reward_published", () => Interlocked.Read(ref _published), description: "Roots this gateway brought onto the chain.");
    }

    /// <summary>What was published and who computed something else, as of the last look; from any thread.</summary>
    public RewardState State => _state;

    /// <summary>Takes what a peer signed; from any thread.</summary>
    public void Received(Address peer, PayoutMessage message) => _votes.Received(peer, message);

    /// <summary>Works until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        TimeSpan pause = _options.PollInterval;
        while (true)
        {
            try
            {
                await TurnAsync(stopping).ConfigureAwait(false);
                pause = _options.PollInterval;
            }
            catch (Exception fault) when (fault is RpcException or AnchorContentsException or DbException or IOException or InvalidDataException or Store.StoreException)
            {
                (PartState state, string next) = fault switch
                {
                    AnchorContentsException => (PartState.Waiting, ""),
                    RpcException => (PartState.Degraded, "Rewards are computed later, nothing is lost. Check chain.rpcUrls and the network."),
                    _ => (PartState.Degraded, "Nothing was published that is not computed. Check the disk of the data folder: free space, mode, mount."),
                };
                _health.Report(Part, state, fault.Message, next);
                pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, BackoffMax.Ticks));
            }

            await Task.Delay(pause, _time, stopping).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    private async Task TurnAsync(CancellationToken stopping)
    {
        if (!_registry.IsCurrent || _registry.Head is not { } head)
        {
            _health.Report(Part, PartState.Waiting, "the chain is not read up to its newest block");
            return;
        }

        ulong settled = head.Number + 1 - Math.Min(head.Number + 1, (ulong)_options.Confirmations);
        if (settled < _options.Contracts.DeployedAtBlock) return;
        if (await NetworkAsync(stopping).ConfigureAwait(false) is not { } network) return;
        (RewardContracts at, RewardHistory history, RewardCalculator calculator, Eip712Domain domain) = network;
        if (!await history.FollowAsync(settled, stopping).ConfigureAwait(false)) return; // the chain moves
        await RebaseAsync(history, calculator, stopping).ConfigureAwait(false);

        PublishedPayout? previous = history.Payouts.Count > 0 ? history.Payouts[^1] : null;
        _state = new RewardState([.. history.Payouts.TakeLast(RewardLog.PayoutsMax)], head.TimeS, _base.Agrees, _state.Against);
        if ((Replacement(previous, head.TimeS) ?? await calculator.NextAsync(_base.Sums, previous, stopping).ConfigureAwait(false)) is not var (payout, sums))
        {
            _state = _state with { Against = [] };
            Tell(previous is null ? "nothing was earned yet" : $"the payout up to epoch {previous.Payout.Epoch} is on the chain");
            return;
        }

        Sign(new ComputedPayout(payout, sums), domain);
        GatewaySet active = await history.SetInForceAsync(history.EpochAt(head.TimeS), stopping).ConfigureAwait(false);
        Say(active);
        List<Attestation> votes = [.. _votes.For(payout, domain, active)];
        if (active.Contains(_options.Self)) votes = [.. votes.Append(_signed!.Value.Mine).OrderBy(vote => vote.Gateway)];
        IReadOnlyList<Address> against = _votes.Against(payout, active);
        _against = against.Count + (_base.Agrees ? 0 : 1);
        _state = _state with { Against = against };
        if (votes.Count < active.Quorum)
        {
            _quorumAt = 0;
            if (against.Count > 0 && _base.Agrees)
                _health.Report(Part, PartState.Degraded, $"for epoch {payout.Epoch} other roots than this gateway's were computed by {string.Join(", ", against.Select(one => one.ToChecksumString()))}.",
                    "Nothing is published without a quorum. 'depin audit' says who is right; an endpoint that withholds events is the most likely reason.");
            else
                Tell($"{votes.Count} of {active.Quorum} signatures over the payout up to epoch {payout.Epoch}", PartState.Waiting);
            return;
        }

        if (_quorumAt == 0) _quorumAt = _time.GetTimestamp();
        Tell($"the payout up to epoch {payout.Epoch} has a quorum", PartState.Waiting);
        if (_options.Publishes && IsDue(payout, active)) await PublishAsync(payout, active, votes, at, stopping).ConfigureAwait(false);
    }

    /// <summary>The contracts, asked for once; null in a network without rewards.</summary>
    private async Task<(RewardContracts At, RewardHistory History, RewardCalculator Calculator, Eip712Domain Domain)?> NetworkAsync(CancellationToken stopping)
    {
        if (_found is { } known) return known;
        ChainAddresses contracts = _options.Contracts;
        if (await _read.ContractsAsync(contracts.DeviceRegistry, contracts.GatewayRegistry, contracts.Ledger, stopping).ConfigureAwait(false) is not { } at)
        {
            _health.Report(Part, PartState.Ok, "this network pays no rewards");
            return null;
        }

        RewardHistory history = new(_read, at, contracts.DeployedAtBlock);
        return _found = (at, history, new RewardCalculator(history, ContentsAsync), new Eip712Domain(contracts.ChainId, at.Rewards));
    }

    /// <summary>What repair brought here of an anchor; it is complete once the entry is known.</summary>
    private Task<IReadOnlyList<FrameSpans>> ContentsAsync(RewardedAnchor anchor, CancellationToken stopping)
    {
        ulong ordinal = anchor.Entry.Ordinal;
        if (ordinal >= _network.KnownEntries || _network.EntryHash(ordinal) != anchor.Entry.Hash) throw new AnchorContentsException(ordinal, "peers are asked for them");
        return Task.FromResult<IReadOnlyList<FrameSpans>>([.. _network.BatchesIn(ordinal).Select(batch => batch.Summary.Spans)]);
    }

    /// <summary>Brings the sums to the last published payout: as they were kept, or computed again from the first one on.</summary>
    private async Task RebaseAsync(RewardHistory history, RewardCalculator calculator, CancellationToken stopping)
    {
        Rewards.Payout? last = history.Payouts.Count > 0 ? history.Payouts[^1].Payout : null;
        if (_base.Payout == last) return;
        IReadOnlyList<ComputedPayout> kept = _log.All();
        int from = history.Payouts.Count - 1;
        while (from >= 0 && !kept.Any(one => IsSound(one, history.Payouts[from].Payout))) from--;
        RewardSums sums = from < 0 ? new RewardSums() : kept.First(one => IsSound(one, history.Payouts[from].Payout)).Sums;
        bool agrees = true;
        for (int i = from + 1; i < history.Payouts.Count; i++)
        {
            Rewards.Payout payout = history.Payouts[i].Payout;
            sums = await calculator.SumsAsync(sums, i == 0 ? null : history.Payouts[i - 1], payout.Epoch, stopping).ConfigureAwait(false);
            agrees = sums.Root() == payout.Root && sums.Total == payout.Total;
            if (agrees) _log.Save(new ComputedPayout(payout, sums));
        }

        _base = (last, sums, agrees);
        _against = agrees ? 0 : 1;
    }

    /// <summary>In place of a wrong root whose escrow runs: the contract takes another one over the same epochs until it ends.</summary>
    private (Rewards.Payout Payout, RewardSums Sums)? Replacement(PublishedPayout? last, ulong nowS) =>
        last is null || _base.Agrees || nowS >= last.ClaimableFrom || _base.Sums.Total.IsZero ? null : (last.Payout with { Root = _base.Sums.Root(), Total = _base.Sums.Total }, _base.Sums);

    /// <summary>What is kept must give the root it is kept for: a number that the disk changed is computed again.</summary>
    private static bool IsSound(ComputedPayout kept, Rewards.Payout payout) => kept.Payout == payout && kept.Sums.Root() == payout.Root && kept.Sums.Total == payout.Total;

    /// <summary>Keeps the sums, then signs. The same payout always gives the same signature, and another one replaces it without harm.</summary>
    private void Sign(ComputedPayout computed, Eip712Domain domain)
    {
        if (_signed?.Payout == computed.Payout) return;
        _log.Save(computed);
        _signed = (computed.Payout, Attestation.Sign(_key, RewardPayout.Digest(computed.Payout, domain)));
        Interlocked.Exchange(ref _epoch, (long)computed.Payout.Epoch);
        (_saidAt, _quorumAt, _sentAt, _attempts) = (0, 0, 0, 0);
    }

    private void Say(GatewaySet active)
    {
        if (!active.Contains(_options.Self) || (_saidAt != 0 && _time.GetElapsedTime(_saidAt) < RepeatInterval)) return;
        _saidAt = _time.GetTimestamp();
        foreach (Address peer in active.Signers.ToArray())
            if (peer != _options.Self) _transport.Send(peer, new PayoutMessage(_signed!.Value.Payout, _signed.Value.Mine)); // a full queue is counted there; it is said again
    }

    /// <summary>Its maker's turn in the order of the epoch, as with anchors; after each transaction that did not help, later and later.</summary>
    private bool IsDue(Rewards.Payout payout, GatewaySet active)
    {
        int place = Array.IndexOf(active.LeadersOf(payout.Epoch), _options.Self);
        if (place < 0) return false;
        TimeSpan waited = _time.GetElapsedTime(_quorumAt);
        if (waited < place * _options.LeaderTimeout) return false;
        if (_isAnchoring() && waited < (place + 3) * _options.LeaderTimeout) return false; // its transaction has the account's next nonce
        if (_attempts == 0) return true;
        TimeSpan rest = _attempts >= AttemptsQuickMax ? BackoffMax : TimeSpan.FromTicks(Math.Min(BackoffMax.Ticks, _options.LeaderTimeout.Ticks << _attempts));
        return _time.GetElapsedTime(_sentAt) >= rest;
    }

    private async Task PublishAsync(Rewards.Payout payout, GatewaySet active, IReadOnlyList<Attestation> votes, RewardContracts at, CancellationToken stopping)
    {
        Block head = await _chain.GetBlockAsync(BlockTag.Latest, stopping).ConfigureAwait(false) ?? throw new RpcAnswerException("result", "the node has no latest block");
        if (2 * head.BaseFeePerGas > _options.FeeCap)
        {
            _health.Report(Part, PartState.Degraded, "the base fee is above anchor.feeCapGwei; the payout waits.", "Raise anchor.feeCapGwei to publish sooner.");
            return;
        }

        // Another gateway was first: the contract takes each payout once.
        Rewards.Published waiting = await ContractCall.ReadAsync<Rewards.Published>(_chain, at.Rewards, "pending()", Rewards.EncodePending(), Rewards.TryDecodePending, default, stopping).ConfigureAwait(false);
        if (waiting.Epoch == payout.Epoch && waiting.Root == payout.Root && waiting.Total == payout.Total)
        {
            Tell("another gateway published first", PartState.Waiting); // the followed blocks will say so
            return;
        }

        (BigInteger signers, byte[] signatures) = active.Pack(votes);
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        patience.CancelAfter(SendTimeout);
        (_attempts, _sentAt) = (_attempts + 1, _time.GetTimestamp());
        try
        {
            await _sender.SendAsync(at.Rewards, Rewards.EncodePublish(payout, signers, signatures), patience.Token).ConfigureAwait(false);
            Interlocked.Increment(ref _published);
            Tell($"published the payout up to epoch {payout.Epoch}");
        }
        catch (ExecutionRevertedException refused) when (refused.Revert.Selector is Rewards.Errors.EpochNotAfter or Rewards.Errors.WrongPrevious)
        {
            Tell("another gateway published first", PartState.Waiting); // the followed blocks will say so
        }
        catch (ExecutionRevertedException refused)
        {
            _health.Report(Part, PartState.Degraded, $"the Rewards contract would refuse the payout up to epoch {payout.Epoch}: {refused.Revert.Text}.", "It is tried again, at longer and longer pauses. If this stays, 'depin audit' may say why.");
        }
        catch (Exception failed) when (failed is TransactionFailedException or TimeoutException || (failed is OperationCanceledException && !stopping.IsCancellationRequested))
        {
            _health.Report(Part, PartState.Degraded, $"the payout's transaction did not succeed ({failed.Message}).", "It is tried again, by the others too. Check the balance of the gateway's account.");
        }
    }

    private void Tell(string text, PartState otherwise = PartState.Ok)
    {
        if (_base.Agrees) _health.Report(Part, otherwise, text);
        else _health.Report(Part, PartState.Degraded, $"the root on the chain is not what this gateway computes; {text}.",
            "A quorum that computes another root replaces it by itself until its escrow ends; then this gateway goes on with its own sums. 'depin audit' names the first difference.");
    }
}
