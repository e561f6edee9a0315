using System.Threading;
using DePIN.Protocol;

namespace DePIN.Firmware.Sense.Scd4x
{
    /// <summary>
    /// CO2 from a Sensirion SCD40, SCD41 or SCD43, with the temperature and humidity it needs for it (marked as indicative: it warms
    /// itself). It measures by itself every 5 s; a reading takes what is there, and adds nothing when nothing new is. Its automatic self
    /// calibration, offsets and altitude stay as they are stored in the chip.
    /// </summary>
    public sealed class Scd4xSensor : ISensor
    {
        public const int Address = 0x62;

        /// <summary>Of temperature and humidity.</summary>
        public const byte QualityIndicative = 1;

        // Data sheet section 3.5: execution times of stop and of the short commands.
        private const int StopMs = 500;
        private const int CommandMs = 2;

        /// <summary>A measurement every 5 s: a chip that has had none for four of them has lost its power and is started again.</summary>
        private const int SilentMsMax = 20000;

        private readonly I2cLink _link;
        private readonly byte[] _one = new byte[SensirionWords.BytesPerWord];
        private readonly byte[] _three = new byte[3 * SensirionWords.BytesPerWord];
        private readonly int[] _word = new int[1];
        private readonly int[] _words = new int[3];
        private long _lastMs;
        private bool _hasLast;

        public Scd4xSensor(I2cBus bus)
        {
            _link = new I2cLink(bus, Address);
        }

        public string Name
        {
            get { return "scd4x"; }
        }

        public ushort Profile
        {
            get { return Profiles.Environment; }
        }

        public bool Open()
        {
            // After a restart of the board it may still be measuring, and then it answers to nothing but this.
            if (!_link.Write16(Scd4xCommand.StopPeriodic))
            {
                return false;
            }

            Thread.Sleep(StopMs);
            _hasLast = false;
            return Ask(Scd4xCommand.SerialNumber, _three, _words) && _link.Write16(Scd4xCommand.StartPeriodic);
        }

        public bool Read(SampleSet samples, long uptimeMs)
        {
            if (!_hasLast)
            {
                _hasLast = true;
                _lastMs = uptimeMs;
            }

            if (!Ask(Scd4xCommand.DataReady, _one, _word))
            {
                return false;
            }

            if ((_word[0] & Scd4xCommand.DataReadyMask) == 0)
            {
                return uptimeMs - _lastMs <= SilentMsMax;
            }

            if (!Ask(Scd4xCommand.ReadMeasurement, _three, _words))
            {
                return false;
            }

            _lastMs = uptimeMs;

            // 0 ppm is the chip's word for "not valid" (vendor's example code).
            if (_words[0] != 0)
            {
                samples.Add(Channels.CarbonDioxide, -6, 0, _words[0], uptimeMs);
                samples.Add(Channels.Temperature, -3, QualityIndicative, Scd4xConversion.Temperature(_words[1]), uptimeMs);
                samples.Add(Channels.RelativeHumidity, -3, QualityIndicative, Scd4xConversion.Humidity(_words[2]), uptimeMs);
            }

            return true;
        }

        private bool Ask(ushort command, byte[] answer, int[] words)
        {
            if (!_link.Write16(command))
            {
                return false;
            }

            Thread.Sleep(CommandMs);
            return _link.Read(answer) && SensirionWords.TryDecode(answer, words);
        }
    }
}
