using System.Text;
using DePIN.Firmware.Board;
using DePIN.Firmware.Sign;
using DePIN.Protocol;

namespace DePIN.Firmware.Tests.Sign;

[TestFixture]
public sealed class KeyUriTests
{
    [Test]
    public void Without_a_setting_the_key_is_software()
    {
        Assert.That(new NodeSettings().Key.Kind, Is.EqualTo(KeyKinds.Software));
        Assert.That(Parse("software:")!.Describe(), Is.EqualTo("software:"));
    }

    [TestCase("atecc608:i2c=1,addr=0x60,slot=0", 0x60, 0)]
    [TestCase("atecc608:slot=7,i2c=1,addr=0x35", 0x35, 7)]
    [TestCase("atecc608:i2c=1,addr=0X6a,slot=15", 0, 0, "addr")]
    [TestCase("atecc608:i2c=1,addr=0x6A,slot=15", 0x6A, 15)]
    public void A_chips_address_and_slot_are_read(string text, int address, int slot, string? problem = null)
    {
        KeyUri? uri = KeyUri.Parse(text, out string found);
        if (problem is not null)
        {
            Assert.That(uri, Is.Null);
            Assert.That(found, Does.Contain(problem));
            return;
        }

        Assert.That(found, Is.Null);
        Assert.That((uri!.Kind, uri.I2cBus, uri.Address, uri.Slot), Is.EqualTo((KeyKinds.SecureElement, 1, address, slot)));
        Assert.That(Parse(uri.Describe())!.Address, Is.EqualTo(address));
    }

    [TestCase("", "key is software: or atecc608:")]
    [TestCase("software", "key is software: or atecc608:")]
    [TestCase("software:flash", "software: has nothing behind it")]
    [TestCase("Software:", "key is software: or atecc608:")]
    [TestCase("tpm:", "key is software: or atecc608:")]
    [TestCase("atecc608:", "unknown part")]
    [TestCase("atecc608:i2c=1,addr=0x60", "slot is missing")]
    [TestCase("atecc608:i2c=1,slot=0", "addr is missing")]
    [TestCase("atecc608:addr=0x60,slot=0", "i2c is missing")]
    [TestCase("atecc608:i2c=2,addr=0x60,slot=0", "i2c is 1")]
    [TestCase("atecc608:i2c=-1,addr=0x60,slot=0", "i2c is 1")]
    [TestCase("atecc608:i2c=1,addr=60,slot=0", "addr is 0x08 to 0x77")]
    [TestCase("atecc608:i2c=1,addr=0xC0,slot=0", "addr is 0x08 to 0x77")]
    [TestCase("atecc608:i2c=1,addr=0x060,slot=0", "addr is 0x08 to 0x77")]
    [TestCase("atecc608:i2c=1,addr=0x,slot=0", "addr is 0x08 to 0x77")]
    [TestCase("atecc608:i2c=1,addr=0x00,slot=0", "addr is 0x08 to 0x77")]
    [TestCase("atecc608:i2c=1,addr=0x60,slot=16", "slot is a number from 0 to 15")]
    [TestCase("atecc608:i2c=1,addr=0x60,slot=", "slot is a number from 0 to 15")]
    [TestCase("atecc608:i2c=1,addr=0x60,slot=a", "slot is a number from 0 to 15")]
    [TestCase("atecc608:i2c=1,addr=0x60,slot=+1", "slot is a number from 0 to 15")]
    [TestCase("atecc608:i2c=1,addr=0x60,slot=0,slot=0", "slot is there twice")]
    [TestCase("atecc608:i2c=1,addr=0x60,slot=0,pin=5", "unknown part 'pin=5'")]
    [TestCase("atecc608:i2c=1,addr=0x60,slot=0,", "unknown part ''")]
    [TestCase("atecc608:i2c=1, addr=0x60,slot=0", "unknown part ' addr=0x60'")]
    public void A_wrong_key_is_named_in_the_settings_and_is_no_key(string value, string problem)
    {
        NodeSettings settings = new();
        byte[] text = Encoding.ASCII.GetBytes("key=" + value + "\n");
        settings.Apply(text, 0, text.Length);

        Assert.That(settings.Problem, Does.Contain(problem));
        Assert.That(settings.Key, Is.Null);
    }

    [Test]
    public void Locking_a_chip_needs_the_long_word()
    {
        NodeSettings settings = new();
        settings.Apply("key-provision=on\n"u8.ToArray(), 0, 17);
        Assert.That(settings.Problem, Is.EqualTo("key-provision is off or lock-for-ever"));
        Assert.That(settings.KeyProvision, Is.False);
    }

    private static KeyUri? Parse(string text) => KeyUri.Parse(text, out _);
}
