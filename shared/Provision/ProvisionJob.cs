using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Provision;

/// <summary>
/// A job's template: everything that all its boards have in common, so that a technician types nothing. JSON; unknown names are refused.
/// Optional ones are settable, because the generated reader would write null over the defaults of init-only ones. Holds no secret: the payer's key
/// and the Wi-Fi password come from elsewhere. The same file serves `depin provision` and a gateway's page.
/// </summary>
public sealed record ProvisionJob
{
    private const int FileBytesMax = 64 * 1024;

    /// <summary>In the report.</summary>
    public required string Name { get; init; }

    /// <summary>Who will own the devices: an address. The key that pays may be another.</summary>
    public required string Owner { get; init; }

    /// <summary>Lines of node.conf (firmware/README.md) for every board.</summary>
    public required IReadOnlyDictionary<string, string> Settings { get; init; }

    /// <summary>The chain's endpoint. A gateway has its own; so it is with the next three.</summary>
    public Uri? Rpc { get; set; }

    /// <summary>Where the contracts are: the record's file, relative to the template.</summary>
    public string Deployment { get; set; } = "";

    /// <summary>The API of the gateway that the boards publish to: it says when the first frame is verified.</summary>
    public Uri? GatewayApi { get; set; }

    /// <summary>PEM file of the authority that signed the gateway's certificate, relative to the template; empty: none is given.</summary>
    public string Authority { get; set; } = "";

    /// <summary>Name of the Wi-Fi network to join; empty: none is given. Its password never is in the template.</summary>
    public string Wifi { get; set; } = "";

    /// <summary>
    /// The boards are plugged in by their own USB socket, which is a bridge on the runtime's debug port: their name in hardware/boards. Empty: by a
    /// cable at their provisioning pins.
    /// </summary>
    public string Board { get; set; } = "";

    /// <summary>The page on which an owner claims, for the label's QR code: device id and key are put behind its #. Empty: a depin: address.</summary>
    public string Link { get; set; } = "";

    /// <summary>How long a board may take from its restart to its first verified frame, seconds.</summary>
    public int ConfirmSeconds { get; set; } = 180;

    [JsonIgnore]
    public ulong ChainId { get; private init; }

    /// <summary>The contract that the claims are for.</summary>
    [JsonIgnore]
    public Address DeviceRegistry { get; private init; }

    [JsonIgnore]
    public Address OwnerAddress { get; private init; }

    /// <summary>The authority's certificate, PEM; empty: none.</summary>
    [JsonIgnore]
    public byte[] AuthorityPem { get; private init; } = [];

    /// <summary>What a board is given (shared/Protocol/SerialEnrolment.cs).</summary>
    public byte[] EnrolmentFor(ManifestRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        byte[] all = new byte[SerialEnrolment.BytesMax];
        int count = SerialEnrolment.Append(EnrolmentTags.Settings, Encoding.ASCII.GetBytes(SettingsText()), all, 0);
        if (AuthorityPem.Length > 0) count = SerialEnrolment.Append(EnrolmentTags.Authority, AuthorityPem, all, count);
        if (row.Name.Length > 0) count = SerialEnrolment.Append(EnrolmentTags.Name, Encoding.UTF8.GetBytes(row.Name), all, count);
        if (row.Location.Length > 0) count = SerialEnrolment.Append(EnrolmentTags.Location, Encoding.UTF8.GetBytes(row.Location), all, count);
        return all[..count];
    }

    /// <summary>node.conf as text.</summary>
    public string SettingsText() => string.Concat(Settings.Select(setting => $"{setting.Key}={setting.Value}\n"));

    /// <summary>The whole template: chain, gateway and authority come from it.</summary>
    public static ProvisionJob Read(string path)
    {
        ProvisionJob job = ReadCommon(path);
        if (job.Rpc is null) throw Wrong(path, "rpc is missing");
        if (job.Deployment.Length == 0) throw Wrong(path, "deployment is missing");
        if (job.GatewayApi is null) throw Wrong(path, "gatewayApi is missing");
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        DeploymentRecord contracts = ReadContracts(Path.Combine(folder, job.Deployment));
        return job with
        {
            ChainId = contracts.ChainId, DeviceRegistry = contracts.DeviceRegistry,
            AuthorityPem = job.Authority.Length == 0 ? [] : ReadAuthority(Path.Combine(folder, job.Authority)),
        };
    }

    /// <summary>The template as a gateway needs it: what it says of chain, gateway and authority is passed over.</summary>
    public static ProvisionJob Read(string path, ulong chainId, Address deviceRegistry, byte[] authorityPem) =>
        ReadCommon(path) with { ChainId = chainId, DeviceRegistry = deviceRegistry, AuthorityPem = authorityPem };

    private static ProvisionJob ReadCommon(string path)
    {
        ProvisionJob? job;
        try
        {
            if (new FileInfo(path).Length > FileBytesMax) throw Wrong(path, $"it has more than {FileBytesMax} bytes");
            job = JsonSerializer.Deserialize(File.ReadAllBytes(path), ProvisionJsonContext.Default.ProvisionJob);
        }
        catch (JsonException error)
        {
            throw Wrong(path, error.Message);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Wrong(path, error.Message);
        }

        if (job is null) throw Wrong(path, "it is null");
        if (!Address.TryParse(job.Owner, out Address owner)) throw Wrong(path, $"owner '{job.Owner}' is no address");
        if (job.ConfirmSeconds is < 1 or > 3600) throw Wrong(path, "confirmSeconds is from 1 to 3600");
        foreach ((string key, string value) in job.Settings)
            if (key.Length == 0 || key.Contains('=', StringComparison.Ordinal) || (key + value).Any(c => c is < ' ' or > '~'))
                throw Wrong(path, $"settings: '{key}' is not a line key=value of plain ASCII");
        if (job.Settings.Keys.FirstOrDefault(key => key.Contains("password", StringComparison.OrdinalIgnoreCase)) is { } secret)
            throw Wrong(path, $"settings: '{secret}': a template holds no secret");
        if (job.SettingsText().Length > SerialEnrolment.SettingsBytesMax) throw Wrong(path, $"settings have more than {SerialEnrolment.SettingsBytesMax} characters as lines key=value");
        if (Encoding.UTF8.GetByteCount(job.Wifi) > ImprovRpc.SsidBytesMax) throw Wrong(path, $"wifi has more than {ImprovRpc.SsidBytesMax} bytes");
        return job with { OwnerAddress = owner };
    }

    private static DeploymentRecord ReadContracts(string path)
    {
        try
        {
            return DeploymentRecord.FromJson(File.ReadAllText(path), out string problem)
                ?? throw new ProvisionFileException($"{path} is no deployment record: {problem}", "name the file that 'depin contracts deploy' wrote");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ProvisionFileException($"the deployment record cannot be read: {error.Message}", "name the file that 'depin contracts deploy' wrote, relative to the template");
        }
    }

    private static byte[] ReadAuthority(string path)
    {
        try
        {
            if (new FileInfo(path).Length > SerialEnrolment.AuthorityBytesMax)
                throw new ProvisionFileException($"{path} has more than {SerialEnrolment.AuthorityBytesMax} bytes", "name a PEM file with one certificate: the gateway's ca.pem");
            byte[] pem = File.ReadAllBytes(path);
            using X509Certificate2 certificate = X509Certificate2.CreateFromPem(Encoding.ASCII.GetString(pem));
            return pem;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new ProvisionFileException($"the authority {path} cannot be read: {error.Message}", "name the gateway's ca.pem, relative to the template");
        }
    }

    private static ProvisionFileException Wrong(string path, string what) => new($"template {path}: {what}", "see tools/Cli/Provision/README.md for an example");
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    ReadCommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true)]
[JsonSerializable(typeof(ProvisionJob))]
[JsonSerializable(typeof(ReportLine))]
[JsonSerializable(typeof(CollectedClaim))]
internal sealed partial class ProvisionJsonContext : JsonSerializerContext;
