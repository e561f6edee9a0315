namespace DePIN.VirtualBoard.Hardware;

/// <summary>What the simulated chip's pins can do. The numbers are generated from hardware/boards, for the board this is built for.</summary>
public static partial class ChipPins
{
    /// <summary>Whether the chip has that GPIO.</summary>
    public static bool Has(int gpio) => gpio is >= 0 and < Count && (Present >> gpio & 1) != 0;

    /// <summary>Whether that GPIO has an output driver and pull-ups.</summary>
    public static bool CanDrive(int gpio) => Has(gpio) && (InputOnly >> gpio & 1) == 0;
}
