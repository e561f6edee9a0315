namespace DePIN.Firmware.Sense.Gnss
{
    /// <summary>
    /// A fix out of two NMEA sentences of one navigation epoch: RMC (valid or not, speed) and GGA (position, quality, satellites, height);
    /// u-blox 8 / M8 receiver description UBX-13003221, NMEA protocol, GGA and RMC. Sentences of different times are never put together.
    /// </summary>
    public sealed class NmeaFix
    {
        private long _rmcTime = -1;
        private bool _isValid;
        private bool _isEstimated;
        private long _milliKnots;
        private long _ggaTime = -1;
        private int _ggaQuality;

        /// <summary>UTC time of the epoch as it is written, hhmmss.sss × 1,000: to tell one from another.</summary>
        public long Epoch
        {
            get { return _ggaTime; }
        }

        /// <summary>Both sentences of one epoch are there.</summary>
        public bool IsComplete
        {
            get { return _rmcTime >= 0 && _rmcTime == _ggaTime; }
        }

        /// <summary>Valid in both, and measured: not typed in (7) and not simulated (8).</summary>
        public bool IsFixOk
        {
            get { return IsComplete && _isValid && HasPosition && _ggaQuality >= 1 && _ggaQuality <= 6; }
        }

        /// <summary>From dead reckoning.</summary>
        public bool IsEstimated
        {
            get { return _isEstimated || _ggaQuality == 6; }
        }

        /// <summary>1e-7 degrees.</summary>
        public long Latitude { get; private set; }

        /// <summary>1e-7 degrees.</summary>
        public long Longitude { get; private set; }

        /// <summary>Above mean sea level, mm.</summary>
        public long Height { get; private set; }

        public bool HasHeight { get; private set; }

        public int Satellites { get; private set; }

        /// <summary>mm/s: a knot is 1,852 m an hour; -1 when the receiver gives none.</summary>
        public long GroundSpeed
        {
            get { return _milliKnots < 0 ? -1 : ((_milliKnots * 463) + 450) / 900; }
        }

        private bool HasPosition { get; set; }

        public void Reset()
        {
            _rmcTime = -1;
            _ggaTime = -1;
        }

        /// <summary>Takes over what it can use of a sentence.</summary>
        public void Take(NmeaSentence sentence)
        {
            if (sentence.Is('R', 'M', 'C'))
            {
                char mode = sentence.Letter(12);
                _rmcTime = sentence.Number(1, 3);
                _isValid = sentence.Letter(2) == 'A' && mode != 'N' && mode != 'M' && mode != 'S';
                _isEstimated = mode == 'E';
                _milliKnots = sentence.Number(7, 3);
            }
            else if (sentence.Is('G', 'G', 'A'))
            {
                bool isLatitude;
                bool isLongitude;
                bool isHeight;
                _ggaTime = sentence.Number(1, 3);
                Latitude = sentence.Angle(2, 'N', 'S', out isLatitude);
                Longitude = sentence.Angle(4, 'E', 'W', out isLongitude);
                HasPosition = isLatitude && isLongitude;
                _ggaQuality = (int)sentence.Number(6, 0);
                Satellites = (int)sentence.Number(7, 0);
                Height = sentence.SignedNumber(9, 3, out isHeight);
                HasHeight = isHeight;
            }
        }
    }
}
