// Everything the chain says that rewards are computed from: events only, and state that never changes, so that no archive node is needed.
using System.Numerics;
using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>A root that was published and not replaced.</summary>
/// <param name="Payout">What a quorum signed.</param>
/// <param name="ClaimableFrom">When claims begin, seconds.</param>
/// <param name="Block">Where.</param>
public sealed record PublishedPayout(Rewards.Payout Payout, ulong ClaimableFrom, ulong Block);

/// <summary>An anchor, and the epoch it was mined in: it is paid in that one.</summary>
public sealed record RewardedAnchor(LedgerEntry Entry, ulong Epoch);

/// <summary>
/// Follows a network's contracts from their deployment and says, for an epoch, what the rule needs: rates, owners, operators, who signed and sent its anchors.
/// What it holds is derived anew when a reorganisation took a block back. About 300 bytes an event in memory. Not safe for concurrent use.
/// </summary>
public sealed class RewardHistory
{
    private readonly IRewardChain _chain;
    private readonly RewardContracts _at;
    private readonly ulong _firstBlock;
    private readonly List<RewardedAnchor> _anchors = [];
    private readonly List<PublishedPayout> _payouts = [];
    private readonly List<(ulong Block, byte Parameter, BigInteger Before, BigInteger Value)> _parameters = [];
    private readonly List<(ulong Block, ushort Profile, BigInteger Weight)> _profileWeights = [];
    private readonly List<(ulong First, ulong Start, ulong Length)> _segments = [];
    private readonly List<(ulong Block, ulong Version)> _sets = [];
    private readonly Dictionary<ulong, GatewaySet> _signers = [];
    private readonly Dictionary<Address, DeviceTimeline> _devices = [];
    private readonly Dictionary<Address, List<(ulong Block, Address Operator)>> _operators = [];
    private readonly Dictionary<Hash32, AnchorWork> _works = [];
    private readonly List<ulong> _blocks = []; // of all events, ascending, each once
    private readonly Dictionary<ulong, ulong> _times = [];
    private (ulong Number, Hash32 Hash)? _last;

    /// <param name="chain">What is believed of the chain.</param>
    /// <param name="at">The contracts.</param>
    /// <param name="deployedAtBlock">Nothing is read before it.</param>
    public RewardHistory(IRewardChain chain, RewardContracts at, ulong deployedAtBlock)
    {
        ArgumentNullException.ThrowIfNull(chain);
        ArgumentNullException.ThrowIfNull(at);
        (_chain, _at, _firstBlock) = (chain, at, deployedAtBlock);
    }

    /// <summary>The anchors, by ordinal.</summary>
    public IReadOnlyList<RewardedAnchor> Anchors => _anchors;

    /// <summary>The published roots, the oldest first.</summary>
    public IReadOnlyList<PublishedPayout> Payouts => _payouts;

    /// <summary>Time of the last block read, seconds; 0 before the first.</summary>
    public ulong TimeS { get; private set; }

    /// <summary>The last block read; null before the first.</summary>
    public ulong? Block => _last?.Number;

    /// <summary>Reads up to a block. False when the chain changed meanwhile: ask again.</summary>
    /// <exception cref="RpcAnswerException">An event does not decode, or anchors are missing.</exception>
    public async Task<bool> FollowAsync(ulong toBlock, CancellationToken ct = default)
    {
        if (_last is { } last && await HashAsync(last.Number, ct).ConfigureAwait(false) != last.Hash) Clear();
        ulong from = _last is { } read ? read.Number + 1 : _firstBlock;
        if (from > toBlock) return _last is not null;
        if (await _chain.BlockAsync(toBlock, ct).ConfigureAwait(false) is not { } end) return false;
        LogFilter filter = new([_at.DeviceRegistry, _at.GatewayRegistry, _at.Ledger, _at.Parameters, _at.Rewards], [Topics], from, toBlock);
        IReadOnlyList<EventLog> logs = await _chain.LogsAsync(filter, ct).ConfigureAwait(false);
        if (await HashAsync(toBlock, ct).ConfigureAwait(false) != end.Hash) return false;
        foreach (EventLog log in logs.OrderBy(log => log.BlockNumber).ThenBy(log => log.LogIndex))
        {
            if (_blocks.Count == 0 || _blocks[^1] != log.BlockNumber) _blocks.Add(log.BlockNumber);
            await TakeAsync(log, ct).ConfigureAwait(false);
        }

        (_last, TimeS) = ((toBlock, end.Hash), end.Timestamp);
        return true;
    }

    /// <summary>When an epoch begins, seconds.</summary>
    public ulong TimeOf(ulong epoch)
    {
        (ulong first, ulong start, ulong length) = _segments.Last(segment => segment.First <= epoch);
        return start + (epoch - first) * length;
    }

    /// <summary>The epoch of a time, as the ledger counts.</summary>
    public ulong EpochAt(ulong timeS)
    {
        (ulong first, ulong start, ulong length) = _segments.Last(segment => segment.Start <= timeS);
        return first + (timeS - start) / length;
    }

    /// <summary>
    /// The least epoch that the next payout may end with: the first epoch after the one of the very first anchor; later the one in which the root before becomes good for claims; and never one before
    /// the emission was last lowered, because the contract measures the whole payout by the lower one. Null while there is no anchor.
    /// </summary>
    /// <param name="before">The root before; null for the first payout.</param>
    /// <param name="toBlock">Decrees up to here count.</param>
    /// <param name="ct">Ends it.</param>
    public async Task<ulong?> LeastEpochAsync(PublishedPayout? before, ulong toBlock, CancellationToken ct = default)
    {
        if (_anchors.Count == 0) return null;
        ulong least = before is null ? _anchors[0].Epoch + 1 : Math.Max(before.Payout.Epoch + 1, EpochAt(before.ClaimableFrom));
        foreach ((ulong block, _, _, _) in _parameters.Where(change => change.Parameter == (byte)Parameter.EmissionPerDay && change.Value < change.Before && change.Block <= toBlock).TakeLast(1))
            least = Math.Max(least, EpochAt(await TimeAsync(block, ct).ConfigureAwait(false)));
        return least;
    }

    /// <summary>The first epoch of all that is paid for; null while there is no anchor.</summary>
    public ulong? FirstEpoch => _anchors.Count == 0 ? null : _anchors[0].Epoch + 1;

    /// <summary>The rates at the end of an epoch.</summary>
    public async Task<RewardRates> RatesAsync(ulong epoch, CancellationToken ct = default)
    {
        ulong end = await LastBlockAsync(epoch, ct).ConfigureAwait(false);
        BigInteger Value(Parameter which) => _parameters.Last(change => change.Parameter == (byte)which && change.Block <= end).Value;
        return new RewardRates(Value(Parameter.EmissionPerDay), Value(Parameter.DeviceShare), Value(Parameter.FramesPerDeviceMax), Value(Parameter.DoubtfulShare));
    }

    /// <summary>What counts for whom in an epoch that is over.</summary>
    /// <param name="epoch">Its number.</param>
    /// <param name="contents">The spans of the batches under each of its anchors.</param>
    /// <param name="ct">Ends it.</param>
    public async Task<(List<RewardedDevice> Devices, List<RewardedGateway> Gateways)> WorkAsync(
        ulong epoch, IReadOnlyList<(RewardedAnchor Anchor, IReadOnlyList<FrameSpans> Spans)> contents, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(contents);
        ulong begins = TimeOf(epoch), end = await LastBlockAsync(epoch, ct).ConfigureAwait(false);
        List<RewardedDevice> devices = [];
        foreach (IGrouping<Address, FrameSpan> device in contents.SelectMany(one => one.Spans).SelectMany(spans => spans.Runs).GroupBy(run => run.Device))
        {
            if (_devices.GetValueOrDefault(device.Key) is not { } known || (known.RevokedAt is { } at && at < begins)) continue;
            Address owner = known.Owners.LastOrDefault(change => change.Block <= end).Owner;
            foreach ((ushort profile, (ulong frames, ulong doubtful)) in Distinct(device))
                devices.Add(new RewardedDevice(device.Key, known.KeyKind, owner, frames, doubtful, ProfileWeight(profile, end)));
        }

        List<RewardedGateway> gateways = [];
        foreach ((RewardedAnchor anchor, _) in contents)
        {
            AnchorWork work = await WorkOfAsync(anchor, ct).ConfigureAwait(false);
            ulong certificates = anchor.Entry.Header.Batches;
            foreach (Address signer in work.Signers) gateways.Add(new RewardedGateway(signer, Payee(signer, end), certificates));
            if (work.Set.Contains(work.Sender)) gateways.Add(new RewardedGateway(work.Sender, Payee(work.Sender, end), certificates));
        }

        return (devices, gateways);
    }

    /// <summary>The gateways that may sign a payout in an epoch.</summary>
    public async Task<GatewaySet> SetInForceAsync(ulong epoch, CancellationToken ct = default)
    {
        ulong version = _sets[0].Version;
        foreach ((ulong block, ulong next) in _sets.Skip(1))
            if (EpochAt(await TimeAsync(block, ct).ConfigureAwait(false)) < epoch) version = next;
        if (!_signers.TryGetValue(version, out GatewaySet? set)) _signers[version] = set = await _chain.SetAsync(_at.GatewayRegistry, version, ct).ConfigureAwait(false);
        return set;
    }

    private static IReadOnlyList<Hash32> Topics { get; } =
    [
        DeviceRegistry.DeviceRegisteredEvent.Topic, DeviceRegistry.DeviceRevokedEvent.Topic, DeviceRegistry.TransferEvent.Topic,
        GatewayRegistry.ActiveSetChangedEvent.Topic, GatewayRegistry.StakedEvent.Topic, GatewayRegistry.StakeWithdrawnEvent.Topic,
        Ledger.AnchoredEvent.Topic, Ledger.EpochLengthChangedEvent.Topic, Parameters.ParameterChangedEvent.Topic, Parameters.ProfileWeightChangedEvent.Topic, Rewards.PayoutPublishedEvent.Topic,
    ];

    private async Task TakeAsync(EventLog log, CancellationToken ct)
    {
        ulong block = log.BlockNumber;
        if (Parameters.ParameterChangedEvent.TryDecode(log.Topics, log.Data, out var changed)) _parameters.Add((block, changed.Parameter, changed.Before, changed.Value));
        else if (Parameters.ProfileWeightChangedEvent.TryDecode(log.Topics, log.Data, out var weight)) _profileWeights.Add((block, weight.Profile, weight.Weight));
        else if (Ledger.EpochLengthChangedEvent.TryDecode(log.Topics, log.Data, out var segment)) _segments.Add((segment.FirstEpoch, segment.StartTime, segment.EpochSeconds));
        else if (DeviceRegistry.DeviceRegisteredEvent.TryDecode(log.Topics, log.Data, out var registered)) Device(new Address(registered.Device)).KeyKind = registered.KeyKind;
        else if (DeviceRegistry.DeviceRevokedEvent.TryDecode(log.Topics, log.Data, out var revoked)) Device(new Address(revoked.Device)).RevokedAt = revoked.At;
        else if (DeviceRegistry.TransferEvent.TryDecode(log.Topics, log.Data, out var moved)) Device(DeviceOf(moved.Id)).Owners.Add((block, moved.To));
        else if (GatewayRegistry.ActiveSetChangedEvent.TryDecode(log.Topics, log.Data, out var set)) _sets.Add((block, set.Version));
        else if (GatewayRegistry.StakedEvent.TryDecode(log.Topics, log.Data, out var staked)) Operators(staked.Signer).Add((block, staked.Operator));
        else if (GatewayRegistry.StakeWithdrawnEvent.TryDecode(log.Topics, log.Data, out var withdrawn)) Operators(withdrawn.Signer).Add((block, Address.Zero));
        else if (Rewards.PayoutPublishedEvent.TryDecode(log.Topics, log.Data, out var published)) await PublishAsync(published, block, ct).ConfigureAwait(false);
        else if (log.Address == _at.Ledger) await AnchorAsync(log, ct).ConfigureAwait(false);
        else throw new RpcAnswerException("result", $"a log of block {block} is no event of the network's contracts");
    }

    private async Task AnchorAsync(EventLog log, CancellationToken ct)
    {
        LedgerEntry entry = LedgerReader.ToEntry(log);
        Hash32 head = _anchors.Count == 0 ? Hash32.Zero : _anchors[^1].Entry.Hash;
        if (entry.Ordinal != (ulong)_anchors.Count || entry.Header.Previous != head)
        {
            Clear(); // read again from the start: nothing is computed with a hole in it
            throw new RpcAnswerException("result", $"the node gives anchor {entry.Ordinal} where another one must follow: its log index is incomplete");
        }

        _anchors.Add(new RewardedAnchor(entry, EpochAt(await TimeAsync(log.BlockNumber, ct).ConfigureAwait(false))));
    }

    /// <summary>A root replaces the last one while that waits for its escrow to end; later it comes after it.</summary>
    private async Task PublishAsync(Rewards.PayoutPublishedEvent published, ulong block, CancellationToken ct)
    {
        if (_payouts.Count > 0 && await TimeAsync(block, ct).ConfigureAwait(false) < _payouts[^1].ClaimableFrom) _payouts.RemoveAt(_payouts.Count - 1);
        _payouts.Add(new PublishedPayout(new Rewards.Payout(published.Epoch, published.Previous, published.Root, published.Total), published.ClaimableFrom, block));
    }

    /// <summary>The last block of an epoch that is over, as far as events go: one that has events.</summary>
    private async Task<ulong> LastBlockAsync(ulong epoch, CancellationToken ct)
    {
        ulong end = TimeOf(epoch + 1);
        int low = 0, high = _blocks.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (await TimeAsync(_blocks[middle], ct).ConfigureAwait(false) < end) low = middle + 1;
            else high = middle;
        }

        return low == 0 ? 0 : _blocks[low - 1];
    }

    /// <summary>Who signed an anchor and who sent it: its transaction says so. Sent through another contract it does not, and pays no gateway.</summary>
    private async Task<AnchorWork> WorkOfAsync(RewardedAnchor anchor, CancellationToken ct)
    {
        if (_works.TryGetValue(anchor.Entry.Hash, out AnchorWork? known)) return known;
        TransactionInfo sent = await _chain.TransactionAsync(anchor.Entry.TransactionHash, ct).ConfigureAwait(false)
            ?? throw new RpcAnswerException("result", $"the node does not have transaction {anchor.Entry.TransactionHash} of anchor {anchor.Entry.Ordinal}: use one that keeps transactions");
        GatewaySet set = await SetInForceAsync(anchor.Epoch, ct).ConfigureAwait(false);
        AnchorWork work = new(set, [], Address.Zero);
        byte[] call = Ledger.EncodeAnchor(anchor.Entry.Header, BigInteger.Zero, []);
        // Selector and header as recorded, then the mask of signers.
        if (sent.To == _at.Ledger && sent.Input.Length >= call.Length && sent.Input.Span[..MaskOffset].SequenceEqual(call.AsSpan(0, MaskOffset)))
        {
            BigInteger mask = new(sent.Input.Span.Slice(MaskOffset, Hash32.Bytes), isUnsigned: true, isBigEndian: true);
            List<Address> signers = [];
            for (int i = 0; i < set.Count; i++)
                if (((mask >> i) & 1) == 1) signers.Add(set.Signers[i]);
            work = new AnchorWork(set, signers, sent.From);
        }

        return _works[anchor.Entry.Hash] = work;
    }

    private const int MaskOffset = 4 + 5 * Hash32.Bytes;

    /// <summary>Frames and doubtful ones by profile, each sequence once: of what is anchored twice the run that begins first counts, and of two that begin together the shorter one.</summary>
    private static Dictionary<ushort, (ulong Frames, ulong Doubtful)> Distinct(IEnumerable<FrameSpan> runs)
    {
        Dictionary<ushort, (ulong Frames, ulong Doubtful)> counts = [];
        ulong reached = 0; // sequences begin at 1
        foreach (FrameSpan run in runs.OrderBy(run => run.First).ThenBy(run => run.Last).ThenBy(run => run.Profile).ThenBy(run => run.Doubtful))
        {
            ulong first = Math.Max(run.First, reached + 1);
            if (run.Last < first) continue;
            (ulong frames, ulong doubtful) = counts.GetValueOrDefault(run.Profile);
            ulong more = run.Last - first + 1;
            counts[run.Profile] = (frames + more, doubtful + Math.Min(more, run.Doubtful));
            reached = run.Last;
        }

        return counts;
    }

    private BigInteger ProfileWeight(ushort profile, ulong end)
    {
        foreach ((ulong block, ushort which, BigInteger weight) in Enumerable.Reverse(_profileWeights))
            if (which == profile && block <= end) return weight;
        return RewardRule.Whole;
    }

    private Address Payee(Address signer, ulong end)
    {
        Address operated = _operators.TryGetValue(signer, out List<(ulong Block, Address Operator)>? changes) ? changes.LastOrDefault(change => change.Block <= end).Operator : Address.Zero;
        return operated.IsZero ? signer : operated;
    }

    private DeviceTimeline Device(Address id)
    {
        if (!_devices.TryGetValue(id, out DeviceTimeline? device)) _devices[id] = device = new DeviceTimeline();
        return device;
    }

    private List<(ulong Block, Address Operator)> Operators(Address signer)
    {
        if (!_operators.TryGetValue(signer, out List<(ulong, Address)>? changes)) _operators[signer] = changes = [];
        return changes;
    }

    /// <summary>tokenId = uint160(device id).</summary>
    private static Address DeviceOf(BigInteger token)
    {
        byte[] id = new byte[Address.Bytes], digits = token.ToByteArray(isUnsigned: true, isBigEndian: true);
        if (digits.Length > id.Length) throw new RpcAnswerException("result", $"{token} is no device's token");
        digits.CopyTo(id, id.Length - digits.Length);
        return new Address(id);
    }

    private async Task<ulong> TimeAsync(ulong block, CancellationToken ct)
    {
        if (!_times.TryGetValue(block, out ulong time))
        {
            _times[block] = time = (await _chain.BlockAsync(block, ct).ConfigureAwait(false))?.Timestamp
                ?? throw new RpcAnswerException("result", $"the node does not have block {block}, of which it gave events");
        }

        return time;
    }

    private async Task<Hash32?> HashAsync(ulong block, CancellationToken ct) => (await _chain.BlockAsync(block, ct).ConfigureAwait(false))?.Hash;

    private void Clear()
    {
        _anchors.Clear();
        _payouts.Clear();
        _parameters.Clear();
        _profileWeights.Clear();
        _segments.Clear();
        _sets.Clear();
        _signers.Clear();
        _devices.Clear();
        _operators.Clear();
        _works.Clear();
        _blocks.Clear();
        _times.Clear();
        (_last, TimeS) = (null, 0);
    }

    private sealed class DeviceTimeline
    {
        public byte KeyKind { get; set; }

        public ulong? RevokedAt { get; set; }

        public List<(ulong Block, Address Owner)> Owners { get; } = [];
    }

    private sealed record AnchorWork(GatewaySet Set, IReadOnlyList<Address> Signers, Address Sender);
}
