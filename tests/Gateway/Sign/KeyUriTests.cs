using DePIN.Gateway.Sign;

namespace DePIN.Gateway.Tests.Sign;

/// <summary>Setting key.uri: what is one, and what is refused with its reason.</summary>
internal sealed class KeyUriTests
{
    [Test]
    public void The_three_kinds_are_read_and_relative_paths_are_below_the_data_folder()
    {
        Assert.That(KeyUri.Parse("file:gateway.key", "/data"), Is.EqualTo(new FileKeyUri("/data/gateway.key")));
        Assert.That(KeyUri.Parse("file:///etc/a%20b", "/data"), Is.EqualTo(new FileKeyUri("/etc/a b")));
        Assert.That(KeyUri.Parse("tpm2:k", "/data"), Is.EqualTo(new TpmKeyUri("/data/k", "/dev/tpmrm0", null)));
        Assert.That(KeyUri.Parse("tpm2:k?device=/dev/tpm1", "/data"), Is.EqualTo(new TpmKeyUri("/data/k", "/dev/tpm1", null)));
        Assert.That(KeyUri.Parse("tpm2:k?socket=/run/s", "/data"), Is.EqualTo(new TpmKeyUri("/data/k", null, "/run/s")));
        Assert.That(KeyUri.Parse("pkcs11:token=my%20token;object=o;id=%01a%FF;type=private?module-path=/m.so&pin-source=file:pin", "/data"),
            Is.EqualTo(new TokenKeyUri("my token", null, null, null, "o", "0161ff", "/m.so", "/data/pin")));
    }

    [TestCase("gateway.key", "begins with none")]
    [TestCase("http://a", "begins with none")]
    [TestCase("file:", "names no file")]
    [TestCase("file://host/path", "names no file")]
    [TestCase("file:a?sealed", "no query")]
    [TestCase("tpm2:a?device=/d&socket=/s", "exclude each other")]
    [TestCase("tpm2:a?handle=1", "'handle' is none of")]
    [TestCase("pkcs11:token=a;object=b", "module-path is missing")]
    [TestCase("pkcs11:object=b?module-path=/m", "names the token")]
    [TestCase("pkcs11:token=a?module-path=/m", "names the key")]
    [TestCase("pkcs11:token=a;token=b;object=c?module-path=/m", "given twice")]
    [TestCase("pkcs11:token=a;object=b;type=public?module-path=/m", "type is private")]
    [TestCase("pkcs11:token=a;id=%0?module-path=/m", "percent-encoded")]
    [TestCase("pkcs11:token=a;object=b?module-path=/m&pin-value=1", "read by everyone")]
    [TestCase("pkcs11:token=a;object=b?module-path=/m&pin-source=|cat", "not run")]
    public void What_is_none_is_refused_with_its_reason(string text, string why) =>
        Assert.That(() => KeyUri.Parse(text, "/data"), Throws.TypeOf<FormatException>().With.Message.Contains(why));
}
