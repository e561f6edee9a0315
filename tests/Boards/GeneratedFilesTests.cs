using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using DePIN.Boards.Generate;
using DePIN.Devnet;
using DePIN.Tests.Harness;

namespace DePIN.Boards.Tests;

public sealed partial class GeneratedFilesTests
{
    [Test]
    public void The_committed_files_are_what_the_boards_data_says() =>
        Assert.That(GeneratedFiles.FindStale(Repository.Root, Hardware.Catalog), Is.Empty, "run 'depin board generate' and commit what it writes");

    [Test]
    public void A_changed_a_missing_and_a_left_over_file_are_found_and_mended()
    {
        using TempFolder folder = new();
        Directory.CreateDirectory(Path.Combine(folder.Path, "hardware"));
        Assert.That(GeneratedFiles.Write(folder.Path, Hardware.Catalog), Has.Count.EqualTo((Hardware.Catalog.Boards.Count * 4) + 1));
        Assert.That(GeneratedFiles.FindStale(folder.Path, Hardware.Catalog), Is.Empty);
        string constants = Path.Combine("firmware", "Board", "Generated", "esp32-devkitc.cs"), page = Path.Combine("hardware", "xiao-esp32c3", "README.md"),
            old = Path.Combine("firmware", "Board", "Generated", "esp8266.cs");
        File.AppendAllText(Path.Combine(folder.Path, constants), " ");
        File.Delete(Path.Combine(folder.Path, page));
        File.WriteAllText(Path.Combine(folder.Path, old), "");

        Assert.That(GeneratedFiles.FindStale(folder.Path, Hardware.Catalog), Is.EquivalentTo(new[] { constants, page, old }));
        Assert.That(GeneratedFiles.Write(folder.Path, Hardware.Catalog), Is.EquivalentTo(new[] { constants, page, old }));
        Assert.That(GeneratedFiles.FindStale(folder.Path, Hardware.Catalog), Is.Empty);
        Assert.That(File.Exists(Path.Combine(folder.Path, old)), Is.False);
    }

    [Test]
    public void The_firmwares_constants_have_the_same_names_and_types_on_every_board()
    {
        // What compiles for the board that the tests are built for compiles for all.
        string[] expected = Declared("esp32-devkitc");
        Assert.That(expected, Has.Length.GreaterThan(15).And.Contain("const string BoardName").And.Contain("static bool HasBattery"));
        foreach (string name in Hardware.Names)
        {
            Assert.That(Declared(name), Is.EqualTo(expected), name);
        }

        static string[] Declared(string name) =>
            [.. Declaration().Matches(FirmwareSource.Of(Hardware.Catalog.Find(name)!)).Select(match => match.Groups[1].Value)];
    }

    [TestCaseSource(typeof(Hardware), nameof(Hardware.Names))]
    public void Every_pin_of_the_data_is_in_the_firmwares_constants(string name)
    {
        Board board = Hardware.Catalog.Find(name)!;
        string source = FirmwareSource.Of(board);
        Assert.Multiple(() =>
        {
            Assert.That(source, Does.Contain($"BoardName = \"{name}\";").And.Contain($"I2cDataPin = {board.I2c.Data};").And.Contain($"I2cClockPin = {board.I2c.Clock};"));
            Assert.That(source, Does.Contain($"ProvisionPort = \"{board.Provisioning.Port}\";").And.Contain($"ProvisionTransmitPin = {board.Provisioning.Transmit};"));
            Assert.That(source, Does.Contain($"ProvisionReceivePin = {board.Provisioning.Receive};").And.Contain($"StatusLedPin = {board.StatusLed.Pin};"));
            Assert.That(source, Does.Contain($"BatteryPin = {board.Battery?.Pin ?? -1};").And.Contain($"SensorPort = \"{board.SensorUart?.Port}\";"));
            Assert.That(source.Contains("DeviceFunction.ADC1_", StringComparison.Ordinal), Is.EqualTo(board.Battery is not null));
            Assert.That(source.Contains("DeviceFunction.COM3_", StringComparison.Ordinal), Is.EqualTo(board.SensorUart is not null));
            Assert.That(source, Does.Not.Contain("\r"));
        });
    }

    [TestCaseSource(typeof(Hardware), nameof(Hardware.Names))]
    public void The_picture_is_XML_and_has_every_connection_from_pin_to_pin(string name)
    {
        Board board = Hardware.Catalog.Find(name)!;
        XDocument picture = XDocument.Parse(File.ReadAllText(Path.Combine(Hardware.Folder, name, "wiring.svg")));
        List<XElement> wires = [.. Elements(picture, "path").Where(path => (string?)path.Attribute("class") == "w")];
        List<XElement> circles = [.. Elements(picture, "circle")];
        List<string> texts = [.. Elements(picture, "text").Select(text => text.Value)];
        IReadOnlyList<WireRun> runs = WireRun.Of(board, Hardware.Catalog.Node);

        Assert.That(wires, Has.Count.EqualTo(runs.Count));
        Assert.That(circles, Has.Count.EqualTo(board.Headers.Sum(header => header.Pins.Count)));
        foreach (WireRun run in runs)
        {
            XElement wire = wires.Single(path => Carries(path, "data-part", run.Part.Id) && Carries(path, "data-pin", run.Wire.Pin) && Carries(path, "data-to", run.Wire.To));
            XElement pin = circles.Single(circle => Carries(circle, "data-header", run.Header.Name) && Carries(circle, "data-row", run.Row.ToString(CultureInfo.InvariantCulture)));
            (int x, int y) = End((string)wire.Attribute("d")!);
            Assert.That((x, y), Is.EqualTo(((int)pin.Attribute("cx")!, (int)pin.Attribute("cy")!)), $"{run.Part.Id} {run.Wire.Pin} ends at {run.ToText}");
            Assert.That((string?)pin.Attribute("data-label"), Is.EqualTo(run.To.Label));
            Assert.That(texts, Does.Contain($"{run.Wire.Pin} → {run.ToText}"));
            Assert.That(wire.Value, Does.Contain(run.Part.Title).And.Contain(run.ToText));
        }

        Assert.That(Elements(picture, "rect").Count(rect => rect.Attribute("data-through") is not null), Is.EqualTo(runs.Count(run => run.Wire.Through is not null)));
    }

    [TestCaseSource(typeof(Hardware), nameof(Hardware.Names))]
    public void No_two_wires_of_the_picture_lie_on_each_other_and_none_leaves_it(string name)
    {
        XDocument picture = XDocument.Parse(File.ReadAllText(Path.Combine(Hardware.Folder, name, "wiring.svg")));
        string[] size = ((string)picture.Root!.Attribute("viewBox")!).Split(' ');
        int width = int.Parse(size[2], CultureInfo.InvariantCulture), height = int.Parse(size[3], CultureInfo.InvariantCulture);
        HashSet<int> lanes = [];
        foreach (string path in Elements(picture, "path").Where(path => (string?)path.Attribute("class") == "w").Select(path => (string)path.Attribute("d")!))
        {
            foreach (Match part in Step().Matches(path))
            {
                int value = int.Parse(part.Groups[2].Value, CultureInfo.InvariantCulture);
                Assert.That(value, Is.InRange(0, part.Groups[1].Value == "H" ? width : height));
            }

            // Vertical runs: an H that a V follows.
            foreach (Match lane in Lane().Matches(path))
            {
                Assert.That(lanes.Add(int.Parse(lane.Groups[1].Value, CultureInfo.InvariantCulture)), Is.True, $"two wires run at x={lane.Groups[1].Value}");
            }
        }
    }

    [TestCaseSource(typeof(Hardware), nameof(Hardware.Names))]
    public void The_page_has_state_wires_partitions_and_sources(string name)
    {
        Board board = Hardware.Catalog.Find(name)!;
        string page = File.ReadAllText(Path.Combine(Hardware.Folder, name, "README.md"));
        Assert.Multiple(() =>
        {
            Assert.That(page, Does.Contain("![Wiring of the reference node](wiring.svg)"));
            Assert.That(page, Does.Contain($"--target {board.NanoTarget} "));
            Assert.That(page, board.State == BoardState.Run ? Does.Contain("has run on the part") : Does.Contain("never run on the part"));
            foreach (WireRun run in WireRun.Of(board, Hardware.Catalog.Node))
            {
                Assert.That(page, Does.Match($@"\| {Regex.Escape(run.Part.Title)}( \(optional\))? \| {Regex.Escape(run.Wire.Pin)} \| {run.Wire.Through} \| {Regex.Escape(run.ToText)} \|"));
            }

            foreach (Partition part in board.Partitions)
            {
                Assert.That(page, Does.Contain($"| {part.Name} | 0x{part.Offset:X} | {part.Bytes / 1024} KiB |"));
            }

            foreach (Source source in board.Sources)
            {
                Assert.That(page, Does.Contain($"]({source.At})"));
            }
        });
    }

    [Test]
    public void The_table_of_boards_in_the_readme_says_chip_image_and_true_state()
    {
        string[] lines = File.ReadAllLines(Path.Combine(Hardware.Folder, "README.md"));
        foreach (Board board in Hardware.Catalog.Boards)
        {
            Assert.That(lines, Has.One.EqualTo($"| [{board.Name}]({board.Name}/README.md) | {board.Chip.Name} | {board.FlashBytes >> 20} MB | {board.NanoTarget} | {BoardText.ShortState(board)} |"));
        }
    }

    private static IEnumerable<XElement> Elements(XDocument picture, string name) => picture.Descendants().Where(element => element.Name.LocalName == name);

    private static bool Carries(XElement element, string attribute, string value) => (string?)element.Attribute(attribute) == value;

    /// <summary>Where a path of M, H and V ends.</summary>
    private static (int X, int Y) End(string path)
    {
        int x = 0, y = 0;
        foreach (Match step in Step().Matches(path))
        {
            int value = int.Parse(step.Groups[2].Value, CultureInfo.InvariantCulture);
            (x, y) = step.Groups[1].Value == "H" ? (value, y) : (x, value);
        }

        return (x, y);
    }

    [GeneratedRegex(@"public ((?:const|static) (?!class|void)\w+ \w+)")]
    private static partial Regex Declaration();

    [GeneratedRegex(@"([HV]) (\d+)")]
    private static partial Regex Step();

    [GeneratedRegex(@"H (\d+) V")]
    private static partial Regex Lane();
}
