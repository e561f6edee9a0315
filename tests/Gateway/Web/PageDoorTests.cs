using System.Net;
using System.Text;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Web;
using DePIN.Gateway.Web.Page;
using DePIN.Tests.Harness;
using Microsoft.AspNetCore.Http;

namespace DePIN.Gateway.Tests.Web;

/// <summary>The page's login behind a proxy that ends TLS, and how sessions end.</summary>
internal sealed class PageDoorTests
{
    private const string Proxy = "192.0.2.1", Stranger = "192.0.2.99";

    private readonly Clock _clock = new();
    private TempFolder _folder = null!;
    private PageDoor _door = null!;

    [SetUp]
    public void Open()
    {
        _folder = new TempFolder();
        string users = Path.Combine(_folder.Path, "users");
        SecretFile.Write(users, Encoding.UTF8.GetBytes(LoginBook.Line("anna", ClientRole.Application, "correct horse"u8) + "\n"));
        LoginBook book = LoginBook.Read(users);
        _door = new PageDoor(new WebSettings { Credentials = users, TrustedProxies = [Proxy, "192.0.2.2"] }, () => book, _folder.Path, _clock);
    }

    [TearDown]
    public void Close()
    {
        _door.Dispose();
        _folder.Dispose();
    }

    [Test]
    public async Task A_cookie_is_for_TLS_only_where_the_trusted_proxy_ended_TLS_and_nobody_else_can_say_so()
    {
        Assert.That(await CookieAsync(Request(Proxy, proto: "https")), Does.Contain("; secure"));
        Assert.That(await CookieAsync(Request(Proxy, proto: "http")), Does.Not.Contain("secure"));
        Assert.That(await CookieAsync(Request(Proxy, proto: "https, http")), Does.Not.Contain("secure"), "what the client sent stands before what the proxy adds");
        Assert.That(await CookieAsync(Request(Stranger, proto: "https")), Does.Not.Contain("secure"));
        Assert.That(await CookieAsync(Request($"::ffff:{Proxy}", proto: "https")), Does.Contain("; secure"), "the same address on a socket for both families");
    }

    [Test]
    public void The_client_is_the_last_address_that_no_trusted_proxy_has()
    {
        Assert.That(Client(Stranger, "203.0.113.7"), Is.EqualTo(Stranger), "anyone can send the header; only a proxy is believed");
        Assert.That(Client(Proxy, "203.0.113.7"), Is.EqualTo("203.0.113.7"));
        Assert.That(Client(Proxy, "10.9.9.9, 203.0.113.7, 192.0.2.2"), Is.EqualTo("203.0.113.7"), "through both proxies; what stands before is the client's own word");
        Assert.That(Client(Proxy, "203.0.113.7:4711"), Is.EqualTo("203.0.113.7"));
        Assert.That(Client(Proxy, "[2001:db8::7]:4711"), Is.EqualTo("2001:db8::7"));
        Assert.That(Client(Proxy, "unknown"), Is.EqualTo(Proxy));
        Assert.That(Client(Proxy, null), Is.EqualTo(Proxy));
    }

    [Test]
    public async Task Behind_the_proxy_only_the_address_that_guesses_waits()
    {
        for (int i = 0; i < 6; i++) Assert.That(await _door.LogInAsync(Request(Proxy, "203.0.113.7", password: "guess" + i)), Is.False);
        Assert.ThrowsAsync<ProblemException>(() => _door.LogInAsync(Request(Proxy, "203.0.113.7", password: "guess")));
        Assert.ThrowsAsync<ProblemException>(() => _door.LogInAsync(Request(Proxy, "198.51.100.1, 203.0.113.7", password: "guess")), "a made-up address before its own does not help");
        Assert.That(await _door.LogInAsync(Request(Proxy, "203.0.113.8")), Is.True);
        for (int i = 0; i < 6; i++) Assert.That(await _door.LogInAsync(Request(Proxy, $"2001:db8:0:1::{i}", password: "guess" + i)), Is.False);
        Assert.ThrowsAsync<ProblemException>(() => _door.LogInAsync(Request(Proxy, "2001:db8:0:1::ffff", password: "guess")), "one subscriber has all of a /64");
    }

    [Test]
    public async Task What_is_still_being_answered_ends_with_its_session_and_does_not_keep_it_alive()
    {
        HttpContext stream = Request(Stranger);
        stream.Request.Headers.Cookie = (await CookieAsync(Request(Stranger))).Split(';')[0];
        Assert.That(_door.MayRead(stream), Is.True);
        _clock.Ahead += PageDoor.Idle - TimeSpan.FromMinutes(1);
        Assert.That(_door.MayRead(stream), Is.True);
        _clock.Ahead += TimeSpan.FromMinutes(2);
        Assert.That(_door.MayRead(stream), Is.False, "an open page is no use of it");

        stream.Request.Headers.Cookie = (await CookieAsync(Request(Stranger))).Split(';')[0];
        for (TimeSpan used = TimeSpan.Zero; used < PageDoor.Longest; used += TimeSpan.FromHours(7))
        {
            Assert.That(_door.User(stream), Is.EqualTo("anna"));
            _clock.Ahead += TimeSpan.FromHours(7);
        }

        Assert.That(_door.MayRead(stream), Is.False, "seven days after the login it is over, used or not");
        stream.Request.Headers.Cookie = (await CookieAsync(Request(Stranger))).Split(';')[0];
        Assert.That(_door.MayRead(stream), Is.True);
        _door.LogOut(stream);
        Assert.That(_door.MayRead(stream), Is.False);
    }

    private string Client(string from, string? passed) => _door.ClientOf(Request(from, passed)).ToString();

    private async Task<string> CookieAsync(HttpContext request)
    {
        Assert.That(await _door.LogInAsync(request), Is.True);
        return request.Response.Headers.SetCookie.ToString();
    }

    private static DefaultHttpContext Request(string from, string? passed = null, string? proto = null, string password = "correct horse")
    {
        DefaultHttpContext context = new();
        byte[] form = Encoding.ASCII.GetBytes($"user=anna&password={Uri.EscapeDataString(password)}");
        context.Connection.RemoteIpAddress = IPAddress.Parse(from);
        (context.Request.Method, context.Request.ContentType, context.Request.ContentLength, context.Request.Body) = ("POST", "application/x-www-form-urlencoded", form.Length, new MemoryStream(form));
        context.Request.Headers["Sec-Fetch-Site"] = "same-origin";
        if (passed is not null) context.Request.Headers["X-Forwarded-For"] = passed;
        if (proto is not null) context.Request.Headers["X-Forwarded-Proto"] = proto;
        return context;
    }

    /// <summary>The machine's clock, set ahead; the time by which a guesser waits stands still.</summary>
    private sealed class Clock : TimeProvider
    {
        public TimeSpan Ahead { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Ahead;

        public override long GetTimestamp() => 1;
    }
}
