using System.Text;
using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.Gnss;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

[TestFixture]
public sealed class GnssTests
{
    // u-blox, UBX-13003221, NMEA protocol, RMC and GGA: the example sentences. NeoGPS publishes them read as integers of 1e-7 degrees:
    // 472852395,85652537 and 472852332,85652650 (extras/test, "Results").
    private const string ExampleRmc = "$GPRMC,083559.00,A,4717.11437,N,00833.91522,E,0.004,77.52,091202,,,A*57\r\n";
    private const string ExampleGga = "$GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,*5B\r\n";

    // NAV-PVT captured from a receiver in Prague (robotika's osgar, test of its gps driver); NMEA of the same place: 5007.70786799,N 01422.49430110,E.
    private static readonly byte[] Captured = Convert.FromHexString(
        "b56201075c00" + "00260818" + "e207041a0f3b1df7" + "e9030000" + "f51ae60b" + "0343ea0e" + "40609108" + "94fae01d" + "d2f10400" + "ad440400"
        + "27000000" + "31000000" + "eeffffff" + "04000000" + "e2ffffff" + "12000000" + "d5659201" + "20000000" + "53cc2c00" + "a200" + "0000"
        + "1219263b" + "00000000" + "00000000" + "5703");

    private static readonly GnssState Zurich = new(472852332, 85652650, 499_600, 15_000);

    [Test]
    public void A_captured_message_gives_the_place_where_it_was_captured()
    {
        UbxPvtFrame frame = new();

        Assert.That(Feed(frame, Captured), Is.EqualTo(new[] { 99 }));
        Assert.That((frame.Latitude, frame.Longitude), Is.EqualTo((501283476, 143745088)));
        Assert.That(frame.Latitude / 1e7, Is.EqualTo(50 + (7.70786799 / 60)).Within(5e-4), "some 30 m from there");
        Assert.That(frame.Longitude / 1e7, Is.EqualTo(14 + (22.49430110 / 60)).Within(5e-4));
        Assert.That((frame.FixType, frame.IsFixOk, frame.Satellites), Is.EqualTo((3, true, 14)));
        Assert.That((frame.Height, frame.HorizontalAccuracy, frame.GroundSpeed, frame.TimeOfWeekMs), Is.EqualTo((279_725, 39L, 18, 403_187_200L)));
    }

    [Test]
    public void Every_bit_that_falls_over_is_found_and_the_next_message_is_read()
    {
        for (int bit = 0; bit < Captured.Length * 8; bit++)
        {
            byte[] bad = [.. Captured];
            bad[bit / 8] ^= (byte)(1 << (bit % 8));

            Assert.That(Feed(new UbxPvtFrame(), [.. bad, .. Captured]), Is.EqualTo(new[] { 199 }), $"bit {bit}");
        }
    }

    [Test]
    public void Wherever_a_stream_is_entered_the_next_whole_message_is_read()
    {
        for (int begin = 1; begin < Captured.Length; begin++)
        {
            Assert.That(Feed(new UbxPvtFrame(), [.. Captured[begin..], .. Captured]), Is.EqualTo(new[] { 199 - begin }), $"from byte {begin}");
        }
    }

    [Test]
    public void The_vendors_example_sentences_give_the_published_integers()
    {
        NmeaSentence sentence = new();
        Assert.That(Feed(sentence, ExampleRmc), Is.EqualTo(1));
        Assert.That((sentence.Angle(3, 'N', 'S', out _), sentence.Angle(5, 'E', 'W', out _)), Is.EqualTo((472852395L, 85652537L)));
        Assert.That(Feed(sentence, ExampleGga), Is.EqualTo(1));
        NmeaFix fix = new();
        fix.Take(sentence);
        Assert.That((fix.Latitude, fix.Longitude, fix.Height, fix.Satellites), Is.EqualTo((472852332L, 85652650L, 499_600L, 8)));
        Assert.That(fix.IsComplete, Is.False, "without RMC");
    }

    [TestCase("$GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,*5C\r\n", TestName = "A wrong checksum is no sentence")]
    [TestCase("$GPGGA,092725.00,4717.11398,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,*5B\r\n", TestName = "A changed digit is no sentence")]
    [TestCase("GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,*5B\r\n", TestName = "Without a beginning there is no sentence")]
    [TestCase("$GPGGA,0927$GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08\r\n", TestName = "Without a checksum there is no sentence")]
    [TestCase("$*01\r\n$\r\n*\r\n", TestName = "Bare signs are no sentence")]
    public void These_lines_are_passed_over(string text) => Assert.That(Feed(new NmeaSentence(), text), Is.Zero);

    [Test]
    public void Negative_angles_empty_fields_and_nonsense_are_told_apart()
    {
        NmeaSentence sentence = new();
        Feed(sentence, SimulatedGnss.Sentence("GNGGA,1,3351.12345,S,15112.00000,W,x,-3,,-12.25,M,,,,"));

        Assert.That((sentence.Angle(2, 'N', 'S', out bool latitude), latitude), Is.EqualTo((-338520575L, true)));
        Assert.That((sentence.Angle(4, 'E', 'W', out bool longitude), longitude), Is.EqualTo((-1512000000L, true)));
        Assert.That((sentence.Number(6, 0), sentence.Number(7, 0), sentence.Number(8, 0), sentence.Number(40, 0)), Is.EqualTo((-1L, -1L, -1L, -1L)));
        Assert.That((sentence.SignedNumber(9, 3, out bool height), height), Is.EqualTo((-12_250L, true)));
        Assert.That((sentence.SignedNumber(8, 3, out height), height), Is.EqualTo((-1L, false)));
        sentence.Angle(2, 'E', 'W', out latitude);
        Assert.That(latitude, Is.False, "S is no letter of a longitude");
        Feed(sentence, SimulatedGnss.Sentence("GNGGA,1,3361.0,S,,,"));
        sentence.Angle(2, 'N', 'S', out latitude);
        Assert.That(latitude, Is.False, "61 minutes");
    }

    [Test]
    public void Ubx_is_read_with_all_its_values()
    {
        GnssSensor sensor = Open(new SimulatedGnss(() => Zurich, new Ticking()));

        Assert.That(UartBench.ByChannel(UartBench.Read(sensor)), Is.EquivalentTo(new Dictionary<ushort, (long, sbyte, byte)>
        {
            [Channels.Satellites] = (9, 0, 0),
            [Channels.Latitude] = (472852332, -7, 0),
            [Channels.Longitude] = (85652650, -7, 0),
            [Channels.HorizontalAccuracy] = (2500, -3, 0),
            [Channels.GroundSpeed] = (15_000, -3, 0),
            [Channels.Altitude] = (499_600, -3, 0),
        }));
    }

    [Test]
    public void A_receiver_without_ubx_is_read_by_its_sentences()
    {
        GnssSensor sensor = Open(new SimulatedGnss(() => Zurich, new Ticking()) { SpeaksUbx = false });

        Assert.That(UartBench.ByChannel(UartBench.Read(sensor)), Is.EquivalentTo(new Dictionary<ushort, (long, sbyte, byte)>
        {
            [Channels.Satellites] = (9, 0, 0),
            [Channels.Latitude] = (472852332, -7, 0),
            [Channels.Longitude] = (85652650, -7, 0),
            [Channels.GroundSpeed] = (15_000, -3, 0),
            [Channels.Altitude] = (499_600, -3, 0),
        }));
    }

    [Test]
    public void A_receiver_that_stops_speaking_ubx_is_read_by_its_sentences_and_later_by_ubx_again()
    {
        SimulatedGnss device = new(() => Zurich, new Ticking());
        GnssSensor sensor = Open(device);
        Assert.That(HasAccuracy(UartBench.Read(sensor)), Is.True);
        device.SpeaksUbx = false;
        SampleSet fallback = UartBench.Read(sensor);
        Assert.That((HasAccuracy(fallback), fallback.Count), Is.EqualTo((false, 5)));
        device.SpeaksUbx = true;
        device.SpeaksNmea = false;
        Assert.That(HasAccuracy(UartBench.Read(sensor)), Is.True);
    }

    [TestCase(-900000000, -1800000000)]
    [TestCase(900000000, 1800000000)]
    [TestCase(-338568000, 1512153000)]
    [TestCase(1, -1)]
    [TestCase(0, 0)]
    public void All_corners_of_the_earth_arrive_in_both_languages(int latitude, int longitude)
    {
        SimulatedGnss device = new(() => new GnssState(latitude, longitude, -430_500), new Ticking());
        Dictionary<ushort, (long Value, sbyte, byte)> ubx = UartBench.ByChannel(UartBench.Read(Open(device)));
        SimulatedGnss other = new(() => new GnssState(latitude, longitude, -430_500), new Ticking()) { SpeaksUbx = false };
        Dictionary<ushort, (long Value, sbyte, byte)> nmea = UartBench.ByChannel(UartBench.Read(Open(other)));

        Assert.That((ubx[Channels.Latitude].Value, ubx[Channels.Longitude].Value, ubx[Channels.Altitude].Value), Is.EqualTo(((long)latitude, (long)longitude, -430_500L)));
        Assert.That(nmea[Channels.Latitude].Value, Is.EqualTo(latitude).Within(1), "five decimals of a minute");
        Assert.That(nmea[Channels.Longitude].Value, Is.EqualTo(longitude).Within(1));
        Assert.That(nmea[Channels.Altitude].Value, Is.EqualTo(-430_500));
    }

    [TestCase(0, true, false)]
    [TestCase(5, true, false)]
    [TestCase(3, false, false)]
    [TestCase(3, true, true)]
    public void Without_a_fix_there_is_no_position_but_the_satellites(int fixType, bool fixOk, bool invalid)
    {
        SimulatedGnss device = new(() => Zurich with { FixType = (byte)fixType, Satellites = 2 }, new Ticking()) { IsFixOk = fixOk, IsPositionInvalid = invalid };
        SampleSet samples = UartBench.Read(Open(device));

        Assert.That(UartBench.ByChannel(samples), Is.EquivalentTo(new Dictionary<ushort, (long, sbyte, byte)>
        {
            [Channels.Satellites] = (2, 0, GnssSensor.QualityNoFix),
        }));
    }

    [TestCase(1, GnssSensor.QualityEstimated, true)]
    [TestCase(2, GnssSensor.QualityTwoDimensions, false)]
    [TestCase(3, (byte)0, true)]
    [TestCase(4, (byte)0, true)]
    public void The_kind_of_fix_is_the_quality(int fixType, byte quality, bool hasHeight)
    {
        SimulatedGnss device = new(() => Zurich with { FixType = (byte)fixType }, new Ticking());
        Dictionary<ushort, (long, sbyte, byte Quality)> values = UartBench.ByChannel(UartBench.Read(Open(device)));

        Assert.That((values[Channels.Latitude].Quality, values.ContainsKey(Channels.Altitude)), Is.EqualTo((quality, hasHeight)));
    }

    [TestCase(1, 'A', 9, (byte)0)]
    [TestCase(2, 'D', 9, (byte)0)]
    [TestCase(1, 'A', 3, GnssSensor.QualityTwoDimensions)]
    [TestCase(6, 'E', 0, GnssSensor.QualityEstimated)]
    [TestCase(7, 'A', 9, byte.MaxValue)]
    [TestCase(8, 'A', 9, byte.MaxValue)]
    [TestCase(1, 'S', 9, byte.MaxValue)]
    [TestCase(0, 'A', 9, byte.MaxValue)]
    public void The_sentences_modes_are_the_quality_and_what_was_not_measured_is_no_position(int quality, char mode, int satellites, byte expected)
    {
        SimulatedGnss device = new(() => Zurich with { Satellites = (byte)satellites }, new Ticking()) { SpeaksUbx = false, NmeaMode = (quality, mode) };
        Dictionary<ushort, (long, sbyte, byte Quality)> values = UartBench.ByChannel(UartBench.Read(Open(device)));

        Assert.That(values.TryGetValue(Channels.Latitude, out (long, sbyte, byte Quality) latitude) ? latitude.Quality : byte.MaxValue, Is.EqualTo(expected));
    }

    [Test]
    public void A_receiver_that_hangs_gives_its_last_position_once([Values] bool ubx)
    {
        SimulatedGnss device = new(() => Zurich, new Ticking()) { SpeaksUbx = ubx };
        GnssSensor sensor = Open(device);
        Assert.That(UartBench.Read(sensor).Count, Is.GreaterThan(1));
        device.IsFrozen = true;

        Assert.That(UartBench.Read(sensor).Count, Is.Zero, "the epoch it had already given");
        device.IsFrozen = false;
        Assert.That(UartBench.Read(sensor).Count, Is.GreaterThan(1));
    }

    [Test]
    public void A_position_that_waited_in_the_buffer_is_not_taken_for_the_one_now([Values] bool ubx)
    {
        GnssState now = Zurich;
        Ticking time = new();
        SimulatedGnss device = new(() => now, time) { SpeaksUbx = ubx };
        GnssSensor sensor = Open(device);
        UartBench.Read(sensor);
        device.Inject(Captured);
        time.Skip(1000);
        now = Zurich with { Latitude = 123456780 };

        Assert.That(UartBench.ByChannel(UartBench.Read(sensor))[Channels.Latitude].Value, Is.EqualTo(123456780).Within(1));
    }

    [Test]
    public void Sentences_of_different_epochs_are_not_put_together()
    {
        SimulatedGnss device = new(() => Zurich, new Ticking()) { SpeaksUbx = false };
        device.DisturbLine = line => line.Contains("RMC", StringComparison.Ordinal) ? SimulatedGnss.Sentence("GNRMC,010203.00,A,4717.11399,N,00833.91590,E,0.0,,251126,,,A") : line;
        GnssSensor sensor = Open(device);

        Assert.That(UartBench.Read(sensor).Count, Is.Zero);
    }

    [Test]
    public void Wrong_checksums_give_no_position_and_no_receiver()
    {
        SimulatedGnss device = new(() => Zurich, new Ticking());
        GnssSensor sensor = Open(device);
        device.Disturb = message => message[34] ^= 1;
        device.DisturbLine = line => line[..^4] + "ZZ\r\n";

        // What was on the line already may still come.
        sensor.Read(new SampleSet(), 0);
        SampleSet samples = new();
        Assert.That(sensor.Read(samples, 0), Is.False);
        Assert.That(samples.Count, Is.Zero);
    }

    [TestCase(1)]
    [TestCase(13)]
    public void Bytes_in_small_pieces_and_garbage_before_a_message_are_no_obstacle(int piece)
    {
        SimulatedGnss device = new(() => Zurich, new Ticking()) { PieceBytes = piece, SpeaksNmea = false };
        device.Disturb = _ => device.Inject(0xB5, 0xB5, 0x62, 0x01, 0x07, 0x5C, 0x00, 0x24, 0xFF);

        Assert.That(HasAccuracy(UartBench.Read(Open(device))), Is.True);
    }

    [Test]
    public void A_silent_port_another_speed_and_no_setting_are_no_receiver()
    {
        UartBench.Board(null);
        Assert.That(new GnssSensor(BoardPins.SensorPort, 9600).Open(), Is.False);
        Assert.That(new GnssSensor("", 9600).Open(), Is.False);
        UartBench.Board(new SimulatedGnss(() => Zurich, new Ticking(), 38400));
        Assert.That(new GnssSensor(BoardPins.SensorPort, 9600).Open(), Is.False, "a receiver at 38400 baud");
        UartBench.Board(new SimulatedGnss(() => Zurich, new Ticking(), 38400));
        Assert.That(new GnssSensor(BoardPins.SensorPort, 38400).Open(), Is.True);
    }

    [Test]
    public void A_receiver_that_vanishes_is_told_once_and_comes_back()
    {
        SimulatedGnss device = new(() => Zurich, new Ticking());
        UartBench.Board(device);
        UartBench.VanishAndReturn(new GnssSensor(BoardPins.SensorPort, 9600), device, 6);
    }

    [Test]
    public void The_board_finds_it_where_the_settings_say()
    {
        UartBench.Board(new SimulatedGnss(() => Zurich, new Ticking()));
        SensorSet set = SensorSet.Open(new NodeSettings { GnssPort = BoardPins.SensorPort }, new NodeHealth());

        Assert.That((set.PresentCount, set.SuggestedProfile), Is.EqualTo((1, Profiles.Transport)));
    }

    private static bool HasAccuracy(SampleSet samples) => UartBench.ByChannel(samples).ContainsKey(Channels.HorizontalAccuracy);

    private static GnssSensor Open(SimulatedGnss device)
    {
        UartBench.Board(device);
        GnssSensor sensor = new(BoardPins.SensorPort, 9600);
        Assert.That(sensor.Open(), Is.True);
        return sensor;
    }

    private static int[] Feed(UbxPvtFrame frame, byte[] bytes) => [.. Enumerable.Range(0, bytes.Length).Where(i => frame.Push(bytes[i]))];

    private static int Feed(NmeaSentence sentence, string text) => Encoding.ASCII.GetBytes(text).Count(sentence.Push);

    /// <summary>Time that goes on by 20 ms whenever somebody looks at it: as fast as the board polls, and the same on every machine.</summary>
    private sealed class Ticking : TimeProvider
    {
        private long _nowMs;

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => _nowMs += 20;

        public void Skip(long ms) => _nowMs += ms;
    }
}
