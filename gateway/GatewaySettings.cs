using System.Collections;
using System.Net;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Anchor;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;
using DePIN.Provision;

namespace DePIN.Gateway;

/// <summary>
/// All settings of the gateway: the single source of their defaults, units, ranges and texts. Order of precedence:
/// default, file (<c>--config</c>), environment (<c>DEPIN_SECTION_KEY</c>), command line (<c>--data</c>).
/// <see cref="Load"/> returns a complete and checked value or throws a <see cref="SettingsException"/> that says what to change.
/// Secrets are no settings: they live in 0600 files or in <see cref="SecretVariable"/>.
/// </summary>
public sealed class GatewaySettings
{
    private volatile X509Certificate2Collection? _clientAuthorities;

    /// <summary>Holds the gateway's private key as hex, for deployments without a writable key file. Never logged.</summary>
    public const string SecretVariable = "DEPIN_KEY_SECRET";

    public DataSettings Data { get; } = new();
    public LogSettings Log { get; } = new();
    public KeySettings Key { get; } = new();
    public TlsSettings Tls { get; } = new();
    public MqttSettings Mqtt { get; } = new();
    public VerifySettings Verify { get; } = new();
    public StoreSettings Store { get; } = new();
    public BatchSettings Batch { get; } = new();
    public ChainSettings Chain { get; } = new();
    public AnchorSettings Anchor { get; } = new();
    public PeerSettings Peer { get; } = new();
    public WebSettings Web { get; } = new();
    public UpdateSettings Update { get; } = new();
    public ProvisionSettings Provision { get; } = new();

    /// <summary>The sections in the order of the template, bound to this instance.</summary>
    public IReadOnlyList<SettingsSection> Sections() =>
    [
        SettingsSection.Of("data", "Where the gateway keeps everything it must not lose.", Data),
        SettingsSection.Of("log", "What is written to standard error.", Log),
        SettingsSection.Of("key", "The gateway's identity: a secp256k1 key that signs batches, anchors and transactions.", Key),
        SettingsSection.Of("tls", "The certificate that boards check.", Tls),
        SettingsSection.Of("mqtt", "Where boards publish frames.", Mqtt),
        SettingsSection.Of("verify", "Signature checking.", Verify),
        SettingsSection.Of("store", "The disk.", Store),
        SettingsSection.Of("batch", "How frames become batches.", Batch),
        SettingsSection.Of("chain", "The EVM chain with the registry and the ledger.", Chain),
        SettingsSection.Of("anchor", "How batches reach the ledger.", Anchor),
        SettingsSection.Of("peer", "The network of gateways: who attests to whose batches.", Peer),
        SettingsSection.Of("web", "Health, metrics and the read API.", Web),
        SettingsSection.Of("update", "Updates of the nodes' software over the air.", Update),
        SettingsSection.Of("provision", "The page on which technicians provision boards from their browsers.", Provision),
    ];

    /// <summary>
    /// Reads and checks. <paramref name="file"/> null = no file; <paramref name="dataFolder"/> null = as the settings say;
    /// <paramref name="environment"/> is usually the process environment. Relative paths in a file are relative to the file's folder.
    /// </summary>
    public static GatewaySettings Load(string? file, string? dataFolder, IEnumerable<KeyValuePair<string, string>> environment)
    {
        GatewaySettings settings = new();
        SettingsReader reader = new(settings.Sections());
        string baseFolder = Directory.GetCurrentDirectory();
        if (file is not null)
        {
            byte[] content;
            try
            {
                content = File.ReadAllBytes(file);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                throw new SettingsException($"{file}: cannot be read ({fault.Message}). Name an existing file with --config, or write one with --print-config > {file}.");
            }

            reader.ReadFile(file, content);
            baseFolder = Path.GetDirectoryName(Path.GetFullPath(file))!;
        }

        reader.ReadEnvironment(environment.Where(v => v.Key != SecretVariable));
        settings.Complete(reader, baseFolder, dataFolder, file);
        return settings;
    }

    /// <summary>Where the contracts are, as the chain side takes it.</summary>
    public ChainAddresses Contracts() => new((ulong)Chain.ChainId, Address.Parse(Chain.DeviceRegistry), Address.Parse(Chain.GatewayRegistry),
        Address.Parse(Chain.Ledger), (ulong)Chain.EpochSeconds, (ulong)Chain.DeployedAtBlock);

    /// <summary>What the network core goes by.</summary>
    public NetworkRules Network(Address self) => new(self, Domain, (ulong)Chain.EpochSeconds)
    {
        LeaderTimeoutS = (ulong)Anchor.LeaderTimeoutS, CertificatesMax = Anchor.CertificatesMax,
        CommitteeAbove = Peer.CommitteeAbove, CommitteeSize = Peer.CommitteeSize, BatchesPerEpoch = Peer.BatchesPerEpoch,
    };

    private Eip712Domain Domain => new((ulong)Chain.ChainId, Address.Parse(Chain.Ledger));

    /// <summary>What the anchorer goes by.</summary>
    public AnchorRules AnchorRules(Address self) => new(
        self, Domain, (ulong)Chain.EpochSeconds, Wei(Anchor.FeeCapGwei), Wei(Anchor.PriorityFeeGwei), Anchor.ReplaceAfterS * 1000L, (int)Math.Ceiling(Anchor.FeeBumpPercent * 10))
    {
        ResendAfterMs = Math.Max(1_000, Math.Min(15_000, Anchor.ReplaceAfterS * 500L)),
    };

    /// <summary>How RPC endpoints are called: one round per call, because every caller has a back-off of its own.</summary>
    public JsonRpcSettings Rpc() => new([.. Chain.RpcUrls.Select(u => new Uri(u))]) { AttemptTimeout = TimeSpan.FromMilliseconds(Chain.RpcTimeoutMs), RoundsMax = 1 };

    /// <summary>The frame store.</summary>
    public FrameLogOptions FrameLog() => new()
    {
        Path = Path.Combine(Data.Folder, "frames.db"), DiskBudgetBytes = (long)Store.DiskBudgetMib << 20, FreeSpaceFloorBytes = (long)Store.FreeFloorMib << 20,
    };

    /// <summary>The bodies of other gateways' batches.</summary>
    public BodyStoreOptions Bodies() => new(Path.Combine(Data.Folder, "bodies"))
    {
        AgeMax = TimeSpan.FromDays(Peer.BodyDays), BudgetBytes = (long)Peer.BodyBudgetMib << 20, FreeFloorBytes = (long)Store.FreeFloorMib << 20,
    };

    /// <summary>The verifier.</summary>
    public VerifierOptions Verifier(Func<bool> isClosed) => new() { Workers = Verify.Workers, KeysCachedMax = Verify.KeysCachedMax, IsClosed = isClosed };

    /// <summary>The batcher.</summary>
    public BatcherOptions Batcher(Address self, Func<int> active)
    {
        NetworkRules rules = Network(self);
        return new() { Gateway = self, FramesMax = Batch.FramesMax, AgeMaxMs = Batch.AgeMaxS * 1000, AgeLeastMs = () => rules.BatchAgeLeastMs(active()) };
    }

    /// <summary>The MQTT listener.</summary>
    public IngestSettings Ingest(GatewayTls tls) => new()
    {
        Plain = Mqtt.ListenPlain.Length == 0 ? null : IPEndPoint.Parse(Mqtt.ListenPlain),
        Tls = Mqtt.Listen.Length == 0 ? null : IPEndPoint.Parse(Mqtt.Listen),
        Certificate = () => tls.Server, ClientAuthorities = () => _clientAuthorities, ConnectionsMax = Mqtt.ClientsMax,
    };

    /// <summary>The job of the page, for boards that trust this authority (PEM). Throws when the template is wrong.</summary>
    public ProvisionJob ProvisionJob(byte[] authorityPem) =>
        DePIN.Provision.ProvisionJob.Read(Provision.Template, (ulong)Chain.ChainId, Address.Parse(Chain.DeviceRegistry), authorityPem);

    /// <summary>Takes the clients' authorities over that were read anew.</summary>
    internal void TakeAuthorities(GatewaySettings fresh) => _clientAuthorities = fresh._clientAuthorities;

    /// <summary>How often the chain is asked.</summary>
    public TimeSpan PollInterval() => TimeSpan.FromMilliseconds(Chain.PollIntervalMs);

    private static BigInteger Wei(double gwei) => new((decimal)gwei * 1_000_000_000m);

    /// <summary>The process environment as <see cref="Load"/> takes it.</summary>
    public static IEnumerable<KeyValuePair<string, string>> ProcessEnvironment()
    {
        foreach (DictionaryEntry entry in Environment.GetEnvironmentVariables())
            if (entry.Key is string name && name.StartsWith("DEPIN_", StringComparison.Ordinal))
                yield return new(name, entry.Value as string ?? "");
    }

    /// <summary>Resolves paths, fills chain settings from the deployment record and checks what one key alone cannot tell.</summary>
    private void Complete(SettingsReader reader, string baseFolder, string? dataFolder, string? file)
    {
        Data.Folder = dataFolder is not null ? Path.GetFullPath(dataFolder) : Path.GetFullPath(Data.Folder, baseFolder);
        Key.File = Key.File.Length == 0 ? Path.Combine(Data.Folder, GatewayKey.FileName) : Path.GetFullPath(Key.File, baseFolder);

        if (Log.Level is not ("debug" or "information" or "warning" or "error"))
            throw reader.Fault("log.level", $"'{Log.Level}' is no level.", "Choose debug, information, warning or error.");
        RequireEndPoint(reader, "mqtt.listen", Mqtt.Listen, allowEmpty: true);
        RequireEndPoint(reader, "mqtt.listenPlain", Mqtt.ListenPlain, allowEmpty: true);
        if (Mqtt.Listen.Length == 0 && Mqtt.ListenPlain.Length == 0)
            throw reader.Fault("mqtt.listen", "neither mqtt.listen nor mqtt.listenPlain is set, so no board could connect.", "Set one, for example \"0.0.0.0:8883\".");
        if (Mqtt.ClientAuthorities.Length > 0)
        {
            if (Mqtt.Listen.Length == 0) throw reader.Fault("mqtt.clientAuthorities", "is set, but mqtt.listen is off.", "Set mqtt.listen: only a client over TLS has a certificate.");
            Mqtt.ClientAuthorities = Path.GetFullPath(Mqtt.ClientAuthorities, baseFolder);
            _clientAuthorities = ReadAuthorities(reader, "mqtt.clientAuthorities", Mqtt.ClientAuthorities);
        }

        RequireEndPoint(reader, "web.listen", Web.Listen, allowEmpty: false);
        if (!IPEndPoint.Parse(Web.Listen).Address.Equals(IPAddress.Loopback) && !IPAddress.IsLoopback(IPEndPoint.Parse(Web.Listen).Address) && !Web.AllowRemote)
            throw reader.Fault("web.listen", $"{Web.Listen} is reachable from the network, and the API has no login.",
                "Listen on 127.0.0.1 behind a reverse proxy, or set web.allowRemote to true on a network you trust.");

        RequireEndPoint(reader, "peer.listen", Peer.Listen, allowEmpty: true);
        foreach (string endpoint in Peer.Endpoints)
            if (!PeerEndpoints.TryParseSetting(endpoint, out _, out _))
                throw reader.Fault("peer.endpoints", $"'{endpoint}' is no gateway and endpoint.", "For example \"0x5fbdb2315678afecb367f032d93f642f64180aa3=https://gateway.example:8700\".");

        if (Update.OperatorKey.Length > 0)
        {
            using Gateway.Update.OperatorKey? key = Gateway.Update.OperatorKey.TryParse(Update.OperatorKey);
            if (key is null) throw reader.Fault("update.operatorKey", "is no public P-256 key.", "Give the 128 hex digits that 'depin ota keygen' prints.");
        }

        if (Chain.Deployment.Length > 0) ReadDeployment(reader, Path.GetFullPath(Chain.Deployment, baseFolder));
        foreach (string url in Chain.RpcUrls)
        {
            if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https"))
                throw reader.Fault("chain.rpcUrls", $"'{Redacted(url)}' is no http or https URL.", "For example \"https://rpc.example.org\".");
            if (uri.UserInfo.Length > 0 && file is not null && reader.OriginOf("chain.rpcUrls").StartsWith(file, StringComparison.Ordinal))
                SecretFile.RequirePrivate(file);
        }

        if (Chain.RpcUrls.Length == 0)
            throw reader.Fault("chain.rpcUrls", "no RPC endpoint.", "Name at least one, for example [\"http://127.0.0.1:8545\"]; more than one gives fail-over.");
        if (Chain.ChainId == 0)
            throw reader.Fault("chain.chainId", "missing.", "Set chain.deployment to the file 'depin contracts deploy' wrote, or set chainId and the three addresses.");
        if (Chain.EpochSeconds == 0)
            throw reader.Fault("chain.epochSeconds", "missing.", "Set chain.deployment, or the ledger's epochSeconds().");
        RequireAddress(reader, "chain.deviceRegistry", Chain.DeviceRegistry);
        RequireAddress(reader, "chain.gatewayRegistry", Chain.GatewayRegistry);
        RequireAddress(reader, "chain.ledger", Chain.Ledger);
        if (Anchor.PriorityFeeGwei > Anchor.FeeCapGwei)
            throw reader.Fault("anchor.priorityFeeGwei", $"{Anchor.PriorityFeeGwei} gwei exceeds anchor.feeCapGwei ({Anchor.FeeCapGwei}).", "Lower it or raise the cap.");
        CompleteProvision(reader, baseFolder);
    }

    private void CompleteProvision(SettingsReader reader, string baseFolder)
    {
        RequireEndPoint(reader, "provision.listen", Provision.Listen, allowEmpty: true);
        if (Provision.Manifest.Length > 0) Provision.Manifest = Path.GetFullPath(Provision.Manifest, baseFolder);
        if (Provision.Template.Length > 0) Provision.Template = Path.GetFullPath(Provision.Template, baseFolder);
        if (Provision.Listen.Length == 0) return;
        if (Provision.Template.Length == 0)
            throw reader.Fault("provision.listen", "the page has no job: provision.template is not set.", "Name the job's template there; tools/Cli/Provision/README.md has an example.");
        try
        {
            ProvisionJob([]);
        }
        catch (ProvisionFileException wrong)
        {
            throw reader.Fault("provision.template", wrong.Message + ".", char.ToUpperInvariant(wrong.Remedy[0]) + wrong.Remedy[1..] + ".");
        }
    }

    private static X509Certificate2Collection ReadAuthorities(SettingsReader reader, string path, string file)
    {
        X509Certificate2Collection authorities = [];
        try
        {
            authorities.ImportFromPemFile(file);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw reader.Fault(path, $"{file} cannot be read ({fault.Message}).", "Name a PEM file with the authorities' certificates.");
        }

        return authorities.Count > 0 ? authorities : throw reader.Fault(path, $"{file} has no certificate in PEM.", "Name a PEM file with the authorities' certificates.");
    }

    private void ReadDeployment(SettingsReader reader, string file)
    {
        string json;
        try
        {
            json = File.ReadAllText(file);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw reader.Fault("chain.deployment", $"{file} cannot be read ({fault.Message}).", "Copy the file 'depin contracts deploy' wrote there.");
        }

        DeploymentRecord record = DeploymentRecord.FromJson(json, out string problem)
            ?? throw reader.Fault("chain.deployment", $"{file} is no deployment record ({problem}).", "Copy the file 'depin contracts deploy' wrote there.");
        if (Chain.ChainId != 0 && (ulong)Chain.ChainId != record.ChainId)
            throw reader.Fault("chain.chainId", $"{Chain.ChainId} contradicts {file} (chain id {record.ChainId}).", "Remove chain.chainId or name the right deployment.");
        Chain.ChainId = checked((long)record.ChainId);
        if (Chain.DeviceRegistry.Length == 0) Chain.DeviceRegistry = record.DeviceRegistry.ToString();
        if (Chain.GatewayRegistry.Length == 0) Chain.GatewayRegistry = record.GatewayRegistry.ToString();
        if (Chain.Ledger.Length == 0) Chain.Ledger = record.Ledger.ToString();
        if (Chain.EpochSeconds == 0) Chain.EpochSeconds = checked((long)record.EpochSeconds);
        if (Chain.DeployedAtBlock == 0) Chain.DeployedAtBlock = checked((long)record.DeployedAtBlock);
    }

    /// <summary>A URL as logs and /health may show it: RPC URLs often carry an API key in the path, the query or the user part.</summary>
    public static string Redacted(string url) => Uri.TryCreate(url, UriKind.Absolute, out Uri? uri) ? $"{uri.Scheme}://{uri.Host}:{uri.Port}" : "(not a URL)";

    private static void RequireEndPoint(SettingsReader reader, string path, string text, bool allowEmpty)
    {
        if (allowEmpty && text.Length == 0) return;
        if (!IPEndPoint.TryParse(text, out _) || !text.Contains(':', StringComparison.Ordinal))
            throw reader.Fault(path, $"'{text}' is no address and port.", "For example \"127.0.0.1:8080\", \"0.0.0.0:8883\" or \"[::]:8883\".");
    }

    private static void RequireAddress(SettingsReader reader, string path, string text)
    {
        if (!Address.TryParse(text, out Address address) || address.IsZero)
            throw reader.Fault(path, text.Length == 0 ? "missing." : $"'{text}' is no address (in mixed case the EIP-55 checksum counts).", "Set chain.deployment, or give 0x and 40 hex digits.");
    }
}

/// <summary>Section <c>data</c>.</summary>
public sealed class DataSettings
{
    [Setting("Folder for the database, the keys and certificates; created when missing. It must be on a disk that honours fsync. --data overrides it.")]
    public string Folder { get; set; } = "depin-data";
}

/// <summary>Section <c>log</c>.</summary>
public sealed class LogSettings
{
    [Setting("debug, information, warning or error.", IsReloaded = true)]
    public string Level { get; set; } = "information";

    [Setting("One JSON object per line instead of text.")]
    public bool Json { get; set; }
}

/// <summary>Section <c>key</c>.</summary>
public sealed class KeySettings
{
    [Setting("The key file (hex, mode 0600); empty = gateway.key in the data folder. Who reads it can sign as this gateway and spend its funds.")]
    public string File { get; set; } = "";
}

/// <summary>Section <c>tls</c>.</summary>
public sealed class TlsSettings
{
    [Setting("Host names and IP addresses boards use for this gateway, besides the host's own name and addresses.", IsReloaded = true)]
    public string[] Names { get; set; } = [];

    [Setting("Life of the server certificate; it is renewed when a third is left.", Unit = "days", Min = 2, Max = 825)]
    public int ServerDays { get; set; } = 365;
}

/// <summary>Section <c>mqtt</c>.</summary>
public sealed class MqttSettings
{
    [Setting("Address and port for MQTT over TLS; empty = off.")]
    public string Listen { get; set; } = "0.0.0.0:8883";

    [Setting("Address and port for MQTT without TLS; empty = off. Frames are signed, so integrity does not need TLS, but anyone on the way can read and drop them.")]
    public string ListenPlain { get; set; } = "127.0.0.1:1883";

    [Setting("PEM file with the authorities that sign clients' certificates; when set, a client over TLS has to present one. Empty = none is asked for; frames are signed either way.", IsReloaded = true)]
    public string ClientAuthorities { get; set; } = "";

    [Setting("Connections at the same time; more are refused.", Min = 1, Max = 100_000)]
    public int ClientsMax { get; set; } = 2_000;
}

/// <summary>Section <c>verify</c>.</summary>
public sealed class VerifySettings
{
    [Setting("Signature checks at the same time; 0 = number of processors.", Min = 0, Max = 256)]
    public int Workers { get; set; }

    [Setting("Device keys kept ready for checking; about 6 KB of memory each.", Min = 16, Max = 1_000_000)]
    public int KeysCachedMax { get; set; } = 4_096;
}

/// <summary>Section <c>store</c>.</summary>
public sealed class StoreSettings
{
    [Setting("The database may grow to this; then frames are no longer acknowledged and boards keep theirs.", Unit = "MiB", Min = 16, Max = 16_777_216)]
    public int DiskBudgetMib { get; set; } = 8_192;

    [Setting("Space that must stay free on the disk.", Unit = "MiB", Min = 0, Max = 1_048_576)]
    public int FreeFloorMib { get; set; } = 256;
}

/// <summary>Section <c>batch</c>.</summary>
public sealed class BatchSettings
{
    [Setting("A batch is closed at this many frames.", Min = 1, Max = 65_536)]
    public int FramesMax { get; set; } = 4_096;

    [Setting("A batch is closed when its first frame is this old.", Unit = "s", Min = 1, Max = 86_400)]
    public int AgeMaxS { get; set; } = 30;
}

/// <summary>Section <c>chain</c>.</summary>
public sealed class ChainSettings
{
    [Setting("RPC endpoints, the preferred first. The next one is used while one fails or lags. They can withhold data, not forge it past the contract's checks.")]
    public string[] RpcUrls { get; set; } = [];

    [Setting("The deployment record written by 'depin contracts deploy'; it fills the chain id and the addresses below.")]
    public string Deployment { get; set; } = "";

    [Setting("Chain id; an endpoint of another chain is not used.", Min = 0, Max = 9_007_199_254_740_991)]
    public long ChainId { get; set; }

    [Setting("Address of the DeviceRegistry contract.")]
    public string DeviceRegistry { get; set; } = "";

    [Setting("Address of the GatewayRegistry contract.")]
    public string GatewayRegistry { get; set; } = "";

    [Setting("Address of the Ledger contract.")]
    public string Ledger { get; set; } = "";

    [Setting("The ledger's epoch length: at most one anchor is made in each.", Unit = "s", Min = 0, Max = 31_536_000)]
    public long EpochSeconds { get; set; }

    [Setting("The block the contracts were deployed in; events are read from there.", Min = 0, Max = 9_007_199_254_740_991)]
    public long DeployedAtBlock { get; set; }

    [Setting("How often the chain is asked for news.", Unit = "ms", Min = 50, Max = 600_000)]
    public int PollIntervalMs { get; set; } = 2_000;

    [Setting("One RPC call takes at most this long.", Unit = "ms", Min = 100, Max = 120_000)]
    public int RpcTimeoutMs { get; set; } = 10_000;

    [Setting("Blocks asked for in one eth_getLogs; lower it when an endpoint complains.", Min = 1, Max = 100_000)]
    public int LogRangeBlocks { get; set; } = 1_000;

    [Setting("A transaction counts as final under this many blocks.", Unit = "blocks", Min = 1, Max = 10_000)]
    public int Confirmations { get; set; } = 12;
}

/// <summary>Section <c>anchor</c>.</summary>
public sealed class AnchorSettings
{
    [Setting("Whether this gateway anchors at all. Off: frames are batched and kept, and anchored later.")]
    public bool Enabled { get; set; } = true;

    [Setting("Certificates in one anchor at most.", Min = 1, Max = 65_536)]
    public int CertificatesMax { get; set; } = 1_024;

    [Setting("The most this gateway pays per gas, tip included. Too low: anchors wait, nothing is lost.", Unit = "gwei", Min = 0.000000001, Max = 1_000_000)]
    public double FeeCapGwei { get; set; } = 100;

    [Setting("Tip per gas of the first attempt.", Unit = "gwei", Min = 0, Max = 1_000_000)]
    public double PriorityFeeGwei { get; set; } = 1;

    [Setting("A transaction without a receipt after this time is replaced at a higher fee.", Unit = "s", Min = 1, Max = 86_400)]
    public int ReplaceAfterS { get; set; } = 60;

    [Setting("Fee increase of a replacement; nodes refuse less than 12.5 (go-ethereum takes 10, others 12.5).", Unit = "percent", Min = 12.5, Max = 400)]
    public double FeeBumpPercent { get; set; } = 25;

    [Setting("A gateway that is not an epoch's leader waits this long per place in the order before it anchors instead.", Unit = "s", Min = 1, Max = 86_400)]
    public int LeaderTimeoutS { get; set; } = 60;
}

/// <summary>Section <c>peer</c>.</summary>
public sealed class PeerSettings
{
    [Setting("Address and port where other gateways connect (TLS, keys pinned to the registry); empty = this gateway only dials out.")]
    public string Listen { get; set; } = "0.0.0.0:8700";

    [Setting("Where gateways are dialled instead of where the registry says: \"0xaddress=https://host:port\". A wrong one costs the connection, not trust: the key is pinned.")]
    public string[] Endpoints { get; set; } = [];

    [Setting("Whether gateways of the same local network find each other through Avahi (DNS-SD), where its programs and daemon are installed. It tells the network that a gateway is here.")]
    public bool Discovery { get; set; } = true;

    [Setting("A peer that sends more messages is slowed down and blamed.", Unit = "per s", Min = 10, Max = 100_000)]
    public int MessagesPerS { get; set; } = 500;

    [Setting("A peer that sends more is slowed down and blamed; bodies that were asked for do not count.", Unit = "MiB per s", Min = 1, Max = 1_024)]
    public int MibPerS { get; set; } = 8;

    [Setting("Bodies of other gateways' batches are kept this long.", Unit = "days", Min = 1, Max = 36_500)]
    public int BodyDays { get; set; } = 30;

    [Setting("Bodies of other gateways' batches take at most this; the oldest go first.", Unit = "MiB", Min = 256, Max = 16_777_216)]
    public int BodyBudgetMib { get; set; } = 4_096;

    [Setting("Above this many active gateways a batch is attested by a committee, not by all. The same in every gateway of a network.", Min = 4, Max = 256)]
    public int CommitteeAbove { get; set; } = 16;

    [Setting("Gateways in a committee, the author included; a certificate needs more than two thirds of them. The same in every gateway of a network.", Min = 4, Max = 256)]
    public int CommitteeSize { get; set; } = 16;

    [Setting("Batches that a network with committees cuts in an epoch, about, when none is full: the larger it is, the longer each gateway collects.", Min = 1, Max = 4_096)]
    public int BatchesPerEpoch { get; set; } = 64;
}

/// <summary>Section <c>web</c>.</summary>
public sealed class WebSettings
{
    [Setting("Address and port of /health, /metrics and /api (HTTP). Port 0 = any free one.")]
    public string Listen { get; set; } = "127.0.0.1:8080";

    [Setting("Allows web.listen on an address other than loopback. Everyone who reaches it reads all frames.")]
    public bool AllowRemote { get; set; }

    [Setting("Entries on one page of a listing at most.", Min = 1, Max = 10_000)]
    public int PageMax { get; set; } = 1_000;
}

/// <summary>Section <c>update</c>.</summary>
public sealed class UpdateSettings
{
    [Setting("The operator's public key (X and Y, 128 hex digits) as 'depin ota keygen' prints it; empty = no updates. Who has its private half can replace the software of every node that was provisioned with it.")]
    public string OperatorKey { get; set; } = "";

    [Setting("One node is sent pieces of an update at most this fast.", Unit = "KiB per s", Min = 1, Max = 65_536)]
    public int DeviceKibPerS { get; set; } = 32;

    [Setting("All nodes together are sent pieces of updates at most this fast; frames do not count and go first.", Unit = "KiB per s", Min = 1, Max = 1_048_576)]
    public int AllKibPerS { get; set; } = 2_048;
}

/// <summary>Section <c>provision</c>.</summary>
public sealed class ProvisionSettings
{
    [Setting("Address and port of the page (HTTPS with the gateway's server certificate); empty = off. Port 0 = any free one. Everything on it but the page itself wants the token in operator.token.")]
    public string Listen { get; set; } = "";

    [Setting("The job's template, the file that 'depin provision --template' takes. What it says of rpc, deployment, gatewayApi and authority is passed over, the gateway's own hold; the gateway adds gateway-host (the name in the browser's address line), gateway-port and tls where its settings lack them.")]
    public string Template { get; set; } = "";

    [Setting("Names and places for the boards: CSV with the columns device,name,location; empty = none.")]
    public string Manifest { get; set; } = "";
}
