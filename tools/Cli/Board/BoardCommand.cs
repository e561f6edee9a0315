using System.CommandLine;
using DePIN.Boards;
using DePIN.Boards.Energy;
using DePIN.Boards.Generate;
using DePIN.Cli.Terminal;
using DePIN.Devnet;

namespace DePIN.Cli.Board;

/// <summary>`depin board`: the boards that hardware/boards describes, and what is generated from them.</summary>
public static class BoardCommand
{
    public static Command Create() => new("board", "The boards a node can be built on.") { CreateList(), CreateShow(), CreateEnergy(), CreateGenerate() };

    private static Command CreateList()
    {
        Option<bool> json = new("--json") { Description = "One JSON line: a list." };
        Command command = new("list", "Every board: name, chip, image for nanoff, state.") { json };
        command.SetAction(parsed =>
        {
            BoardCatalog catalog = Load();
            Console.WriteLine(parsed.GetValue(json) ? BoardJson.List(catalog.Boards) : BoardView.List(catalog.Boards));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command CreateShow()
    {
        Argument<string> name = new("name") { Description = "As `depin board list` prints it.", HelpName = "NAME" };
        Option<bool> json = new("--json") { Description = "One JSON line: everything that is known of the board." };
        Command command = new("show", "One board: how to flash it, its pins, what to wire where, its flash memory, where the facts are from.") { name, json };
        command.SetAction(parsed =>
        {
            BoardCatalog catalog = Load();
            DePIN.Boards.Board board = catalog.Find(parsed.GetValue(name)!)
                ?? throw new CliError(ExitCode.BadInput, $"there is no board {parsed.GetValue(name)}", $"name one of {string.Join(", ", catalog.Boards.Select(known => known.Name))}");
            Console.WriteLine(parsed.GetValue(json) ? BoardJson.Of(board, catalog.Node) : BoardView.Of(board, catalog.Node));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command CreateEnergy()
    {
        Option<string> board = new("--board") { Description = "As `depin board list` prints it; all when it is left out.", HelpName = "NAME" };
        Option<string> profile = new("--profile") { Description = "environment, energy, telecom, transport, health or supply-chain; all when it is left out.", HelpName = "NAME" };
        Option<int> interval = new("--interval") { Description = "Seconds between two rounds of measurements.", HelpName = "SECONDS", DefaultValueFactory = _ => 600 };
        Option<int> rounds = new("--rounds") { Description = "Rounds in a frame.", HelpName = "N", DefaultValueFactory = _ => 6 };
        Option<int> frames = new("--frames") { Description = "Frames that are sent together.", HelpName = "N", DefaultValueFactory = _ => 1 };
        Option<bool> module = new("--module") { Description = "The board's module alone behind a regulator for batteries, not the board as it is sold." };
        Option<bool> json = new("--json") { Description = "One JSON line." };
        Command command = new("energy", "What a node takes: mAh a day and days on a cell, always on and with deep sleep. Computed from data sheets, never measured.") { board, profile, interval, rounds, frames, module, json };
        command.SetAction(parsed =>
        {
            BoardCatalog catalog = Load();
            EnergyUse use = new(Range(parsed, interval, 1, 86_400), Range(parsed, rounds, 1, 64), Range(parsed, frames, 1, 64), ModuleAlone: parsed.GetValue(module));
            IReadOnlyList<EnergyRow> rows = EnergyView.Rows(catalog, parsed.GetValue(board), parsed.GetValue(profile), use);
            Console.WriteLine(parsed.GetValue(json) ? EnergyView.Json(rows, use) : EnergyView.Table(rows));
            return ExitCode.Ok;
        });
        return command;
    }

    private static int Range(System.CommandLine.ParseResult parsed, Option<int> option, int min, int max)
    {
        int value = parsed.GetValue(option);
        return value >= min && value <= max ? value
            : throw new CliError(ExitCode.BadInput, $"{option.Name} is {value}", $"give a number from {min} to {max}");
    }

    private static Command CreateGenerate()
    {
        Option<bool> check = new("--check") { Description = "Change nothing; fail when a generated file is not what the boards' data says." };
        Command command = new("generate", "Writes the firmware's constants, the virtual board's pins and the wiring pages from hardware/boards.") { check };
        command.SetAction(parsed =>
        {
            bool changeNothing = parsed.GetValue(check);
            IReadOnlyList<string> files = Generate(Load(), changeNothing);
            foreach (string file in files)
            {
                Console.WriteLine($"{(changeNothing ? "stale" : "written")}: {file}");
            }

            return !changeNothing || files.Count == 0 ? ExitCode.Ok
                : throw new CliError(ExitCode.Failed, $"{files.Count} generated files are not what hardware/boards says", "run 'depin board generate' and commit what it writes");
        });
        return command;
    }

    private static IReadOnlyList<string> Generate(BoardCatalog catalog, bool changeNothing)
    {
        try
        {
            return changeNothing ? GeneratedFiles.FindStale(Root(), catalog) : GeneratedFiles.Write(Root(), catalog);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.Failed, error.Message, "check who may write into the working copy, then generate again");
        }
    }

    /// <summary>The boards of this working copy.</summary>
    public static BoardCatalog Load()
    {
        try
        {
            return BoardCatalog.Load(Path.Combine(Root(), "hardware"));
        }
        catch (BoardException error)
        {
            throw new CliError(ExitCode.BadInput, $"the boards' data is wrong:{Environment.NewLine}{error.Message}", "mend what it names in hardware/; hardware/README.md has the rules");
        }
    }

    private static string Root()
    {
        try
        {
            return Repository.Root;
        }
        catch (DevnetException error)
        {
            throw new CliError(ExitCode.BadInput, error.Message, "go into a working copy of the repository: boards are read from its hardware/boards");
        }
    }
}
