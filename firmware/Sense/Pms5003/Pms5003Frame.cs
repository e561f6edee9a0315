namespace DePIN.Firmware.Sense.Pms5003
{
    /// <summary>
    /// The 32 bytes a PMS5003 sends (Plantower PMS5003 series data manual V2.3, Appendix I), found in a stream of bytes.
    /// 0 "BM" | 2 length 28 BE | 4 PM1, PM2.5, PM10 factory (CF=1) | 10 PM1, PM2.5, PM10 in the air, ug/m3 | 16 six counts per 0.1 l
    /// | 28 version | 29 error code (both "reserved" in this manual, named in the PMS7003's) | 30 sum of bytes 0 to 29, BE.
    /// </summary>
    public sealed class Pms5003Frame
    {
        public const int Bytes = 32;

        private const byte Start0 = 0x42;
        private const byte Start1 = 0x4D;
        private const byte LengthLow = 28;

        private readonly byte[] _bytes = new byte[Bytes];
        private int _count;

        /// <summary>PM1.0 in the air, ug/m3.</summary>
        public int Pm1
        {
            get { return Word(10); }
        }

        /// <summary>PM2.5 in the air, ug/m3.</summary>
        public int Pm25
        {
            get { return Word(12); }
        }

        /// <summary>PM10 in the air, ug/m3.</summary>
        public int Pm10
        {
            get { return Word(14); }
        }

        /// <summary>0 when the sensor finds nothing wrong with itself.</summary>
        public int ErrorCode
        {
            get { return _bytes[29]; }
        }

        /// <summary>Forgets the bytes so far.</summary>
        public void Reset()
        {
            _count = 0;
        }

        /// <summary>Takes the next byte; true when it completes a good frame, which stays readable until the next byte.</summary>
        public bool Push(byte value)
        {
            if (_count == Bytes)
            {
                _count = 0;
            }

            _bytes[_count] = value;
            _count++;
            while (_count > 0 && !MayBegin())
            {
                Slide();
            }

            if (_count < Bytes)
            {
                return false;
            }

            if (IsChecksumRight())
            {
                return true;
            }

            // The next frame may have begun inside this one.
            do
            {
                Slide();
            }
            while (_count > 0 && !MayBegin());
            return false;
        }

        private bool MayBegin()
        {
            return _bytes[0] == Start0
                && (_count < 2 || _bytes[1] == Start1)
                && (_count < 3 || _bytes[2] == 0)
                && (_count < 4 || _bytes[3] == LengthLow);
        }

        private bool IsChecksumRight()
        {
            int sum = 0;
            for (int i = 0; i < Bytes - 2; i++)
            {
                sum += _bytes[i];
            }

            return sum == Word(Bytes - 2);
        }

        private void Slide()
        {
            for (int i = 1; i < _count; i++)
            {
                _bytes[i - 1] = _bytes[i];
            }

            _count--;
        }

        private int Word(int offset)
        {
            return (_bytes[offset] * 256) + _bytes[offset + 1];
        }
    }
}
