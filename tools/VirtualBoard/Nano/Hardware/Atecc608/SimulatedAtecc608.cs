// An ATECC608B behind its I2C packets (Microchip ATECC608B data sheet; commands as in cryptoauthlib): wake by a low data
// line, 0x11 after it, idle, sleep, watchdog, no acknowledgement while it works, CRC-16, status codes, zones and locks, slot
// configuration, and P-256 keys that no command gives out. The CRC and the curve are other code than the driver's: .NET's ECDsa signs.

using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;

namespace DePIN.VirtualBoard.Hardware.Atecc608;

/// <summary>Which of the two signatures of a digest the chip gives.</summary>
public enum ChipS
{
    Any,
    Low,
    High,
}

/// <summary>A simulated chip. <paramref name="nowMs"/> is its time.</summary>
public sealed class SimulatedAtecc608(Atecc608Memory memory, Func<double> nowMs) : II2cPeripheral
{
    private const double WakeLowUs = 60;
    private const double WakeReadyMs = 1.5;

    private static readonly BigInteger Order = BigInteger.Parse("00FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", System.Globalization.NumberStyles.HexNumber, null);

    private readonly Lock _gate = new();
    private Mode _mode;
    private double _wokenMs;
    private double _readyMs;
    private byte[] _output = [];
    private int _outputAt;
    private byte _outputOf;
    private byte[]? _digest;
    private bool _dead;

    private enum Mode
    {
        Sleep,
        Idle,
        Awake,
    }

    public Atecc608Faults Faults { get; } = new();

    public Atecc608Memory Memory => memory;

    /// <summary>From wake to forced sleep; a real chip has 0.7 to 1.7 s.</summary>
    public double WatchdogMs { get; set; } = 1300;

    public ChipS S { get; set; }

    /// <summary>Opcodes of the commands that were run, in order.</summary>
    public List<byte> Commands { get; } = [];

    public int Wakes { get; private set; }

    /// <summary>Transfers that came while it worked.</summary>
    public int BusyNaks { get; private set; }

    /// <summary>Times the watchdog put it to sleep.</summary>
    public int WatchdogSleeps { get; private set; }

    /// <summary>CRC-16/ARC, mirrored: the same CRC by other arithmetic than the driver's.</summary>
    public static ushort Crc(ReadOnlySpan<byte> bytes)
    {
        ushort crc = 0;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int i = 0; i < 8; i++)
            {
                crc = (ushort)((crc & 1) != 0 ? (crc >> 1) ^ 0xA001 : crc >> 1);
            }
        }

        ushort mirrored = 0;
        for (int i = 0; i < 16; i++)
        {
            mirrored |= (ushort)(((crc >> i) & 1) << (15 - i));
        }

        return mirrored;
    }

    public bool Acknowledges(bool isRead)
    {
        lock (_gate)
        {
            Tick();
            if (_dead || _mode != Mode.Awake)
            {
                return false;
            }

            if (nowMs() < _readyMs)
            {
                BusyNaks++;
                return false;
            }

            if (Faults.Naks > 0)
            {
                Faults.Naks--;
                return false;
            }

            return true;
        }
    }

    public void GeneralCall(int lowUs)
    {
        lock (_gate)
        {
            Tick();
            if (_dead || _mode == Mode.Awake || lowUs < WakeLowUs)
            {
                return;
            }

            if (Faults.LostWakes > 0)
            {
                Faults.LostWakes--;
                return;
            }

            Wakes++;
            _mode = Mode.Awake;
            _wokenMs = nowMs();
            _readyMs = _wokenMs + WakeReadyMs;
            _outputOf = 0;
            Answer(0x11);
        }
    }

    public int Write(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            switch (bytes[0])
            {
                case 0:
                    _outputAt = 0;
                    break;
                case 1:
                    Sleep();
                    break;
                case 2:
                    _mode = Mode.Idle;
                    break;
                case 3:
                    Take(bytes[1..].ToArray());
                    break;
            }

            return bytes.Length;
        }
    }

    public void Read(Span<byte> bytes)
    {
        lock (_gate)
        {
            for (int i = 0; i < bytes.Length; i++)
            {
                bytes[i] = _outputAt < _output.Length ? _output[_outputAt] : (byte)0xFF;
                _outputAt++;
            }

            if (Faults.DamagedReads > 0 && Counts())
            {
                Faults.DamagedReads--;
                bytes[bytes.Length / 2] ^= 0x20;
            }
        }
    }

    /// <summary>Takes the supply away for a moment: everything volatile is gone, as after <see cref="Write"/> of a sleep.</summary>
    public void PowerCycle()
    {
        lock (_gate)
        {
            Sleep();
            _dead = false;
        }
    }

    // Only reads that belong to a command with the chosen opcode are damaged, not those of a wake behind it.
    private bool Counts() => Faults.OnlyOpcode == 0 || _outputOf == Faults.OnlyOpcode;

    private void Tick()
    {
        if (_mode == Mode.Awake && nowMs() - _wokenMs > WatchdogMs)
        {
            WatchdogSleeps++;
            Sleep();
        }
    }

    private void Sleep()
    {
        _mode = Mode.Sleep;
        _digest = null;
        _output = [];
    }

    private void Take(byte[] packet)
    {
        bool counts = Faults.OnlyOpcode == 0 || (packet.Length > 1 && packet[1] == Faults.OnlyOpcode);
        if (counts && Faults.SuddenSleeps > 0)
        {
            Faults.SuddenSleeps--;
            Sleep();
            return;
        }

        if (counts && Faults.DamagedCommands > 0)
        {
            Faults.DamagedCommands--;
            packet[^3] ^= 0x04;
        }

        if (packet.Length < 7 || packet[0] != packet.Length || BinaryPrimitives.ReadUInt16LittleEndian(packet.AsSpan(packet.Length - 2)) != Crc(packet.AsSpan(0, packet.Length - 2)))
        {
            Answer(0xFF);
            return;
        }

        byte opcode = packet[1];
        double takesMs = TakesMs(opcode);
        if (nowMs() + takesMs > _wokenMs + WatchdogMs)
        {
            Answer(0xEE);
            return;
        }

        Cut(CutPoint.Before);
        Commands.Add(opcode);
        _outputOf = opcode;
        if (counts && Faults.Refusal != 0)
        {
            Answer(Faults.Refusal);
        }
        else
        {
            Run(opcode, packet[2], BinaryPrimitives.ReadUInt16LittleEndian(packet.AsSpan(3)), packet.AsSpan(5, packet.Length - 7));
        }

        _readyMs = nowMs() + takesMs;
        if (counts && Faults.LostAnswers > 0)
        {
            Faults.LostAnswers--;
            _readyMs = double.MaxValue;
        }

        Cut(CutPoint.After);
    }

    private void Cut(CutPoint point)
    {
        if (Faults.CommandsUntilCut < 0 || Faults.CutPoint != point)
        {
            return;
        }

        if (Faults.CommandsUntilCut-- == 0)
        {
            Sleep();
            Faults.PowerCut?.Invoke();
        }
    }

    private static double TakesMs(byte opcode) => opcode switch
    {
        0x40 or 0x41 => 60,
        0x12 or 0x17 => 18,
        0x1B => 15,
        0x16 => 6,
        _ => 1,
    };

    private void Run(byte opcode, byte param1, ushort param2, ReadOnlySpan<byte> data)
    {
        switch (opcode)
        {
            case 0x30 when param1 == 0:
                Answer([0, 0, memory.Config[6], memory.Config[7]]);
                break;
            case 0x1B when param1 < 2 && param2 == 0:
                Answer(memory.IsConfigLocked ? RandomNumberGenerator.GetBytes(32) : [.. Enumerable.Repeat(new byte[] { 0xFF, 0xFF, 0, 0 }, 8).SelectMany(word => word)]);
                break;
            case 0x02:
                ReadZone(param1, param2);
                break;
            case 0x12:
                WriteZone(param1, param2, data);
                break;
            case 0x16 when param1 == 0x43 && param2 == 0 && data.Length == 32:
                _digest = data.ToArray();
                Answer(0);
                break;
            case 0x17:
                LockZone(param1, param2);
                break;
            case 0x40 when param2 < Atecc608Memory.Slots && param1 is 0 or 4:
                GenerateKey(param1 == 4, param2);
                break;
            case 0x41 when param1 == 0xA0 && param2 < Atecc608Memory.Slots:
                SignDigest(param2);
                break;
            default:
                Answer(0x03);
                break;
        }
    }

    private void ReadZone(byte zone, ushort address)
    {
        if ((zone & 3) != 0)
        {
            // Data and OTP: nothing in them is readable here.
            Answer(0x0F);
            return;
        }

        int count = (zone & 0x80) != 0 ? 32 : 4;
        int offset = count == 32 ? (address >> 3) * 32 : address * 4;
        if (offset + count > Atecc608Memory.ConfigBytes)
        {
            Answer(0x03);
            return;
        }

        Answer(memory.Config.AsSpan(offset, count));
    }

    private void WriteZone(byte zone, ushort address, ReadOnlySpan<byte> data)
    {
        if ((zone & 0x83) != 0 || data.Length != 4 || address > 31)
        {
            Answer(0x03);
            return;
        }

        int offset = address * 4;
        if (memory.IsConfigLocked || offset < 16 || offset == 84)
        {
            Answer(0x0F);
            return;
        }

        data.CopyTo(memory.Config.AsSpan(offset));
        memory.Save();
        Answer(0);
    }

    private void LockZone(byte mode, ushort checksum)
    {
        bool allowed = (mode & 3) switch
        {
            0 => !memory.IsConfigLocked && ((mode & 0x80) != 0 || checksum == Crc(memory.Config)),
            1 => memory.IsConfigLocked && !memory.IsDataLocked && (mode & 0x80) != 0,
            2 => memory.IsConfigLocked && !memory.IsSlotLocked((mode >> 2) & 15) && (memory.KeyConfig((mode >> 2) & 15) & 0x20) != 0,
            _ => false,
        };
        if (!allowed)
        {
            Answer(0x0F);
            return;
        }

        switch (mode & 3)
        {
            case 0:
                memory.Lock(config: true, data: false);
                break;
            case 1:
                memory.Lock(config: false, data: true);
                break;
            default:
                int slot = (mode >> 2) & 15;
                memory.Config[88 + (slot / 8)] &= (byte)~(1 << (slot % 8));
                break;
        }

        memory.Save();
        Answer(0);
    }

    private bool IsPrivateKey(int slot) => (memory.KeyConfig(slot) & 0x1D) == 0x11;

    private void GenerateKey(bool create, int slot)
    {
        bool allowed = memory.IsConfigLocked && IsPrivateKey(slot)
            && (create
                ? !memory.IsSlotLocked(slot) && (!memory.IsDataLocked || (memory.SlotConfig(slot) & 0x2000) != 0)
                : memory.Keys[slot] is not null && (memory.KeyConfig(slot) & 2) != 0);
        if (!allowed)
        {
            Answer(0x0F);
            return;
        }

        if (create)
        {
            using ECDsa made = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            memory.Keys[slot] = made.ExportParameters(true).D;
            memory.Save();
        }

        using ECDsa key = Open(slot);
        ECPoint point = key.ExportParameters(false).Q;
        Answer([.. point.X!, .. point.Y!]);
    }

    private void SignDigest(int slot)
    {
        bool allowed = memory.IsConfigLocked && memory.IsDataLocked && IsPrivateKey(slot) && (memory.SlotConfig(slot) & 1) != 0
            && memory.Keys[slot] is not null && _digest is not null;
        if (!allowed)
        {
            Answer(0x0F);
            return;
        }

        using ECDsa key = Open(slot);
        byte[] signature = key.SignHash(_digest!);
        _digest = null;
        BigInteger s = new(signature.AsSpan(32), isUnsigned: true, isBigEndian: true);
        bool isHigh = s > Order / 2;
        if ((S == ChipS.High && !isHigh) || (S == ChipS.Low && isHigh))
        {
            byte[] other = (Order - s).ToByteArray(isUnsigned: true, isBigEndian: true);
            signature.AsSpan(32).Clear();
            other.CopyTo(signature, 64 - other.Length);
        }

        Answer(signature);
    }

    private ECDsa Open(int slot) => ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = memory.Keys[slot] });

    private void Answer(byte status) => Answer([status]);

    private void Answer(ReadOnlySpan<byte> data)
    {
        byte[] output = new byte[data.Length + 3];
        output[0] = (byte)output.Length;
        data.CopyTo(output.AsSpan(1));
        BinaryPrimitives.WriteUInt16LittleEndian(output.AsSpan(1 + data.Length), Crc(output.AsSpan(0, 1 + data.Length)));
        _output = output;
        _outputAt = 0;
    }
}
