using System.CommandLine;
using DePIN.Cli.Device;
using DePIN.Cli.Gateway;
using DePIN.Cli.Terminal;
using DePIN.Cli.Verify;
using DePIN.Evidence;

namespace DePIN.Cli.Prove;

/// <summary>`depin prove`: fetches the proof of one frame, checks it before it is kept, and writes it as a file for anyone.</summary>
public static class ProveCommand
{
    public static Command Create()
    {
        Argument<string> device = DeviceCommand.DeviceArgument();
        Argument<ulong> sequence = new("sequence") { Description = "The frame's number at that device, from 1.", HelpName = "SEQUENCE" };
        Option<string> output = new("--output", "-o") { Description = "The file to write; '-' is standard output.", HelpName = "FILE", Required = true };
        Option<string?> gateway = GatewayOption.Create();
        Command command = new("prove", "Writes a self-contained proof of one frame.") { device, sequence, output, gateway };
        command.SetAction((parsed, cancel) => RunAsync(parsed.GetValue(device)!, parsed.GetValue(sequence), parsed.GetValue(output)!, parsed.GetValue(gateway), cancel));
        return command;
    }

    public static string PathOf(string device, ulong sequence) => $"/api/devices/{device}/frames/{sequence}/proof";

    private static async Task<int> RunAsync(string device, ulong sequence, string output, string? gateway, CancellationToken cancel)
    {
        string id = DeviceCommand.Parse(device);
        using GatewayApi api = GatewayOption.Open(gateway);
        byte[] content = await api.GetBytesAsync(PathOf(id, sequence), "application/json", cancel).ConfigureAwait(false);
        Proof proof = ProofFile.Parse(content, $"the gateway's answer ({api.Url})");
        ProofReport report = ProofVerifier.Check(proof);
        if (!report.Passed && !report.NeedsKeyFromChain)
        {
            ProofStep wrong = report.Steps.First(step => step.Outcome != ProofOutcome.Passed);
            throw new CliError(ExitCode.NotProven, $"the gateway's proof does not hold: {wrong.Name}: {wrong.Detail}", "ask another gateway, and keep this answer as evidence");
        }

        byte[] json = proof.ToJson();
        if (output == "-")
        {
            await using Stream standard = Console.OpenStandardOutput();
            await standard.WriteAsync(json, cancel).ConfigureAwait(false);
            return ExitCode.Ok;
        }

        ProofFile.Write(output, json);
        Console.WriteLine($"{output}: frame {sequence} of {id}, in batch {proof.Batch.Number} of {proof.Batch.Gateway}, anchored as number {proof.Ordinal} on chain {proof.ChainId}");
        Console.WriteLine($"check it with: depin verify {output} --rpc URL");
        return ExitCode.Ok;
    }
}
