namespace DePIN.Firmware.Sense.Gnss
{
    /// <summary>
    /// One line of NMEA 0183 found in a stream of bytes: "$" address "," fields "*" two hex digits (the exclusive or of what is between).
    /// Numbers are read as integers, to a given number of decimals.
    /// </summary>
    public sealed class NmeaSentence
    {
        /// <summary>NMEA allows 82 with "$" and line end; u-blox in high precision mode sends some more.</summary>
        public const int BytesMax = 100;

        private readonly byte[] _bytes = new byte[BytesMax];
        private readonly int[] _fields = new int[32];
        private int _count;
        private int _fieldCount;
        private int _end;

        /// <summary>Takes the next byte; true when it ends a line with a good checksum, readable until the next byte.</summary>
        public bool Push(byte value)
        {
            if (value == (byte)'$')
            {
                _bytes[0] = value;
                _count = 1;
                return false;
            }

            if (_count == 0)
            {
                return false;
            }

            if (value == 13 || value == 10)
            {
                bool isGood = IsChecksumRight();
                _count = 0;
                if (isGood)
                {
                    Split();
                }

                return isGood;
            }

            if (_count == BytesMax || value < 32 || value > 126)
            {
                _count = 0;
                return false;
            }

            _bytes[_count] = value;
            _count++;
            return false;
        }

        public void Reset()
        {
            _count = 0;
        }

        /// <summary>Whether it is that sentence, of any constellation's talker (GP, GN, GL …).</summary>
        public bool Is(char a, char b, char c)
        {
            return FieldLength(0) == 5 && _bytes[3] == (byte)a && _bytes[4] == (byte)b && _bytes[5] == (byte)c;
        }

        /// <summary>The only character of a field; 0 when it has none, or several.</summary>
        public char Letter(int field)
        {
            return FieldLength(field) == 1 ? (char)_bytes[_fields[field]] : (char)0;
        }

        /// <summary>A field as number × 10^decimals, further digits cut off; -1 when it is no number, or above 15 digits.</summary>
        public long Number(int field, int decimals)
        {
            return Parse(_fields[field < _fieldCount ? field : 0], FieldLength(field), decimals);
        }

        /// <summary>As <see cref="Number"/>, with a sign. <paramref name="isThere"/> is false when the field is none.</summary>
        public long SignedNumber(int field, int decimals, out bool isThere)
        {
            int length = FieldLength(field);
            bool isNegative = length > 0 && _bytes[_fields[field]] == (byte)'-';
            int skip = isNegative ? 1 : 0;
            long value = length > 0 ? Parse(_fields[field] + skip, length - skip, decimals) : -1;
            isThere = value >= 0;
            return isNegative ? -value : value;
        }

        /// <summary>
        /// An angle "dddmm.mmmmm" and its letter in the field behind, in 1e-7 degrees, rounded.
        /// <paramref name="isThere"/> is false when the fields are none.
        /// </summary>
        public long Angle(int field, char positive, char negative, out bool isThere)
        {
            long raw = Number(field, 7);
            char letter = Letter(field + 1);
            long degrees = raw / 1000000000;
            long minutes = raw % 1000000000;
            isThere = raw >= 0 && minutes < 600000000 && (letter == positive || letter == negative);
            long angle = (degrees * 10000000) + ((minutes + 30) / 60);
            return letter == negative ? -angle : angle;
        }

        private static int HexDigit(byte value)
        {
            if (value >= (byte)'0' && value <= (byte)'9')
            {
                return value - (byte)'0';
            }

            return value >= (byte)'A' && value <= (byte)'F' ? value - (byte)'A' + 10 : -1;
        }

        private bool IsChecksumRight()
        {
            _end = _count - 3;
            if (_end < 1 || _bytes[_end] != (byte)'*')
            {
                return false;
            }

            int sum = 0;
            for (int i = 1; i < _end; i++)
            {
                sum ^= _bytes[i];
            }

            return (HexDigit(_bytes[_end + 1]) * 16) + HexDigit(_bytes[_end + 2]) == sum;
        }

        private void Split()
        {
            _fields[0] = 1;
            _fieldCount = 1;
            for (int i = 1; i < _end; i++)
            {
                if (_bytes[i] == (byte)',' && _fieldCount < _fields.Length)
                {
                    _fields[_fieldCount] = i + 1;
                    _fieldCount++;
                }
            }
        }

        private int FieldLength(int field)
        {
            if (field >= _fieldCount)
            {
                return 0;
            }

            int end = _fields[field];
            while (end < _end && _bytes[end] != (byte)',')
            {
                end++;
            }

            return end - _fields[field];
        }

        private long Parse(int start, int length, int decimals)
        {
            long value = 0;
            int digits = 0;
            int left = decimals;
            bool isFraction = false;
            for (int i = start; i < start + length; i++)
            {
                if (_bytes[i] == (byte)'.' && !isFraction)
                {
                    isFraction = true;
                }
                else if (_bytes[i] < (byte)'0' || _bytes[i] > (byte)'9')
                {
                    return -1;
                }
                else if (!isFraction || left > 0)
                {
                    value = (value * 10) + (_bytes[i] - (byte)'0');
                    digits++;
                    left -= isFraction ? 1 : 0;
                }
            }

            while (left > 0)
            {
                value *= 10;
                left--;
            }

            return digits == 0 || digits > 15 ? -1 : value;
        }
    }
}
