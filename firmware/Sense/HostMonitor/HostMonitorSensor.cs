using System;
using System.Device.I2c;
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

        private readonly I2cConnectionSettings _settings;
        private readonly byte[] _head = new byte[4];
        private readonly byte[] _one = new byte[1];
        private readonly byte[] _entry = new byte[EntryBytes];
        private I2cDevice _device;

        public HostMonitorSensor(int bus, int address)
        {
            _settings = new I2cConnectionSettings(bus, address, I2cBusSpeed.FastMode);
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
            if (_device == null)
            {
                _device = I2cDevice.Create(_settings);
            }

            return ReadRegisters(RegisterId, _head) && _head[0] == Id0 && _head[1] == Id1 && _head[2] == Version;
        }

        public bool Read(SampleSet samples, long uptimeMs)
        {
            // Measuring freezes the entries until the next time: they belong together.
            if (!Write(RegisterControl, ControlMeasure) || !WaitUntilReady() || !ReadRegisters(RegisterCount, _one) || _one[0] > EntriesMax)
            {
                return false;
            }

            int count = _one[0];
            if (count > samples.Free)
            {
                return true;
            }

            for (int i = 0; i < count; i++)
            {
                if (!ReadRegisters((byte)(RegisterEntries + (i * EntryBytes)), _entry))
                {
                    return false;
                }

                ushort channel = (ushort)((_entry[0] << 8) | _entry[1]);
                if (channel < ChannelMin || channel > ChannelMax)
                {
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
                if (!ReadRegisters(RegisterStatus, _one))
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

        private bool ReadRegisters(byte register, byte[] destination)
        {
            I2cTransferResult result = _device.WriteRead(new SpanByte(new byte[] { register }), new SpanByte(destination));
            return result.Status == I2cTransferStatus.FullTransfer;
        }

        private bool Write(byte register, byte value)
        {
            return _device.Write(new SpanByte(new byte[] { register, value })).Status == I2cTransferStatus.FullTransfer;
        }
    }
}
