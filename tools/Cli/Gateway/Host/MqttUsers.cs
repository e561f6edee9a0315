using System.Security.Cryptography;
using System.Text;
using DePIN.Cli.Terminal;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;

namespace DePIN.Cli.Gateway.Host;

/// <summary>`depin gateway mqtt`: the users of the listener, in the file that mqtt.credentials names (named by --file, because the settings are refused while it is missing).</summary>
public static class MqttUsers
{
    private const int PasswordBytes = 18; // 144 bits, 24 characters

    /// <summary>Adds a user, or gives it another password: one of chance, printed once, or the first line of standard input.</summary>
    public static void Add(string file, string user, string role, bool fromInput)
    {
        if (!Enum.TryParse(role, ignoreCase: true, out ClientRole parsed) || parsed == ClientRole.Anonymous || !Enum.IsDefined(parsed))
            throw new CliError(ExitCode.BadInput, $"'{role}' is no role", "choose device, application or bridge", "gateway.mqtt-role");
        if (LoginBook.WhyNot(user, parsed) is { } why) throw new CliError(ExitCode.BadInput, $"'{user}': {why}", "choose another name", "gateway.mqtt-user");
        string password = fromInput ? Console.In.ReadLine() ?? "" : Convert.ToBase64String(RandomNumberGenerator.GetBytes(PasswordBytes));
        if (password.Length == 0) throw new CliError(ExitCode.BadInput, "there is no password on standard input", "write it on one line", "gateway.mqtt-password");
        string line = LoginBook.Line(user, parsed, Encoding.UTF8.GetBytes(password));
        Write(file, [.. Lines(file).Where(other => !IsOf(other, user)), line]);
        if (!fromInput) Console.Out.WriteLine(password);
        Console.Error.WriteLine($"{user} ({role}) is in {file}; tell a running gateway: systemctl reload depin-gateway");
    }

    /// <summary>Removes a user.</summary>
    public static void Remove(string file, string user)
    {
        string[] before = Lines(file), after = [.. before.Where(line => !IsOf(line, user))];
        if (after.Length == before.Length) throw new CliError(ExitCode.BadInput, $"{user} is not in {file}", "'depin gateway mqtt list' shows the users", "gateway.mqtt-user");
        Write(file, after);
        Console.Error.WriteLine($"{user} is removed; tell a running gateway: systemctl reload depin-gateway. A connection that is open stays open");
    }

    /// <summary>Prints names and roles.</summary>
    public static void List(string file)
    {
        foreach (string line in Lines(file).Where(line => line.Length > 0 && line[0] != '#'))
            Console.Out.WriteLine(string.Join('\t', line.Split(':')[..2]));
    }

    private static bool IsOf(string line, string user) => line.StartsWith(user + ":", StringComparison.Ordinal);

    private static string[] Lines(string file)
    {
        try
        {
            if (!File.Exists(file)) return [];
            SecretFile.RequirePrivate(file);
            return [.. File.ReadAllLines(file)];
        }
        catch (Exception wrong) when (wrong is SettingsException or IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, wrong.Message, "correct the file, or run this as the gateway's user", "gateway.mqtt-credentials");
        }
    }

    private static void Write(string file, string[] lines) => SecretFile.Write(file, Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => line + "\n"))));
}
