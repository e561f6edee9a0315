using System.Globalization;
using System.Text;

namespace DePIN.Boards.Generate;

/// <summary>firmware/Board/Generated/NAME.cs: the board's constants. Every board has the same names, so what compiles for one does for all.</summary>
public static class FirmwareSource
{
    private const int None = -1;

    public static string Of(Board board)
    {
        ArgumentNullException.ThrowIfNull(board);
        StringBuilder text = new();
        SourceText.Head(text, board);
        text.Append("using nanoFramework.Hardware.Esp32;\n\nnamespace DePIN.Firmware.Board\n{\n");
        text.Append(CultureInfo.InvariantCulture, $"    /// <summary>The pins of the {board.Title}. -1 or an empty text: this board has none.</summary>\n");
        text.Append("    public static class BoardPins\n    {\n");
        Constant("string", "BoardName", $"\"{board.Name}\"");
        Constant("string", "ChipName", $"\"{board.Chip.Name}\"");
        Constant("string", "FlashRoot", $"\"{board.DriveRoot.Replace("\\", "\\\\", StringComparison.Ordinal)}\"", "The flash drive.");
        Constant("int", "DriveBytes", board.Drive.Bytes, "Of the whole drive, which also holds Wi-Fi settings and certificates.");
        Constant("int", "I2cBus", board.I2c.Bus, null);
        Constant("int", "I2cDataPin", board.I2c.Data);
        Constant("int", "I2cClockPin", board.I2c.Clock);
        Constant("string", "ProvisionPort", $"\"{board.Provisioning.Port}\"", "UART0 (COM1) belongs to the runtime's debug protocol.");
        Constant("int", "ProvisionTransmitPin", board.Provisioning.Transmit);
        Constant("int", "ProvisionReceivePin", board.Provisioning.Receive);
        Constant("int", "ProvisionBaud", board.Provisioning.Baud ?? None);
        Constant("string", "SensorPort", $"\"{board.SensorUart?.Port}\"", "The UART that is left for a sensor.");
        Constant("int", "SensorTransmitPin", board.SensorUart?.Transmit ?? None);
        Constant("int", "SensorReceivePin", board.SensorUart?.Receive ?? None);
        Constant("int", "PulsePinMin", board.PulseInput?.PinMin ?? None, "Pins that a pulse counter may use, from and to.");
        Constant("int", "PulsePinMax", board.PulseInput?.PinMax ?? None);
        Constant("int", "StatusLedPin", board.StatusLed.Pin ?? None, "A plain LED with a resistor to ground: a high level lights it.");
        Constant("int", "ButtonPin", board.Button?.Pin ?? None, "The board's own button to ground, a strapping pin: pressed reads low. It proves that somebody is there.");
        Constant("int", "BatteryAdcChannel", board.Battery?.AdcChannel ?? None, "Of ADC1, which works while Wi-Fi is on (ADC2 does not).");
        Constant("int", "BatteryPin", board.Battery?.Pin ?? None);
        Constant("int", "BatteryDividerPermille", board.Battery?.DividerPermille ?? 1000, "Battery voltage × this / 1000 = pin voltage (two equal resistors: halved).");
        Constant("int", "AdcFullScaleMillivolt", board.Battery?.FullScaleMillivolt ?? 3300, "What the converter's full scale stands for at the runtime's 12 dB attenuation.");
        text.Append(
            """
            
                    /// <summary>Whether a battery's divider can be wired to this board. No constant: what depends on it compiles for every board.</summary>
                    public static bool HasBattery
                    {
                        get { return 
            """);
        text.Append(board.Battery is null ? "false" : "true");
        text.Append(
            """
            ; }
                    }

                    /// <summary>Routes the pins to the buses the node uses. Called once, before any bus is opened.</summary>
                    public static void Route()
                    {

            """);
        Route("I2cDataPin", $"I2C{board.I2c.Bus}_DATA");
        Route("I2cClockPin", $"I2C{board.I2c.Bus}_CLOCK");
        Route("ProvisionTransmitPin", $"{board.Provisioning.Port}_TX");
        Route("ProvisionReceivePin", $"{board.Provisioning.Port}_RX");
        if (board.SensorUart is { } uart)
        {
            Route("SensorTransmitPin", $"{uart.Port}_TX");
            Route("SensorReceivePin", $"{uart.Port}_RX");
        }

        if (board.Battery is { } battery)
        {
            Route("BatteryPin", $"ADC1_CH{battery.AdcChannel}");
        }

        text.Append("        }\n    }\n}\n");
        return text.ToString().Replace("\r\n", "\n", StringComparison.Ordinal);

        void Constant(string type, string name, object value, string? summary = null)
        {
            if (summary is not null)
            {
                text.Append(CultureInfo.InvariantCulture, $"\n        /// <summary>{summary}</summary>\n");
            }

            text.Append(CultureInfo.InvariantCulture, $"        public const {type} {name} = {value};\n");
        }

        void Route(string pin, string function) => text.Append(CultureInfo.InvariantCulture, $"            Configuration.SetPinFunction({pin}, DeviceFunction.{function});\n");
    }
}
