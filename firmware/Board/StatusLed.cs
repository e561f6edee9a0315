using System.Device.Gpio;

namespace DePIN.Firmware.Board
{
    /// <summary>The node's one light: on while the gateway takes frames, off while it is away. Who stands on the ladder needs no more.</summary>
    public sealed class StatusLed
    {
        private readonly GpioPin _pin;

        private StatusLed(GpioPin pin)
        {
            _pin = pin;
        }

        /// <summary>Opens the LED's pin, dark.</summary>
        public static StatusLed Open()
        {
            StatusLed led = new StatusLed(new GpioController().OpenPin(BoardPins.StatusLedPin, PinMode.Output));
            led.Set(false);
            return led;
        }

        /// <summary>Lights it or not.</summary>
        public void Set(bool isOn)
        {
            _pin.Write(isOn ? PinValue.High : PinValue.Low);
        }
    }
}
