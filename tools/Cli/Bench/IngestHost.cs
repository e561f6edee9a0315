using System.Net;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Cli.Bench;

/// <summary>
/// The gateway's way of a frame and nothing else, as a process of its own: listener, verifier, store. The parts are the gateway's own; the
/// devices are those already in the store. Prints its port and its process id, ends when its standard input does.
/// </summary>
public static class IngestHost
{
    /// <summary>Runs until standard input ends. <paramref name="databaseFile"/> is the store with the registered devices.</summary>
    public static async Task<int> RunAsync(string databaseFile, TextReader input, TextWriter output)
    {
        using FrameLog log = FrameLog.Open(new FrameLogOptions { Path = databaseFile });
        using FrameVerifier verifier = new(new VerifierOptions(), new DeviceTable(log), log);
        IngestSettings settings = new() { Plain = new IPEndPoint(IPAddress.Loopback, 0), ConnectionsMax = 4_000, ConnectionsPerAddressMax = 4_000 };
        MqttIngest ingest = new(settings, verifier, TimeProvider.System, NullLoggerFactory.Instance);
        using CancellationTokenSource stop = new();
        Task running = ingest.RunAsync(stop.Token);
        IngestEndPoints endPoints = await ingest.Listening.ConfigureAwait(false);
        await output.WriteLineAsync($"{endPoints.Plain!.Port} {Environment.ProcessId}").ConfigureAwait(false);
        await output.FlushAsync().ConfigureAwait(false);
        while (await input.ReadLineAsync().ConfigureAwait(false) is not null)
        {
            // Only its end means something.
        }
        await stop.CancelAsync().ConfigureAwait(false);
        try
        {
            await running.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The usual way for a stage to end.
        }
        await output.WriteLineAsync($"accepted {verifier.Counters.Of(FrameVerdict.Accepted)} of {verifier.Counters.Total}, {log.Commits} commits").ConfigureAwait(false);
        return 0;
    }
}
