// The board's hardware as a simulated thing: what is on the I2C buses, what the ADC pins see, which serial port leads where, whether
// there is a network. A board's threads inherit it (AsyncLocal), so several boards can run in one process without knowing each other.

namespace DePIN.VirtualBoard.Hardware;

/// <summary>One simulated ESP32 board.</summary>
public sealed class VirtualHardware
{
    /// <summary>GPIO 0 to 39.</summary>
    public const int GpioPins = 40;

    /// <summary>From this number on a pin has no output driver (ESP32 datasheet 2.2).</summary>
    public const int GpioInputOnlyFrom = 34;

    private static readonly AsyncLocal<VirtualHardware?> CurrentBoard = new();

    private readonly Dictionary<(int Bus, int Address), II2cPeripheral> _i2c = [];
    private readonly Dictionary<int, int> _i2cHz = [];
    private readonly Dictionary<int, Func<int>> _adc = [];
    private readonly Dictionary<string, PseudoTerminal> _serial = new(StringComparer.Ordinal);
    private readonly bool[] _gpio = new bool[GpioPins];
    private readonly Lock _gate = new();

    /// <summary>The board whose thread this is.</summary>
    /// <exception cref="InvalidOperationException">The firmware was started without a board.</exception>
    public static VirtualHardware Current =>
        CurrentBoard.Value ?? throw new InvalidOperationException("no virtual board: call VirtualHardware.PowerOn before the firmware starts");

    /// <summary>Whether a network is there: Wi-Fi can be joined, the time server answers, a gateway can be reached.</summary>
    public bool NetworkUp { get; set; } = true;

    /// <summary>Whether the radio is on.</summary>
    public bool RadioWorks { get; set; } = true;

    /// <summary>Lets the calling thread, and the threads it starts, run on this board.</summary>
    public void PowerOn() => CurrentBoard.Value = this;

    /// <summary>Puts a peripheral on a bus; replaces what had that address.</summary>
    public void AttachI2c(int bus, int address, II2cPeripheral peripheral)
    {
        lock (_gate)
        {
            _i2c[(bus, address)] = peripheral;
        }
    }

    /// <summary>Pulls a peripheral off the bus: from now on nobody acknowledges its address.</summary>
    public void DetachI2c(int bus, int address)
    {
        lock (_gate)
        {
            _i2c.Remove((bus, address));
        }
    }

    /// <summary>What an ADC channel converts, 0 to 4,095.</summary>
    public void AttachAdc(int channel, Func<int> read)
    {
        lock (_gate)
        {
            _adc[channel] = read;
        }
    }

    /// <summary>The level of a pin: what the board drives, or what a test does.</summary>
    public bool ReadGpio(int pin)
    {
        lock (_gate)
        {
            return _gpio[pin];
        }
    }

    /// <summary>Sets the level of a pin, from either side.</summary>
    public void DriveGpio(int pin, bool isHigh)
    {
        lock (_gate)
        {
            _gpio[pin] = isHigh;
        }
    }

    /// <summary>What a serial port's pins are connected to.</summary>
    public void AttachSerial(string portName, PseudoTerminal terminal)
    {
        lock (_gate)
        {
            _serial[portName] = terminal;
        }
    }

    internal II2cPeripheral? FindI2c(int bus, int address)
    {
        lock (_gate)
        {
            return _i2c.GetValueOrDefault((bus, address));
        }
    }

    /// <summary>The clock of a bus.</summary>
    public int I2cHertz(int bus)
    {
        lock (_gate)
        {
            return _i2cHz.GetValueOrDefault(bus, 100_000);
        }
    }

    internal void SetI2cSpeed(int bus, int hertz)
    {
        lock (_gate)
        {
            _i2cHz[bus] = hertz;
        }
    }

    // Address 0 is clocked out: the data line is low for that many bits.
    internal void CallAllOnI2c(int bus, int bits)
    {
        II2cPeripheral[] all;
        int lowUs;
        lock (_gate)
        {
            all = [.. _i2c.Where(entry => entry.Key.Bus == bus).Select(entry => entry.Value)];
            lowUs = bits * 1_000_000 / _i2cHz.GetValueOrDefault(bus, 100_000);
        }

        foreach (II2cPeripheral peripheral in all)
        {
            peripheral.GeneralCall(lowUs);
        }
    }

    internal int ReadAdc(int channel)
    {
        lock (_gate)
        {
            return _adc.TryGetValue(channel, out Func<int>? read) ? Math.Clamp(read(), 0, 4095) : 0;
        }
    }

    internal PseudoTerminal? FindSerial(string portName)
    {
        lock (_gate)
        {
            return _serial.GetValueOrDefault(portName);
        }
    }
}
