namespace DePIN.Gateway.Operate;

/// <summary>
/// The gateway's few arguments. Everything else is a setting. No secret is ever taken from the command line, because
/// every user of the machine can read it there (/proc/&lt;pid&gt;/cmdline).
/// </summary>
public sealed record CommandLine(string? ConfigFile, string? DataFolder, bool PrintConfig, bool Check, bool Help)
{
    public const string Usage = """
        depin-gateway [--config FILE] [--data DIR] [--print-config | --check | --help]

          --config FILE    settings (JSON with comments); without it defaults and DEPIN_… variables count
          --data DIR       folder for database, keys and certificates; overrides data.folder
          --print-config   print the commented template and exit
          --check          check the settings, say what is wrong, and exit

        Exit codes: 0 stopped as asked; 1 a part failed, restart; 64 usage; 77 identity or data folder; 78 settings.
        """;

    /// <summary>Parses, or throws a <see cref="UsageException"/> that names the argument.</summary>
    public static CommandLine Parse(IReadOnlyList<string> arguments)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        CommandLine line = new(null, null, false, false, false);
        for (int i = 0; i < arguments.Count; i++)
        {
            string name = arguments[i];
            string? value = null;
            int equals = name.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0 && name.StartsWith("--", StringComparison.Ordinal)) (name, value) = (name[..equals], name[(equals + 1)..]);
            line = name switch
            {
                "--config" => line with { ConfigFile = value ?? Next(arguments, ref i, name) },
                "--data" => line with { DataFolder = value ?? Next(arguments, ref i, name) },
                "--print-config" when value is null => line with { PrintConfig = true },
                "--check" when value is null => line with { Check = true },
                "--help" or "-h" when value is null => line with { Help = true },
                _ => throw new UsageException($"unknown argument '{arguments[i]}'.\n\n{Usage}"),
            };
        }

        return line;
    }

    private static string Next(IReadOnlyList<string> arguments, ref int i, string name) =>
        ++i < arguments.Count && arguments[i].Length > 0 ? arguments[i] : throw new UsageException($"{name} needs a value.\n\n{Usage}");
}

/// <summary>The command line is wrong; the message names the argument and shows the usage.</summary>
public sealed class UsageException(string message) : Exception(message);
