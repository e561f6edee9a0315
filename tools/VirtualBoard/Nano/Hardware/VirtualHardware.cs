// The board's hardware as a simulated thing: what is on the I2C buses, what the ADC pins see, which serial port leads where, whether
// there is a network. A board's threads inherit it (AsyncLocal), so several boards can run in one process without knowing each other.

namespace DePIN.VirtualBoard.Hardware;

/// <summary>One access point as the radio hears it.</summary>
public readonly record struct RadioNetwork(string Ssid, string Bssid, int SignalDbm);

/// <summary>One access point that can be joined; an empty password: an open network.</summary>
public readonly record struct AccessPoint(string Ssid, string Password, int SignalDbm = -60);

/// <summary>What became of joining a network.</summary>
public enum JoinAttempt
{
    Joined,
    WrongPassword,
    OutOfRange,
}

/// <summary>One simulated ESP32 board.</summary>
public sealed class VirtualHardware
{
    private static readonly AsyncLocal<VirtualHardware?> CurrentBoard = new();

    private readonly Dictionary<(int Bus, int Address), II2cPeripheral> _i2c = [];
    private readonly Dictionary<int, int> _i2cHz = [];
    private readonly Dictionary<int, Func<int>> _adc = [];
    private readonly Dictionary<string, ISerialLine> _serial = new(StringComparer.Ordinal);
    private readonly Dictionary<string, object> _openPorts = new(StringComparer.Ordinal);
    private readonly bool[] _gpio = new bool[ChipPins.Count];
    private readonly Dictionary<int, Action> _edges = [];
    private readonly HashSet<int> _heldI2c = [];
    private readonly HashSet<string> _pulled = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private string? _joinedSsid;
    private TimeSpan _wakeTimer;

    /// <summary>The board whose thread this is.</summary>
    /// <exception cref="InvalidOperationException">The firmware was started without a board.</exception>
    public static VirtualHardware Current =>
        CurrentBoard.Value ?? throw new InvalidOperationException("no virtual board: call VirtualHardware.PowerOn before the firmware starts");

    /// <summary>Whether a network is there: Wi-Fi can be joined, the time server answers, a gateway can be reached.</summary>
    public bool NetworkUp { get; set; } = true;

    /// <summary>What a Wi-Fi scan hears; a null list: the scan never ends; null: the board has no radio.</summary>
    public Func<IReadOnlyList<RadioNetwork>?>? Radio { get; set; } = () => [];

    /// <summary>
    /// The access points in range, which may change at any time. Null: the network is there without one (<see cref="NetworkUp"/> alone
    /// decides), and the configuration names one.
    /// </summary>
    public IReadOnlyList<AccessPoint>? AccessPoints { get; set; }

    /// <summary>The network in the board's configuration.</summary>
    public string OwnSsid { get; set; } = "";

    /// <summary>The password in the board's configuration.</summary>
    public string OwnPassword { get; set; } = "";

    /// <summary>Called with name and password when the board's configuration is saved, so that it may outlive this object.</summary>
    public Action<string, string>? WifiSaved { get; set; }

    /// <summary>The name the board gives to DHCP.</summary>
    public string HostName { get; set; } = "";

    /// <summary>While it is reset, joining a network does not come to an end.</summary>
    public ManualResetEventSlim JoinGate { get; } = new(true);

    /// <summary>The clock of what the chip itself times, such as debouncing.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>What the RTC says, UTC: TLS judges certificates by it. A board without a clock says 1970 after power-on.</summary>
    public Func<DateTime> WallClock { get; set; } = static () => DateTime.UtcNow;

    /// <summary>Whether the radio is on.</summary>
    public bool RadioWorks { get; set; } = true;

    /// <summary>Whether the chip's image tells what woke it: those for chips without EXT wake-up (ESP32-C3) do not.</summary>
    public bool TellsWakeupCause { get; set; } = true;

    /// <summary>Whether the timer woke the chip from deep sleep; false after power-on and reset.</summary>
    public bool WokeByTimer { get; private set; }

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

    /// <summary>Holds SDA of a bus low, or lets it go: nothing gets through and every transfer ends in the driver's time-out.</summary>
    public void HoldI2c(int bus, bool isHeld)
    {
        lock (_gate)
        {
            if (isHeld)
            {
                _heldI2c.Add(bus);
            }
            else
            {
                _heldI2c.Remove(bus);
            }
        }
    }

    /// <summary>Transfers that were tried on all buses, acknowledged or not.</summary>
    public int I2cTransfers { get; private set; }

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
        Action? edge = null;
        lock (_gate)
        {
            if (_gpio[pin] != isHigh)
            {
                _gpio[pin] = isHigh;
                edge = _edges.GetValueOrDefault(pin);
            }
        }

        edge?.Invoke();
    }

    /// <summary>What the chip's interrupt does at each edge of a pin; null: nothing any more.</summary>
    internal void OnEdge(int pin, Action? interrupt)
    {
        lock (_gate)
        {
            _edges.Remove(pin);
            if (interrupt is not null)
            {
                _edges[pin] = interrupt;
            }
        }
    }

    /// <summary>What a serial port's pins are connected to.</summary>
    public void AttachSerial(string portName, ISerialLine line)
    {
        lock (_gate)
        {
            _serial[portName] = line;
        }
    }

    /// <summary>A reset of the chip: no port is open, no pin has an interrupt, and the radio joins what the configuration says.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            _openPorts.Clear();
            _edges.Clear();
            _joinedSsid = TryJoin(OwnSsid, OwnPassword) == JoinAttempt.Joined ? OwnSsid : null;
        }

        WokeByTimer = false;
    }

    /// <summary>The port fails once, as when its cable is pulled: whoever has it open is told by an exception and may open it again.</summary>
    public void PullSerial(string portName)
    {
        lock (_gate)
        {
            _pulled.Add(portName);
        }
    }

    internal bool TakePull(string portName)
    {
        lock (_gate)
        {
            return _pulled.Remove(portName);
        }
    }

    /// <summary>What the radio does by itself: it joins the network of the configuration when that comes into range.</summary>
    internal void JoinAgain()
    {
        lock (_gate)
        {
            if (_joinedSsid is null && OwnSsid.Length > 0 && TryJoin(OwnSsid, OwnPassword) == JoinAttempt.Joined)
            {
                _joinedSsid = OwnSsid;
            }
        }
    }

    internal string ConfiguredSsid => AccessPoints is null && OwnSsid.Length == 0 ? "virtual" : OwnSsid;

    /// <summary>Whether the board has a network and an address in it.</summary>
    public bool HasAddress
    {
        get
        {
            lock (_gate)
            {
                return NetworkUp && (AccessPoints is null || AccessPoints.Any(point => point.Ssid == _joinedSsid));
            }
        }
    }

    internal JoinAttempt JoinWifi(string ssid, string password)
    {
        JoinGate.Wait();
        lock (_gate)
        {
            JoinAttempt attempt = TryJoin(ssid, password);
            _joinedSsid = attempt == JoinAttempt.Joined ? ssid : null;
            return attempt;
        }
    }

    internal void LeaveWifi()
    {
        lock (_gate)
        {
            _joinedSsid = null;
        }
    }

    internal void ConfigureWifi(string ssid, string password)
    {
        OwnSsid = ssid;
        OwnPassword = password;
        WifiSaved?.Invoke(ssid, password);
    }

    internal IReadOnlyList<RadioNetwork>? HearWifi() => AccessPoints is { } points
        ? [.. points.Select((point, index) => new RadioNetwork(point.Ssid, $"02:00:00:00:00:{index:x2}", point.SignalDbm))]
        : Radio?.Invoke();

    private JoinAttempt TryJoin(string ssid, string password)
    {
        if (AccessPoints is null)
        {
            return JoinAttempt.Joined;
        }

        IEnumerable<AccessPoint> heard = AccessPoints.Where(point => point.Ssid == ssid);
        return !heard.Any() ? JoinAttempt.OutOfRange
            : heard.Any(point => point.Password == password) ? JoinAttempt.Joined : JoinAttempt.WrongPassword;
    }

    /// <summary>The timer is over: the chip starts, and knows why.</summary>
    public void Wake()
    {
        Reset();
        WokeByTimer = true;
    }

    /// <summary>The timer that wakes the chip; false when the RTC cannot count that.</summary>
    internal bool SetWakeTimer(TimeSpan time)
    {
        _wakeTimer = time > TimeSpan.Zero ? time : TimeSpan.Zero;
        return time > TimeSpan.Zero;
    }

    internal VirtualDeepSleepException BeginDeepSleep() => new(_wakeTimer);

    /// <summary>False when a line of the bus is held low.</summary>
    internal bool BeginI2c(int bus)
    {
        lock (_gate)
        {
            I2cTransfers++;
            return !_heldI2c.Contains(bus);
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

    internal ISerialLine? FindSerial(string portName)
    {
        lock (_gate)
        {
            return _serial.GetValueOrDefault(portName);
        }
    }

    /// <summary>A UART is one thing: the second who opens it is refused.</summary>
    internal bool TryTakePort(string portName, object owner)
    {
        lock (_gate)
        {
            return _openPorts.TryAdd(portName, owner) || ReferenceEquals(_openPorts[portName], owner);
        }
    }

    internal void ReleasePort(string portName, object owner)
    {
        lock (_gate)
        {
            if (_openPorts.TryGetValue(portName, out object? holder) && ReferenceEquals(holder, owner))
            {
                _openPorts.Remove(portName);
            }
        }
    }
}
