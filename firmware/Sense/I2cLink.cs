using System;
using System.Device.I2c;

namespace DePIN.Firmware.Sense
{
    /// <summary>
    /// A driver's line to one address on a bus. Every method says whether the chip acknowledged everything, and none throws for a chip
    /// that is absent or a bus that is stuck. The first transfer is the probe: an empty write is none, because the ESP32 sends no
    /// address for it and reports success. Arrays are transferred whole: the ESP32's driver ignores where a span begins.
    /// </summary>
    public sealed class I2cLink
    {
        private readonly I2cBus _bus;
        private readonly I2cConnectionSettings _settings;
        private readonly byte[] _one = new byte[1];
        private readonly byte[] _two = new byte[2];
        private readonly byte[] _three = new byte[3];
        private I2cDevice _device;

        public I2cLink(I2cBus bus, int address)
        {
            _bus = bus;
            _settings = new I2cConnectionSettings(bus.Number, address, I2cBusSpeed.FastMode);
        }

        /// <summary>A read transfer.</summary>
        public bool Read(byte[] destination)
        {
            return !_bus.IsStuck && _bus.Judge(Device().Read(new SpanByte(destination)).Status);
        }

        /// <summary>A write transfer of one byte: a command.</summary>
        public bool Write8(byte command)
        {
            _one[0] = command;
            return Write(_one);
        }

        /// <summary>A write transfer of two bytes, high byte first: a command.</summary>
        public bool Write16(ushort command)
        {
            _two[0] = (byte)(command >> 8);
            _two[1] = (byte)command;
            return Write(_two);
        }

        /// <summary>Sets one register of a byte.</summary>
        public bool WriteRegister(byte register, byte value)
        {
            _two[0] = register;
            _two[1] = value;
            return Write(_two);
        }

        /// <summary>Sets one register of two bytes, high byte first.</summary>
        public bool WriteRegister16(byte register, ushort value)
        {
            _three[0] = register;
            _three[1] = (byte)(value >> 8);
            _three[2] = (byte)value;
            return Write(_three);
        }

        /// <summary>Reads from a register on, with a repeated start.</summary>
        public bool ReadRegister(byte register, byte[] destination)
        {
            if (_bus.IsStuck)
            {
                return false;
            }

            _one[0] = register;
            return _bus.Judge(Device().WriteRead(new SpanByte(_one), new SpanByte(destination)).Status);
        }

        private bool Write(byte[] bytes)
        {
            return !_bus.IsStuck && _bus.Judge(Device().Write(new SpanByte(bytes)).Status);
        }

        private I2cDevice Device()
        {
            if (_device == null)
            {
                _device = I2cDevice.Create(_settings);
            }

            return _device;
        }
    }
}
