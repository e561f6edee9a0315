using System.Text.Json.Nodes;
using DePIN.Devnet;

namespace DePIN.Contracts.Tests;

/// <summary>Foundry's own tests of the Solidity sources, and whether what is committed of the compiled contracts is theirs.</summary>
public sealed class FoundryTests
{
    // Fewer would mean that forge did not find the suites.
    private const int TestsMin = 150;
    // What every invariant is asked at least, over all campaigns that ask it.
    private const long CallsPerInvariantMin = 100_000;

    [Test]
    public async Task All_of_foundrys_unit_fuzz_and_invariant_tests_pass()
    {
        ToolResult result = await Foundry.RunForgeAsync(["test", "--json"]).ConfigureAwait(false);
        // Compiler notes come before the report.
        int start = result.Output.IndexOf('{', StringComparison.Ordinal);
        Assert.That(start, Is.GreaterThanOrEqualTo(0), () => $"forge wrote no report (exit {result.ExitCode}):\n{result.Error}\n{result.Output}");
        JsonObject report = JsonNode.Parse(result.Output[start..])!.AsObject();
        List<string> failed = [];
        Dictionary<string, long> calls = [];
        int passed = 0;
        foreach ((string suite, JsonNode? results) in report)
        {
            foreach ((string test, JsonNode? outcome) in results!["test_results"]!.AsObject())
            {
                if (outcome!["status"]!.GetValue<string>() == "Success")
                    passed++;
                else
                    failed.Add($"{suite} {test}: {outcome["reason"]} {outcome["counterexample"]?.ToJsonString()}");
                if (outcome["kind"]?["Invariant"] is JsonObject campaign)
                    calls[test] = calls.GetValueOrDefault(test) + campaign["calls"]!.GetValue<long>();
            }
        }
        TestContext.Out.WriteLine($"{passed} of Foundry's tests passed; calls: {string.Join(", ", calls.Select(entry => $"{entry.Key} {entry.Value}"))}.");
        Assert.Multiple(() =>
        {
            Assert.That(failed, Is.Empty);
            Assert.That(passed, Is.GreaterThanOrEqualTo(TestsMin));
            Assert.That(calls, Is.Not.Empty);
            Assert.That(calls.Where(entry => entry.Value < CallsPerInvariantMin), Is.Empty, "campaigns were cut short: [profile.default.invariant] in foundry.toml");
            Assert.That(result.ExitCode, Is.Zero);
        });
    }

    // Fuzz tests and those that read golden vectors cost another amount with each seed or vector.
    [Test]
    public async Task The_committed_gas_snapshot_is_what_the_unit_tests_cost()
    {
        ToolResult result = await Foundry.RunForgeAsync(
            ["snapshot", "--check", "--tolerance", "1", "--no-match-contract", "Invariant", "--no-match-test", "testFuzz|vectors|each_broken|each_good"])
            .ConfigureAwait(false);
        Assert.That(result.ExitCode, Is.Zero, () => $"make it anew (shared/Contracts/README.md, Commands):\n{result.Output}\n{result.Error}");
    }

    // Compiled anew, without the optimiser: minutes.
    [Test, Category("ByHand")]
    public async Task The_committed_coverage_is_what_the_tests_reach()
    {
        IReadOnlyList<ContractCoverage> all = await ContractsCoverage.MeasureAsync().ConfigureAwait(false);
        Assert.That(await ContractsCoverage.IsCommittedAsync(all).ConfigureAwait(false), () => $"run 'depin contracts coverage' and commit what it writes:\n{ContractsCoverage.Write(all)}");
    }

    [Test]
    public async Task The_committed_artifacts_and_callers_are_what_the_sources_give()
    {
        Assert.That(await ContractsBuild.FindStaleAsync().ConfigureAwait(false), Is.Empty, "run 'depin contracts build' and commit what it writes");
        Assert.That(ContractsBuild.IsFresh());
    }
}
