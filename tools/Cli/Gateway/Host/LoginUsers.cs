using System.Security.Cryptography;
using System.Text;
using DePIN.Cli.Key;
using DePIN.Cli.Terminal;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;

namespace DePIN.Cli.Gateway.Host;

/// <summary>
/// `depin gateway mqtt` and `depin gateway user`: the users of the listener and of the web page, in the files that mqtt.credentials and web.credentials name (named by
/// --file, because the settings are refused while one is missing).
/// </summary>
public static class LoginUsers
{
    private const int PasswordBytes = 18; // 144 bits, 24 characters
    private const int PasswordCharsMin = 8;

    /// <summary>Adds a client of the listener, or gives it another password: one of chance, printed once, or the first line of standard input.</summary>
    public static void AddClient(string file, string user, string role, bool fromInput)
    {
        if (!Enum.TryParse(role, ignoreCase: true, out ClientRole parsed) || parsed == ClientRole.Anonymous || !Enum.IsDefined(parsed))
            throw new CliError(ExitCode.BadInput, $"'{role}' is no role", "choose device, application or bridge", "gateway.mqtt-role");
        string password = fromInput ? FromInput() : Convert.ToBase64String(RandomNumberGenerator.GetBytes(PasswordBytes));
        Put(file, user, parsed, Encoding.UTF8.GetBytes(password));
        if (!fromInput) Console.Out.WriteLine(password);
    }

    /// <summary>Adds a person who logs into the page, or gives one another password: typed twice without echo, or the first line of standard input.</summary>
    public static void AddPerson(string file, string user)
    {
        if (Console.IsInputRedirected)
        {
            Put(file, user, ClientRole.Application, LongEnough(Encoding.UTF8.GetBytes(FromInput())));
            return;
        }

        using Passphrase first = Passphrase.Ask($"password of {user}: "), again = Passphrase.Ask("again: ");
        if (!CryptographicOperations.FixedTimeEquals(first.Bytes, again.Bytes)) throw new CliError(ExitCode.BadInput, "the two passwords differ", "run the command again", "gateway.user-password");
        Put(file, user, ClientRole.Application, LongEnough(first.Bytes));
    }

    /// <summary>Removes a user.</summary>
    public static void Remove(string file, string user)
    {
        string[] before = Lines(file), after = [.. before.Where(line => !IsOf(line, user))];
        if (after.Length == before.Length) throw new CliError(ExitCode.BadInput, $"{user} is not in {file}", "'list' instead of 'remove' shows the users", "gateway.no-user");
        Write(file, after);
        Console.Error.WriteLine($"{user} is removed; tell a running gateway: systemctl reload depin-gateway. An MQTT connection that is open stays open");
    }

    /// <summary>Prints names and roles.</summary>
    public static void List(string file)
    {
        foreach (string line in Lines(file).Where(line => line.Length > 0 && line[0] != '#'))
            Console.Out.WriteLine(string.Join('\t', line.Split(':')[..2]));
    }

    private static string FromInput()
    {
        string password = Console.In.ReadLine() ?? "";
        return password.Length > 0 ? password : throw new CliError(ExitCode.BadInput, "there is no password on standard input", "write it on one line", "gateway.user-password");
    }

    private static ReadOnlySpan<byte> LongEnough(ReadOnlySpan<byte> password) => Encoding.UTF8.GetCharCount(password) >= PasswordCharsMin
        ? password : throw new CliError(ExitCode.BadInput, $"a password has at least {PasswordCharsMin} characters", "take a longer one", "gateway.user-password");

    private static void Put(string file, string user, ClientRole role, ReadOnlySpan<byte> password)
    {
        if (LoginBook.WhyNot(user, role) is { } why) throw new CliError(ExitCode.BadInput, $"'{user}': {why}", "choose another name", "gateway.user-name");
        string line = LoginBook.Line(user, role, password);
        Write(file, [.. Lines(file).Where(other => !IsOf(other, user)), line]);
        Console.Error.WriteLine($"{user} ({role.ToString().ToLowerInvariant()}) is in {file}; tell a running gateway: systemctl reload depin-gateway");
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
            throw NotUsable(wrong);
        }
    }

    private static void Write(string file, string[] lines)
    {
        try
        {
            SecretFile.Write(file, Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => line + "\n"))));
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw NotUsable(wrong);
        }
    }

    private static CliError NotUsable(Exception wrong) => new(ExitCode.BadInput, wrong.Message, "correct the file, or run this as the gateway's user", "gateway.user-file");
}
