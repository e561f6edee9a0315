using System.Globalization;

namespace DePIN.Boards;

/// <summary>
/// What a chip has, whatever board it is on. GPIO numbers, strapping, flash and USB pins are those of Espressif's ESP-IDF programming
/// guide, "GPIO and RTC GPIO" of each chip, and of the chip's data sheet, "Strapping Pins"; UARTs, I2C buses and ADC1 channels are
/// those that nanoFramework's runtime maps (nf-interpreter, targets/ESP32/_common/*_DeviceMapping.cpp). UART0's pins are its debug
/// protocol's (targets/ESP32/_include/WireProtocol_Uart_Pins.h): always on the ESP32, on the others whenever no USB host is there at boot.
/// </summary>
public sealed class Chip
{
    /// <summary>The port of the runtime's debug protocol: UART0.</summary>
    public const string RuntimePort = "COM1";

    private static readonly Chip[] All =
    [
        new("ESP32", gpios: "0-19,21-23,25-27,32-39", inputOnly: "34-39", strapping: "0,2,5,12,15", flash: "6-11", usb: "", uarts: 3, i2cBuses: 2,
            runtimeTransmit: 1, runtimeReceive: 3, adc1: [36, 37, 38, 39, 32, 33, 34, 35], bootloaderOffset: 0x1000),
        new("ESP32-S3", gpios: "0-21,26-48", inputOnly: "", strapping: "0,3,45,46", flash: "26-32", usb: "19,20", uarts: 3, i2cBuses: 2,
            runtimeTransmit: 43, runtimeReceive: 44, adc1: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], bootloaderOffset: 0),
        new("ESP32-C3", gpios: "0-21", inputOnly: "", strapping: "2,8,9", flash: "11-17", usb: "18,19", uarts: 2, i2cBuses: 1,
            runtimeTransmit: 21, runtimeReceive: 20, adc1: [0, 1, 2, 3, 4], bootloaderOffset: 0),
        new("ESP32-C6", gpios: "0-30", inputOnly: "", strapping: "4,5,8,9,15", flash: "24-30", usb: "12,13", uarts: 2, i2cBuses: 1,
            runtimeTransmit: 16, runtimeReceive: 17, adc1: [0, 1, 2, 3, 4, 5, 6], bootloaderOffset: 0),
    ];

    private Chip(string name, string gpios, string inputOnly, string strapping, string flash, string usb, int uarts, int i2cBuses, int runtimeTransmit, int runtimeReceive, int[] adc1,
        int bootloaderOffset)
    {
        Name = name;
        Gpios = Set(gpios);
        InputOnly = Set(inputOnly);
        Strapping = Set(strapping);
        Flash = Set(flash);
        Usb = Set(usb);
        Uarts = uarts;
        I2cBuses = i2cBuses;
        RuntimeTransmit = runtimeTransmit;
        RuntimeReceive = runtimeReceive;
        Adc1 = adc1;
        BootloaderOffset = bootloaderOffset;
    }

    /// <summary>The names of all chips, for error messages.</summary>
    public static IEnumerable<string> Names => All.Select(chip => chip.Name);

    public string Name { get; }

    public IReadOnlySet<int> Gpios { get; }

    /// <summary>Without an output driver and without pull-ups.</summary>
    public IReadOnlySet<int> InputOnly { get; }

    /// <summary>Read at reset: a wrong level there keeps the chip from booting.</summary>
    public IReadOnlySet<int> Strapping { get; }

    /// <summary>Of the flash memory: touching one stops the program.</summary>
    public IReadOnlySet<int> Flash { get; }

    /// <summary>Of the built-in USB serial port.</summary>
    public IReadOnlySet<int> Usb { get; }

    /// <summary>COM1 to COMn of the runtime.</summary>
    public int Uarts { get; }

    public int I2cBuses { get; }

    public int RuntimeTransmit { get; }

    public int RuntimeReceive { get; }

    /// <summary>The GPIO of each ADC1 channel, from channel 0. ADC2 is not listed: it does not work beside Wi-Fi.</summary>
    public IReadOnlyList<int> Adc1 { get; }

    public int BootloaderOffset { get; }

    /// <summary>The chip of that name, or null.</summary>
    public static Chip? Find(string name) => Array.Find(All, chip => chip.Name == name);

    private static HashSet<int> Set(string ranges)
    {
        HashSet<int> numbers = [];
        foreach (string range in ranges.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            int[] ends = [.. range.Split('-').Select(end => int.Parse(end, CultureInfo.InvariantCulture))];
            numbers.UnionWith(Enumerable.Range(ends[0], ends[^1] - ends[0] + 1));
        }

        return numbers;
    }
}
