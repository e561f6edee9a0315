using System.CommandLine;
using DePIN.Cli.Key;
using DePIN.Cli.Terminal;
using DePIN.Cli.Verify;
using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.Evidence;

namespace DePIN.Cli.Contracts;

/// <summary>`depin contracts`: compiles the Solidity sources into the committed artifacts, says what the tests reach of them, and deploys them to a chain.</summary>
public static class ContractsCommand
{
    private const ulong EpochSecondsDefault = 300;
    private const ulong EpochSecondsMax = 86_400;

    public static Command Create() => new("contracts", "Builds and deploys the contracts.") { CreateBuild(), CreateCoverage(), CreateDeploy() };

    private static Command CreateBuild()
    {
        Option<bool> check = new("--check") { Description = "Change nothing; fail when the committed artifacts are not what the sources compile to." };
        Command command = new("build", "Compiles reproducibly into shared/Contracts/artifacts and writes the C# callers.") { check };
        command.SetAction((parsed, cancel) => BuildAsync(parsed.GetValue(check), cancel));
        return command;
    }

    private static Command CreateCoverage()
    {
        Option<bool> check = new("--check") { Description = "Change nothing; fail when the committed table is not what the tests reach." };
        Command command = new("coverage", "Runs the contracts' tests and writes what they reach into shared/Contracts/coverage.md; names the lines they do not.") { check };
        command.SetAction((parsed, cancel) => CoverAsync(parsed.GetValue(check), cancel));
        return command;
    }

    private static Command CreateDeploy()
    {
        Option<string> rpc = new("--rpc") { Description = "The chain's endpoint.", HelpName = "URL", Required = true };
        Option<string> key = new("--key") { Description = "File with the paying account's private key: 64 hex digits or an Ethereum keystore, mode 0600. It gets no rights: the contracts have no owner.", HelpName = "FILE", Required = true };
        Option<string?> passphrase = KeyCommand.PassphraseOption();
        Option<string[]> gateways = new("--gateway") { Description = "Address of a gateway of the first active set; once for each, 1 to 256.", HelpName = "ADDRESS", Required = true };
        Option<ulong> epoch = new("--epoch-seconds") { Description = $"Length of an epoch, 1 to {EpochSecondsMax}; at most one anchor is made in it.", DefaultValueFactory = _ => EpochSecondsDefault, HelpName = "N" };
        Option<string> output = new("--output", "-o") { Description = "Where the deployment record goes, which gateways are configured with.", DefaultValueFactory = _ => "deployment.json", HelpName = "FILE" };
        epoch.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && ulong.TryParse(result.Tokens[0].Value, out ulong value) && (value is 0 or > EpochSecondsMax))
            {
                result.AddError($"--epoch-seconds is from 1 to {EpochSecondsMax}");
            }
        });
        Command command = new("deploy", "Deploys the whole set of contracts; nobody has rights in it but the timelock, by a vote.") { rpc, key, passphrase, gateways, epoch, output };
        command.SetAction((parsed, cancel) => DeployAsync(
            parsed.GetValue(rpc)!, parsed.GetValue(key)!, parsed.GetValue(passphrase), parsed.GetValue(gateways)!, parsed.GetValue(epoch), parsed.GetValue(output)!, cancel));
        return command;
    }

    private static async Task<int> BuildAsync(bool check, CancellationToken cancel)
    {
        try
        {
            IReadOnlyList<string> files = check ? await ContractsBuild.FindStaleAsync(cancel).ConfigureAwait(false) : await ContractsBuild.RunAsync(cancel).ConfigureAwait(false);
            foreach (string file in files)
            {
                Console.WriteLine($"{(check ? "stale" : "written")}: {file}");
            }

            return !check || files.Count == 0 ? ExitCode.Ok
                : throw new CliError(ExitCode.Failed, $"{files.Count} committed files are not what the sources compile to", "run 'depin contracts build' and commit what it writes");
        }
        catch (DevnetException error)
        {
            throw new CliError(ExitCode.Failed, error.Message, "mend what it names and build again");
        }
    }

    private static async Task<int> CoverAsync(bool check, CancellationToken cancel)
    {
        try
        {
            IReadOnlyList<ContractCoverage> all = await ContractsCoverage.MeasureAsync(cancel).ConfigureAwait(false);
            foreach (string place in all.SelectMany(contract => contract.Missed))
            {
                Console.WriteLine($"not reached: {place}");
            }

            if (check && !await ContractsCoverage.IsCommittedAsync(all, cancel).ConfigureAwait(false))
            {
                throw new CliError(ExitCode.Failed, $"shared/Contracts/{ContractsCoverage.FileName} is stale", "run 'depin contracts coverage' and commit what it writes");
            }

            if (!check)
            {
                await ContractsCoverage.WriteAsync(all, cancel).ConfigureAwait(false);
            }

            Console.Write(ContractsCoverage.Write(all));
            return ExitCode.Ok;
        }
        catch (DevnetException error)
        {
            throw new CliError(ExitCode.Failed, error.Message, "mend what it names and run it again");
        }
    }

    private static async Task<int> DeployAsync(string rpc, string keyFile, string? passphraseFile, string[] gateways, ulong epochSeconds, string output, CancellationToken cancel)
    {
        List<GatewayRegistry.Gateway> set = [];
        foreach (string text in gateways)
        {
            set.Add(Address.TryParse(text, out Address address) ? new GatewayRegistry.Gateway(address, Hash32.Zero, "")
                : throw new CliError(ExitCode.BadInput, $"--gateway: '{text}' is no address", "give 0x and 40 hex digits; mixed case must have the right EIP-55 checksum"));
        }

        using GatewaySigner key = PrivateKeyFile.Read(keyFile, passphraseFile);
        using ChainClient chain = new(rpc);
        try
        {
            DeploymentRecord record = await ChainClient.AskAsync(() => Deployment.DeployAsync(chain.Client, key, set, epochSeconds, TimeProvider.System, ct: cancel)).ConfigureAwait(false);
            await Deployment.WriteAsync(record, output, cancel).ConfigureAwait(false);
            Console.WriteLine(record.ToJson());
            Console.WriteLine($"written to {output}; name it in each gateway's settings as chain.deployment");
            return ExitCode.Ok;
        }
        catch (Exception error) when (error is TransactionFailedException or TimeoutException)
        {
            throw new CliError(ExitCode.Failed, error.Message, $"check that {key.Address.ToChecksumString()} has funds on that chain, then deploy again");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.Failed, $"the contracts are deployed, but {output} cannot be written: {error.Message}", "copy the record printed above into a file");
        }
    }
}
