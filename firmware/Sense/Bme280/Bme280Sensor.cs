using System.Threading;
using DePIN.Protocol;

namespace DePIN.Firmware.Sense.Bme280
{
    /// <summary>
    /// Temperature, humidity and pressure from a Bosch BME280, register by register over I2C, one forced measurement per reading so
    /// that it sleeps in between (0.1 uA). A BMP280 (chip id 0x58) is not taken for one: it has no humidity.
    /// </summary>
    public sealed class Bme280Sensor : ISensor
    {
        public const int AddressPrimary = 0x76;
        public const int AddressSecondary = 0x77;

        private const byte OversampleOnce = 1;
        private const byte MeasureForced = (OversampleOnce << 5) | (OversampleOnce << 2) | 1;
        private const int PollMs = 5;

        /// <summary>One of each takes at most 9.3 ms (data sheet section 9.1): a chip that needs ten times that is broken.</summary>
        private const int PollsMax = 20;

        // Raw values of a channel that was not measured (data sheet section 5.4.7 to 5.4.9).
        private const int SkippedRaw20 = 0x80000;
        private const int SkippedRaw16 = 0x8000;

        private readonly I2cLink _link;
        private readonly string _name;
        private readonly byte[] _one = new byte[1];
        private readonly byte[] _data = new byte[8];
        private readonly int[] _raw = new int[3];
        private Bme280Compensation _compensation;

        public Bme280Sensor(I2cBus bus, int address)
        {
            _link = new I2cLink(bus, address);
            _name = address == AddressPrimary ? "bme280" : "bme280-2";
        }

        public string Name
        {
            get { return _name; }
        }

        public ushort Profile
        {
            get { return Profiles.Environment; }
        }

        public bool Open()
        {
            if (!_link.ReadRegister(Bme280Register.ChipId, _one) || _one[0] != Bme280Register.ChipIdBme280)
            {
                return false;
            }

            byte[] low = new byte[26];
            byte[] high = new byte[7];
            if (!_link.WriteRegister(Bme280Register.Reset, Bme280Register.ResetWord)
                || !WaitUntilClear(Bme280Register.StatusCopying)
                || !_link.ReadRegister(Bme280Register.Calibration0, low)
                || !_link.ReadRegister(Bme280Register.Calibration1, high))
            {
                return false;
            }

            _compensation = new Bme280Compensation(low, high);
            return _link.WriteRegister(Bme280Register.Config, 0);
        }

        public bool Read(SampleSet samples, long uptimeMs)
        {
            // Humidity oversampling only takes effect with the write of ctrl_meas behind it (section 5.4.3).
            if (!_link.WriteRegister(Bme280Register.ControlHumidity, OversampleOnce)
                || !_link.WriteRegister(Bme280Register.ControlMeasure, MeasureForced)
                || !WaitUntilClear(Bme280Register.StatusMeasuring)
                || !_link.ReadRegister(Bme280Register.Data, _data))
            {
                return false;
            }

            _raw[0] = (_data[0] << 12) | (_data[1] << 4) | (_data[2] >> 4);
            _raw[1] = (_data[3] << 12) | (_data[4] << 4) | (_data[5] >> 4);
            _raw[2] = (_data[6] << 8) | _data[7];
            if (_raw[1] == SkippedRaw20)
            {
                return false;
            }

            samples.Add(Channels.Temperature, -2, 0, _compensation.Temperature(_raw[1]), uptimeMs);
            if (_raw[2] != SkippedRaw16)
            {
                long humidity = _compensation.Humidity(_raw[2]);
                samples.Add(Channels.RelativeHumidity, -3, 0, ((humidity * 1000) + 512) / 1024, uptimeMs);
            }

            if (_raw[0] != SkippedRaw20)
            {
                long pressure = _compensation.Pressure(_raw[0]);
                samples.Add(Channels.Pressure, -1, 0, ((pressure * 10) + 128) / 256, uptimeMs);
            }

            return true;
        }

        private bool WaitUntilClear(byte mask)
        {
            for (int i = 0; i < PollsMax; i++)
            {
                Thread.Sleep(PollMs);
                if (!_link.ReadRegister(Bme280Register.Status, _one))
                {
                    return false;
                }

                if ((_one[0] & mask) == 0)
                {
                    return true;
                }
            }

            return false;
        }
    }
}
