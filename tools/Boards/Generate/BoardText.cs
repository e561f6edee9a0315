namespace DePIN.Boards.Generate;

/// <summary>A board in a person's words: the same on the wiring page and in `depin board show`.</summary>
public static class BoardText
{
    public static string State(Board board) => board.State switch
    {
        BoardState.Run => "State: has run on the part.",
        BoardState.Simulated => "State: simulated (the firmware's tests always run with these pins on the virtual board); never run on the part.",
        _ => "State: described (data checked against its sources, constants generated; the firmware's tests run with them only by hand); never run on the part.",
    };

    /// <summary>The state in a table's cell.</summary>
    public static string ShortState(Board board) => board.State switch
    {
        BoardState.Run => "has run on the part",
        BoardState.Simulated => "simulated; never run on the part",
        _ => "described; never run on the part",
    };

    /// <summary>Function, pin and remark of every pin that has a function, and of what the board lacks.</summary>
    public static IEnumerable<(string Function, string Pin, string Why)> Pins(Board board)
    {
        ArgumentNullException.ThrowIfNull(board);
        yield return Row($"I2C bus {board.I2c.Bus} data", board.I2c.Data, board.I2c.Why, board.I2c.Note);
        yield return Row($"I2C bus {board.I2c.Bus} clock, {board.I2c.SpeedHz / 1000} kHz", board.I2c.Clock, board.I2c.Why, board.I2c.Note);
        yield return Row($"provisioning {board.Provisioning.Port} transmit, {board.Provisioning.Baud} baud", board.Provisioning.Transmit, board.Provisioning.Why, board.Provisioning.Note);
        yield return Row($"provisioning {board.Provisioning.Port} receive", board.Provisioning.Receive, null, null);
        if (board.SensorUart is { } uart)
        {
            yield return Row($"sensor {uart.Port} transmit", uart.Transmit, uart.Why, uart.Note);
            yield return Row($"sensor {uart.Port} receive", uart.Receive, null, null);
        }
        else
        {
            yield return ("sensor UART", "none", $"the {board.Chip.Name} has {board.Chip.Uarts} UARTs, of which UART0 is the runtime's and one is for provisioning");
        }

        if (board.PulseInput is { } pulse)
        {
            for (int pin = pulse.PinMin; pin <= pulse.PinMax; pin++)
            {
                yield return Row("pulse counter", pin, pulse.Why, pulse.Note);
            }
        }
        else
        {
            yield return ("pulse counter", "none", "no pin is left");
        }

        yield return Row("status LED (plain, to be wired)", board.StatusLed.Pin!.Value, board.StatusLed.Why, board.StatusLed.Note);
        yield return board.Battery is { } battery
            ? Row($"battery, ADC1 channel {battery.AdcChannel}, {battery.DividerPermille / 10.0:0.#} % of its voltage", battery.Pin, battery.Why, battery.Note)
            : ("battery", "none", "this board has no free ADC1 pin for a divider");
        if (board.Button is { } button)
        {
            yield return Row($"button {button.Name}, not used by the firmware", button.Pin, button.Why, button.Note);
        }

        if (board.OnBoardLed is { Pin: { } led } onBoard && led != board.StatusLed.Pin)
        {
            yield return Row($"LED on the board ({(onBoard.Kind == LedKind.Addressable ? "addressable: a level does not light it" : "plain")}), not driven by the firmware", led, onBoard.Why, onBoard.Note);
        }

        yield return ("runtime's debug protocol, " + Chip.RuntimePort, $"GPIO{board.Chip.RuntimeTransmit}, GPIO{board.Chip.RuntimeReceive}",
            board.Chip.Usb.Count == 0 ? "always" : "whenever no USB host is on the chip's own USB port at boot");

        (string, string, string) Row(string function, int gpio, string? why, string? note)
        {
            string label = board.PinOf(gpio) is { } pin ? WireRun.TextOf(pin) : $"GPIO{gpio}";
            string strapping = board.Chip.Strapping.Contains(gpio) ? "strapping pin: " : "";
            return (function, label, strapping + string.Join("; ", ((string?[])[why, note]).Where(text => text is not null)));
        }
    }

    public static string Partition(Board board, Partition part)
    {
        ArgumentNullException.ThrowIfNull(board);
        ArgumentNullException.ThrowIfNull(part);
        return part.Name == board.DrivePartition ? $"drive {board.DriveRoot.TrimEnd('\\')} with node.conf, key, ring; Wi-Fi settings, certificates" : part.Name switch
        {
            "factory" => "the runtime",
            "deploy" => "the firmware",
            _ => "",
        };
    }
}
