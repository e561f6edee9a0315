namespace DePIN.Firmware.Board
{
    /// <summary>
    /// The wiring of the ESP32 DevKitC node, the same numbers as hardware/boards/esp32-devkitc.json (a test compares them).
    /// UART0 belongs to the runtime's debug protocol, so provisioning is on COM2.
    /// </summary>
    public static class BoardPins
    {
        public const string BoardName = "esp32-devkitc";

        public const string FlashRoot = "I:\\";

        public const int I2cBus = 1;
        public const int I2cDataPin = 21;
        public const int I2cClockPin = 22;

        public const string ProvisionPort = "COM2";
        public const int ProvisionTransmitPin = 17;
        public const int ProvisionReceivePin = 16;
        public const int ProvisionBaud = 115200;

        /// <summary>The UART that is left for a sensor: UART0 is the runtime's, UART1 is provisioning's.</summary>
        public const string SensorPort = "COM3";
        public const int SensorTransmitPin = 27;
        public const int SensorReceivePin = 26;

        /// <summary>Pins that a pulse counter may use, from and to: free on this board and with a pull-up of their own.</summary>
        public const int PulsePinMin = 32;
        public const int PulsePinMax = 33;

        /// <summary>A LED with a resistor to ground; some DevKits have it on the board.</summary>
        public const int StatusLedPin = 2;

        /// <summary>ADC1 channel 6 is GPIO34: input only, and ADC1 works while Wi-Fi is on (ADC2 does not).</summary>
        public const int BatteryAdcChannel = 6;
        public const int BatteryPin = 34;

        /// <summary>Divider in front of the pin: battery voltage × 1000 / this = pin voltage (two equal resistors: halved).</summary>
        public const int BatteryDividerPermille = 500;

        /// <summary>What the converter's full scale stands for at 11 dB attenuation.</summary>
        public const int AdcFullScaleMillivolt = 3300;
    }
}
