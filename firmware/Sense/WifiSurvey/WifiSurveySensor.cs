using System.Device.Wifi;
using DePIN.Firmware.Publish;
using DePIN.Protocol;

namespace DePIN.Firmware.Sense.WifiSurvey
{
    /// <summary>
    /// How well the node's own Wi-Fi network is heard, and how many others are: a scan at most once a minute, because the radio leaves its
    /// channel for it. Names and addresses of networks stay inside; a frame has signals and counts only.
    /// </summary>
    public sealed class WifiSurveySensor : ISensor
    {
        /// <summary>Between two scans.</summary>
        public const int SurveyMs = 60000;

        /// <summary>All channels take 2 to 3 s.</summary>
        public const int ScanMsMax = 8000;

        private const int SignalMin = -127;
        private const int SamplesPerReading = 4;

        private readonly bool _isWanted;
        private readonly int _scanMsMax;
        private WifiAdapter _adapter;
        private bool _hasSurveyed;
        private long _lastSurveyMs;

        /// <param name="isWanted">Whether settings ask for it.</param>
        /// <param name="scanMsMax">A scan that takes longer has failed.</param>
        public WifiSurveySensor(bool isWanted, int scanMsMax)
        {
            _isWanted = isWanted;
            _scanMsMax = scanMsMax;
        }

        public string Name
        {
            get { return "wifi-survey"; }
        }

        public ushort Profile
        {
            get { return Profiles.Telecom; }
        }

        public bool Open()
        {
            if (!_isWanted)
            {
                return false;
            }

            if (_adapter == null)
            {
                WifiAdapter[] adapters = WifiAdapter.FindAllAdapters();
                if (adapters.Length == 0)
                {
                    return false;
                }

                _adapter = adapters[0];
            }

            return true;
        }

        public bool Read(SampleSet samples, long uptimeMs)
        {
            if (samples.Free < SamplesPerReading || (_hasSurveyed && uptimeMs - _lastSurveyMs < SurveyMs))
            {
                return true;
            }

            WifiAvailableNetwork[] networks = WifiProbe.Scan(_adapter, _scanMsMax);
            if (networks == null)
            {
                return false;
            }

            _hasSurveyed = true;
            _lastSurveyMs = uptimeMs;
            Add(samples, networks, WifiProbe.ConfiguredSsid, uptimeMs);
            return true;
        }

        private static void Add(SampleSet samples, WifiAvailableNetwork[] networks, string own, long uptimeMs)
        {
            int ownPoints = 0;
            int ownSignal = SignalMin;
            int otherPoints = 0;
            int otherSignal = SignalMin;
            for (int i = 0; i < networks.Length; i++)
            {
                // Whole decibels in a double.
                int signal = (int)networks[i].NetworkRssiInDecibelMilliwatts;
                if (own.Length > 0 && networks[i].Ssid == own)
                {
                    ownPoints++;
                    ownSignal = signal > ownSignal ? signal : ownSignal;
                }
                else
                {
                    otherPoints++;
                    otherSignal = signal > otherSignal ? signal : otherSignal;
                }
            }

            AddKind(samples, Channels.WifiOwnPoints, ownPoints, Channels.WifiOwnSignal, ownSignal, uptimeMs);
            AddKind(samples, Channels.WifiOtherPoints, otherPoints, Channels.WifiOtherSignal, otherSignal, uptimeMs);
        }

        // No access point has no signal: nothing is made up for it.
        private static void AddKind(SampleSet samples, ushort pointsChannel, int points, ushort signalChannel, int signal, long uptimeMs)
        {
            samples.Add(pointsChannel, 0, 0, points, uptimeMs);
            if (points > 0)
            {
                samples.Add(signalChannel, 0, 0, signal, uptimeMs);
            }
        }
    }
}
