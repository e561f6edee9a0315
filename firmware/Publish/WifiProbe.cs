using System;
using System.Device.Wifi;
using System.Net.NetworkInformation;
using System.Threading;
using DePIN.Firmware.Board;

namespace DePIN.Firmware.Publish
{
    /// <summary>
    /// Why Wi-Fi cannot be joined. The runtime's helper only says that no address came in time, for an absent network and a wrong password alike;
    /// a scan tells them apart: a network that is heard and does not let the node in refuses it.
    /// </summary>
    public static class WifiProbe
    {
        /// <summary>Thirteen channels take about 4 s.</summary>
        public const int ScanMs = 10000;

        /// <summary>Whether the network of the board's configuration is heard. False also when the radio does not scan: it refuses while it still tries to join.</summary>
        public static bool IsOwnNetworkHeard()
        {
            try
            {
                string own = ConfiguredSsid;
                WifiAdapter[] adapters = WifiAdapter.FindAllAdapters();
                return own.Length > 0 && adapters.Length > 0 && IsHeard(adapters[0], own);
            }
            catch (Exception e)
            {
                NodeLog.Fault("wifi-probe", e);
                return false;
            }
        }

        /// <summary>The network in the board's configuration; empty: none.</summary>
        public static string ConfiguredSsid
        {
            get
            {
                Wireless80211Configuration[] all = Wireless80211Configuration.GetAllWireless80211Configurations();
                return all.Length > 0 && all[0].Ssid != null ? all[0].Ssid : "";
            }
        }

        /// <summary>What a scan hears; null: it did not end in time.</summary>
        public static WifiAvailableNetwork[] Scan(WifiAdapter adapter, int limitMs)
        {
            ManualResetEvent scanned = new ManualResetEvent(false);
            AvailableNetworksChangedEventHandler onScanned = (WifiAdapter sender, object e) => scanned.Set();
            adapter.AvailableNetworksChanged += onScanned;
            try
            {
                adapter.ScanAsync();
                return scanned.WaitOne(limitMs, false) && adapter.NetworkReport != null ? adapter.NetworkReport.AvailableNetworks : null;
            }
            finally
            {
                adapter.AvailableNetworksChanged -= onScanned;
            }
        }

        private static bool IsHeard(WifiAdapter adapter, string own)
        {
            WifiAvailableNetwork[] networks = Scan(adapter, ScanMs);
            for (int i = 0; networks != null && i < networks.Length; i++)
            {
                if (networks[i].Ssid == own)
                {
                    return true;
                }
            }

            return false;
        }
    }
}
