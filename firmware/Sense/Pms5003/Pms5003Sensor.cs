using DePIN.Firmware.Sense.Uart;
using DePIN.Protocol;

namespace DePIN.Firmware.Sense.Pms5003
{
    /// <summary>
    /// Dust from a Plantower PMS5003 at 9600 baud (data manual V2.3). It is asked for each reading (passive mode), because a port's receive
    /// buffer holds less than what it says by itself between two rounds. The first 30 s after it is woken are marked. With sleep rounds it
    /// is woken, measured once warm, and put to sleep, so that fan and laser age less.
    /// </summary>
    public sealed class Pms5003Sensor : ISensor
    {
        /// <summary>Above 500 ug/m3, the end of the range the manual gives figures for.</summary>
        public const byte QualityOutOfRange = 1;

        /// <summary>Fan and laser have run for less than 30 s (manual, "circuit attentions").</summary>
        public const byte QualityWarmingUp = 2;

        /// <summary>The sensor sends an error code.</summary>
        public const byte QualityDeviceError = 3;

        public const int Baud = 9600;
        public const int WarmUpMs = 30000;
        public const int RangeMaxMicrograms = 500;

        private const byte CommandMode = 0xE1;
        private const byte CommandRead = 0xE2;
        private const byte CommandSleep = 0xE4;

        /// <summary>An answer takes 33 ms on the wire; awake from sleep, the first one takes up to two seconds.</summary>
        private const int AnswerMs = 800;
        private const int Tries = 3;
        private const int SamplesPerReading = 3;

        private readonly UartLine _line;
        private readonly int _sleepRounds;
        private readonly Pms5003Frame _frame = new Pms5003Frame();
        private readonly byte[] _command = new byte[7];
        private long _awakeSinceMs;
        private bool _warmUpBegins;
        private bool _asleep;
        private int _sleepRoundsLeft;

        /// <param name="portName">Empty: settings name none, it is never there.</param>
        /// <param name="sleepRounds">Rounds it sleeps between two measurements; 0: never.</param>
        public Pms5003Sensor(string portName, int sleepRounds)
        {
            _line = portName.Length == 0 ? null : new UartLine(portName, Baud);
            _sleepRounds = sleepRounds;
        }

        public string Name
        {
            get { return "pms5003"; }
        }

        public ushort Profile
        {
            get { return Profiles.Environment; }
        }

        public bool Open()
        {
            if (_line == null)
            {
                return false;
            }

            _line.Open();
            _asleep = false;
            _warmUpBegins = true;
            Wake();
            return Ask();
        }

        public bool Read(SampleSet samples, long uptimeMs)
        {
            if (samples.Free < SamplesPerReading)
            {
                return true;
            }

            if (_asleep)
            {
                if (_sleepRoundsLeft > 0)
                {
                    _sleepRoundsLeft--;
                    return true;
                }

                _asleep = false;
                _warmUpBegins = true;
                Wake();
            }

            if (_warmUpBegins)
            {
                // It may have run before, but nobody knows for how long.
                _warmUpBegins = false;
                _awakeSinceMs = uptimeMs;
            }

            if (!Ask())
            {
                return false;
            }

            bool warm = uptimeMs - _awakeSinceMs >= WarmUpMs;
            byte state = _frame.ErrorCode != 0 ? QualityDeviceError : warm ? (byte)0 : QualityWarmingUp;
            Add(samples, Channels.Pm1, _frame.Pm1, state, uptimeMs);
            Add(samples, Channels.Pm25, _frame.Pm25, state, uptimeMs);
            Add(samples, Channels.Pm10, _frame.Pm10, state, uptimeMs);
            if (warm && _sleepRounds > 0)
            {
                Send(CommandSleep, 0);
                _asleep = true;
                _sleepRoundsLeft = _sleepRounds;
            }

            return true;
        }

        private static void Add(SampleSet samples, ushort channel, int micrograms, byte state, long uptimeMs)
        {
            byte quality = state == 0 && micrograms > RangeMaxMicrograms ? QualityOutOfRange : state;
            samples.Add(channel, -9, quality, micrograms, uptimeMs);
        }

        private void Wake()
        {
            Send(CommandSleep, 1);
            Send(CommandMode, 0);
        }

        // Older bytes are thrown away first: a frame is an answer to this question, or at least newer than it.
        private bool Ask()
        {
            for (int i = 0; i < Tries; i++)
            {
                _line.Drain();
                _frame.Reset();
                Send(CommandRead, 0);
                _line.BeginWait(AnswerMs);
                for (int value = _line.ReadByte(); value >= 0; value = _line.ReadByte())
                {
                    if (_frame.Push((byte)value))
                    {
                        return true;
                    }
                }
            }

            return false;
        }

        // Manual, Appendix II: "BM", command, two data bytes, sum of all before.
        private void Send(byte command, byte data)
        {
            int sum = 0x42 + 0x4D + command + data;
            _command[0] = 0x42;
            _command[1] = 0x4D;
            _command[2] = command;
            _command[3] = 0;
            _command[4] = data;
            _command[5] = (byte)(sum / 256);
            _command[6] = (byte)sum;
            _line.Write(_command, _command.Length);
        }
    }
}
