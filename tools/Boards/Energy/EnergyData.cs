using System.Text.Json;

namespace DePIN.Boards.Energy;

/// <summary>A cell and how much of it a node gets.</summary>
public sealed record CellData(string Title, int MilliampHours, int UsablePercent, int LossPercentPerMonth, string Source);

/// <summary>What the firmware costs: IL instructions, and times that are no computing.</summary>
/// <param name="IlPerSecond">Of the slowest interpreter that counts.</param>
/// <param name="IlPerSignature">Measured: tests/Protocol IlCost.</param>
/// <param name="IlPerHashBlock">Of 64 bytes; measured: tests/Protocol IlCost.</param>
/// <param name="IlPerSample">Driver, codec, ring.</param>
/// <param name="IlPerStart">Settings, ring and sensors at each start.</param>
/// <param name="StartMs">From the wake-up to the first line of the firmware.</param>
/// <param name="JoinMs">Wi-Fi and address.</param>
/// <param name="TlsMs">Handshake.</param>
/// <param name="FrameMs">To send one and get its PUBACK.</param>
/// <param name="TransmitPercent">Of the time on the network in which the radio sends.</param>
/// <param name="FlashMs">One append.</param>
/// <param name="RadioFromStart">The runtime turns Wi-Fi on at each start.</param>
/// <param name="ElementSignMs">A signature in the secure element.</param>
/// <param name="ElementSignUa">Its current meanwhile.</param>
/// <param name="Source">Where it is from.</param>
public sealed record FirmwareData(
    int IlPerSecond, int IlPerSignature, int IlPerHashBlock, int IlPerSample, int IlPerStart, int StartMs, int JoinMs, int TlsMs, int FrameMs, int TransmitPercent, int FlashMs,
    bool RadioFromStart, int ElementSignMs, int ElementSignUa, string Source);

/// <summary>Currents of a chip, uA.</summary>
public sealed record ChipCurrents(string Chip, int ReceiveUa, int TransmitUa, int CpuUa, int DeepSleepUa, string Source);

/// <summary>What a board takes on top of its chip, always. Kind: estimate, maker or measured.</summary>
public sealed record BoardCurrents(string Board, int QuiescentUa, string Kind, string Source);

public sealed record SensorCurrents(string Sensor, int ActiveUa, int ActiveMs, int IdleUa, int Samples, string Source);

public sealed record ProfileSensors(string Profile, IReadOnlyList<string> Sensors);

/// <summary>hardware/energy.json: everything that the budget is computed from, each with its source.</summary>
public sealed record EnergyData(
    CellData Cell, FirmwareData Firmware, IReadOnlyList<ChipCurrents> Chips, IReadOnlyList<BoardCurrents> Boards, int ModuleQuiescentUa, string ModuleSource, int DividerUa, string DividerSource,
    int LedUa, string LedSource, IReadOnlyList<SensorCurrents> Sensors, IReadOnlyList<ProfileSensors> Profiles)
{
    public const string FileName = "energy.json";

    private static readonly string[] Kinds = ["estimate", "maker", "measured"];
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <param name="text">The file's text.</param>
    /// <param name="boards">Those that must have a row.</param>
    /// <param name="problems">Takes what is wrong; the result is null then.</param>
    public static EnergyData? Read(string text, IReadOnlyList<Board> boards, List<string> problems)
    {
        ArgumentNullException.ThrowIfNull(boards);
        ArgumentNullException.ThrowIfNull(problems);
        int before = problems.Count;
        try
        {
            using JsonDocument document = JsonDocument.Parse(text, Strict);
            JsonFields fields = new(document.RootElement, FileName + ":", problems);
            EnergyData data = Read(fields);
            fields.RefuseOthers();
            if (problems.Count == before)
            {
                Check(data, boards, problems);
            }

            return problems.Count == before ? data : null;
        }
        catch (JsonException error)
        {
            problems.Add($"{FileName}: {error.Message}");
            return null;
        }
    }

    private static EnergyData Read(JsonFields fields)
    {
        JsonFields cell = fields.Object("cell");
        JsonFields firmware = fields.Object("firmware");
        JsonFields module = fields.Object("module");
        JsonFields divider = fields.Object("divider");
        JsonFields led = fields.Object("led");
        EnergyData data = new(
            new CellData(cell.Text("title"), cell.Number("milliampHours"), cell.Number("usablePercent"), cell.Number("lossPercentPerMonth"), cell.Text("source")),
            new FirmwareData(
                firmware.Number("ilPerSecond"), firmware.Number("ilPerSignature"), firmware.Number("ilPerHashBlock"), firmware.Number("ilPerSample"), firmware.Number("ilPerStart"), firmware.Number("startMs"),
                firmware.Number("joinMs"), firmware.Number("tlsMs"), firmware.Number("frameMs"), firmware.Number("transmitPercent"), firmware.Number("flashMs"), firmware.Text("radioFromStart") == "yes",
                firmware.Number("elementSignMs"), firmware.Number("elementSignUa"), firmware.Text("source")),
            fields.Objects("chips", chip => new ChipCurrents(chip.Text("chip"), chip.Number("receiveUa"), chip.Number("transmitUa"), chip.Number("cpuUa"), chip.Number("deepSleepUa"), chip.Text("source"))),
            fields.Objects("boards", board => new BoardCurrents(board.Text("board"), board.Number("quiescentUa"), board.Text("kind"), board.Text("source"))),
            module.Number("quiescentUa"),
            module.Text("source"),
            divider.Number("ua"),
            divider.Text("source"),
            led.Number("ua"),
            led.Text("source"),
            fields.Objects("sensors", sensor => new SensorCurrents(sensor.Text("sensor"), sensor.Number("activeUa"), sensor.Number("activeMs"), sensor.Number("idleUa"), sensor.Number("samples"), sensor.Text("source"))),
            fields.Objects("profiles", profile => new ProfileSensors(profile.Text("profile"), profile.Texts("sensors"))));
        foreach (JsonFields part in (JsonFields[])[cell, firmware, module, divider, led])
        {
            part.RefuseOthers();
        }

        return data;
    }

    private static void Check(EnergyData data, IReadOnlyList<Board> boards, List<string> problems)
    {
        if (data.Firmware.IlPerSecond == 0 || data.Cell.MilliampHours == 0 || data.Cell.UsablePercent is 0 or > 100 || data.Firmware.TransmitPercent > 100)
        {
            problems.Add($"{FileName}: ilPerSecond, milliampHours and usablePercent are above 0, percentages at most 100");
        }

        foreach (Board board in boards)
        {
            if (data.Boards.Count(row => row.Board == board.Name) != 1)
            {
                problems.Add($"{FileName}: the board {board.Name} has not one row under boards");
            }

            if (data.Chips.Count(row => row.Chip == board.Chip.Name) != 1)
            {
                problems.Add($"{FileName}: the chip {board.Chip.Name} has not one row under chips");
            }
        }

        problems.AddRange(data.Boards.Where(row => boards.All(board => board.Name != row.Board)).Select(row => $"{FileName}: {row.Board} is no board"));
        problems.AddRange(data.Boards.Where(row => !Kinds.Contains(row.Kind)).Select(row => $"{FileName}: {row.Board}: kind is one of {string.Join(", ", Kinds)}"));
        problems.AddRange(data.Profiles.SelectMany(profile => profile.Sensors).Where(name => data.Sensors.Count(sensor => sensor.Sensor == name) != 1)
            .Select(name => $"{FileName}: the sensor {name} has not one row under sensors"));
    }
}
