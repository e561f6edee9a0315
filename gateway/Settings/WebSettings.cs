namespace DePIN.Gateway.Settings;

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
