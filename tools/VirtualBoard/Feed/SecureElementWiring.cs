// Solders an ATECC608B to the board's bus. Its silicon is a file beside the flash folder, so a board that is switched off and on again
// has the same chip; the node only ever reaches it over the bus.

using DePIN.Firmware.Board;
using DePIN.VirtualBoard.Hardware;
using DePIN.VirtualBoard.Hardware.Atecc608;

namespace DePIN.VirtualBoard.Feed;

/// <summary>Connects the simulated secure element.</summary>
public static class SecureElementWiring
{
    public const int Address = 0x60;
    public const string FileName = "atecc608.json";

    /// <exception cref="InvalidDataException">The file is not a chip's.</exception>
    public static void Connect(VirtualHardware hardware, string folder, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(hardware);
        ArgumentNullException.ThrowIfNull(time);
        long start = time.GetTimestamp();
        Atecc608Memory memory = Atecc608Memory.OpenFile(Path.Combine(folder, FileName));
        hardware.AttachI2c(BoardPins.I2cBus, Address, new SimulatedAtecc608(memory, () => time.GetElapsedTime(start).TotalMilliseconds));
    }
}
