using System.Runtime.InteropServices;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Operate;

/// <summary>
/// SIGHUP: the settings are read again. Those that may change while frames move (<see cref="SettingAttribute.IsReloaded"/>) are taken over, each other one
/// that changed is named as waiting for a restart, and a wrong file changes nothing.
/// </summary>
public sealed class SettingsReload : IDisposable
{
    private readonly GatewaySettings _running;
    private readonly Func<GatewaySettings> _read;
    private readonly Action _taken;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly PosixSignalRegistration? _signal;

    /// <param name="running">The settings that everything runs with.</param>
    /// <param name="read">Reads and checks them anew.</param>
    /// <param name="taken">Called when some were taken over.</param>
    /// <param name="log">Told what happened.</param>
    public SettingsReload(GatewaySettings running, Func<GatewaySettings> read, Action taken, ILogger log)
    {
        (_running, _read, _taken, _log) = (running, read, taken, log);
        if (OperatingSystem.IsWindows()) return;
        _signal = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true; // without it the process would end
            Reload();
        });
    }

    /// <summary>Reads and takes over now.</summary>
    public void Reload()
    {
        lock (_gate)
        {
            try
            {
                GatewaySettings fresh = _read();
                List<string> taken = [], waiting = [];
                foreach ((SettingsKey now, SettingsKey then) in _running.Sections().SelectMany(section => section.Keys).Zip(fresh.Sections().SelectMany(section => section.Keys)))
                {
                    if (IsSame(now.Default, then.Default)) continue;
                    (now.About.IsReloaded ? taken : waiting).Add(now.Path);
                    if (now.About.IsReloaded) now.Set(then.Default!);
                }

                _running.TakeFiles(fresh); // their file may have changed under the same name
                _taken();
                _log.LogInformation("settings read again: {Taken} taken over; {Waiting} wait for a restart", Words(taken), Words(waiting));
            }
            catch (Exception fault) when (fault is SettingsException or IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException)
            {
                _log.LogError("the settings stay as they were: {Problem}", fault.Message);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _signal?.Dispose();

    private static bool IsSame(object? a, object? b) => a is string[] one && b is string[] other ? one.AsSpan().SequenceEqual(other) : Equals(a, b);

    private static string Words(List<string> paths) => paths.Count == 0 ? "none" : string.Join(", ", paths);
}
