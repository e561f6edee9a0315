// A PZEM-004T V3.0 behind its UART (Peacefair user manual section 2): Modbus RTU slave with input registers 0 to 9, exception answers,
// the general address. Its CRC is computed bit by bit from the polynomial's normal form, so that a driver's table or reflected form is
// checked against another computation.

using System.Buffers.Binary;

namespace DePIN.VirtualBoard.Hardware;

/// <summary>What the meter sees, in its own units.</summary>
/// <param name="DeciVolt">0.1 V.</param>
/// <param name="MilliAmpere">0.001 A.</param>
/// <param name="DeciWatt">0.1 W.</param>
/// <param name="WattHours">1 Wh.</param>
/// <param name="DeciHertz">0.1 Hz.</param>
/// <param name="PowerFactorPercent">0.01.</param>
/// <param name="Alarm">0xFFFF or 0.</param>
public readonly record struct MainsState(
    ushort DeciVolt, uint MilliAmpere, uint DeciWatt, uint WattHours, ushort DeciHertz, ushort PowerFactorPercent, ushort Alarm = 0);

/// <summary>A simulated PZEM-004T with its factory address 1.</summary>
public sealed class SimulatedPzem004t(Func<MainsState> mains) : UartPeripheral(LineFormat.EightN1(9600))
{
    private const byte Address = 1;
    private const byte GeneralAddress = 0xF8;
    private const int QuestionBytes = 8;
    private const int Registers = 10;

    /// <summary>Answers every question with this exception; 0: with registers.</summary>
    public byte ExceptionCode { get; set; }

    /// <summary>Changes the next answers on the wire.</summary>
    public Action<byte[]>? Disturb { get; set; }

    /// <summary>CRC-16/MODBUS from its definition: 0x8005, bits of each byte and of the result mirrored.</summary>
    public static ushort Crc(ReadOnlySpan<byte> bytes)
    {
        int crc = 0xFFFF;
        foreach (byte one in bytes)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                int feedback = ((crc >> 15) & 1) ^ ((one >> bit) & 1);
                crc = ((crc << 1) & 0xFFFF) ^ (feedback * 0x8005);
            }
        }

        int mirrored = 0;
        for (int bit = 0; bit < 16; bit++)
        {
            mirrored |= ((crc >> bit) & 1) << (15 - bit);
        }

        return (ushort)mirrored;
    }

    protected override void OnReceive(ReadOnlySpan<byte> bytes)
    {
        // A question arrives whole: RTU ends a frame at a pause, and the board sends without one.
        if (bytes.Length != QuestionBytes || bytes[0] is not (Address or GeneralAddress)
            || Crc(bytes[..6]) != BinaryPrimitives.ReadUInt16LittleEndian(bytes[6..]))
        {
            return;
        }

        int first = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
        int count = BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]);
        if (ExceptionCode != 0)
        {
            Answer(bytes[0], (byte)(bytes[1] | 0x80), [ExceptionCode]);
        }
        else if (bytes[1] != 4)
        {
            Answer(bytes[0], (byte)(bytes[1] | 0x80), [1]);
        }
        else if (first + count > Registers)
        {
            Answer(bytes[0], (byte)(bytes[1] | 0x80), [2]);
        }
        else
        {
            byte[] data = new byte[1 + (2 * count)];
            data[0] = (byte)(2 * count);
            ushort[] registers = Measure();
            for (int i = 0; i < count; i++)
            {
                BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(1 + (2 * i)), registers[first + i]);
            }

            Answer(bytes[0], 4, data);
        }
    }

    private ushort[] Measure()
    {
        MainsState now = mains();
        return
        [
            now.DeciVolt, (ushort)now.MilliAmpere, (ushort)(now.MilliAmpere >> 16), (ushort)now.DeciWatt, (ushort)(now.DeciWatt >> 16),
            (ushort)now.WattHours, (ushort)(now.WattHours >> 16), now.DeciHertz, now.PowerFactorPercent, now.Alarm,
        ];
    }

    private void Answer(byte address, byte function, byte[] data)
    {
        byte[] answer = [address, function, .. data, 0, 0];
        BinaryPrimitives.WriteUInt16LittleEndian(answer.AsSpan(answer.Length - 2), Crc(answer.AsSpan(0, answer.Length - 2)));
        Disturb?.Invoke(answer);
        Send(answer);
    }
}
