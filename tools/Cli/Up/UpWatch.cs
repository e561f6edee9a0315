using System.Diagnostics;
using System.Text.Json;
using DePIN.Cli.Gateway;
using DePIN.Cli.Prove;
using DePIN.Cli.Terminal;
using DePIN.Cli.Verify;
using DePIN.Evidence;

namespace DePIN.Cli.Up;

/// <summary>
/// Follows a running network through the gateway's public API and proves what arrives as a stranger would: it takes a frame's proof,
/// checks every step offline, and has the Ledger verify it on chain. A proof that does not hold counts as failed and is shown.
/// </summary>
public sealed class UpWatch(LocalGateway gateway, LocalChain chain, IReadOnlyList<LocalBoard> boards, UpState state, UpView view)
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
                view.Step($"not every board has a proven frame after {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s; the gateway says {state.GatewayHealth}");
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
        try
        {
            await ReadStatusAsync(stopping).ConfigureAwait(false);
            foreach (LocalBoard board in boards.Where(board => board.State.DeviceId.Length > 0))
            {
                await ProveNextAsync(board.State, stopping).ConfigureAwait(false);
            }
        }
        catch (CliError error) when (error.ExitCode == ExitCode.Unreachable)
        {
            state.GatewayHealth = "does not answer"; // it is being restarted, or busy; the next round asks again
        }
        catch (RpcException error)
        {
            view.Step($"the chain does not answer: {error.Message}");
        }

        view.Update();
        await Task.Delay(Interval, stopping).ConfigureAwait(false);
    }

    private void CheckAlive()
    {
        foreach (ChildProcess child in boards.Select(board => board.Process).Prepend(gateway.Process!))
        {
            if (child.HasExited)
            {
                throw child.EndsSoon() ? child.Ended() : new CliError(ExitCode.Failed, $"{child.Name} ended", "its log is in the run's folder under logs/");
            }
        }
    }

    private async Task ReadStatusAsync(CancellationToken stopping)
    {
        GatewayStatus now = await GatewayStatus.ReadAsync(gateway.Api, stopping).ConfigureAwait(false);
        state.Frames = now.Frames;
        state.Batches = now.Batches;
        state.Anchors = now.Anchors;
        state.GatewayHealth = now.HealthState;
        foreach (BoardState board in state.Boards.Where(board => board.DeviceId.Length > 0))
        {
            if (await gateway.Api.TryGetAsync($"/api/devices/{board.DeviceId}", stopping).ConfigureAwait(false) is { } device)
            {
                board.Stored = DeviceView.Read(device).LastSequence;
            }
        }
    }

    /// <summary>Proves the board's first frame, and after each proof the newest frame that was stored then, once it is anchored.</summary>
    private async Task ProveNextAsync(BoardState board, CancellationToken stopping)
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
