using DePIN.Firmware.Sense.Uart;
using DePIN.Protocol;

namespace DePIN.Firmware.Sense.Gnss
{
    /// <summary>
    /// Position from a GNSS receiver: UBX-NAV-PVT asked for at each reading, or the NMEA sentences RMC and GGA of one that speaks no UBX.
    /// A reading is of a navigation epoch that came after the question and differs from the last reading's; without a fix, or without a new
    /// epoch, there is no position at all: never an old one.
    /// </summary>
    public sealed class GnssSensor : ISensor
    {
        /// <summary>Two dimensions, or NMEA with fewer than four satellites: no height.</summary>
        public const byte QualityTwoDimensions = 1;

        /// <summary>Dead reckoning: where it should be by now.</summary>
        public const byte QualityEstimated = 2;

        /// <summary>Of the satellites' number, when there is no position.</summary>
        public const byte QualityNoFix = 3;

        private const long LatitudeMax = 900000000;
        private const long LongitudeMax = 1800000000;
        private const int SatellitesForHeight = 4;
        private const int SamplesPerReading = 6;

        /// <summary>An epoch a second: more than one of silence, because NMEA may be entered in the middle of a burst.</summary>
        private const int EpochMs = 2200;

        private readonly UartLine _line;
        private readonly UbxPvtFrame _ubx = new UbxPvtFrame();
        private readonly NmeaSentence _sentence = new NmeaSentence();
        private readonly NmeaFix _nmea = new NmeaFix();
        private bool _speaksUbx;
        private bool _isUbx;
        private bool _isNmea;
        private bool _isAnything;
        private long _lastEpoch;

        /// <param name="portName">Empty: settings name none, it is never there.</param>
        public GnssSensor(string portName, int baud)
        {
            _line = portName.Length == 0 ? null : new UartLine(portName, baud);
        }

        public string Name
        {
            get { return "gnss"; }
        }

        public ushort Profile
        {
            get { return Profiles.Transport; }
        }

        public bool Open()
        {
            if (_line == null)
            {
                return false;
            }

            _line.Open();
            _lastEpoch = -1;
            _speaksUbx = true;
            Listen();
            _speaksUbx = _isUbx;
            return _isAnything;
        }

        public bool Read(SampleSet samples, long uptimeMs)
        {
            if (samples.Free < SamplesPerReading)
            {
                return true;
            }

            Listen();
            _speaksUbx = _isUbx;
            long epoch = _isUbx ? _ubx.TimeOfWeekMs : _isNmea ? _nmea.Epoch : -1;
            if (epoch < 0 || epoch == _lastEpoch)
            {
                // Something talks but has nothing new to say: it is there, and adds nothing.
                return _isAnything;
            }

            _lastEpoch = epoch;
            if (_isUbx)
            {
                AddUbx(samples, uptimeMs);
            }
            else
            {
                AddNmea(samples, uptimeMs);
            }

            return true;
        }

        private void AddUbx(SampleSet samples, long uptimeMs)
        {
            int type = _ubx.FixType;
            bool isFix = _ubx.IsFixOk && type >= 1 && type <= 4 && IsOnEarth(_ubx.Latitude, _ubx.Longitude);
            samples.Add(Channels.Satellites, 0, isFix ? (byte)0 : QualityNoFix, _ubx.Satellites, uptimeMs);
            if (!isFix)
            {
                return;
            }

            byte quality = type == 1 ? QualityEstimated : type == 2 ? QualityTwoDimensions : (byte)0;
            AddPosition(samples, quality, _ubx.Latitude, _ubx.Longitude, uptimeMs);
            samples.Add(Channels.HorizontalAccuracy, -3, quality, _ubx.HorizontalAccuracy, uptimeMs);
            samples.Add(Channels.GroundSpeed, -3, quality, _ubx.GroundSpeed, uptimeMs);
            if (type != 2)
            {
                samples.Add(Channels.Altitude, -3, quality, _ubx.Height, uptimeMs);
            }
        }

        private void AddNmea(SampleSet samples, long uptimeMs)
        {
            bool isFix = _nmea.IsFixOk && IsOnEarth(_nmea.Latitude, _nmea.Longitude);
            if (_nmea.Satellites >= 0)
            {
                samples.Add(Channels.Satellites, 0, isFix ? (byte)0 : QualityNoFix, _nmea.Satellites, uptimeMs);
            }

            if (!isFix)
            {
                return;
            }

            bool hasHeight = _nmea.HasHeight && _nmea.Satellites >= SatellitesForHeight;
            byte quality = _nmea.IsEstimated ? QualityEstimated : hasHeight ? (byte)0 : QualityTwoDimensions;
            AddPosition(samples, quality, _nmea.Latitude, _nmea.Longitude, uptimeMs);
            if (_nmea.GroundSpeed >= 0)
            {
                samples.Add(Channels.GroundSpeed, -3, quality, _nmea.GroundSpeed, uptimeMs);
            }

            if (hasHeight)
            {
                samples.Add(Channels.Altitude, -3, quality, _nmea.Height, uptimeMs);
            }
        }

        private static void AddPosition(SampleSet samples, byte quality, long latitude, long longitude, long uptimeMs)
        {
            samples.Add(Channels.Latitude, -7, quality, latitude, uptimeMs);
            samples.Add(Channels.Longitude, -7, quality, longitude, uptimeMs);
        }

        private static bool IsOnEarth(long latitude, long longitude)
        {
            return latitude >= -LatitudeMax && latitude <= LatitudeMax && longitude >= -LongitudeMax && longitude <= LongitudeMax;
        }

        // Asks, and waits for UBX. With NMEA of one epoch it is content when UBX was not answered the last time, else with the second
        // epoch's.
        private void Listen()
        {
            _isUbx = false;
            _isNmea = false;
            _isAnything = false;
            _line.Drain();
            _ubx.Reset();
            _sentence.Reset();
            _nmea.Reset();
            _line.Write(UbxPvtFrame.Question, UbxPvtFrame.Question.Length);
            _line.BeginWait(EpochMs);
            long firstEpoch = -1;
            for (int value = _line.ReadByte(); value >= 0; value = _line.ReadByte())
            {
                if (_ubx.Push((byte)value))
                {
                    _isUbx = true;
                    _isAnything = true;
                    return;
                }

                if (_sentence.Push((byte)value))
                {
                    _isAnything = true;
                    _nmea.Take(_sentence);
                    _isNmea = _nmea.IsComplete;
                    if (_isNmea && (!_speaksUbx || (firstEpoch >= 0 && _nmea.Epoch != firstEpoch)))
                    {
                        return;
                    }

                    firstEpoch = _isNmea ? _nmea.Epoch : firstEpoch;
                }
            }
        }
    }
}
