using System.Device.I2c;

namespace DePIN.Firmware.Sense
{
    /// <summary>
    /// One I2C bus as its drivers share it. Nobody at an address costs a tenth of a millisecond; a bus whose SDA or SCL is held low costs
    /// a time-out of up to a second for every transfer. So after one time-out the bus is left alone until <see cref="Retry"/>: a
    /// round with a stuck bus costs one second, not one for each sensor. The ESP32's driver sends the nine clocks that free a slave.
    /// </summary>
    public sealed class I2cBus
    {
        private readonly int _number;
        private bool _isStuck;

        public I2cBus(int number)
        {
            _number = number;
        }

        /// <summary>As nanoFramework counts them, from 1.</summary>
        public int Number
        {
            get { return _number; }
        }

        /// <summary>A transfer timed out since the last <see cref="Retry"/>.</summary>
        public bool IsStuck
        {
            get { return _isStuck; }
        }

        /// <summary>Lets the next transfer try again.</summary>
        public void Retry()
        {
            _isStuck = false;
        }

        /// <summary>True for a whole transfer; remembers one that says more about the bus than about the chip.</summary>
        public bool Judge(I2cTransferStatus status)
        {
            if (status == I2cTransferStatus.ClockStretchTimeout || status == I2cTransferStatus.UnknownError)
            {
                _isStuck = true;
            }

            return status == I2cTransferStatus.FullTransfer;
        }
    }
}
