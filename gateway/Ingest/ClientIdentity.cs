// Who a client is, and which topics are its own. README.md has the table.

using System.Text;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Gateway.Ingest;

/// <summary>What a client may do.</summary>
public enum ClientRole
{
    /// <summary>Nobody in particular.</summary>
    Anonymous,

    /// <summary>One device: its own topics.</summary>
    Device,

    /// <summary>Reads, and publishes nothing below depin/.</summary>
    Application,

    /// <summary>Forwards the frames of any device, and reads.</summary>
    Bridge,
}

/// <summary>An identity that a login or a certificate proved, or none.</summary>
/// <param name="Role">What it may do.</param>
/// <param name="Name">The user name; a device's is its id, 40 lower-case hex digits.</param>
internal sealed record ClientIdentity(ClientRole Role, string Name)
{
    public static readonly ClientIdentity None = new(ClientRole.Anonymous, "");

    private readonly byte[] _device = Role == ClientRole.Device ? Convert.FromHexString(Name) : [];

    /// <summary>Who a session belongs to; empty for nobody.</summary>
    public string Owner => Role == ClientRole.Anonymous ? "" : $"{Role}:{Name}";

    /// <summary>The identity of a client certificate: the device whose id is its common name, otherwise none.</summary>
    public static ClientIdentity OfCertificate(string? commonName) => IsDeviceId(commonName) ? new(ClientRole.Device, commonName!) : None;

    /// <summary>40 lower-case hex digits.</summary>
    public static bool IsDeviceId(string? text) => text is { Length: DeviceId.TextChars } && !text.AsSpan().ContainsAnyExcept("0123456789abcdef");

    /// <summary>Whether it may publish what a device publishes.</summary>
    public bool MaySpeakFor(ReadOnlySpan<byte> deviceId) => Role switch
    {
        ClientRole.Device => deviceId.SequenceEqual(_device),
        ClientRole.Application => false,
        _ => true, // frames are signed
    };

    /// <summary>Whether a client id is not another's: a device's id is that device's.</summary>
    public bool MayBeCalled(string clientId) => Role is ClientRole.Anonymous or ClientRole.Bridge || clientId == Name || !IsDeviceId(clientId);

    /// <summary>Whether it may read everything, and publish where another stage listens (Home Assistant's status).</summary>
    public bool MayRead(bool anonymousRead) => Role is ClientRole.Application or ClientRole.Bridge || (Role == ClientRole.Anonymous && anonymousRead);

    /// <summary>Whether it may subscribe. Who may not read everything has the time and one device's topics: its own, or what an anonymous board's client id names.</summary>
    public bool MaySubscribe(ReadOnlySpan<byte> filter, string clientId, bool anonymousRead)
    {
        if (MayRead(anonymousRead) || filter.SequenceEqual(MqttIngest.TimeTopic))
        {
            return true;
        }

        string device = Role == ClientRole.Device ? Name : clientId;
        return IsDeviceId(device) && filter.StartsWith(Encoding.UTF8.GetBytes($"{Topics.Prefix}{device}/")) && TopicRules.IsFilter(filter);
    }
}
