using System.Diagnostics;
using System.Text.Json;
using DePIN.Cli.Gateway;
using DePIN.Cli.Prove;
using DePIN.Cli.Terminal;
using DePIN.Cli.Verify;
using DePIN.Evidence;

namespace DePIN.Cli.Up;

/// <summary>
/// Follows a running network through its gateways' public API and proves what arrives as a stranger would: it takes a frame's proof from the gateway
/// the board publishes to, checks every step offline, and has the Ledger verify it on chain. A proof that does not hold counts as failed and is shown.
/// </summary>
public sealed class UpWatch(IReadOnlyList<LocalGateway> gateways, LocalChain chain, IReadOnlyList<LocalBoard> boards, UpState state, UpView view)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly ChainVerifier verifier = new(chain.Client, chain.Deployment.DeployedAtBlock);

    /// <summary>Until every board has a frame proven on chain, or the time is over.</summary>
    public async Task<int> UntilProvenAsync(TimeSpan atMost, CancellationToken stopping)
    {
        long start = Stopwatch.GetTimestamp();
        while (state.ProvenBoards < boards.Count || state.Failed > 0)
        {
            if (state.Failed > 0 || Stopwatch.GetElapsedTime(start) > atMost)
            {
                view.Step($"not every board has a proven frame after {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s; {state.Healthy} of {gateways.Count} gateways are healthy{Troubles()}");
                return ExitCode.Failed;
            }

            await StepAsync(stopping).ConfigureAwait(false);
        }

        view.Step($"every board has a frame proven on chain: {state.Frames} frames, {state.Batches} batches, {state.Anchors} anchors");
        return ExitCode.Ok;
    }

    /// <summary>Until the time is over (null: until it is cancelled).</summary>
    public async Task<int> UntilAsync(TimeSpan? time, CancellationToken stopping)
    {
        long start = Stopwatch.GetTimestamp();
        while (time is null || Stopwatch.GetElapsedTime(start) < time)
        {
            await StepAsync(stopping).ConfigureAwait(false);
        }

        view.Step($"{state.Frames} frames, {state.Batches} batches, {state.Anchors} anchors, {state.ProvenBoards} of {boards.Count} boards proven");
        return state.Failed > 0 ? ExitCode.Failed : ExitCode.Ok;
    }

    private async Task StepAsync(CancellationToken stopping)
    {
        CheckAlive();
        await Task.WhenAll(gateways.Zip(state.Gateways, (gateway, shown) => StepAsync(gateway, shown, stopping))).ConfigureAwait(false);

        view.Update();
        await Task.Delay(Interval, stopping).ConfigureAwait(false);
    }

    /// <summary>One gateway and the boards that publish to it. One that is away holds up no other.</summary>
    private async Task StepAsync(LocalGateway gateway, GatewayState shown, CancellationToken stopping)
    {
        try
        {
            await ReadStatusAsync(gateway, shown, stopping).ConfigureAwait(false);
            foreach (BoardState board in state.Boards.Where(board => board.Gateway == gateway.Name && board.DeviceId.Length > 0))
            {
                await ReadDeviceAsync(gateway, board, stopping).ConfigureAwait(false);
                await ProveNextAsync(gateway, board, stopping).ConfigureAwait(false);
            }
        }
        catch (CliError error) when (error.ExitCode == ExitCode.Unreachable)
        {
            (shown.Health, shown.Network) = ("does not answer", null); // it is being restarted, or busy; the next round asks again
        }
        catch (RpcException error)
        {
            view.Step($"the chain does not answer: {error.Message}");
        }
    }

    private void CheckAlive()
    {
        foreach (ChildProcess child in gateways.Select(gateway => gateway.Process!).Concat(boards.Select(board => board.Process)))
        {
            if (child.HasExited)
            {
                throw child.EndsSoon() ? child.Ended() : new CliError(ExitCode.Failed, $"{child.Name} ended", "its log is in the run's folder under logs/");
            }
        }
    }

    private static async Task ReadStatusAsync(LocalGateway gateway, GatewayState shown, CancellationToken stopping)
    {
        GatewayStatus now = await GatewayStatus.ReadAsync(gateway.Api, stopping).ConfigureAwait(false);
        (shown.Frames, shown.Batches, shown.Anchors, shown.Health) = (now.Frames, now.Batches, now.Anchors, now.HealthState);
        shown.Network = await GatewayNetwork.ReadAsync(gateway.Api, stopping).ConfigureAwait(false);
    }

    private static async Task ReadDeviceAsync(LocalGateway gateway, BoardState board, CancellationToken stopping)
    {
        if (await gateway.Api.TryGetAsync($"/api/devices/{board.DeviceId}", stopping).ConfigureAwait(false) is { } device)
        {
            board.Stored = DeviceView.Read(device).LastSequence;
        }
    }

    /// <summary>What the gateways wait for, for the line that ends a run without success.</summary>
    private string Troubles() => string.Concat(state.Gateways.Select(gateway => $"; {gateway.Name}: {gateway.Health}{(gateway.Network is { Waits.Length: > 0 } network ? ", " + network.Waits : "")}"));

    /// <summary>Proves the board's first frame, and after each proof the newest frame that was stored then, once it is anchored.</summary>
    private async Task ProveNextAsync(LocalGateway gateway, BoardState board, CancellationToken stopping)
    {
        ulong sequence = board.ProveNext;
        if (sequence == 0 || sequence > board.Stored
            || await gateway.Api.TryGetBytesAsync(ProveCommand.PathOf(board.DeviceId, sequence), stopping).ConfigureAwait(false) is not { } content)
        {
            return; // not stored or not anchored yet
        }

        Proof proof = ProofFile.Parse(content, "the gateway's answer");
        ProofReport offline = ProofVerifier.Check(proof);
        IEnumerable<ProofStep> steps = offline.Passed ? await verifier.CheckAsync(proof, stopping).ConfigureAwait(false) : offline.Steps;
        board.ProveNext = Math.Max(board.Stored, sequence + 1);
        if (steps.FirstOrDefault(step => step.Outcome != ProofOutcome.Passed) is { } wrong)
        {
            state.Failed++;
            view.Step($"frame {sequence} of {board.Name} is NOT proven: {wrong.Name}: {wrong.Detail}");
            return;
        }

        board.Proven++;
        board.ProvenSequence = sequence;
        if (board.Proven == 1)
        {
            view.Step($"frame {sequence} of {board.Name} is proven on chain (anchor {proof.Ordinal}, epoch {proof.Anchor.Epoch})");
        }
    }
}
