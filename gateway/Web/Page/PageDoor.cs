using System.Net;
using System.Security.Cryptography;
using System.Text;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using DePIN.Mqtt;
using Microsoft.AspNetCore.Http.Features;

namespace DePIN.Gateway.Web.Page;

/// <summary>
/// Who may read. Without web.credentials and web.userHeader: everyone who reaches the address. With them: a session of this page (cookie), a user that a
/// trusted proxy names (OIDC ends there), or the operator's token (tools); /health, the login and its style stay open. Passwords are checked by the same
/// desk as those of MQTT: one at a time, and an address waits longer after each wrong one. Sessions live in memory, at most <see cref="SessionsMax"/>.
/// </summary>
internal sealed class PageDoor : IDisposable
{
    public const int SessionsMax = 64;
    public const string Cookie = "depin_session";

    /// <summary>A session ends so long after its last request.</summary>
    public static readonly TimeSpan Idle = TimeSpan.FromHours(8);

    /// <summary>And so long after its login.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromDays(7);

    private const int FormBytesMax = 2_048;
    private const int TokenBytes = 32;

    private readonly WebSettings _settings;
    private readonly Func<LoginBook?> _book;
    private readonly IPAddress[] _proxies;
    private readonly OperatorToken? _token;
    private readonly LoginDesk _desk;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Session> _sessions = new(StringComparer.Ordinal); // by SHA-256 of the cookie

    public PageDoor(WebSettings settings, Func<LoginBook?> book, string dataFolder, TimeProvider time)
    {
        (_settings, _book, _time) = (settings, book, time);
        _proxies = [.. settings.TrustedProxies.Select(IPAddress.Parse)];
        _token = IsLocked ? OperatorToken.Open(dataFolder) : null;
        _desk = new LoginDesk(book, time);
    }

    /// <summary>True when a reader needs to say who he is.</summary>
    public bool IsLocked => HasPasswords || _settings.UserHeader.Length > 0;

    /// <summary>Whether there are passwords.</summary>
    public bool HasPasswords => _book() is not null;

    public void Dispose() => _desk.Dispose();

    /// <summary>Lets the request through, sends a person to the login, or refuses a program.</summary>
    public Task PassAsync(HttpContext context, RequestDelegate next)
    {
        // A stranger's site that has its name point here (DNS rebinding) would read with the operator's own browser.
        if (!IsLocked && !_settings.AllowRemote && context.Request.Host is { Host: var host } && host != "localhost" && !(IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address)))
            throw new ProblemException(StatusCodes.Status421MisdirectedRequest, "Another name", "Without a login this gateway answers to localhost and 127.0.0.1 only.", "Use one of them, or set web.credentials, or web.allowRemote behind a proxy of yours.", "Host");
        PathString path = context.Request.Path;
        if (!IsLocked || path == "/health" || path == "/login" || path.StartsWithSegments("/assets") || path.StartsWithSegments("/operator") || User(context) is not null || _token!.Admits(context.Request.Headers.Authorization))
            return next(context);
        if (HasPasswords && HttpMethods.IsGet(context.Request.Method) && context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase))
        {
            context.Response.Redirect("/login");
            context.Response.ContentLength = 0;
            return Task.CompletedTask;
        }

        context.Response.Headers.WWWAuthenticate = "Bearer";
        throw new ProblemException(StatusCodes.Status401Unauthorized, "Who are you?", "This gateway asks its readers for a login.",
            $"Log in at /login with a browser, or send 'Authorization: Bearer' with the content of {OperatorToken.FileName} in the gateway's data folder.", "Authorization");
    }

    /// <summary>Whose request this is; null when nobody is logged in. It keeps the session from idling.</summary>
    public string? User(HttpContext context) => User(context, isUse: true);

    /// <summary>Whether a request that was let in and is still being answered may go on: false once its session is ended, or over. Does not count as use.</summary>
    public bool MayRead(HttpContext context) => !IsLocked || User(context, isUse: false) is not null || _token!.Admits(context.Request.Headers.Authorization);

    /// <summary>Whether the reader's connection is encrypted: by this gateway, or by a proxy of web.trustedProxies that says so.</summary>
    public bool IsHttps(HttpContext context) => context.Request.IsHttps || (IsProxy(context.Connection.RemoteIpAddress) && Last(context.Request.Headers["X-Forwarded-Proto"]) is "https");

    /// <summary>
    /// From where the request comes: the connection's other end, or, where that is a proxy of web.trustedProxies, the last address of X-Forwarded-For that is
    /// no such proxy. What stands before it the client may have written itself.
    /// </summary>
    public IPAddress ClientOf(HttpContext context)
    {
        IPAddress client = context.Connection.RemoteIpAddress ?? IPAddress.None;
        string[] passed = context.Request.Headers["X-Forwarded-For"].ToString().Split(',', StringSplitOptions.TrimEntries);
        for (int i = passed.Length - 1; i >= 0 && IsProxy(client); i--)
        {
            if (!IPAddress.TryParse(passed[i], out IPAddress? address) && !(IPEndPoint.TryParse(passed[i], out IPEndPoint? point) && (address = point.Address) is not null)) break;
            client = address;
        }

        return client;
    }

    private bool IsProxy(IPAddress? from) => from is not null && _proxies.Contains(from.IsIPv4MappedToIPv6 ? from.MapToIPv4() : from);

    private static string Last(string? header) => header?.Split(',', StringSplitOptions.TrimEntries)[^1] ?? "";

    private string? User(HttpContext context, bool isUse)
    {
        if (_settings.UserHeader.Length > 0 && IsProxy(context.Connection.RemoteIpAddress)
            && context.Request.Headers[_settings.UserHeader] is { Count: 1 } named && named[0] is { Length: > 0 and <= 128 } user) return user;
        if (context.Request.Cookies[Cookie] is not { } cookie) return null;
        lock (_gate)
        {
            if (!_sessions.TryGetValue(Key(cookie), out Session? session)) return null;
            DateTimeOffset now = _time.GetUtcNow();
            if (now - session.Used > Idle || now - session.Begun > Longest || _book()?.Find(session.User) is not { } entry || !entry.Salt.AsSpan().SequenceEqual(session.Salt)) // removed, or another password
            {
                _sessions.Remove(Key(cookie));
                return null;
            }

            if (isUse) session.Used = now;
            return session.User;
        }
    }

    /// <summary>POST /login: true and a cookie, or false; the same answer whatever was wrong.</summary>
    /// <exception cref="ProblemException">From another site, too many tries, or too long.</exception>
    public async Task<bool> LogInAsync(HttpContext context)
    {
        // Before anything is refused: a body that is not read and was not allowed takes the answer with it.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = FormBytesMax;
        RequireSameSite(context);
        IFormCollection form;
        try
        {
            form = await context.Request.ReadFormAsync(new FormOptions { ValueCountLimit = 4, BufferBodyLengthLimit = FormBytesMax, ValueLengthLimit = 512, KeyLengthLimit = 32 }, context.RequestAborted).ConfigureAwait(false);
        }
        catch (Exception wrong) when (wrong is InvalidOperationException or InvalidDataException or BadHttpRequestException)
        {
            throw new ProblemException(StatusCodes.Status400BadRequest, "Bad request", "This is not the form of the login page.", "Open /login with a browser.");
        }

        string name = form["user"].ToString();
        TaskCompletionSource<(ClientIdentity?, MqttReason)> checking = new(TaskCreationOptions.RunContinuationsAsynchronously);
        (ClientIdentity?, MqttReason) answer = _desk.Take(name, Encoding.UTF8.GetBytes(form["password"].ToString()), Admission.NetworkOf(ClientOf(context)), (who, why) => checking.TrySetResult((who, why)))
            ?? await checking.Task.WaitAsync(context.RequestAborted).ConfigureAwait(false);
        if (answer.Item2 is MqttReason.Banned or MqttReason.ServerBusy)
            throw new ProblemException(StatusCodes.Status429TooManyRequests, "Too many tries", "Logins from this address wait after several wrong ones.", "Wait a few minutes and try again.");
        if (answer.Item1 is null || _book()?.Find(name) is not { } entry) return false;
        string cookie = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(TokenBytes));
        DateTimeOffset now = _time.GetUtcNow();
        lock (_gate)
        {
            if (_sessions.Count >= SessionsMax) _sessions.Remove(_sessions.MinBy(one => one.Value.Used).Key);
            _sessions[Key(cookie)] = new Session(name, entry.Salt, now) { Used = now };
        }

        context.Response.Cookies.Append(Cookie, cookie, new CookieOptions { HttpOnly = true, SameSite = SameSiteMode.Strict, Secure = IsHttps(context), Path = "/", MaxAge = Longest, IsEssential = true });
        return true;
    }

    /// <summary>POST /logout.</summary>
    public void LogOut(HttpContext context)
    {
        RequireSameSite(context);
        if (context.Request.Cookies[Cookie] is { } cookie)
            lock (_gate) _sessions.Remove(Key(cookie));
        context.Response.Cookies.Delete(Cookie);
    }

    // Browsers send Origin with every POST; Sec-Fetch-Site says the same where a proxy changed the host.
    private static void RequireSameSite(HttpContext context)
    {
        string origin = context.Request.Headers.Origin.ToString();
        string site = context.Request.Headers["Sec-Fetch-Site"].ToString();
        bool same = site.Length > 0 ? site is "same-origin" or "none" : origin.Length == 0 || (Uri.TryCreate(origin, UriKind.Absolute, out Uri? from) && from.Authority == context.Request.Host.Value);
        if (!same) throw new ProblemException(StatusCodes.Status403Forbidden, "Another site", "The request comes from another site's page.", "Open this gateway's own page and try again.", "Origin");
    }

    private static string Key(string cookie) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(cookie)));

    private sealed class Session(string user, byte[] salt, DateTimeOffset begun)
    {
        public string User => user;

        public byte[] Salt => salt;

        public DateTimeOffset Begun => begun;

        public DateTimeOffset Used { get; set; }
    }
}
