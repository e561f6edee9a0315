// Packets of nanoFramework's debug protocol (Wire Protocol), which has the USB socket of a classic ESP32: as much of it as a listener needs.
// Little-endian.
//
// offset  size  field
//      0     8  marker "NFPKTV1" or "NFDBGV1" and a zero
//      8     4  CRC of these 32 bytes, itself taken as zero
//     12     4  CRC of the payload
//     16     4  command
//     20     2  sequence
//     22     2  sequence of the packet that this one answers
//     24     4  flags
//     28     4  length of the payload
// CRC: polynomial 0x04C11DB7, most significant bit first, from zero, nothing inverted. A runtime that was built without it has zero in both.

using System.Buffers.Binary;

namespace DePIN.Cli.Serial;

/// <summary>One packet that came whole.</summary>
public sealed record WireMessage(uint Command, uint Flags, byte[] Payload);

/// <summary>Writes packets.</summary>
public static class WirePacket
{
    /// <summary>"Somebody is there": until a runtime has heard it, it keeps what the application prints to itself.</summary>
    public const uint Ping = 0;

    /// <summary>What the application prints, in pieces: a line may be several packets.</summary>
    public const uint Message = 1;

    public const uint Reboot = 7;

    public const uint NonCritical = 1;
    public const uint Reply = 2;
    public const uint NoCaching = 0x2000;

    public const int HeaderBytes = 32;

    /// <summary>The largest that a runtime sends.</summary>
    public const int PayloadBytesMax = 2048;

    internal const int MarkerBytes = 8;
    internal const int CrcOffset = 8;
    internal const int PayloadCrcOffset = 12;
    internal const int CommandOffset = 16;
    internal const int FlagsOffset = 24;
    internal const int LengthOffset = 28;

    private const uint PingFromHost = 0x00010002;
    private const uint Polynomial = 0x04C11DB7;

    private static readonly uint[] Table = MakeTable();

    internal static ReadOnlySpan<byte> PacketMarker => "NFPKTV1\0"u8;

    internal static ReadOnlySpan<byte> DebuggerMarker => "NFDBGV1\0"u8;

    public static byte[] Write(uint command, ushort sequence, uint flags, ReadOnlySpan<byte> payload)
    {
        byte[] packet = new byte[HeaderBytes + payload.Length];
        PacketMarker.CopyTo(packet);
        payload.CopyTo(packet.AsSpan(HeaderBytes));
        BinaryPrimitives.WriteUInt32LittleEndian(packet.AsSpan(PayloadCrcOffset), Crc(payload));
        BinaryPrimitives.WriteUInt32LittleEndian(packet.AsSpan(CommandOffset), command);
        BinaryPrimitives.WriteUInt16LittleEndian(packet.AsSpan(CommandOffset + 4), sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(packet.AsSpan(FlagsOffset), flags);
        BinaryPrimitives.WriteInt32LittleEndian(packet.AsSpan(LengthOffset), payload.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(packet.AsSpan(CrcOffset), Crc(packet.AsSpan(0, HeaderBytes)));
        return packet;
    }

    /// <summary>A ping that does not stop the application at its start.</summary>
    public static byte[] WritePing(ushort sequence)
    {
        byte[] payload = new byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(payload, PingFromHost);
        return Write(Ping, sequence, NoCaching, payload);
    }

    /// <summary>An ordinary restart of the chip.</summary>
    public static byte[] WriteReboot(ushort sequence) => Write(Reboot, sequence, NoCaching, new byte[4]);

    public static uint Crc(ReadOnlySpan<byte> bytes, uint from = 0)
    {
        uint crc = from;
        foreach (byte value in bytes)
        {
            crc = Table[(crc >> 24) ^ value] ^ (crc << 8);
        }

        return crc;
    }

    private static uint[] MakeTable()
    {
        uint[] table = new uint[256];
        for (uint index = 0; index < table.Length; index++)
        {
            uint crc = index << 24;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc & 0x80000000) != 0 ? (crc << 1) ^ Polynomial : crc << 1;
            }

            table[index] = crc;
        }

        return table;
    }
}

/// <summary>Finds packets in a stream among anything else; what does not agree with its CRC is counted and passed over, byte by byte. Memory is one packet.</summary>
public sealed class WireReader
{
    private readonly List<byte> held = [];

    /// <summary>Beginnings of packets that were none, or were damaged.</summary>
    public int Broken { get; private set; }

    /// <summary>Takes bytes as they came and gives the packets that they complete.</summary>
    public IReadOnlyList<WireMessage> Take(ReadOnlySpan<byte> bytes)
    {
        List<WireMessage> found = [];
        foreach (byte value in bytes)
        {
            held.Add(value);
            while (TryRead(found))
            {
            }
        }

        return found;
    }

    /// <summary>False when more bytes are needed.</summary>
    private bool TryRead(List<WireMessage> found)
    {
        ReadOnlySpan<byte> all = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(held);
        int marker = Math.Min(all.Length, WirePacket.MarkerBytes);
        if (marker == 0)
        {
            return false;
        }

        if (!all[..marker].SequenceEqual(WirePacket.PacketMarker[..marker]) && !all[..marker].SequenceEqual(WirePacket.DebuggerMarker[..marker]))
        {
            held.RemoveAt(0);
            return true;
        }

        if (all.Length < WirePacket.HeaderBytes)
        {
            return false;
        }

        uint headerCrc = BinaryPrimitives.ReadUInt32LittleEndian(all[WirePacket.CrcOffset..]);
        uint payloadCrc = BinaryPrimitives.ReadUInt32LittleEndian(all[WirePacket.PayloadCrcOffset..]);
        bool isChecked = headerCrc != 0 || payloadCrc != 0;
        int length = BinaryPrimitives.ReadInt32LittleEndian(all[WirePacket.LengthOffset..]);
        if (length is < 0 or > WirePacket.PayloadBytesMax || (isChecked && HeaderCrc(all) != headerCrc))
        {
            return PassOver();
        }

        if (all.Length < WirePacket.HeaderBytes + length)
        {
            return false;
        }

        ReadOnlySpan<byte> payload = all.Slice(WirePacket.HeaderBytes, length);
        if (isChecked && WirePacket.Crc(payload) != payloadCrc)
        {
            return PassOver();
        }

        found.Add(new WireMessage(
            BinaryPrimitives.ReadUInt32LittleEndian(all[WirePacket.CommandOffset..]), BinaryPrimitives.ReadUInt32LittleEndian(all[WirePacket.FlagsOffset..]), payload.ToArray()));
        held.RemoveRange(0, WirePacket.HeaderBytes + length);
        return true;
    }

    private static uint HeaderCrc(ReadOnlySpan<byte> header)
    {
        uint crc = WirePacket.Crc(header[..WirePacket.CrcOffset]);
        crc = WirePacket.Crc(stackalloc byte[4], crc);
        return WirePacket.Crc(header[WirePacket.PayloadCrcOffset..WirePacket.HeaderBytes], crc);
    }

    private bool PassOver()
    {
        Broken++;
        held.RemoveAt(0);
        return true;
    }
}
