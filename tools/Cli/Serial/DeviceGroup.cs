using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;

namespace DePIN.Cli.Serial;

/// <summary>The group that may open a device node: what a user must join.</summary>
public static class DeviceGroup
{
    /// <summary>The usual one, where the node or /etc/group cannot be read.</summary>
    public const string Usual = "dialout";

    private const int StatxBytes = 256;
    private const int StatxGroupOffset = 24; // struct statx is the same on every architecture: linux/stat.h
    private const int AtCurrentFolder = -100;
    private const uint StatxGroup = 0x10;

    public static string Of(string path, string root = "/")
    {
        string file = Path.Combine(root, "etc", "group");
        if (!OperatingSystem.IsLinux() || !File.Exists(file) || Id(path) is not { } id)
        {
            return Usual;
        }

        return NameOf(File.ReadLines(file), id) ?? Usual;
    }

    /// <summary>The name of a group in lines name:password:id:members.</summary>
    public static string? NameOf(IEnumerable<string> lines, uint id) => lines
        .Select(line => line.Split(':'))
        .FirstOrDefault(fields => fields.Length >= 3 && fields[2] == id.ToString(CultureInfo.InvariantCulture))?[0];

    private static uint? Id(string path)
    {
        byte[] found = new byte[StatxBytes];
        return NativeMethods.Statx(AtCurrentFolder, path, 0, StatxGroup, found) == 0 ? BinaryPrimitives.ReadUInt32LittleEndian(found.AsSpan(StatxGroupOffset)) : null;
    }

    private static class NativeMethods
    {
        [DllImport("libc", EntryPoint = "statx", SetLastError = true, CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Statx(int folder, string path, int flags, uint mask, [Out] byte[] found);
    }
}
