using System.Text.Json.Nodes;
using DePIN.Cli.Gateway;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.Provision;

namespace DePIN.Cli.Up;

/// <summary>
/// One run of `up`, in the order of the data: chain, gateways, boards, claims, and then the watch that proves what arrives. Whatever
/// ends it (done, time over, Ctrl-C, an error), everything it started is put away before it returns.
/// </summary>
public static class UpRun
{
    /// <summary>How long --once may take from the first claim on, seconds.</summary>
    private const int OnceSecondsMax = 240;

    public static async Task<int> RunAsync(UpOptions options, CancellationToken stopping)
    {
        UpState state = new()
        {
            Gateways = [.. Enumerable.Range(1, options.Gateways).Select(number => new GatewayState(GatewayName(number)))],
            Boards = [.. Enumerable.Range(1, options.Devices).Select(number =>
                new BoardState($"board-{number}", options.Sense ?? (number == 1 ? "host" : "model"), GatewayName((number - 1) % options.Gateways + 1)))],
        };
        using UpFolder folder = UpFolder.Open(options.Data);
        int code;
        await using (UpView view = UpView.For(options.Json, state))
        {
            try
            {
                code = await RunAsync(options, folder, state, view, stopping).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                view.Step("ended by Ctrl-C; everything is put away");
                code = options.Once || options.Seconds is not null ? ExitCode.Interrupted : ExitCode.Ok;
            }
            catch (DevnetException error)
            {
                throw new CliError(ExitCode.Unreachable, error.Message, $"see the logs in {folder.Logs}");
            }
        }

        if (options.Json)
        {
            Console.WriteLine(new JsonObject
            {
                ["devices"] = state.Boards.Count,
                ["gateways"] = state.Gateways.Count,
                ["frames"] = state.Frames,
                ["anchors"] = state.Anchors,
                ["proven"] = state.ProvenBoards,
                ["failed"] = state.Failed + (code == ExitCode.Failed ? state.Boards.Count - state.ProvenBoards : 0),
            }.ToJsonString());
        }

        return code;
    }

    private static async Task<int> RunAsync(UpOptions options, UpFolder folder, UpState state, UpView view, CancellationToken stopping)
    {
        view.Step($"everything of this run is in {folder.Path}");
        view.Step("node packages (the first time they are installed) and the chain …");
        List<GatewayIdentity> identities = [.. state.Gateways.Select(gateway => LocalGateway.CreateIdentity(folder.Sub(gateway.Name)))];
        await using LocalChain chain = await LocalChain.StartAsync(folder.Sub("chain"), identities, stopping).ConfigureAwait(false);
        state.RpcUrl = chain.Node.RpcUrl.ToString();
        view.Step($"chain {chain.Deployment.ChainId} at {chain.Node.RpcUrl}; Ledger at {chain.Deployment.Ledger.ToChecksumString()}");

        List<LocalGateway> gateways = [];
        List<LocalBoard> boards = [];
        try
        {
            await StartGatewaysAsync(gateways, identities, chain, folder, state, view, stopping).ConfigureAwait(false);
            foreach (BoardState board in state.Boards)
            {
                string boardFolder = folder.Sub(Path.Combine("boards", board.Name));
                BoardSettings.DeployAuthority(GatewayOf(board, gateways), boardFolder);
                boards.Add(LocalBoard.Start(board, boardFolder, Path.Combine(folder.Logs, board.Name + ".log"), seed: boards.Count + 1));
            }

            foreach (LocalBoard board in boards)
            {
                try
                {
                    await ProvisionAsync(board, chain, GatewayOf(board.State, gateways), view, stopping).ConfigureAwait(false);
                }
                catch (CliError) when (board.Process.EndsSoon())
                {
                    throw board.Process.Ended(); // it says itself why, better than its hung-up line
                }
            }

            view.Step("the boards sense, sign and publish; waiting for anchors");
            UpWatch watch = new(gateways, chain, boards, state, view);
            return options.Once
                ? await watch.UntilProvenAsync(TimeSpan.FromSeconds(OnceSecondsMax), stopping).ConfigureAwait(false)
                : await watch.UntilAsync(options.Seconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null, stopping).ConfigureAwait(false);
        }
        finally
        {
            await Task.WhenAll(boards.Select(board => board.DisposeAsync().AsTask())).ConfigureAwait(false);
            await Task.WhenAll(gateways.Select(gateway => gateway.DisposeAsync().AsTask())).ConfigureAwait(false);
        }
    }

    /// <summary>All at the same time. Those that did start are in the list whatever happens, so that they are put away.</summary>
    private static async Task StartGatewaysAsync(
        List<LocalGateway> gateways, IReadOnlyList<GatewayIdentity> identities, LocalChain chain, UpFolder folder, UpState state, UpView view, CancellationToken stopping)
    {
        Task<LocalGateway>[] starting = [.. state.Gateways.Zip(identities, (gateway, identity) => LocalGateway.StartAsync(
            new LocalGatewayOptions(folder.Sub(gateway.Name), identity, chain.DeploymentFile, chain.Node.RpcUrl, Path.Combine(folder.Logs, gateway.Name + ".log")) { Name = gateway.Name }, stopping))];
        try
        {
            await Task.WhenAll(starting).ConfigureAwait(false);
        }
        finally
        {
            gateways.AddRange(starting.Where(one => one.IsCompletedSuccessfully).Select(one => one.Result));
        }

        foreach ((GatewayState shown, LocalGateway gateway) in state.Gateways.Zip(gateways))
        {
            (shown.Address, shown.Url) = (gateway.Identity.Address.ToString(), gateway.Api.Url.ToString());
            view.Step($"{gateway.Name} {gateway.Identity.Address.ToChecksumString()} at {gateway.Api.Url}, MQTT over TLS on port {gateway.MqttTlsPort}, peers on port {gateway.Identity.PeerPort}");
        }

        folder.Note([.. gateways.Select(gateway => gateway.Api.Url)], chain.Node.RpcUrl);
    }

    private static string GatewayName(int number) => $"gateway-{number}";

    private static LocalGateway GatewayOf(BoardState board, IReadOnlyList<LocalGateway> gateways) => gateways.First(gateway => gateway.Name == board.Gateway);

    /// <summary>What a technician does with a board over its serial line.</summary>
    private static async Task ProvisionAsync(LocalBoard board, LocalChain chain, LocalGateway gateway, UpView view, CancellationToken stopping)
    {
        using BoardLine line = await board.OpenSerialAsync(stopping).ConfigureAwait(false);
        BoardIdentity identity = await line.IdentifyAsync(stopping).ConfigureAwait(false);
        board.State.DeviceId = identity.DeviceId;
        byte[] claim = await line.ClaimAsync(DeviceClaim.ChainIdWord(chain.Deployment.ChainId), chain.Deployment.DeviceRegistry.ToArray(), chain.Owner.ToArray(), stopping).ConfigureAwait(false);
        await chain.RegisterAsync(identity, claim, stopping).ConfigureAwait(false);
        await line.ConfigureAsync(BoardSettings.For(gateway), stopping).ConfigureAwait(false);
        await line.RestartAsync(stopping).ConfigureAwait(false);
        view.Step($"{board.State.Name} is device {identity.DeviceId} ({identity.Board}, firmware {identity.Firmware}), claimed on chain, publishes to {gateway.Name}");
    }
}
