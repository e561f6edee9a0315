namespace DePIN.Boards;

/// <summary>How far a board has come. Nothing here was ever run on a part until somebody writes "run".</summary>
public enum BoardState
{
    /// <summary>The data is there and checked, the firmware's tests pass with its pins when somebody runs them by hand.</summary>
    Described,

    /// <summary>All firmware tests run with its pins on the virtual board; never on the part.</summary>
    Simulated,

    /// <summary>It ran on the part.</summary>
    Run,
}

/// <summary>What lights up on a pin.</summary>
public enum LedKind
{
    None,

    /// <summary>A level lights it.</summary>
    Plain,

    /// <summary>A WS2812 or alike: it takes a bit stream, a level does nothing.</summary>
    Addressable,
}

/// <summary>A hole or pin of a header: what is printed beside it, and the GPIO behind it, if one is.</summary>
public sealed record HeaderPin(string Label, int? Gpio);

/// <summary>A row of pins, from the top as the board lies in the picture (antenna or USB as the source draws it).</summary>
public sealed record Header(string Name, bool IsLeft, IReadOnlyList<HeaderPin> Pins);

/// <summary>A piece of the flash memory. Offset and length in bytes.</summary>
public sealed record Partition(string Name, int Offset, int Bytes)
{
    public int End => Offset + Bytes;
}

/// <summary>A GPIO that something on the board has, and what.</summary>
public sealed record Reserved(int Gpio, string Why);

/// <summary>Here and below: Why is for strapping pins alone, why the chip still boots; a Note is for everything else.</summary>
public sealed record I2cBus(int Bus, int Data, int Clock, int SpeedHz, string? Why, string? Note);

/// <summary>A serial port (COM2 is UART1) and its pins, named from the board's side.</summary>
public sealed record SerialLine(string Port, int Transmit, int Receive, int? Baud, string? Why, string? Note);

/// <summary>Pins a pulse counter may use, from and to.</summary>
public sealed record PulseInput(int PinMin, int PinMax, string? Why, string? Note);

/// <summary>A divider on an ADC1 pin: battery voltage × permille / 1000 = pin voltage.</summary>
public sealed record Battery(int Pin, int AdcChannel, int DividerPermille, int FullScaleMillivolt, string? Why, string? Note);

public sealed record Led(LedKind Kind, int? Pin, string? Why, string? Note);

/// <summary>A button to ground.</summary>
public sealed record Button(int Pin, string Name, string? Why, string? Note);

/// <summary>A sensor the firmware looks for: at an I2C address, or where a setting says.</summary>
public sealed record Sensor(string Name, int? Address, string? Setting);

/// <summary>Where a fact is from: what it is of (pins, chip, target, flash), the document, its address.</summary>
public sealed record Source(string Of, string Document, string At);

/// <summary>Another nanoFramework image for some parts of the same board.</summary>
public sealed record OtherTarget(string Target, string When);

/// <summary>Everything that is known of a board: one file hardware/boards/NAME.json, checked by <see cref="BoardRules"/>.</summary>
public sealed record Board
{
    public required string Name { get; init; }

    public required string Title { get; init; }

    public required Chip Chip { get; init; }

    public required BoardState State { get; init; }

    /// <summary>The image of nanoff --target.</summary>
    public required string NanoTarget { get; init; }

    public OtherTarget? OtherTarget { get; init; }

    /// <summary>The socket that flashes it, and whose port it is.</summary>
    public required string UsbSocket { get; init; }

    public required int FlashBytes { get; init; }

    public required IReadOnlyList<Partition> Partitions { get; init; }

    public required string DriveRoot { get; init; }

    public required string DrivePartition { get; init; }

    public required IReadOnlyList<Header> Headers { get; init; }

    public required IReadOnlyList<Reserved> Reserved { get; init; }

    public required I2cBus I2c { get; init; }

    public required SerialLine Provisioning { get; init; }

    /// <summary>The UART left for a sensor; null: the chip has no third one, or its pins are used up.</summary>
    public SerialLine? SensorUart { get; init; }

    public PulseInput? PulseInput { get; init; }

    public Battery? Battery { get; init; }

    /// <summary>The light that the firmware drives: plain, on a pin, with a resistor to ground.</summary>
    public required Led StatusLed { get; init; }

    /// <summary>The light that is on the board. The firmware drives it only where it is the status LED.</summary>
    public required Led OnBoardLed { get; init; }

    public Button? Button { get; init; }

    public required IReadOnlyList<Sensor> Sensors { get; init; }

    /// <summary>What a person must know before wiring, one sentence each.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    public required IReadOnlyList<Source> Sources { get; init; }

    /// <summary>The partition that is the drive.</summary>
    public Partition Drive => Partitions.First(partition => partition.Name == DrivePartition);

    /// <summary>The pins that have a function, by the function's name: what the wires of the reference node go to.</summary>
    public IEnumerable<PinUse> Uses
    {
        get
        {
            yield return new("i2c.data", I2c.Data, I2c.Why, Drives: true);
            yield return new("i2c.clock", I2c.Clock, I2c.Why, Drives: true);
            yield return new("provisioning.transmit", Provisioning.Transmit, Provisioning.Why, Drives: true);
            yield return new("provisioning.receive", Provisioning.Receive, Provisioning.Why);
            if (StatusLed.Pin is { } led)
            {
                yield return new("statusLed", led, StatusLed.Why, Drives: true);
            }

            if (Battery is { } battery)
            {
                yield return new("battery", battery.Pin, battery.Why);
            }

            if (SensorUart is { } uart)
            {
                yield return new("sensorUart.transmit", uart.Transmit, uart.Why, Drives: true);
                yield return new("sensorUart.receive", uart.Receive, uart.Why);
            }

            if (PulseInput is { } pulse)
            {
                for (int pin = pulse.PinMin; pin <= pulse.PinMax && pin < pulse.PinMin + 64; pin++)
                {
                    yield return new($"pulseInput.{pin}", pin, pulse.Why);
                }
            }
        }
    }

    /// <summary>The header pin of a GPIO, or null when it is on none.</summary>
    public HeaderPin? PinOf(int gpio) => Headers.SelectMany(header => header.Pins).FirstOrDefault(pin => pin.Gpio == gpio);
}

/// <summary>A function of the firmware on a GPIO.</summary>
/// <param name="Why">Why there, needed where the pin is a strapping pin.</param>
/// <param name="Drives">Whether the board drives the pin.</param>
public sealed record PinUse(string Function, int Gpio, string? Why, bool Drives = false);
