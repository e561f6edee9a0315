using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Sense;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;

namespace DePIN.Firmware.Tests.Keep;

[TestFixture]
public sealed class FrameStoreTests
{
    private readonly RecordingSigner _signer = new();
    private PowerCutFlash _flash = new();
    private FrameStore _store = null!;
    private FrameComposer _composer = null!;

    [SetUp]
    public void Boot()
    {
        _flash = new PowerCutFlash();
        _signer.Signed.Clear();
        _signer.Contradictions.Clear();
        Reboot();
    }

    [Test]
    public void The_first_frame_has_sequence_one_and_no_previous()
    {
        Assert.That(Compose(), Is.EqualTo(1));
        byte[] frame = Read(1);
        Assert.That(frame[FrameFormat.PreviousOffset..FrameFormat.PayloadOffset], Is.All.Zero);
        Assert.That(FrameParser.BootCount(frame, 0), Is.EqualTo(1));
    }

    [Test]
    public void Acknowledged_frames_are_gone_and_their_flash_is_free_again()
    {
        for (int i = 0; i < 60; i++)
        {
            Compose();
            _store.FreeThrough((ulong)i + 1);
        }

        Assert.That(_store.NextOwed(0), Is.Zero);
        Assert.That(_flash.List().Count(name => name.StartsWith("ring-", StringComparison.Ordinal)), Is.EqualTo(1), "the one that knows the chain");
        Reboot();
        Assert.That(Compose(), Is.EqualTo(61));
        Assert.That(FrameParser.BootCount(Read(61), 0), Is.EqualTo(2));
    }

    [Test]
    public void A_full_ring_drops_the_oldest_and_counts_them_through_a_reboot()
    {
        for (int i = 0; i < 200; i++)
        {
            Compose();
        }

        string before = _store.Describe();
        ulong oldest = _store.NextOwed(0);
        Assert.That(oldest, Is.GreaterThan(1UL));
        Assert.That(before, Does.Contain($"dropped={oldest - 1} "));
        Compose();
        Reboot();
        Assert.That(_store.Describe(), Does.Contain($"dropped={_store.NextOwed(0) - 1} "));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void A_write_that_failed_is_decided_by_what_is_on_flash(bool persisted)
    {
        Compose();
        _flash.FailNextWrite(persisted);
        Assert.Throws<IOException>(() => Compose());
        Assert.That(_signer.Signed.Keys.Max(), Is.EqualTo(1), "a frame that was not known to be kept is not signed");

        ulong next = Compose();
        Assert.That(next, Is.EqualTo(persisted ? 3 : 2));
        Assert.That(Read(2), Is.Not.Empty);
        Assert.That(_signer.Contradictions, Is.Empty);
    }

    [Test]
    public void A_power_cut_between_body_and_signature_ends_in_the_same_signature()
    {
        Compose();
        byte[] sent = Read(1);
        Reboot();

        Assert.That(Read(1), Is.EqualTo(sent));
    }

    [Test]
    public void A_flipped_bit_costs_one_frame_and_never_a_sequence()
    {
        for (int i = 0; i < 10; i++)
        {
            Compose();
        }

        _flash.FlipBit("ring-00000001.seg", 8 * 1200);
        Reboot();
        ulong next = Compose();
        int readable = Enumerable.Range(1, 10).Count(sequence => _store.Read((ulong)sequence, new byte[FrameFormat.FrameBytesMax]) > 0);

        Assert.That(next, Is.EqualTo(11));
        Assert.That(readable, Is.GreaterThanOrEqualTo(9));
    }

    [Test]
    public void A_ring_that_vanished_goes_on_far_ahead_instead_of_using_a_sequence_again()
    {
        Compose();
        Compose();
        Reboot();
        foreach (string name in _flash.List().Where(name => name.StartsWith("ring-", StringComparison.Ordinal)))
        {
            _flash.Delete(name);
        }

        Reboot();
        Assert.That(Compose(), Is.EqualTo(2 + FrameRing.LostRingStride + 1));
    }

    [Test]
    public void Refused_frames_are_counted_through_a_reboot()
    {
        Compose();
        _store.CountRefused();
        _store.FreeThrough(1);
        Compose();
        Reboot();

        Assert.That(_store.Describe(), Does.Contain("refused=1"));
        Assert.That(_store.NextOwed(0), Is.EqualTo(2));
    }

    [Test]
    public void Two_generations_survive_one_bad_slot_and_say_when_both_are()
    {
        TwoGenerations pair = new(_flash, "x");
        Assert.That(pair.Open(), Is.EqualTo(PairState.Absent));
        pair.Write([1]);
        pair.Write([2]);
        _flash.FlipBit("x.b", 85);
        Assert.That(pair.Open(), Is.EqualTo(PairState.OneGood));
        Assert.That(pair.Value, Is.EqualTo(new byte[] { 1 }));
        _flash.FlipBit("x.a", 85);
        Assert.That(pair.Open(), Is.EqualTo(PairState.Damaged));
        Assert.That(pair.Value, Is.Null);
    }

    private void Reboot()
    {
        _flash = _flash.Survivor();
        _store = FrameStore.Open(_flash, FrameRing.CapacityBytesMin, _signer);
        _composer = new FrameComposer(Profiles.Environment, new byte[20], _store, NodeClock.Open(_flash, new ManualTime()));
    }

    private ulong Compose()
    {
        SampleSet samples = new();
        for (int i = 0; i < 8; i++)
        {
            samples.Add(Channels.Temperature, -2, 0, Random.Shared.NextInt64(), i);
        }

        return _composer.Compose(samples);
    }

    private byte[] Read(ulong sequence)
    {
        byte[] buffer = new byte[FrameFormat.FrameBytesMax];
        return buffer[.._store.Read(sequence, buffer)];
    }
}
