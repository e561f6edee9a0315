using System.CommandLine;
using System.Net;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Registry;
using DePIN.Index;
using Npgsql;

namespace DePIN.Cli.Index;

/// <summary>`depin index`: the whole network's evidence into PostgreSQL, checked; and over HTTP. Runs until Ctrl-C or SIGTERM, or with --once until everything is there.</summary>
public static class IndexCommand
{
    private const int ConfirmationsDefault = 12;
    private const int ConfirmationsMax = 10_000;
    private const int SourcesMax = 64;

    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    public static Command Create()
    {
        Option<string> database = new("--database") { Description = "Where it goes; without a password, which PGPASSFILE or --password-file gives.", HelpName = "postgresql://USER@HOST:PORT/DATABASE", Required = true };
        Option<string?> password = new("--password-file") { Description = "A file whose first line is the database's password.", HelpName = "FILE" };
        Option<string> deployment = new("--deployment") { Description = "The network's deployment record, as gateways have it.", HelpName = "FILE", Required = true };
        Option<string[]> rpc = new("--rpc") { Description = $"The chain's endpoint; up to {JsonRpcSettings.EndpointsMax}, the preferred first.", HelpName = "URL", Required = true };
        Option<string[]> gateways = new("--gateway") { Description = $"A gateway's API to get batches from; up to {SourcesMax}. None is trusted.", HelpName = "URL", Required = true };
        Option<string?> authority = new("--ca") { Description = "The only authority that gateways' certificates may be by (PEM). Default: those of this computer.", HelpName = "FILE" };
        Option<string?> token = new("--token-file") { Description = "A file with the token that the gateways' API asks for.", HelpName = "FILE" };
        Option<int> confirmations = new("--confirmations") { Description = "Blocks until an anchor is marked final.", DefaultValueFactory = static _ => ConfirmationsDefault, HelpName = "N" };
        Option<string?> serve = new("--serve") { Description = "Also answer over HTTP here, for example 127.0.0.1:8090.", HelpName = "ADDRESS:PORT" };
        Option<bool> once = new("--once") { Description = "End when everything that is to be had is indexed." };
        confirmations.Validators.Add(static result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out int value) && value is < 1 or > ConfirmationsMax) result.AddError($"--confirmations: {value} is not between 1 and {ConfirmationsMax}");
        });
        Command command = new("index", "Indexes the network's readings, proven, into PostgreSQL, and answers over HTTP.") { database, password, deployment, rpc, gateways, authority, token, confirmations, serve, once };
        command.SetAction((parsed, cancel) => RunAsync(
            parsed.GetValue(database)!, parsed.GetValue(password), parsed.GetValue(deployment)!, parsed.GetValue(rpc)!, parsed.GetValue(gateways)!, parsed.GetValue(authority), parsed.GetValue(token),
            parsed.GetValue(confirmations), parsed.GetValue(serve), parsed.GetValue(once), cancel));
        return command;
    }

    private static async Task<int> RunAsync(
        string databaseUri, string? passwordFile, string deploymentFile, string[] rpcUrls, string[] gatewayUrls, string? authorityFile, string? tokenFile, int confirmations, string? serve, bool once, CancellationToken cancel)
    {
        try
        {
            DeploymentRecord network = DeploymentRecord.FromJson(ReadText("--deployment", deploymentFile), out string problem)
                ?? throw new CliError(ExitCode.BadInput, $"--deployment: {deploymentFile}: {problem}", "name the file that 'depin contracts deploy' wrote");
            IPEndPoint? listen = serve is null ? null : Listen(serve);
            string? authority = authorityFile is null ? null : ReadText("--ca", authorityFile), token = tokenFile is null ? null : DatabaseUri.ReadSecret("--token-file", tokenFile);
            JsonRpcSettings endpoints = new([.. rpcUrls.Take(JsonRpcSettings.EndpointsMax).Select(url => Url("--rpc", url))]);
            await using NpgsqlDataSource database = NpgsqlDataSource.Create(DatabaseUri.Parse(databaseUri, passwordFile));
            List<GatewaySource> sources = [.. gatewayUrls.Take(SourcesMax).Select(url => new GatewaySource(Url("--gateway", url), authority, token, TimeProvider.System))];
            using HttpClient http = JsonRpc.CreateHttpClient();
            EthereumClient client = new(new JsonRpc(http, endpoints, TimeProvider.System, new Random()));
            ContractErrors.AddTo(client.Reverts);
            ChainReader chain = new(client, new ChainAddresses(network.ChainId, network.DeviceRegistry, network.GatewayRegistry, network.Ledger, network.EpochSeconds, network.DeployedAtBlock));
            await chain.CheckAsync(cancel).ConfigureAwait(false);
            await using IndexStore store = new(database, network, confirmations);
            await store.OpenAsync(cancel).ConfigureAwait(false);
            using EvidenceFetcher evidence = new(sources, Say);
            Indexer indexer = new(new ChainFollower(chain, store, network.DeployedAtBlock, Say), evidence, store, TimeProvider.System, PollInterval, Say);
            using IndexReads reads = new(database, network);
            IndexCounts counts = await RunAsync(indexer, listen is null ? null : new IndexServer(listen, reads), once, cancel).ConfigureAwait(false);
            foreach (GatewaySource source in sources) source.Dispose();
            return counts.Gaps == 0 ? ExitCode.Ok
                : throw new CliError(ExitCode.Failed, $"{counts.Gaps} anchors or batches could not be had", "the table depin.gaps says which and why; run it again, or name more gateways");
        }
        catch (IndexException wrong)
        {
            throw new CliError(ExitCode.BadInput, wrong.Message, wrong.Remedy);
        }
        catch (ChainMismatchException wrong)
        {
            throw new CliError(ExitCode.BadInput, wrong.Message, "name an endpoint of the deployment's chain with --rpc, or the record of this chain with --deployment");
        }
        catch (RpcException away)
        {
            throw new CliError(ExitCode.Unreachable, away.Message, "check --rpc and the network");
        }
        catch (NpgsqlException away)
        {
            throw new CliError(ExitCode.Unreachable, $"the database: {away.Message}", "check --database, that PostgreSQL runs, and the password (PGPASSFILE or --password-file)");
        }
    }

    private static async Task<IndexCounts> RunAsync(Indexer indexer, IndexServer? server, bool once, CancellationToken cancel)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Task serving = server?.RunAsync(either.Token) ?? Task.Delay(Timeout.Infinite, either.Token);
        Task<IndexCounts> indexing = indexer.RunAsync(once, either.Token);
        if (server is not null && await Task.WhenAny(server.Listening, serving).ConfigureAwait(false) == server.Listening) Say($"answers on http://{await server.Listening.ConfigureAwait(false)}");
        Task first = await Task.WhenAny(serving, indexing).ConfigureAwait(false);
        await either.CancelAsync().ConfigureAwait(false);
        await ((Task)Task.WhenAll(serving, indexing)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await first.ConfigureAwait(false); // with what ended it
        return await indexing.ConfigureAwait(false);
    }

    private static void Say(string text) => Console.Error.WriteLine($"{TimeProvider.System.GetUtcNow():HH:mm:ss} {text}");

    private static Uri Url(string option, string text) => Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https" ? url
        : throw new CliError(ExitCode.BadInput, $"{option}: '{text}' is no http or https URL", "for example https://gateway.example.org:8080");

    private static IPEndPoint Listen(string text) => IPEndPoint.TryParse(text, out IPEndPoint? address) && text.Contains(':', StringComparison.Ordinal) ? address
        : throw new CliError(ExitCode.BadInput, $"--serve: '{text}' is no address and port", "for example 127.0.0.1:8090");

    private static string ReadText(string option, string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"{option}: {path} cannot be read: {error.Message}", "name a file that this user may read");
        }
    }
}
