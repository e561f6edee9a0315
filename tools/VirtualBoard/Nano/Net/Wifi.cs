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

        public void Dispose()
        {
        }

        private void Scan()
        {
            // A radio that answers null never ends its scan.
            IReadOnlyList<RadioNetwork>? heard = _hardware.Radio?.Invoke();
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
    /// <summary>The network that was put into the board's configuration.</summary>
    public class Wireless80211Configuration(uint id)
    {
        public uint Id { get; } = id;

        public string Ssid { get; set; } = "";

        public static Wireless80211Configuration[] GetAllWireless80211Configurations() =>
            [new Wireless80211Configuration(0) { Ssid = VirtualHardware.Current.OwnSsid }];
    }
}
