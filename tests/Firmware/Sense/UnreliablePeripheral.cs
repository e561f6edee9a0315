using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

/// <summary>A peripheral between the bus and a simulated chip: it vanishes after some transfers, or flips a bit on the way.</summary>
internal sealed class UnreliablePeripheral(II2cPeripheral chip) : II2cPeripheral
{
    /// <summary>Address phases seen so far, those not acknowledged included.</summary>
    public int Transfers { get; private set; }

    /// <summary>From this transfer on (0: the first) nobody acknowledges.</summary>
    public int VanishesAt { get; set; } = int.MaxValue;

    /// <summary>Flips this bit of everything that is read, when it is that long; -1: nothing.</summary>
    public int FlippedBit { get; set; } = -1;

    public bool Acknowledges(bool isRead) => Transfers++ < VanishesAt && chip.Acknowledges(isRead);

    public int Write(ReadOnlySpan<byte> bytes) => chip.Write(bytes);

    public void Read(Span<byte> bytes)
    {
        chip.Read(bytes);
        if (FlippedBit >= 0 && FlippedBit / 8 < bytes.Length)
        {
            bytes[FlippedBit / 8] ^= (byte)(0x80 >> (FlippedBit % 8));
        }
    }
}
