using System;
using System.Device.I2c;

namespace DePIN.Firmware.Sign.Atecc608
{
    /// <summary>
    /// The chip's packets over I2C (ATECC608B data sheet, "Device is Asleep", "I/O Transactions", "Command Packets"): wake, idle, sleep,
    /// one command with its answer. Every wait has an end; repeating is the caller's business (<see cref="Atecc608Chip"/>).
    /// Command: word address 0x03 | count | opcode | param1 | param2, low byte first | data | CRC. Answer: count | data or status | CRC.
    /// </summary>
    public sealed class Atecc608Bus
    {
        public const int DataBytesMax = 64;
        private const byte WordReset = 0x00;
        private const byte WordSleep = 0x01;
        private const byte WordIdle = 0x02;
        private const byte WordCommand = 0x03;

        private const int CommandOverhead = 7;
        private const int AnswerOverhead = 3;
        private const int StatusAnswerBytes = 4;
        private const int GeneralCall = 0;

        /// <summary>From the wake until the chip takes a command: 1.5 ms (tWHI).</summary>
        private const int WakeMs = 2;
        private const int WakesMax = 3;
        private const int PollMs = 2;
        private const int ReadsMax = 3;

        /// <summary>The chip sleeps that long after its wake whatever it does: 1.3 s, at least 0.7 s (tWATCHDOG).</summary>
        private const int WatchdogMs = 700;

        private readonly IChipClock _clock;
        private readonly I2cConnectionSettings _all;
        private readonly I2cConnectionSettings _chip;
        private readonly byte[] _packet = new byte[1 + CommandOverhead + DataBytesMax];
        private readonly byte[] _answer = new byte[DataBytesMax + AnswerOverhead];
        private I2cDevice _device;
        private bool _awake;
        private long _wokenMs;

        public Atecc608Bus(int bus, int address, IChipClock clock)
        {
            _clock = clock;

            // The wake is made of clocked zeros: at least 60 us of them (tWLO) need a bus of at most 100 kHz.
            _all = new I2cConnectionSettings(bus, GeneralCall, I2cBusSpeed.StandardMode);
            _chip = new I2cConnectionSettings(bus, address, I2cBusSpeed.FastMode);
        }

        /// <summary>The last status byte the chip gave.</summary>
        public byte Status { get; private set; }

        /// <summary>The last answer: its data begins at 1.</summary>
        public byte[] Answer
        {
            get { return _answer; }
        }

        /// <summary>
        /// Runs one command; wakes the chip before it when it sleeps or its watchdog would end during it. An idle between two commands
        /// keeps what they loaded. <paramref name="answerBytes"/>: 0 for a status alone.
        /// </summary>
        public Atecc608Fault Execute(byte opcode, byte param1, int param2, byte[] data, int answerBytes, int longestMs)
        {
            Status = Atecc608Status.Success;
            if (_awake && _clock.NowMs() - _wokenMs + longestMs > WatchdogMs)
            {
                Idle();
            }

            if (!_awake && !Wake())
            {
                return Atecc608Fault.NoAnswer;
            }

            if (!Send(opcode, param1, param2, data))
            {
                _awake = false;
                return Atecc608Fault.NoAnswer;
            }

            return Receive(answerBytes == 0 ? StatusAnswerBytes : answerBytes + AnswerOverhead, longestMs);
        }

        /// <summary>Idle: less current, the watchdog stops, loaded values and the random generator's state stay.</summary>
        public void Idle()
        {
            WriteWord(WordIdle);
            _awake = false;
        }

        /// <summary>
        /// Sleep: everything volatile is forgotten. Also what brings a chip back into step whose state is unknown. False: it was not
        /// acknowledged, because the chip is absent, asleep, or hangs in a command until its watchdog ends that.
        /// </summary>
        public bool Sleep()
        {
            _awake = false;
            return WriteWord(WordSleep);
        }

        private bool Wake()
        {
            for (int i = 0; i < WakesMax; i++)
            {
                Pulse();
                _clock.Wait(WakeMs);
                if (Transfer(Device(), _answer, StatusAnswerBytes, true) && IsStatus(Atecc608Status.AfterWake))
                {
                    _awake = true;
                    _wokenMs = _clock.NowMs();
                    return true;
                }

                // Awake already (the board was reset and the chip was not), or a lost wake: from sleep both begin anew. A chip that
                // data for others has woken still answers with its wake and needs none of this.
                WriteWord(WordSleep);
                _clock.Wait(WakeMs);
            }

            return false;
        }

        private void Pulse()
        {
            // Nobody acknowledges: it is the low level that wakes. Both devices are made each time, because nanoFramework's ESP32
            // driver sets the bus's speed when a device is made: slow for the pulse, then fast again for all sensors on the bus,
            // since data at less than about 300 kHz can wake the chip by itself (data sheet, "Multiple Devices on the Bus").
            using (I2cDevice all = I2cDevice.Create(_all))
            {
                Transfer(all, new byte[] { 0 }, 1, false);
            }

            I2cDevice former = _device;
            _device = I2cDevice.Create(_chip);
            if (former != null)
            {
                former.Dispose();
            }
        }

        private bool Send(byte opcode, byte param1, int param2, byte[] data)
        {
            int dataBytes = data == null ? 0 : data.Length;
            int count = CommandOverhead + dataBytes;
            _packet[0] = WordCommand;
            _packet[1] = (byte)count;
            _packet[2] = opcode;
            _packet[3] = param1;
            _packet[4] = (byte)param2;
            _packet[5] = (byte)((uint)param2 >> 8);
            if (data != null)
            {
                Array.Copy(data, 0, _packet, 6, dataBytes);
            }

            Atecc608Crc.Append(_packet, 1, count - Atecc608Crc.Bytes);
            return Transfer(Device(), _packet, 1 + count, false);
        }

        private Atecc608Fault Receive(int expectedBytes, int longestMs)
        {
            // While it works the chip does not acknowledge its address.
            long started = _clock.NowMs();
            int limitMs = longestMs + (longestMs / 2) + (2 * PollMs);
            int wait = (longestMs / 4) + 1;
            int damaged = 0;
            while (true)
            {
                _clock.Wait(wait);
                wait = PollMs;
                if (Transfer(Device(), _answer, expectedBytes, true))
                {
                    if (_answer[0] == expectedBytes && expectedBytes > StatusAnswerBytes
                        && Atecc608Crc.IsRight(_answer, 0, expectedBytes - Atecc608Crc.Bytes))
                    {
                        return Atecc608Fault.None;
                    }

                    if (IsStatusAnswer())
                    {
                        return Judge(expectedBytes);
                    }

                    // The bytes were damaged on the way: the output can be read again from its beginning.
                    damaged++;
                    if (damaged == ReadsMax)
                    {
                        return Atecc608Fault.Lost;
                    }

                    WriteWord(WordReset);
                }

                if (_clock.NowMs() - started > limitMs)
                {
                    return Atecc608Fault.Lost;
                }
            }
        }

        private Atecc608Fault Judge(int expectedBytes)
        {
            Status = _answer[1];
            if (Status == Atecc608Status.Success && expectedBytes == StatusAnswerBytes)
            {
                return Atecc608Fault.None;
            }

            return Atecc608Status.IsTransient(Status) ? Atecc608Fault.NotDone : Atecc608Fault.Refused;
        }

        private bool IsStatusAnswer()
        {
            return _answer[0] == StatusAnswerBytes && Atecc608Crc.IsRight(_answer, 0, StatusAnswerBytes - Atecc608Crc.Bytes);
        }

        private bool IsStatus(byte status)
        {
            return IsStatusAnswer() && _answer[1] == status;
        }

        private bool WriteWord(byte word)
        {
            return Transfer(Device(), new byte[] { word }, 1, false);
        }

        private I2cDevice Device()
        {
            if (_device == null)
            {
                _device = I2cDevice.Create(_chip);
            }

            return _device;
        }

        private static bool Transfer(I2cDevice device, byte[] bytes, int count, bool isRead)
        {
            try
            {
                SpanByte span = new SpanByte(bytes, 0, count);
                I2cTransferResult result = isRead ? device.Read(span) : device.Write(span);
                return result.Status == I2cTransferStatus.FullTransfer;
            }
            catch (InvalidOperationException)
            {
                // The ESP32's driver throws this for a bus in disorder (arbitration lost): the bytes did not go through.
                return false;
            }
        }
    }
}
