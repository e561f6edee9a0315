using System.Threading;
using DePIN.Protocol;

namespace DePIN.Firmware.Sense.Max30102
{
    /// <summary>
    /// Heart rate and oxygen saturation from a Maxim MAX30102. A reading lights the LEDs, lets them settle for a second, takes six seconds
    /// from the FIFO and puts the chip to sleep: it takes seven seconds, or two when there is no finger. What cannot be told is left out;
    /// the perfusion is always there and its quality says why (<see cref="PulseEstimator"/>).
    /// </summary>
    public sealed class Max30102Sensor : ISensor
    {
        public const int Address = 0x57;

        /// <summary>Five samples wait each time; the FIFO takes 32.</summary>
        public const int PollMs = 200;

        private const int SettleSamples = PulseEstimator.SamplesPerSecond;

        /// <summary>A chip that gives nothing for two seconds does not measure.</summary>
        private const int SilentPollsMax = 10;
        private const int ResetPollMs = 5;
        private const int ResetPollsMax = 20;

        private readonly I2cLink _link;
        private readonly int _pollMs;
        private readonly byte[] _one = new byte[1];
        private readonly byte[] _pointers = new byte[3];
        private readonly byte[] _sample = new byte[6];
        private readonly int[] _light = new int[2];
        private readonly PulseEstimator _estimator = new PulseEstimator();

        /// <param name="bus">Where the chip is.</param>
        /// <param name="pollMs">How long to wait for samples each time.</param>
        public Max30102Sensor(I2cBus bus, int pollMs)
        {
            _link = new I2cLink(bus, Address);
            _pollMs = pollMs;
        }

        public string Name
        {
            get { return "max30102"; }
        }

        public ushort Profile
        {
            get { return Profiles.Health; }
        }

        public bool Open()
        {
            return _link.ReadRegister(Max30102Register.PartId, _one) && _one[0] == Max30102Register.PartIdMax30102
                && _link.WriteRegister(Max30102Register.Mode, Max30102Register.ModeReset)
                && WaitForReset()
                && _link.WriteRegister(Max30102Register.FifoConfiguration, Max30102Register.FifoAverage4Rollover)
                && _link.WriteRegister(Max30102Register.SpO2Configuration, Max30102Register.SpO2At100Hz)
                && _link.WriteRegister(Max30102Register.RedCurrent, Max30102Register.Current)
                && _link.WriteRegister(Max30102Register.InfraredCurrent, Max30102Register.Current)
                && _link.WriteRegister(Max30102Register.Mode, Max30102Register.ModeShutdown | Max30102Register.ModeSpO2);
        }

        public bool Read(SampleSet samples, long uptimeMs)
        {
            // A chip that lost its power has no LED current any more.
            if (!_link.ReadRegister(Max30102Register.InfraredCurrent, _one) || _one[0] != Max30102Register.Current
                || !_link.WriteRegister(Max30102Register.Mode, Max30102Register.ModeSpO2)
                || !_link.WriteRegister(Max30102Register.FifoWritePointer, 0)
                || !_link.WriteRegister(Max30102Register.FifoOverflow, 0)
                || !_link.WriteRegister(Max30102Register.FifoReadPointer, 0)
                || !Collect()
                || !_link.WriteRegister(Max30102Register.Mode, Max30102Register.ModeShutdown | Max30102Register.ModeSpO2))
            {
                return false;
            }

            _estimator.Evaluate();
            byte quality = _estimator.Quality;
            if (_estimator.HeartRateTenths != 0)
            {
                samples.Add(Channels.HeartRate, -1, quality, _estimator.HeartRateTenths, uptimeMs);
            }

            if (_estimator.SaturationThousandths != 0)
            {
                samples.Add(Channels.OxygenSaturation, -3, quality, (_estimator.SaturationThousandths + 50) / 100, uptimeMs);
            }

            samples.Add(Channels.Perfusion, -6, quality, _estimator.PerfusionMillionths, uptimeMs);
            return true;
        }

        // Until six seconds are full, or the first says that there is no finger.
        private bool Collect()
        {
            _estimator.Clear();
            int settling = SettleSamples;
            int silentPolls = 0;
            while (_estimator.Count < PulseEstimator.SamplesMax)
            {
                Thread.Sleep(_pollMs);
                if (!_link.ReadRegister(Max30102Register.FifoPointers, _pointers))
                {
                    return false;
                }

                int waiting = (_pointers[0] - _pointers[2]) & Max30102Register.PointerMask;
                if ((_pointers[1] & Max30102Register.PointerMask) != 0)
                {
                    // Full, and older ones are gone.
                    waiting = Max30102Register.FifoDepth;
                    _estimator.Doubt();
                }

                silentPolls = waiting == 0 ? silentPolls + 1 : 0;
                if (silentPolls == SilentPollsMax)
                {
                    return false;
                }

                for (int i = 0; i < waiting; i++)
                {
                    if (!TakeSample(settling == 0))
                    {
                        return false;
                    }

                    settling -= settling > 0 ? 1 : 0;
                }

                if (_estimator.Count >= PulseEstimator.SamplesPerSecond && !_estimator.HasFinger)
                {
                    return true;
                }
            }

            return true;
        }

        private bool TakeSample(bool isKept)
        {
            if (!_link.ReadRegister(Max30102Register.FifoData, _sample))
            {
                return false;
            }

            for (int i = 0; i < 2; i++)
            {
                _light[i] = ((_sample[3 * i] & 3) << 16) | (_sample[(3 * i) + 1] << 8) | _sample[(3 * i) + 2];
            }

            if (isKept)
            {
                _estimator.Add(_light[0], _light[1]);
            }

            return true;
        }

        private bool WaitForReset()
        {
            for (int i = 0; i < ResetPollsMax; i++)
            {
                Thread.Sleep(ResetPollMs);
                if (!_link.ReadRegister(Max30102Register.Mode, _one))
                {
                    return false;
                }

                if ((_one[0] & Max30102Register.ModeReset) == 0)
                {
                    return true;
                }
            }

            return false;
        }
    }
}
