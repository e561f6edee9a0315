using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using DePIN.Cli.Label;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Cli.Provision;

/// <summary>
/// A job's template: everything that all its boards have in common, so that a technician types nothing. JSON; unknown names are refused.
/// Optional ones are settable, because the generated reader would write null over the defaults of init-only ones. Holds no secret: the payer's key
/// and the Wi-Fi password come from elsewhere.
/// </summary>
public sealed record ProvisionJob
{
    private const int FileBytesMax = 64 * 1024;

    /// <summary>In the report.</summary>
    public required string Name { get; init; }

    /// <summary>The chain's endpoint.</summary>
    public required Uri Rpc { get; init; }

    /// <summary>Where the contracts are: the record's file, relative to the template.</summary>
    public required string Deployment { get; init; }

    /// <summary>Who will own the devices: an address. The key that pays may be another.</summary>
    public required string Owner { get; init; }

    /// <summary>The API of the gateway that the boards publish to: it says when the first frame is verified.</summary>
    public required Uri GatewayApi { get; init; }

    /// <summary>Lines of node.conf (firmware/README.md) for every board.</summary>
    public required IReadOnlyDictionary<string, string> Settings { get; init; }

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
    public DeploymentRecord Contracts { get; private init; } = null!;

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

    public static ProvisionJob Read(string path)
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
        if (job.Link.Length > 0 && DeviceLabel.Problem(job.Link) is { } problem) throw Wrong(path, "link: " + problem);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return job with
        {
            OwnerAddress = owner, Contracts = ReadContracts(Path.Combine(folder, job.Deployment)),
            AuthorityPem = job.Authority.Length == 0 ? [] : ReadAuthority(Path.Combine(folder, job.Authority)),
        };
    }

    private static DeploymentRecord ReadContracts(string path)
    {
        try
        {
            return DeploymentRecord.FromJson(File.ReadAllText(path), out string problem)
                ?? throw new CliError(ExitCode.BadInput, $"{path} is no deployment record: {problem}", "name the file that 'depin contracts deploy' wrote");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"the deployment record cannot be read: {error.Message}", "name the file that 'depin contracts deploy' wrote, relative to the template");
        }
    }

    private static byte[] ReadAuthority(string path)
    {
        try
        {
            if (new FileInfo(path).Length > SerialEnrolment.AuthorityBytesMax)
                throw new CliError(ExitCode.BadInput, $"{path} has more than {SerialEnrolment.AuthorityBytesMax} bytes", "name a PEM file with one certificate: the gateway's ca.pem");
            byte[] pem = File.ReadAllBytes(path);
            using X509Certificate2 certificate = X509Certificate2.CreateFromPem(Encoding.ASCII.GetString(pem));
            return pem;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new CliError(ExitCode.BadInput, $"the authority {path} cannot be read: {error.Message}", "name the gateway's ca.pem, relative to the template");
        }
    }

    private static CliError Wrong(string path, string what) => new(ExitCode.BadInput, $"template {path}: {what}", "see tools/Cli/Provision/README.md for an example");
}

/// <summary>One line of the report: what a lane did, when, and with which result.</summary>
public sealed record ReportLine
{
    public required string Time { get; init; }

    public required string Job { get; init; }

    public required string Port { get; init; }

    /// <summary>40 hex digits; empty before the board said who it is.</summary>
    public string Device { get; set; } = "";

    public string Board { get; set; } = "";

    public string Firmware { get; set; } = "";

    public string KeyKind { get; set; } = "";

    public string Name { get; set; } = "";

    public string Location { get; set; } = "";

    public string Owner { get; set; } = "";

    /// <summary>The step it ended in.</summary>
    public required string Step { get; init; }

    public required string Code { get; init; }

    public string Message { get; set; } = "";

    public required string Next { get; init; }

    /// <summary>From opening the port.</summary>
    public double Seconds { get; set; }

    /// <summary>Of these: waiting for the board to answer, restart and send.</summary>
    public double WaitSeconds { get; set; }

    /// <summary>Sequence of the first frame that the gateway verified.</summary>
    public ulong Sequence { get; set; }
}

/// <summary>A device's own claim, kept to be registered later. Anyone may send it; it is no secret.</summary>
public sealed record CollectedClaim
{
    public required ulong ChainId { get; init; }

    public required string Registry { get; init; }

    public required string Owner { get; init; }

    public required string Device { get; init; }

    public required byte KeyKind { get; init; }

    /// <summary>X ‖ Y, hex.</summary>
    public required string PublicKey { get; init; }

    /// <summary>r ‖ s, hex.</summary>
    public required string Signature { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    ReadCommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true)]
[JsonSerializable(typeof(ProvisionJob))]
[JsonSerializable(typeof(ReportLine))]
[JsonSerializable(typeof(CollectedClaim))]
internal sealed partial class ProvisionJsonContext : JsonSerializerContext;
