// What Foundry's tests reach of the contracts: shared/Contracts/coverage.md, made anew by 'depin contracts coverage'.
using System.Globalization;
using System.Text;

namespace DePIN.Devnet;

/// <summary>How much of something there is and how much of it the tests reach.</summary>
/// <param name="Reached">By at least one test.</param>
/// <param name="Total">All there is.</param>
public readonly record struct CoverageCount(int Reached, int Total)
{
    /// <summary>"98.5 % (65 of 66)"; rounded down, so that 100 % means all of it.</summary>
    public override string ToString() => Total == 0 ? "none there"
        : string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(1000.0 * Reached / Total) / 10:0.#} % ({Reached} of {Total})");

    internal CoverageCount Plus(int reached, int total) => new(Reached + reached, Total + total);
}

/// <summary>One source file's coverage.</summary>
/// <param name="Name">Of the file in src, without its ending.</param>
/// <param name="Lines">Lines with a statement.</param>
/// <param name="Branches">Ways out of each decision.</param>
/// <param name="Functions">Functions.</param>
/// <param name="Missed">The lines and branches that no test reaches, as "src/X.sol:12".</param>
public sealed record ContractCoverage(string Name, CoverageCount Lines, CoverageCount Branches, CoverageCount Functions, IReadOnlyList<string> Missed);

/// <summary>
/// Coverage of src by the unit, fuzz and attack tests, without the campaigns, which are slow without the optimiser. forge turns that off,
/// and OpenZeppelin's P-256 does not compile so: the profile `coverage` (foundry.toml) puts the precompile in its place, so suites of
/// the Solidity fallback are left out. So are tests with megabytes, which are slow; and what is bound in gas may fail here: whether
/// tests pass is asked of the code that is deployed.
/// </summary>
public static class ContractsCoverage
{
    /// <summary>The committed table, relative to shared/Contracts.</summary>
    public const string FileName = "coverage.md";

    private static string TablePath => Path.Combine(Repository.ContractsFolder, FileName);

    /// <summary>Runs the tests and measures.</summary>
    /// <exception cref="DevnetException">The sources do not compile.</exception>
    public static async Task<IReadOnlyList<ContractCoverage>> MeasureAsync(CancellationToken ct = default)
    {
        DirectoryInfo scratch = Directory.CreateTempSubdirectory("depin-coverage-");
        try
        {
            string report = Path.Combine(scratch.FullName, "lcov.info");
            ToolResult result = await Foundry.RunForgeAsync(
                [
                    "coverage", "--allow-failure", "--no-match-contract", "Invariant|Fallback", "--no-match-test", "test_huge_(call|proposals|votes)", "--report", "lcov", "--report-file", report,
                    "--out", Path.Combine(scratch.FullName, "out"), "--cache-path", Path.Combine(scratch.FullName, "cache"),
                ],
                new Dictionary<string, string> { ["FOUNDRY_PROFILE"] = "coverage" }, ct).ConfigureAwait(false);
            if (result.ExitCode != 0)
                throw new DevnetException($"forge coverage failed:\n{result.Error.Trim()}\n{result.Output.Trim()}");
            return Read(await File.ReadAllTextAsync(report, ct).ConfigureAwait(false));
        }
        finally
        {
            scratch.Delete(recursive: true);
        }
    }

    /// <summary>Reads an lcov report; files outside src are left out.</summary>
    /// <param name="lcov">Records SF, FNDA, BRDA, DA, end_of_record, as geninfo(1) describes them.</param>
    public static IReadOnlyList<ContractCoverage> Read(string lcov)
    {
        List<ContractCoverage> all = [];
        string file = "";
        (CoverageCount lines, CoverageCount branches, CoverageCount functions) = (default, default, default);
        List<string> missed = [];
        foreach (string line in lcov.Split('\n', StringSplitOptions.TrimEntries))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            string[] values = line[(colon + 1)..].Split(',');
            switch (colon < 0 ? line : line[..colon])
            {
                case "SF":
                    file = values[0].Replace('\\', '/');
                    (lines, branches, functions, missed) = (default, default, default, []);
                    break;
                case "FNDA":
                    functions = functions.Plus(values[0] == "0" ? 0 : 1, 1);
                    break;
                case "BRDA":
                    bool isTaken = values[3] is not ("-" or "0");
                    branches = branches.Plus(isTaken ? 1 : 0, 1);
                    if (!isTaken)
                        missed.Add($"{file}:{values[0]} (a branch)");
                    break;
                case "DA":
                    lines = lines.Plus(values[1] == "0" ? 0 : 1, 1);
                    if (values[1] == "0")
                        missed.Add($"{file}:{values[0]}");
                    break;
                case "end_of_record" when file.StartsWith("src/", StringComparison.Ordinal):
                    all.Add(new ContractCoverage(Path.GetFileNameWithoutExtension(file), lines, branches, functions, missed));
                    break;
            }
        }
        return [.. all.OrderBy(contract => contract.Name, StringComparer.Ordinal)];
    }

    /// <summary>The table as it is committed.</summary>
    public static string Write(IReadOnlyList<ContractCoverage> all)
    {
        StringBuilder text = new("# Coverage of the contracts\n\nWritten by `depin contracts coverage`. Unit, fuzz and attack tests, without the campaigns.\n\n");
        text.Append("| contract | lines | branches | functions |\n|---|---|---|---|\n");
        foreach (ContractCoverage contract in all)
            text.Append(CultureInfo.InvariantCulture, $"| {contract.Name} | {contract.Lines} | {contract.Branches} | {contract.Functions} |\n");
        text.Append(CultureInfo.InvariantCulture, $"| **all** | {Sum(all, one => one.Lines)} | {Sum(all, one => one.Branches)} | {Sum(all, one => one.Functions)} |\n");
        return text.ToString();
    }

    /// <summary>Writes the committed table.</summary>
    public static async Task WriteAsync(IReadOnlyList<ContractCoverage> all, CancellationToken ct = default) =>
        await File.WriteAllTextAsync(TablePath, Write(all), ct).ConfigureAwait(false);

    /// <summary>Whether the committed table is <paramref name="all"/>.</summary>
    public static async Task<bool> IsCommittedAsync(IReadOnlyList<ContractCoverage> all, CancellationToken ct = default) =>
        File.Exists(TablePath) && (await File.ReadAllTextAsync(TablePath, ct).ConfigureAwait(false)).ReplaceLineEndings("\n") == Write(all);

    private static CoverageCount Sum(IReadOnlyList<ContractCoverage> all, Func<ContractCoverage, CoverageCount> part) =>
        all.Select(part).Aggregate(default(CoverageCount), (sum, one) => sum.Plus(one.Reached, one.Total));
}
