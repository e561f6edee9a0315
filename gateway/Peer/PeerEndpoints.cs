using System.Diagnostics.CodeAnalysis;
using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>Where a peer can be dialled: https, host and port; anything after them is ignored. Hostile input gives false.</summary>
public static class PeerEndpoints
{
    /// <summary>The longest endpoint, as in the contract. Characters.</summary>
    public const int LengthMax = 256;

    /// <summary>Reads <c>https://host:port</c>.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out Uri? endpoint)
    {
        endpoint = null;
        if (text is null || text.Length is 0 or > LengthMax || !Uri.TryCreate(text, UriKind.Absolute, out Uri? uri)) return false;
        if (uri.Scheme != Uri.UriSchemeHttps || uri.Host.Length == 0 || uri.UserInfo.Length > 0) return false;
        return Uri.TryCreate(uri.GetLeftPart(UriPartial.Authority), UriKind.Absolute, out endpoint);
    }

    /// <summary>Reads a setting: <c>0xaddress=https://host:port</c>.</summary>
    public static bool TryParseSetting(string text, out Address gateway, [NotNullWhen(true)] out Uri? endpoint)
    {
        endpoint = null;
        gateway = default;
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 && Address.TryParse(text[..equals].Trim(), out gateway) && !gateway.IsZero && TryParse(text[(equals + 1)..].Trim(), out endpoint);
    }
}
