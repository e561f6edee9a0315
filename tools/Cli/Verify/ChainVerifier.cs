using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.Cli.Verify;

/// <summary>
/// Compares a proof with the chain: right chain, a Ledger at the address, and the Ledger's own `verify`. A ledger path follows the
/// ledger as it grows, so where the proof's path no longer leads to a peak it is rebuilt from the Anchored events and tried again.
/// </summary>
public sealed class ChainVerifier(EthereumClient client, ulong fromBlock)
{
    public const string ChainStep = "chain";
    public const string ContractStep = "ledger contract";
    public const string VerifyStep = "verified on chain";

    private readonly Dictionary<Address, LedgerHistory> histories = [];

    /// <summary>The steps in order; the first that fails is the last.</summary>
    public async Task<IReadOnlyList<ProofStep>> CheckAsync(Proof proof, CancellationToken cancel)
    {
        List<ProofStep> steps = [];
        ulong chainId = await client.GetChainIdAsync(cancel).ConfigureAwait(false);
        if (chainId != proof.ChainId)
        {
            steps.Add(new ProofStep(ChainStep, ProofOutcome.Failed, $"the endpoint is of chain {chainId}, the proof of chain {proof.ChainId}: name an endpoint of that chain"));
            return steps;
        }

        steps.Add(new ProofStep(ChainStep, ProofOutcome.Passed, $"chain {chainId}"));
        byte[] code = await client.GetCodeAsync(proof.Ledger, stopping: cancel).ConfigureAwait(false);
        if (code.Length == 0)
        {
            steps.Add(new ProofStep(ContractStep, ProofOutcome.Failed, $"no contract at {proof.Ledger.ToChecksumString()}"));
            return steps;
        }

        steps.Add(new ProofStep(ContractStep, ProofOutcome.Passed, proof.Ledger.ToChecksumString()));
        LedgerReader ledger = new(client, proof.Ledger);
        ProofVerdict verdict = await ledger.VerifyAsync(proof, ct: cancel).ConfigureAwait(false);
        string path = "";
        if (verdict.Refusal?.Selector == Ledger.Errors.NotInLedger)
        {
            LedgerHistory history = await FollowAsync(ledger, cancel).ConfigureAwait(false);
            if (history.TryRefresh(proof) is { } refreshed)
            {
                verdict = await ledger.VerifyAsync(refreshed, ct: cancel).ConfigureAwait(false);
                path = ", with the ledger path of today";
            }
        }

        steps.Add(verdict.Refusal is { } refusal
            ? new ProofStep(VerifyStep, ProofOutcome.Failed, $"the ledger refuses: {refusal.Text}")
            : new ProofStep(VerifyStep, ProofOutcome.Passed, $"sequence {verdict.Sequence} of device {Convert.ToHexStringLower(verdict.Device)}{path}"));
        return steps;
    }

    private async Task<LedgerHistory> FollowAsync(LedgerReader ledger, CancellationToken cancel)
    {
        if (!histories.TryGetValue(ledger.Address, out LedgerHistory? history))
        {
            histories[ledger.Address] = history = new LedgerHistory(fromBlock);
        }

        await ledger.FollowAsync(history, await client.GetBlockNumberAsync(cancel).ConfigureAwait(false), cancel).ConfigureAwait(false);
        return history;
    }
}
