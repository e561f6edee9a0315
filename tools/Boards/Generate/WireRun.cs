namespace DePIN.Boards.Generate;

/// <summary>A wire of the reference node on a board: from where to which header pin.</summary>
/// <param name="Header">The pin's header.</param>
/// <param name="Row">The pin's place in it, from the top.</param>
public sealed record WireRun(Part Part, Wire Wire, Header Header, int Row)
{
    public HeaderPin To => Header.Pins[Row];

    /// <summary>The header pin as a person finds it: its label, and its GPIO where the label does not say it.</summary>
    public string ToText => TextOf(To);

    /// <summary>"IO21" and "G21" say GPIO21 already; "D4" and "8" do not.</summary>
    public static string TextOf(HeaderPin pin)
    {
        ArgumentNullException.ThrowIfNull(pin);
        return pin.Gpio is { } gpio && pin.Label != $"IO{gpio}" && pin.Label != $"G{gpio}" ? $"{pin.Label} (GPIO{gpio})" : pin.Label;
    }

    /// <summary>
    /// Every wire of the node on this board. A power wire takes a free power pin, on the side where the part's other wires go when there is
    /// one; when all are taken, one is shared.
    /// </summary>
    public static IReadOnlyList<WireRun> Of(Board board, ReferenceNode node)
    {
        ArgumentNullException.ThrowIfNull(board);
        ArgumentNullException.ThrowIfNull(node);
        Dictionary<string, int> gpios = board.Uses.ToDictionary(use => use.Function, use => use.Gpio, StringComparer.Ordinal);
        List<WireRun> runs = [];
        foreach (Part part in node.PartsOf(board))
        {
            List<(Header Header, int Row)> places = [];
            foreach (Wire wire in part.Wires.Where(wire => !ReferenceNode.IsPower(wire.To)))
            {
                (Header header, int row) = Places(board).First(place => place.Header.Pins[place.Row].Gpio == gpios[wire.To]);
                places.Add((header, row));
                runs.Add(new WireRun(part, wire, header, row));
            }

            bool left = places.Count(place => place.Header.IsLeft) * 2 > places.Count;
            double middle = places.Count == 0 ? 0 : places.Average(place => place.Row);
            foreach (Wire wire in part.Wires.Where(wire => ReferenceNode.IsPower(wire.To)))
            {
                (Header header, int row) = Places(board).Where(place => place.Header.Pins[place.Row] is { Gpio: null } pin && pin.Label == wire.To)
                    .OrderBy(place => runs.Count(run => run.Header == place.Header && run.Row == place.Row))
                    .ThenBy(place => place.Header.IsLeft == left ? 0 : 1)
                    .ThenBy(place => Math.Abs(place.Row - middle)).First();
                runs.Add(new WireRun(part, wire, header, row));
            }
        }

        // In the order of the parts' pins, which is the order a person wires in.
        return [.. runs.OrderBy(run => node.Parts.ToList().IndexOf(run.Part)).ThenBy(run => run.Part.Wires.ToList().IndexOf(run.Wire))];
    }

    private static IEnumerable<(Header Header, int Row)> Places(Board board) =>
        board.Headers.SelectMany(header => Enumerable.Range(0, header.Pins.Count).Select(row => (header, row)));
}
