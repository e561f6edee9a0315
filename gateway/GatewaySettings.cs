using System.Collections;
using System.Net;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Anchor;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Dispute;
using DePIN.Gateway.HomeAssistant;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Reward;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Sign;
using DePIN.Gateway.Store;
using DePIN.Gateway.Subscribe;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using DePIN.Provision;

namespace DePIN.Gateway;

/// <summary>
/// All settings of the gateway: the single source of their defaults, units, ranges and texts. Order of precedence:
/// default, file (<c>--config</c>), environment (<c>DEPIN_SECTION_KEY</c>), command line (<c>--data</c>).
/// <see cref="Load"/> returns a complete and checked value or throws a <see cref="SettingsException"/> that says what to change.
/// Secrets are no settings: they live in 0600 files, in a token, or in <see cref="SecretVariable"/> and <see cref="KeySecret.Variable"/>.
/// </summary>
public sealed class GatewaySettings
{
    private const int RetainedBesides = 1_000; // retained messages for everything but Home Assistant

    private volatile LoginBook? _logins;
    private volatile LoginBook? _webUsers;
    private volatile X509Certificate2Collection? _clientAuthorities;

    /// <summary>Holds the gateway's private key as hex, for deployments without a writable key file. Never logged.</summary>
    public const string SecretVariable = "DEPIN_KEY_SECRET";

    public DataSettings Data { get; } = new();
    public LogSettings Log { get; } = new();
    public KeySettings Key { get; } = new();
    public TlsSettings Tls { get; } = new();
    public MqttSettings Mqtt { get; } = new();
    public BrokerSettings Broker { get; } = new();
    public HomeAssistantSettings HomeAssistant { get; } = new();
    public VerifySettings Verify { get; } = new();
    public StoreSettings Store { get; } = new();
    public BatchSettings Batch { get; } = new();
    public ChainSettings Chain { get; } = new();
    public AnchorSettings Anchor { get; } = new();
    public DisputeSettings Dispute { get; } = new();
    public PeerSettings Peer { get; } = new();
    public WebSettings Web { get; } = new();
    public UpdateSettings Update { get; } = new();
    public ProvisionSettings Provision { get; } = new();
    public TelemetrySettings Telemetry { get; } = new();

    /// <summary>The sections in the order of the template, bound to this instance.</summary>
    public IReadOnlyList<SettingsSection> Sections() =>
    [
        SettingsSection.Of("data", "Where the gateway keeps everything it must not lose.", Data),
        SettingsSection.Of("log", "What is written to standard error.", Log),
        SettingsSection.Of("key", "The gateway's identity: a secp256k1 key that signs batches, anchors and transactions.", Key),
        SettingsSection.Of("tls", "The certificate that boards check.", Tls),
        SettingsSection.Of("mqtt", "Where boards publish frames.", Mqtt),
        SettingsSection.Of("broker", "Another MQTT broker from which frames are taken.", Broker),
        SettingsSection.Of("homeAssistant", "Sensors of Home Assistant.", HomeAssistant),
        SettingsSection.Of("verify", "Signature checking.", Verify),
        SettingsSection.Of("store", "The disk.", Store),
        SettingsSection.Of("batch", "How frames become batches.", Batch),
        SettingsSection.Of("chain", "The EVM chain with the registry and the ledger.", Chain),
        SettingsSection.Of("anchor", "How batches reach the ledger.", Anchor),
        SettingsSection.Of("dispute", "What is done about evidence.", Dispute),
        SettingsSection.Of("peer", "The network of gateways: who attests to whose batches.", Peer),
        SettingsSection.Of("web", "Health, metrics and the read API.", Web),
        SettingsSection.Of("update", "Updates of the nodes' software over the air.", Update),
        SettingsSection.Of("provision", "The page on which technicians provision boards from their browsers.", Provision),
        SettingsSection.Of("telemetry", "Traces and metrics for an OpenTelemetry collector.", Telemetry),
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

        reader.ReadEnvironment(environment.Where(v => v.Key is not (SecretVariable or KeySecret.Variable)));
        settings.Complete(reader, baseFolder, dataFolder, file);
        return settings;
    }

    /// <summary>Where the key is, and where its passphrase or PIN is from.</summary>
    public KeyPlace PlaceOfKey(Func<string, string?> environment) => KeyPlace.Of(KeyUri, SecretOfKey(environment));

    /// <summary>Where the key's passphrase or PIN is from.</summary>
    public KeySecret SecretOfKey(Func<string, string?> environment) => new(Key.PassphraseFile, environment);

    /// <summary>Setting <c>key.uri</c>, read.</summary>
    public KeyUri KeyUri { get; private set; } = new FileKeyUri(GatewayKey.FileName);

    /// <summary>Where the contracts are, as the chain side takes it.</summary>
    public ChainAddresses Contracts() => new((ulong)Chain.ChainId, Address.Parse(Chain.DeviceRegistry), Address.Parse(Chain.GatewayRegistry),
        Address.Parse(Chain.Ledger), (ulong)Chain.EpochSeconds, (ulong)Chain.DeployedAtBlock);

    /// <summary>Lists of device batches.</summary>
    public MemberOptions Members() =>
        new(Path.GetFullPath(Chain.MemberLists, Data.Folder), (ulong)Chain.ChainId, Address.Parse(Chain.DeviceRegistry), PollInterval());

    /// <summary>What the network core goes by.</summary>
    public NetworkRules Network(Address self) => new(self, Domain)
    {
        LeaderTimeoutS = (ulong)Anchor.LeaderTimeoutS, CertificatesMax = Anchor.CertificatesMax,
        CommitteeAbove = Peer.CommitteeAbove, CommitteeSize = Peer.CommitteeSize, BatchesPerEpoch = Peer.BatchesPerEpoch,
    };

    private Eip712Domain Domain => new((ulong)Chain.ChainId, Address.Parse(Chain.Ledger));

    /// <summary>What the anchorer goes by.</summary>
    public AnchorRules AnchorRules(Address self) => new(
        self, Domain, Wei(Anchor.FeeCapGwei), Wei(Anchor.PriorityFeeGwei), Anchor.ReplaceAfterS * 1000L, (int)Math.Ceiling(Anchor.FeeBumpPercent * 10))
    {
        ResendAfterMs = Math.Max(1_000, Math.Min(15_000, Anchor.ReplaceAfterS * 500L)),
    };

    /// <summary>What rewards are computed and published by.</summary>
    public RewardOptions Rewards(Address self) =>
        new(self, Contracts(), Chain.Confirmations, PollInterval(), TimeSpan.FromSeconds(Anchor.LeaderTimeoutS), Wei(Anchor.FeeCapGwei), Anchor.Enabled);

    /// <summary>The dispute stage.</summary>
    public DisputeOptions Disputes(Address self) => new(self, Chain.Confirmations, PollInterval(), TimeSpan.FromSeconds(Anchor.LeaderTimeoutS), Wei(Anchor.FeeCapGwei)) { Accuse = Dispute.Accuse };

    /// <summary>How RPC endpoints are called: one round per call, because every caller has a back-off of its own.</summary>
    public JsonRpcSettings Rpc() => Rpc(Chain.RpcUrls);

    /// <summary>The same for these endpoints alone.</summary>
    public JsonRpcSettings Rpc(params IEnumerable<string> urls) => new([.. urls.Select(u => new Uri(u))]) { AttemptTimeout = TimeSpan.FromMilliseconds(Chain.RpcTimeoutMs), RoundsMax = 1 };

    /// <summary>The frame store.</summary>
    public FrameLogOptions FrameLog() => new()
    {
        Path = Path.Combine(Data.Folder, "frames.db"), DiskBudgetBytes = (long)Store.DiskBudgetMib << 20, FreeSpaceFloorBytes = (long)Store.FreeFloorMib << 20, CommitIntervalMs = Store.CommitIntervalMs,
        PartitionBytesMax = Math.Min(64L << 20, ((long)Store.DiskBudgetMib << 20) / 16), // a small budget must be able to drop parts of itself
    };

    /// <summary>How long frames are kept.</summary>
    public RetentionOptions Retention() => new(Store.KeepDays * 86_400L);

    /// <summary>The bodies of other gateways' batches.</summary>
    public BodyStoreOptions Bodies() => new(Path.Combine(Data.Folder, "bodies"))
    {
        AgeMax = TimeSpan.FromDays(Peer.BodyDays), BudgetBytes = (long)Peer.BodyBudgetMib << 20, FreeFloorBytes = (long)Store.FreeFloorMib << 20,
    };

    /// <summary>The verifier.</summary>
    public VerifierOptions Verifier(Func<bool> isClosed) => new() { Workers = Verify.Workers, KeysCachedMax = Verify.KeysCachedMax, IsClosed = isClosed };

    /// <summary>The batcher.</summary>
    public BatcherOptions Batcher(Address self, Func<int> active, Func<ulong> epochSeconds)
    {
        NetworkRules rules = Network(self);
        return new() { Gateway = self, FramesMax = Batch.FramesMax, AgeMaxMs = Batch.AgeMaxS * 1000, AgeLeastMs = () => rules.BatchAgeLeastMs(active(), epochSeconds()) };
    }

    /// <summary>The MQTT listener.</summary>
    public IngestSettings Ingest(GatewayTls tls) => new()
    {
        Plain = Mqtt.ListenPlain.Length == 0 ? null : IPEndPoint.Parse(Mqtt.ListenPlain),
        Tls = Mqtt.Listen.Length == 0 ? null : IPEndPoint.Parse(Mqtt.Listen),
        Certificate = () => tls.Presented, ClientAuthorities = () => _clientAuthorities, ConnectionsMax = Mqtt.ClientsMax,
        Login = Enum.Parse<LoginMode>(Mqtt.Login, ignoreCase: true), Logins = () => _logins, AnonymousRead = Mqtt.AnonymousRead,
        RetainedMax = HomeAssistant.Enabled ? RetainedBesides + 2 * HomeAssistant.DevicesMax : RetainedBesides, // a discovery and a state for each device
    };

    /// <summary>The subscription to another broker; null without broker.url.</summary>
    public BrokerOptions? Subscription(Address self)
    {
        if (Broker.Url.Length == 0) return null;
        Uri url = new(Broker.Url);
        bool isSecure = url.Scheme == "mqtts";
        return new BrokerOptions
        {
            Host = url.IdnHost, Port = url.Port > 0 ? url.Port : isSecure ? 8883 : 1883, IsSecure = isSecure, User = Broker.User, PasswordFile = Broker.PasswordFile,
            AuthorityFile = Broker.AuthorityFile, CertificateFile = Broker.CertificateFile, CertificateKeyFile = Broker.CertificateKeyFile,
            ClientId = Broker.ClientId.Length > 0 ? Broker.ClientId : "depin-gateway-" + self.ToString()[2..],
            ShareGroup = Broker.ShareGroup, Filter = Broker.Filter, WindowFrames = Broker.WindowFrames, SessionExpiry = TimeSpan.FromHours(Broker.SessionHours),
            PublishReadings = Broker.PublishReadings, StoredInterval = TimeSpan.FromSeconds(Broker.StoredIntervalS), AvailabilityTopic = Availability(self),
        };
    }

    /// <summary>Where this gateway says for Home Assistant whether it is there; null when others stand in for it.</summary>
    public string? Availability(Address self) => HomeAssistant.Enabled && Broker.ShareGroup.Length == 0 ? HomeAssistantStage.AvailabilityTopic(self) : null;

    /// <summary>The job of the page, for boards that trust this authority (PEM). Throws when the template is wrong.</summary>
    public ProvisionJob ProvisionJob(byte[] authorityPem) =>
        DePIN.Provision.ProvisionJob.Read(Provision.Template, (ulong)Chain.ChainId, Address.Parse(Chain.DeviceRegistry), authorityPem);

    /// <summary>The page's users; null without web.credentials.</summary>
    internal LoginBook? WebUsers => _webUsers;

    /// <summary>Takes the clients' authorities and users over that were read anew; the page's only from the same file, so that no reload takes its login away.</summary>
    internal void TakeFiles(GatewaySettings fresh)
    {
        (_clientAuthorities, _logins) = (fresh._clientAuthorities, fresh._logins);
        if (Web.Credentials == fresh.Web.Credentials) _webUsers = fresh._webUsers;
    }

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
        CompleteKey(reader, baseFolder);

        if (Log.Level is not ("debug" or "information" or "warning" or "error"))
            throw reader.Fault("log.level", $"'{Log.Level}' is no level.", "Choose debug, information, warning or error.");
        RequireEndPoint(reader, "mqtt.listen", Mqtt.Listen, allowEmpty: true);
        RequireEndPoint(reader, "mqtt.listenPlain", Mqtt.ListenPlain, allowEmpty: true);
        if (Mqtt.Listen.Length == 0 && Mqtt.ListenPlain.Length == 0 && Broker.Url.Length == 0)
            throw reader.Fault("mqtt.listen", "neither mqtt.listen nor mqtt.listenPlain nor broker.url is set, so no frame could come.", "Set one, for example \"0.0.0.0:8883\".");
        if (Mqtt.ListenPlain.Length > 0 && !IPAddress.IsLoopback(IPEndPoint.Parse(Mqtt.ListenPlain).Address) && !Mqtt.AllowPlainRemote)
            throw reader.Fault("mqtt.listenPlain", $"{Mqtt.ListenPlain} is reachable from the network, without TLS.",
                "Listen on 127.0.0.1 and let boards use mqtt.listen, or set mqtt.allowPlainRemote to true on a network you trust.");
        if (Mqtt.Login is not ("none" or "optional" or "required"))
            throw reader.Fault("mqtt.login", $"'{Mqtt.Login}' is none of them.", "Choose none, optional or required.");
        if (Mqtt.Login != "none" && Mqtt.Credentials.Length == 0)
            throw reader.Fault("mqtt.login", $"is {Mqtt.Login}, but mqtt.credentials is not set.", "Name the file there, and add users with 'depin gateway mqtt add'.");
        if (Mqtt.Credentials.Length > 0)
        {
            Mqtt.Credentials = Path.GetFullPath(Mqtt.Credentials, baseFolder);
            if (Mqtt.Login != "none") _logins = ReadUsers(reader, "mqtt.credentials", Mqtt.Credentials, "The gateway lets nobody in by guess.");
        }

        CompleteBroker(reader, baseFolder);
        if (Mqtt.ClientAuthorities.Length > 0)
        {
            if (Mqtt.Listen.Length == 0) throw reader.Fault("mqtt.clientAuthorities", "is set, but mqtt.listen is off.", "Set mqtt.listen: only a client over TLS has a certificate.");
            Mqtt.ClientAuthorities = Path.GetFullPath(Mqtt.ClientAuthorities, baseFolder);
            _clientAuthorities = ReadAuthorities(reader, "mqtt.clientAuthorities", Mqtt.ClientAuthorities);
        }

        RequireEndPoint(reader, "web.listen", Web.Listen, allowEmpty: false);
        if (Web.Credentials.Length > 0)
        {
            Web.Credentials = Path.GetFullPath(Web.Credentials, baseFolder);
            _webUsers = ReadUsers(reader, "web.credentials", Web.Credentials, "Add users with 'depin gateway user add'.");
        }

        foreach (string proxy in Web.TrustedProxies)
            if (!IPAddress.TryParse(proxy, out _)) throw reader.Fault("web.trustedProxies", $"'{proxy}' is no IP address.", "For example \"127.0.0.1\".");
        if (Web.UserHeader.Length > 0 && Web.TrustedProxies.Length == 0)
            throw reader.Fault("web.userHeader", "is believed from nobody: web.trustedProxies is empty.", "Name the proxy's address there, or anyone could send the header.");
        if (!IPAddress.IsLoopback(IPEndPoint.Parse(Web.Listen).Address) && !Web.AllowRemote && !(Web.Tls && Web.Credentials.Length > 0))
            throw reader.Fault("web.listen", $"{Web.Listen} is reachable from the network, and the page has no login over TLS.",
                "Set web.tls and web.credentials, listen on 127.0.0.1 behind a reverse proxy, or set web.allowRemote to true on a network you trust.");

        RequireEndPoint(reader, "peer.listen", Peer.Listen, allowEmpty: true);
        foreach (string endpoint in Peer.Endpoints)
            if (!PeerEndpoints.TryParseSetting(endpoint, out _, out _))
                throw reader.Fault("peer.endpoints", $"'{endpoint}' is no gateway and endpoint.", "For example \"0x5fbdb2315678afecb367f032d93f642f64180aa3=https://gateway.example:8700\".");

        if (Update.OperatorKey.Length > 0)
        {
            using Gateway.Update.OperatorKey? key = Gateway.Update.OperatorKey.TryParse(Update.OperatorKey);
            if (key is null) throw reader.Fault("update.operatorKey", "is no public P-256 key.", "Give the 128 hex digits that 'depin ota keygen' prints.");
        }

        if (Store.PasswordFile.Length > 0) Store.PasswordFile = Path.GetFullPath(Store.PasswordFile, baseFolder);
        if (Store.Postgres.Length > 0)
        {
            Gateway.Store.Postgres.PostgresOptions.Parse(Store.Postgres, Store.PasswordFile);
            if (Update.OperatorKey.Length > 0)
                throw reader.Fault("update.operatorKey", "is set, but a rollout's records are a file of one process, and store.postgres is for several.", "Roll out through a gateway with a store of its own, or unset one of the two.");
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
        if (Chain.RpcAgree > Chain.RpcUrls.Length)
            throw reader.Fault("chain.rpcAgree", $"{Chain.RpcAgree} endpoints must agree, and chain.rpcUrls names {Chain.RpcUrls.Length}.", "Name more endpoints of independent providers, or lower it.");
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
        CompleteTelemetry(reader, baseFolder);
    }

    private void CompleteTelemetry(SettingsReader reader, string baseFolder)
    {
        if (Telemetry.Protocol is not ("http" or "grpc"))
            throw reader.Fault("telemetry.protocol", $"'{Telemetry.Protocol}' is no protocol.", "Choose http or grpc.");
        if (Telemetry.Endpoint.Length > 0 && (!Uri.TryCreate(Telemetry.Endpoint, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https")))
            throw reader.Fault("telemetry.endpoint", $"'{Redacted(Telemetry.Endpoint)}' is no http or https URL.", "For example \"http://127.0.0.1:4318\".");
        if (Telemetry.HeadersFile.Length > 0) Telemetry.HeadersFile = Path.GetFullPath(Telemetry.HeadersFile, baseFolder);
    }

    private void CompleteKey(SettingsReader reader, string baseFolder)
    {
        if (Key.PassphraseFile.Length > 0) Key.PassphraseFile = Path.GetFullPath(Key.PassphraseFile, baseFolder);
        try
        {
            KeyUri = Sign.KeyUri.Parse(Key.Uri, Data.Folder);
        }
        catch (FormatException wrong)
        {
            throw reader.Fault("key.uri", wrong.Message + ".", "For example \"file:gateway.key\", \"pkcs11:token=depin;object=gateway?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/depin/pin\" or \"tpm2:gateway.tpm2\".");
        }
    }

    private static LoginBook ReadUsers(SettingsReader reader, string path, string file, string remedy)
    {
        try
        {
            return LoginBook.Read(file);
        }
        catch (SettingsException wrong)
        {
            throw reader.Fault(path, wrong.Message, remedy);
        }
    }

    private void CompleteBroker(SettingsReader reader, string baseFolder)
    {
        if (HomeAssistant.Prefix.Length == 0 || HomeAssistant.Prefix.AsSpan().ContainsAny("+#\0") || HomeAssistant.Prefix.Split('/')[0] is "depin" or "$SYS")
            throw reader.Fault("homeAssistant.prefix", $"'{HomeAssistant.Prefix}' is no prefix of topics outside depin/.", "Use what Home Assistant's MQTT integration says, usually \"homeassistant\".");
        if (Broker.Url.Length == 0) return;
        if (!Uri.TryCreate(Broker.Url, UriKind.Absolute, out Uri? url) || url.Scheme is not ("mqtt" or "mqtts") || url.Host.Length == 0 || url.PathAndQuery is not ("" or "/"))
            throw reader.Fault("broker.url", $"'{Redacted(Broker.Url)}' is no mqtt or mqtts URL.", "For example \"mqtts://broker.example.org\" or \"mqtt://127.0.0.1:1883\".");
        if (url.UserInfo.Length > 0)
            throw reader.Fault("broker.url", "holds a user name or password.", "Use broker.user and broker.passwordFile (mode 0600).");
        if (url.Scheme == "mqtt" && !url.IsLoopback && !Broker.AllowPlain)
            throw reader.Fault("broker.url", $"{Redacted(Broker.Url)} is reached over the network without TLS.", "Use mqtts://, or set broker.allowPlain to true on a network you trust.");
        if (!TopicRules.IsFilter(System.Text.Encoding.UTF8.GetBytes(Broker.Filter)) || Broker.Filter.StartsWith('$'))
            throw reader.Fault("broker.filter", $"'{Broker.Filter}' is no topic filter.", "Leave it out, or for example \"depin/1/+/frame\"; for a shared subscription set broker.shareGroup.");
        if (Broker.ShareGroup.AsSpan().ContainsAny("+#/\0"))
            throw reader.Fault("broker.shareGroup", $"'{Broker.ShareGroup}' has one of + # /.", "Use letters, digits and hyphens.");
        if (Broker.User.Length == 0 && Broker.PasswordFile.Length > 0)
            throw reader.Fault("broker.passwordFile", "is set, but broker.user is not.", "Set both.");
        if ((Broker.CertificateFile.Length > 0) != (Broker.CertificateKeyFile.Length > 0))
            throw reader.Fault("broker.certificateFile", "and broker.certificateKeyFile belong together.", "Set both, or none.");
        if (url.Scheme == "mqtt" && (Broker.AuthorityFile.Length > 0 || Broker.CertificateFile.Length > 0))
            throw reader.Fault("broker.url", "is mqtt://, which uses no certificates, but broker.authorityFile or broker.certificateFile is set.", "Use mqtts://, or leave them out.");
        if (Broker.PasswordFile.Length > 0) Broker.PasswordFile = Path.GetFullPath(Broker.PasswordFile, baseFolder);
        if (Broker.AuthorityFile.Length > 0) Broker.AuthorityFile = Path.GetFullPath(Broker.AuthorityFile, baseFolder);
        if (Broker.CertificateFile.Length > 0) Broker.CertificateFile = Path.GetFullPath(Broker.CertificateFile, baseFolder);
        if (Broker.CertificateKeyFile.Length > 0) Broker.CertificateKeyFile = Path.GetFullPath(Broker.CertificateKeyFile, baseFolder);
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
