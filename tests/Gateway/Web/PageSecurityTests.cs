using System.Net;
using System.Net.Sockets;
using System.Text;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Tests.Anchor;
using DePIN.Gateway.Web.Page;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Gateway.Tests.Web;

/// <summary>The page as an attacker meets it: a real gateway process, hostile requests.</summary>
internal sealed class PageSecurityTests
{
    private static readonly string[] HeaderNames = ["Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy"];

    [Test]
    public void Whatever_is_put_into_a_page_is_text_there()
    {
        string hostile = "\"><script>alert('x')</script>&";
        string html = Encoding.UTF8.GetString(new Html().Add($"<a title=\"{hostile}\">{hostile}</a>").ToUtf8());
        Assert.That(html, Does.Not.Contain("<script").And.Not.Contain("\"><").And.Not.Contain("'x'"));
        Assert.That(WebUtility.HtmlDecode(html), Does.Contain(hostile));
    }

    [Test]
    public async Task Without_a_login_everything_answers_with_its_headers_and_no_file_of_the_machine_is_served()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        await using GatewayProcess gateway = new(network);
        await gateway.StartAsync();
        foreach (string path in new[] { "/", "/devices", "/health", "/assets/page.js", "/assets/none.js", "/nowhere", "/devices/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "/devices?after=%22%3E%3Cscript%3E" })
        {
            using HttpRequestMessage request = new(HttpMethod.Get, path);
            request.Headers.Accept.ParseAdd("text/html");
            using HttpResponseMessage answer = await gateway.Http.SendAsync(request);
            foreach (string name in HeaderNames) Assert.That(answer.Headers.TryGetValues(name, out _), Is.True, $"{name} of {path}");
            Assert.That(answer.Headers.GetValues("Content-Security-Policy").Single(), Does.Contain("default-src 'none'").And.Not.Contain("unsafe"));
            Assert.That(await answer.Content.ReadAsStringAsync(), Does.Not.Contain("<script>"), path);
        }

        string secret = File.ReadAllText(Path.Combine(gateway.DataFolder, "gateway.key")).Trim();
        foreach (string path in new[]
        {
            "/assets/../gateway.key", "/assets/..%2f..%2fdata/gateway.key", "/assets/%2e%2e/%2e%2e/data/gateway.key", "/assets/....//gateway.key", "/assets//etc/passwd", "/../../etc/passwd",
            "/assets/..\\..\\gateway.key", "/assets/page.js%00.css", "//assets/page.css/../../data/gateway.key", $"/assets/{gateway.DataFolder}/gateway.key",
        })
        {
            string answer = await RawAsync(gateway.Http.BaseAddress!.Port, $"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            Assert.That(answer, Does.Not.StartWith("HTTP/1.1 200").And.Not.Contain(secret).And.Not.Contain("root:"), path);
        }

        string rebound = await RawAsync(gateway.Http.BaseAddress!.Port, "GET /api/devices HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        Assert.That(rebound, Does.StartWith("HTTP/1.1 421"));

        using HttpResponseMessage post = await gateway.Http.PostAsync("/login", new FormUrlEncodedContent([new("user", "a"), new("password", "b")]));
        Assert.That(post.StatusCode, Is.EqualTo(HttpStatusCode.NotFound), "there is no login to try");
    }

    [Test]
    public async Task With_a_login_nothing_is_read_without_it_other_sites_cannot_use_it_and_guessing_ends()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        await using GatewayProcess gateway = new(network);
        string users = Path.Combine(network.Folder, "users");
        SecretFile.Write(users, Encoding.UTF8.GetBytes(LoginBook.Line("anna", ClientRole.Application, "correct horse"u8) + "\n"));
        File.WriteAllText(gateway.ConfigFile, File.ReadAllText(gateway.ConfigFile).Replace("\"web\": {", "\"web\": { \"credentials\": \"users\", \"userHeader\": \"X-Forwarded-User\", \"trustedProxies\": [\"192.0.2.1\"],", StringComparison.Ordinal));
        await gateway.StartAsync();
        using HttpClient person = new(new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = gateway.Http.BaseAddress };
        person.DefaultRequestHeaders.Accept.ParseAdd("text/html");

        using (HttpResponseMessage sent = await person.GetAsync("/devices"))
            Assert.That((sent.StatusCode, sent.Headers.Location?.ToString()), Is.EqualTo((HttpStatusCode.Redirect, "/login")));
        foreach (string path in new[] { "/api/status", "/metrics", "/network", "/events" })
        {
            using HttpResponseMessage refused = await gateway.Http.GetAsync(path);
            Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized), path);
        }

        using (HttpResponseMessage health = await gateway.Http.GetAsync("/health")) Assert.That((int)health.StatusCode, Is.EqualTo(200).Or.EqualTo(503));
        using (HttpResponseMessage claimed = await SendAsync(HttpMethod.Get, "/api/status", "X-Forwarded-User", "anna"))
            Assert.That(claimed.StatusCode, Is.EqualTo(HttpStatusCode.Redirect), "anyone can send the header; only a proxy is believed");
        string token = File.ReadAllText(Path.Combine(gateway.DataFolder, OperatorToken.FileName)).Trim();
        using (HttpResponseMessage tool = await SendAsync(HttpMethod.Get, "/api/status", "Authorization", "Bearer " + token)) Assert.That(tool.StatusCode, Is.EqualTo(HttpStatusCode.OK));

        foreach ((string name, string value) in new[] { ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"), ("Origin", "null") })
        {
            using HttpResponseMessage forged = await LogInAsync("anna", "correct horse", name, value);
            Assert.That(forged.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden), $"{name}: {value}");
        }

        using HttpResponseMessage right = await LogInAsync("anna", "correct horse", "Sec-Fetch-Site", "same-origin");
        Assert.That(right.StatusCode, Is.EqualTo(HttpStatusCode.SeeOther));
        string cookie = right.Headers.GetValues("Set-Cookie").Single();
        Assert.That(cookie.ToLowerInvariant(), Does.Contain("httponly").And.Contain("samesite=strict").And.Contain("path=/"));
        string session = cookie.Split(';')[0];
        using (HttpResponseMessage inside = await SendAsync(HttpMethod.Get, "/devices", "Cookie", session)) Assert.That(inside.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        using (HttpResponseMessage forged = await SendAsync(HttpMethod.Get, "/devices", "Cookie", PageDoor.Cookie + "=" + new string('0', 64))) Assert.That(forged.StatusCode, Is.EqualTo(HttpStatusCode.Redirect));
        using HttpRequestMessage listening = new(HttpMethod.Get, "/events?after=&row=0");
        listening.Headers.TryAddWithoutValidation("Cookie", session);
        using HttpResponseMessage events = await person.SendAsync(listening, HttpCompletionOption.ResponseHeadersRead);
        using StreamReader live = new(await events.Content.ReadAsStreamAsync());
        while (await live.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60)) is { } line && !line.StartsWith("data: ", StringComparison.Ordinal))
        {
        }

        Task<string> rest = live.ReadToEndAsync();
        Assert.That(rest.IsCompleted, Is.False, "the stream goes on");
        using (HttpResponseMessage left = await SendAsync(HttpMethod.Post, "/logout", "Cookie", session)) Assert.That(left.StatusCode, Is.EqualTo(HttpStatusCode.SeeOther));
        using (HttpResponseMessage after = await SendAsync(HttpMethod.Get, "/devices", "Cookie", session)) Assert.That(after.StatusCode, Is.EqualTo(HttpStatusCode.Redirect), "a session that was ended stays ended");
        await rest.WaitAsync(TimeSpan.FromSeconds(60)); // and what was open under it ends

        // A reload takes new people in, and ends the sessions of who is removed or has another password.
        string kept = await SessionAsync("anna", "correct horse");
        SecretFile.Write(users, Encoding.UTF8.GetBytes(File.ReadAllText(users) + LoginBook.Line("boris", ClientRole.Application, "battery staple"u8) + "\n"));
        await ReloadAsync(1);
        string boris = await SessionAsync("boris", "battery staple");
        using (HttpResponseMessage inside = await SendAsync(HttpMethod.Get, "/devices", "Cookie", kept)) Assert.That(inside.StatusCode, Is.EqualTo(HttpStatusCode.OK), "nothing of hers changed");
        SecretFile.Write(users, Encoding.UTF8.GetBytes(LoginBook.Line("anna", ClientRole.Application, "another horse"u8) + "\n"));
        await ReloadAsync(2);
        foreach (string ended in new[] { kept, boris })
        {
            using HttpResponseMessage outside = await SendAsync(HttpMethod.Get, "/devices", "Cookie", ended);
            Assert.That(outside.StatusCode, Is.EqualTo(HttpStatusCode.Redirect));
        }

        SecretFile.Write(users, "anna\n"u8);
        await gateway.SignalAsync("HUP");
        await GatewayProcess.WaitAsync("the complaint", () => Task.FromResult(gateway.Output().Contains("users(1)", StringComparison.Ordinal) ? "" : null));
        await SessionAsync("anna", "another horse"); // as it was

        List<(HttpStatusCode Status, string Body)> tries = [];
        for (int i = 0; i < 12; i++)
        {
            using HttpResponseMessage wrong = await LogInAsync(i % 2 == 0 ? "anna" : "nobody", "guess" + i, "Sec-Fetch-Site", "same-origin");
            tries.Add((wrong.StatusCode, await wrong.Content.ReadAsStringAsync()));
        }

        Assert.That(tries.Take(5).Select(one => one.Status), Is.All.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(tries[0].Body, Is.EqualTo(tries[1].Body), "whether the name is known is not told");
        Assert.That(tries.Select(one => one.Status), Does.Contain(HttpStatusCode.TooManyRequests), "the address waits");

        using HttpResponseMessage large = await gateway.Http.PostAsync("/login", new StringContent(new string('a', 3_000), Encoding.UTF8, "application/x-www-form-urlencoded"));
        Assert.That((int)large.StatusCode, Is.InRange(400, 499));
        using HttpResponseMessage strange = await gateway.Http.PostAsync("/login", new StringContent("{}", Encoding.UTF8, "application/json"));
        Assert.That(strange.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));

        async Task ReloadAsync(int times)
        {
            await gateway.SignalAsync("HUP");
            await GatewayProcess.WaitAsync("the reload", () => Task.FromResult(gateway.Output().Split("settings read again").Length > times ? "" : null));
        }

        async Task<string> SessionAsync(string user, string password)
        {
            using HttpResponseMessage answer = await LogInAsync(user, password, "Sec-Fetch-Site", "same-origin");
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.SeeOther), user);
            return answer.Headers.GetValues("Set-Cookie").Single().Split(';')[0];
        }

        Task<HttpResponseMessage> LogInAsync(string user, string password, string header, string value)
        {
            HttpRequestMessage request = new(HttpMethod.Post, "/login") { Content = new FormUrlEncodedContent([new("user", user), new("password", password)]) };
            request.Headers.TryAddWithoutValidation(header, value);
            return person.SendAsync(request);
        }

        Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string header, string value)
        {
            HttpRequestMessage request = new(method, path);
            request.Headers.TryAddWithoutValidation(header, value);
            return person.SendAsync(request);
        }
    }

    [Test]
    public async Task After_a_wide_gap_the_newest_frames_are_shown_and_the_missing_counted()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice device = new(1);
        await network.RegisterAsync(device);
        await using GatewayProcess gateway = new(network);
        await gateway.StartAsync();
        await using (MqttClient client = new(new MqttClientOptions { Host = "127.0.0.1", Port = gateway.Mqtt.Port, ClientId = device.Text }))
        {
            Assert.That((await client.ConnectAsync()).IsConnected, Is.True);
            byte[][] frames = [.. Enumerable.Range(1, 512).Select(_ => device.NextFrame())];
            await AcknowledgedAsync(frames[0]);
            await Task.WhenAll(frames[1..400].Select(AcknowledgedAsync)); // 401 to 511 never come
            await AcknowledgedAsync(frames[511]);

            async Task AcknowledgedAsync(byte[] frame) =>
                await GatewayProcess.WaitAsync("an acknowledged frame", async () => (await client.PublishAsync(Topics.Frame(device.Text), frame)).IsSuccess ? "" : null);
        }

        string page = await gateway.Http.GetStringAsync($"/devices/{device.Text}");
        Assert.That(page, Does.Contain($"/devices/{device.Text}/frames/512\"").And.Contain("/frames/400\"").And.Not.Contain("/frames/97\""));
        Assert.That(await gateway.Http.GetStringAsync("/devices"), Does.Contain("<td data-label=\"Missing\">111</td>"));
    }

    [Test]
    public async Task Refusals_of_strangers_and_of_revoked_devices_are_told()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice device = new(1), stranger = new(2);
        await network.RegisterAsync(device);
        await using GatewayProcess gateway = new(network);
        await gateway.StartAsync();
        await using (MqttClient client = new(new MqttClientOptions { Host = "127.0.0.1", Port = gateway.Mqtt.Port, ClientId = device.Text }))
        {
            Assert.That((await client.ConnectAsync()).IsConnected, Is.True);
            byte[] first = device.NextFrame();
            await GatewayProcess.WaitAsync("an acknowledged frame", async () => (await client.PublishAsync(Topics.Frame(device.Text), first)).IsSuccess ? "" : null);
            await network.RevokeAsync(device);
            byte[] next = device.NextFrame();
            await GatewayProcess.WaitAsync("the revocation is read", async () => (await gateway.GetAsync($"/api/devices/{device.Text}"))["revokedAtS"] is not null ? "" : null);
            Assert.That((await client.PublishAsync(Topics.Frame(device.Text), next)).IsSuccess, Is.False);
        }

        await using (MqttClient client = new(new MqttClientOptions { Host = "127.0.0.1", Port = gateway.Mqtt.Port, ClientId = stranger.Text }))
        {
            Assert.That((await client.ConnectAsync()).IsConnected, Is.True);
            Assert.That((await client.PublishAsync(Topics.Frame(stranger.Text), stranger.NextFrame())).IsSuccess, Is.False);
        }

        string page = await gateway.Http.GetStringAsync("/devices");
        Assert.That(page, Does.Contain("<td data-label=\"Refused\">1 Revoked</td>").And.Match("of all devices and of strangers: [^.]*1 UnknownDevice").And.Match("of all devices and of strangers: [^.]*1 Revoked"));
    }

    private static async Task<string> RawAsync(int port, string request)
    {
        using TcpClient client = new();
        await client.ConnectAsync(IPAddress.Loopback, port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
        using StreamReader reader = new(client.GetStream(), Encoding.Latin1);
        return await reader.ReadToEndAsync();
    }
}
