using System.Globalization;
using System.Text.Json;

namespace DePIN.Boards;

/// <summary>Reads hardware/boards/NAME.json: the shape here, the sense in <see cref="BoardRules"/>. Problems name file and key.</summary>
public static class BoardReader
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <param name="text">The file's text.</param>
    /// <param name="name">The file's name without .json, which is the board's name.</param>
    /// <param name="problems">Takes what is wrong; the result is null when a rule could not even be looked at.</param>
    public static Board? Read(string text, string name, List<string> problems)
    {
        ArgumentNullException.ThrowIfNull(problems);
        int before = problems.Count;
        try
        {
            using JsonDocument document = JsonDocument.Parse(text, Strict);
            JsonFields fields = new(document.RootElement, $"{name}.json:", problems);
            Board? board = Read(fields, problems);
            fields.RefuseOthers();
            if (board is null || problems.Count > before)
            {
                return null;
            }

            BoardRules.Check(board, name, problems);
            return problems.Count > before ? null : board;
        }
        catch (JsonException error)
        {
            problems.Add($"{name}.json: {error.Message}");
            return null;
        }
    }

    private static Board? Read(JsonFields fields, List<string> problems)
    {
        string chipName = fields.Text("chip");
        Chip? chip = Chip.Find(chipName);
        if (chip is null && chipName.Length > 0)
        {
            fields.Problem("chip", $"{chipName} is not known: there are {string.Join(", ", Chip.Names)}");
        }

        JsonFields drive = fields.Object("drive");
        JsonFields i2c = fields.Object("i2c");
        JsonFields? pulse = fields.ObjectOrNull("pulseInput");
        JsonFields? battery = fields.ObjectOrNull("battery");
        JsonFields? button = fields.ObjectOrNull("button");
        JsonFields? other = fields.OptionalObject("otherTarget");
        Board board = new()
        {
            Name = fields.Text("name"),
            Title = fields.Text("title"),
            Chip = chip ?? Chip.Find("ESP32")!,
            State = fields.Word<BoardState>("state"),
            NanoTarget = fields.Text("nanoTarget"),
            OtherTarget = other is null ? null : new OtherTarget(other.Text("target"), other.Text("when")),
            UsbSocket = fields.Text("usbSocket"),
            FlashBytes = fields.Number("flashBytes"),
            Partitions = fields.Objects("partitions", part => new Partition(part.Text("name"), part.Number("offset"), part.Number("bytes"))),
            DriveRoot = drive.Text("root"),
            DrivePartition = drive.Text("partition"),
            Headers = fields.Objects("headers", header => new Header(header.Text("name"), IsLeft(header), ReadPins(header))),
            Reserved = fields.Objects("reserved", reserved => new Reserved(reserved.Number("gpio"), reserved.Text("why"))),
            I2c = new I2cBus(i2c.Number("bus"), i2c.Number("data"), i2c.Number("clock"), i2c.Number("speedHz"), i2c.OptionalText("why"), i2c.OptionalText("note")),
            Provisioning = ReadSerial(fields.Object("provisioning"), hasBaud: true),
            SensorUart = fields.ObjectOrNull("sensorUart") is { } uart ? ReadSerial(uart, hasBaud: false) : null,
            PulseInput = pulse is null ? null : new PulseInput(pulse.Number("pinMin"), pulse.Number("pinMax"), pulse.OptionalText("why"), pulse.OptionalText("note")),
            Battery = battery is null ? null
                : new Battery(battery.Number("pin"), battery.Number("adcChannel"), battery.Number("dividerPermille"), battery.Number("fullScaleMillivolt"), battery.OptionalText("why"), battery.OptionalText("note")),
            StatusLed = ReadLed(fields.Object("statusLed")),
            OnBoardLed = ReadLed(fields.Object("onBoardLed")),
            Button = button is null ? null : new Button(button.Number("pin"), button.Text("name"), button.OptionalText("why"), button.OptionalText("note")),
            Sensors = fields.Objects("sensors", sensor => new Sensor(sensor.Text("name"), sensor.OptionalNumber("address"), sensor.OptionalText("setting"))),
            Notes = fields.Texts("notes"),
            Sources = fields.Objects("sources", source => new Source(source.Text("of"), source.Text("document"), source.Text("at"))),
        };
        foreach (JsonFields? part in (JsonFields?[])[drive, i2c, pulse, battery, button, other])
        {
            part?.RefuseOthers();
        }

        return chip is null ? null : board;
    }

    private static SerialLine ReadSerial(JsonFields fields, bool hasBaud)
    {
        SerialLine line = new(fields.Text("port"), fields.Number("transmit"), fields.Number("receive"), hasBaud ? fields.Number("baud") : null, fields.OptionalText("why"), fields.OptionalText("note"));
        fields.RefuseOthers();
        return line;
    }

    private static Led ReadLed(JsonFields fields)
    {
        Led led = new(fields.Word<LedKind>("kind"), fields.OptionalNumber("pin"), fields.OptionalText("why"), fields.OptionalText("note"));
        fields.RefuseOthers();
        return led;
    }

    private static bool IsLeft(JsonFields header)
    {
        string side = header.Text("side");
        if (side is not ("left" or "right"))
        {
            header.Problem("side", "is left or right");
        }

        return side == "left";
    }

    /// <summary>"GND", "3V3" for a pin without a GPIO, "IO21=21" for one with it.</summary>
    private static List<HeaderPin> ReadPins(JsonFields header)
    {
        List<HeaderPin> pins = [];
        foreach (string text in header.Texts("pins"))
        {
            string[] parts = text.Split('=');
            if (parts.Length == 1)
            {
                pins.Add(new HeaderPin(text, null));
            }
            else if (parts.Length == 2 && parts[0].Length > 0 && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int gpio))
            {
                pins.Add(new HeaderPin(parts[0], gpio));
            }
            else
            {
                header.Problem("pins", $"has '{text}': a pin is its label, or label=GPIO");
            }
        }

        return pins;
    }
}
