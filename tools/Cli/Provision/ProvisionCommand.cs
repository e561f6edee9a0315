using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using DePIN.Boards;
using DePIN.Cli.Board;
using DePIN.Cli.Contracts;
using DePIN.Cli.Flash;
using DePIN.Cli.Gateway;
using DePIN.Cli.Key;
using DePIN.Cli.Label;
using DePIN.Cli.Ota;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Protocol;
using DePIN.Provision;

namespace DePIN.Cli.Provision;

/// <summary>`depin provision`: boards from the box to the first verified frame, one lane a port. `provision register` sends collected claims.</summary>
public static class ProvisionCommand
{
    private const string WifiPasswordVariable = "DEPIN_WIFI_PASSWORD";

    /// <summary>Ports at once; a USB hub of hubs has not more.</summary>
    private const int PortsMax = 64;

    public static Command Create()
    {
        Option<string> template = new("--template") { Description = "The job: chain, owner, gateway, settings (see tools/Cli/Provision/README.md).", HelpName = "FILE", Required = true };
        Option<string[]> ports = new("--port", "--ports") { Description = "A serial port; may be given several times: a lane each. auto: every USB port of this computer.", HelpName = "PORT" };
        Option<bool> web = new("--web") { Description = "Serve the page for browsers with Web Serial instead; Ctrl-C ends it." };
        Option<int> webPort = new("--web-port") { Description = "Its port on this machine; 0: any.", HelpName = "PORT", DefaultValueFactory = _ => 8090 };
        Option<string?> key = new("--key") { Description = "Keystore or key file of the account that pays for the registrations (mode 0600).", HelpName = "FILE" };
        Option<string?> collect = new("--collect") { Description = "Instead of registering, keep the claims in this file: for places without a network.", HelpName = "FILE" };
        Option<string?> manifest = new("--manifest") { Description = "CSV with device,name,location.", HelpName = "FILE" };
        Option<string> report = new("--report") { Description = "Folder of report.csv and report.jsonl; both are only added to.", HelpName = "DIR", DefaultValueFactory = _ => "provisioned" };
        Option<string?> wifi = new("--wifi-password-file") { Description = $"File with the password of the template's network (mode 0600); else {WifiPasswordVariable}, else it is asked for.", HelpName = "FILE" };
        Option<string?> labels = new("--labels") { Description = "Folder for a QR label a device (SVG, PNG) and a sheet (PDF).", HelpName = "DIR" };
        Option<string?> passphrase = KeyCommand.PassphraseOption();
        Option<bool> json = new("--json") { Description = "The report's JSON lines on standard output." };
        Command command = new("provision", "Boards from the box to the first verified frame, a lane a port. Run it again after any failure: it goes on.")
        {
            template, ports, key, passphrase, collect, manifest, report, labels, wifi, web, webPort, json, CreateRegister(), BatchCommand.Create(), BatchCommand.CreateMember(),
        };
        command.SetAction(async (parsed, cancel) =>
        {
            ProvisionJob job = ReadJob(parsed.GetValue(template)!);
            List<string> names = Ports(parsed.GetValue(ports)!);
            bool isWeb = parsed.GetValue(web);
            if (isWeb == names.Count > 0) throw new CliError(ExitCode.BadInput, isWeb ? "both --web and --port" : "neither --port nor --web", "give the boards' serial ports, or --web for the page");
            if (names.Count > PortsMax) throw new CliError(ExitCode.BadInput, $"{names.Count} ports", $"give at most {PortsMax} at once");
            ProvisionFiles files = new(parsed.GetValue(key), parsed.GetValue(passphrase), parsed.GetValue(collect), parsed.GetValue(manifest), parsed.GetValue(report)!, parsed.GetValue(labels),
                parsed.GetValue(wifi));
            if (isWeb && job.Board.Length > 0)
                throw new CliError(ExitCode.BadInput, $"the page cannot reach a {job.Board} by its own USB socket: a browser runs no nanoff", "leave --web out, or leave board out and use a cable at the provisioning pins");
            return await RunAsync(job, OpenPorts(job, names, files.Report), files, isWeb ? parsed.GetValue(webPort) : null, parsed.GetValue(json), cancel).ConfigureAwait(false);
        });
        return command;
    }

    /// <summary>The ports that are named; for auto those of USB: a computer's own serial ports have no board behind them.</summary>
    private static List<string> Ports(string[] given)
    {
        if (!given.Contains("auto")) return [.. given.Distinct()];
        List<string> found = [.. SerialPorts.List().Where(port => port.UsbId is not null).Select(port => port.Path).Concat(given.Where(name => name != "auto")).Distinct()];
        return found.Count > 0 ? found : throw new CliError(ExitCode.BadInput, "no USB serial port is there", "plug the boards in; 'depin ports' lists what this computer sees");
    }

    private static ProvisionJob ReadJob(string path)
    {
        ProvisionJob job = ProvisionJob.Read(path);
        return job.Link.Length > 0 && DeviceLabel.Problem(job.Link) is { } problem
            ? throw new CliError(ExitCode.BadInput, $"template {path}: link: {problem}", "see tools/Cli/Provision/README.md for an example") : job;
    }

    /// <summary>What the gateway's API has of a device.</summary>
    public static async Task<SeenDevice?> SeenAsync(GatewayApi gateway, string device, CancellationToken cancel)
    {
        try
        {
            return await gateway.TryGetAsync($"/api/devices/{device}", cancel).ConfigureAwait(false) is { } found && DeviceView.Read(found) is { } view
                ? new SeenDevice(view.LastSequence, view.LastReceivedMs, view.Revoked) : null;
        }
        catch (CliError error)
        {
            throw new ProvisionException(ProvisionCode.GatewayAway, error.Message, error);
        }
    }

    /// <summary>By cable at the provisioning pins, or, when the template names a board, through nanoff and the debug port of its own socket.</summary>
    private static IReadOnlyList<IBoardPort> OpenPorts(ProvisionJob job, List<string> names, string report)
    {
        if (job.Board.Length == 0) return [.. names.Select(name => new SerialBoardPort(name))];
        BoardCatalog catalog = BoardCommand.Load();
        DePIN.Boards.Board board = catalog.Find(job.Board)
            ?? throw new CliError(ExitCode.BadInput, $"the template names a board {job.Board} that is not known", $"name one of {string.Join(", ", catalog.Boards.Select(known => known.Name))}");
        if (UsbBridge.HasNativeSocket(board))
            throw new CliError(ExitCode.BadInput, $"the socket of {board.Name} is {board.UsbSocket}: it vanishes when the board restarts", "leave board out of the template and use a cable at the provisioning pins ('depin board show' has them)");
        string nanoff = Nanoff.Find();
        return [.. names.Select(name => new DebugBoardPort(name, new DebugBoardSettings(board, nanoff, Path.Combine(report, $"nanoff-{Path.GetFileName(name)}.log"))))];
    }

    private static async Task<int> RunAsync(ProvisionJob job, IReadOnlyList<IBoardPort> ports, ProvisionFiles files, int? webPort, bool json, CancellationToken cancel)
    {
        if ((files.Key is null) == (files.Collect is null)) throw new CliError(ExitCode.BadInput, "either --key or --collect", "give the payer's key file, or a file to collect claims in");
        using ProvisionReport report = ProvisionReport.Open(files.Report);
        DeviceManifest manifest = DeviceManifest.Read(files.Manifest, report);
        LabelFolder? labels = files.Labels is null ? null : new LabelFolder(files.Labels, job.Link);
        using GatewayApi gateway = new(job.GatewayApi!.ToString());
        using HttpClient http = new();
        using GatewaySigner? payer = files.Key is null ? null : PrivateKeyFile.Read(files.Key, files.Passphrase);
        using ClaimRegistrar? registrar = payer is null ? null : await OpenRegistrarAsync(job, http, payer, cancel).ConfigureAwait(false);
        using ClaimCollector? collector = files.Collect is null ? null : new ClaimCollector(files.Collect, job.ChainId, job.DeviceRegistry, job.OwnerAddress);
        ProvisionRun run = new(job, manifest, report, registrar is not null ? registrar : collector!, (device, stop) => SeenAsync(gateway, device, stop), labels, TimeProvider.System);
        if (webPort is { } asked) return await ServeAsync(run, labels, asked, cancel).ConfigureAwait(false);
        byte[] password = job.Wifi.Length == 0 ? [] : SecretText.Read(files.WifiPassword, WifiPasswordVariable, ImprovRpc.PasswordBytesMax, $"password of the network {job.Wifi} (empty: it has none): ");
        run = run with { WifiPassword = password };
        List<ProvisionLane> lanes = [.. ports.Select(port => new ProvisionLane(run, port))];
        Task<ReportLine[]> work = Task.WhenAll(lanes.Select(lane => Task.Run(() => lane.RunAsync(cancel), CancellationToken.None)));
        try
        {
            await ProvisionView.For(json).ShowAsync(lanes, work).ConfigureAwait(false);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(password);
        }

        ReportLine[] results = await work.ConfigureAwait(false);
        WriteSheet(labels);
        int succeeded = results.Count(line => ProvisionCode.IsSuccess(line.Code));
        Console.Error.WriteLine($"{succeeded} of {results.Length} boards are done; the report is {report.TableFile}{(report.Torn > 0 ? $" ({report.Torn} unreadable lines of an earlier run were passed over)" : "")}");
        return cancel.IsCancellationRequested ? ExitCode.Interrupted : succeeded == results.Length ? ExitCode.Ok : ExitCode.Failed;
    }

    private static void WriteSheet(LabelFolder? labels)
    {
        try
        {
            labels?.WriteSheet();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.Failed, $"the sheet of labels cannot be written: {error.Message}", "free space or another --labels folder, then run the command again");
        }
    }

    private static async Task<int> ServeAsync(ProvisionRun run, LabelFolder? labels, int port, CancellationToken cancel)
    {
        await using ProvisionWeb web = await ProvisionWeb.StartAsync(run, port, cancel).ConfigureAwait(false);
        Console.WriteLine($"the page for this job: {web.Url}");
        try
        {
            await Task.Delay(Timeout.Infinite, cancel).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // that is how it ends
        }

        WriteSheet(labels);
        return ExitCode.Ok;
    }

    private static Command CreateRegister()
    {
        Argument<string?> file = new("claims") { Description = "What --collect wrote.", HelpName = "FILE", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> gateway = new("--gateway") { Description = "Instead: the claims that a gateway's page collected; its address, https.", HelpName = "URL" };
        Option<string?> token = OperatorTokenFile.CreateOption();
        Option<string> template = new("--template") { Description = "The job.", HelpName = "FILE", Required = true };
        Option<string> key = new("--key") { Description = "Keystore or key file of the account that pays (mode 0600).", HelpName = "FILE", Required = true };
        Option<string?> passphrase = KeyCommand.PassphraseOption();
        Command command = new("register", "Registers collected claims; those that are registered already are passed over.") { file, gateway, token, template, key, passphrase };
        command.SetAction(async (parsed, cancel) =>
        {
            ProvisionJob job = ReadJob(parsed.GetValue(template)!);
            (string? path, string? url) = (parsed.GetValue(file), parsed.GetValue(gateway));
            if ((path is null) == (url is null)) throw new CliError(ExitCode.BadInput, "either a file of claims or --gateway", "name the file that --collect wrote, or the gateway whose page collected them");
            List<CollectedClaim> claims = path is not null ? ClaimCollector.Read(path) : await FetchAsync(job, url!, OperatorTokenFile.Read(parsed.GetValue(token)), cancel).ConfigureAwait(false);
            if (claims.Count == 0) throw new CliError(ExitCode.BadInput, $"{path ?? url} holds no claim", "provision boards with --collect, or at the gateway's page, first");
            using HttpClient http = new();
            using GatewaySigner payer = PrivateKeyFile.Read(parsed.GetValue(key)!, parsed.GetValue(passphrase));
            using ClaimRegistrar registrar = await OpenRegistrarAsync(job, http, payer, cancel).ConfigureAwait(false);
            return await RegisterAsync(job, claims, registrar, cancel).ConfigureAwait(false);
        });
        return command;
    }

    /// <summary>The claims of a gateway's page. Its certificate is by the template's authority, when that names one.</summary>
    private static async Task<List<CollectedClaim>> FetchAsync(ProvisionJob job, string url, string token, CancellationToken cancel)
    {
        if (!url.StartsWith("https://", StringComparison.OrdinalIgnoreCase))
            throw new CliError(ExitCode.BadInput, $"--gateway: '{url}' is not https", "name the address of the page, for example https://192.168.1.20:8443: the token is not sent in the open");
        using GatewayApi api = new(url, job.AuthorityPem);
        string text = Encoding.UTF8.GetString(await api.GetAsync(PageHost.ClaimsPath, token, cancel).ConfigureAwait(false));
        return ClaimCollector.Read(text.Split('\n', StringSplitOptions.RemoveEmptyEntries), url);
    }

    private static async Task<int> RegisterAsync(ProvisionJob job, IReadOnlyList<CollectedClaim> claims, ClaimRegistrar registrar, CancellationToken cancel)
    {
        int failed = 0;
        ILookup<bool, CollectedClaim> ours = claims.ToLookup(claim => claim.ChainId == job.ChainId && claim.Registry == job.DeviceRegistry.ToString() && claim.Owner == job.OwnerAddress.ToString());
        foreach (CollectedClaim claim in ours[false])
            Console.WriteLine($"{claim.Device}: passed over, it is for chain {claim.ChainId}, registry {claim.Registry}, owner {claim.Owner}");
        if (!ours[true].Any()) throw new CliError(ExitCode.BadInput, "no claim is for the template's chain, registry and owner", "give the template that they were collected with");
        foreach (CollectedClaim claim in ours[true])
        {
            BoardIdentity board = new(claim.KeyKind, Convert.FromHexString(claim.PublicKey), claim.Device, State: 0, Firmware: "", Board: "");
            try
            {
                await registrar.FileAsync(board, Convert.FromHexString(claim.Signature), cancel).ConfigureAwait(false);
                Console.WriteLine($"{claim.Device}: registered");
            }
            catch (ProvisionException error)
            {
                failed++;
                Console.WriteLine($"{claim.Device}: {error.Code.Code} {error.Message}");
                Console.WriteLine($"  → {error.Code.Next}");
            }
        }

        return failed == 0 ? ExitCode.Ok : ExitCode.Failed;
    }

    private static async Task<ClaimRegistrar> OpenRegistrarAsync(ProvisionJob job, HttpClient http, GatewaySigner payer, CancellationToken cancel)
    {
        EthereumClient client = new(new JsonRpc(http, new JsonRpcSettings(job.Rpc!), TimeProvider.System, new Random()));
        try
        {
            ulong chain = await client.GetChainIdAsync(cancel).ConfigureAwait(false);
            if (chain != job.ChainId)
                throw new CliError(ExitCode.BadInput, $"{job.Rpc} is chain {chain}, the deployment record is of chain {job.ChainId}", "mend rpc or deployment in the template");
        }
        catch (Exception error) when (error is not (CliError or OperationCanceledException))
        {
            throw new CliError(ExitCode.Unreachable, $"the chain at {job.Rpc} does not answer: {error.Message}", "check the template's rpc and the network; without a network use --collect");
        }

        return new ClaimRegistrar(client, job.DeviceRegistry, payer, job.OwnerAddress, TimeProvider.System);
    }
}

/// <summary>The files of a run; null: not asked for.</summary>
internal sealed record ProvisionFiles(string? Key, string? Passphrase, string? Collect, string? Manifest, string Report, string? Labels, string? WifiPassword);
