using System.Globalization;
using System.Numerics;
using DePIN.Evidence;
using DePIN.Gateway.Attest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Registry;

namespace DePIN.Gateway.Anchor;

/// <summary>
/// Brings certificates to the ledger: asks <see cref="AnchorCore"/> what to do next, does exactly that, and asks again.
/// Every step is saved before it shows outside (a signed anchor before a peer sees it, a transaction before it is sent),
/// and every step can be done twice without harm, so a crash between any two is only a pause.
/// </summary>
public sealed class Anchorer(
    AnchorRules rules, GatewaySigner signer, IAnchorLog log, RegistryLog registry, ChainRegistry follower, OwnEntries own, IAnchorChain chain,
    IPeers peers, HealthBoard health, TimeProvider time, TimeSpan pollInterval)
{
    /// <summary>Actions in a row before the loop pauses, so that no fault can make it spin.</summary>
    public const int ActionsPerTurnMax = 8;

    /// <summary>The longest pause while something is in the way.</summary>
    public static readonly TimeSpan BackoffMax = TimeSpan.FromSeconds(60);

    private const string Part = "anchor";

    /// <summary>Actions done since the start, by kind.</summary>
    public AnchorCounters Counters { get; } = new();

    /// <summary>Works until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        TimeSpan pause = pollInterval;
        while (true)
        {
            bool calm = false;
            try
            {
                calm = await TurnAsync(stopping).ConfigureAwait(false);
            }
            catch (RpcException fault)
            {
                Counters.Failures++;
                health.Report(Part, PartState.Degraded, fault.Message, "Certificates are kept and anchored later. Check chain.rpcUrls and the network.");
            }
            catch (Exception fault) when (fault is Microsoft.Data.Sqlite.SqliteException or IOException)
            {
                Counters.Failures++;
                health.Report(Part, PartState.Degraded, $"chain.db cannot be written ({fault.Message}).", "Nothing was sent that is not saved. Check the disk of the data folder: free space, mode, mount.");
            }

            pause = calm ? pollInterval : TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, BackoffMax.Ticks));
            await Task.Delay(pause, time, stopping).ConfigureAwait(false);
        }
    }

    /// <summary>Acts until there is nothing to do now. False when something is in the way (see the health board). Not to be called concurrently.</summary>
    public async Task<bool> TurnAsync(CancellationToken stopping)
    {
        for (int i = 0; i < ActionsPerTurnMax; i++)
        {
            if (await ReadAsync(stopping).ConfigureAwait(false) is not { } input) return true;
            AnchorAction action = AnchorCore.Decide(input, rules);
            bool? goOn = action switch
            {
                AnchorAction.Wait wait => Await(wait, input),
                AnchorAction.Sign sign => Sign(sign),
                AnchorAction.Collect collect => await CollectAsync(collect, input, stopping).ConfigureAwait(false),
                AnchorAction.Submit submit => await SubmitAsync(submit, input, stopping).ConfigureAwait(false),
                AnchorAction.Send send => await SendAsync(send, stopping).ConfigureAwait(false),
                _ => throw new InvalidOperationException($"unknown action {action}"),
            };
            if (goOn is not true) return goOn is null;
        }

        return true;
    }

    /// <summary>Everything the core decides on, all of one block; null while the chain is not read up to its head.</summary>
    private async Task<AnchorInput?> ReadAsync(CancellationToken stopping)
    {
        if (!follower.IsCurrent || registry.Last is not { } last || registry.ActiveSet() is not { } active)
        {
            health.Report(Part, PartState.Waiting, "the chain is not read up to its newest block");
            return null;
        }

        AccountView? account = await chain.ViewAsync(rules.Self, last.Number, stopping).ConfigureAwait(false);
        // Read the log after the endpoint: if the follower moved on meanwhile, the two do not belong together.
        LedgerEntry? head = registry.LedgerHead();
        if (account is null || account.BlockHash != last.Hash || registry.Last != last)
        {
            health.Report(Part, PartState.Waiting, "the chain moves");
            return null;
        }

        ChainView view = new(last.Number, account.TimeS, active.Set, head?.Hash ?? Hash32.Zero, head?.Header.Epoch, account.MinedNonce, account.Balance, account.BaseFeePerGas);
        bool matched = own.AreMatchedUpTo(view.Head); // before what is pending: a match takes from that
        AnchorInput input = new(view, log.OnTopOf(view.Head), log.LastSignedEpoch, log.Pending(rules.CertificatesMax), matched, Now());
        if (registry.Last == last) return input;
        health.Report(Part, PartState.Waiting, "the chain moves"); // the pending certificates, too, must be those of that block
        return null;
    }

    /// <returns>Null: calm. False: in the way.</returns>
    private bool? Await(AnchorAction.Wait wait, AnchorInput input)
    {
        switch (wait.Reason)
        {
            case AnchorWait.NothingPending:
                health.Report(Part, PartState.Ok, "every certificate is on the ledger");
                return null;
            case AnchorWait.NotActive:
                health.Report(Part, PartState.Degraded, $"gateway {rules.Self.ToChecksumString()} is not in the active set.",
                    "Ask the network's gateways to add it (GatewayRegistry.change).");
                return false;
            case AnchorWait.FeeAboveCap:
                health.Report(Part, PartState.Degraded, $"the base fee is {Gwei(input.Chain.BaseFeePerGas)} gwei, above the cap of {Gwei(rules.FeeCap)}.",
                    "Anchors wait for a lower fee; raise anchor.feeCapGwei to anchor sooner.");
                return null;
            case AnchorWait.InFlight:
                health.Report(Part, PartState.Waiting, $"the transaction of epoch {input.OnHead!.Header.Epoch} waits for a block");
                return null;
            default:
                health.Report(Part, PartState.Waiting, wait.Reason switch
                {
                    AnchorWait.EpochTaken => $"this epoch has its anchor; the next begins at chain time {wait.UntilS} s",
                    AnchorWait.NotMatched => "the batches of before the start are certified again, to see which of them the ledger has already",
                    AnchorWait.EpochAhead => $"the signed anchor's epoch begins at chain time {wait.UntilS} s",
                    _ => $"another gateway leads this epoch until chain time {wait.UntilS} s",
                });
                return null;
        }
    }

    private bool? Sign(AnchorAction.Sign sign)
    {
        log.SaveAnchor(sign.Header, [Attestation.Sign(signer, sign.Header.Digest(rules.Domain))], sign.Numbers, Now());
        Counters.Signed++;
        return true;
    }

    private async Task<bool?> CollectAsync(AnchorAction.Collect collect, AnchorInput input, CancellationToken stopping)
    {
        SignedAnchor anchor = collect.Anchor;
        Hash32 digest = anchor.Header.Digest(rules.Domain);
        IReadOnlyList<ulong> numbers = log.NumbersIn(anchor.Header.Epoch);
        IReadOnlyList<Attestation> given = await peers.AttestAsync(anchor.Header, numbers, stopping).ConfigureAwait(false);
        IReadOnlyList<Attestation> sound = AttestRules.Sound(
            anchor.Attestations.Append(Attestation.Sign(signer, digest)).Concat(given), digest, input.Chain.Active);
        if (sound.Count > anchor.Attestations.Count || sound.Count >= input.Chain.Active.Quorum) log.SaveAttestations(anchor.Header.Epoch, sound);
        if (sound.Count >= input.Chain.Active.Quorum) return true;
        health.Report(Part, PartState.Waiting, $"the anchor of epoch {anchor.Header.Epoch} has {sound.Count} of {input.Chain.Active.Quorum} attestations");
        return false;
    }

    private async Task<bool?> SubmitAsync(AnchorAction.Submit submit, AnchorInput input, CancellationToken stopping)
    {
        byte[] call = AnchorChain.Call(submit.Anchor.Header, submit.Anchor.Attestations, input.Chain.Active);
        ulong limit;
        try
        {
            limit = submit.GasLimit ?? await EstimateAsync(call, stopping).ConfigureAwait(false);
        }
        catch (ExecutionRevertedException reverted)
        {
            // Most likely the chain moved since the block we look at; if it stays, a person must know.
            health.Report(Part, PartState.Degraded, $"the ledger would refuse the anchor of epoch {submit.Anchor.Header.Epoch}: {reverted.Revert.Text}.", "It is tried again. If this stays, check that chain.ledger belongs to this network.");
            return false;
        }

        BigInteger cost = submit.MaxFeePerGas * limit;
        if (input.Chain.Balance < cost)
        {
            health.Report(Part, PartState.Failed, $"the gateway's account has {Ether(input.Chain.Balance)}, an anchor may cost {Ether(cost)}.",
                $"Send funds to {rules.Self.ToChecksumString()}; certificates are kept and anchored then.");
            return false;
        }

        SignedTransaction signed = new Transaction(rules.Domain.ChainId, submit.Nonce, submit.PriorityFeePerGas, submit.MaxFeePerGas, limit,
            rules.Domain.VerifyingContract, BigInteger.Zero, call).Sign(signer);
        log.SaveAttempt(submit.Anchor.Header.Epoch, new AnchorAttempt(
            signed.Hash, submit.Nonce, submit.MaxFeePerGas, submit.PriorityFeePerGas, limit, Now(), 0, signed.Raw));
        if (submit.GasLimit is not null) Counters.Replaced++;
        return true; // the next decision sends it
    }

    /// <summary>A quarter more than now: the tree's merges cost more in some blocks than in others.</summary>
    private async Task<ulong> EstimateAsync(byte[] call, CancellationToken stopping)
    {
        ulong gas = await chain.EstimateAsync(rules.Self, call, stopping).ConfigureAwait(false);
        return gas + gas / 4;
    }

    private async Task<bool?> SendAsync(AnchorAction.Send send, CancellationToken stopping)
    {
        SendResult result = await chain.SendAsync(send.Attempt.Raw, stopping).ConfigureAwait(false);
        Counters.Sent++;
        switch (result.Outcome)
        {
            case SendOutcome.InsufficientFunds:
                health.Report(Part, PartState.Failed, "the gateway's account cannot pay for an anchor.", $"Send funds to {rules.Self.ToChecksumString()}; certificates are kept and anchored then.");
                return false;
            case SendOutcome.Rejected or SendOutcome.NonceTooHigh:
                log.MarkSent(send.Attempt.Hash, Now()); // paced by the resend interval
                health.Report(Part, PartState.Degraded, $"the endpoint refuses the transaction of epoch {send.Anchor.Header.Epoch}: {result.Message}.", "It is tried again. Another endpoint in chain.rpcUrls may take it.");
                return false;
            default:
                // Accepted, already known, or overtaken: the followed blocks will tell which. Underpriced ones are replaced in time.
                log.MarkSent(send.Attempt.Hash, Now());
                return true;
        }
    }

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();

    private static string Gwei(BigInteger wei) => ((decimal)wei / 1_000_000_000m).ToString("0.#########", CultureInfo.InvariantCulture);

    private static string Ether(BigInteger wei) => ((double)wei / 1e18).ToString("0.######", CultureInfo.InvariantCulture) + " ether";
}

/// <summary>What the anchorer did since the start; for metrics.</summary>
public sealed class AnchorCounters
{
    /// <summary>Anchors signed.</summary>
    public long Signed { get; internal set; }

    /// <summary>Transactions handed to an endpoint, repetitions included.</summary>
    public long Sent { get; internal set; }

    /// <summary>Transactions replaced at a higher fee.</summary>
    public long Replaced { get; internal set; }

    /// <summary>Turns that ended in a failure of endpoint or disk.</summary>
    public long Failures { get; internal set; }
}
