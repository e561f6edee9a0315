using System.Text.Json;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.VirtualBoard.Flash;

/// <summary>The Wi-Fi network in the board's configuration, which on a board is a block of flash beside the drive: FOLDER/wifi.json, 0600.</summary>
public static class WifiFile
{
    /// <summary>Gives the board what was kept, and keeps what it saves from now on.</summary>
    public static void Connect(VirtualHardware hardware, string folder)
    {
        ArgumentNullException.ThrowIfNull(hardware);
        string path = Path.Combine(folder, "wifi.json");
        if (File.Exists(path))
        {
            Kept kept = Read(path);
            hardware.OwnSsid = kept.Ssid;
            hardware.OwnPassword = kept.Password;
        }

        hardware.WifiSaved = (ssid, password) =>
        {
            // Never readable by others, not even while it is new.
            string fresh = path + ".new";
            FileStreamOptions options = new() { Mode = FileMode.Create, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            using (FileStream file = new(fresh, options))
            {
                JsonSerializer.Serialize(file, new Kept(ssid, password));
                file.Flush(flushToDisk: true);
            }

            File.Move(fresh, path, overwrite: true);
        };
    }

    private static Kept Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<Kept>(File.ReadAllText(path)) is { Ssid: not null, Password: not null } kept ? kept : throw new JsonException("a name or a password is missing");
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{path} is no Wi-Fi configuration ({error.Message}): delete it");
        }
    }

    private sealed record Kept(string Ssid, string Password);
}
