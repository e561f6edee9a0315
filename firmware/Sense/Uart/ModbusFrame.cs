namespace DePIN.Firmware.Sense.Uart
{
    /// <summary>What the bytes so far are.</summary>
    public enum ModbusState : byte
    {
        /// <summary>Not yet an answer.</summary>
        Incomplete = 0,
        /// <summary>The registers that were asked for.</summary>
        Registers = 1,
        /// <summary>The device understood and refuses: <see cref="ModbusFrame.ExceptionCode"/>.</summary>
        Exception = 2,
    }

    /// <summary>
    /// One question "read input registers" (function 0x04) of Modbus RTU and its answer, found in a stream of bytes (Modbus Application
    /// Protocol V1.1b3 section 6.4 and 7, Modbus over Serial Line V1.02 section 2.5.1 and 6.2.2).
    /// Question: address | 04 | first register BE | count BE | CRC-16 low byte first. Answer: address | 04 | bytes | registers BE | CRC;
    /// or address | 84 | exception code | CRC.
    /// </summary>
    public sealed class ModbusFrame
    {
        public const byte ReadInputRegisters = 0x04;

        private const byte ExceptionBit = 0x80;
        private const int HeaderBytes = 3;
        private const int ChecksumBytes = 2;
        private const int QuestionBytes = 8;
        private const int ExceptionBytes = 5;

        private readonly byte _address;
        private readonly int _registers;
        private readonly byte[] _question = new byte[QuestionBytes];
        private readonly byte[] _answer;
        private int _count;

        public ModbusFrame(byte address, int firstRegister, int registers)
        {
            _address = address;
            _registers = registers;
            _answer = new byte[HeaderBytes + (2 * registers) + ChecksumBytes];
            _question[0] = address;
            _question[1] = ReadInputRegisters;
            _question[2] = (byte)(firstRegister / 256);
            _question[3] = (byte)firstRegister;
            _question[4] = (byte)(registers / 256);
            _question[5] = (byte)registers;
            uint crc = Crc16(_question, QuestionBytes - ChecksumBytes);
            _question[6] = (byte)crc;
            _question[7] = (byte)(crc >> 8);
        }

        /// <summary>The question's bytes. Not a copy.</summary>
        public byte[] Question
        {
            get { return _question; }
        }

        /// <summary>Of an exception answer: 1 illegal function, 2 illegal address, 3 illegal data, 4 device failure.</summary>
        public int ExceptionCode
        {
            get { return _answer[2]; }
        }

        /// <summary>CRC-16/MODBUS: polynomial 0x8005 reflected, from 0xFFFF. Its low byte is sent first.</summary>
        public static uint Crc16(byte[] bytes, int count)
        {
            uint crc = 0xFFFF;
            for (int i = 0; i < count; i++)
            {
                crc ^= bytes[i];
                for (int bit = 0; bit < 8; bit++)
                {
                    crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xA001 : crc >> 1;
                }
            }

            return crc;
        }

        /// <summary>Forgets the bytes so far: a new question was sent.</summary>
        public void Reset()
        {
            _count = 0;
        }

        /// <summary>Takes the next byte. A complete answer stays readable until <see cref="Reset"/> or the next byte.</summary>
        public ModbusState Push(byte value)
        {
            if (_count == _answer.Length)
            {
                _count = 0;
            }

            _answer[_count] = value;
            _count++;
            while (_count > 0)
            {
                if (MayBegin())
                {
                    int length = Length();
                    if (length == 0 || _count < length)
                    {
                        return ModbusState.Incomplete;
                    }

                    if (IsChecksumRight(length))
                    {
                        _count = _answer.Length;
                        return length == ExceptionBytes && IsException() ? ModbusState.Exception : ModbusState.Registers;
                    }
                }

                Slide();
            }

            return ModbusState.Incomplete;
        }

        /// <summary>A register of the answer, by its place in it, 0 to 65,535.</summary>
        public int Register(int index)
        {
            int offset = HeaderBytes + (2 * index);
            return (_answer[offset] * 256) + _answer[offset + 1];
        }

        /// <summary>Two registers of the answer as one number, the low one first, 0 to 4,294,967,295.</summary>
        public long Register32(int index)
        {
            long high = Register(index + 1);
            return (high * 65536) + Register(index);
        }

        private bool IsException()
        {
            return _answer[1] == (ReadInputRegisters | ExceptionBit);
        }

        private bool MayBegin()
        {
            return _answer[0] == _address
                && (_count < 2 || _answer[1] == ReadInputRegisters || IsException())
                && (_count < 3 || IsException() || _answer[2] == 2 * _registers);
        }

        // 0 while it is not known.
        private int Length()
        {
            return _count < 2 ? 0 : IsException() ? ExceptionBytes : _answer.Length;
        }

        private bool IsChecksumRight(int length)
        {
            uint crc = Crc16(_answer, length - ChecksumBytes);
            return _answer[length - 2] == (byte)crc && _answer[length - 1] == (byte)(crc >> 8);
        }

        private void Slide()
        {
            for (int i = 1; i < _count; i++)
            {
                _answer[i - 1] = _answer[i];
            }

            _count--;
        }
    }
}
