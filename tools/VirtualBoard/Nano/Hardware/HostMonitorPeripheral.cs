// The computer's own measurements as an I2C peripheral: the register map of firmware/Sense/HostMonitor/README.md, from the other side.

using System.Buffers.Binary;

namespace DePIN.VirtualBoard.Hardware;

/// <summary>One measurement of the computer: value × 10^exponent of a channel (16 to 31).</summary>
public readonly record struct HostReading(ushort Channel, sbyte Exponent, byte Quality, long Value);

/// <summary>A host monitor. Writing 1 to control takes all measurements at once and freezes them until the next time.</summary>
public sealed class HostMonitorPeripheral : RegisterPeripheral
{
    private const byte Count = 0x03;
    private const byte Control = 0x04;
    private const byte Entries = 0x10;
    private const int EntryBytes = 12;
    private const int EntriesMax = 16;

    private readonly Func<IReadOnlyList<HostReading>> _measure;

    public HostMonitorPeripheral(Func<IReadOnlyList<HostReading>> measure)
    {
        _measure = measure;
        Registers[0] = 0x44;
        Registers[1] = 0x48;
        Registers[2] = 1;
    }

    protected override void OnWrite(byte register, byte value)
    {
        if (register != Control || value != 1)
        {
            return;
        }

        IReadOnlyList<HostReading> readings = _measure();
        int count = Math.Min(readings.Count, EntriesMax);
        Registers[Count] = (byte)count;
        for (int i = 0; i < count; i++)
        {
            Span<byte> entry = Registers.AsSpan(Entries + (i * EntryBytes), EntryBytes);
            BinaryPrimitives.WriteUInt16BigEndian(entry, readings[i].Channel);
            entry[2] = (byte)readings[i].Exponent;
            entry[3] = readings[i].Quality;
            BinaryPrimitives.WriteInt64BigEndian(entry[4..], readings[i].Value);
        }
    }
}
