using System.Runtime.Versioning;
using Microsoft.Win32;

namespace DePIN.Cli.Serial;

/// <summary>The serial ports of this computer.</summary>
public static class SerialPorts
{
    public static IReadOnlyList<SerialPortInfo> List() =>
        OperatingSystem.IsWindows() ? WindowsPorts.List(new MachineRegistry())
        : OperatingSystem.IsMacOS() ? MacPorts.List(Directory.GetFiles("/dev", "cu.*"), MacPorts.ReadRegistry())
        : LinuxPorts.List("/");

    /// <summary>What is known of the port behind a path, which may be a link to it; a port that is in no list has only its path.</summary>
    public static SerialPortInfo Find(string path, IReadOnlyList<SerialPortInfo> ports)
    {
        string final = OperatingSystem.IsWindows() ? path : LinkedPath.Final(path);
        return ports.FirstOrDefault(port => port.Path == final || string.Equals(port.Path, path, StringComparison.OrdinalIgnoreCase)) ?? new SerialPortInfo(path);
    }

    [SupportedOSPlatform("windows")]
    private sealed class MachineRegistry : IRegistryView
    {
        public IReadOnlyList<string> Keys(string path)
        {
            using RegistryKey? key = Open(path);
            return key?.GetSubKeyNames() ?? [];
        }

        public IReadOnlyDictionary<string, string> Values(string path)
        {
            using RegistryKey? key = Open(path);
            return key?.GetValueNames().Where(name => key.GetValue(name) is string).ToDictionary(name => name, name => (string)key.GetValue(name)!) ?? [];
        }

        private static RegistryKey? Open(string path)
        {
            try
            {
                return Registry.LocalMachine.OpenSubKey(path);
            }
            catch (System.Security.SecurityException)
            {
                return null; // a key of another user's device
            }
        }
    }
}
