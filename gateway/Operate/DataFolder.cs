using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Operate;

/// <summary>The folder for everything the gateway must not lose. Made with mode 0700; refused when it cannot be written.</summary>
public static class DataFolder
{
    /// <summary>Makes the folder when missing and tries to write in it. Throws <see cref="SettingsException"/> with the remedy.</summary>
    public static void Prepare(string folder)
    {
        try
        {
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
            else Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            string probe = Path.Combine(folder, ".writable");
            File.WriteAllBytes(probe, []);
            File.Delete(probe);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new SettingsException($"{folder}: the data folder cannot be used ({fault.Message}). Make it writable for user {Environment.UserName}, for example: sudo chown {Environment.UserName} {folder}");
        }
    }
}
