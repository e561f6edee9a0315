using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Publish;
using DePIN.Firmware.Sign;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sign;

[TestFixture]
public sealed class HardwareEntropyTests
{
    [TestCase(true, true)]
    [TestCase(true, false)]
    [TestCase(false, false)]
    public void With_a_radio_there_is_randomness_joined_or_not(bool wifi, bool networkUp)
    {
        new VirtualHardware { NetworkUp = networkUp }.PowerOn();
        HardwareEntropy entropy = new(new ManualTime(), new Network(new NodeSettings { Wifi = wifi }, new NodeHealth()));
        byte[] bytes = new byte[1000];
        entropy.Fill(bytes, 8, 992);

        Assert.That(bytes[..8], Is.All.Zero);
        Assert.That(bytes[8..].Chunk(32).Select(Convert.ToHexString).Distinct().Count(), Is.EqualTo(31));
        Assert.That(bytes[8..].Distinct().Count(), Is.GreaterThan(200));
    }

    [Test]
    public void A_generator_that_repeats_itself_gives_no_key()
    {
        new VirtualHardware().PowerOn();
        NodeStatus status = new();
        DeviceKey key = DeviceKey.Open(new PowerCutFlash(), new HardwareEntropy(new ManualTime(), new Network(new NodeSettings(), new NodeHealth()), new StuckRandom()), status);

        Assert.That(key.Signer, Is.Null);
        Assert.That(status.Describe(), Does.StartWith("key-absent: ").And.Contain("stuck"));
    }

    private sealed class StuckRandom : Random
    {
        public override void NextBytes(byte[] buffer) => Array.Fill(buffer, (byte)0x5A);
    }

    [Test]
    public void Without_a_radio_no_key_is_made_and_the_state_says_so()
    {
        new VirtualHardware { NetworkUp = false, RadioWorks = false }.PowerOn();
        PowerCutFlash flash = new();
        NodeStatus status = new();
        DeviceKey key = DeviceKey.Open(flash, new HardwareEntropy(new ManualTime(), new Network(new NodeSettings(), new NodeHealth())), status);

        Assert.That(key.Signer, Is.Null);
        Assert.That(status.Describe(), Does.StartWith("key-absent: ").And.Contain("radio"));
        Assert.That(flash.List(), Is.Empty);
        Assert.That(key.MayBeBack(), Is.True, "it is tried again");
    }
}
