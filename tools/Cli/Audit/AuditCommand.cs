using System.CommandLine;
using DePIN.Cli.Contracts;
using DePIN.Cli.Gateway;
using DePIN.Cli.Terminal;
using DePIN.Cli.Verify;
using DePIN.Index;

namespace DePIN.Cli.Audit;

/// <summary>`depin audit`: computes the network's rewards again, from the chain and from batches that gateways serve and that are checked against it, and compares.</summary>
public static class AuditCommand
{
    public static Command Create()
    {
        NetworkOptions network = new();
        Option<string[]> gateways = GatewayOption.CreateMany();
        Option<ulong?> epoch = new("--epoch") { Description = "Ends with the payout that counts this epoch. Default: the last one published.", HelpName = "N" };
        Option<ulong?> from = new("--from")
        {
            Description = "Starts after the payout that counts this epoch, from the accounts that gateways keep of it (the newest 8 payouts) and that give its root on chain. Default: with the very first epoch.", HelpName = "N",
        };
        Option<bool> bodies = new("--bodies") { Description = "Also fetch every batch's frames and check each signature; without it what a quorum certified of a batch (which frames) is taken." };
        Option<string?> authority = new("--ca") { Description = "The only authority that gateways' certificates may be by (PEM). Default: those of this computer.", HelpName = "FILE" };
        Option<string?> token = new("--token-file") { Description = "A file with the token that the gateways' API asks for.", HelpName = "FILE" };
        Command command = new("audit", "Recomputes rewards and roots from chain and gateways; ends with 0 when all agree, with 1 at the first difference.") { gateways, from, epoch, bodies, authority, token };
        network.AddTo(command, acts: false);
        command.SetAction((parsed, cancel) => RunAsync(network, parsed, parsed.GetValue(gateways)!, parsed.GetValue(from), parsed.GetValue(epoch), parsed.GetValue(bodies), parsed.GetValue(authority), parsed.GetValue(token), cancel));
        return command;
    }

    private static async Task<int> RunAsync(NetworkOptions options, ParseResult parsed, string[] gateways, ulong? from, ulong? epoch, bool bodies, string? authorityFile, string? tokenFile, CancellationToken cancel)
    {
        string? authority = authorityFile is null ? null : Read("--ca", authorityFile), token = tokenFile is null ? null : Read("--token-file", tokenFile).Trim();
        IReadOnlyList<GatewayApi> apis = GatewayOption.OpenMany(gateways, everyOfUp: true);
        List<Uri> urls = [.. apis.Select(api => api.Url)];
        foreach (GatewayApi api in apis) api.Dispose();
        using NetworkAccess network = options.Look(parsed);
        await network.CheckAsync(cancel).ConfigureAwait(false);
        List<GatewaySource> sources = [.. urls.Select(url => new GatewaySource(url, authority, token, TimeProvider.System))];
        try
        {
            using Auditor auditor = new(network, sources, bodies, text => Console.Error.WriteLine(text));
            AuditReport report = await ChainClient.AskAsync(() => auditor.RunAsync(from, epoch, cancel)).ConfigureAwait(false);
            foreach (string line in report.Lines) Console.WriteLine(line);
            return report.Difference is null ? ExitCode.Ok
                : throw new CliError(ExitCode.Failed, report.Difference, "keep this output; a quorum of gateways that computes another root replaces it by itself until its escrow ends");
        }
        finally
        {
            foreach (GatewaySource source in sources) source.Dispose();
        }
    }

    private static string Read(string option, string path)
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
