using System;
using System.Device.Wifi;
using System.Threading;
using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using nanoFramework.Networking;

namespace DePIN.Firmware.Publish
{
    /// <summary>
    /// Joins the Wi-Fi network whose name and password are in the board's configuration (put there by an Improv client or by nanoff, never in
    /// node.conf).
    /// </summary>
    public sealed class Network
    {
        private const int JoinMs = 30000;

        private readonly bool _useWifi;
        private readonly NodeHealth _health;
        private bool _joined;
        private bool _refused;

        public Network(NodeSettings settings, NodeHealth health)
        {
            _useWifi = settings.Wifi;
            _health = health;
            _health.HasNetwork = !_useWifi;
        }

        /// <summary>Makes sure there is a network; waits at most 30 s, and 10 s more to find out why not. True at once when Wi-Fi is not used.</summary>
        public bool Join()
        {
            if (!_useWifi)
            {
                return true;
            }

            using (CancellationTokenSource limit = new CancellationTokenSource(JoinMs))
            {
                // A board that was given no network yet has nothing to wait for: whoever gives it one over serial would wait, too.
                bool joined = WifiProbe.ConfiguredSsid.Length > 0 && WifiNetworkHelper.Reconnect(false, 0, limit.Token);
                _health.HasNetwork = joined;
                bool refused = !joined && WifiProbe.IsOwnNetworkHeard();
                _health.IsWifiRefused = refused;
                if (refused)
                {
                    _health.CountWifiRefusal();
                }
                else if (!joined)
                {
                    _health.CountWifiFailure();
                }

                if (joined != _joined || refused != _refused)
                {
                    _joined = joined;
                    _refused = refused;
                    NodeLog.Event("network", "wifi=" + (joined ? "1" : "0") + (refused ? " message=the network is heard and does not let the node in: its password?" : ""));
                }

                return joined;
            }
        }

        /// <summary>
        /// Whether the radio is on, because only then the chip's generator gives true random numbers (ESP-IDF, "Random Number
        /// Generation"): a network is joined, or a scan begins, which the ESP32 refuses while its radio is off. The runtime starts the
        /// radio at boot when the board's Wi-Fi configuration says so, also where the node itself has wifi=off.
        /// </summary>
        public bool HasRadio()
        {
            if (_useWifi && Join())
            {
                return true;
            }

            try
            {
                WifiAdapter[] adapters = WifiAdapter.FindAllAdapters();
                if (adapters.Length == 0)
                {
                    return false;
                }

                adapters[0].ScanAsync();
                return true;
            }
            catch (Exception e)
            {
                NodeLog.Fault("radio", e);
                return false;
            }
        }
    }
}
