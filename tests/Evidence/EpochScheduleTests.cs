namespace DePIN.Evidence.Tests;

/// <summary>Epochs in segments: at their borders, and what can be none.</summary>
internal sealed class EpochScheduleTests
{
    // Epochs of 60 s up to 600 s (0 to 9), of 20 s up to 700 s (10 to 14), then of 100 s.
    private static readonly EpochSchedule Schedule = new([new(0, 0, 60), new(10, 600, 20), new(15, 700, 100)]);

    [TestCase(0ul, 0ul, 60ul)]
    [TestCase(59ul, 0ul, 60ul)]
    [TestCase(60ul, 1ul, 60ul)]
    [TestCase(599ul, 9ul, 60ul)]
    [TestCase(600ul, 10ul, 20ul)]
    [TestCase(619ul, 10ul, 20ul)]
    [TestCase(620ul, 11ul, 20ul)]
    [TestCase(699ul, 14ul, 20ul)]
    [TestCase(700ul, 15ul, 100ul)]
    [TestCase(1_799ul, 25ul, 100ul)]
    [TestCase(1_800ul, 26ul, 100ul)]
    public void A_time_is_in_the_epoch_of_the_last_segment_that_has_begun(ulong timeS, ulong epoch, ulong seconds)
    {
        Assert.That(Schedule.EpochAt(timeS), Is.EqualTo(epoch));
        Assert.That(Schedule.SecondsAt(timeS), Is.EqualTo(seconds));
        Assert.That(Schedule.StartOf(epoch), Is.LessThanOrEqualTo(timeS));
        Assert.That(Schedule.StartOf(epoch + 1), Is.GreaterThan(timeS));
    }

    [Test]
    public void Every_epoch_begins_where_the_one_before_ends()
    {
        for (ulong epoch = 0; epoch < 40; epoch++)
        {
            ulong start = Schedule.StartOf(epoch);
            Assert.That(Schedule.EpochAt(start), Is.EqualTo(epoch));
            if (epoch > 0) Assert.That(Schedule.EpochAt(start - 1), Is.EqualTo(epoch - 1));
        }
    }

    [Test]
    public void Numbers_that_no_clock_reaches_do_not_wrap_around()
    {
        Assert.That(Schedule.StartOf(ulong.MaxValue), Is.EqualTo(ulong.MaxValue));
        Assert.That(Schedule.EpochAt(ulong.MaxValue), Is.EqualTo(15 + (ulong.MaxValue - 700) / 100));
    }

    [Test]
    public void What_the_ledger_cannot_have_is_refused()
    {
        EpochSegment[][] wrong = [[], [new(0, 0, 0)], [new(1, 60, 60)], [new(0, 0, 60), new(10, 601, 20)], [new(0, 0, 60), new(0, 0, 20)], [new(0, 0, 60), new(10, 600, 0)], [new(10, 600, 20), new(0, 0, 60)]];
        foreach (EpochSegment[] segments in wrong) Assert.That(() => new EpochSchedule(segments), Throws.ArgumentException);
        Assert.That(EpochSchedule.Fixed(4).EpochAt(9), Is.EqualTo(2));
    }
}
