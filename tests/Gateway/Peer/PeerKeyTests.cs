using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Settings;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Peer;

/// <summary>The key that peers pin: made once, private, never silently another.</summary>
internal sealed class PeerKeyTests
{
    private TempFolder _folder = null!;
    private ChainDatabase _database = null!;

    private string KeyFile => Path.Combine(_folder.Path, PeerKey.FileName);

    [SetUp]
    public void Make()
    {
        _folder = new TempFolder();
        _database = ChainDatabase.Open(_folder.Path);
    }

    [TearDown]
    public void Free()
    {
        _database.Dispose();
        _folder.Dispose();
    }

    [Test]
    public void It_is_made_once_private_and_its_hash_is_that_of_the_public_key_in_the_certificate()
    {
        Hash32 hash;
        using (PeerKey made = Open())
        {
            hash = made.Hash;
            Assert.That(new Hash32(SHA256.HashData(made.Certificate.GetECDsaPublicKey()!.ExportSubjectPublicKeyInfo())), Is.EqualTo(hash));
            Assert.That(PeerKey.HashOf(made.Certificate), Is.EqualTo(hash));
        }

        using PeerKey again = Open();
        Assert.That(again.Hash, Is.EqualTo(hash));
        if (!OperatingSystem.IsWindows()) Assert.That(File.GetUnixFileMode(KeyFile), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Test]
    public void A_lost_key_is_never_replaced_silently()
    {
        Open().Dispose();
        File.Delete(KeyFile);
        Assert.That(() => Open(), Throws.TypeOf<SettingsException>().With.Message.Contains("backup"));
        Assert.That(File.Exists(KeyFile), Is.False);
    }

    [Test]
    public void A_key_put_there_by_a_person_is_taken_and_told()
    {
        Open().Dispose();
        using ECDsa pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        SecretFile.Write(KeyFile, Encoding.ASCII.GetBytes(pair.ExportPkcs8PrivateKeyPem()));
        TestLogs logs = new();
        using PeerKey taken = PeerKey.Open(_folder.Path, _database, logs);
        Assert.That(taken.Hash, Is.EqualTo(new Hash32(SHA256.HashData(pair.ExportSubjectPublicKeyInfo()))));
        Assert.That(logs.Count("record " + taken.Hash), Is.EqualTo(1));
    }

    [Test]
    public void Garbage_another_curve_and_a_readable_file_are_refused()
    {
        SecretFile.Write(KeyFile, "nonsense"u8);
        Assert.That(() => Open(), Throws.TypeOf<SettingsException>().With.Message.Contains("P-256"));
        using ECDsa other = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        SecretFile.Write(KeyFile, Encoding.ASCII.GetBytes(other.ExportPkcs8PrivateKeyPem()));
        Assert.That(() => Open(), Throws.TypeOf<SettingsException>().With.Message.Contains("P-256"));
        if (OperatingSystem.IsWindows()) return;
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        Assert.That(() => Open(), Throws.TypeOf<SettingsException>().With.Message.Contains("chmod 600"));
    }

    private PeerKey Open() => PeerKey.Open(_folder.Path, _database, new TestLogs());
}
