using System.CommandLine;
using System.Numerics;
using DePIN.Cli.Contracts;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.Cli.Stake;

/// <summary>`depin stake`: stakes for a gateway, which then joins the set at the next epoch; more for one that has; back after jail or leaving.</summary>
public static class StakeCommand
{
    public static Command Create()
    {
        NetworkOptions network = new();
        Argument<string> gateway = GatewayArgument();
        Argument<string?> amount = new("amount") { Description = "Tokens, such as 1000 or 0.5. Left out: comes back with the stake that is there.", HelpName = "AMOUNT", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> signer = new("--gateway-key") { Description = "The gateway's own key (gateway.key), which must consent when another account stakes for it the first time.", HelpName = "FILE" };
        Option<string?> endpoint = new("--endpoint") { Description = "Where its peers reach it. Default: as recorded.", HelpName = "URL" };
        Option<string?> tls = new("--tls-key-hash") { Description = "SHA-256 of its TLS public key. Default: as recorded.", HelpName = "HEX" };
        Command command = new("stake", "Stakes tokens for a gateway, so that it joins or stays in the set.") { gateway, amount, signer, endpoint, tls };
        network.AddTo(command);
        command.SetAction((parsed, cancel) => RunAsync(network, parsed, Parse(parsed.GetValue(gateway)!), parsed.GetValue(amount), parsed.GetValue(signer), parsed.GetValue(endpoint), parsed.GetValue(tls), cancel));
        return command;
    }

    internal static Argument<string> GatewayArgument() => new("gateway") { Description = "The gateway's signing address, as its log and 'depin status' name it.", HelpName = "GATEWAY" };

    internal static Address Parse(string text) => Address.TryParse(text, out Address address) ? address
        : throw new CliError(ExitCode.BadInput, $"'{text}' is no address", "give 0x and 40 hex digits; mixed case must have the right EIP-55 checksum");

    internal static Task<GatewayRegistry.Stake> StakeOfAsync(NetworkAccess network, Address gateway, CancellationToken cancel) => network.ReadAsync<GatewayRegistry.Stake>(
        network.Record.GatewayRegistry, "stakeOf()", GatewayRegistry.EncodeStakeOf(gateway), GatewayRegistry.TryDecodeStakeOf, cancel);

    private static async Task<int> RunAsync(
        NetworkOptions options, ParseResult parsed, Address gateway, string? amountText, string? signerFile, string? endpoint, string? tls, CancellationToken cancel)
    {
        BigInteger? amount = amountText is null ? null : TokenAmount.Parse(amountText, "AMOUNT");
        if (amount == 0) throw new CliError(ExitCode.BadInput, "AMOUNT: 0 stakes nothing", "leave it out to come back with the stake that is there");
        Hash32 hash = Hash32.Zero;
        if (tls is not null && !Hash32.TryParse(tls.StartsWith("0x", StringComparison.Ordinal) ? tls : "0x" + tls, out hash)) throw new CliError(ExitCode.BadInput, $"--tls-key-hash: '{tls}' is no SHA-256", "give 64 hex digits");
        using NetworkAccess network = options.Act(parsed);
        await network.CheckAsync(cancel).ConfigureAwait(false);
        Address registry = network.Record.GatewayRegistry;
        GatewayRegistry.Stake stake = await StakeOfAsync(network, gateway, cancel).ConfigureAwait(false);
        if (stake.Operator.IsZero && amount is null) throw new CliError(ExitCode.BadInput, $"{gateway.ToChecksumString()} has nothing at stake", "say how many tokens to stake");
        if (amount is { } tokens)
        {
            if (stake.Operator.IsZero) await CheckLeastAsync(network, tokens, cancel).ConfigureAwait(false);
            byte[] call = stake.Operator.IsZero ? await JoinAsync(network, gateway, tokens, signerFile, endpoint, tls is null ? null : hash, cancel).ConfigureAwait(false) : GatewayRegistry.EncodeAddStake(gateway, tokens);
            await ApproveAsync(network, registry, tokens, cancel).ConfigureAwait(false);
            await SendAsync(network, call, $"the approval of {TokenAmount.Format(tokens)} tokens stays, and only a call of {network.Account.ToChecksumString()} itself can use it", "the same amount needs no second approval", cancel).ConfigureAwait(false);
            stake = await StakeOfAsync(network, gateway, cancel).ConfigureAwait(false);
        }

        if (!stake.Active)
        {
            await SendAsync(network, GatewayRegistry.EncodeRejoin(gateway), $"{TokenAmount.Format(stake.Amount)} tokens are at stake", $"come back with 'depin stake {gateway.ToChecksumString()}', without AMOUNT", cancel).ConfigureAwait(false);
            stake = await StakeOfAsync(network, gateway, cancel).ConfigureAwait(false);
        }

        Console.WriteLine($"{gateway.ToChecksumString()} has {TokenAmount.Format(stake.Amount)} tokens at stake, of {stake.Operator.ToChecksumString()}; it is in the set from the next epoch on");
        return ExitCode.Ok;
    }

    private static async Task CheckLeastAsync(NetworkAccess network, BigInteger amount, CancellationToken cancel)
    {
        BigInteger least = await network.ReadAsync<BigInteger>(
            network.Contracts.Parameters, "valueOf()", Parameters.EncodeValueOf((byte)Parameter.StakeMin), Parameters.TryDecodeValueOf, cancel).ConfigureAwait(false);
        if (amount < least) throw new CliError(ExitCode.BadInput, $"AMOUNT: {TokenAmount.Format(amount)} tokens are less than the least stake of {TokenAmount.Format(least)}", "stake at least that much");
    }

    private static async Task<byte[]> JoinAsync(NetworkAccess network, Address gateway, BigInteger amount, string? signerFile, string? endpoint, Hash32? tls, CancellationToken cancel)
    {
        Address registry = network.Record.GatewayRegistry;
        GatewayRegistry.Gateway[] known = await network.ReadAsync<GatewayRegistry.Gateway[]>(registry, "gateways()", GatewayRegistry.EncodeGateways(), GatewayRegistry.TryDecodeGateways, cancel).ConfigureAwait(false);
        GatewayRegistry.Gateway? recorded = known.FirstOrDefault(one => one.Signer == gateway);
        if (recorded is null && (endpoint is null || tls is null))
            throw new CliError(ExitCode.BadInput, $"{gateway.ToChecksumString()} is new: its peers must know how to reach it", "give --endpoint URL and --tls-key-hash HEX");
        GatewayRegistry.Gateway record = new(gateway, tls ?? recorded!.TlsKeyHash, endpoint ?? recorded!.Endpoint);
        byte[] consent = [];
        if (gateway != network.Account)
        {
            if (signerFile is null) throw new CliError(ExitCode.BadInput, $"{gateway.ToChecksumString()} must consent to this operator", "name its key file with --gateway-key, or stake with --key of the gateway itself");
            using GatewaySigner signer = PrivateKeyFile.Read(signerFile);
            if (signer.Address != gateway) throw new CliError(ExitCode.BadInput, $"--gateway-key: {signerFile} is the key of {signer.Address.ToChecksumString()}", $"name the key of {gateway.ToChecksumString()}");
            BigInteger nonce = await network.ReadAsync<BigInteger>(registry, "nonces()", GatewayRegistry.EncodeNonces(gateway), GatewayRegistry.TryDecodeNonces, cancel).ConfigureAwait(false);
            consent = signer.Sign(GatewayConsent.Digest(network.Account, nonce, new Eip712Domain(network.Record.ChainId, registry))).ToCompactArray();
        }

        return GatewayRegistry.EncodeJoin(record, amount, consent);
    }

    /// <summary>The second transaction of two: a failure says what the first one left, and that nothing is paid twice.</summary>
    private static async Task SendAsync(NetworkAccess network, byte[] call, string left, string next, CancellationToken cancel)
    {
        try
        {
            await network.SendAsync(network.Record.GatewayRegistry, call, cancel).ConfigureAwait(false);
        }
        catch (CliError error)
        {
            throw new CliError(error.ExitCode, $"{error.Message}; {left}", $"{error.Remedy}; {next}", error.Code);
        }
    }

    /// <summary>Exactly what is needed, and nothing that stays open.</summary>
    private static async Task ApproveAsync(NetworkAccess network, Address spender, BigInteger amount, CancellationToken cancel)
    {
        Address token = network.Contracts.Token;
        BigInteger balance = await network.ReadAsync<BigInteger>(token, "balanceOf()", NetworkToken.EncodeBalanceOf(network.Account), NetworkToken.TryDecodeBalanceOf, cancel).ConfigureAwait(false);
        if (balance < amount) throw new CliError(ExitCode.Failed, $"{network.Account.ToChecksumString()} has {TokenAmount.Format(balance)} tokens, {TokenAmount.Format(amount)} are needed", "claim or get more, or stake less");
        BigInteger allowed = await network.ReadAsync<BigInteger>(token, "allowance()", NetworkToken.EncodeAllowance(network.Account, spender), NetworkToken.TryDecodeAllowance, cancel).ConfigureAwait(false);
        if (allowed != amount) await network.SendAsync(token, NetworkToken.EncodeApprove(spender, amount), cancel).ConfigureAwait(false);
    }
}
