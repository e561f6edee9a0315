using System.Text.Json.Nodes;
using DePIN.Boards;
using DePIN.Cli.Terminal;
using DePIN.Devnet;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Cli;

/// <summary>`depin board` as a person runs it, on this working copy. What it prints is compared with the data.</summary>
public sealed class BoardCommandTests
{
    private static readonly BoardCatalog Catalog = BoardCatalog.Load(Path.Combine(Repository.Root, "hardware"));

    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public async Task List_has_a_line_for_every_board_with_its_image_and_true_state()
    {
        CliProcess run = await CliProcess.RunAsync(folder.Path, "board", "list");
        string[] lines = run.Output.TrimEnd().Split('\n');
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Errors);
        Assert.That(lines, Has.Length.EqualTo(Catalog.Boards.Count + 1));
        foreach (DePIN.Boards.Board board in Catalog.Boards)
        {
            Assert.That(lines, Has.One.StartsWith(board.Name + " ").And.Contains(board.NanoTarget).And.Contains("never run on the part"));
        }
    }

    [Test]
    public async Task List_and_show_as_JSON_are_one_line_that_parses()
    {
        JsonArray list = JsonNode.Parse((await CliProcess.RunAsync(folder.Path, "board", "list", "--json")).Output)!.AsArray();
        Assert.That(list.Select(board => (string)board!["name"]!), Is.EqualTo(Catalog.Boards.Select(board => board.Name)));

        string text = (await CliProcess.RunAsync(folder.Path, "board", "show", "esp32-c3-devkitm-1", "--json")).Output;
        JsonNode board = JsonNode.Parse(text)!;
        Assert.Multiple(() =>
        {
            Assert.That(text.TrimEnd(), Does.Not.Contain("\n"));
            Assert.That((string)board["onBoardLed"]!["kind"]!, Is.EqualTo("addressable"));
            Assert.That((int)board["provisioning"]!["transmit"]!, Is.EqualTo(5));
            Assert.That((int)board["drive"]!["bytes"]!, Is.EqualTo(262144));
            Assert.That(board["wires"]!.AsArray().Select(wire => (string)wire!["function"]!), Does.Contain("i2c.data").And.Contain("statusLed"));
        });
    }

    [Test]
    public async Task Show_says_how_to_flash_and_what_to_wire()
    {
        CliProcess run = await CliProcess.RunAsync(folder.Path, "board", "show", "xiao-esp32c3");
        Assert.Multiple(() =>
        {
            Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Errors);
            Assert.That(run.Output, Does.Contain("--target ESP32_C3 "));
            Assert.That(run.Output, Does.Contain("never run on the part"));
            Assert.That(run.Output, Does.Match("BME280 breakout +SDA +D4 \\(GPIO6\\)"));
            Assert.That(run.Output, Does.Contain("wiki.seeedstudio.com"));
        });
    }

    [Test]
    public async Task Generate_would_change_nothing_in_this_working_copy()
    {
        CliProcess run = await CliProcess.RunAsync(folder.Path, "board", "generate", "--check");
        Assert.Multiple(() =>
        {
            Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Errors);
            Assert.That(run.Output, Is.Empty);
        });
    }
}
