using System.Globalization;

namespace DePIN.Cli.Serial;

/// <summary>A process that has a port open, found in /proc (Linux). Others' processes are seen only by root.</summary>
public sealed record PortHolder(int Id, string Name)
{
    private const int HoldersMax = 8;

    public static IReadOnlyList<PortHolder> Find(string path, string root = "/")
    {
        List<PortHolder> holders = [];
        string folder = Path.Combine(root, "proc");
        string device = LinkedPath.Final(path);
        if (!Directory.Exists(folder))
        {
            return holders;
        }

        foreach (string process in Directory.EnumerateDirectories(folder))
        {
            if (int.TryParse(Path.GetFileName(process), CultureInfo.InvariantCulture, out int id) && Holds(Path.Combine(process, "fd"), device))
            {
                holders.Add(new PortHolder(id, NameOf(process)));
                if (holders.Count == HoldersMax)
                {
                    break;
                }
            }
        }

        return holders;
    }

    private static bool Holds(string descriptors, string device)
    {
        try
        {
            return Directory.EnumerateFileSystemEntries(descriptors).Any(entry => new FileInfo(entry).LinkTarget == device);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false; // it has ended meanwhile, or is another user's
        }
    }

    private static string NameOf(string process)
    {
        try
        {
            return File.ReadAllText(Path.Combine(process, "comm")).Trim();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return "a program";
        }
    }
}
