using DePIN.Firmware.Board;
using DePIN.Firmware.Sign;
using DePIN.VirtualBoard.Flash;

namespace DePIN.Firmware.Tests.Sign;

[TestFixture]
public sealed class DeviceKeyTests
{
    [Test]
    public void A_key_is_made_once_and_opened_ever_after()
    {
        PowerCutFlash flash = new();
        DeviceKey made = DeviceKey.Open(flash, new SeededEntropy(1), new NodeStatus());
        SeededEntropy unused = new(2);
        DeviceKey opened = DeviceKey.Open(flash.Survivor(), unused, new NodeStatus());

        Assert.That(made.Made, Is.True);
        Assert.That(opened.Made, Is.False);
        Assert.That(opened.IdText, Is.EqualTo(made.IdText).And.Length.EqualTo(40));
        Assert.That(unused.Draws, Is.Zero);
        Assert.That(flash.List(), Is.EquivalentTo(new[] { "key.a", "key.b" }));
    }

    [Test]
    public void A_cut_anywhere_while_the_key_is_made_ends_in_one_key([Values] TornWrite torn)
    {
        PowerCutFlash rehearsal = new();
        DeviceKey.Open(rehearsal, new SeededEntropy(1), new NodeStatus());
        for (long cut = 0; cut <= rehearsal.Steps; cut++)
        {
            PowerCutFlash flash = new(cut, torn, (int)cut);
            Assert.Throws<PowerCutException>(() =>
            {
                DeviceKey.Open(flash, new SeededEntropy(1), new NodeStatus());
                flash.Write("after", [0], 0, 1);
            });

            NodeStatus status = new();
            PowerCutFlash second = flash.Survivor();
            DeviceKey key = DeviceKey.Open(second, new SeededEntropy(2), status);
            Assert.That(status.State, Is.EqualTo(BoardState.Starting), $"cut at {cut}");
            Assert.That(key.Signer, Is.Not.Null);
            Assert.That(DeviceKey.Open(second.Survivor(), new SeededEntropy(3), new NodeStatus()).IdText, Is.EqualTo(key.IdText), $"cut at {cut}");
        }
    }

    [TestCase("key.a")]
    [TestCase("key.b")]
    public void One_damaged_copy_is_repaired_from_the_other(string damaged)
    {
        PowerCutFlash flash = new();
        string id = DeviceKey.Open(flash, new SeededEntropy(1), new NodeStatus()).IdText;
        flash.FlipBit(damaged, 100);

        Assert.That(DeviceKey.Open(flash, new SeededEntropy(2), new NodeStatus()).IdText, Is.EqualTo(id));
        flash.FlipBit(damaged == "key.a" ? "key.b" : "key.a", 100);
        Assert.That(DeviceKey.Open(flash, new SeededEntropy(3), new NodeStatus()).IdText, Is.EqualTo(id), "the repaired copy holds");
    }

    [Test]
    public void A_cut_anywhere_during_the_repair_leaves_the_key_alive([Values] TornWrite torn)
    {
        for (long cut = 0; cut < 60; cut++)
        {
            PowerCutFlash flash = new();
            string id = DeviceKey.Open(flash, new SeededEntropy(1), new NodeStatus()).IdText;
            flash.FlipBit("key.b", 100);
            PowerCutFlash weak = flash.Survivor(cut, torn, (int)cut);
            try
            {
                DeviceKey.Open(weak, new SeededEntropy(2), new NodeStatus());
            }
            catch (PowerCutException)
            {
                // Expected for most cuts.
            }

            Assert.That(DeviceKey.Open(weak.Survivor(), new SeededEntropy(3), new NodeStatus()).IdText, Is.EqualTo(id), $"cut at {cut}");
        }
    }

    [Test]
    public void Both_copies_damaged_stops_the_node_and_never_makes_a_new_key()
    {
        PowerCutFlash flash = new();
        DeviceKey.Open(flash, new SeededEntropy(1), new NodeStatus());
        flash.FlipBit("key.a", 100);
        flash.FlipBit("key.b", 200);
        NodeStatus status = new();
        SeededEntropy entropy = new(2);
        long steps = flash.Steps;
        DeviceKey key = DeviceKey.Open(flash, entropy, status);

        Assert.That(key.Signer, Is.Null);
        Assert.That(status.State, Is.EqualTo(BoardState.KeyDamaged));
        Assert.That(status.MaySign, Is.False);
        Assert.That(entropy.Draws, Is.Zero);
        Assert.That(flash.Steps, Is.EqualTo(steps), "the evidence is not written over");
    }

    [Test]
    public void One_copy_deleted_and_the_other_damaged_is_damage_and_not_a_new_board()
    {
        PowerCutFlash flash = new();
        DeviceKey.Open(flash, new SeededEntropy(1), new NodeStatus());
        flash.Delete("key.b");
        flash.FlipBit("key.a", 100);
        NodeStatus status = new();

        Assert.That(DeviceKey.Open(flash, new SeededEntropy(2), status).Signer, Is.Null);
        Assert.That(status.State, Is.EqualTo(BoardState.KeyDamaged));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void A_flash_error_while_the_key_is_made_stops_the_node_and_the_next_boot_goes_on(bool persisted)
    {
        PowerCutFlash flash = new();
        flash.FailNextWrite(persisted);
        NodeStatus status = new();
        Assert.That(DeviceKey.Open(flash, new SeededEntropy(1), status).Signer, Is.Null);
        Assert.That(status.State, Is.EqualTo(BoardState.FlashFailed));

        NodeStatus second = new();
        Assert.That(DeviceKey.Open(flash.Survivor(), new SeededEntropy(1), second).Signer, Is.Not.Null);
        Assert.That(second.State, Is.EqualTo(BoardState.Starting));
    }

    [Test]
    public void A_generator_that_gives_no_key_stops_the_node_and_writes_nothing()
    {
        PowerCutFlash flash = new();
        NodeStatus status = new();
        Assert.That(DeviceKey.Open(flash, new ZeroEntropy(), status).Signer, Is.Null);
        Assert.That(status.State, Is.EqualTo(BoardState.KeyAbsent));
        Assert.That(flash.List(), Is.Empty);
    }

    [Test]
    public void A_stored_value_that_is_no_private_key_is_damage_and_not_a_crash()
    {
        PowerCutFlash flash = new();
        new Firmware.Keep.TwoGenerations(flash, "key").WriteBoth([1, 1, .. new byte[32]]);
        NodeStatus status = new();
        Assert.That(DeviceKey.Open(flash, new SeededEntropy(1), status).Signer, Is.Null);
        Assert.That(status.State, Is.EqualTo(BoardState.KeyDamaged));
    }

    [Test]
    public void Two_good_copies_that_differ_are_damage_even_beside_an_unfinished_one()
    {
        PowerCutFlash a = new();
        PowerCutFlash b = new();
        DeviceKey.Open(a, new SeededEntropy(1), new NodeStatus());
        DeviceKey.Open(b, new SeededEntropy(2), new NodeStatus());
        byte[] other = new byte[b.Length("key.b")];
        b.Read("key.b", 0, other, 0, other.Length);
        a.Write("key.b", other, 0, other.Length);
        NodeStatus status = new();
        Assert.That(DeviceKey.Open(a, new SeededEntropy(3), status).Signer, Is.Null);
        Assert.That(status.State, Is.EqualTo(BoardState.KeyDamaged));
    }

    private sealed class ZeroEntropy : DePIN.Protocol.IRandomSource
    {
        public void Fill(byte[] buffer, int offset, int count) => Array.Clear(buffer, offset, count);
    }
}
