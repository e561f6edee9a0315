// An SCD4x behind its commands (Sensirion data sheet "SCD4x" section 3): idle or measuring every 5 s of its clock, commands that are
// not for its state refused, a measurement gone once it was read, automatic self calibration that somebody may have switched off.

namespace DePIN.VirtualBoard.Hardware;

/// <summary>What the air in the room is like; CO2 in ppm, 0: the chip finds its measurement invalid.</summary>
public readonly record struct RoomState(double Co2Ppm, double TemperatureC, double HumidityPercent);

/// <summary>A simulated SCD4x.</summary>
/// <param name="room">What it measures.</param>
/// <param name="nowMs">Its clock.</param>
public sealed class SimulatedScd4x(Func<RoomState> room, Func<long> nowMs) : II2cPeripheral
{
    private const int PeriodMs = 5000;

    private byte[]? _answer;
    private long _startedMs;
    private long _readPeriods;

    /// <summary>The data sheet's example serial number.</summary>
    public static IReadOnlyList<ushort> Serial { get; } = [0xF896, 0x9F07, 0x3BBE];

    /// <summary>Whether it measures: so it is when the board restarts and the chip does not.</summary>
    public bool IsMeasuring { get; private set; }

    /// <summary>A driver has no business here.</summary>
    public bool SelfCalibration { get; private set; } = true;

    /// <summary>Commands that came while they were forbidden.</summary>
    public int Refused { get; private set; }

    private long Periods => IsMeasuring ? (nowMs() - _startedMs) / PeriodMs : 0;

    /// <summary>Lets it measure, as the firmware of before the restart did.</summary>
    public void Start()
    {
        IsMeasuring = true;
        _startedMs = nowMs();
        _readPeriods = 0;
    }

    /// <summary>Its power fails and comes back.</summary>
    public void LosePower() => IsMeasuring = false;

    /// <inheritdoc/>
    public bool Acknowledges(bool isRead) => !isRead || _answer is not null;

    /// <inheritdoc/>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        _answer = null;
        if (bytes.Length < 2)
        {
            return 0;
        }

        int command = (bytes[0] << 8) | bytes[1];
        if (IsMeasuring && command is not (0xEC05 or 0x3F86 or 0xE4B8))
        {
            Refused++;
            return 0;
        }

        switch (command)
        {
            case 0x21B1:
                Start();
                break;
            case 0x3F86:
                IsMeasuring = false;
                break;
            case 0x3682:
                _answer = SensirionBytes.Of([.. Serial]);
                break;
            case 0xE4B8:
                _answer = SensirionBytes.Of(Periods > _readPeriods ? (ushort)0x8006 : (ushort)0x8000);
                break;
            case 0xEC05 when Periods > _readPeriods:
                _readPeriods = Periods;
                RoomState now = room();
                _answer = SensirionBytes.Of(
                    (ushort)Math.Clamp(Math.Round(now.Co2Ppm), 0, 65535),
                    SensirionBytes.Word(now.TemperatureC, -45, 175),
                    SensirionBytes.Word(now.HumidityPercent, 0, 100));
                break;
            case 0xEC05:
                return 0;
            case 0x2416:
                SelfCalibration = bytes.Length == 5 && bytes[3] != 0;
                break;
            default:
                return 0;
        }

        return bytes.Length;
    }

    /// <inheritdoc/>
    public void Read(Span<byte> bytes)
    {
        // Beyond the answer the bus stays high.
        bytes.Fill(0xFF);
        _answer.AsSpan(0, Math.Min(_answer?.Length ?? 0, bytes.Length)).CopyTo(bytes);
        _answer = null;
    }
}
