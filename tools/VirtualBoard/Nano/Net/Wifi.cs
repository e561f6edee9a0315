// System.Device.Wifi of nanoFramework 1.x, as much as the firmware uses: a scan that ends later, on another thread, as on the board.

using DePIN.VirtualBoard.Hardware;

namespace System.Device.Wifi
{
    public delegate void AvailableNetworksChangedEventHandler(WifiAdapter sender, object e);

    public class WifiAvailableNetwork
    {
        public string Bsid { get; internal init; } = "";

        public string Ssid { get; internal init; } = "";

        public double NetworkRssiInDecibelMilliwatts { get; internal init; }
    }

    public enum WifiReconnectionKind
    {
        Automatic = 0,
        Manual = 1,
    }

    public enum WifiConnectionStatus
    {
        AccessRevoked = 0,
        InvalidCredential = 1,
        NetworkNotAvailable = 2,
        Success = 3,
        Timeout = 4,
        UnspecifiedFailure = 5,
        UnsupportedAuthenticationProtocol = 6,
    }

    public class WifiConnectionResult
    {
        internal WifiConnectionResult(WifiConnectionStatus status) => ConnectionStatus = status;

        public WifiConnectionStatus ConnectionStatus { get; }
    }

    public class WifiNetworkReport
    {
        internal WifiNetworkReport(WifiAvailableNetwork[] networks) => AvailableNetworks = networks;

        public WifiAvailableNetwork[] AvailableNetworks { get; }
    }

    public sealed class WifiAdapter : IDisposable
    {
        private readonly VirtualHardware _hardware;
        private int _scanning;

        private WifiAdapter(VirtualHardware hardware) => _hardware = hardware;

        public event AvailableNetworksChangedEventHandler? AvailableNetworksChanged;

        public WifiNetworkReport NetworkReport { get; private set; } = new([]);

        public static WifiAdapter[] FindAllAdapters() => VirtualHardware.Current.Radio is null ? [] : [new WifiAdapter(VirtualHardware.Current)];

        /// <exception cref="InvalidOperationException">A scan is under way, or the radio is off.</exception>
        public void ScanAsync()
        {
            if (!_hardware.RadioWorks)
            {
                throw new InvalidOperationException("the radio is off");
            }

            if (Interlocked.Exchange(ref _scanning, 1) == 1)
            {
                throw new InvalidOperationException("a scan is under way");
            }

            ThreadPool.QueueUserWorkItem(_ => Scan());
        }

        /// <summary>Joins a network with that password; Automatic joins it again after every reset, once it is in the board's configuration.</summary>
        public WifiConnectionResult Connect(string ssid, WifiReconnectionKind reconnectionKind, string passwordCredential)
        {
            JoinAttempt attempt = _hardware.JoinWifi(ssid, passwordCredential);
            return new WifiConnectionResult(attempt switch
            {
                JoinAttempt.Joined => WifiConnectionStatus.Success,
                JoinAttempt.WrongPassword => WifiConnectionStatus.InvalidCredential,
                _ => WifiConnectionStatus.NetworkNotAvailable,
            });
        }

        public void Disconnect() => _hardware.LeaveWifi();

        /// <summary>The name that the board gives to the network's DHCP server.</summary>
        public void SetDeviceName(string deviceName) => _hardware.HostName = deviceName;

        public void Dispose()
        {
        }

        private void Scan()
        {
            // A radio that answers null never ends its scan.
            IReadOnlyList<RadioNetwork>? heard = _hardware.HearWifi();
            if (heard is null)
            {
                return;
            }

            NetworkReport = new WifiNetworkReport(
                [.. heard.Select(one => new WifiAvailableNetwork { Ssid = one.Ssid, Bsid = one.Bssid, NetworkRssiInDecibelMilliwatts = one.SignalDbm })]);
            Interlocked.Exchange(ref _scanning, 0);
            AvailableNetworksChanged?.Invoke(this, this);
        }
    }
}

namespace System.Net.NetworkInformation
{
    /// <summary>The network that was put into the board's configuration. Setting a property changes nothing before it is saved.</summary>
    public class Wireless80211Configuration(uint id)
    {
        [Flags]
        public enum ConfigurationOptions : byte
        {
            None = 0,
            Disable = 1,
            Enable = 2,
            AutoConnect = 6,
            SmartConfig = 10,
        }

        public uint Id { get; } = id;

        public string Ssid { get; set; } = "";

        public string Password { get; set; } = "";

        public ConfigurationOptions Options { get; set; }

        public static Wireless80211Configuration[] GetAllWireless80211Configurations() =>
            [new Wireless80211Configuration(0) { Ssid = VirtualHardware.Current.ConfiguredSsid, Password = VirtualHardware.Current.OwnPassword }];

        public void SaveConfiguration() => VirtualHardware.Current.ConfigureWifi(Ssid, Password);
    }
}
