using System.Data.Common;
using System.Diagnostics.Metrics;
using System.Numerics;
using System.Security.Cryptography;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Dispute;

/// <summary>What the stage goes by.</summary>
/// <param name="Self">This gateway.</param>
/// <param name="Confirmations">A block counts as final under so many.</param>
/// <param name="PollInterval">How often it looks.</param>
/// <param name="Turn">Patience with each gateway that is before this one in the order of who reports an offence.</param>
/// <param name="FeeCap">Wei per gas that a transaction may cost.</param>
public sealed record DisputeOptions(Address Self, int Confirmations, TimeSpan PollInterval, TimeSpan Turn, BigInteger FeeCap)
{
    /// <summary>Whether it accuses where a bond is needed.</summary>
    public bool Accuse { get; init; } = true;
}

/// <summary>
/// Brings evidence that this gateway holds before the Disputes contract by itself: commitment, then report, from the gateway's own account. Asks
/// <see cref="DisputeCore"/> what to do next, does exactly that, and asks the chain again; what it needs for that is saved before anything is sent.
/// </summary>
public sealed class DisputeStage : IDisposable
{
    /// <summary>Disputes looked at in one turn.</summary>
    public const int DisputesPerTurnMax = 16;

    /// <summary>Pieces of evidence looked at in one turn.</summary>
    public const int EvidencePerTurnMax = 256;

    /// <summary>Turns that give way to an anchor whose transaction has the account's next nonce.</summary>
    public const int GivesWayMax = 8;

    /// <summary>The longest pause while something is in the way.</summary>
    public static readonly TimeSpan BackoffMax = TimeSpan.FromSeconds(60);

    private const string Part = "dispute";
    private const string Refusal = "; the contract says: ";

    private readonly DisputeOptions _options;
    private readonly IDisputeLog _log;
    private readonly CaseDesk _cases;
    private readonly MemberLists _members;
    private readonly Suspicions _suspicions;
    private readonly IDisputeChain _chain;
    private readonly NetworkLog _network;
    private readonly IFrameStore _frames;
    private readonly ChainRegistry _registry;
    private readonly Func<Address, IReadOnlyList<ReadOnlyMemory<byte>>> _keysOf;
    private readonly Func<bool> _isAnchoring;
    private readonly HealthBoard _health;
    private readonly TimeProvider _time;
    private readonly Meter _meter = new("DePIN.Gateway.Dispute");
    private readonly HashSet<Hash32> _taken = []; // offences with a record; what is kept of evidence is bounded, and so is this
    private long _frameEvidence; // the next id of the store's
    private int _gaveWay;
    private long _approvedMs; // when a bond was approved last; asked again only after a while
    private string _unsaid = ""; // why a suspicion is no accusation

    public DisputeStage(
        DisputeOptions options, IDisputeLog log, CaseDesk cases, MemberLists members, Suspicions suspicions, IDisputeChain chain, NetworkLog network, IFrameStore frames, ChainRegistry registry,
        Func<Address, IReadOnlyList<ReadOnlyMemory<byte>>> keysOf, Func<bool> isAnchoring, HealthBoard health, TimeProvider time)
    {
        (_cases, _members, _suspicions) = (cases, members, suspicions);
        (_options, _log, _chain, _network, _frames, _registry, _keysOf, _isAnchoring, _health, _time) = (options, log, chain, network, frames, registry, keysOf, isAnchoring, health, time);
        _meter.CreateObservableGauge("depin_disputes", () => log.All(DisputeLog.DisputesMax).GroupBy(d => d.State).Select(g => new Measurement<long>(g.Count(), new KeyValuePair<string, object?>("state", g.Key.ToString().ToLowerInvariant()))),
            description: "Disputes this gateway brought before the contract, by how far they are.");
    }

    /// <summary>Works until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        TimeSpan pause = _options.PollInterval;
        while (true)
        {
            bool calm = false;
            try
            {
                calm = await TurnAsync(stopping).ConfigureAwait(false);
            }
            catch (RpcException fault)
            {
                _health.Report(Part, PartState.Degraded, fault.Message, "Evidence is kept and reported later. Check chain.rpcUrls and the network.");
            }
            catch (Exception fault) when (fault is DbException or IOException or StoreException)
            {
                _health.Report(Part, PartState.Degraded, $"what is disputed cannot be saved or read ({fault.Message}).", "Nothing was sent that is not saved. Check the disk of the data folder: free space, mode, mount.");
            }

            pause = calm ? _options.PollInterval : TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, BackoffMax.Ticks));
            await Task.Delay(pause, _time, stopping).ConfigureAwait(false);
        }
    }

    /// <summary>Takes up new evidence and does what is due. False when something is in the way (see the health board). Not to be called concurrently.</summary>
    public async Task<bool> TurnAsync(CancellationToken stopping)
    {
        if (_registry.Snapshot() is not { } chain)
        {
            _health.Report(Part, PartState.Waiting, "the chain is not read up to its newest block");
            return true;
        }

        TakeUp(chain);
        await TakeUpSuspicionsAsync(chain, stopping).ConfigureAwait(false);
        IReadOnlyList<DisputeRecord> open = _log.Open(DisputesPerTurnMax);
        int cases = await _cases.FollowAsync(chain, stopping).ConfigureAwait(false);
        if (open.Count == 0 && cases == 0)
        {
            _health.Report(Part, _unsaid.Length > 0 ? PartState.Waiting : PartState.Ok, _unsaid.Length > 0 ? _unsaid : "no evidence waits");
            return true;
        }

        if (_isAnchoring() && _gaveWay++ < GivesWayMax) return true;
        _gaveWay = 0;
        ulong settled = chain.Block + 1 - Math.Min(chain.Block, (ulong)_options.Confirmations);
        bool calm = true;
        foreach (DisputeRecord record in open)
        {
            DisputeView view = await _chain.ViewAsync(record, settled, stopping).ConfigureAwait(false);
            calm &= DisputeCore.Decide(record, view, Now(), TurnMs(record, chain)) switch
            {
                DisputeAction.Commit => await SendAsync(record, Disputes.EncodeCommit(record.Commitment), DisputeState.Committed, stopping).ConfigureAwait(false),
                DisputeAction.Report => await SendAsync(record, record.Report, DisputeState.Reported, stopping).ConfigureAwait(false),
                DisputeAction.Close => await CloseAsync(record, chain.Block, stopping).ConfigureAwait(false),
                DisputeAction.GiveUp => GiveUp(record),
                _ => true,
            };
        }

        calm &= await _cases.TurnAsync(chain, settled, (reason, next) => _health.Report(Part, PartState.Degraded, reason, next), stopping).ConfigureAwait(false);
        if (calm) _health.Report(Part, PartState.Waiting, $"{open.Count} offences are being brought before the contract, {cases} cases are open{(_unsaid.Length > 0 ? $"; {_unsaid}" : "")}");
        return calm;
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    /// <summary>Makes records of evidence that has none; not of one's own offences.</summary>
    private void TakeUp(ChainSnapshot chain)
    {
        foreach (Misconduct misconduct in _network.Misconducts(EvidencePerTurnMax))
        {
            if (misconduct.Accused == _options.Self || Accusation.Of(misconduct) is not { } accusation) continue;
            TakeUp(accusation, chain);
        }

        foreach (StoredEquivocation twice in _frames.Equivocations(_frameEvidence, EvidencePerTurnMax))
        {
            if (Accusation.Of(twice.First, twice.Second, _keysOf) is { } accusation) TakeUp(accusation, chain);
            _frameEvidence = twice.Id + 1;
        }
    }

    /// <summary>Makes accusations of suspicions that hold: a wrong one costs the bond, so a device that may be known to anyone is not accused of.</summary>
    private async Task TakeUpSuspicionsAsync(ChainSnapshot chain, CancellationToken stopping)
    {
        _unsaid = "";
        foreach (Suspicion suspicion in _suspicions.All())
        {
            if (suspicion.Header.Gateway == _options.Self || _keysOf(suspicion.Device).Count > 0)
            {
                _suspicions.Drop(suspicion); // the registration or the list came
                continue;
            }

            if (!chain.Network.Active.Contains(suspicion.Header.Gateway))
            {
                _suspicions.Drop(suspicion); // it signs for nobody any more
                continue;
            }

            string about = $"{suspicion.Header.Gateway.ToChecksumString()} signed for frames of device {suspicion.Device}, which is not known here";
            if (!_options.Accuse) _unsaid = $"{about}; dispute.accuse is off";
            else if (_members.Missing > 0) _unsaid = $"{about}; it may be a member of one of {_members.Missing} device batches whose lists are not here, so nobody is accused";
            else if (_log.Open(DisputesPerTurnMax).Any(record => record.Kind == Offence.UnregisteredDevice && record.Accused == suspicion.Header.Gateway) || _cases.IsOpenAgainst(suspicion.Header.Gateway)) _unsaid = $"{about}; a case against it is open";
            else if (Math.Min(chain.Block, _members.LookedAt) < suspicion.SeenBlock + (ulong)_options.Confirmations) _unsaid = $"{about}; its registration may be in a block that is not read yet";
            else if (await IsStrangerAsync(suspicion.Device, stopping).ConfigureAwait(false) is { } stranger)
            {
                if (stranger && Accusation.Of(suspicion) is { } accusation) TakeUp(accusation, chain);
                _suspicions.Drop(suspicion);
            }
        }
    }

    /// <summary>Whether the chain itself knows no such device; null when it cannot be asked now.</summary>
    private async Task<bool?> IsStrangerAsync(Address device, CancellationToken stopping)
    {
        try
        {
            return (await _registry.KeysNowAsync(device, stopping).ConfigureAwait(false)).Count == 0;
        }
        catch (TryLaterException)
        {
            return null;
        }
    }

    private void TakeUp(Accusation accusation, ChainSnapshot chain)
    {
        Hash32 offence = DisputeRecord.OffenceOf(accusation.Kind, accusation.Accused, accusation.Subject);
        if (_taken.Contains(offence)) return;
        if (!_log.Has(offence)) _log.Save(accusation.ToRecord(_options.Self, new Hash32(RandomNumberGenerator.GetBytes(Hash32.Bytes)), Now(), chain.Block));
        if (_taken.Count < DisputeLog.DisputesMax) _taken.Add(offence);
    }

    /// <summary>One reports, by the order that the offence draws; the next only when it is still not judged a while later.</summary>
    private long TurnMs(DisputeRecord record, ChainSnapshot chain)
    {
        ulong seed = System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(record.Id.ToArray());
        Address[] order = [.. chain.Network.Active.LeadersOf(seed).Where(gateway => gateway != record.Accused)];
        int place = Array.IndexOf(order, _options.Self);
        return (place < 0 ? order.Length : place) * (long)_options.Turn.TotalMilliseconds;
    }

    private async Task<bool> SendAsync(DisputeRecord record, byte[] call, DisputeState then, CancellationToken stopping, DisputeTarget to = DisputeTarget.Disputes)
    {
        if (2 * await _chain.BaseFeeAsync(stopping).ConfigureAwait(false) > _options.FeeCap)
        {
            _health.Report(Part, PartState.Degraded, "the base fee is above anchor.feeCapGwei; evidence waits.", "Raise anchor.feeCapGwei to report sooner.");
            return true;
        }

        if (record.Kind == Offence.UnregisteredDevice && !await HasBondAsync(record, stopping).ConfigureAwait(false)) return false;
        try
        {
            await _chain.SendAsync(to, call, stopping).ConfigureAwait(false);
            _log.Update(record with { State = then, SentMs = Now(), Attempts = record.Attempts + 1 });
            return true;
        }
        catch (ExecutionRevertedException refused) when (MemberOf(refused.Revert) is { } member)
        {
            // The contract judges frames of devices that have their token; a member's comes first.
            return await SendAsync(record, DeviceRegistry.EncodeRegisterMember(member.Batch, member.Claim, member.Path), record.State, stopping, DisputeTarget.Devices).ConfigureAwait(false);
        }
        catch (ExecutionRevertedException refused)
        {
            // Another was first (the next look says so), an endpoint is behind, or the evidence is not what it seemed.
            _log.Update(record with { SentMs = Now(), Refusals = record.Refusals + 1, Text = $"{record.Text.Split(Refusal)[0]}{Refusal}{refused.Revert.Text}" });
            return true;
        }
        catch (TransactionFailedException failed)
        {
            _log.Update(record with { SentMs = Now() });
            _health.Report(Part, PartState.Degraded, $"evidence against {record.Accused.ToChecksumString()} could not be sent: {failed.Message}", $"It is tried again. {_options.Self.ToChecksumString()} needs funds for gas.");
            return false;
        }
    }

    private MemberProof? MemberOf(Revert revert) => revert.Selector == Disputes.Errors.DeviceNotRegistered && revert.Data.Length >= Hash32.Bytes
        ? _members.Proof(new DeviceIdValue(revert.Data.Span[^Hash32.Bytes..][..Address.Bytes])) : null;

    /// <summary>Whether the contract can take the bond; allows it to, where it only needs that.</summary>
    private async Task<bool> HasBondAsync(DisputeRecord record, CancellationToken stopping)
    {
        BondView bond = await _chain.BondAsync(stopping).ConfigureAwait(false);
        if (bond.Balance < bond.Bond)
        {
            _health.Report(Part, PartState.Degraded, $"{record.Accused.ToChecksumString()} {record.Text}, and this gateway cannot accuse it: the bond is {Tokens(bond.Bond)} tokens, {_options.Self.ToChecksumString()} has {Tokens(bond.Balance)}.",
                "Send it tokens, or set dispute.accuse to false; any other gateway may accuse, too.");
            return false;
        }

        if (bond.Allowance >= bond.Bond) return true;
        if (_approvedMs != 0 && DisputeCore.Elapsed(Now(), _approvedMs) < DisputeCore.ResendMs) return false;
        _approvedMs = Now();
        try
        {
            await _chain.SendAsync(DisputeTarget.Token, NetworkToken.EncodeApprove(await _chain.AddressAsync(stopping).ConfigureAwait(false), bond.Bond), stopping).ConfigureAwait(false);
            _health.Report(Part, PartState.Waiting, "the bond of an accusation is being approved");
        }
        catch (Exception failed) when (failed is TransactionFailedException or ExecutionRevertedException)
        {
            _health.Report(Part, PartState.Degraded, $"the bond of an accusation could not be approved: {failed.Message}", $"It is tried again. {_options.Self.ToChecksumString()} needs funds for gas.");
        }

        return false;
    }

    private static string Tokens(BigInteger amount) => ((decimal)(amount / 1_000_000_000_000) / 1_000_000m).ToString("0.######", System.Globalization.CultureInfo.InvariantCulture);

    private async Task<bool> CloseAsync(DisputeRecord record, ulong head, CancellationToken stopping)
    {
        Address? reporter = await _chain.ReporterAsync(record, record.MadeBlock, head, stopping).ConfigureAwait(false);
        _log.Update(record with { State = DisputeState.Judged, Reporter = reporter });
        return true;
    }

    private bool GiveUp(DisputeRecord record)
    {
        _log.Update(record with { State = DisputeState.Refused });
        return true;
    }

    private long Now() => _time.GetUtcNow().ToUnixTimeMilliseconds();
}
