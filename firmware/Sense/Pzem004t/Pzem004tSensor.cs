using DePIN.Firmware.Board;
using DePIN.Firmware.Sense.Uart;
using DePIN.Protocol;

namespace DePIN.Firmware.Sense.Pzem004t
{
    /// <summary>
    /// Voltage, current, power, energy, frequency and power factor of one phase from a PZEM-004T V3.0 (Peacefair user manual section 2.3:
    /// Modbus RTU, 9600 baud, input registers 0 to 9, 32-bit values low word first). Its energy counter is read, never reset; one that went
    /// back since the last reading is marked, because somebody or something reset it.
    /// </summary>
    public sealed class Pzem004tSensor : ISensor
    {
        /// <summary>The energy counter is below the last reading's: it was reset, or passed 9,999.99 kWh.</summary>
        public const byte QualityCounterWentBack = 1;

        /// <summary>The alarm register holds neither of its two words.</summary>
        public const byte QualityDeviceError = 3;

        public const int Baud = 9600;

        /// <summary>Every device answers to it, so one alone on the line needs no address (manual section 2.2).</summary>
        public const byte GeneralAddress = 0xF8;

        public const int Registers = 10;
        private const int AlarmOn = 0xFFFF;
        private const long JoulePerWattHour = 3600;
        private const int SamplesPerReading = 7;

        /// <summary>An answer takes 26 ms on the wire; the device is slow to begin.</summary>
        private const int AnswerMs = 300;
        private const int Tries = 3;

        private readonly UartLine _line;
        private readonly ModbusFrame _frame = new ModbusFrame(GeneralAddress, 0, Registers);
        private long _lastWattHours = -1;
        private int _exceptionCode;

        /// <param name="portName">Empty: settings name none, it is never there.</param>
        public Pzem004tSensor(string portName)
        {
            _line = portName.Length == 0 ? null : new UartLine(portName, Baud);
        }

        public string Name
        {
            get { return "pzem004t"; }
        }

        public ushort Profile
        {
            get { return Profiles.Energy; }
        }

        public bool Open()
        {
            if (_line == null)
            {
                return false;
            }

            _line.Open();
            return Ask() != ModbusState.Incomplete;
        }

        public bool Read(SampleSet samples, long uptimeMs)
        {
            if (samples.Free < SamplesPerReading)
            {
                return true;
            }

            ModbusState answer = Ask();
            if (answer != ModbusState.Registers)
            {
                // A device that refuses is there: it is asked again next round, and nothing is added.
                return answer == ModbusState.Exception;
            }

            long wattHours = _frame.Register32(5);
            byte energyQuality = _lastWattHours >= 0 && wattHours < _lastWattHours ? QualityCounterWentBack : (byte)0;
            _lastWattHours = wattHours;
            int alarm = _frame.Register(9);

            samples.Add(Channels.MainsVoltage, -1, 0, _frame.Register(0), uptimeMs);
            samples.Add(Channels.MainsCurrent, -3, 0, _frame.Register32(1), uptimeMs);
            samples.Add(Channels.ActivePower, -1, 0, _frame.Register32(3), uptimeMs);
            samples.Add(Channels.ActiveEnergy, 0, energyQuality, wattHours * JoulePerWattHour, uptimeMs);
            samples.Add(Channels.MainsFrequency, -1, 0, _frame.Register(7), uptimeMs);
            samples.Add(Channels.PowerFactor, -2, 0, _frame.Register(8), uptimeMs);
            byte alarmQuality = alarm == 0 || alarm == AlarmOn ? (byte)0 : QualityDeviceError;
            samples.Add(Channels.PowerAlarm, 0, alarmQuality, alarm == AlarmOn ? 1 : 0, uptimeMs);
            return true;
        }

        // Each change of the device's mind is told once.
        private void Tell(int exceptionCode)
        {
            if (exceptionCode != _exceptionCode)
            {
                _exceptionCode = exceptionCode;
                NodeLog.Event("sensor", "name=pzem004t present=1 exception=" + exceptionCode.ToString()
                    + (exceptionCode == 0 ? " message=it answers again" : " message=it refuses to be read"));
            }
        }

        private ModbusState Ask()
        {
            for (int i = 0; i < Tries; i++)
            {
                _line.Drain();
                _frame.Reset();
                _line.Write(_frame.Question, _frame.Question.Length);
                _line.BeginWait(AnswerMs);
                for (int value = _line.ReadByte(); value >= 0; value = _line.ReadByte())
                {
                    ModbusState state = _frame.Push((byte)value);
                    if (state != ModbusState.Incomplete)
                    {
                        Tell(state == ModbusState.Exception ? _frame.ExceptionCode : 0);
                        return state;
                    }
                }
            }

            return ModbusState.Incomplete;
        }
    }
}
