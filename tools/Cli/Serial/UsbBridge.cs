namespace DePIN.Cli.Serial;

/// <summary>
/// What a USB vendor and product id say: the bridge between USB and UART, or that it is the chip's own USB. Ids are the vendors' own, as
/// the drivers of the Linux kernel list them (drivers/usb/serial: ch341.c, cp210x.c, ftdi_sio.c, pl2303.c) and Espressif's usb-pids.
/// </summary>
public sealed record UsbBridge(ushort VendorId, ushort ProductId, string Name, bool IsNative = false)
{
    public static IReadOnlyList<UsbBridge> All { get; } =
    [
        new(0x1a86, 0x7523, "CH340"),
        new(0x1a86, 0x5523, "CH341"),
        new(0x1a86, 0x55d3, "CH343"),
        new(0x1a86, 0x55d4, "CH9102"),
        new(0x10c4, 0xea60, "CP2102"),
        new(0x10c4, 0xea70, "CP2105"),
        new(0x0403, 0x6001, "FT232R"),
        new(0x0403, 0x6010, "FT2232"),
        new(0x0403, 0x6014, "FT232H"),
        new(0x0403, 0x6015, "FT231X"),
        new(0x067b, 0x2303, "PL2303"),
        new(0x303a, 0x1001, "Espressif USB Serial/JTAG", IsNative: true),
        new(0x303a, 0x0002, "Espressif ESP32-S2 USB", IsNative: true),
        new(0x303a, 0x4001, "Espressif USB CDC", IsNative: true),
    ];

    public static UsbBridge? Of(SerialPortInfo port)
    {
        ArgumentNullException.ThrowIfNull(port);
        return All.FirstOrDefault(bridge => bridge.VendorId == port.VendorId && bridge.ProductId == port.ProductId);
    }

    /// <summary>The boards whose socket is of this kind. A guess: bridges are sold on cables too.</summary>
    public IEnumerable<DePIN.Boards.Board> Boards(IEnumerable<DePIN.Boards.Board> boards) => boards.Where(board => HasNativeSocket(board) == IsNative);

    /// <summary>Whether the socket that flashes a board is the chip's own, in the words of hardware/boards.</summary>
    public static bool HasNativeSocket(DePIN.Boards.Board board)
    {
        ArgumentNullException.ThrowIfNull(board);
        return board.UsbSocket.Contains("the chip's own", StringComparison.Ordinal);
    }
}
