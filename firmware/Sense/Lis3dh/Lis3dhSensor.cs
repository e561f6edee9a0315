using DePIN.Protocol;

namespace DePIN.Firmware.Sense.Lis3dh
{
    /// <summary>
    /// The greatest shock since the last reading, from a LIS3DH that watches by itself at 200 Hz while the node does something else.
    /// Its two interrupt latches say whether an axis went beyond 2 g or 8 g at any time since; its FIFO has the last 160 ms measured.
    /// The peak is the greater of both: exact when the FIFO did not overrun, else at least that (<see cref="QualityAtLeast"/>).
    /// </summary>
    public sealed class Lis3dhSensor : ISensor
    {
        /// <summary>SDO to GND.</summary>
        public const int AddressPrimary = 0x18;

        /// <summary>SDO to VDD, or open.</summary>
        public const int AddressSecondary = 0x19;

        /// <summary>The true peak may be greater, up to the next threshold: the FIFO did not hold everything.</summary>
        public const byte QualityAtLeast = 2;

        /// <summary>Thresholds in steps of 186 mg: 2.046 g (handling) and 7.998 g (a drop).</summary>
        public const byte LowThreshold = 11;
        public const byte HighThreshold = 43;

        private readonly I2cLink _link;
        private readonly string _name;
        private readonly byte[] _one = new byte[1];
        private readonly byte[] _sample = new byte[Lis3dhPeak.BytesPerSample];
        private readonly Lis3dhPeak _peak = new Lis3dhPeak(Lis3dhPeak.MilliGPerStepAt16G);

        public Lis3dhSensor(I2cBus bus, int address)
        {
            _link = new I2cLink(bus, address);
            _name = address == AddressPrimary ? "lis3dh" : "lis3dh-2";
        }

        public string Name
        {
            get { return _name; }
        }

        public ushort Profile
        {
            get { return Profiles.SupplyChain; }
        }

        public bool Open()
        {
            if (!_link.ReadRegister(Lis3dhRegister.WhoAmI, _one) || _one[0] != Lis3dhRegister.WhoAmILis3dh)
            {
                return false;
            }

            // The filter first, then its start, then what it feeds; reading the sources forgets what the start has set off.
            return _link.WriteRegister(Lis3dhRegister.Control1, Lis3dhRegister.Control1At200Hz)
                && _link.WriteRegister(Lis3dhRegister.Control2, Lis3dhRegister.Control2HighPass)
                && _link.WriteRegister(Lis3dhRegister.Control4, Lis3dhRegister.Control4Range16G)
                && _link.WriteRegister(Lis3dhRegister.Control5, Lis3dhRegister.Control5FifoLatch)
                && _link.ReadRegister(Lis3dhRegister.Reference, _one)
                && Arm(Lis3dhRegister.Interrupt1, LowThreshold)
                && Arm(Lis3dhRegister.Interrupt2, HighThreshold)
                && _link.WriteRegister(Lis3dhRegister.FifoControl, Lis3dhRegister.FifoBypass)
                && _link.WriteRegister(Lis3dhRegister.FifoControl, Lis3dhRegister.FifoStream)
                && ReadLatch(Lis3dhRegister.Interrupt1)
                && ReadLatch(Lis3dhRegister.Interrupt2);
        }

        public bool Read(SampleSet samples, long uptimeMs)
        {
            // A chip that lost its power sleeps and says nothing for ever: its rate is the sign.
            if (!_link.ReadRegister(Lis3dhRegister.Control1, _one) || _one[0] != Lis3dhRegister.Control1At200Hz
                || !_link.ReadRegister(Lis3dhRegister.FifoSource, _one))
            {
                return false;
            }

            bool isWhole = (_one[0] & Lis3dhRegister.FifoOverrun) == 0;
            int count = (_one[0] & Lis3dhRegister.FifoEmpty) != 0 ? 0 : _one[0] & Lis3dhRegister.FifoCountMask;

            // Five bits count to 31: a FIFO that is full says so with the overrun bit.
            count += isWhole ? 0 : 1;
            _peak.Clear();
            for (int i = 0; i < count; i++)
            {
                if (!_link.ReadRegister(Lis3dhRegister.Output | Lis3dhRegister.AutoIncrement, _sample))
                {
                    return false;
                }

                _peak.Add(_sample);
            }

            // The latches after the FIFO: what came in between is told now and may be told again, but never lost.
            int floor = 0;
            if (!ReadLatch(Lis3dhRegister.Interrupt1))
            {
                return false;
            }

            floor = IsLatched() ? LowThreshold * Lis3dhRegister.ThresholdMilliG : floor;
            if (!ReadLatch(Lis3dhRegister.Interrupt2))
            {
                return false;
            }

            floor = IsLatched() ? HighThreshold * Lis3dhRegister.ThresholdMilliG : floor;
            int peak = _peak.MilliG;
            byte quality = isWhole && peak >= floor ? (byte)0 : QualityAtLeast;
            samples.Add(Channels.AccelerationPeak, -3, quality, Lis3dhPeak.MillimetrePerSecond2(peak > floor ? peak : floor), uptimeMs);
            return true;
        }

        private bool Arm(byte interrupt, byte threshold)
        {
            return _link.WriteRegister((byte)(interrupt + Lis3dhRegister.InterruptThreshold), threshold)
                && _link.WriteRegister((byte)(interrupt + Lis3dhRegister.InterruptDuration), 0)
                && _link.WriteRegister(interrupt, Lis3dhRegister.InterruptAnyAxisHigh);
        }

        private bool ReadLatch(byte interrupt)
        {
            return _link.ReadRegister((byte)(interrupt + Lis3dhRegister.InterruptSource), _one);
        }

        private bool IsLatched()
        {
            return (_one[0] & Lis3dhRegister.InterruptActive) != 0;
        }
    }
}
