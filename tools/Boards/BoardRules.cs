using System.Text.RegularExpressions;

namespace DePIN.Boards;

/// <summary>What must be true of a board besides its shape. Every broken rule is named, not only the first.</summary>
public static partial class BoardRules
{
    /// <summary>nanoFramework needs 4 MB.</summary>
    public const int FlashBytesMin = 4 * 1024 * 1024;

    public const int I2cSpeedHzMax = 1_000_000;

    private const int SectorBytes = 4096;
    private const int ApplicationAlignment = 65536;

    /// <summary>Below it are the bootloader and the partition table (at 0x8000, one sector).</summary>
    private const int PartitionOffsetMin = 0x9000;

    private const int AddressMin = 0x08;
    private const int AddressMax = 0x77;

    private static readonly string[] SourcesNeeded = ["pins", "chip", "target", "flash"];

    public static void Check(Board board, string fileName, List<string> problems)
    {
        ArgumentNullException.ThrowIfNull(board);
        ArgumentNullException.ThrowIfNull(problems);
        void Problem(string text) => problems.Add($"{fileName}.json: {text}");
        CheckNames(board, fileName, Problem);
        CheckHeaders(board, Problem);
        CheckPins(board, Problem);
        CheckSerial(board, Problem);
        CheckLeds(board, Problem);
        CheckAnalog(board, Problem);
        CheckFlash(board, Problem);
        CheckSources(board, Problem);
    }

    private static void CheckNames(Board board, string fileName, Action<string> problem)
    {
        if (!BoardName().IsMatch(board.Name))
        {
            problem($"name '{board.Name}' has other characters than a-z, 0-9 and single hyphens");
        }

        if (board.Name != fileName)
        {
            problem($"name is {board.Name}, the file's is {fileName}: they must be the same");
        }

        if (!TargetName().IsMatch(board.NanoTarget))
        {
            problem($"nanoTarget '{board.NanoTarget}' is no name of a nanoFramework image");
        }
    }

    private static void CheckHeaders(Board board, Action<string> problem)
    {
        foreach (HeaderPin pin in board.Headers.SelectMany(header => header.Pins).Where(pin => pin.Gpio is { } gpio && !board.Chip.Gpios.Contains(gpio)))
        {
            problem($"headers: {pin.Label} is GPIO{pin.Gpio}, which the {board.Chip.Name} does not have");
        }

        foreach (IGrouping<int?, HeaderPin> twice in board.Headers.SelectMany(header => header.Pins).Where(pin => pin.Gpio is not null).GroupBy(pin => pin.Gpio).Where(pins => pins.Count() > 1))
        {
            problem($"headers: GPIO{twice.Key} is there twice: {string.Join(", ", twice.Select(pin => pin.Label))}");
        }

        foreach (string power in (string[])["3V3", "GND"])
        {
            if (!board.Headers.SelectMany(header => header.Pins).Any(pin => pin.Gpio is null && pin.Label == power))
            {
                problem($"headers: no pin is labelled {power}");
            }
        }
    }

    private static void CheckPins(Board board, Action<string> problem)
    {
        List<PinUse> uses = [.. board.Uses];
        if (board.Button is { } button)
        {
            uses.Add(new PinUse("button", button.Pin, button.Why));
        }

        if (board.OnBoardLed is { Kind: not LedKind.None, Pin: { } led } && led != board.StatusLed.Pin)
        {
            uses.Add(new PinUse("onBoardLed", led, board.OnBoardLed.Why));
        }

        foreach (PinUse use in uses)
        {
            CheckPin(board, use, uses, problem);
        }

        foreach (IGrouping<int, PinUse> twice in uses.GroupBy(use => use.Gpio).Where(group => group.Count() > 1))
        {
            problem($"GPIO{twice.Key} is used twice: {string.Join(", ", twice.Select(use => use.Function))}");
        }

        foreach (Reserved reserved in board.Reserved.Where(reserved => !board.Chip.Gpios.Contains(reserved.Gpio)))
        {
            problem($"reserved: the {board.Chip.Name} has no GPIO{reserved.Gpio}");
        }

        if (board.PulseInput is { } pulse && pulse.PinMax < pulse.PinMin)
        {
            problem($"pulseInput: pinMax {pulse.PinMax} is below pinMin {pulse.PinMin}");
        }
    }

    private static void CheckPin(Board board, PinUse use, List<PinUse> uses, Action<string> problem)
    {
        Chip chip = board.Chip;
        if (!chip.Gpios.Contains(use.Gpio))
        {
            problem($"{use.Function}: the {chip.Name} has no GPIO{use.Gpio}");
            return;
        }

        if (chip.Flash.Contains(use.Gpio))
        {
            problem($"{use.Function}: GPIO{use.Gpio} belongs to the flash memory");
        }

        if (chip.Usb.Contains(use.Gpio))
        {
            problem($"{use.Function}: GPIO{use.Gpio} belongs to the USB port");
        }

        if (use.Gpio == chip.RuntimeTransmit || use.Gpio == chip.RuntimeReceive)
        {
            problem($"{use.Function}: GPIO{use.Gpio} is UART0, {Chip.RuntimePort}, which belongs to the runtime's debug protocol");
        }

        if (board.Reserved.FirstOrDefault(reserved => reserved.Gpio == use.Gpio) is { } taken)
        {
            problem($"{use.Function}: GPIO{use.Gpio} is taken on this board: {taken.Why}");
        }

        if (use.Drives && chip.InputOnly.Contains(use.Gpio))
        {
            problem($"{use.Function}: GPIO{use.Gpio} is input only");
        }

        if (use.Function.StartsWith("pulseInput", StringComparison.Ordinal) && chip.InputOnly.Contains(use.Gpio))
        {
            problem($"{use.Function}: GPIO{use.Gpio} has no pull-up");
        }

        if (chip.Strapping.Contains(use.Gpio) && use.Why is null)
        {
            problem($"{use.Function}: GPIO{use.Gpio} is a strapping pin of the {chip.Name}: say in 'why' that the chip still boots and can be flashed");
        }

        if (!chip.Strapping.Contains(use.Gpio) && use.Why is not null && !uses.Any(other => other.Why == use.Why && chip.Strapping.Contains(other.Gpio)))
        {
            problem($"{use.Function}: GPIO{use.Gpio} is no strapping pin of the {chip.Name}: a 'why' is for those, say it in 'note'");
        }

        if (board.PinOf(use.Gpio) is null && use.Function is not ("button" or "onBoardLed") && !(use.Function == "statusLed" && board.OnBoardLed.Pin == use.Gpio))
        {
            problem($"{use.Function}: GPIO{use.Gpio} is on no header: nothing can be wired to it");
        }
    }

    private static void CheckSerial(Board board, Action<string> problem)
    {
        foreach ((string name, SerialLine? line) in ((string, SerialLine?)[])[("provisioning", board.Provisioning), ("sensorUart", board.SensorUart)])
        {
            if (line is null)
            {
                continue;
            }

            string[] ports = [.. Enumerable.Range(1, board.Chip.Uarts).Select(number => $"COM{number}")];
            if (line.Port == Chip.RuntimePort)
            {
                problem($"{name}: {Chip.RuntimePort} belongs to the runtime's debug protocol");
            }
            else if (!ports.Contains(line.Port))
            {
                problem($"{name}: the {board.Chip.Name} has no {line.Port}, only {string.Join(", ", ports)}");
            }

            if (line.Baud is { } baud and (< 9_600 or > 921_600))
            {
                problem($"{name}: baud {baud} is not from 9600 to 921600");
            }
        }

        if (board.SensorUart is { } sensor && sensor.Port == board.Provisioning.Port)
        {
            problem($"sensorUart: {sensor.Port} is the provisioning port already");
        }

        if (board.I2c.Bus < 1 || board.I2c.Bus > board.Chip.I2cBuses)
        {
            problem($"i2c: the {board.Chip.Name} has no bus {board.I2c.Bus}, only 1 to {board.Chip.I2cBuses}");
        }

        if (board.I2c.SpeedHz is < 10_000 or > I2cSpeedHzMax)
        {
            problem($"i2c: speedHz {board.I2c.SpeedHz} is not from 10000 to {I2cSpeedHzMax}");
        }
    }

    private static void CheckLeds(Board board, Action<string> problem)
    {
        if (board.StatusLed.Kind != LedKind.Plain || board.StatusLed.Pin is null)
        {
            problem("statusLed: the firmware drives a plain LED on a pin, no other kind: wire one");
        }

        if (board.OnBoardLed.Kind == LedKind.None != board.OnBoardLed.Pin is null)
        {
            problem("onBoardLed: a LED has a pin, and no LED has none");
        }
    }

    private static void CheckAnalog(Board board, Action<string> problem)
    {
        if (board.Battery is not { } battery)
        {
            return;
        }

        if (battery.AdcChannel >= board.Chip.Adc1.Count)
        {
            problem($"battery: ADC1 of the {board.Chip.Name} has no channel {battery.AdcChannel}, only 0 to {board.Chip.Adc1.Count - 1}");
        }
        else if (board.Chip.Adc1[battery.AdcChannel] != battery.Pin)
        {
            problem($"battery: ADC1 channel {battery.AdcChannel} of the {board.Chip.Name} is GPIO{board.Chip.Adc1[battery.AdcChannel]}, not GPIO{battery.Pin}");
        }

        if (battery.DividerPermille is < 1 or > 1000)
        {
            problem($"battery: dividerPermille {battery.DividerPermille} is not from 1 to 1000");
        }

        if (battery.FullScaleMillivolt is < 500 or > 3600)
        {
            problem($"battery: fullScaleMillivolt {battery.FullScaleMillivolt} is not from 500 to 3600");
        }
    }

    private static void CheckFlash(Board board, Action<string> problem)
    {
        if (board.FlashBytes < FlashBytesMin || !int.IsPow2(board.FlashBytes))
        {
            problem($"flashBytes {board.FlashBytes} is not a power of two from {FlashBytesMin}: nanoFramework needs 4 MB");
        }

        foreach (Partition part in board.Partitions)
        {
            int alignment = part.Name == "factory" ? ApplicationAlignment : SectorBytes;
            if (part.Bytes == 0 || part.Offset % alignment != 0 || part.Bytes % SectorBytes != 0)
            {
                problem($"partitions: {part.Name} at 0x{part.Offset:X} with 0x{part.Bytes:X} bytes is not in whole sectors (offset a multiple of 0x{alignment:X})");
            }

            if (part.Offset < PartitionOffsetMin)
            {
                problem($"partitions: {part.Name} at 0x{part.Offset:X} is where the bootloader and the partition table are (below 0x{PartitionOffsetMin:X})");
            }

            if ((long)part.Offset + part.Bytes > board.FlashBytes)
            {
                problem($"partitions: {part.Name} ends at 0x{(long)part.Offset + part.Bytes:X}, the flash memory at 0x{board.FlashBytes:X}");
            }
        }

        Partition[] sorted = [.. board.Partitions.OrderBy(part => part.Offset)];
        foreach ((Partition first, Partition second) in sorted.Zip(sorted.Skip(1)))
        {
            if (second.Offset < (long)first.Offset + first.Bytes)
            {
                problem($"partitions: {first.Name} (to 0x{first.End:X}) and {second.Name} (from 0x{second.Offset:X}) overlap");
            }
        }

        foreach (string name in ((string[])["factory", "deploy", board.DrivePartition]).Where(name => board.Partitions.Count(part => part.Name == name) != 1))
        {
            problem($"partitions: there must be one {name}");
        }

        if (!DriveRoot().IsMatch(board.DriveRoot))
        {
            problem($"drive: root '{board.DriveRoot}' is not a letter, a colon and a backslash");
        }
    }

    private static void CheckSources(Board board, Action<string> problem)
    {
        foreach (string of in SourcesNeeded.Where(of => board.Sources.All(source => source.Of != of)))
        {
            problem($"sources: none says where the facts of '{of}' are from (needed: {string.Join(", ", SourcesNeeded)})");
        }

        foreach (Source source in board.Sources.Where(source => !Uri.TryCreate(source.At, UriKind.Absolute, out Uri? at) || at.Scheme != Uri.UriSchemeHttps))
        {
            problem($"sources: '{source.At}' is no https address");
        }

        foreach (Sensor sensor in board.Sensors)
        {
            if (sensor.Address is null == sensor.Setting is null)
            {
                problem($"sensors: {sensor.Name} has either an I2C address or a setting");
            }

            if (sensor.Address is { } address and (< AddressMin or > AddressMax))
            {
                problem($"sensors: {sensor.Name} at 0x{address:X2} is not from 0x08 to 0x77");
            }
        }
    }

    [GeneratedRegex("^[a-z0-9]+(-[a-z0-9]+)*$")]
    private static partial Regex BoardName();

    [GeneratedRegex("^[A-Za-z0-9_.]+$")]
    private static partial Regex TargetName();

    [GeneratedRegex(@"^[A-Z]:\\$")]
    private static partial Regex DriveRoot();
}
