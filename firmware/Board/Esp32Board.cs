using nanoFramework.Hardware.Esp32;

namespace DePIN.Firmware.Board
{
    /// <summary>Routes the ESP32's pins to the buses the node uses. Called once, before any bus is opened.</summary>
    public static class Esp32Board
    {
        public static void RoutePins()
        {
            Configuration.SetPinFunction(BoardPins.I2cDataPin, DeviceFunction.I2C1_DATA);
            Configuration.SetPinFunction(BoardPins.I2cClockPin, DeviceFunction.I2C1_CLOCK);
            Configuration.SetPinFunction(BoardPins.ProvisionTransmitPin, DeviceFunction.COM2_TX);
            Configuration.SetPinFunction(BoardPins.ProvisionReceivePin, DeviceFunction.COM2_RX);
            Configuration.SetPinFunction(BoardPins.SensorTransmitPin, DeviceFunction.COM3_TX);
            Configuration.SetPinFunction(BoardPins.SensorReceivePin, DeviceFunction.COM3_RX);
            Configuration.SetPinFunction(BoardPins.BatteryPin, DeviceFunction.ADC1_CH6);
        }
    }
}
