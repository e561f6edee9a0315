using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Cli.Contracts;
using DePIN.Cli.Gateway;
using DePIN.Cli.Stake;
using DePIN.Cli.Terminal;
using DePIN.Cli.Verify;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Web;
using Contract = DePIN.Contracts.Disputes;

namespace DePIN.Cli.Disputes;

/// <summary>`depin disputes`: what a gateway brings before the Disputes contract, and what the contract has judged.</summary>
public static class DisputesCommand
{
    private static readonly string[] Kinds = ["twoBatches", "twoAnchors", "badFrame", "unregisteredDevice", "twoFrames"];

    public static Command Create()
    {
        Option<string?> gateway = GatewayOption.Create();
        Option<string?> deployment = new("--deployment") { Description = "With --rpc: the network's deployment record, as gateways have it.", HelpName = "FILE" };
        Option<string?> rpc = new("--rpc") { Description = "Ask the chain what was judged, through this endpoint, in place of the gateway.", HelpName = "URL" };
        Option<bool> json = new("--json") { Description = "One JSON line: disputes and cases, or with --rpc judged." };
        Command command = new("disputes", "Offences: what a gateway brings before the contract and the cases it follows, or with --rpc what the contract has judged.") { gateway, deployment, rpc, json };
        command.SetAction((parsed, cancel) => parsed.GetValue(rpc) is { } url
            ? ChainAsync(url, parsed.GetValue(deployment), parsed.GetValue(json), cancel)
            : GatewayAsync(parsed.GetValue(gateway), parsed.GetValue(json), cancel));
        return command;
    }

    private static async Task<int> GatewayAsync(string? gateway, bool json, CancellationToken cancel)
    {
        using GatewayApi api = GatewayOption.Open(gateway);
        byte[] answer = await api.GetBytesAsync("/api/disputes", "application/json", cancel).ConfigureAwait(false);
        DisputesJson disputes;
        try
        {
            disputes = DisputesJson.Read(answer);
        }
        catch (JsonException error)
        {
            throw new CliError(ExitCode.Unreachable, $"{api.Url} answers what is no list of disputes: {error.Message}", "check that it is a gateway of this version");
        }

        if (json)
        {
            Console.WriteLine(JsonNode.Parse(answer)!.ToJsonString());
            return ExitCode.Ok;
        }

        if (disputes.Disputes.Count == 0) Console.WriteLine($"the gateway at {api.Url} has brought nothing before the contract");
        if (disputes.Disputes.Count + disputes.Cases.Count > 0) Console.WriteLine(Row("accused", "what", "state", "by", "in words"));
        foreach (DisputeJson one in disputes.Disputes) Console.WriteLine(Row(one.Accused, one.Kind, one.State, one.Reporter ?? "", one.Text));
        foreach (CaseJson one in disputes.Cases)
            Console.WriteLine(Row(one.Accused, Kinds[3], $"case {one.State}", one.Reporter, $"device {one.Device}, answer until {UnstakeCommand.Time(one.DeadlineS)}{(one.Text.Length > 0 ? $"; {one.Text}" : "")}"));
        return ExitCode.Ok;
    }

    private static async Task<int> ChainAsync(string rpc, string? file, bool json, CancellationToken cancel)
    {
        if (file is null) throw new CliError(ExitCode.BadInput, "--rpc needs --deployment", "name the file that 'depin contracts deploy' wrote");
        DeploymentRecord record = NetworkOptions.ReadRecord(file);
        using ChainClient chain = new(rpc);
        JsonArray judged = [];
        await ChainClient.AskAsync(async () =>
        {
            ulong head = await chain.Client.GetBlockNumberAsync(cancel).ConfigureAwait(false);
            LogFilter filter = new([record.Community!.Disputes],
                [[Contract.OffenceProvenEvent.Topic, Contract.DeviceOffenceProvenEvent.Topic, Contract.CaseOpenedEvent.Topic, Contract.CaseRefutedEvent.Topic]], record.DeployedAtBlock, head);
            await foreach (EventLog log in chain.Client.GetLogsAsync(filter, cancel).ConfigureAwait(false)) judged.Add(Describe(log));
            return head;
        }).ConfigureAwait(false);
        if (json)
        {
            Console.WriteLine(new JsonObject { ["judged"] = judged }.ToJsonString(JsonSerializerOptions.Default));
            return ExitCode.Ok;
        }

        Console.WriteLine(judged.Count == 0 ? "nothing was reported on this chain" : Row("accused", "what", "state", "by", "in words"));
        foreach (JsonNode? one in judged)
            Console.WriteLine(Row((string?)one!["accused"] ?? "", (string?)one["kind"] ?? "", (string)one["state"]!, (string?)one["reporter"] ?? "", $"block {one["block"]}{(one["slashed"] is { } slashed ? $", {slashed} slashed" : "")}{(one["paid"] is { } paid ? $", {paid} paid" : "")}"));
        return ExitCode.Ok;
    }

    private static JsonObject Describe(EventLog log)
    {
        if (Contract.OffenceProvenEvent.TryDecode(log.Topics, log.Data, out Contract.OffenceProvenEvent? proven))
            return new() { ["state"] = "judged", ["kind"] = Kinds.ElementAtOrDefault(proven.Kind), ["accused"] = proven.Offender.ToString(), ["reporter"] = proven.Reporter.ToString(), ["slashed"] = TokenAmount.Format(proven.Slashed), ["paid"] = TokenAmount.Format(proven.Paid), ["block"] = log.BlockNumber };
        if (Contract.DeviceOffenceProvenEvent.TryDecode(log.Topics, log.Data, out Contract.DeviceOffenceProvenEvent? device))
            return new() { ["state"] = "judged", ["kind"] = Kinds[4], ["accused"] = new Address(device.Device).ToString(), ["reporter"] = device.Reporter.ToString(), ["paid"] = TokenAmount.Format(device.Paid), ["block"] = log.BlockNumber };
        if (Contract.CaseOpenedEvent.TryDecode(log.Topics, log.Data, out Contract.CaseOpenedEvent? opened))
            return new() { ["state"] = "case open", ["kind"] = Kinds[3], ["accused"] = opened.Offender.ToString(), ["reporter"] = opened.Reporter.ToString(), ["case"] = opened.Id.ToString(), ["block"] = log.BlockNumber };
        if (Contract.CaseRefutedEvent.TryDecode(log.Topics, log.Data, out Contract.CaseRefutedEvent? refuted))
            return new() { ["state"] = "case refuted", ["kind"] = Kinds[3], ["reporter"] = refuted.By.ToString(), ["case"] = refuted.Id.ToString(), ["block"] = log.BlockNumber };
        throw new RpcAnswerException("result", $"a log of block {log.BlockNumber} is no event of the Disputes contract");
    }

    private static string Row(string accused, string kind, string state, string by, string text) => $"{accused,-42}  {kind,-18}  {state,-12}  {by,-42}  {text}".TrimEnd();
}
