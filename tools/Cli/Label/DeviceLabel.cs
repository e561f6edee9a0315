using System.Buffers.Text;
using DePIN.Protocol;

namespace DePIN.Cli.Label;

/// <summary>
/// What stands on a device's label: its id, and an address that names id and public key, for whoever claims it. Both lie behind the #,
/// which no browser sends to a server. A label proves nothing: the claim is signed by the device itself.
/// </summary>
public sealed record DeviceLabel
{
    /// <summary>Of the address where no page of an owner is given.</summary>
    public const string BaseDefault = "depin:claim";

    private const int BaseCharsMax = 200;

    private DeviceLabel(string device, string address)
    {
        Device = device;
        Address = address;
    }

    /// <summary>40 hex digits.</summary>
    public string Device { get; }

    /// <summary>What the code holds: BASE#v=1&amp;device=ID&amp;key=X‖Y in base64url.</summary>
    public string Address { get; }

    /// <param name="publicKey">X ‖ Y, 64 bytes; the id is computed from it.</param>
    /// <param name="baseAddress">Without a fragment, visible ASCII.</param>
    /// <exception cref="ArgumentException">Wrong size, or an address that is none.</exception>
    public static DeviceLabel Of(byte[] publicKey, string baseAddress = BaseDefault)
    {
        ArgumentNullException.ThrowIfNull(publicKey);
        ArgumentNullException.ThrowIfNull(baseAddress);
        if (publicKey.Length != DeviceId.PublicKeyBytes)
        {
            throw new ArgumentException($"a public key has {DeviceId.PublicKeyBytes} bytes, this one {publicKey.Length}", nameof(publicKey));
        }

        if (Problem(baseAddress) is { } problem)
        {
            throw new ArgumentException(problem, nameof(baseAddress));
        }

        byte[] id = new byte[DeviceId.Bytes];
        DeviceId.FromPublicKey(publicKey, 0, id, 0);
        string device = DeviceId.ToText(id, 0);
        return new DeviceLabel(device, $"{baseAddress}#v=1&device={device}&key={Base64Url.EncodeToString(publicKey)}");
    }

    /// <summary>Why an address cannot be a label's base; null: it can.</summary>
    public static string? Problem(string baseAddress)
    {
        ArgumentNullException.ThrowIfNull(baseAddress);
        return baseAddress.Length > BaseCharsMax || baseAddress.Contains('#', StringComparison.Ordinal) || baseAddress.Any(value => value is <= ' ' or > '~') || !Uri.TryCreate(baseAddress, UriKind.Absolute, out _)
            ? $"'{baseAddress}' is no address without a fragment, of at most {BaseCharsMax} visible ASCII characters" : null;
    }

    /// <summary>The id as a person reads and compares it: five groups of eight digits.</summary>
    public IEnumerable<string> Groups => Device.Chunk(8).Select(group => new string(group));
}
