// A u-blox receiver behind its UART (UBX-13003221): an epoch a second, NMEA by itself, NAV-PVT at the first epoch behind a question. Its
// bytes come at the speed of the line. Positions are formatted from degrees by division, the other way than a driver reads them.

using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace DePIN.VirtualBoard.Hardware;

/// <summary>Where the antenna is and what the receiver makes of it.</summary>
/// <param name="Latitude">1e-7 degrees.</param>
/// <param name="Longitude">1e-7 degrees.</param>
/// <param name="HeightMm">Above sea.</param>
/// <param name="SpeedMmPerS">Over ground.</param>
/// <param name="FixType">As in NAV-PVT.</param>
/// <param name="Satellites">Used.</param>
/// <param name="AccuracyMm">Horizontal.</param>
public readonly record struct GnssState(
    int Latitude, int Longitude, int HeightMm = 0, int SpeedMmPerS = 0, byte FixType = 3, byte Satellites = 9, uint AccuracyMm = 2500);

/// <summary>A simulated receiver.</summary>
public sealed class SimulatedGnss(Func<GnssState> state, TimeProvider time, int baud = 9600) : UartPeripheral(LineFormat.EightN1(baud))
{
    private const int EpochMs = 1000;
    private const int BitsPerByte = 10;
    private static readonly byte[] Question = [0xB5, 0x62, 0x01, 0x07, 0x00, 0x00, 0x08, 0x19];

    private readonly long _start = time.GetTimestamp();
    private readonly Queue<byte> _out = new();
    private readonly List<byte> _heard = [];
    private long _epochs;
    private long _sentBits;
    private bool _asked;

    public bool SpeaksUbx { get; set; } = true;

    public bool SpeaksNmea { get; set; } = true;

    /// <summary>Hangs: goes on sending its last epoch's time.</summary>
    public bool IsFrozen { get; set; }

    /// <summary>gnssFixOK of NAV-PVT's flags.</summary>
    public bool IsFixOk { get; set; } = true;

    /// <summary>invalidLlh of NAV-PVT's flags3.</summary>
    public bool IsPositionInvalid { get; set; }

    /// <summary>GGA's quality and RMC's mode letter while there is a fix.</summary>
    public (int Quality, char Mode) NmeaMode { get; set; } = (1, 'A');

    /// <summary>Changes the next NAV-PVT on the wire.</summary>
    public Action<byte[]>? Disturb { get; set; }

    /// <summary>Changes the next sentences on the wire, behind the checksum.</summary>
    public Func<string, string> DisturbLine { get; set; } = line => line;

    private long TimeOfDayMs { get; set; } = 43_200_000;

    /// <summary>"$", the body, "*", the exclusive or, line end.</summary>
    public static string Sentence(string body) =>
        string.Create(CultureInfo.InvariantCulture, $"${body}*{body.Aggregate(0, (sum, letter) => sum ^ letter):X2}\r\n");

    protected override void OnReceive(ReadOnlySpan<byte> bytes)
    {
        foreach (byte one in bytes)
        {
            _heard.Add(one);
            if (_heard.Count > Question.Length)
            {
                _heard.RemoveAt(0);
            }

            _asked |= _heard.SequenceEqual(Question);
        }
    }

    protected override void OnPoll()
    {
        long elapsedMs = (long)time.GetElapsedTime(_start).TotalMilliseconds;
        if (elapsedMs / EpochMs > _epochs)
        {
            _epochs = elapsedMs / EpochMs;
            TimeOfDayMs += IsFrozen ? 0 : EpochMs;
            Epoch();
        }

        // What was not sent while nobody listened was sent all the same: the line does not wait.
        long bits = (elapsedMs * baud / 1000) - _sentBits;
        _sentBits += bits / BitsPerByte * BitsPerByte;
        for (long i = bits / BitsPerByte; i > 0 && _out.TryDequeue(out byte one); i--)
        {
            Send([one]);
        }
    }

    private static string Angle(int angle, int degreeDigits, char positive, char negative)
    {
        decimal minutes = Math.Abs((long)angle) % 10_000_000 * 60 / 10_000_000m;
        string degrees = (Math.Abs((long)angle) / 10_000_000).ToString(CultureInfo.InvariantCulture).PadLeft(degreeDigits, '0');
        return string.Create(CultureInfo.InvariantCulture, $"{degrees}{minutes:00.00000},{(angle < 0 ? negative : positive)}");
    }

    private void Epoch()
    {
        GnssState now = state();
        if (SpeaksUbx && _asked)
        {
            _asked = false;
            Put(Pvt(now));
        }

        if (SpeaksNmea)
        {
            bool fix = now.FixType is >= 1 and <= 4 && IsFixOk;
            TimeSpan day = TimeSpan.FromMilliseconds(TimeOfDayMs % 86_400_000);
            string clock = day.ToString(@"hhmmss\.ff", CultureInfo.InvariantCulture);
            string place = fix ? Angle(now.Latitude, 2, 'N', 'S') + "," + Angle(now.Longitude, 3, 'E', 'W') : ",,,";
            string knots = (now.SpeedMmPerS * 3.6m / 1852m).ToString("0.000", CultureInfo.InvariantCulture);
            string height = (now.HeightMm / 1000m).ToString("0.0", CultureInfo.InvariantCulture);
            Line($"GNRMC,{clock},{(fix ? 'A' : 'V')},{place},{(fix ? knots : "")},,251126,,,{(fix ? NmeaMode.Mode : 'N')}");
            Line("GNVTG,,T,,M,0.004,N,0.008,K,A");
            Line($"GNGGA,{clock},{place},{(fix ? NmeaMode.Quality : 0)},{now.Satellites:00},1.01,{(fix ? height : "")},M,48.0,M,,");
            Line("GPGSV,1,1,02,23,38,230,44,29,71,156,47");
        }
    }

    private void Line(string body) => Put(Encoding.ASCII.GetBytes(DisturbLine(Sentence(body))));

    private byte[] Pvt(GnssState now)
    {
        byte[] message = new byte[100];
        message[0] = 0xB5;
        message[1] = 0x62;
        message[2] = 1;
        message[3] = 7;
        message[4] = 92;
        Span<byte> payload = message.AsSpan(6, 92);
        BinaryPrimitives.WriteUInt32LittleEndian(payload, (uint)(259_200_000 + TimeOfDayMs));
        payload[20] = now.FixType;
        payload[21] = (byte)(IsFixOk ? 1 : 0);
        payload[23] = now.Satellites;
        BinaryPrimitives.WriteInt32LittleEndian(payload[24..], now.Longitude);
        BinaryPrimitives.WriteInt32LittleEndian(payload[28..], now.Latitude);
        BinaryPrimitives.WriteInt32LittleEndian(payload[32..], now.HeightMm + 48_000);
        BinaryPrimitives.WriteInt32LittleEndian(payload[36..], now.HeightMm);
        BinaryPrimitives.WriteUInt32LittleEndian(payload[40..], now.AccuracyMm);
        BinaryPrimitives.WriteUInt32LittleEndian(payload[44..], now.AccuracyMm * 2);
        BinaryPrimitives.WriteInt32LittleEndian(payload[60..], now.SpeedMmPerS);
        payload[78] = (byte)(IsPositionInvalid ? 1 : 0);
        foreach (byte one in message.AsSpan(2, 96))
        {
            message[98] += one;
            message[99] += message[98];
        }

        Disturb?.Invoke(message);
        return message;
    }

    private void Put(byte[] bytes)
    {
        foreach (byte one in bytes)
        {
            _out.Enqueue(one);
        }
    }
}
