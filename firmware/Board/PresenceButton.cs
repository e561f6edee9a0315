using System.Device.Gpio;

namespace DePIN.Firmware.Board
{
    /// <summary>
    /// The board's own button, as the proof that somebody stands before it. Pressed is low. A pin that was low from the beginning proves
    /// nothing (a stuck button, a wire to ground): it must be seen released first.
    /// </summary>
    public sealed class PresenceButton
    {
        private GpioPin _pin;

        /// <summary>Whether this board has one. No constant: what depends on it compiles for every board.</summary>
        public static bool Exists
        {
            get { return BoardPins.ButtonPin >= 0; }
        }

        /// <summary>Whether it is pressed now.</summary>
        public bool IsPressed()
        {
            if (_pin == null)
            {
                _pin = new GpioController().OpenPin(BoardPins.ButtonPin, PinMode.InputPullUp);
            }

            return _pin.Read() == PinValue.Low;
        }
    }
}
