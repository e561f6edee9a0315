using DePIN.Cli.Terminal;

namespace DePIN.Cli.Key;

/// <summary>Files with a secret are refused when others than their owner may read them.</summary>
public static class PrivateKeyMode
{
    /// <param name="path">The file; what lies in /dev or /proc, as /dev/fd/3, is an open pipe and has no mode that matters.</param>
    /// <param name="option">In the message.</param>
    public static void Check(string path, string option)
    {
        if (!OperatingSystem.IsWindows() && !path.StartsWith("/dev/", StringComparison.Ordinal) && !path.StartsWith("/proc/", StringComparison.Ordinal)
            && (File.GetUnixFileMode(path) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)) != 0)
        {
            throw new CliError(ExitCode.BadInput, $"{option}: {path} may be read by others than its owner", $"run: chmod 600 {path}", "key.readable-by-others");
        }
    }
}
