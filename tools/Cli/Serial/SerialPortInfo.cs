using System.Globalization;

namespace DePIN.Cli.Serial;

/// <summary>A serial port of this computer and the USB device it belongs to, as far as the system says.</summary>
/// <param name="Path">What is opened: /dev/ttyUSB0, /dev/cu.usbmodem1101, COM3.</param>
/// <param name="ById">A path that stays when the port's number changes; Linux only.</param>
/// <param name="Location">The USB socket, as 1-1.4: where it is plugged in.</param>
public sealed record SerialPortInfo(
    string Path, string? ById = null, ushort? VendorId = null, ushort? ProductId = null, string? SerialNumber = null, string? Product = null, string? Manufacturer = null, string? Location = null)
{
    /// <summary>VID:PID as they are written everywhere, or null when it is no USB device.</summary>
    public string? UsbId => VendorId is { } vendor && ProductId is { } product ? string.Create(CultureInfo.InvariantCulture, $"{vendor:x4}:{product:x4}") : null;

    /// <summary>Whether another port is the same USB device after it was enumerated anew: by its serial number, else by its socket.</summary>
    public bool IsSameDevice(SerialPortInfo other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (UsbId is null || UsbId != other.UsbId)
        {
            return UsbId is null && other.UsbId is null && Path == other.Path;
        }

        return SerialNumber is not null && SerialNumber == other.SerialNumber
            ? Location is null || other.Location is null || Location == other.Location || !IsUnnumbered(SerialNumber)
            : Location is not null && Location == other.Location;
    }

    /// <summary>Cheap bridges all say the same: CP2102 ships with 0001.</summary>
    private static bool IsUnnumbered(string serial) => serial.Trim('0') is "" or "1";
}
