using System.CommandLine;
using System.Globalization;
using DePIN.Cli.Contracts;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.Cli.Stake;

/// <summary>`depin unstake`: a gateway leaves the set; run again after the unbonding delay, it pays the stake back to the operator.</summary>
public static class UnstakeCommand
{
    public static Command Create()
    {
        NetworkOptions network = new();
        Argument<string> gateway = StakeCommand.GatewayArgument();
        Command command = new("unstake", "Takes a gateway out of the set, and its stake back once the unbonding delay is over.") { gateway };
        network.AddTo(command);
        command.SetAction((parsed, cancel) => RunAsync(network, parsed, StakeCommand.Parse(parsed.GetValue(gateway)!), cancel));
        return command;
    }

    private static async Task<int> RunAsync(NetworkOptions options, ParseResult parsed, Address gateway, CancellationToken cancel)
    {
        using NetworkAccess network = options.Act(parsed);
        await network.CheckAsync(cancel).ConfigureAwait(false);
        Address registry = network.Record.GatewayRegistry;
        GatewayRegistry.Stake stake = await StakeCommand.StakeOfAsync(network, gateway, cancel).ConfigureAwait(false);
        if (stake.Operator.IsZero) throw new CliError(ExitCode.Failed, $"{gateway.ToChecksumString()} has nothing at stake", "check the address; 'depin network' lists the gateways");
        if (stake.WithdrawableAt == 0)
        {
            await network.SendAsync(registry, GatewayRegistry.EncodeExit(gateway), cancel).ConfigureAwait(false);
            stake = await StakeCommand.StakeOfAsync(network, gateway, cancel).ConfigureAwait(false);
            Console.WriteLine($"{gateway.ToChecksumString()} leaves the set at the next epoch");
        }

        if (await network.TimeAsync(cancel).ConfigureAwait(false) < stake.WithdrawableAt)
        {
            Console.WriteLine($"its {TokenAmount.Format(stake.Amount)} tokens come back when this is run again after {Time(stake.WithdrawableAt)}; until then evidence may still take them");
            return ExitCode.Ok;
        }

        await network.SendAsync(registry, GatewayRegistry.EncodeWithdraw(gateway), cancel).ConfigureAwait(false);
        Console.WriteLine($"{TokenAmount.Format(stake.Amount)} tokens went back to {stake.Operator.ToChecksumString()}");
        return ExitCode.Ok;
    }

    /// <summary>Chain time for a person; beyond the year 9999, which only a liar says, the number.</summary>
    internal static string Time(ulong seconds) => seconds > 253_402_300_799 ? $"{seconds} s" : DateTimeOffset.FromUnixTimeSeconds((long)seconds).ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);
}
