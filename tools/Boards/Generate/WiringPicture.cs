using System.Globalization;
using System.Text;
using System.Xml.Linq;

namespace DePIN.Boards.Generate;

/// <summary>
/// hardware/NAME/wiring.svg: the board with its header pins in the middle, the parts beside it, every connection a line of its own from
/// pin to pin. Lines run in lanes, each line in its own, so none lies on another; one to the far side goes around above the board.
/// </summary>
public static class WiringPicture
{
    private const int Width = 1080;
    private const int Margin = 20;
    private const int PartWidth = 240;
    private const int PartRow = 20;
    private const int PartHead = 26;
    private const int PartGap = 22;
    private const int BoardLeft = 430;
    private const int BoardWidth = 220;
    private const int BoardRow = 20;
    private const int BoardHead = 34;
    private const int TitleHeight = 56;
    private const int LaneTop = 9;
    private const int ResistorWidth = 22;
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    public static string Of(Board board, ReferenceNode node)
    {
        ArgumentNullException.ThrowIfNull(board);
        IReadOnlyList<WireRun> runs = WireRun.Of(board, node);
        List<Box> boxes = [.. runs.GroupBy(run => run.Part).Select(part => new Box(part.Key, [.. part], IsLeft(part)))];
        int around = runs.Count(run => run.Header.IsLeft != boxes.First(box => box.Part == run.Part).IsLeft);
        int top = TitleHeight + 14 + (around * LaneTop);
        int boardHeight = BoardHead + (board.Headers.GroupBy(header => header.IsLeft).Max(side => SideRows(side)) * BoardRow) + 10;
        int bottom = top + boardHeight;
        foreach (bool left in (bool[])[true, false])
        {
            int y = top;
            foreach (Box box in boxes.Where(box => box.IsLeft == left).OrderBy(box => box.Runs.Average(run => PinY(board, run, top))))
            {
                box.Y = y;
                y += box.Height + PartGap;
            }

            bottom = Math.Max(bottom, y);
        }

        int height = bottom + Margin;
        XElement svg = new(Svg + "svg",
            new XAttribute("viewBox", $"0 0 {Width} {height}"), new XAttribute("width", Width), new XAttribute("height", height), new XAttribute("role", "img"),
            new XElement(Svg + "title", $"Wiring of the reference node on the {board.Title}"),
            new XElement(Svg + "style", "text{font-family:DejaVu Sans,Verdana,sans-serif;font-size:12px;fill:#1b1f24}.h{font-size:16px;font-weight:bold}.b{font-weight:bold}.s{fill:#57606a;font-size:11px}.w{fill:none;stroke-width:2.5;stroke-linejoin:round}.o{fill:none;stroke:#fff;stroke-width:5.5;stroke-linejoin:round}"),
            new XElement(Svg + "rect", new XAttribute("width", Width), new XAttribute("height", height), new XAttribute("fill", "#ffffff")),
            Text(Margin, 30, board.Title, "h"),
            Text(Margin, 48, $"{board.Chip.Name}. Generated from hardware/boards/{board.Name}.json; pins from the source's top view, not to scale.", "s"));
        DrawBoard(svg, board, runs, top, boardHeight);
        foreach (Box box in boxes)
        {
            DrawBox(svg, box);
        }

        DrawWires(svg, board, boxes, top);
        DrawPins(svg, board, runs, top);
        return svg.ToString().Replace("\r\n", "\n", StringComparison.Ordinal) + "\n";
    }

    private static void DrawBoard(XElement svg, Board board, IReadOnlyList<WireRun> runs, int top, int height)
    {
        svg.Add(new XElement(Svg + "rect", new XAttribute("x", BoardLeft), new XAttribute("y", top), new XAttribute("width", BoardWidth), new XAttribute("height", height),
            new XAttribute("rx", 8), new XAttribute("fill", "#eaf2ea"), new XAttribute("stroke", "#2d5a3d"), new XAttribute("stroke-width", 2)));
        svg.Add(Text(BoardLeft + (BoardWidth / 2), top + 20, board.Name, "b", "middle"));
        foreach (Header header in board.Headers)
        {
            for (int row = 0; row < header.Pins.Count; row++)
            {
                HeaderPin pin = header.Pins[row];
                int x = header.IsLeft ? BoardLeft : BoardLeft + BoardWidth;
                int y = PinY(board, header, row, top);
                bool used = runs.Any(run => run.Header == header && run.Row == row);
                string text = WireRun.TextOf(pin);
                svg.Add(Text(header.IsLeft ? x + 11 : x - 11, y + 4, text, used ? "b" : "s", header.IsLeft ? null : "end"));
            }
        }
    }

    private static void DrawPins(XElement svg, Board board, IReadOnlyList<WireRun> runs, int top)
    {
        foreach (Header header in board.Headers)
        {
            for (int row = 0; row < header.Pins.Count; row++)
            {
                bool used = runs.Any(run => run.Header == header && run.Row == row);
                svg.Add(new XElement(Svg + "circle",
                    new XAttribute("cx", header.IsLeft ? BoardLeft : BoardLeft + BoardWidth), new XAttribute("cy", PinY(board, header, row, top)), new XAttribute("r", used ? 5 : 4),
                    new XAttribute("fill", used ? "#1b1f24" : "#ffffff"), new XAttribute("stroke", "#1b1f24"),
                    new XAttribute("data-header", header.Name), new XAttribute("data-row", row), new XAttribute("data-label", header.Pins[row].Label)));
            }
        }
    }

    private static void DrawBox(XElement svg, Box box)
    {
        svg.Add(new XElement(Svg + "rect", new XAttribute("x", box.X), new XAttribute("y", box.Y), new XAttribute("width", PartWidth), new XAttribute("height", box.Height),
            new XAttribute("rx", 6), new XAttribute("fill", "#f2f4f8"), new XAttribute("stroke", "#57606a"), new XAttribute("stroke-dasharray", box.Part.Optional ? "5 4" : "none")));
        svg.Add(Text(box.X + 10, box.Y + 18, box.Part.Title + (box.Part.Optional ? " (optional)" : ""), "b"));
        foreach (WireRun run in box.Runs)
        {
            string text = $"{run.Wire.Pin} → {run.ToText}";
            svg.Add(Text(box.IsLeft ? box.X + PartWidth - 10 : box.X + 10, box.PinY(run) + 4, text, null, box.IsLeft ? "end" : null));
        }
    }

    private static void DrawWires(XElement svg, Board board, List<Box> boxes, int top)
    {
        // The wire of the highest pin takes the lane nearest to the board: then wires of one side cross least.
        Dictionary<WireRun, int> left = Lanes(boxes, board, top, isLeft: true), right = Lanes(boxes, board, top, isLeft: false);
        int upper = 0;
        foreach (Box box in boxes)
        {
            foreach (WireRun run in box.Runs)
            {
                int fromY = box.PinY(run), toY = PinY(board, run, top);
                int fromX = box.IsLeft ? box.X + PartWidth : box.X, toX = run.Header.IsLeft ? BoardLeft : BoardLeft + BoardWidth;
                Dictionary<WireRun, int> own = box.IsLeft ? left : right;
                StringBuilder path = new($"M {fromX} {fromY} H {own[run]}");
                if (box.IsLeft != run.Header.IsLeft)
                {
                    upper++;
                    int far = run.Header.IsLeft ? left[run] : right[run];
                    path.Append(CultureInfo.InvariantCulture, $" V {top - (upper * LaneTop)} H {far}");
                }

                path.Append(CultureInfo.InvariantCulture, $" V {toY} H {toX}");
                svg.Add(new XElement(Svg + "path", new XAttribute("class", "o"), new XAttribute("d", path.ToString())));
                svg.Add(new XElement(Svg + "path", new XAttribute("class", "w"), new XAttribute("d", path.ToString()), new XAttribute("stroke", Colour(run.Wire.To)),
                    new XAttribute("data-part", run.Part.Id), new XAttribute("data-pin", run.Wire.Pin), new XAttribute("data-to", run.Wire.To),
                    new XElement(Svg + "title", $"{run.Part.Title} {run.Wire.Pin} to {run.ToText}{(run.Wire.Through is { } part ? $" through {part}" : "")}")));
                if (run.Wire.Through is { } through)
                {
                    int x = box.IsLeft ? fromX + 4 : fromX - 4 - ResistorWidth;
                    svg.Add(new XElement(Svg + "rect", new XAttribute("x", x), new XAttribute("y", fromY - 5), new XAttribute("width", ResistorWidth), new XAttribute("height", 10),
                        new XAttribute("fill", "#f4e3c1"), new XAttribute("stroke", "#7a5b1e"), new XAttribute("data-through", through),
                        new XElement(Svg + "title", through)));
                }
            }
        }
    }

    /// <summary>The x of each wire's vertical run on one side: all that start there or end there.</summary>
    private static Dictionary<WireRun, int> Lanes(List<Box> boxes, Board board, int top, bool isLeft)
    {
        int from = isLeft ? Margin + PartWidth + ResistorWidth + 8 : BoardLeft + BoardWidth + 10;
        int to = isLeft ? BoardLeft - 10 : Width - Margin - PartWidth - ResistorWidth - 8;
        WireRun[] here = [.. boxes.SelectMany(box => box.Runs.Where(run => box.IsLeft == isLeft || run.Header.IsLeft == isLeft)).OrderBy(run => PinY(board, run, top))];
        double step = (to - from) / (double)Math.Max(1, here.Length);
        return here.Select((run, index) => (run, x: isLeft ? to - (int)(step * index) : from + (int)(step * index))).ToDictionary(lane => lane.run, lane => lane.x);
    }

    private static bool IsLeft(IEnumerable<WireRun> runs)
    {
        WireRun[] signals = [.. runs.Where(run => !ReferenceNode.IsPower(run.Wire.To))];
        return signals.Count(run => run.Header.IsLeft) * 2 > signals.Length;
    }

    private static int SideRows(IEnumerable<Header> headers) => headers.Sum(header => header.Pins.Count + 1) - 1;

    private static int PinY(Board board, WireRun run, int top) => PinY(board, run.Header, run.Row, top);

    /// <summary>Headers of one side stand below each other, a row apart.</summary>
    private static int PinY(Board board, Header header, int row, int top)
    {
        int above = board.Headers.Where(other => other.IsLeft == header.IsLeft).TakeWhile(other => other != header).Sum(other => other.Pins.Count + 1);
        return top + BoardHead + ((above + row) * BoardRow) + (BoardRow / 2);
    }

    private static string Colour(string to) => to switch
    {
        "GND" => "#24292f",
        "3V3" or "5V" => "#cf222e",
        "i2c.data" => "#0969da",
        "i2c.clock" => "#bf8700",
        "battery" => "#8b4513",
        "statusLed" => "#1a7f37",
        _ when to.EndsWith("transmit", StringComparison.Ordinal) => "#8250df",
        _ => "#0e8a8a",
    };

    private static XElement Text(int x, int y, string text, string? style, string? anchor = null) => new(Svg + "text",
        new XAttribute("x", x), new XAttribute("y", y), style is null ? null : new XAttribute("class", style), anchor is null ? null : new XAttribute("text-anchor", anchor), text);

    private sealed class Box(Part part, IReadOnlyList<WireRun> runs, bool isLeft)
    {
        public Part Part { get; } = part;

        public IReadOnlyList<WireRun> Runs { get; } = runs;

        public bool IsLeft { get; } = isLeft;

        public int X => IsLeft ? Margin : Width - Margin - PartWidth;

        public int Y { get; set; }

        public int Height => PartHead + (Runs.Count * PartRow) + 6;

        public int PinY(WireRun run) => Y + PartHead + (Runs.ToList().IndexOf(run) * PartRow) + (PartRow / 2);
    }
}
