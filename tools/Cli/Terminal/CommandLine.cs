using System.CommandLine;
using System.CommandLine.Parsing;
using DePIN.Provision;

namespace DePIN.Cli.Terminal;

/// <summary>
/// Runs a parsed command: wrong arguments end with <see cref="ExitCode.BadInput"/> and the line that helps, an expected error
/// with its own code and remedy, Ctrl-C with <see cref="ExitCode.Interrupted"/>. Errors go to standard error, results to standard output.
/// </summary>
public static class CommandLine
{
    /// <summary>How long a command may take to put its children away after Ctrl-C, before the runtime ends it.</summary>
    private static readonly TimeSpan PutAwayTimeout = TimeSpan.FromSeconds(20);

    public static async Task<int> RunAsync(RootCommand root, string[] args)
    {
        ParseResult parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (ParseError error in parsed.Errors)
            {
                Console.Error.WriteLine($"depin: {error.Message}{Missing(error, parsed)}");
            }

            Console.Error.WriteLine($"  → run '{NameOf(parsed.CommandResult)} --help' for what it takes");
            return ExitCode.BadInput;
        }

        try
        {
            InvocationConfiguration configuration = new() { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = PutAwayTimeout };
            return await parsed.InvokeAsync(configuration).ConfigureAwait(false);
        }
        catch (CliError error)
        {
            Console.Error.WriteLine($"depin: {error.Message}{(error.Code is { } code ? $" [{code}]" : "")}");
            Console.Error.WriteLine($"  → {error.Remedy}");
            return error.ExitCode;
        }
        catch (ProvisionFileException error)
        {
            Console.Error.WriteLine($"depin: {error.Message}");
            Console.Error.WriteLine($"  → {error.Remedy}");
            return error.IsInput ? ExitCode.BadInput : ExitCode.Failed;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("depin: interrupted");
            return ExitCode.Interrupted;
        }
    }

    /// <summary>The parser says that an argument is missing, but not which.</summary>
    private static string Missing(ParseError error, ParseResult parsed) => error.SymbolResult is OptionResult ? ""
        : string.Concat(parsed.CommandResult.Command.Arguments.Where(argument => parsed.GetResult(argument) is not { Tokens.Count: > 0 }).Select(argument => $" {argument.HelpName ?? argument.Name}"));

    private static string NameOf(CommandResult result)
    {
        Stack<string> names = new();
        for (SymbolResult? at = result; at is CommandResult command; at = command.Parent)
        {
            names.Push(command.Parent is null ? "depin" : command.Command.Name);
        }

        return string.Join(' ', names);
    }
}
