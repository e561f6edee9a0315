using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.WifiSurvey;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

[TestFixture]
public sealed class WifiSurveyTests
{
    private static readonly RadioNetwork[] Street =
    [
        new("depot", "00:00:00:00:00:01", -71), new("cafe", "00:00:00:00:00:02", -40), new("depot", "00:00:00:00:00:03", -55),
        new("", "00:00:00:00:00:04", -90), new("Depot", "00:00:00:00:00:05", -60),
    ];

    [Test]
    public void The_strongest_point_of_the_own_network_and_the_number_of_others_are_told()
    {
        WifiSurveySensor sensor = Open("depot", () => Street);

        Assert.That(UartBench.ByChannel(UartBench.Read(sensor)), Is.EquivalentTo(new Dictionary<ushort, (long, sbyte, byte)>
        {
            [Channels.WifiOwnPoints] = (2, 0, 0),
            [Channels.WifiOwnSignal] = (-55, 0, 0),
            [Channels.WifiOtherPoints] = (3, 0, 0),
            [Channels.WifiOtherSignal] = (-40, 0, 0),
        }));
    }

    [Test]
    public void Where_nothing_is_heard_no_signal_is_made_up()
    {
        Assert.That(UartBench.ByChannel(UartBench.Read(Open("depot", () => []))).Keys, Is.EquivalentTo(new[] { Channels.WifiOwnPoints, Channels.WifiOtherPoints }));
        SampleSet unconfigured = UartBench.Read(Open("", () => Street));
        Assert.That(UartBench.ByChannel(unconfigured)[Channels.WifiOwnPoints].Value, Is.Zero, "a hidden network is not the node's own");
        Assert.That(UartBench.ByChannel(unconfigured)[Channels.WifiOtherPoints].Value, Is.EqualTo(5));
    }

    [Test]
    public void It_scans_at_most_once_a_minute()
    {
        int scans = 0;
        WifiSurveySensor sensor = Open("depot", () =>
        {
            scans++;
            return Street;
        });
        int[] counts = [.. new[] { 0L, 10_000, 59_999, 60_000, 70_000, 120_000 }.Select(at => UartBench.Read(sensor, at).Count)];

        Assert.That(counts, Is.EqualTo(new[] { 4, 0, 0, 4, 0, 4 }));
        Assert.That(scans, Is.EqualTo(3));
    }

    [Test]
    public void A_scan_that_never_ends_is_a_failure_and_adds_nothing()
    {
        WifiSurveySensor sensor = Open("depot", () => null, scanMsMax: 1);
        SampleSet samples = new();

        Assert.That(sensor.Read(samples, 0), Is.False);
        Assert.That(samples.Count, Is.Zero);
        Assert.That(() => sensor.Read(samples, 0), Throws.InvalidOperationException, "the radio is still at it; the set of sensors tells it as a fault");
    }

    [Test]
    public void A_board_without_a_radio_and_no_setting_are_no_sensor()
    {
        new VirtualHardware { Radio = null }.PowerOn();
        Assert.That(new WifiSurveySensor(true, WifiSurveySensor.ScanMsMax).Open(), Is.False);
        new VirtualHardware().PowerOn();
        Assert.That(new WifiSurveySensor(false, WifiSurveySensor.ScanMsMax).Open(), Is.False);
    }

    [Test]
    public void The_board_has_it_when_settings_ask_for_it()
    {
        new VirtualHardware { Radio = () => Street, OwnSsid = "depot" }.PowerOn();
        SensorSet set = SensorSet.Open(new NodeSettings { WifiSurvey = true }, new NodeHealth());
        SampleSet samples = new();
        set.Read(samples, 0);

        Assert.That((set.PresentCount, set.SuggestedProfile, samples.Count), Is.EqualTo((1, Profiles.Telecom, 4)));
    }

    private static WifiSurveySensor Open(string own, Func<IReadOnlyList<RadioNetwork>?> radio, int scanMsMax = 60_000)
    {
        new VirtualHardware { Radio = radio, OwnSsid = own }.PowerOn();
        WifiSurveySensor sensor = new(true, scanMsMax);
        Assert.That(sensor.Open(), Is.True);
        return sensor;
    }
}
