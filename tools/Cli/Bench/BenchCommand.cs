using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Cli.Gateway;
using DePIN.Cli.Terminal;
using DePIN.Devnet;

namespace DePIN.Cli.Bench;

/// <summary>
/// `depin bench`: figures measured here and now, each beside its peer or its physical limit in the same run. Meant to be run with
/// `-c Release`; says so when it is not.
/// </summary>
public static class BenchCommand
{
    public static Command Create() => new("bench", "Measured figures; --json gives one line.")
    {
        CreateOne("ingest", "Acknowledged frames a second through a real gateway, beside raw P-256 checks a second.", IngestAsync),
        CreateOne("sign", "The device's managed signer: here, and what it costs on a board; the firmware's size and heap.", SignBench.RunAsync, SignBench.Table),
        CreateOne("batch", "Frames a second into a batch's root and proofs, beside Keccak alone.", BatchAsync),
        CreateOne("gas", "What an anchor and a proof cost on chain.", GasBench.RunAsync),
        CreateGateway(),
        CreateOne("provision", "Seconds a board with 1, 4 and 16 lanes, and how much of them is waiting for the board.", ProvisionBench.RunAsync),
        IndexBench.Create(),
        NetworkBenchCommand.Create(),
    };

    /// <summary>On standard error, when this is a Debug build.</summary>
    internal static void WarnOfDebug()
    {
#if DEBUG
        Console.Error.WriteLine("depin: a Debug build; for figures to be quoted: dotnet run -c Release --project tools/Cli -- bench …");
#endif
    }

    private static async Task<JsonObject> IngestAsync(CancellationToken cancel) => Json(await new IngestBench(new IngestBenchOptions()).RunAsync(cancel).ConfigureAwait(false));

    private static async Task<JsonObject> BatchAsync(CancellationToken cancel) => Json(await new BatchBench(new BatchBenchOptions()).RunAsync(cancel).ConfigureAwait(false));

    private static JsonObject Json<T>(T result) => JsonSerializer.SerializeToNode(result)!.AsObject();

    private static Command CreateGateway()
    {
        Option<bool> portable = new("--portable") { Description = "Measure the build that needs the runtime, not the native one." };
        Command command = CreateOne("gateway", "What a gateway needs: memory, time to start, bytes written per frame; a day of backlog replayed. Builds the native gateway first (clang).",
            async (parsed, cancel) =>
            {
                string? program = parsed.GetValue(portable) ? null : Path.Combine(await NativeGateway.PublishAsync(NativeGateway.ThisRuntime, cancel).ConfigureAwait(false), NativeGateway.FileName);
                return Json(await new GatewayBench(new GatewayBenchOptions { Program = program }).RunAsync(cancel).ConfigureAwait(false));
            });
        command.Add(portable);
        return command;
    }

    private static Command CreateOne(string name, string description, Func<CancellationToken, Task<JsonObject>> run, Func<JsonObject, string>? table = null) =>
        CreateOne(name, description, (_, cancel) => run(cancel), table);

    private static Command CreateOne(string name, string description, Func<ParseResult, CancellationToken, Task<JsonObject>> run, Func<JsonObject, string>? table = null)
    {
        Option<bool> json = new("--json") { Description = "One JSON line on standard output." };
        Command command = new(name, description) { json };
        command.SetAction(async (parsed, cancel) =>
        {
            WarnOfDebug();
            try
            {
                JsonObject result = await run(parsed, cancel).ConfigureAwait(false);
                Console.WriteLine(parsed.GetValue(json) ? result.ToJsonString() : (table ?? Table)(result));
                return ExitCode.Ok;
            }
            catch (DevnetException error)
            {
                throw new CliError(ExitCode.Unreachable, error.Message, "mend what it names and run it again");
            }
        });
        return command;
    }

    private static string Table(JsonObject result) => string.Join(Environment.NewLine, result.Select(row => $"{row.Key,-24} {row.Value}"));
}
