namespace DePIN.Cli.Serial;

/// <summary>Paths behind symbolic links, every part of them resolved.</summary>
public static class LinkedPath
{
    private const int LinksMax = 40;

    /// <summary>Where the path leads in the end; the path itself when it is not there or leads in a circle.</summary>
    public static string Final(string path)
    {
        string at = Path.GetFullPath(path);
        for (int links = 0; links < LinksMax; links++)
        {
            if (Step(at) is not { } next)
            {
                return at;
            }

            at = next;
        }

        return path;
    }

    /// <summary>The path with its first link replaced, or null when there is none.</summary>
    private static string? Step(string path)
    {
        string walked = Path.GetPathRoot(path)!;
        string[] parts = path[walked.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
        for (int at = 0; at < parts.Length; at++)
        {
            string next = Path.Combine(walked, parts[at]);
            if (new FileInfo(next).LinkTarget is { } target)
            {
                return Path.GetFullPath(Path.Combine([walked, target, .. parts[(at + 1)..]]));
            }

            walked = next;
        }

        return null;
    }
}
