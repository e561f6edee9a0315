using System.Text.Json;

namespace DePIN.Boards;

/// <summary>A wire from a pin of a part to a function of the board or to one of its power pins.</summary>
/// <param name="Pin">As it is printed on the part.</param>
/// <param name="To">A function (<see cref="PinUse.Function"/>) or GND, 3V3, 5V.</param>
/// <param name="Through">The part in between, by its id in bom.csv, or null.</param>
public sealed record Wire(string Pin, string To, string? Through);

/// <summary>A part of the node beside the board.</summary>
/// <param name="Optional">Whether the node works without it.</param>
/// <param name="With">What is soldered to it, by id in bom.csv: as often as it is taken.</param>
public sealed record Part(string Id, string Title, bool Optional, string Note, IReadOnlyList<string> With, IReadOnlyList<Wire> Wires);

/// <summary>
/// The node that every wiring page shows: hardware/node.json. It names functions, not pins, so it fits every board; a part whose function a
/// board lacks is left out there.
/// </summary>
public sealed record ReferenceNode(IReadOnlyList<Part> Parts, IReadOnlyList<string> Housing)
{
    public const string FileName = "node.json";

    private static readonly string[] Power = ["GND", "3V3", "5V"];

    private static readonly string[] Functions =
    [
        "i2c.data", "i2c.clock", "provisioning.transmit", "provisioning.receive", "statusLed", "battery", "sensorUart.transmit", "sensorUart.receive",
    ];

    public static bool IsPower(string to) => Power.Contains(to);

    /// <summary>The parts that this board has all functions for.</summary>
    public IEnumerable<Part> PartsOf(Board board)
    {
        ArgumentNullException.ThrowIfNull(board);
        HashSet<string> there = [.. board.Uses.Select(use => use.Function), .. Power];
        return Parts.Where(part => part.Wires.All(wire => there.Contains(wire.To)));
    }

    /// <summary>How many of each part the node takes, by id: the parts, what is soldered to them or in their wires, and its housing.</summary>
    public IReadOnlyDictionary<string, int> Count() =>
        Parts.Select(part => part.Id).Concat(Parts.SelectMany(part => part.Wires).Where(wire => wire.Through is not null).Select(wire => wire.Through!)).Concat(Parts.SelectMany(part => part.With)).Concat(Housing)
            .GroupBy(id => id, StringComparer.Ordinal).ToDictionary(ids => ids.Key, ids => ids.Count(), StringComparer.Ordinal);

    public static ReferenceNode? Read(string text, List<string> problems)
    {
        ArgumentNullException.ThrowIfNull(problems);
        int before = problems.Count;
        try
        {
            using JsonDocument document = JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
            JsonFields fields = new(document.RootElement, $"{FileName}:", problems);
            List<Part> parts = fields.Objects("parts", part => new Part(
                part.Text("id"), part.Text("title"), part.OptionalText("optional") == "yes", part.Text("note"), part.Texts("with"), part.Objects("wires", ReadWire)));
            ReferenceNode node = new(parts, fields.Texts("housing"));
            fields.RefuseOthers();
            foreach (string id in parts.Select(part => part.Id).GroupBy(id => id, StringComparer.Ordinal).Where(ids => ids.Count() > 1).Select(ids => ids.Key))
            {
                problems.Add($"{FileName}: part {id} is there twice");
            }

            return problems.Count > before ? null : node;
        }
        catch (JsonException error)
        {
            problems.Add($"{FileName}: {error.Message}");
            return null;
        }
    }

    private static Wire ReadWire(JsonFields fields)
    {
        Wire wire = new(fields.Text("pin"), fields.Text("to"), fields.OptionalText("through"));
        if (!IsPower(wire.To) && !Functions.Contains(wire.To))
        {
            fields.Problem("to", $"'{wire.To}' is no function: there are {string.Join(", ", Power.Concat(Functions))}");
        }

        return wire;
    }
}
