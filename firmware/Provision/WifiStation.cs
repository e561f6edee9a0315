using System;
using System.Device.Wifi;
using System.Net.NetworkInformation;
using System.Threading;
using DePIN.Firmware.Board;
using DePIN.Firmware.Publish;
using nanoFramework.Networking;

namespace DePIN.Firmware.Provision
{
    /// <summary>
    /// Scans for networks and joins one, each on a thread of its own, so that neither the serial line nor sampling waits for the radio. One at a
    /// time, bounded: a radio that does not come back is given up after <see cref="JoinMsMax"/>, and what it still says is not listened to.
    /// What was joined is in the board's configuration and is joined again at every start; a network that could not be joined leaves there
    /// what was there before.
    /// </summary>
    public sealed class WifiStation
    {
        /// <summary>The official client waits 30 s for an answer.</summary>
        public const long JoinMsMax = 25000;
        private const int AddressMs = 18000;
        private const int ScanMs = 12000;

        private readonly object _gate = new object();
        private readonly ITimeSource _time;
        private int _job;
        private bool _running;
        private bool _finished;
        private bool _joined;
        private bool _hangs;
        private long _sinceMs;
        private WifiAvailableNetwork[] _networks;
        private string _ssid;
        private string _password;
        private string _hostName;

        public WifiStation(ITimeSource time)
        {
            _time = time;
        }

        /// <summary>Whether a network is in the board's configuration: by us, or by nanoff.</summary>
        public static bool IsConfigured
        {
            get { return WifiProbe.ConfiguredSsid.Length > 0; }
        }

        /// <summary>Whether something that was given up has still not come back: nothing new can begin.</summary>
        public bool Hangs
        {
            get
            {
                lock (_gate)
                {
                    return _hangs;
                }
            }
        }

        /// <summary>Whether the last join succeeded.</summary>
        public bool HasJoined
        {
            get { return _joined; }
        }

        /// <summary>What the last scan heard; null: it failed.</summary>
        public WifiAvailableNetwork[] Networks
        {
            get { return _networks; }
        }

        /// <summary>Forgets the network in the board's configuration.</summary>
        public static void Forget()
        {
            Wireless80211Configuration[] all = Wireless80211Configuration.GetAllWireless80211Configurations();
            if (all.Length > 0)
            {
                Store(all[0], "", "");
            }
        }

        /// <summary>Begins to join a network. The password is a string here because the runtime's interfaces take no other.</summary>
        public void BeginJoin(string ssid, string password, string hostName)
        {
            _ssid = ssid;
            _password = password;
            _hostName = hostName;
            Begin();
            new Thread(Join).Start();
        }

        /// <summary>Begins to listen for networks.</summary>
        public void BeginScan()
        {
            Begin();
            new Thread(Scan).Start();
        }

        /// <summary>True once, when what was begun has ended or is given up.</summary>
        public bool TakeEnd()
        {
            lock (_gate)
            {
                if (!_running || (!_finished && _time.UptimeMs() - _sinceMs < JoinMsMax))
                {
                    return false;
                }

                if (!_finished)
                {
                    // From now on the thread that hangs belongs to no job.
                    _job++;
                    _hangs = true;
                    _joined = false;
                    _networks = null;
                    NodeLog.Event("wifi", "message=the radio did not come back in time");
                }

                _running = false;
                _password = null;
                return true;
            }
        }

        private static void Store(Wireless80211Configuration configuration, string ssid, string password)
        {
            configuration.Ssid = ssid;
            configuration.Password = password;
            configuration.Options = Wireless80211Configuration.ConfigurationOptions.AutoConnect;
            configuration.SaveConfiguration();
        }

        private void Begin()
        {
            lock (_gate)
            {
                _job++;
                _running = true;
                _finished = false;
                _joined = false;
                _networks = null;
                _sinceMs = _time.UptimeMs();
            }
        }

        private void End(int job, bool joined, WifiAvailableNetwork[] networks)
        {
            lock (_gate)
            {
                if (job == _job)
                {
                    _joined = joined;
                    _networks = networks;
                    _finished = true;
                }
                else
                {
                    _hangs = false;
                }
            }
        }

        private bool IsCurrent(int job)
        {
            lock (_gate)
            {
                return job == _job;
            }
        }

        private void Join()
        {
            int job = _job;
            string ssid = _ssid;
            string password = _password;
            bool joined = false;
            try
            {
                WifiAdapter adapter = WifiAdapter.FindAllAdapters()[0];
                Wireless80211Configuration configuration = Wireless80211Configuration.GetAllWireless80211Configurations()[0];
                string oldSsid = configuration.Ssid;
                string oldPassword = configuration.Password;
                adapter.SetDeviceName(_hostName);

                // Joined already, the helper would take the name for the network and never try the password.
                adapter.Disconnect();
                WifiConnectionResult result = adapter.Connect(ssid, WifiReconnectionKind.Automatic, password);
                joined = result.ConnectionStatus == WifiConnectionStatus.Success && HasAddress() && IsCurrent(job);
                if (joined)
                {
                    Store(configuration, ssid, password);
                }
                else
                {
                    Store(configuration, oldSsid, oldPassword);
                    NodeLog.Event("wifi", "joined=0 status=" + ((int)result.ConnectionStatus).ToString() + " message=the network was not joined");
                    if (oldSsid != null && oldSsid.Length > 0)
                    {
                        adapter.Connect(oldSsid, WifiReconnectionKind.Automatic, oldPassword);
                    }
                }
            }
            catch (Exception e)
            {
                NodeLog.Fault("wifi-join", e);
            }

            End(job, joined, null);
        }

        private bool HasAddress()
        {
            using (CancellationTokenSource limit = new CancellationTokenSource(AddressMs))
            {
                return WifiNetworkHelper.Reconnect(false, 0, limit.Token);
            }
        }

        private void Scan()
        {
            int job = _job;
            WifiAvailableNetwork[] networks = null;
            try
            {
                WifiAdapter[] adapters = WifiAdapter.FindAllAdapters();
                networks = adapters.Length > 0 ? WifiProbe.Scan(adapters[0], ScanMs) : null;
            }
            catch (Exception e)
            {
                NodeLog.Fault("wifi-scan", e);
            }

            End(job, false, networks);
        }
    }
}
