// System.Device.Gpio of nanoFramework 1.x, as much as the firmware uses: pins are levels that the virtual hardware keeps, so a test
// sees what the board drives and drives what the board reads.

using DePIN.VirtualBoard.Hardware;

namespace System.Device.Gpio;

public enum PinMode
{
    Input = 0,
    InputPullDown = 1,
    InputPullUp = 2,
    Output = 3,
}

[Flags]
public enum PinEventTypes
{
    None = 0,
    Rising = 1,
    Falling = 2,
}

public class PinValueChangedEventArgs(PinEventTypes changeType, int pinNumber)
{
    public PinEventTypes ChangeType { get; } = changeType;

    public int PinNumber { get; } = pinNumber;
}

public delegate void PinValueChangedEventHandler(object sender, PinValueChangedEventArgs e);

public readonly struct PinValue : IEquatable<PinValue>
{
    private readonly bool _isHigh;

    private PinValue(bool isHigh) => _isHigh = isHigh;

    public static PinValue High => new(true);

    public static PinValue Low => new(false);

    public static implicit operator PinValue(bool value) => new(value);

    public static implicit operator PinValue(int value) => new(value != 0);

    public static explicit operator bool(PinValue value) => value._isHigh;

    public static explicit operator int(PinValue value) => value._isHigh ? 1 : 0;

    public static bool operator ==(PinValue a, PinValue b) => a.Equals(b);

    public static bool operator !=(PinValue a, PinValue b) => !a.Equals(b);

    public bool Equals(PinValue other) => _isHigh == other._isHigh;

    public override bool Equals(object? obj) => obj is PinValue other && Equals(other);

    public override int GetHashCode() => _isHigh ? 1 : 0;

    public override string ToString() => _isHigh ? "High" : "Low";
}

public sealed class GpioController : IDisposable
{
    private readonly VirtualHardware _hardware = VirtualHardware.Current;

    /// <summary>The highest GPIO number and one; not every number below it is a pin.</summary>
    public int PinCount => ChipPins.Count;

    public GpioPin OpenPin(int pinNumber)
    {
        if (!ChipPins.Has(pinNumber))
        {
            throw new ArgumentException($"the {ChipPins.Name} has no GPIO {pinNumber}", nameof(pinNumber));
        }

        return new GpioPin(_hardware, pinNumber);
    }

    public GpioPin OpenPin(int pinNumber, PinMode mode)
    {
        GpioPin pin = OpenPin(pinNumber);
        pin.SetPinMode(mode);
        return pin;
    }

    public void Dispose()
    {
    }
}

public sealed class GpioPin : IDisposable
{
    private readonly VirtualHardware _hardware;
    private readonly Lock _gate = new();
    private PinMode _mode;
    private PinValueChangedEventHandler? _changed;
    private ITimer? _debounce;
    private bool _expected;

    internal GpioPin(VirtualHardware hardware, int number)
    {
        _hardware = hardware;
        PinNumber = number;
    }

    /// <summary>
    /// Raised at an edge. With a debounce time the chip looks at the level once, that long after the first edge, and raises the event
    /// only when the level is the other one than at the event before: what nanoFramework's driver of the ESP32 does.
    /// </summary>
    public event PinValueChangedEventHandler ValueChanged
    {
        add
        {
            lock (_gate)
            {
                _changed += value;
                _expected = !_hardware.ReadGpio(PinNumber);
                _hardware.OnEdge(PinNumber, Interrupt);
            }
        }

        remove
        {
            lock (_gate)
            {
                _changed -= value;
                if (_changed is null)
                {
                    _hardware.OnEdge(PinNumber, null);
                }
            }
        }
    }

    public TimeSpan DebounceTimeout { get; set; }

    public int PinNumber { get; }

    public PinMode GetPinMode() => _mode;

    public void SetPinMode(PinMode value)
    {
        if (value is PinMode.Output or PinMode.InputPullUp && !ChipPins.CanDrive(PinNumber))
        {
            throw new ArgumentException($"GPIO {PinNumber} of the {ChipPins.Name} is input only, without pull-up");
        }

        _mode = value;
        if (value == PinMode.InputPullUp)
        {
            _hardware.DriveGpio(PinNumber, true);
        }
    }

    public PinValue Read() => _hardware.ReadGpio(PinNumber);

    public void Write(PinValue value)
    {
        if (_mode != PinMode.Output)
        {
            throw new InvalidOperationException($"GPIO {PinNumber} is not an output");
        }

        _hardware.DriveGpio(PinNumber, (bool)value);
    }

    public void Toggle() => Write(!(bool)Read());

    public void Dispose() => _hardware.OnEdge(PinNumber, null);

    private void Interrupt()
    {
        lock (_gate)
        {
            if (DebounceTimeout > TimeSpan.Zero)
            {
                _debounce ??= _hardware.Time.CreateTimer(_ => Settle(), null, DebounceTimeout, Timeout.InfiniteTimeSpan);
                return;
            }
        }

        Raise(_hardware.ReadGpio(PinNumber));
    }

    private void Settle()
    {
        bool level = _hardware.ReadGpio(PinNumber);
        bool isNew;
        lock (_gate)
        {
            _debounce?.Dispose();
            _debounce = null;
            isNew = level == _expected;
            _expected = isNew ? !level : _expected;
        }

        if (isNew)
        {
            Raise(level);
        }
    }

    private void Raise(bool level) => _changed?.Invoke(this, new PinValueChangedEventArgs(level ? PinEventTypes.Rising : PinEventTypes.Falling, PinNumber));
}
