using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;

namespace DePIN.Packaging;

/// <summary>Something kept the package from being built; the message says what to do.</summary>
public sealed class PackagingException(string message) : Exception(message);

/// <summary>Debian's name of an architecture, .NET's name of it, and the ELF machine of its programs.</summary>
public sealed record Architecture(string Debian, string Runtime, ushort ElfMachine)
{
    public static IReadOnlyList<Architecture> All { get; } = [new("amd64", "linux-x64", 62), new("arm64", "linux-arm64", 183), new("armhf", "linux-arm", 40)];
}

/// <summary>What of the .NET runtime a package brings.</summary>
public enum Build
{
    /// <summary>Nothing: both programs need it.</summary>
    Portable,

    /// <summary>The gateway is compiled ahead of time and needs none; `depin` does.</summary>
    Native,

    /// <summary>All of it.</summary>
    SelfContained,
}

/// <summary>The command line.</summary>
public sealed partial record PackagingOptions
{
    public const string Usage = """
        dotnet run --project tools/Packaging -- [--out DIR] [--arch amd64,arm64,armhf] [--version V] [--native | --self-contained] [--no-build]

          --out DIR          where the .deb files go (packages/)
          --arch LIST        which architectures (all three)
          --version V        the package's version (the solution's, with -1)
          --native           the gateway compiled for each architecture (clang, for another one its cross compiler): half the memory; `depin` needs the runtime still
          --self-contained   with the .NET runtime inside; needs the runtime packs of NuGet
          --no-build         takes what is built in Release already

        SOURCE_DATE_EPOCH is the date of every file; without it the commit's is.
        """;

    public string Out { get; init; } = "packages";

    public IReadOnlyList<Architecture> Architectures { get; init; } = Architecture.All;

    public string Version { get; init; } = SolutionVersion() + "-1";

    public Build Build { get; init; }

    public bool NoBuild { get; init; }

    public bool Help { get; init; }

    /// <summary>SOURCE_DATE_EPOCH, or null.</summary>
    public DateTimeOffset? Date { get; init; }

    /// <summary>Parses; throws a <see cref="PackagingException"/> that names the argument.</summary>
    public static PackagingOptions Parse(IReadOnlyList<string> arguments)
    {
        PackagingOptions options = new() { Date = DateOf(Environment.GetEnvironmentVariable("SOURCE_DATE_EPOCH")) };
        for (int i = 0; i < arguments.Count; i++)
        {
            string name = arguments[i];
            string Value() => ++i < arguments.Count ? arguments[i] : throw new PackagingException($"{name} needs a value.\n\n{Usage}");
            options = name switch
            {
                "--out" => options with { Out = Value() },
                "--arch" => options with { Architectures = [.. Value().Split(',').Select(Find)] },
                "--version" => options with { Version = CheckVersion(Value()) },
                "--self-contained" when options.Build != Build.Native => options with { Build = Build.SelfContained },
                "--native" when options.Build != Build.SelfContained => options with { Build = Build.Native },
                "--native" or "--self-contained" => throw new PackagingException("--native and --self-contained exclude each other."),
                "--no-build" => options with { NoBuild = true },
                "--help" or "-h" => options with { Help = true },
                _ => throw new PackagingException($"unknown argument '{name}'.\n\n{Usage}"),
            };
        }

        if (options.Build == Build.SelfContained && options.NoBuild) throw new PackagingException("--self-contained builds for each architecture: leave out --no-build.");
        return options;
    }

    private static Architecture Find(string name) => Architecture.All.FirstOrDefault(a => a.Debian == name)
        ?? throw new PackagingException($"--arch: '{name}' is none of {string.Join(", ", Architecture.All.Select(a => a.Debian))}.");

    private static string CheckVersion(string version) => VersionForm().IsMatch(version)
        ? version
        : throw new PackagingException($"--version: '{version}' is no Debian version with a revision, such as 1.2.0-1.");

    private static DateTimeOffset? DateOf(string? epoch) => string.IsNullOrEmpty(epoch) ? null
        : long.TryParse(epoch, NumberStyles.None, CultureInfo.InvariantCulture, out long seconds) ? DateTimeOffset.FromUnixTimeSeconds(seconds)
        : throw new PackagingException($"SOURCE_DATE_EPOCH: '{epoch}' is no number of seconds.");

    private static string SolutionVersion() =>
        typeof(PackagingOptions).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0].Replace('-', '~');

    [GeneratedRegex(@"^[0-9][0-9A-Za-z.+~]*-[0-9A-Za-z.+~]+$")]
    private static partial Regex VersionForm();
}
