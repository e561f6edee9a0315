using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Cli.Terminal;
using DePIN.Evidence;

namespace DePIN.Cli.Verify;

/// <summary>`depin verify`: says of every step of a proof whether it holds. Offline it needs nothing but the file.</summary>
public static class VerifyCommand
{
    public static Command Create()
    {
        Argument<string> file = new("file") { Description = "A proof that 'depin prove' wrote.", HelpName = "FILE" };
        Option<string?> rpc = new("--rpc") { Description = "Also compare with the chain through this endpoint.", HelpName = "URL" };
        Option<ulong> from = new("--from-block") { Description = "With --rpc: the block the ledger was deployed in; only a proof older than the ledger's last merge needs its events.", HelpName = "N" };
        Option<bool> json = new("--json") { Description = "One JSON line: proven, offline, steps." };
        Command command = new("verify", "Checks a proof, offline or against the chain.") { file, rpc, from, json };
        command.SetAction((parsed, cancel) => RunAsync(parsed.GetValue(file)!, parsed.GetValue(rpc), parsed.GetValue(from), parsed.GetValue(json), cancel));
        return command;
    }

    private static async Task<int> RunAsync(string file, string? rpc, ulong fromBlock, bool json, CancellationToken cancel)
    {
        Proof proof = ProofFile.Read(file);
        ProofReport report = ProofVerifier.Check(proof);
        List<ProofStep> steps = [.. report.Steps];
        bool proven = report.Passed;
        if (rpc is not null && (proven || report.NeedsKeyFromChain))
        {
            using ChainClient chain = new(rpc);
            IReadOnlyList<ProofStep> onChain = await ChainClient.AskAsync(() => new ChainVerifier(chain.Client, fromBlock).CheckAsync(proof, cancel)).ConfigureAwait(false);
            steps.AddRange(onChain);
            proven = onChain.All(step => step.Outcome == ProofOutcome.Passed);
        }

        if (json)
        {
            JsonArray list = [.. steps.Select(step => new JsonObject { ["step"] = step.Name, ["outcome"] = step.Outcome.ToString().ToLowerInvariant(), ["detail"] = step.Detail })];
            Console.WriteLine(new JsonObject { ["proven"] = proven, ["offline"] = rpc is null, ["steps"] = list }.ToJsonString(JsonSerializerOptions.Default));
        }
        else
        {
            Print(steps);
            Console.WriteLine(!proven ? report.NeedsKeyFromChain && rpc is null ? $"NOT PROVEN without the chain: depin verify {file} --rpc URL" : "NOT PROVEN" : rpc is null
                ? $"holds together; to compare with the chain, ask any endpoint of chain {proof.ChainId}: depin verify {file} --rpc URL"
                : "PROVEN");
        }

        return proven ? ExitCode.Ok : ExitCode.NotProven;
    }

    public static void Print(IEnumerable<ProofStep> steps)
    {
        foreach (ProofStep step in steps)
        {
            string mark = step.Outcome switch { ProofOutcome.Passed => "ok  ", ProofOutcome.Failed => "FAIL", _ => "-   " };
            Console.WriteLine($"{mark} {step.Name,-18} {step.Detail}");
        }
    }
}
