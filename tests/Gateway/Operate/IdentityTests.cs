using System.Security.Cryptography.X509Certificates;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Sign;
using DePIN.Gateway.Tests.Anchor;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Operate;

/// <summary>The key and the certificates: made once, kept private, never silently replaced.</summary>
internal sealed class IdentityTests
{
    private string _folder = "";

    private string KeyFile => Path.Combine(_folder, "gateway.key");

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("depin-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_key_is_made_once_private_and_found_again()
    {
        Address first = OpenKey();
        Assert.That(OpenKey(), Is.EqualTo(first));
        if (!OperatingSystem.IsWindows()) Assert.That(File.GetUnixFileMode(KeyFile), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Test]
    public void A_lost_key_is_never_replaced()
    {
        Address known = OpenKey();
        File.Delete(KeyFile);
        Assert.That(() => OpenKey(), Throws.TypeOf<SettingsException>().With.Message.Contains(known.ToChecksumString()).And.Message.Contains("backup"));
        Assert.That(File.Exists(KeyFile), Is.False);
    }

    [Test]
    public void Another_key_is_refused()
    {
        OpenKey();
        SecretFile.Write(KeyFile, System.Text.Encoding.ASCII.GetBytes(new string('1', 64)));
        Assert.That(() => OpenKey(), Throws.TypeOf<SettingsException>().With.Message.Contains("another data folder"));
    }

    [TestCase("")]
    [TestCase("zz")]
    [TestCase("0000000000000000000000000000000000000000000000000000000000000000")]
    public void A_damaged_key_is_told_and_its_content_is_not(string content)
    {
        SecretFile.Write(KeyFile, System.Text.Encoding.ASCII.GetBytes(content));
        SettingsException told = Assert.Throws<SettingsException>(() => OpenKey())!;
        Assert.That(told.Message, Does.Contain(KeyFile).And.Contain("64 hex digits"));
        if (content.Length > 2) Assert.That(told.Message, Does.Not.Contain(content));
    }

    [Test]
    public void A_key_that_others_can_read_is_refused_with_the_command_that_helps()
    {
        if (OperatingSystem.IsWindows()) return;
        OpenKey();
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        Assert.That(() => OpenKey(), Throws.TypeOf<SettingsException>().With.Message.Contains($"chmod 600 {KeyFile}"));
    }

    [Test]
    public void A_key_from_the_environment_needs_no_file()
    {
        string secret = new('7', 64);
        Assert.That(OpenKey("0x" + secret), Is.EqualTo(OpenKey(secret)));
        Assert.That(File.Exists(KeyFile), Is.False);
    }

    [Test]
    public void Two_gateways_cannot_share_a_folder()
    {
        using ChainDatabase one = ChainDatabase.Open(_folder);
        one.Remember("a", "b");
        Assert.That(() => ChainDatabase.Open(_folder), Throws.TypeOf<SettingsException>().With.Message.Contains("in use by another process"));
    }

    [TestCase(2, "DROP TABLE replaced_headers; DROP TABLE epoch_segments; DROP TABLE device_batches; DROP TABLE disputes; DROP TABLE cases;")]
    [TestCase(3, "DROP TABLE epoch_segments; DROP TABLE device_batches; DROP TABLE disputes; DROP TABLE cases;")]
    public void The_records_of_versions_before_are_upgraded_and_kept(int version, string without)
    {
        using (ChainDatabase before = ChainDatabase.Open(_folder))
        {
            before.Remember("a", "b");
            before.Write(c => DePIN.Gateway.Store.Sql.Execute(c, $"{without} PRAGMA user_version = {version};"));
        }

        using ChainDatabase now = ChainDatabase.Open(_folder);
        Assert.That(now.Recall("a"), Is.EqualTo("b"));
        Assert.That(new DePIN.Gateway.Peer.NetworkLog(now).Replaced(new DePIN.Gateway.Peer.BatchId(default, 1)), Is.Null);
        Assert.That(new DePIN.Gateway.Registry.RegistryLog(now).Epochs(), Is.Null);
        Assert.That(new DePIN.Gateway.Dispute.DisputeLog(now).All(1), Is.Empty);
        Assert.That(new DePIN.Gateway.Dispute.CaseLog(now).All(1), Is.Empty);
    }

    [Test]
    public void The_server_certificate_is_renewed_in_time_and_the_authority_is_kept()
    {
        TestClock clock = new();
        byte[] authority, server;
        using (GatewayTls tls = OpenTls(clock))
        {
            (authority, server) = (tls.Authority.RawData, tls.Server.RawData);
            Assert.That(tls.Server.HasPrivateKey, Is.True);
            Assert.That(tls.Server.NotBefore.ToUniversalTime().Year, Is.EqualTo(1970), "a board without a clock accepts it");
            Assert.That(tls.Server.MatchesHostname("localhost"), Is.True);
            Assert.That(tls.Server.MatchesHostname("gateway.example.org"), Is.True);
        }

        clock.Advance(TimeSpan.FromDays(10));
        using (GatewayTls same = OpenTls(clock)) Assert.That(same.Server.RawData, Is.EqualTo(server));
        clock.Advance(TimeSpan.FromDays(60));
        using GatewayTls renewed = OpenTls(clock);
        Assert.That(renewed.Server.RawData, Is.Not.EqualTo(server));
        Assert.That(renewed.Authority.RawData, Is.EqualTo(authority));
        using X509Chain chain = new();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(renewed.Authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationTime = clock.GetUtcNow().UtcDateTime;
        Assert.That(chain.Build(renewed.Server), Is.True);
    }

    [Test]
    public void A_lost_authority_key_is_never_replaced_but_a_lost_server_key_is()
    {
        OpenTls(new TestClock()).Dispose();
        File.Delete(Path.Combine(_folder, "server.key"));
        OpenTls(new TestClock()).Dispose();
        File.Delete(Path.Combine(_folder, "ca.key"));
        Assert.That(() => OpenTls(new TestClock()), Throws.TypeOf<SettingsException>().With.Message.Contains("backup"));
    }

    private Address OpenKey(string? secret = null)
    {
        using ChainDatabase database = ChainDatabase.Open(_folder);
        using IEthereumSigner signer = GatewayKey.Open(KeyPlace.Of(new FileKeyUri(KeyFile), new KeySecret("", _ => null)), secret, database, NullLogger.Instance);
        return signer.Address;
    }

    private GatewayTls OpenTls(TestClock clock) => GatewayTls.Open(new TlsSettings { Names = ["gateway.example.org"], ServerDays = 90 }, _folder, clock, NullLogger.Instance);
}
