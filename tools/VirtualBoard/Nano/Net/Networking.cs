// nanoFramework.Networking: Wi-Fi joins when the virtual hardware has a network; SNTP's answer is the host's clock.

using DePIN.VirtualBoard.Hardware;

namespace nanoFramework.Networking;

public enum NetworkHelperStatus
{
    None = 0,
    Started = 1,
    NetworkIsReady = 2,
    FailedNoNetworkInterface = 3,
    TokenExpiredWaitingIPAddress = 4,
    TokenExpiredWaitingDateTime = 5,
    ErrorConnetingToWiFiWhileScanning = 6,
    ExceptionOccurred = 7,
    Reconnecting = 8,
}

public static class WifiNetworkHelper
{
    public static NetworkHelperStatus Status { get; private set; }

    public static bool Reconnect(bool requiresDateTime = false, int wifiAdapterId = 0, CancellationToken token = default)
    {
        VirtualHardware.Current.JoinAgain();
        bool up = VirtualHardware.Current.HasAddress;
        Status = up ? NetworkHelperStatus.NetworkIsReady : NetworkHelperStatus.TokenExpiredWaitingIPAddress;
        return up;
    }
}

/// <summary>The host keeps its own clock by whatever its operator runs: a virtual board takes it for the time server's answer.</summary>
public class Sntp
{
    public static bool IsStarted { get; private set; }

    public static string Server1 { get; set; } = "pool.ntp.org";

    public static string Server2 { get; set; } = "";

    public static void Start() => IsStarted = true;

    public static void Stop() => IsStarted = false;

    /// <exception cref="TimeoutException">The virtual hardware has no network.</exception>
    public static void UpdateNow()
    {
        if (!VirtualHardware.Current.HasAddress)
        {
            throw new TimeoutException("the time server did not answer");
        }
    }
}
