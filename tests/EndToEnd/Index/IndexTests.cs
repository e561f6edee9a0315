using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.EndToEnd.Tests.Chaos;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Index;

/// <summary>`depin index` as a process, on a real chain, a real gateway and a real PostgreSQL: complete and right whatever happens in between.</summary>
public sealed class IndexTests
{
    private const int Kills = 6;

    private readonly TempFolder folder = new();
    private PostgresServer postgres = null!;
    private Network network = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        if (PostgresServer.WhyNot is { } missing)
        {
            if (Environment.GetEnvironmentVariable("CI") == "true") Assert.Fail(missing);
            Assert.Ignore(missing);
        }

        postgres = await PostgresServer.StartAsync();
        await File.WriteAllTextAsync(PasswordFile, postgres.Password + "\n");
        network = await Network.StartAsync(devices: 3);
        await LoadAsync(() => network.Devices.All(device => device.Acknowledged >= 200));
        await network.UntilAnchoredAsync();
    }

    [OneTimeTearDown]
    public async Task EndAsync()
    {
        if (network is not null) await network.DisposeAsync();
        postgres?.Dispose();
        folder.Dispose();
    }

    [Test]
    public async Task Every_reading_that_the_devices_signed_is_there_and_its_proof_holds()
    {
        string database = await DatabaseAsync();
        await OnceAsync(database, [Gateway]);
        await AssertCompleteAsync(database);

        LoadingDevice device = network.Devices[0];
        string id = device.Device.Text;
        string[] readings = (await postgres.PsqlAsync(database, $"SELECT sequence, sample, time_ms, channel, name, unit, value, quality, final FROM depin.readings_of('{id}')")).Split('\n');
        string[] signed = [.. Enumerable.Range(1, (int)device.Acknowledged).SelectMany(sequence => Enumerable.Range(0, 2).Select(sample =>
            string.Create(CultureInfo.InvariantCulture, $"{sequence}|{sample}|{1_800_000_000_000 + sequence}|1|temperature|Cel|21.5|0|t")))];
        Assert.That(readings, Is.EqualTo(signed), "the view's readings are what was signed");
        Assert.That(await postgres.PsqlAsync(database, $"SELECT count(*) FROM depin.readings_of('{id}', to_timestamp(1800000000.011), to_timestamp(1800000000.021))"), Is.EqualTo("20"), "ten frames of two readings");
        Assert.That(await postgres.PsqlAsync(database, "SELECT count(*) FROM depin.devices"), Is.EqualTo("3"));
        Assert.That(await postgres.PsqlAsync(database, "SELECT count(*) FILTER (WHERE active) FROM depin.gateways"), Is.EqualTo("1"));

        await using IndexProcess index = await IndexProcess.StartAsync(Arguments(database, [Gateway]), LogFile(database));
        using HttpClient http = new() { BaseAddress = new Uri(index.Url) };
        List<string> paged = [];
        for (string? after = ""; after is not null;)
        {
            JsonElement page = await JsonAsync(http, $"/devices/{id}/readings?limit=70&channel=1{after}");
            paged.AddRange(page.GetProperty("readings").EnumerateArray().Select(r => $"{r.GetProperty("sequence")}|{r.GetProperty("sample")}|{r.GetProperty("timeMs")}|{r.GetProperty("value")}"));
            after = page.GetProperty("next").GetString() is { } next ? "&after=" + next : null;
        }

        Assert.That(paged, Is.EqualTo(signed.Select(line => line.Split('|')).Select(f => $"{f[0]}|{f[1]}|{long.Parse(f[2], CultureInfo.InvariantCulture) + int.Parse(f[1], CultureInfo.InvariantCulture)}|{f[6]}")), "the pages give the same, each once");

        foreach (ulong sequence in (ulong[])[1, (ulong)device.Acknowledged / 2, (ulong)device.Acknowledged])
        {
            string file = Path.Combine(folder.Path, $"{sequence}.json");
            await File.WriteAllBytesAsync(file, await http.GetByteArrayAsync($"/devices/{id}/frames/{sequence}/proof"));
            CliProcess offline = await CliProcess.RunAsync(folder.Path, "verify", file);
            Assert.That(offline.ExitCode, Is.Zero, offline.Output + offline.Errors);
            CliProcess onChain = await CliProcess.RunAsync(folder.Path, "verify", file, "--rpc", network.Chain.Node.RpcUrl.ToString());
            Assert.That(onChain.ExitCode, Is.Zero, onChain.Output + onChain.Errors);
        }
    }

    [Test]
    public async Task A_device_that_changed_its_key_is_proven_with_the_key_of_each_frame()
    {
        LoadingDevice changed = network.Devices[2];
        SampleDevice device = changed.Device;
        long before = changed.Acknowledged;
        byte[] signature = device.Rotate(next => DeviceKeyChange.Message(network.Chain.Deployment.ChainId, network.Chain.Deployment.DeviceRegistry, device.Id, next, 0));
        await network.Chain.SendAsync(network.Chain.Deployment.DeviceRegistry, DeviceKeyChange.EncodeRotate(device.Id, device.PublicKey, signature));
        string key = "0x" + Convert.ToHexStringLower(device.PublicKey);
        await Eventually.TrueAsync(async () => (await network.Gateway.Api.GetAsync($"/api/devices/{device.Text}", CancellationToken.None)).GetProperty("publicKey").GetString() == key, "the gateway follows the change", network.Told);
        await LoadAsync(() => changed.Acknowledged >= before + 50);
        await network.UntilAnchoredAsync();

        string database = await DatabaseAsync();
        await OnceAsync(database, [Gateway]);
        await AssertCompleteAsync(database);
        await using IndexProcess index = await IndexProcess.StartAsync(Arguments(database, [Gateway]), LogFile(database));
        foreach (string source in (string[])[$"{index.Url}/devices/{device.Text}/frames", $"{Gateway}/api/devices/{device.Text}/frames"])
        {
            foreach ((long sequence, int offline) in ((long, int)[])[(before, ExitCode.Ok), (changed.Acknowledged, ExitCode.NotProven)])
            {
                string file = Path.Combine(folder.Path, $"changed-{sequence}.json");
                using (HttpClient http = new()) await File.WriteAllBytesAsync(file, await http.GetByteArrayAsync($"{source}/{sequence}/proof"));
                CliProcess alone = await CliProcess.RunAsync(folder.Path, "verify", file);
                Assert.That(alone.ExitCode, Is.EqualTo(offline), $"the id is the first key's; whose the later ones are, only the chain can say: {alone.Output}{alone.Errors}");
                CliProcess onChain = await CliProcess.RunAsync(folder.Path, "verify", file, "--rpc", network.Chain.Node.RpcUrl.ToString());
                Assert.That(onChain.ExitCode, Is.Zero, onChain.Output + onChain.Errors);
            }
        }
    }

    [Test]
    public async Task Its_answers_are_of_several_kinds_tagged_bounded_and_strict()
    {
        string database = await DatabaseAsync();
        await OnceAsync(database, [Gateway]);
        await using IndexProcess index = await IndexProcess.StartAsync(Arguments(database, [Gateway]), LogFile(database));
        using HttpClient http = new() { BaseAddress = new Uri(index.Url) };
        string path = $"/devices/{network.Devices[0].Device.Text}/readings?limit=3";

        (HttpStatusCode _, string csv, HttpResponseHeaders headers) = await GetAsync(http, path, "text/csv");
        Assert.That(csv.Split("\r\n"), Has.Length.EqualTo(1 + 6 + 1));
        Assert.That(csv, Does.Contain(",temperature,Cel,21.5,0,"));
        Assert.That(headers.GetValues("Link").Single(), Does.Contain("after=").And.Contain("rel=\"next\""));
        (_, string senml, _) = await GetAsync(http, path, "application/senml+json");
        Assert.That(JsonDocument.Parse(senml).RootElement.EnumerateArray().Select(record => record.GetProperty("v").GetDecimal()), Is.EqualTo(Enumerable.Repeat(21.5m, 6)));

        (_, _, headers) = await GetAsync(http, path, "application/json");
        using HttpRequestMessage again = new(HttpMethod.Get, path);
        again.Headers.Add("If-None-Match", headers.GetValues("ETag").Single());
        using HttpResponseMessage same = await http.SendAsync(again);
        Assert.That(same.StatusCode, Is.EqualTo(HttpStatusCode.NotModified));

        foreach ((string wrong, int status, string field) in ((string, int, string)[])[
            (path + "&limit=4", 400, "limit"), (path.Replace("limit=3", "limit=100000", StringComparison.Ordinal), 400, "limit"), (path + "&offset=1", 400, "offset"), (path + "&after=x", 400, "after"),
            ("/devices/xyz/readings", 400, "device"), ($"/devices/{new string('0', 40)}/readings", 404, ""), ($"/devices/{network.Devices[0].Device.Text}/frames/99999999/proof", 404, ""), ("/nothing", 404, "")])
        {
            (HttpStatusCode got, string text, _) = await GetAsync(http, wrong, "application/json");
            JsonElement problem = JsonDocument.Parse(text).RootElement;
            Assert.That((int)got, Is.EqualTo(status), wrong);
            Assert.That(problem.GetProperty("remedy").GetString(), Is.Not.Empty, wrong);
            if (field.Length > 0) Assert.That(problem.GetProperty("field").GetString(), Is.EqualTo(field), wrong);
        }

        JsonElement standing = await JsonAsync(http, "/status");
        Assert.That(standing.GetProperty("counts").GetProperty("frames").GetInt64(), Is.EqualTo(network.Devices.Sum(device => device.Acknowledged)));
        Assert.That(standing.GetProperty("sources")[0].GetProperty("lied").GetInt64(), Is.Zero);
    }

    [Test]
    public async Task The_gateways_paths_for_it_are_tagged_and_strict()
    {
        using HttpClient http = new() { BaseAddress = network.Gateway.Api.Url };
        JsonElement batch = (await JsonAsync(http, "/api/anchors/0/batches")).GetProperty("batches")[0];
        Assert.That(batch.GetProperty("attestations").GetArrayLength(), Is.Positive, "with the certificate");
        string body = $"/api/bodies/{batch.GetProperty("framesHash").GetString()}";
        Assert.That("0x" + Convert.ToHexStringLower(SHA256.HashData(await http.GetByteArrayAsync(body))), Is.EqualTo(batch.GetProperty("framesHash").GetString()));
        using HttpRequestMessage again = new(HttpMethod.Get, body);
        again.Headers.Add("If-None-Match", $"\"{batch.GetProperty("framesHash").GetString()}\"");
        using HttpResponseMessage same = await http.SendAsync(again);
        Assert.That(same.StatusCode, Is.EqualTo(HttpStatusCode.NotModified));
        foreach ((string path, int status) in ((string, int)[])[("/api/anchors/99999999/batches", 404), ("/api/anchors/x/batches", 400), ("/api/anchors/0/batches?limit=0", 400), ("/api/bodies/x", 400), ($"/api/bodies/{new string('0', 64)}", 404)])
        {
            (HttpStatusCode got, string text, HttpResponseHeaders headers) = await GetAsync(http, path, "application/json");
            Assert.That((int)got, Is.EqualTo(status), path);
            Assert.That(JsonDocument.Parse(text).RootElement.GetProperty("remedy").GetString(), Is.Not.Empty, path);
            Assert.That(headers.CacheControl?.NoStore, Is.True, "no error is kept");
        }
    }

    [TestCase(Alteration.Body)]
    [TestCase(Alteration.Header)]
    [TestCase(Alteration.FramesHash)]
    [TestCase(Alteration.Omission)]
    [TestCase(Alteration.Length)]
    public async Task A_gateway_that_alters_what_it_sends_is_found_out_and_the_next_one_is_asked(Alteration alteration)
    {
        await using AlteringProxy liar = new(network.Gateway.Api.Url, alteration);
        string database = await DatabaseAsync();
        CliProcess alone = await RunOnceAsync(database, [liar.Url]);
        Assert.That(alone.ExitCode, Is.EqualTo(ExitCode.Failed), "the liar alone gives nothing");
        Assert.That(await postgres.PsqlAsync(database, "SELECT count(*) FROM depin.frames"), Is.EqualTo("0"));
        Assert.That(await postgres.PsqlAsync(database, "SELECT DISTINCT reason FROM depin.gaps WHERE detail LIKE '%http%'"), Is.EqualTo("altered"));

        CliProcess both = await RunOnceAsync(database, ["http://127.0.0.1:1", liar.Url, Gateway]);
        await Eventually.TrueAsync(async () => (await RunOnceAsync(database, [liar.Url, Gateway])).ExitCode == ExitCode.Ok, "what the liar spoiled is asked for again", () => both.Errors);
        await AssertCompleteAsync(database);
        Assert.That(alone.Errors, Does.Contain($"{liar.Url} sent something else than what is on the chain"), "it is named");
        Assert.That(long.Parse(await postgres.PsqlAsync(database, $"SELECT lied FROM depin.sources WHERE url = '{liar.Url}'"), CultureInfo.InvariantCulture), Is.Positive, "and counted");
        Assert.That(await postgres.PsqlAsync(database, $"SELECT lied FROM depin.sources WHERE url = '{Gateway}'"), Is.EqualTo("0"), "nobody else is");
    }

    [Test]
    public async Task A_body_that_nobody_has_is_a_gap_until_somebody_has_it()
    {
        await using AlteringProxy gateway = new(network.Gateway.Api.Url, Alteration.NoBodies);
        string database = await DatabaseAsync();
        await using IndexProcess index = await IndexProcess.StartAsync(Arguments(database, [gateway.Url]), LogFile(database));
        using HttpClient http = new() { BaseAddress = new Uri(index.Url) };
        await Eventually.TrueAsync(async () => (await JsonAsync(http, "/status")).GetProperty("gaps").GetArrayLength() > 0, "the gaps are shown", index.Log);
        JsonElement gap = (await JsonAsync(http, "/status")).GetProperty("gaps")[0];
        Assert.That((gap.GetProperty("what").GetString(), gap.GetProperty("reason").GetString()), Is.EqualTo(("body", "missing")));
        Assert.That(gap.GetProperty("detail").GetString(), Does.Contain(gateway.Url));
        gateway.Alteration = null;
        await UntilCompleteAsync(database, index);
        await AssertCompleteAsync(database);
    }

    [Test]
    public async Task Nothing_is_missing_or_twice_after_kills_a_lost_database_and_a_gateway_that_was_away()
    {
        string database = await DatabaseAsync();
        string[] arguments = Arguments(database, [Gateway]);
        using CancellationTokenSource enough = new();
        Task loading = Task.WhenAll(network.Devices.Select(device => Task.Run(() => device.RunAsync(enough.Token))));
        for (int kill = 0; kill < Kills; kill++)
        {
            await using IndexProcess killed = await IndexProcess.StartAsync(arguments, LogFile(database));
            await Task.Delay(RandomNumberGenerator.GetInt32(50, 900)); // anywhere in its work: that is the point
            await killed.KillAsync();
        }

        await using IndexProcess index = await IndexProcess.StartAsync(arguments, LogFile(database));
        postgres.Kill();
        await network.Gateway.KillAsync();
        await Eventually.TrueAsync(() => index.Log().Contains("the database:", StringComparison.Ordinal), "it says that the database is away", index.Log);
        await postgres.RestartAsync();
        await network.Gateway.LaunchAsync(CancellationToken.None);
        await Task.Delay(TimeSpan.FromSeconds(2)); // some load on all of it again
        await enough.CancelAsync();
        await loading;
        await network.UntilAnchoredAsync();
        await UntilCompleteAsync(database, index);
        await AssertCompleteAsync(database);
    }

    [Test]
    public async Task What_a_reorganisation_took_from_the_chain_is_taken_back()
    {
        string database = await DatabaseAsync();
        await using IndexProcess index = await IndexProcess.StartAsync(Arguments(database, [Gateway]), LogFile(database));
        using CancellationTokenSource enough = new();
        Task loading = Task.WhenAll(network.Devices.Select(device => Task.Run(() => device.RunAsync(enough.Token))));
        for (int reorganisation = 0; reorganisation < 2; reorganisation++)
        {
            int before = (await network.AnchorsAsync()).Count;
            await Eventually.TrueAsync(async () => await postgres.PsqlAsync(database, $"SELECT count(*) > {before} AND bool_and(known) FROM depin.anchors") == "t", "a new anchor is indexed", index.Log);
            await network.Chain.Node.ReorganiseAsync(5);
        }

        await enough.CancelAsync();
        await loading;
        await network.UntilAnchoredAsync();
        await UntilCompleteAsync(database, index);
        await AssertCompleteAsync(database);
        Assert.That(index.Log(), Does.Match("the chain reorganised: .* [1-9][0-9]* anchors taken back"), "an anchor was taken back, so this tested something");
    }

    [Test]
    public async Task It_refuses_another_networks_database_a_second_writer_and_a_password_on_the_command_line()
    {
        string database = await DatabaseAsync();
        await using (IndexProcess index = await IndexProcess.StartAsync(Arguments(database, [Gateway]), LogFile(database)))
        {
            CliProcess second = await RunOnceAsync(database, [Gateway]);
            Assert.That(second.ExitCode, Is.EqualTo(ExitCode.BadInput), second.Errors);
            Assert.That(second.Errors, Does.Contain("another `depin index` writes"));
        }

        await postgres.PsqlAsync(database, "UPDATE depin.network SET chain_id = 1");
        CliProcess other = await RunOnceAsync(database, [Gateway]);
        Assert.That((other.ExitCode, other.Errors.Contains("on chain 1, not", StringComparison.Ordinal)), Is.EqualTo((ExitCode.BadInput, true)), other.Errors);
        CliProcess spoken = await CliProcess.RunAsync(folder.Path, "index", "--database", "postgresql://depin:secret@127.0.0.1/x", "--deployment", network.Chain.DeploymentFile, "--rpc", network.Chain.Node.RpcUrl.ToString(), "--gateway", Gateway);
        Assert.That((spoken.ExitCode, spoken.Errors.Contains("secret", StringComparison.Ordinal)), Is.EqualTo((ExitCode.BadInput, false)), spoken.Errors);
    }

    private string Gateway => network.Gateway.Api.Url.GetLeftPart(UriPartial.Authority);

    private string PasswordFile => Path.Combine(folder.Path, "password");

    private string LogFile(string database) => Path.Combine(folder.Path, database + ".log");

    private async Task<string> DatabaseAsync()
    {
        string name = "index_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6));
        await postgres.CreateDatabaseAsync(name);
        return name;
    }

    private string[] Arguments(string database, string[] gateways) =>
    [
        "index", "--database", postgres.Uri(database), "--password-file", PasswordFile, "--deployment", network.Chain.DeploymentFile, "--rpc", network.Chain.Node.RpcUrl.ToString(), "--confirmations", "1",
        .. gateways.SelectMany(gateway => new[] { "--gateway", gateway }),
    ];

    private Task<CliProcess> RunOnceAsync(string database, string[] gateways) => CliProcess.RunAsync(folder.Path, [.. Arguments(database, gateways), "--once"]);

    private async Task OnceAsync(string database, string[] gateways)
    {
        CliProcess done = await RunOnceAsync(database, gateways);
        Assert.That(done.ExitCode, Is.Zero, done.Errors);
    }

    private async Task LoadAsync(Func<bool> isEnough)
    {
        using CancellationTokenSource enough = new();
        Task loading = Task.WhenAll(network.Devices.Select(device => Task.Run(() => device.RunAsync(enough.Token))));
        await Eventually.TrueAsync(isEnough, "the devices' frames are acknowledged", network.Told);
        await enough.CancelAsync();
        await loading;
    }

    private Task UntilCompleteAsync(string database, IndexProcess index) => Eventually.TrueAsync(
        async () => await postgres.PsqlAsync(database, "SELECT count(*) FROM depin.frames") == network.Devices.Sum(device => device.Acknowledged).ToString(CultureInfo.InvariantCulture)
            && await postgres.PsqlAsync(database, "SELECT count(*) FROM depin.gaps") == "0",
        "everything is indexed", index.Log);

    /// <summary>The anchors are the chain's, every batch is there, and every device's frames are those it signed: each once, byte for byte.</summary>
    private async Task AssertCompleteAsync(string database)
    {
        List<LedgerEntry> anchors = await network.AnchorsAsync();
        string hashes = await postgres.PsqlAsync(database, "SELECT '0x' || encode(hash, 'hex') || ' ' || '0x' || encode(block_hash, 'hex') FROM depin.anchors ORDER BY ordinal");
        Assert.That(hashes.Split('\n'), Is.EqualTo(anchors.Select(anchor => $"{anchor.Hash} {anchor.BlockHash}")), "the chain's anchors in the chain's blocks");
        Assert.That(await postgres.PsqlAsync(database, "SELECT count(*) FROM depin.batches WHERE NOT indexed"), Is.EqualTo("0"));
        Assert.That(await postgres.PsqlAsync(database, "SELECT count(*) FROM depin.gaps"), Is.EqualTo("0"));
        Assert.That(await postgres.PsqlAsync(database, "SELECT sum(frames) = (SELECT count(*) FROM depin.frames) FROM depin.anchors"), Is.EqualTo("t"), "as many frames as the anchors count");
        foreach (LoadingDevice device in network.Devices)
        {
            using IncrementalHash stored = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            for (ulong? from = 1; from is not null;)
            {
                JsonElement page = await network.Gateway.Api.GetAsync($"/api/devices/{device.Device.Text}/frames?from={from}&limit=1000", CancellationToken.None);
                foreach (JsonElement frame in page.GetProperty("frames").EnumerateArray()) stored.AppendData(Convert.FromHexString(frame.GetProperty("frame").GetString()!.AsSpan(2)));
                from = page.GetProperty("next") is { ValueKind: JsonValueKind.Number } next ? next.GetUInt64() : null;
            }

            string indexed = await postgres.PsqlAsync(database, $"SELECT count(*) || ' ' || encode(sha256(string_agg(frame, ''::bytea ORDER BY sequence)), 'hex') FROM depin.frames WHERE device = '\\x{device.Device.Text}'");
            Assert.That(indexed, Is.EqualTo($"{device.Acknowledged} {Convert.ToHexStringLower(stored.GetHashAndReset())}"), device.Device.Text);
        }
    }

    private static async Task<JsonElement> JsonAsync(HttpClient http, string path)
    {
        using JsonDocument document = JsonDocument.Parse(await http.GetByteArrayAsync(path));
        return document.RootElement.Clone();
    }

    private static async Task<(HttpStatusCode Status, string Text, HttpResponseHeaders Headers)> GetAsync(HttpClient http, string path, string accept)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(accept));
        HttpResponseMessage answer = await http.SendAsync(request);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync(), answer.Headers);
    }
}
