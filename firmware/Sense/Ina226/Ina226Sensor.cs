using System.Threading;
using DePIN.Protocol;

namespace DePIN.Firmware.Sense.Ina226
{
    /// <summary>
    /// Voltage, current and power of a direct current line from a Texas Instruments INA226. One triggered conversion a reading, averaged
    /// over 141 ms, so that the three values belong together. Calibration is written every time: a chip that lost its power has none.
    /// </summary>
    public sealed class Ina226Sensor : ISensor
    {
        /// <summary>A0 and A1 to GND.</summary>
        public const int Address = 0x40;

        /// <summary>The shunt's voltage, the current or the power is beyond what the chip can say: the value is a bound.</summary>
        public const byte QualitySaturated = 2;

        private const int ShuntWordMax = 32767;
        private const int PollMs = 20;

        /// <summary>A conversion takes at most 155 ms (1.21 ms each, section 6.5): a chip that needs twice that is broken.</summary>
        private const int PollsMax = 16;

        private readonly I2cLink _link;
        private readonly Ina226Scale _scale;
        private readonly byte[] _two = new byte[2];

        // Words in typed elements: the interpreter keeps the unsigned type of a byte on its stack.
        private readonly int[] _word = new int[1];
        private readonly int[] _values = new int[4];

        /// <summary>With the whole range of the shunt.</summary>
        public Ina226Sensor(I2cBus bus, int address, int shuntMicroohm)
            : this(bus, address, new Ina226Scale(shuntMicroohm, Ina226Scale.CalibrationFull))
        {
        }

        public Ina226Sensor(I2cBus bus, int address, Ina226Scale scale)
        {
            _link = new I2cLink(bus, address);
            _scale = scale;
        }

        public string Name
        {
            get { return "ina226"; }
        }

        public ushort Profile
        {
            get { return Profiles.Energy; }
        }

        public bool Open()
        {
            return ReadWord(Ina226Register.ManufacturerId) && _word[0] == Ina226Register.ManufacturerTi
                && ReadWord(Ina226Register.DieId) && _word[0] == Ina226Register.DieIna226;
        }

        public bool Read(SampleSet samples, long uptimeMs)
        {
            if (!_link.WriteRegister16(Ina226Register.Calibration, (ushort)_scale.Calibration)
                || !_link.WriteRegister16(Ina226Register.Configuration, Ina226Register.ConfigurationOnce)
                || !WaitForConversion())
            {
                return false;
            }

            bool overflow = (_word[0] & Ina226Register.MaskOverflow) != 0;
            for (int i = 0; i < _values.Length; i++)
            {
                if (!ReadWord((byte)(Ina226Register.ShuntVoltage + i)))
                {
                    return false;
                }

                _values[i] = _word[0];
            }

            int shunt = Signed(0);
            int current = Signed(3);
            overflow |= shunt >= ShuntWordMax || shunt < -ShuntWordMax;
            byte quality = overflow ? QualitySaturated : (byte)0;
            long power = _scale.Microwatt(_values[2]);
            samples.Add(Channels.Voltage, -6, 0, _scale.Microvolt(_values[1]), uptimeMs);
            samples.Add(Channels.Current, -6, quality, _scale.Microampere(current), uptimeMs);
            samples.Add(Channels.Power, -6, quality, current < 0 ? -power : power, uptimeMs);
            return true;
        }

        private bool WaitForConversion()
        {
            for (int i = 0; i < PollsMax; i++)
            {
                Thread.Sleep(PollMs);
                if (!ReadWord(Ina226Register.MaskEnable))
                {
                    return false;
                }

                if ((_word[0] & Ina226Register.MaskConversionReady) != 0)
                {
                    return true;
                }
            }

            return false;
        }

        private int Signed(int index)
        {
            if (_values[index] > 32767)
            {
                _values[index] = _values[index] - 65536;
            }

            return _values[index];
        }

        private bool ReadWord(byte register)
        {
            if (!_link.ReadRegister(register, _two))
            {
                return false;
            }

            _word[0] = (_two[0] << 8) | _two[1];
            return true;
        }
    }
}
