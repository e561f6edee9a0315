using System.Threading;
using DePIN.Protocol;

namespace DePIN.Firmware.Sense.Sht4x
{
    /// <summary>
    /// Temperature and humidity from a Sensirion SHT40, SHT41, SHT43 or SHT45. It has no chip id: a serial number whose two CRCs are
    /// right is what says that it is one. One high-precision measurement a reading; it sleeps in between (0.1 uA).
    /// </summary>
    public sealed class Sht4xSensor : ISensor
    {
        public const int AddressPrimary = 0x44;

        /// <summary>The "B" variants, SHT40-BD1B.</summary>
        public const int AddressSecondary = 0x45;

        // Data sheet table 5: measurement at most 8.3 ms, reset and power-up at most 1 ms.
        private const int MeasureMs = 10;
        private const int CommandMs = 2;

        private readonly I2cLink _link;
        private readonly string _name;
        private readonly byte[] _answer = new byte[2 * SensirionWords.BytesPerWord];
        private readonly int[] _words = new int[2];

        public Sht4xSensor(I2cBus bus, int address)
        {
            _link = new I2cLink(bus, address);
            _name = address == AddressPrimary ? "sht4x" : "sht4x-2";
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
            return Ask(Sht4xCommand.ReadSerial, CommandMs);
        }

        public bool Read(SampleSet samples, long uptimeMs)
        {
            if (!Ask(Sht4xCommand.MeasureHigh, MeasureMs))
            {
                return false;
            }

            samples.Add(Channels.Temperature, -3, 0, Sht4xConversion.Temperature(_words[0]), uptimeMs);
            samples.Add(Channels.RelativeHumidity, -3, 0, Sht4xConversion.Humidity(_words[1]), uptimeMs);
            return true;
        }

        private bool Ask(byte command, int waitMs)
        {
            if (!_link.Write8(command))
            {
                return false;
            }

            Thread.Sleep(waitMs);
            return _link.Read(_answer) && SensirionWords.TryDecode(_answer, _words);
        }
    }
}
