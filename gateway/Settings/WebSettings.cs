namespace DePIN.Gateway.Settings;

/// <summary>Section <c>web</c>.</summary>
public sealed class WebSettings
{
    [Setting("Address and port of the web page, /health, /metrics and /api. Port 0 = any free one.")]
    public string Listen { get; set; } = "127.0.0.1:8080";

    [Setting("Allows web.listen on an address other than loopback without a login over TLS. Everyone who reaches it reads all frames.")]
    public bool AllowRemote { get; set; }

    [Setting("Serve HTTPS with the gateway's certificate (section tls) instead of HTTP.")]
    public bool Tls { get; set; }

    [Setting("File with the page's users (mode 0600), read again by a reload; empty = no login. 'depin gateway user add' writes it.")]
    public string Credentials { get; set; } = "";

    [Setting("Header in which a reverse proxy that did the login (OIDC) names the user, such as X-Forwarded-User; empty = none.")]
    public string UserHeader { get; set; } = "";

    [Setting("Addresses of the proxies whose web.userHeader, X-Forwarded-For (who waits after wrong passwords) and X-Forwarded-Proto (cookies over TLS only) are believed; from others these are ignored.")]
    public string[] TrustedProxies { get; set; } = [];

    [Setting("Entries on one page of a listing at most.", Min = 1, Max = 10_000)]
    public int PageMax { get; set; } = 1_000;
}
