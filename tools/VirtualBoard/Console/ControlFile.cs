// What happens to a virtual board from outside: somebody presses its button, an access point comes or goes, a plug is pulled. Lines of a
// file, each done once when it is whole; more may be added while the board runs (echo "button press" >> FILE).
//
//   wifi NAME|PASSWORD|DBM   an access point is in range (again, with that password); an empty password: an open network
//   wifi-gone NAME           it is not any more
//   button press, button release
//   serial pull              the serial port fails once, as when its cable is pulled

using System.Globalization;
using System.Text;
using DePIN.Firmware.Board;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.VirtualBoard.Console;

/// <summary>Follows a control file. A line it does not know is told and does nothing.</summary>
public sealed class ControlFile : IDisposable
{
    private const int PollMs = 50;

    private readonly VirtualHardware _hardware;
    private readonly string _path;
    private readonly Action<string> _tell;
    private readonly ManualResetEvent _off = new(false);
    private long _read;

    private ControlFile(VirtualHardware hardware, string path, Action<string> tell)
    {
        _hardware = hardware;
        _path = path;
        _tell = tell;
    }

    /// <summary>Does what the file says already, then what is added to it. The radio hears only the access points that it names, and no network is configured.</summary>
    public static ControlFile Follow(VirtualHardware hardware, string path, Action<string> tell)
    {
        ArgumentNullException.ThrowIfNull(hardware);
        ControlFile control = new(hardware, path, tell);
        hardware.AccessPoints = [];
        hardware.OwnSsid = "";
        control.ReadOn();
        new Thread(control.Run) { IsBackground = true, Name = "control" }.Start();
        return control;
    }

    public void Dispose() => _off.Set();

    private void Run()
    {
        while (!_off.WaitOne(PollMs))
        {
            ReadOn();
        }
    }

    private void ReadOn()
    {
        if (!File.Exists(_path))
        {
            return;
        }

        byte[] bytes;
        using (FileStream file = new(_path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete))
        {
            file.Seek(_read, SeekOrigin.Begin);
            bytes = new byte[Math.Max(0, file.Length - _read)];
            bytes = bytes[..file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)];
        }

        int end = Array.LastIndexOf(bytes, (byte)'\n') + 1;
        _read += end;
        foreach (string line in Encoding.UTF8.GetString(bytes, 0, end).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (!Do(line))
            {
                _tell($"control-unknown message={line}");
            }
        }
    }

    private bool Do(string line)
    {
        int blank = line.IndexOf(' ', StringComparison.Ordinal);
        string rest = blank < 0 ? "" : line[(blank + 1)..];
        switch (blank < 0 ? line : line[..blank])
        {
            case "wifi" when rest.Split('|') is [{ Length: > 0 } ssid, string password, string text] && int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int signal):
                _hardware.AccessPoints = [.. Others(ssid), new AccessPoint(ssid, password, signal)];
                return true;
            case "wifi-gone" when rest.Length > 0:
                _hardware.AccessPoints = [.. Others(rest)];
                return true;
            case "button" when BoardPins.ButtonPin >= 0 && rest is "press" or "release":
                _hardware.DriveGpio(BoardPins.ButtonPin, rest == "release");
                return true;
            case "serial" when rest == "pull":
                _hardware.PullSerial(BoardPins.ProvisionPort);
                return true;
            default:
                return false;
        }
    }

    private IEnumerable<AccessPoint> Others(string ssid) => (_hardware.AccessPoints ?? []).Where(point => point.Ssid != ssid);
}
