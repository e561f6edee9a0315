using System.CommandLine;
using DePIN.Cli.Terminal;

namespace DePIN.Cli.Ota;

/// <summary>The gateway's operator token: named by file, so that it is on no command line.</summary>
public static class OperatorTokenFile
{
    /// <summary>Names the file when --token does not.</summary>
    public const string Variable = "DEPIN_OPERATOR_TOKEN_FILE";

    private const int FileBytesMax = 256;

    public static Option<string?> CreateOption() => new("--token") { Description = $"The gateway's operator.token, from its data folder. Default: {Variable}.", HelpName = "FILE" };

    public static string Read(string? given)
    {
        string path = given ?? Environment.GetEnvironmentVariable(Variable)
            ?? throw new CliError(ExitCode.BadInput, "an operator's request needs the gateway's token", $"name the file operator.token of the gateway's data folder with --token FILE or {Variable}");
        try
        {
            string token = new FileInfo(path).Length <= FileBytesMax ? File.ReadAllText(path).Trim() : "";
            return token.Length > 0 && token.All(char.IsAsciiHexDigit) ? token : throw new CliError(ExitCode.BadInput, $"--token: {path} holds no token", "name the file operator.token of the gateway's data folder");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"--token: {path} cannot be read: {error.Message}", "run as the gateway's user, or copy the file (0600)");
        }
    }
}
