using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using DePIN.Cli.Key;
using DePIN.Cli.Terminal;
using DePIN.Evidence;
using DePIN.Gateway;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Provision;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Sign;
using DePIN.Provision;

namespace DePIN.Cli.Gateway.Host;

/// <summary>
/// What a gateway cannot be without, in one file under a passphrase: its keys, its certificate authority, the operator's token, settings and the files that they
/// name (users, passwords, certificates, the job of the page), deployment record, what the page collected. JSON: what it is of, scrypt (RFC 7914) parameters, and AES-256-GCM (NIST SP 800-38D) over the rest. The databases are
/// not in it: an old copy of them is worse than none, because a gateway must not forget what it signed; peers and the chain tell it.
/// </summary>
public static class GatewayBackup
{
    private const int Version = 1;
    private const int Cost = 1 << 17; // 128 MiB: a Raspberry Pi has them
    private const int BlockSize = 8;
    private const int SaltBytes = 16;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private const int FileBytesMax = 256 * 1024 * 1024; // mostly what the provisioning page collected
    private const int NamedBytesMax = 1024 * 1024; // a machine's bundle of authorities is smaller

    // Besides the gateway's key, where they are: what no other machine has.
    private static readonly string[] InFolder =
    [
        PeerKey.FileName, CertificateAuthority.KeyFileName, CertificateAuthority.FileName, CertificateAuthority.OldFileName, CertificateAuthority.OldKeyFileName, CertificateAuthority.NextFileName, OperatorToken.FileName,
        Path.Combine(ProvisionStage.FolderName, ProvisionStage.ClaimsName), Path.Combine(ProvisionStage.FolderName, ProvisionReport.JsonName),
        Path.Combine(ProvisionStage.FolderName, ProvisionReport.TableName),
    ];

    public static int Write(string config, string? data, string output, string? passphraseFile)
    {
        GatewaySettings settings = GatewayCommand.Load(config, data);
        if (Path.Exists(output)) throw new CliError(ExitCode.BadInput, $"--out: {output} is there already", "name a new file", "backup.there");
        BackupContent content = Collect(settings, config, out Address gateway, out string note);
        using Passphrase passphrase = Passphrase.Take(passphraseFile, confirm: true);
        byte[] sealedFile = Seal(content, gateway, (ulong)settings.Chain.ChainId, passphrase.Bytes, RandomNumberGenerator.GetBytes);
        try
        {
            SecretFile.Write(output, sealedFile);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"--out: {output} cannot be written: {error.Message}", "name a file in a folder that this user may write", "backup.not-written");
        }

        // A backup that nobody read is none.
        (_, BackupContent read) = Open(File.ReadAllBytes(output), output, passphrase.Bytes);
        if (!IsSame(read.Files, content.Files) || !IsSame(read.Named, content.Named)) throw new CliError(ExitCode.Failed, $"{output} does not hold what was written", "write it to another disk", "backup.not-readable");
        Console.WriteLine($"{output}: gateway {gateway.ToChecksumString()} with {string.Join(", ", content.Files.Keys.Concat(content.Named.Keys))}, settings and deployment record; read back and opened");
        if (note.Length > 0) Console.WriteLine(note);
        if (settings.Store.Postgres.Length > 0)
            Console.WriteLine("""
                Frames, batches and what was signed are in PostgreSQL (store.postgres) and NOT in it. The database needs a copy of its own that loses nothing: a synchronous
                standby or archived WAL. A dump of yesterday makes the gateway forget what it signed since, as an old frames.db would.
                """);
        Console.WriteLine("Keep it on another machine, and its passphrase somewhere else again. Bring it back with: depin gateway restore " + output);
        return ExitCode.Ok;
    }

    public static int Restore(string file, string config, string data, string? passphraseFile)
    {
        byte[] bytes;
        try
        {
            bytes = new FileInfo(file).Length <= FileBytesMax ? File.ReadAllBytes(file) : throw NoBackup(file, "it is too large");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"{file} cannot be read: {error.Message}", "name the file that 'depin gateway backup' wrote", "backup.not-readable");
        }

        string folder = Path.GetFullPath(data), next = folder + ".restoring";
        if (Path.Exists(config)) throw new CliError(ExitCode.BadInput, $"{config} is there already", "a gateway is brought back where nothing of it is: name another --config", "restore.not-empty");
        if (Path.Exists(folder) && (!Directory.Exists(folder) || Directory.EnumerateFileSystemEntries(folder).Any()))
            throw new CliError(ExitCode.BadInput, $"{folder} is not empty", "a gateway is brought back where nothing of it is: name another --data, or move the folder away", "restore.not-empty");
        using Passphrase passphrase = Passphrase.Take(passphraseFile);
        (BackupFile head, BackupContent content) = Open(bytes, file, passphrase.Bytes);
        try
        {
            // All or nothing: the folder gets its name when everything is in it.
            if (Directory.Exists(next)) Directory.Delete(next, recursive: true);
            DataFolder.Prepare(next);
            foreach ((string name, byte[] secret) in content.Files)
            {
                string path = Within(next, name);
                if (name is CertificateAuthority.FileName or CertificateAuthority.OldFileName) SecretFile.WritePublic(path, secret);
                else SecretFile.Write(path, secret);
            }

            // The folder knows whose it is: a start that finds no key, or another one, refuses.
            using (ChainDatabase database = ChainDatabase.Open(next)) database.Remember(GatewayKey.IdentityKey, head.Gateway);
            string record = Path.Combine(next, "deployment.json");
            if (content.Deployment.Length > 0) SecretFile.WritePublic(record, Encoding.UTF8.GetBytes(content.Deployment));
            if (Directory.Exists(folder)) Directory.Delete(folder);
            Directory.Move(next, folder);
            string home = Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(config))!).FullName;
            foreach ((string name, byte[] named) in content.Named)
            {
                // Where the settings look for it: beside them, or at the place that they name.
                string path = Path.GetFullPath(name, home);
                if (Path.Exists(path) && !named.AsSpan().SequenceEqual(File.ReadAllBytes(path))) Console.WriteLine($"{path} is here already and stays as it is");
                if (Path.Exists(path)) continue;
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                SecretFile.Write(path, named);
            }

            SecretFile.Write(config, Encoding.UTF8.GetBytes(content.Settings));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or SettingsException)
        {
            throw new CliError(ExitCode.Failed, $"the gateway could not be brought back: {error.Message}", "mend that, remove what was written and run the command again", "restore.not-written");
        }

        bool samePlace = Path.GetFullPath(content.DataFolder, Path.GetDirectoryName(Path.GetFullPath(config))!) == folder;
        Console.WriteLine($"gateway {head.Gateway} of {head.Made} is in {folder}, its settings in {config}");
        if (!samePlace) Console.WriteLine($"The settings name another data folder: give --data {folder} to 'run', 'check' and 'backup', or change data.folder.");
        if (!content.Files.Keys.Except(InFolder).Any()) Console.WriteLine("Its key was in a PKCS#11 token and is not in the backup: insert that token here.");
        else if (content.Settings.Contains("\"tpm2:", StringComparison.Ordinal)) Console.WriteLine("Its key was sealed by the old machine's TPM and is plain here: run 'depin gateway seal' before anything else.");
        if (content.Deployment.Length > 0) Console.WriteLine($"The deployment record is also in {Path.Combine(folder, "deployment.json")}: chain.deployment must name a file that is here.");
        Console.WriteLine("The old machine must never start again with this key: two gateways that sign with one key are punished. Next: depin gateway check");
        return ExitCode.Ok;
    }

    /// <summary>Seals a content. <paramref name="random"/> gives salt and nonce.</summary>
    internal static byte[] Seal(BackupContent content, Address gateway, ulong chainId, ReadOnlySpan<byte> passphrase, Func<int, byte[]> random)
    {
        byte[] plain = JsonSerializer.SerializeToUtf8Bytes(content, BackupJsonContext.Default.BackupContent);
        byte[] salt = random(SaltBytes), nonce = random(NonceBytes), tag = new byte[TagBytes], cipher = new byte[plain.Length];
        BackupFile file = new()
        {
            Version = Version, Gateway = gateway.ToChecksumString(), ChainId = chainId, Made = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture),
            ScryptN = Cost, ScryptR = BlockSize, Salt = salt, Nonce = nonce,
        };
        byte[] key = Scrypt.Derive(passphrase, salt, Cost, BlockSize, 1, 32);
        try
        {
            using AesGcm aes = new(key, TagBytes);
            aes.Encrypt(nonce, plain, cipher, tag, Associated(file));
            return [.. JsonSerializer.SerializeToUtf8Bytes(file with { Tag = tag, Content = cipher }, BackupJsonContext.Default.BackupFile), (byte)'\n'];
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    /// <summary>Opens one; a wrong passphrase and a changed byte are told apart from something that is no backup.</summary>
    internal static (BackupFile Head, BackupContent Content) Open(byte[] bytes, string name, ReadOnlySpan<byte> passphrase)
    {
        BackupFile? file;
        try
        {
            file = JsonSerializer.Deserialize(bytes, BackupJsonContext.Default.BackupFile);
        }
        catch (JsonException error)
        {
            throw NoBackup(name, error.Message);
        }

        if (file is not { Version: Version, ScryptR: BlockSize, Salt.Length: SaltBytes, Nonce.Length: NonceBytes, Tag.Length: TagBytes, Content.Length: > 0 } || file.ScryptN is < 2 or > 1 << 20 || !System.Numerics.BitOperations.IsPow2(file.ScryptN))
            throw NoBackup(name, "its fields are of another version or size");
        byte[] key = Scrypt.Derive(passphrase, file.Salt, file.ScryptN, BlockSize, 1, 32), plain = new byte[file.Content.Length];
        try
        {
            using AesGcm aes = new(key, TagBytes);
            aes.Decrypt(file.Nonce, file.Content, file.Tag, plain, Associated(file));
            return (file, JsonSerializer.Deserialize(plain, BackupJsonContext.Default.BackupContent) ?? throw NoBackup(name, "it is empty"));
        }
        catch (AuthenticationTagMismatchException)
        {
            throw new CliError(ExitCode.BadInput, $"{name} does not open: the passphrase is another one, or the file was changed", "try the other passphrase, or another copy of the file", "backup.does-not-open");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    private static BackupContent Collect(GatewaySettings settings, string config, out Address gateway, out string note)
    {
        Dictionary<string, byte[]> files = [];
        string folder = settings.Data.Folder;
        try
        {
            KeyPlace place = settings.PlaceOfKey(Environment.GetEnvironmentVariable);
            using IEthereumSigner signer = place.TryOpen() ?? throw new CliError(ExitCode.BadInput, $"{place.Name}: there is no key", Environment.GetEnvironmentVariable(GatewaySettings.SecretVariable) is { Length: > 0 } ? $"the key comes from {GatewaySettings.SecretVariable}: back it up where it is kept" : "start the gateway once, or run 'depin gateway init'", "backup.no-key");
            gateway = signer.Address;
            (byte[]? key, note) = (settings.KeyUri, signer) switch
            {
                (FileKeyUri file, _) when KeyFile.IsSealed(file.Path) => (SecretFile.Read(file.Path), "The key in it is sealed: its own passphrase is needed too, and is not in the backup."),
                (FileKeyUri file, _) => (SecretFile.Read(file.Path), ""),
                (TpmKeyUri, GatewaySigner opened) => (KeyFile.Hex(opened), "The key in it is plain under the backup's passphrase, because no other TPM opens the sealed file: after a restore run 'depin gateway seal'."),
                _ => ((byte[]?)null, $"THE KEY IS NOT IN IT: {place.Name} keeps it. Without that token, or its vendor's copy of it, this gateway cannot be brought back."),
            };
            if (key is not null) files[settings.KeyUri is FileKeyUri named ? Path.GetFileName(named.Path) : GatewayKey.FileName] = key;
            foreach (string name in InFolder)
                if (File.Exists(Path.Combine(folder, name))) files[name] = File.ReadAllBytes(Path.Combine(folder, name));
            string lists = settings.Members().Folder;
            if (Directory.Exists(lists) && Directory.EnumerateFiles(lists).Any())
                note = $"{note}\nLists of device batches are NOT in it: peers give them back, or the devices' owner, who made them. A gateway without peers needs a copy of {lists}.".TrimStart();
            string deployment = settings.Chain.Deployment.Length == 0 ? "" : File.ReadAllText(Path.GetFullPath(settings.Chain.Deployment, Path.GetDirectoryName(Path.GetFullPath(config))!));
            return new BackupContent { Files = files, Named = Named(settings, Path.GetDirectoryName(Path.GetFullPath(config))!), Settings = File.ReadAllText(config), Deployment = deployment, DataFolder = folder };
        }
        catch (KeyAwayException away)
        {
            throw new CliError(ExitCode.Unreachable, away.Message, "then run the command again", "backup.key-away");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or SettingsException)
        {
            throw new CliError(ExitCode.BadInput, $"the gateway's files cannot be read: {error.Message}", "run the command as the gateway's user", "backup.not-readable");
        }
    }

    // What the settings name and the gateway reads, by its place: relative to the settings file where it is below it. The passphrase of the key is not in it.
    private static Dictionary<string, byte[]> Named(GatewaySettings settings, string home)
    {
        Dictionary<string, byte[]> named = [];
        foreach (string file in new[]
        {
            settings.Mqtt.Credentials, settings.Mqtt.ClientAuthorities, settings.Web.Credentials, settings.Broker.PasswordFile, settings.Broker.AuthorityFile, settings.Broker.CertificateFile,
            settings.Broker.CertificateKeyFile, settings.Store.PasswordFile, settings.Telemetry.HeadersFile, settings.Provision.Template, settings.Provision.Manifest,
        })
        {
            if (file.Length == 0 || !File.Exists(file)) continue;
            string relative = Path.GetRelativePath(home, file), name = relative.StartsWith("..", StringComparison.Ordinal) ? file : relative;
            named[name] = new FileInfo(file).Length <= NamedBytesMax ? File.ReadAllBytes(file)
                : throw new CliError(ExitCode.BadInput, $"{file} has more than {NamedBytesMax} bytes", "name a smaller one in the settings, such as the one authority that is meant", "backup.too-large");
        }

        return named;
    }

    private static bool IsSame(Dictionary<string, byte[]> one, Dictionary<string, byte[]> other) =>
        one.Count == other.Count && one.All(file => other.TryGetValue(file.Key, out byte[]? content) && content.AsSpan().SequenceEqual(file.Value));

    private static string Within(string folder, string name)
    {
        string path = Path.GetFullPath(name, folder);
        if (!path.StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal)) throw new IOException($"'{name}' is no place within the data folder");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return path;
    }

    // What is readable outside is bound to what is inside.
    private static byte[] Associated(BackupFile file) => Encoding.UTF8.GetBytes($"depin gateway backup {file.Version} {file.Gateway} {file.ChainId} {file.Made} {file.ScryptN}");

    private static CliError NoBackup(string name, string why) => new(ExitCode.BadInput, $"{name} is no backup: {why}", "name the file that 'depin gateway backup' wrote", "backup.no-backup");
}

/// <summary>A backup as it is written; everything but <see cref="Content"/> is readable, and bound to it.</summary>
internal sealed record BackupFile
{
    [JsonPropertyName("depinGatewayBackup")]
    public int Version { get; set; }

    public string Gateway { get; set; } = "";

    public ulong ChainId { get; set; }

    public string Made { get; set; } = "";

    public int ScryptN { get; set; }

    public int ScryptR { get; set; }

    public byte[] Salt { get; set; } = [];

    public byte[] Nonce { get; set; } = [];

    public byte[] Tag { get; set; } = [];

    public byte[] Content { get; set; } = [];
}

/// <summary>What is sealed.</summary>
internal sealed record BackupContent
{
    /// <summary>By name within the data folder.</summary>
    public Dictionary<string, byte[]> Files { get; set; } = [];

    /// <summary>What the settings name besides, by its path: relative to the settings file, or absolute.</summary>
    public Dictionary<string, byte[]> Named { get; set; } = [];

    public string Settings { get; set; } = "";

    public string Deployment { get; set; } = "";

    public string DataFolder { get; set; } = "";
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = false)]
[JsonSerializable(typeof(BackupFile))]
[JsonSerializable(typeof(BackupContent))]
internal sealed partial class BackupJsonContext : JsonSerializerContext;
