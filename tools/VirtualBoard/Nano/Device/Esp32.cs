// nanoFramework.Hardware.Esp32, as far as the firmware uses it: routing pins to functions (the routes can be read back), deep sleep.

using System.Collections.Concurrent;
using DePIN.VirtualBoard.Hardware;

namespace nanoFramework.Hardware.Esp32;

/// <summary>Same numbers as on the board.</summary>
public enum DeviceFunction
{
    I2C1_DATA = 131328,
    I2C1_CLOCK = 131329,
    I2C2_DATA = 131584,
    I2C2_CLOCK = 131585,
    COM1_TX = 196864,
    COM1_RX = 196865,
    COM2_TX = 197120,
    COM2_RX = 197121,
    COM3_TX = 197376,
    COM3_RX = 197377,
    ADC1_CH0 = 327936,
    ADC1_CH1 = 327937,
    ADC1_CH2 = 327938,
    ADC1_CH3 = 327939,
    ADC1_CH4 = 327940,
    ADC1_CH5 = 327941,
    ADC1_CH6 = 327942,
    ADC1_CH7 = 327943,
    ADC1_CH8 = 327944,
    ADC1_CH9 = 327945,
}

public class Configuration
{
    private static readonly ConcurrentDictionary<DeviceFunction, int> Pins = new();

    public static void SetPinFunction(int pin, DeviceFunction value) => Pins[value] = pin;

    public static int GetFunctionPin(DeviceFunction function) => Pins.TryGetValue(function, out int pin) ? pin : -1;
}

/// <summary>Same numbers as on the board.</summary>
public enum EspNativeError
{
    OK = 0,
    FAIL = -1,
    INVALID_ARG = 258,
}

/// <summary>Deep sleep of a virtual board: the firmware's run ends, and the board starts it again when the timer is over.</summary>
public class Sleep
{
    /// <summary>What started the chip.</summary>
    public enum WakeupCause
    {
        Undefined = 0,
        Timer = 4,
    }

    public static EspNativeError EnableWakeupByTimer(TimeSpan time) =>
        VirtualHardware.Current.SetWakeTimer(time) ? EspNativeError.OK : EspNativeError.INVALID_ARG;

    public static void StartDeepSleep() => throw VirtualHardware.Current.BeginDeepSleep();

    /// <exception cref="NotSupportedException">The chip's image does not have it.</exception>
    public static WakeupCause GetWakeupCause() =>
        !VirtualHardware.Current.TellsWakeupCause ? throw new NotSupportedException() : VirtualHardware.Current.WokeByTimer ? WakeupCause.Timer : WakeupCause.Undefined;
}
