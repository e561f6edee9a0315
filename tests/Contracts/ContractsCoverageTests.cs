using DePIN.Devnet;

namespace DePIN.Contracts.Tests;

/// <summary>forge's lcov report, read and written as the committed table.</summary>
public sealed class ContractsCoverageTests
{
    private const string Report =
        """
        TN:
        SF:src/Second.sol
        DA:10,3
        FN:10,Second.run
        FNDA:3,Second.run
        DA:11,0
        BRDA:11,0,0,-
        BRDA:11,0,1,3
        BRDA:12,1,0,0
        FNF:1
        end_of_record
        TN:
        SF:test/Driver.sol
        DA:1,1
        end_of_record
        TN:
        SF:src/First.sol
        DA:5,1
        FNDA:0,First.never
        FNDA:2,First.run
        end_of_record
        """;

    [Test]
    public void Lines_branches_and_functions_are_counted_for_each_file_of_src()
    {
        IReadOnlyList<ContractCoverage> all = ContractsCoverage.Read(Report);
        Assert.That(all.Select(contract => contract.Name), Is.EqualTo(new[] { "First", "Second" }));
        Assert.Multiple(() =>
        {
            Assert.That(all[0].Lines, Is.EqualTo(new CoverageCount(1, 1)));
            Assert.That(all[0].Branches, Is.EqualTo(default(CoverageCount)));
            Assert.That(all[0].Functions, Is.EqualTo(new CoverageCount(1, 2)));
            Assert.That(all[1].Lines, Is.EqualTo(new CoverageCount(1, 2)));
            Assert.That(all[1].Branches, Is.EqualTo(new CoverageCount(1, 3)));
            Assert.That(all[1].Missed, Is.EqualTo(new[] { "src/Second.sol:11", "src/Second.sol:11 (a branch)", "src/Second.sol:12 (a branch)" }));
        });
    }

    [Test]
    public void The_table_sums_up_and_a_hundred_per_cent_means_all()
    {
        string text = ContractsCoverage.Write(ContractsCoverage.Read(Report));
        Assert.That(text, Does.Contain("| Second | 50 % (1 of 2) | 33.3 % (1 of 3) | 100 % (1 of 1) |\n| **all** | 66.6 % (2 of 3) | 33.3 % (1 of 3) | 66.6 % (2 of 3) |"));
        Assert.That(new CoverageCount(9_999, 10_000).ToString(), Does.StartWith("99.9 %"));
    }

    [Test]
    public void The_committed_table_has_a_row_for_every_file_of_src()
    {
        string table = File.ReadAllText(Path.Combine(Repository.ContractsFolder, ContractsCoverage.FileName));
        IEnumerable<string> names = Directory.EnumerateFiles(Path.Combine(Repository.ContractsFolder, "src"), "*.sol").Select(file => Path.GetFileNameWithoutExtension(file)!);
        Assert.That(names.Where(name => !table.Contains($"| {name} |", StringComparison.Ordinal)), Is.Empty, "run 'depin contracts coverage' and commit what it writes");
    }
}
