using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.Battery;
using DePIN.Firmware.Sense.HostMonitor;
using DePIN.Protocol;
using DePIN.VirtualBoard.Feed;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

[TestFixture]
public sealed class OtherSensorTests
{
    [Test]
    public void A_host_monitors_entries_arrive_with_sign_exponent_and_quality()
    {
        VirtualHardware hardware = new();
        hardware.AttachI2c(BoardPins.I2cBus, HostMonitorSensor.Address, new HostMonitorPeripheral(() =>
        [
            new HostReading(Channels.CpuTemperature, -3, 0, -12_345),
            new HostReading(Channels.NetworkSent, 0, 3, long.MaxValue),
        ]));
        SampleSet samples = Read(hardware);

        Assert.That(samples.Count, Is.EqualTo(2));
        Assert.That(samples.Value(0), Is.EqualTo(-12_345));
        Assert.That(samples.Exponent(0), Is.EqualTo(-3));
        Assert.That(samples.Value(1), Is.EqualTo(long.MaxValue));
        Assert.That(samples.Quality(1), Is.EqualTo(3));
    }

    [Test]
    public void A_host_monitor_that_lists_a_foreign_channel_adds_nothing_at_all()
    {
        VirtualHardware hardware = new();
        hardware.AttachI2c(BoardPins.I2cBus, HostMonitorSensor.Address, new HostMonitorPeripheral(() =>
        [
            new HostReading(Channels.Load1Min, -2, 0, 5),
            new HostReading(Channels.Temperature, -2, 0, 5),
        ]));
        hardware.PowerOn();
        SensorSet set = SensorSet.Open(new NodeSettings(), new NodeHealth());
        SampleSet samples = new();
        set.Read(samples, 0);

        Assert.That(samples.Count, Is.Zero);
    }

    [Test]
    public void The_battery_is_read_through_its_divider_and_marked_as_indicative()
    {
        VirtualHardware hardware = new();
        const int channel = 3;
        hardware.AttachAdc(channel, () => 2000 * 4095 / BoardPins.AdcFullScaleMillivolt);
        hardware.PowerOn();
        BatterySensor sensor = new(true, channel, 500);
        SampleSet samples = new();

        Assert.That(sensor.Open() && sensor.Read(samples, 0), Is.True);
        Assert.That(samples.Value(0), Is.EqualTo(4000).Within(2), "mV");
        Assert.That(samples.Quality(0), Is.EqualTo(BatterySensor.QualityIndicative));
    }

    [TestCase(2482, 500, 4000, BatterySensor.QualityIndicative)]
    [TestCase(2483, 500, 4002, BatterySensor.QualityIndicative)]
    [TestCase(1, 500, 2, BatterySensor.QualityIndicative)]
    [TestCase(4094, 250, 13_197, BatterySensor.QualityIndicative)]
    [TestCase(0, 500, 0, BatterySensor.QualityOutOfRange)]
    [TestCase(4095, 500, 6600, BatterySensor.QualityOutOfRange)]
    public void The_batterys_millivolts_are_rounded_once_and_the_ends_of_the_scale_are_marked(int raw, int permille, int millivolt, byte quality)
    {
        VirtualHardware hardware = new();
        hardware.AttachAdc(BoardPins.BatteryAdcChannel, () => raw);
        hardware.PowerOn();
        BatterySensor sensor = new(true, BoardPins.BatteryAdcChannel, permille);
        SampleSet samples = new();

        Assert.That(sensor.Open() && sensor.Read(samples, 0), Is.True);
        Assert.That((samples.Value(0), samples.Quality(0)), Is.EqualTo(((long)millivolt, quality)));
    }

    [Test]
    public void One_conversion_of_eight_at_the_end_of_the_scale_marks_the_mean()
    {
        int conversion = 0;
        VirtualHardware hardware = new();
        hardware.AttachAdc(BoardPins.BatteryAdcChannel, () => ++conversion == 8 ? 4095 : 2000);
        hardware.PowerOn();
        BatterySensor sensor = new(true, BoardPins.BatteryAdcChannel, BoardPins.BatteryDividerPermille);
        SampleSet samples = new();

        Assert.That(sensor.Open() && sensor.Read(samples, 0), Is.True);
        Assert.That(conversion, Is.EqualTo(8));
        Assert.That(samples.Quality(0), Is.EqualTo(BatterySensor.QualityOutOfRange));
    }

    [Test]
    public void A_battery_that_settings_do_not_name_is_not_there()
    {
        new VirtualHardware().PowerOn();
        Assert.That(new BatterySensor(false, 0, 500).Open(), Is.False);
    }

    [Test]
    public void This_computers_own_measurements_are_plausible_and_a_missing_one_is_said_once()
    {
        List<string> said = [];
        HostFeed feed = new("/", said.Add);
        IReadOnlyList<HostReading> first = feed.Measure();
        feed.Measure();

        Assert.That(first.Select(reading => reading.Channel), Does.Contain(Channels.MemoryUsed).And.Contain(Channels.Load1Min));
        Assert.That(first.Single(reading => reading.Channel == Channels.MemoryUsed).Value, Is.GreaterThan(10_000_000));
        Assert.That(said, Is.Unique, "each channel once");
        Assert.That(said.Count + first.Count, Is.EqualTo(6), "read, or said to be absent");
    }

    [Test]
    public void A_host_without_any_of_its_files_gives_no_values_instead_of_made_up_ones()
    {
        string root = Directory.CreateTempSubdirectory().FullName;
        try
        {
            List<string> said = [];
            IReadOnlyList<HostReading> readings = new HostFeed(root, said.Add).Measure();

            Assert.That(readings.Select(reading => reading.Channel), Is.SubsetOf(new[] { Channels.DiskUsed }));
            Assert.That(said, Has.Some.Contains("cpu_temperature"));
        }
        finally
        {
            Directory.Delete(root, true);
        }
    }

    [TestCase("time_ms,channel,value\n0,temperature,20\n0,temperature\n", ":3:")]
    [TestCase("0,temperature,20\n-5,temperature,21\n", ":2:")]
    [TestCase("10,temperature,20\n5,temperature,21\n", ":2:")]
    [TestCase("0,unicorns,20\n", ":1:")]
    [TestCase("0,temperature,warm\n", ":1:")]
    [TestCase("0,temperature,NaN\n", ":1:")]
    [TestCase("# nothing\n", "no values")]
    public void A_bad_trace_is_refused_with_its_line(string content, string expected)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, content);
            InvalidDataException refused = Assert.Throws<InvalidDataException>(() => TraceFeed.Load(path, TimeProvider.System))!;
            Assert.That(refused.Message, Does.Contain(expected));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test]
    public void A_trace_holds_its_values_and_begins_again_at_its_end()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "time_ms,channel,value\n0,temperature,20\n100,temperature,30\n100,17,1.5\n199,3,100000\n");
            SteppedTime time = new();
            TraceFeed trace = TraceFeed.Load(path, time);

            Assert.That(trace.Value(Channels.Temperature), Is.EqualTo(20));
            Assert.That(trace.Value(Channels.Load1Min), Is.Null, "not yet");
            time.NowMs = 150;
            Assert.That(trace.Value(Channels.Temperature), Is.EqualTo(30));
            Assert.That(trace.Host().Single().Value, Is.EqualTo(1500));
            time.NowMs = 210;
            Assert.That(trace.Value(Channels.Temperature), Is.EqualTo(20), "from the beginning again");
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static SampleSet Read(VirtualHardware hardware)
    {
        hardware.PowerOn();
        HostMonitorSensor sensor = new(new I2cBus(BoardPins.I2cBus), HostMonitorSensor.Address);
        SampleSet samples = new();
        Assert.That(sensor.Open() && sensor.Read(samples, 0), Is.True);
        return samples;
    }

    private sealed class SteppedTime : TimeProvider
    {
        public long NowMs { get; set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => NowMs;
    }
}
