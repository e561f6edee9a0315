using System.Security.Cryptography;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Sign;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Sign;

/// <summary>The key in each of its places: a sealed file, a real PKCS#11 module (SoftHSM), a real TPM 2.0 (swtpm).</summary>
[Platform("Linux"), System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal sealed class KeyPlaceTests
{
    private const string Passphrase = "correct horse";

    private readonly RandomNumberGenerator _random = RandomNumberGenerator.Create();
    private TempFolder _folder = null!;

    private string KeyPath => Path.Combine(_folder.Path, "gateway.key");

    [SetUp]
    public void MakeFolder() => _folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    [OneTimeTearDown]
    public void Release() => _random.Dispose();

    [Test]
    public async Task One_key_signs_as_one_account_wherever_it_is()
    {
        using SoftToken token = new();
        await using SoftTpm tpm = await SoftTpm.StartAsync();
        using GatewaySigner key = GatewaySigner.Create(_random);
        KeySecret secret = Secret(Passphrase);
        foreach (KeyUri uri in new KeyUri[] { new FileKeyUri(KeyPath), KeyUri.Parse(token.Uri(), _folder.Path), new TpmKeyUri(Path.Combine(_folder.Path, "gateway.tpm2"), null, tpm.Socket) })
        {
            KeyPlace place = KeyPlace.Of(uri, secret);
            Assert.That(place.TryOpen(), Is.Null, $"{place.Name}: opening makes none");
            place.Put(key, _random);
            Assert.That(() => place.Put(key, _random), Throws.TypeOf<SettingsException>().With.Message.Contains("never overwritten"));
            using IEthereumSigner? signer = place.TryOpen();
            Assert.That(signer?.Address, Is.EqualTo(key.Address), place.Name);
            for (int i = 0; i < 20; i++)
            {
                Hash32 digest = EthereumCrypto.Keccak256(BitConverter.GetBytes(i));
                Assert.That(EthereumCrypto.TryRecover(digest, signer!.Sign(digest), out Address found) && found == key.Address, Is.True, $"{place.Name}: low s, right parity");
            }

            signer!.Dispose();
            Assert.That(() => signer.Sign(Hash32.Zero), Throws.TypeOf<ObjectDisposedException>());
        }
    }

    [Test]
    public void A_file_made_with_a_passphrase_is_sealed_and_opens_with_it_alone()
    {
        KeyFile place = new(KeyPath, Secret(Passphrase));
        using IEthereumSigner made = place.Create(_random);
        Assert.That(KeyFile.IsSealed(KeyPath), Is.True);
        Assert.That(File.GetUnixFileMode(KeyPath), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
        using IEthereumSigner? again = place.TryOpen();
        Assert.That(again?.Address, Is.EqualTo(made.Address));
        Assert.That(() => new KeyFile(KeyPath, Secret("wrong")).TryOpen(), Throws.TypeOf<SettingsException>().With.Message.Contains("passphrase is wrong").And.Message.Not.Contains("wrong\n"));
        Assert.That(() => new KeyFile(KeyPath, new KeySecret("", _ => null)).TryOpen(), Throws.TypeOf<SettingsException>().With.Message.Contains("key.passphraseFile"));
    }

    [Test]
    public void A_plain_file_is_sealed_in_place()
    {
        using IEthereumSigner made = new KeyFile(KeyPath, new KeySecret("", _ => null)).Create(_random);
        string plain = File.ReadAllText(KeyPath).Trim();
        Assert.That(() => new KeyFile(KeyPath, new KeySecret("", _ => null)).SealInPlace(_random), Throws.TypeOf<SettingsException>());
        Assert.That(File.ReadAllText(KeyPath).Trim(), Is.EqualTo(plain), "without a passphrase nothing changes");
        KeyFile place = new(KeyPath, Secret(Passphrase));
        place.SealInPlace(_random);
        Assert.That(File.ReadAllText(KeyPath), Does.Not.Contain(plain));
        using IEthereumSigner? opened = place.TryOpen();
        Assert.That(opened?.Address, Is.EqualTo(made.Address));
    }

    [Test]
    public void A_passphrase_comes_from_the_file_else_the_credential_else_the_environment()
    {
        string file = WritePrivate("passphrase", "of the file\nsecond line\n");
        File.WriteAllText(Path.Combine(_folder.Path, KeySecret.Credential), "of systemd\n");
        Dictionary<string, string> environment = new() { [KeySecret.Variable] = "of the environment" };
        Assert.That(Read(""), Is.EqualTo("of the environment"));
        environment["CREDENTIALS_DIRECTORY"] = _folder.Path;
        Assert.That(Read(""), Is.EqualTo("of systemd"));
        Assert.That(Read(file), Is.EqualTo("of the file"));
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        Assert.That(() => Read(file), Throws.TypeOf<SettingsException>().With.Message.Contains("chmod 600"));

        string Read(string named) => System.Text.Encoding.UTF8.GetString(new KeySecret(named, environment.GetValueOrDefault).Read() ?? []);
    }

    [Test]
    public void A_key_made_in_a_token_is_found_again_and_a_lost_session_is_opened_again()
    {
        using SoftToken token = new();
        KeyPlace place = Token(token.Uri());
        using IEthereumSigner made = place.Create(_random);
        Address address = made.Address;
        Hash32 digest = EthereumCrypto.Keccak256("digest"u8);

        SoftToken.EndSessions(); // as after pulling and inserting it
        Assert.That(EthereumCrypto.TryRecover(digest, made.Sign(digest), out Address found) && found == address, Is.True);

        token.IsPulled = true;
        SoftToken.EndSessions();
        Assert.That(() => made.Sign(digest), Throws.TypeOf<KeyAwayException>().With.Message.Contains("is not there"));
        Assert.That(() => place.TryOpen(), Throws.TypeOf<KeyAwayException>().With.Message.Contains("is not there"));
        token.IsPulled = false;
        SoftToken.EndSessions();
        Assert.That(EthereumCrypto.TryRecover(digest, made.Sign(digest), out found) && found == address, Is.True, "inserted again");
        made.Dispose();

        using IEthereumSigner? again = place.TryOpen();
        Assert.That(again?.Address, Is.EqualTo(address));
    }

    [Test]
    public void A_wrong_PIN_is_tried_once_and_the_next_refusal_says_that_few_tries_are_left()
    {
        using SoftToken token = new();
        Token(token.Uri()).Create(_random).Dispose();
        KeyPlace wrong = Token(token.Uri(pinFile: token.Write("wrong", "9999\n")));
        Assert.That(() => wrong.TryOpen(), Throws.TypeOf<SettingsException>().With.Message.Contains("refused the PIN").And.Message.Not.Contains("9999").And.Message.Not.Contains("few tries"));
        Assert.That(() => wrong.TryOpen(), Throws.TypeOf<SettingsException>().With.Message.Contains("few tries are left"));
        using IEthereumSigner? right = Token(token.Uri()).TryOpen();
        Assert.That(right, Is.Not.Null);
        Assert.That(() => Token(token.Uri().Split("&pin-source")[0]).TryOpen(), Throws.TypeOf<SettingsException>().With.Message.Contains("pin-source"));
    }

    [Test]
    public void A_key_of_another_curve_two_keys_of_one_name_and_no_library_are_told()
    {
        using SoftToken token = new();
        using (ECDsa other = ECDsa.Create(ECCurve.NamedCurves.nistP256))
            SoftToken.Run("--import", token.Write("p256", other.ExportPkcs8PrivateKeyPem()), "--token", "depin test", "--label", "p256", "--id", "07", "--pin", SoftToken.Pin);
        Assert.That(() => Token(token.Uri("p256")).TryOpen(), Throws.TypeOf<SettingsException>().With.Message.Contains("no key on secp256k1"));
        foreach (string id in new[] { "%01", "%02" }) Token(token.Uri("twin;id=" + id)).Create(_random).Dispose();
        Assert.That(() => Token(token.Uri("twin")).TryOpen(), Throws.TypeOf<SettingsException>().With.Message.Contains("with its id"));
        using IEthereumSigner? one = Token(token.Uri("twin;id=%02")).TryOpen();
        Assert.That(one, Is.Not.Null);
        Assert.That(() => Token("pkcs11:token=a;object=b?module-path=/nowhere.so&pin-source=file:" + token.PinFile).TryOpen(), Throws.TypeOf<SettingsException>().With.Message.Contains("no PKCS#11 library"));
    }

    [Test]
    public async Task The_TPM_opens_its_own_file_after_power_off_and_the_bus_never_shows_the_key()
    {
        await using SoftTpm tpm = await SoftTpm.StartAsync();
        string file = Path.Combine(_folder.Path, "gateway.tpm2");
        byte[] secret = new byte[32];
        Address address;
        byte[] heard;
        await using (TpmBus bus = new(tpm.Socket))
        {
            KeyPlace tapped = Tpm(file, bus.Socket);
            using IEthereumSigner made = tapped.Create(_random);
            address = made.Address;
            ((GatewaySigner)made).CopyPrivateKey(secret);
            using IEthereumSigner? opened = tapped.TryOpen();
            Assert.That(opened?.Address, Is.EqualTo(address));
            heard = bus.Heard();
        }

        Assert.That(heard, Has.Length.GreaterThan(2_000), "the bus was heard");
        Assert.That(heard.AsSpan().IndexOf(secret.AsSpan(0, 8)), Is.Negative);
        Assert.That(File.ReadAllBytes(file).AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(Convert.ToHexStringLower(secret))), Is.Negative);

        await tpm.PowerOffAsync();
        Assert.That(() => Tpm(file, tpm.Socket).TryOpen(), Throws.TypeOf<KeyAwayException>().With.Message.Contains("no TPM that works"));
        await tpm.PowerOnAsync();
        for (int i = 0; i < 20; i++) Tpm(file, tpm.Socket).TryOpen()!.Dispose(); // nothing stays loaded in it
        Assert.That(() => new TpmKey(new TpmKeyUri(file, "/dev/no-such-tpm", null)).TryOpen(), Throws.TypeOf<KeyAwayException>().With.Message.Contains("dtoverlay=tpm-slb9670"));
    }

    [Test]
    public async Task A_changed_answer_another_TPM_and_a_damaged_file_are_told()
    {
        await using SoftTpm tpm = await SoftTpm.StartAsync();
        string file = Path.Combine(_folder.Path, "gateway.tpm2");
        Tpm(file, tpm.Socket).Create(_random).Dispose();
        await using (TpmBus liar = new(tpm.Socket, (number, answer) =>
        {
            if (number == 3) answer[20] ^= 1; // TPM2_Unseal, in the encrypted key
        }))
        {
            Assert.That(() => Tpm(file, liar.Socket).TryOpen(), Throws.TypeOf<KeyAwayException>().With.Message.Contains("something stands between"));
        }

        string sound = File.ReadAllText(file);
        int at = sound.IndexOf("\"private\":\"", StringComparison.Ordinal) + 60;
        SecretFile.Write(file, System.Text.Encoding.ASCII.GetBytes(sound[..at] + (sound[at] == 'A' ? 'B' : 'A') + sound[(at + 1)..]));
        Assert.That(() => Tpm(file, tpm.Socket).TryOpen(), Throws.TypeOf<SettingsException>().With.Message.Contains("damaged"));
        SecretFile.Write(file, System.Text.Encoding.ASCII.GetBytes(sound[..at]));
        Assert.That(() => Tpm(file, tpm.Socket).TryOpen(), Throws.TypeOf<SettingsException>().With.Message.Contains("damaged"));
        SecretFile.Write(file, System.Text.Encoding.ASCII.GetBytes(sound));
        await tpm.ReplaceAsync();
        Assert.That(() => Tpm(file, tpm.Socket).TryOpen(), Throws.TypeOf<SettingsException>().With.Message.Contains("another TPM, or this one was cleared").And.Message.Contains("depin gateway seal"));
    }

    private static KeyPlace Tpm(string file, string socket) => new TpmKey(new TpmKeyUri(file, null, socket));

    private KeyPlace Token(string uri) => KeyPlace.Of(KeyUri.Parse(uri, _folder.Path), new KeySecret("", _ => null));

    private static KeySecret Secret(string passphrase) => new("", name => name == KeySecret.Variable ? passphrase : null);

    private string WritePrivate(string name, string content)
    {
        string path = Path.Combine(_folder.Path, name);
        SecretFile.Write(path, System.Text.Encoding.UTF8.GetBytes(content));
        return path;
    }
}
