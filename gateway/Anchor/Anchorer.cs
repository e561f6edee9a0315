using System.Globalization;
using System.Numerics;
using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Registry;

namespace DePIN.Gateway.Anchor;

/// <summary>
/// Puts anchors that have a quorum onto the ledger: asks <see cref="AnchorCore"/> what to do next, does exactly that, and asks again.
/// A transaction is saved before it is sent, and every step can be done twice without harm, so a crash between any two is only a pause.
/// </summary>
public sealed class Anchorer(
    AnchorRules rules, IEthereumSigner signer, IAnchorLog log, RegistryLog registry, ChainRegistry follower, IAnchorChain chain,
    Func<AnchorTask> next, HealthBoard health, TimeProvider time, TimeSpan pollInterval)
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
            catch (Exception fault) when (fault is System.Data.Common.DbException or IOException or Store.StoreException)
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
            AnchorTask task = next();
            if (task.Anchor is null)
            {
                health.Report(Part, task.IsInTheWay ? PartState.Degraded : task.Waits.Length == 0 ? PartState.Ok : PartState.Waiting, task.Waits.Length == 0 ? "every certificate is on the ledger" : task.Waits);
                return !task.IsInTheWay;
            }

            if (await ReadAsync(task.Anchor, stopping).ConfigureAwait(false) is not { } input) return true;
            AnchorAction action = AnchorCore.Decide(input, rules);
            bool? goOn = action switch
            {
                AnchorAction.Wait wait => Await(wait, input),
                AnchorAction.Submit submit => await SubmitAsync(submit, input, stopping).ConfigureAwait(false),
                AnchorAction.Send send => await SendAsync(send, stopping).ConfigureAwait(false),
                _ => throw new InvalidOperationException($"unknown action {action}"),
            };
            if (goOn is not true) return goOn is null;
        }

        return true;
    }

    /// <summary>Everything the core decides on, all of one block; null while the chain is not read up to its head.</summary>
    private async Task<AnchorInput?> ReadAsync(SubmittableAnchor anchor, CancellationToken stopping)
    {
        if (!follower.IsCurrent || registry.Last is not { } last)
        {
            health.Report(Part, PartState.Waiting, "the chain is not read up to its newest block");
            return null;
        }

        AccountView? account = await chain.ViewAsync(rules.Self, last.Number, stopping).ConfigureAwait(false);
        // Read the log after the endpoint: if the follower moved on meanwhile, the two do not belong together.
        LedgerEntry? head = registry.LedgerHead();
        // The set in force in the epoch being built: a change counts from the border after it.
        EpochSchedule epochs = follower.Epochs;
        GatewaySet? active = account is null ? null : registry.MembershipBefore(epochs.StartOf(epochs.EpochAt(account.TimeS)))?.Active;
        if (account is null || active is null || account.BlockHash != last.Hash || registry.Last != last)
        {
            health.Report(Part, PartState.Waiting, "the chain moves");
            return null;
        }

        Counters.Look(account.Balance);
        ChainView view = new(last.Number, account.TimeS, epochs, active, head?.Hash ?? Hash32.Zero, head?.Header.Epoch, account.MinedNonce, account.Balance, account.BaseFeePerGas);
        return new AnchorInput(view, anchor, log.Attempts(anchor.Header.Hash()), Now());
    }

    /// <returns>Null: calm. False: in the way.</returns>
    private bool? Await(AnchorAction.Wait wait, AnchorInput input)
    {
        switch (wait.Reason)
        {
            case AnchorWait.FeeAboveCap:
                health.Report(Part, PartState.Degraded, $"the base fee is {Gwei(input.Chain.BaseFeePerGas)} gwei, above the cap of {Gwei(rules.FeeCap)}.",
                    "Anchors wait for a lower fee; raise anchor.feeCapGwei to anchor sooner.");
                return null;
            case AnchorWait.MinedInVain:
                health.Report(Part, PartState.Degraded, $"transactions of epoch {input.Anchor.Header.Epoch} are in the chain, but the anchor is not on the ledger.",
                    "The next is made later and later, at most an hour apart. If this stays, check that chain.ledger belongs to this network and why the transactions failed.");
                return null;
            case AnchorWait.InFlight:
                health.Report(Part, PartState.Waiting, $"the transaction of epoch {input.Anchor.Header.Epoch} waits for a block");
                return null;
            default:
                health.Report(Part, PartState.Waiting, wait.Reason is AnchorWait.EpochAhead ? $"the signed anchor's epoch begins at chain time {wait.UntilS} s" : "another anchor came first");
                return null;
        }
    }

    private async Task<bool?> SubmitAsync(AnchorAction.Submit submit, AnchorInput input, CancellationToken stopping)
    {
        byte[] call = AnchorChain.Call(submit.Anchor.Header, submit.Anchor.Attestations, input.Chain.Active);
        ulong limit;
        try
        {
            if ((submit.GasLimit ?? await EstimateAsync(call, stopping).ConfigureAwait(false)) is not { } estimated)
            {
                health.Report(Part, PartState.Failed, $"no contract is at the ledger's address {rules.Domain.VerifyingContract.ToChecksumString()}; nothing is sent, a transaction would be paid for nothing.",
                    "The chain went back to before the deployment, or chain.ledger belongs to another network. Check both; certificates are kept and anchored then.");
                return false;
            }

            limit = estimated;
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
        log.SaveAttempt(submit.Anchor.Header.Hash(), new AnchorAttempt(
            signed.Hash, submit.Nonce, submit.MaxFeePerGas, submit.PriorityFeePerGas, limit, Now(), 0, signed.Raw));
        if (submit.GasLimit is not null) Counters.Replaced++;
        return true; // the next decision sends it
    }

    /// <summary>A quarter more than now: the tree's merges cost more in some blocks than in others.</summary>
    private async Task<ulong?> EstimateAsync(byte[] call, CancellationToken stopping)
    {
        ulong? gas = await chain.EstimateAsync(rules.Self, call, stopping).ConfigureAwait(false);
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

/// <summary>What the network core has for the anchorer: an anchor to put onto the chain now, or what it waits for (empty: nothing).</summary>
public sealed record AnchorTask(SubmittableAnchor? Anchor, string Waits, bool IsInTheWay = false);

/// <summary>What the anchorer did since the start; for metrics.</summary>
public sealed class AnchorCounters
{
    /// <summary>Transactions handed to an endpoint, repetitions included.</summary>
    public long Sent { get; internal set; }

    /// <summary>Transactions replaced at a higher fee.</summary>
    public long Replaced { get; internal set; }

    /// <summary>Turns that ended in a failure of endpoint or disk.</summary>
    public long Failures { get; internal set; }

    /// <summary>The account's balance when it was last looked at, ether; -1 before.</summary>
    public double BalanceEther { get; private set; } = -1;

    /// <summary>What the balance fell by between two looks, in all.</summary>
    public double SpentEther { get; private set; }

    internal void Look(BigInteger wei)
    {
        double ether = (double)wei / 1e18;
        if (BalanceEther > ether) SpentEther += BalanceEther - ether;
        BalanceEther = ether;
    }
}
