using DePIN.Boards.Generate;

namespace DePIN.Boards.Tests;

public sealed class ReferenceNodeTests
{
    private static readonly string NodeText = File.ReadAllText(Path.Combine(Hardware.Folder, ReferenceNode.FileName));
    private static readonly string ListText = File.ReadAllText(Path.Combine(Hardware.Folder, PartsList.FileName));

    [TestCase("\"to\": \"i2c.data\"", "\"to\": \"i2c.dat\"", "parts[0].wires[3].to 'i2c.dat' is no function: there are GND, 3V3, 5V, i2c.data")]
    [TestCase("\"id\": \"led\"", "\"id\": \"bme280\"", "part bme280 is there twice")]
    [TestCase("\"housing\":", "\"case\":", "unknown key case")]
    [TestCase("\"parts\": [", "\"parts\": [,", "node.json: ")]
    public void A_mistake_in_the_node_is_named(string right, string wrong, string problem)
    {
        List<string> problems = [];
        Assert.That(NodeText, Does.Contain(right));
        Assert.That(ReferenceNode.Read(NodeText.Replace(right, wrong, StringComparison.Ordinal), problems), Is.Null);
        Assert.That(problems, Has.Some.Contains(problem));
    }

    [Test]
    public void A_board_without_a_battery_pin_leaves_the_divider_out()
    {
        Assert.That(Hardware.Catalog.Node.PartsOf(Hardware.Catalog.Find("m5stack-core2")!).Select(part => part.Id), Does.Not.Contain("battery").And.Contain("bme280"));
        Assert.That(Hardware.Catalog.Node.PartsOf(Hardware.Catalog.Find("esp32-devkitc")!).Select(part => part.Id), Does.Contain("battery"));
    }

    [TestCaseSource(typeof(Hardware), nameof(Hardware.Names))]
    public void Every_wire_ends_at_the_pin_of_its_function(string name)
    {
        Board board = Hardware.Catalog.Find(name)!;
        IReadOnlyList<WireRun> runs = WireRun.Of(board, Hardware.Catalog.Node);
        Dictionary<string, int> gpios = board.Uses.ToDictionary(use => use.Function, use => use.Gpio);

        Assert.That(runs, Has.Count.EqualTo(Hardware.Catalog.Node.PartsOf(board).Sum(part => part.Wires.Count)));
        foreach (WireRun run in runs)
        {
            Assert.That(run.To.Gpio, Is.EqualTo(gpios.TryGetValue(run.Wire.To, out int gpio) ? gpio : null), $"{run.Part.Id} {run.Wire.Pin}");
            Assert.That(ReferenceNode.IsPower(run.Wire.To), Is.EqualTo(run.To.Gpio is null));
            Assert.That(run.To.Gpio is null && run.To.Label != run.Wire.To, Is.False, $"{run.Part.Id} {run.Wire.Pin} on {run.To.Label}");
        }
    }

    [Test]
    public void The_parts_list_of_this_repository_has_every_part() => Assert.That(Check(ListText), Is.Empty);

    [TestCase("bme280,1,BME280 breakout 3.3 V with I2C pull-ups,,BMP280 is another part and is refused\n", "", "bme280 is in node.json and not here")]
    [TestCase("resistor-100k,2,", "resistor-100k,1,", "resistor-100k: node.json takes 2, here is 1")]
    [TestCase("resistor-330r,1,", "resistor-330r,,", "has not five cells")]
    [TestCase("for the LED", "for the LED, any", "has not five cells")]
    [TestCase("led,1,", "bme280,1,", "bme280 is there twice")]
    [TestCase("xiao-esp32c3,1 of,", "xiao-esp32c3,1,", "the board xiao-esp32c3 has no row with the quantity '1 of'")]
    [TestCase("led,1,", "lamp,1,", "lamp is no board and not in node.json")]
    [TestCase("part,quantity", "part,count", "the first line is not part,quantity")]
    public void A_mistake_in_the_parts_list_is_named(string right, string wrong, string problem)
    {
        Assert.That(ListText, Does.Contain(right));
        int at = ListText.IndexOf("\n" + right, StringComparison.Ordinal) + 1;
        at = at > 0 ? at : ListText.IndexOf(right, StringComparison.Ordinal);
        Assert.That(Check(ListText[..at] + wrong + ListText[(at + right.Length)..]), Has.Some.StartsWith("bom.csv: ").And.Some.Contains(problem));
    }

    private static List<string> Check(string text)
    {
        List<string> problems = [];
        PartsList.Check(text, Hardware.Catalog.Node, Hardware.Catalog.Boards, problems);
        return problems;
    }
}
