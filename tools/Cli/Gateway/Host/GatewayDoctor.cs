using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Numerics;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Store;
using DePIN.Gateway.Store.Postgres;
using DePIN.Gateway.Sign;
using Microsoft.Data.Sqlite;

namespace DePIN.Cli.Gateway.Host;

/// <summary>
/// Looks at everything a gateway depends on, while it runs or not, and changes nothing. Each look is bounded in time; one that fails does not
/// keep the others from being made.
/// </summary>
public sealed class GatewayDoctor
{
    /// <summary>For one answer of a host.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private const int WritesMeasured = 15;
    private const double SlowWriteMs = 100;
    private const int EndNearDays = 30;

    // An anchor with three signatures (depin bench gas), and how many of them a balance should pay for.
    private const int AnchorGas = 62_000;
    private const int AnchorsComfortable = 1_000;
    private const int AnchorsLeast = 10;

    private readonly GatewaySettings _settings;
    private readonly TimeProvider _time;
    private readonly List<Finding> _findings = [];
    private string? _known; // whose data folder it is
    private Address? _address;
    private Hash32? _peerKey;
    private RunningJson? _running;

    private GatewayDoctor(GatewaySettings settings, TimeProvider time) => (_settings, _time) = (settings, time);

    /// <summary>All findings, in the order of the list in README.md.</summary>
    public static async Task<IReadOnlyList<Finding>> ExamineAsync(string config, string? data, TimeProvider time, CancellationToken cancel)
    {
        GatewaySettings settings;
        try
        {
            settings = GatewayCommand.Load(config, data);
        }
        catch (CliError wrong)
        {
            return [new Finding("settings", FindingLevel.Fail, wrong.Message, wrong.Remedy)];
        }

        GatewayDoctor doctor = new(settings, time);
        doctor.Say("settings", FindingLevel.Ok, $"{config} is valid");
        await doctor.ExamineAsync(cancel).ConfigureAwait(false);
        return doctor._findings;
    }

    private async Task ExamineAsync(CancellationToken cancel)
    {
        ExamineFolder();
        ExamineDisk();
        ExamineCard();
        ExamineStore();
        ExamineFrames();
        await ExaminePostgresAsync(cancel).ConfigureAwait(false);
        ExamineIdentity();
        ExamineCertificates();
        ExamineRunning();
        await ExaminePortsAsync(cancel).ConfigureAwait(false);
        await ExamineNamesAsync(cancel).ConfigureAwait(false);
        await ExamineChainAsync(cancel).ConfigureAwait(false);
        if (_settings.Subscription(_address ?? default) is { } broker) _findings.AddRange(await BrokerLook.ExamineAsync(broker, _time, cancel).ConfigureAwait(false));
        await ExamineHealthAsync(cancel).ConfigureAwait(false);
    }

    private void Say(string code, FindingLevel level, string what, string next = "") => _findings.Add(new Finding(code, level, what, next));

    private void ExamineFolder()
    {
        string folder = _settings.Data.Folder;
        if (!Directory.Exists(folder))
        {
            Say("data.folder", FindingLevel.Fail, $"{folder} is not there", "run 'depin gateway init', or correct data.folder");
            return;
        }

        try
        {
            string probe = Path.Combine(folder, $".check-{Environment.ProcessId}");
            byte[] block = new byte[4096];
            List<double> times = [];
            using (FileStream file = new(probe, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Options = FileOptions.DeleteOnClose }))
            {
                for (int i = 0; i < WritesMeasured; i++)
                {
                    long start = Stopwatch.GetTimestamp();
                    file.Position = 0;
                    file.Write(block);
                    file.Flush(flushToDisk: true);
                    times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                }
            }

            times.Sort();
            double median = times[times.Count / 2];
            Say("disk.latency", median > SlowWriteMs ? FindingLevel.Warn : FindingLevel.Ok, $"a durable write of 4 KiB takes {median.ToString("0.0", CultureInfo.InvariantCulture)} ms (median of {WritesMeasured}), {times[^1].ToString("0.0", CultureInfo.InvariantCulture)} ms at worst",
                median > SlowWriteMs ? "frames wait for such writes: use an SSD, or a card of class A2" : "");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Say("disk.latency", FindingLevel.Fail, $"{folder} cannot be written: {error.Message}", "run this as the gateway's user; a disk that went read-only is dying: back up and replace it");
        }
    }

    private void ExamineDisk()
    {
        try
        {
            DriveInfo drive = new(Path.GetFullPath(_settings.Data.Folder));
            long free = drive.AvailableFreeSpace >> 20, floor = _settings.Store.FreeFloorMib, budget = _settings.Store.DiskBudgetMib;
            long used = Directory.Exists(_settings.Data.Folder) ? new DirectoryInfo(_settings.Data.Folder).EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true }).Sum(file => file.Length) >> 20 : 0;
            long frames = Directory.Exists(_settings.Data.Folder) ? new SystemDisk().UsedBytes(_settings.FrameLog().Path) >> 20 : 0;
            string what = $"{free} MiB are free, the gateway uses {used} MiB, {frames} MiB of it for frames; it stops acknowledging below {floor} MiB free (store.freeFloorMib), and at {budget} MiB of frames (store.diskBudgetMib) when none of them are on the ledger, so that they can be dropped";
            if (free <= floor) Say("disk.free", FindingLevel.Fail, what, "make room: boards keep their frames meanwhile");
            else if (free < 2 * floor || frames >= budget) Say("disk.free", FindingLevel.Warn, what, "make room, or raise the budget, before boards have to keep their frames; see in /health whether frames reach the ledger");
            else Say("disk.free", FindingLevel.Ok, what);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            Say("disk.free", FindingLevel.Unknown, $"free space cannot be read: {error.Message}");
        }
    }

    // JEDEC eMMC 5.1 section 7.4.40 and on: life_time in steps of 10 %, pre_eol_info 1 normal, 2 warning, 3 urgent. SD cards seldom tell.
    private void ExamineCard()
    {
        string[] cards = OperatingSystem.IsLinux() && Directory.Exists("/sys/block") ? [.. Directory.GetDirectories("/sys/block", "mmcblk?")] : [];
        foreach (string card in cards)
        {
            string name = Path.GetFileName(card), life = Read(Path.Combine(card, "device", "life_time")), end = Read(Path.Combine(card, "device", "pre_eol_info"));
            if (life.Length == 0) Say("disk.card", FindingLevel.Unknown, $"{name} does not tell its wear", "SD cards seldom do: keep a backup, and prefer an SSD");
            else
            {
                int worst = life.Split(' ').Select(part => int.TryParse(part.Replace("0x", "", StringComparison.Ordinal), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out int tenth) ? tenth : 0).Max();
                bool urgent = worst > 10 || end is "0x03", near = worst > 8 || end is "0x02";
                Say("disk.card", urgent ? FindingLevel.Fail : near ? FindingLevel.Warn : FindingLevel.Ok, $"{name} has used {Math.Min(worst * 10, 100)} % of its life (pre_eol_info {end})", urgent || near ? "back up ('depin gateway backup') and replace it" : "");
            }
        }

        if (cards.Length == 0) Say("disk.card", FindingLevel.Ok, "this machine has no memory card");
    }

    private static string Read(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllText(path).Trim() : "";
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private void ExamineIdentity()
    {
        KeyPlace place = _settings.PlaceOfKey(Environment.GetEnvironmentVariable);
        try
        {
            if (Environment.GetEnvironmentVariable(GatewaySettings.SecretVariable) is { Length: > 0 }) Say("key", FindingLevel.Unknown, $"the key comes from {GatewaySettings.SecretVariable}, which is this program's only by chance");
            else
            {
                using IEthereumSigner? signer = place.TryOpen();
                _address = signer?.Address;
                if (signer is null) Say("key", FindingLevel.Fail, $"{place.Name}: the key is missing", "restore it ('depin gateway restore'), or, for a new gateway, run 'depin gateway init'");
                else if (_known is { } known && known != signer.Address.ToChecksumString()) Say("key", FindingLevel.Fail, $"{place.Name} is of gateway {signer.Address.ToChecksumString()}, but the data folder belongs to {known}", "restore the right key, or use another data folder");
                else Say("key", FindingLevel.Ok, $"gateway {signer.Address.ToChecksumString()}: {place.Name} opens and signs");
            }

            string peer = Path.Combine(_settings.Data.Folder, PeerKey.FileName);
            if (File.Exists(peer))
            {
                SecretFile.RequirePrivate(peer);
                using System.Security.Cryptography.ECDsa pair = System.Security.Cryptography.ECDsa.Create();
                pair.ImportFromPem(File.ReadAllText(peer));
                _peerKey = new Hash32(System.Security.Cryptography.SHA256.HashData(pair.ExportSubjectPublicKeyInfo()));
                Say("key.peer", FindingLevel.Ok, $"TLS key {_peerKey}");
            }
            else Say("key.peer", FindingLevel.Fail, $"{peer} is missing", "restore it; a new one must be recorded in the registry");
        }
        catch (Exception error) when (error is DePIN.Gateway.Settings.SettingsException or KeyAwayException or IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException or ArgumentException)
        {
            Say("key", FindingLevel.Fail, error.Message, "do what it says; a lost key comes from your backup, and this is run as the gateway's user");
        }
    }

    // Read only, beside a gateway that has it open.
    private void ExamineStore()
    {
        string path = Path.Combine(_settings.Data.Folder, ChainDatabase.FileName);
        if (!File.Exists(path)) return;
        try
        {
            using SqliteConnection connection = new($"Data Source={path};Mode=ReadOnly;Pooling=False");
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "SELECT value FROM meta WHERE key = $key";
            command.Parameters.AddWithValue("$key", GatewayKey.IdentityKey);
            _known = command.ExecuteScalar() as string;
            Say("store.chain", FindingLevel.Ok, "chain.db can be read");
        }
        catch (SqliteException error) when (error.SqliteErrorCode is 5 or 6) // SQLITE_BUSY, SQLITE_LOCKED: the gateway holds it alone
        {
            Say("store.chain", FindingLevel.Ok, "chain.db is held by a gateway that runs");
        }
        catch (SqliteException error)
        {
            Say("store.chain", FindingLevel.Fail, $"chain.db cannot be read: {error.Message}", "restore it, or move it away: the registry and ledger are read again, peers explain the rest");
        }
    }

    private void ExamineFrames()
    {
        string path = _settings.FrameLog().Path;
        if (!File.Exists(path) || _settings.Store.Postgres.Length > 0) return;
        try
        {
            using SqliteConnection connection = new($"Data Source={path};Mode=ReadOnly;Pooling=False");
            connection.Open();
            long version = Sql.Scalar(connection, "PRAGMA user_version");
            long files = version < 3 ? 1 : Sql.Scalar(connection, "SELECT count(*) FROM partitions WHERE dropped = 0"), first = version < 3 ? 1 : Sql.Scalar(connection, "SELECT min(first_row) FROM partitions WHERE dropped = 0");
            long lost = version < 3 ? 0 : Sql.Scalar(connection, "SELECT sum(last_row - first_row + 1) FROM lost_rows");
            Say("store.frames", FindingLevel.Ok, $"frames.db can be read; the frames from row {first} on are in {files} files{(lost > 0 ? $", of which the disk lost {lost}" : "")}");
        }
        catch (SqliteException error)
        {
            Say("store.frames", FindingLevel.Fail, $"frames.db cannot be read: {error.Message}", "start the gateway: it keeps the damaged file, builds it again from the frames beside it, and says what is lost");
        }

        IReadOnlyList<string> damage = StoreDamage.Read(path);
        if (damage.Count > 0) Say("store.damage", FindingLevel.Warn, damage[^1], $"{damage.Count} damaged files are told of in {StoreDamage.FolderOf(path)}: read the texts, replace a disk that does it again, then delete the folder");
    }

    // Nothing is made or changed there: the gateway makes its tables at its start.
    private async Task ExaminePostgresAsync(CancellationToken cancel)
    {
        if (_settings.Store.Postgres.Length == 0) return;
        string next = "correct store.postgres or the server, and try again";
        try
        {
            PostgresOptions options = PostgresOptions.Parse(_settings.Store.Postgres, _settings.Store.PasswordFile);
            next = $"check that {options.Place} runs, can be reached from here, and lets user {options.Connection.Username} in (store.passwordFile, pg_hba.conf)";
            using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            patience.CancelAfter(Patience);
            (string server, long? version, string missing) = await PostgresDatabase.LookAsync(options, patience.Token).ConfigureAwait(false);
            if (missing.Length > 0) Say("store.postgres", FindingLevel.Fail, $"{options.Place} answers, and {missing}", "give the gateway a database of its own, on a server that keeps what it says it committed");
            else if (version is null) Say("store.postgres", FindingLevel.Warn, $"{options.Place} answers (PostgreSQL {server}) and is empty", "the gateway makes its tables at its start; if there should be frames, this is the wrong database");
            else if (version != PostgresDatabase.SchemaVersion) Say("store.postgres", FindingLevel.Fail, $"{options.Place} has schema {version}, this gateway knows {PostgresDatabase.SchemaVersion}", "install the gateway version that wrote it");
            else Say("store.postgres", FindingLevel.Ok, $"{options.Place} answers (PostgreSQL {server}), schema {version}");
        }
        catch (Exception error) when (error is DePIN.Gateway.Settings.SettingsException or System.Data.Common.DbException or IOException or TimeoutException or SocketException or OperationCanceledException)
        {
            cancel.ThrowIfCancellationRequested();
            Say("store.postgres", FindingLevel.Fail, error.Message, next);
        }
    }

    private void ExamineCertificates()
    {
        string old = Path.Combine(_settings.Data.Folder, CertificateAuthority.OldFileName); // the old authority, and the certificate over it that ends with the rotation
        foreach ((string code, string name, string next) in new[]
        {
            ("tls.authority", Path.Combine(_settings.Data.Folder, CertificateAuthority.FileName), "boards pin it: run 'depin gateway ca rotate' and provision every board again"),
            ("tls.rotation", File.Exists(old) ? old : "", "provision the boards again that trust the old authority: they are cut off then"),
            ("tls.server", Path.Combine(_settings.Data.Folder, GatewayTls.ServerFile), "the gateway renews it while it runs: look at its log"),
            ("tls.clients", _settings.Mqtt.ClientAuthorities, "give boards certificates of a new authority before it ends"),
        })
        {
            if (name.Length == 0) continue;
            try
            {
                if (!File.Exists(name))
                {
                    Say(code, FindingLevel.Warn, $"{name} is not there", "the gateway makes it at its start");
                    continue;
                }

                X509Certificate2Collection read = [];
                read.ImportFromPemFile(name);
                using X509Certificate2 certificate = read.MinBy(one => one.NotAfter) ?? throw new System.Security.Cryptography.CryptographicException("it has no certificate in PEM");
                double days = (certificate.NotAfter.ToUniversalTime() - _time.GetUtcNow().UtcDateTime).TotalDays;
                Say(code, days < 0 ? FindingLevel.Fail : days < EndNearDays ? FindingLevel.Warn : FindingLevel.Ok, $"{Path.GetFileName(name)} is valid until {certificate.NotAfter.ToUniversalTime():u}", days < EndNearDays ? next : "");
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException)
            {
                Say(code, FindingLevel.Fail, $"{name} cannot be read: {error.Message}", "restore it from your backup");
            }
        }
    }

    private void ExamineRunning()
    {
        string path = Path.Combine(_settings.Data.Folder, RunningFile.FileName);
        try
        {
            if (File.Exists(path) && JsonSerializer.Deserialize(File.ReadAllText(path), DoctorJsonContext.Default.RunningJson) is { } running && IsAlive(running.Pid)) _running = running;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            Say("running", FindingLevel.Unknown, $"{path} cannot be read: {error.Message}");
            return;
        }

        Say("running", _running is null ? FindingLevel.Warn : FindingLevel.Ok, _running is null ? "no gateway runs on this data folder" : $"the gateway runs (process {_running.Pid})", _running is null ? "start it: depin gateway run" : "");
    }

    private static bool IsAlive(int pid)
    {
        try
        {
            using Process process = Process.GetProcessById(pid);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private async Task ExaminePortsAsync(CancellationToken cancel)
    {
        // A gateway that runs tells its ports: 0 in the settings is any free one.
        foreach ((string setting, string text) in new[]
        {
            ("mqtt.listen", _running is null ? _settings.Mqtt.Listen : _running.Mqtts ?? ""), ("mqtt.listenPlain", _running is null ? _settings.Mqtt.ListenPlain : _running.Mqtt ?? ""),
            ("web.listen", _running is null ? _settings.Web.Listen : new Uri(_running.Web).Authority), ("peer.listen", _settings.Peer.Listen),
        })
        {
            if (text.Length == 0 || !IPEndPoint.TryParse(text, out IPEndPoint? end) || end.Port == 0) continue;
            bool taken = !CanBind(end);
            if (_running is not null)
            {
                bool answers = await AnswersAsync(end, cancel).ConfigureAwait(false);
                Say("port", answers ? FindingLevel.Ok : FindingLevel.Fail, $"{setting} {text} {(answers ? "answers" : "does not answer")}", answers ? "" : "the gateway runs, so look at its log");
            }
            else if (taken) Say("port", FindingLevel.Fail, $"{setting} {text} belongs to another program", $"see which one with: ss -ltnp 'sport = :{end.Port}'");
            else Say("port", FindingLevel.Ok, $"{setting} {text} is free");
        }
    }

    private static bool CanBind(IPEndPoint end)
    {
        try
        {
            using Socket socket = new(end.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(end);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static async Task<bool> AnswersAsync(IPEndPoint end, CancellationToken cancel)
    {
        IPAddress address = end.Address.Equals(IPAddress.Any) ? IPAddress.Loopback : end.Address.Equals(IPAddress.IPv6Any) ? IPAddress.IPv6Loopback : end.Address;
        using Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(address, end.Port, cancel).AsTask().WaitAsync(Patience, cancel).ConfigureAwait(false);
            return true;
        }
        catch (Exception error) when (error is SocketException or TimeoutException)
        {
            return false;
        }
    }

    private async Task ExamineNamesAsync(CancellationToken cancel)
    {
        foreach (string host in _settings.Chain.RpcUrls.Select(url => new Uri(url).Host).Distinct(StringComparer.OrdinalIgnoreCase))
        {
            if (IPAddress.TryParse(host, out _)) continue;
            try
            {
                IPAddress[] found = await Dns.GetHostAddressesAsync(host, cancel).WaitAsync(Patience, cancel).ConfigureAwait(false);
                Say("dns", FindingLevel.Ok, $"{host} is {string.Join(", ", found.Take(3).Select(address => address.ToString()))}");
            }
            catch (Exception error) when (error is SocketException or TimeoutException)
            {
                Say("dns", FindingLevel.Fail, $"{host} has no address: {error.Message}", "check the name in chain.rpcUrls, and this machine's name server (/etc/resolv.conf)");
            }
        }
    }

    private async Task ExamineChainAsync(CancellationToken cancel)
    {
        ChainAddresses contracts = _settings.Contracts();
        EthereumClient? good = null;
        using HttpClient http = JsonRpc.CreateHttpClient();
        foreach (string url in _settings.Chain.RpcUrls)
        {
            string shown = GatewaySettings.Redacted(url);
            EthereumClient client = new(new JsonRpc(http, new JsonRpcSettings([new Uri(url)]) { AttemptTimeout = Patience, RoundsMax = 1 }, _time, new Random()));
            try
            {
                await new ChainReader(client, contracts).CheckAsync(cancel).ConfigureAwait(false);
                Block head = await client.GetBlockAsync(BlockTag.Latest, cancel).ConfigureAwait(false) ?? throw new RpcAnswerException("eth_getBlockByNumber", "it has no newest block");
                Say("rpc", FindingLevel.Ok, $"{shown} serves chain {contracts.ChainId} with our contracts, block {head.Number}");
                if (good is null) SayClock(head);
                good ??= client;
            }
            catch (ChainMismatchException wrong)
            {
                Say("rpc.chain", FindingLevel.Fail, $"{shown}: {wrong.Message}", wrong.NextStep);
            }
            catch (Exception error) when (error is RpcException or HttpRequestException or TimeoutException)
            {
                Say("rpc", FindingLevel.Fail, $"{shown} does not answer: {error.Message}", "check the address in chain.rpcUrls, the provider and this machine's network");
            }
        }

        if (good is null || _address is not { } self) return;
        try
        {
            await SayBalanceAsync(good, self, cancel).ConfigureAwait(false);
            await SayRegistryAsync(good, contracts, self, cancel).ConfigureAwait(false);
        }
        catch (Exception error) when (error is RpcException or HttpRequestException or TimeoutException)
        {
            Say("rpc", FindingLevel.Fail, $"the chain's answers stopped: {error.Message}", "run the command again");
        }
    }

    private void SayClock(Block head)
    {
        double ahead = _time.GetUtcNow().ToUnixTimeSeconds() - (double)head.Timestamp;
        if (ahead < -60) Say("clock", FindingLevel.Fail, $"this machine's clock is {-ahead:0} s behind the chain's newest block", "set it: timedatectl set-ntp true; a Raspberry Pi has no battery for its clock");
        else if (ahead > 3_600) Say("clock", FindingLevel.Warn, $"the chain's newest block is {ahead:0} s old by this machine's clock", "either the clock is ahead (timedatectl), or the endpoint has fallen behind");
        else Say("clock", FindingLevel.Ok, $"the chain's newest block is {ahead:0} s old");
    }

    private async Task SayBalanceAsync(EthereumClient chain, Address self, CancellationToken cancel)
    {
        if (!_settings.Anchor.Enabled) return;
        BigInteger wei = await chain.GetBalanceAsync(self, BlockTag.Latest, cancel).ConfigureAwait(false);
        BigInteger each = new BigInteger((decimal)_settings.Anchor.FeeCapGwei * 1_000_000_000m) * AnchorGas;
        BigInteger anchors = wei / BigInteger.Max(each, 1);
        string what = $"{(decimal)wei / 1_000_000_000_000_000_000m:0.######} of the chain's coin: {anchors} anchors at the fee cap of {_settings.Anchor.FeeCapGwei.ToString(CultureInfo.InvariantCulture)} gwei";
        Say("balance", anchors < AnchorsLeast ? FindingLevel.Fail : anchors < AnchorsComfortable ? FindingLevel.Warn : FindingLevel.Ok, what, anchors < AnchorsComfortable ? $"send some to {self.ToChecksumString()}" : "");
    }

    private async Task SayRegistryAsync(EthereumClient chain, ChainAddresses contracts, Address self, CancellationToken cancel)
    {
        GatewayRegistry.Gateway[] all = await new GatewayRegistryReader(chain, contracts.GatewayRegistry).ReadGatewaysAsync(BlockTag.Latest, cancel).ConfigureAwait(false);
        GatewayRegistry.Gateway? mine = all.FirstOrDefault(gateway => gateway.Signer == self);
        if (mine is null) Say("registry", FindingLevel.Fail, $"{self.ToChecksumString()} is not among the {all.Length} gateways of the registry", $"give the network's gateways address, TLS key {_peerKey?.ToString() ?? "(key.peer)"} and endpoint: a quorum of them adds this one");
        else if (_peerKey is { } peer && mine.TlsKeyHash != peer) Say("registry", FindingLevel.Fail, $"the registry records the TLS key {mine.TlsKeyHash}, this gateway has {peer}", "restore peer.key, or have the registry changed by a quorum");
        else Say("registry", FindingLevel.Ok, $"one of {all.Length} gateways, at {mine.Endpoint}");

        foreach (GatewayRegistry.Gateway peerGateway in all.Where(gateway => gateway.Signer != self))
            await SayPeerAsync(peerGateway, cancel).ConfigureAwait(false);
    }

    private async Task SayPeerAsync(GatewayRegistry.Gateway peer, CancellationToken cancel)
    {
        string name = $"{peer.Signer.ToChecksumString()} at {peer.Endpoint}";
        if (!PeerEndpoints.TryParse(peer.Endpoint, out Uri? endpoint))
        {
            Say("peer", FindingLevel.Warn, $"{name} has no endpoint that can be dialled", "it dials us, if it runs");
            return;
        }

        try
        {
            using TcpClient tcp = new();
            await tcp.ConnectAsync(endpoint.Host, endpoint.Port, cancel).AsTask().WaitAsync(Patience, cancel).ConfigureAwait(false);
            Hash32 shown = default;
            using SslStream tls = new(tcp.GetStream());
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = endpoint.Host,
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                {
                    shown = PeerKey.HashOf(certificate);
                    return shown == peer.TlsKeyHash;
                },
            }, cancel).WaitAsync(Patience, cancel).ConfigureAwait(false);
            Say("peer", FindingLevel.Ok, $"{name} answers with the key that the registry records");
        }
        catch (System.Security.Authentication.AuthenticationException)
        {
            Say("peer", FindingLevel.Warn, $"{name} answers with another key than the registry records", "its operator must restore peer.key, or somebody stands between");
        }
        catch (Exception error) when (error is SocketException or TimeoutException or IOException)
        {
            Say("peer", FindingLevel.Warn, $"{name} does not answer: {error.Message}", "its operator may know; a quorum of the others suffices");
        }
    }

    private async Task ExamineHealthAsync(CancellationToken cancel)
    {
        if (_running is null) return;
        try
        {
            using GatewayApi api = new(_running.Web);
            JsonElement health = await api.GetHealthAsync(cancel).WaitAsync(Patience, cancel).ConfigureAwait(false);
            foreach (JsonElement problem in health.GetProperty("problems").EnumerateArray())
                Say("health", FindingLevel.Warn, $"{problem.GetProperty("name").GetString()} is {problem.GetProperty("state").GetString()}: {problem.GetProperty("reason").GetString()}", problem.GetProperty("nextStep").GetString() ?? "");
            Say("health", FindingLevel.Ok, $"the gateway says it is {health.GetProperty("status").GetString()}");
        }
        catch (Exception error) when (error is CliError or TimeoutException or KeyNotFoundException or InvalidOperationException)
        {
            Say("health", FindingLevel.Fail, $"the gateway runs, but {_running.Web} does not answer as it should: {error.Message}", "look at its log, and restart it");
        }
    }
}

/// <summary>running.json.</summary>
internal sealed record RunningJson(int Pid, string Gateway, string Web, string? Mqtt, string? Mqtts);

[System.Text.Json.Serialization.JsonSourceGenerationOptions(PropertyNamingPolicy = System.Text.Json.Serialization.JsonKnownNamingPolicy.CamelCase)]
[System.Text.Json.Serialization.JsonSerializable(typeof(RunningJson))]
internal sealed partial class DoctorJsonContext : System.Text.Json.Serialization.JsonSerializerContext;
