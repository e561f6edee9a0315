using System.Device.Adc;
using DePIN.Firmware.Board;
using DePIN.Protocol;

namespace DePIN.Firmware.Sense.Battery
{
    /// <summary>
    /// The battery's voltage through a divider on an ADC1 pin, the mean of eight conversions. Uncalibrated the ESP32's converter is
    /// off by up to some per cent, so the sample carries quality 1 (indicative) and millivolts, not more digits.
    /// </summary>
    public sealed class BatterySensor : ISensor
    {
        public const byte QualityIndicative = 1;

        /// <summary>A conversion at an end of the scale: a cut wire, no battery, or more than the pin can show.</summary>
        public const byte QualityOutOfRange = 2;

        private const int Conversions = 8;

        private readonly bool _fitted;
        private readonly int _channelNumber;
        private readonly int _dividerPermille;
        private AdcChannel _channel;
        private int _fullScale;

        /// <param name="fitted">Whether settings say that a divider is fitted: an open pin reads as some voltage too.</param>
        public BatterySensor(bool fitted, int channelNumber, int dividerPermille)
        {
            _fitted = fitted;
            _channelNumber = channelNumber;
            _dividerPermille = dividerPermille;
        }

        public string Name
        {
            get { return "battery"; }
        }

        public ushort Profile
        {
            get { return 0; }
        }

        public bool Open()
        {
            if (!_fitted)
            {
                return false;
            }

            if (_channel == null)
            {
                AdcController controller = new AdcController();
                _fullScale = controller.MaxValue;
                _channel = controller.OpenChannel(_channelNumber);
            }

            return _fullScale > 0;
        }

        public bool Read(SampleSet samples, long uptimeMs)
        {
            long sum = 0;
            byte quality = QualityIndicative;
            for (int i = 0; i < Conversions; i++)
            {
                int raw = _channel.ReadValue();
                if (raw < 0 || raw > _fullScale)
                {
                    return false;
                }

                if (raw == 0 || raw == _fullScale)
                {
                    quality = QualityOutOfRange;
                }

                sum += raw;
            }

            // One division, rounded: a millivolt is a millivolt of the battery.
            long divisor = (long)Conversions * _fullScale * _dividerPermille;
            long millivolt = ((sum * BoardPins.AdcFullScaleMillivolt * 1000) + (divisor / 2)) / divisor;
            samples.Add(Channels.BatteryVoltage, -3, quality, millivolt, uptimeMs);
            return true;
        }
    }
}
