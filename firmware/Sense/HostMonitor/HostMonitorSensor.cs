using System.Threading;
using DePIN.Firmware.Board;
using DePIN.Protocol;

namespace DePIN.Firmware.Sense.HostMonitor
{
    /// <summary>
    /// Reads a computer's own measurements from a monitor on the I2C bus (register map in README.md): a virtual board has one inside,
    /// a real one is a microcontroller in the computer's case. The measurements are whatever the monitor lists, channels 16 to 31.
    /// </summary>
    public sealed class HostMonitorSensor : ISensor
    {
        public const int Address = 0x42;
        public const byte RegisterId = 0x00;
        public const byte RegisterVersion = 0x02;
        public const byte RegisterCount = 0x03;
        public const byte RegisterControl = 0x04;
        public const byte RegisterStatus = 0x05;
        public const byte RegisterEntries = 0x10;
        public const byte ControlMeasure = 1;
        public const byte StatusBusy = 1;
        public const int EntryBytes = 12;
        public const int EntriesMax = 16;
        public const byte Id0 = 0x44;
        public const byte Id1 = 0x48;
        public const byte Version = 1;
        public const ushort ChannelMin = 16;
        public const ushort ChannelMax = 31;

        private const int PollMs = 5;
        private const int PollsMax = 40;

        private readonly I2cLink _link;
        private readonly byte[] _head = new byte[4];
        private readonly byte[] _one = new byte[1];
        private readonly byte[] _entry = new byte[EntryBytes];

        public HostMonitorSensor(I2cBus bus, int address)
        {
            _link = new I2cLink(bus, address);
        }

        public string Name
        {
            get { return "host-monitor"; }
        }

        public ushort Profile
        {
            get { return Profiles.Host; }
        }

        public bool Open()
        {
            return _link.ReadRegister(RegisterId, _head) && _head[0] == Id0 && _head[1] == Id1 && _head[2] == Version;
        }

        public bool Read(SampleSet samples, long uptimeMs)
        {
            // Measuring freezes the entries until the next time: they belong together.
            if (!_link.WriteRegister(RegisterControl, ControlMeasure) || !WaitUntilReady() || !_link.ReadRegister(RegisterCount, _one) || _one[0] > EntriesMax)
            {
                return false;
            }

            int count = _one[0];
            if (count > samples.Free)
            {
                return true;
            }

            int before = samples.Count;
            for (int i = 0; i < count; i++)
            {
                if (!_link.ReadRegister((byte)(RegisterEntries + (i * EntryBytes)), _entry))
                {
                    samples.Truncate(before);
                    return false;
                }

                ushort channel = (ushort)((_entry[0] << 8) | _entry[1]);
                if (channel < ChannelMin || channel > ChannelMax)
                {
                    samples.Truncate(before);
                    return false;
                }

                samples.Add(channel, (sbyte)_entry[2], _entry[3], (long)BigEndian.ReadUInt64(_entry, 4), uptimeMs);
            }

            return true;
        }

        private bool WaitUntilReady()
        {
            for (int i = 0; i < PollsMax; i++)
            {
                if (!_link.ReadRegister(RegisterStatus, _one))
                {
                    return false;
                }

                if ((_one[0] & StatusBusy) == 0)
                {
                    return true;
                }

                Thread.Sleep(PollMs);
            }

            return false;
        }
    }
}
