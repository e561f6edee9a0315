using System.Text;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Sign;

namespace DePIN.Gateway.Tests.Settings;

/// <summary>Every mistake in a settings file is told with file, line, key and remedy.</summary>
internal sealed class SettingsTests
{
    private const string Sound = """
        { // a comment
          "chain": {
            "rpcUrls": ["http://127.0.0.1:8545"], "chainId": 31337, "epochSeconds": 60,
            "deviceRegistry": "0x5fbdb2315678afecb367f032d93f642f64180aa3",
            "gatewayRegistry": "0x5FbDB2315678afecb367f032d93F642f64180aa3",
            "ledger": "0x5fbdb2315678afecb367f032d93f642f64180aa3",
          },
        EXTRA
        }
        """;

    [Test]
    public void A_sound_file_is_read_and_relative_paths_are_relative_to_it()
    {
        GatewaySettings settings = Load("""  "data": { "folder": "here" }, "batch": { "framesMax": 7, },""");
        Assert.That(settings.Batch.FramesMax, Is.EqualTo(7));
        Assert.That(settings.Batch.AgeMaxS, Is.EqualTo(30), "the default");
        Assert.That(settings.Data.Folder, Does.EndWith("/here"));
        Assert.That(settings.KeyUri, Is.EqualTo(new FileKeyUri(Path.Combine(settings.Data.Folder, "gateway.key"))));
        Assert.That(settings.AnchorRules(default).FeeBumpPermille, Is.EqualTo(250));
    }

    [TestCase("\"bach\": {},", 8, "unknown section 'bach'", "Did you mean 'batch'?")]
    [TestCase("\"batch\": { \"frameMax\": 7 },", 8, "unknown key 'batch.frameMax'", "Did you mean 'framesMax'?")]
    [TestCase("\"batch\": {\n \"framesMax\": \"7\" },", 9, "batch.framesMax: must be a whole number, found string", "4096")]
    [TestCase("\"batch\": { \"framesMax\": 7.5 },", 8, "must be a whole number", "4096")]
    [TestCase("\"batch\": { \"framesMax\": 0 },", 8, "0 is out of range", "1 to 65536")]
    [TestCase("\"batch\": { \"framesMax\": 99999999999999999999 },", 8, "must be a whole number", "")]
    [TestCase("\"batch\": { \"framesMax\": 1, \"framesMax\": 2 },", 8, "given twice", "Keep one")]
    [TestCase("\"web\": { \"listen\": \"0.0.0.0:8080\" },", 8, "reachable from the network", "web.allowRemote")]
    [TestCase("\"web\": { \"listen\": \"localhost\" },", 8, "no address and port", "127.0.0.1:8080")]
    [TestCase("\"mqtt\": { \"listenPlain\": \"0.0.0.0:1883\" },", 8, "mqtt.listenPlain", "mqtt.allowPlainRemote")]
    [TestCase("\"log\": { \"level\": \"loud\" },", 8, "'loud' is no level", "warning")]
    [TestCase("\"anchor\": { \"feeBumpPercent\": 10 },", 8, "10 percent is out of range", "12.5")]
    [TestCase("\"peer\": { \"listen\": \"8700\" },", 8, "no address and port", "127.0.0.1:8080")]
    [TestCase("\"peer\": { \"endpoints\": [\"https://gateway.example:8700\"] },", 8, "no gateway and endpoint", "0x5fbdb2315678afecb367f032d93f642f64180aa3=https://")]
    [TestCase("\"peer\": { \"endpoints\": [\"0x5fbdb2315678afecb367f032d93f642f64180aa3=http://a:1\"] },", 8, "no gateway and endpoint", "")]
    [TestCase("\"peer\": { \"bodyBudgetMib\": 1 },", 8, "1 MiB is out of range", "256")]
    [TestCase("\"provision\": { \"listen\": \"0.0.0.0\" },", 8, "no address and port", "127.0.0.1:8080")]
    [TestCase("\"provision\": { \"listen\": \"0.0.0.0:8443\" },", 8, "the page has no job", "tools/Cli/Provision/README.md")]
    [TestCase("\"provision\": { \"listen\": \"0.0.0.0:8443\", \"template\": \"/nowhere/job.json\" },", 8, "template /nowhere/job.json", "for an example")]
    [TestCase("\"key\": { \"uri\": \"gateway.key\" },", 8, "begins with none of file:", "tpm2:gateway.tpm2")]
    [TestCase("\"key\": { \"uri\": \"pkcs11:token=a;object=b?module-path=/m.so&pin-value=1234\" },", 8, "read by everyone", "pin-source")]
    [TestCase("\"batch\": 3,", 8, "must be an object", "")]
    [TestCase("\"batch\": { \"framesMax\": ", 9, "not valid JSON", "")]
    public void A_mistake_names_line_key_and_remedy(string extra, int line, string what, string remedy)
    {
        SettingsException told = Assert.Throws<SettingsException>(() => Load(extra))!;
        Assert.That(told.Message, Does.Contain($".jsonc:{line}: ").And.Contain(what).And.Contain(remedy));
    }

    [Test]
    public void An_environment_variable_overrides_the_file_and_is_named_in_complaints()
    {
        Assert.That(Load("\"batch\": { \"ageMaxS\": 5 },", ("DEPIN_BATCH_AGE_MAX_S", "9")).Batch.AgeMaxS, Is.EqualTo(9));
        Assert.That(Load("", ("DEPIN_CHAIN_RPC_URLS", "http://a:1, http://b:2")).Chain.RpcUrls, Is.EqualTo(new[] { "http://a:1", "http://b:2" }));
        Assert.That(() => Load("", ("DEPIN_BATCH_AGE_MAX_S", "soon")), Throws.TypeOf<SettingsException>().With.Message.Contains("DEPIN_BATCH_AGE_MAX_S: batch.ageMaxS"));
        Assert.That(() => Load("", ("DEPIN_BATCH_AGE", "9")), Throws.TypeOf<SettingsException>().With.Message.Contains("DEPIN_BATCH_AGE_MAX_S"));
        Assert.That(() => Load("", ("DEPIN_OTHER_TOOL", "9"), (GatewaySettings.SecretVariable, "x")), Throws.Nothing);
    }

    [Test]
    public void The_template_has_every_key_and_reads_back_to_the_defaults()
    {
        GatewaySettings fresh = new();
        string template = SettingsTemplate.Write(fresh.Sections());
        foreach (SettingsKey key in fresh.Sections().SelectMany(s => s.Keys))
        {
            Assert.That(template, Does.Contain($"\"{key.Name}\": "));
            Assert.That(template, Does.Contain($"[{key.EnvironmentName}]"));
            Assert.That(key.About.Text, Does.EndWith("."));
        }

        GatewaySettings read = new();
        SettingsReader reader = new(read.Sections());
        reader.ReadFile("template", Encoding.UTF8.GetBytes(template));
        Assert.That(SettingsTemplate.Write(read.Sections()), Is.EqualTo(template));
    }

    [Test]
    public void Random_bytes_are_refused_and_never_crash([Range(1, 40)] int seed)
    {
        Random random = new(seed);
        byte[] sound = Encoding.UTF8.GetBytes(Sound.Replace("EXTRA", "", StringComparison.Ordinal));
        for (int i = 0; i < 50; i++)
        {
            byte[] broken = [.. sound];
            for (int k = 0; k < 1 + random.Next(4); k++) broken[random.Next(broken.Length)] = (byte)random.Next(256);
            try
            {
                new SettingsReader(new GatewaySettings().Sections()).ReadFile("broken", broken);
            }
            catch (SettingsException told)
            {
                Assert.That(told.Message, Does.Contain("broken:"));
            }
        }
    }

    [Test]
    public void An_rpc_url_is_shown_without_its_secrets() =>
        Assert.That(GatewaySettings.Redacted("https://user:pass@rpc.example.org/v3/0123456789?key=1"), Is.EqualTo("https://rpc.example.org:443"));

    [Test]
    public void Authorities_of_clients_are_read_at_the_start_or_the_gateway_does_not_start()
    {
        string missing = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.pem"), empty = Path.GetTempFileName();
        Assert.Multiple(() =>
        {
            foreach ((string file, string listen) in new[] { (missing, "127.0.0.1:0"), (empty, "127.0.0.1:0"), (empty, "") })
                Assert.That(() => Load("", ("DEPIN_MQTT_CLIENT_AUTHORITIES", file), ("DEPIN_MQTT_LISTEN", listen)), Throws.TypeOf<SettingsException>().With.Message.Contains("mqtt.clientAuthorities"));
        });
        File.Delete(empty);
    }

    private static GatewaySettings Load(string extra, params (string Name, string Value)[] environment)
    {
        string file = Path.Combine(Path.GetTempPath(), $"settings-{Guid.NewGuid():N}.jsonc");
        File.WriteAllText(file, Sound.Replace("EXTRA", extra, StringComparison.Ordinal));
        try
        {
            return GatewaySettings.Load(file, null, environment.Select(v => new KeyValuePair<string, string>(v.Name, v.Value)));
        }
        finally
        {
            File.Delete(file);
        }
    }
}
