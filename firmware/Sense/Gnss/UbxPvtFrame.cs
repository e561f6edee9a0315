namespace DePIN.Firmware.Sense.Gnss
{
    /// <summary>
    /// UBX-NAV-PVT of a u-blox receiver, found in a stream of bytes (u-blox 8 / M8 receiver description UBX-13003221: UBX frame structure,
    /// UBX checksum, UBX-NAV-PVT; 84 bytes of payload in protocol 14, 92 later; all little-endian).
    /// Payload offsets used: 0 iTOW ms | 20 fix type | 21 flags, bit 0 fix ok | 23 satellites | 24 lon 1e-7 deg | 28 lat 1e-7 deg
    /// | 36 height above sea mm | 40 horizontal accuracy mm | 60 ground speed mm/s | 78 flags3, bit 0 position invalid.
    /// </summary>
    public sealed class UbxPvtFrame
    {
        /// <summary>Asks for one NAV-PVT: the same message without a payload.</summary>
        public static readonly byte[] Question = new byte[] { 0xB5, 0x62, 0x01, 0x07, 0x00, 0x00, 0x08, 0x19 };

        private const int HeaderBytes = 6;
        private const int ChecksumBytes = 2;
        private const int PayloadBytes = 92;
        private const int PayloadBytesProtocol14 = 84;

        private readonly byte[] _bytes = new byte[HeaderBytes + PayloadBytes + ChecksumBytes];
        private int _count;
        private int _word;

        /// <summary>GPS time of week of the navigation epoch, ms.</summary>
        public long TimeOfWeekMs
        {
            get { return Unsigned32(0); }
        }

        /// <summary>0 none, 1 dead reckoning only, 2 2D, 3 3D, 4 GNSS with dead reckoning, 5 time only.</summary>
        public int FixType
        {
            get { return _bytes[HeaderBytes + 20]; }
        }

        /// <summary>The receiver itself calls the fix good, and the position valid.</summary>
        public bool IsFixOk
        {
            get { return (_bytes[HeaderBytes + 21] & 1) != 0 && (_bytes[HeaderBytes + 78] & 1) == 0; }
        }

        public int Satellites
        {
            get { return _bytes[HeaderBytes + 23]; }
        }

        /// <summary>1e-7 degrees.</summary>
        public int Longitude
        {
            get { return Signed32(24); }
        }

        /// <summary>1e-7 degrees.</summary>
        public int Latitude
        {
            get { return Signed32(28); }
        }

        /// <summary>Above mean sea level, mm.</summary>
        public int Height
        {
            get { return Signed32(36); }
        }

        /// <summary>mm.</summary>
        public long HorizontalAccuracy
        {
            get { return Unsigned32(40); }
        }

        /// <summary>mm/s.</summary>
        public int GroundSpeed
        {
            get { return Signed32(60); }
        }

        public void Reset()
        {
            _count = 0;
        }

        /// <summary>Takes the next byte; true when it completes a good message, which stays readable until the next byte.</summary>
        public bool Push(byte value)
        {
            if (_count == _bytes.Length)
            {
                _count = 0;
            }

            _bytes[_count] = value;
            _count++;
            while (_count > 0)
            {
                if (MayBegin())
                {
                    if (_count < HeaderBytes || _count < Length())
                    {
                        return false;
                    }

                    if (IsChecksumRight(Length()))
                    {
                        _count = _bytes.Length;
                        return true;
                    }
                }

                Slide();
            }

            return false;
        }

        private bool MayBegin()
        {
            return _bytes[0] == 0xB5
                && (_count < 2 || _bytes[1] == 0x62)
                && (_count < 3 || _bytes[2] == 0x01)
                && (_count < 4 || _bytes[3] == 0x07)
                && (_count < 5 || _bytes[4] == PayloadBytes || _bytes[4] == PayloadBytesProtocol14)
                && (_count < 6 || _bytes[5] == 0);
        }

        private int Length()
        {
            return HeaderBytes + _bytes[4] + ChecksumBytes;
        }

        // 8-bit Fletcher over class to payload.
        private bool IsChecksumRight(int length)
        {
            int a = 0;
            int b = 0;
            for (int i = 2; i < length - ChecksumBytes; i++)
            {
                a = (a + _bytes[i]) & 255;
                b = (b + a) & 255;
            }

            return _bytes[length - 2] == a && _bytes[length - 1] == b;
        }

        private void Slide()
        {
            for (int i = 1; i < _count; i++)
            {
                _bytes[i - 1] = _bytes[i];
            }

            _count--;
        }

        // Through a field: the interpreter keeps the unsigned type of a byte's value on its stack.
        private int Signed32(int offset)
        {
            int at = HeaderBytes + offset;
            _word = _bytes[at] | (_bytes[at + 1] << 8) | (_bytes[at + 2] << 16) | (_bytes[at + 3] << 24);
            return _word;
        }

        private long Unsigned32(int offset)
        {
            int at = HeaderBytes + offset;
            long high = (_bytes[at + 3] * 256) + _bytes[at + 2];
            return (high * 65536) + (_bytes[at + 1] * 256) + _bytes[at];
        }
    }
}
