using System.Diagnostics;
using System.Text.Json.Nodes;
using DePIN.Cli.Contracts;
using DePIN.Cli.Provision;
using DePIN.Cli.Up;
using DePIN.Evidence;
using DePIN.Provision;

namespace DePIN.Cli.Bench;

/// <summary>
/// Seconds a board takes through provisioning with 1, 4 and 16 lanes: blank virtual boards that are switched on already, behind real pseudo-terminals, a
/// real chain (a block a second) and gateway. All boards run on this machine, so many lanes also share its processor.
/// </summary>
public static class ProvisionBench
{
    private static readonly int[] Lanes = [1, 4, 16];

    public static async Task<JsonObject> RunAsync(CancellationToken cancel)
    {
        string folder = Directory.CreateTempSubdirectory("depin-bench-").FullName;
        try
        {
            await using ProvisionFloor floor = await ProvisionFloor.StartAsync(folder, cancel).ConfigureAwait(false);
            JsonArray runs = [];
            foreach (int lanes in Lanes)
            {
                runs.Add(await RunAsync(floor, lanes, Path.Combine(folder, $"report-{lanes}"), cancel).ConfigureAwait(false));
                await floor.UnplugAsync().ConfigureAwait(false);
            }

            return new JsonObject { ["runs"] = runs };
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<JsonObject> RunAsync(ProvisionFloor floor, int lanes, string reportFolder, CancellationToken cancel)
    {
        List<SerialBoardPort> ports = [];
        for (int i = 0; i < lanes; i++) floor.Plug();
        foreach (LocalBoard board in floor.Boards)
        {
            string path = await board.SerialPathAsync(cancel).ConfigureAwait(false);
            ports.Add(new SerialBoardPort(path));
        }

        ProvisionJob job = ProvisionJob.Read(floor.Template);
        using ProvisionReport report = ProvisionReport.Open(reportFolder);
        using GatewaySigner payer = PrivateKeyFile.Read(floor.KeyFile);
        using ClaimRegistrar registrar = new(floor.Chain.Client, job.DeviceRegistry, payer, job.OwnerAddress, TimeProvider.System);
        ProvisionRun run = new(job, DeviceManifest.Read(null, report), report, registrar, (device, stop) => ProvisionCommand.SeenAsync(floor.Gateway.Api, device, stop), Labels: null, TimeProvider.System);
        Stopwatch all = Stopwatch.StartNew();
        ReportLine[] lines = await Task.WhenAll(ports.Select(port => Task.Run(() => new ProvisionLane(run, port).RunAsync(cancel), cancel))).ConfigureAwait(false);
        double seconds = all.Elapsed.TotalSeconds;
        if (lines.FirstOrDefault(line => line.Code != ProvisionCode.Done.Code) is { } failed)
            throw new Terminal.CliError(Terminal.ExitCode.Failed, $"a board was not provisioned: {failed.Code} {failed.Message}", failed.Next);
        return new JsonObject
        {
            ["lanes"] = lanes,
            ["secondsPerBoard"] = Math.Round(seconds / lanes, 2),
            ["waitingShare"] = Math.Round(lines.Sum(line => line.WaitSeconds) / lines.Sum(line => line.Seconds), 3),
            ["laneSecondsP50"] = Math.Round(lines.Select(line => line.Seconds).Order().ElementAt(lanes / 2), 2),
        };
    }
}
