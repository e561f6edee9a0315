using System.Device.Gpio;
using System.Device.I2c;
using DePIN.Gateway.RaspberryPi.Panel;
using Iot.Device.Bmxx80;
using Iot.Device.Bmxx80.PowerMode;
using Iot.Device.Graphics;
using Iot.Device.Ssd13xx;
using Iot.Device.Ssd13xx.Commands.Ssd1306Commands;

namespace DePIN.Gateway.RaspberryPi;

/// <summary>
/// LED, button, SSD1306 (128 x 32) and BME280 on a Pi's header. What is not wired is said once and left out; a part that stops answering is
/// looked for again at its next turn.
/// </summary>
internal sealed class PiPanel : IPanel
{
    private const int Width = 128;
    private const int Pages = 4;
    private const int DisplayAddress = 0x3C;

    private readonly PiOptions _options;
    private readonly GpioController? _pins;
    private readonly Font5x8 _font = new();
    private readonly HashSet<string> _complained = [];
    private Ssd1306? _display;
    private Bme280? _sensor;
    private string _shown = "";

    public PiPanel(PiOptions options)
    {
        _options = options;
        try
        {
            _pins = new GpioController();
            _pins.OpenPin(options.LedPin, PinMode.Output);
            _pins.OpenPin(options.ButtonPin, PinMode.InputPullUp);
        }
        catch (Exception fault) when (IsHardware(fault))
        {
            Complain("LED and button", fault);
            _pins?.Dispose();
            _pins = null;
        }
    }

    public bool IsPressed => _pins?.Read(_options.ButtonPin) == PinValue.Low;

    public void Light(bool on) => _pins?.Write(_options.LedPin, on ? PinValue.High : PinValue.Low);

    public void Show(IReadOnlyList<string> lines)
    {
        string text = string.Join('\n', lines);
        if (text == _shown) return;
        try
        {
            _display ??= new Ssd1306(Bus(DisplayAddress), Width, 8 * Pages);
            _display.SendCommand(new SetColumnAddress());
            _display.SendCommand(new SetPageAddress(PageAddress.Page0, PageAddress.Page3));
            for (int page = 0; page < Pages; page++) _display.SendData(Row(page < lines.Count ? lines[page] : ""));
            _shown = text;
        }
        catch (Exception fault) when (IsHardware(fault))
        {
            Complain("display", fault);
            _display?.Dispose();
            (_display, _shown) = (null, "");
        }
    }

    public Air? Read()
    {
        try
        {
            _sensor ??= new Bme280(Bus(_options.SensorAddress)) { TemperatureSampling = Sampling.LowPower, PressureSampling = Sampling.LowPower, HumiditySampling = Sampling.LowPower };
            _sensor.SetPowerMode(Bmx280PowerMode.Forced);
            var read = _sensor.Read();
            return read is { Temperature: { } temperature, Humidity: { } humidity, Pressure: { } pressure }
                ? new Air((long)Math.Round(temperature.DegreesCelsius * 100), (long)Math.Round(humidity.Percent * 10), (long)Math.Round(pressure.Pascals)) : null;
        }
        catch (Exception fault) when (IsHardware(fault))
        {
            Complain("BME280", fault);
            _sensor?.Dispose();
            _sensor = null;
            return null;
        }
    }

    public void Dispose()
    {
        try
        {
            Light(false);
            if (_display is not null) Show(["", "gateway panel", "stopped", ""]);
        }
        finally
        {
            _display?.Dispose();
            _sensor?.Dispose();
            _pins?.Dispose();
        }
    }

    /// <summary>A line of text as a page of the controller: a byte a column, the top pixel in bit 0.</summary>
    private byte[] Row(string line)
    {
        byte[] columns = new byte[Width];
        for (int i = 0; i < line.Length && 6 * i + 5 < Width; i++)
        {
            _font.GetCharData(line[i], out ReadOnlySpan<ushort> rows); // eight rows, the left pixel in bit 4
            for (int x = 0; x < 5; x++)
            {
                for (int y = 0; y < 8; y++) columns[6 * i + x] |= (byte)(((rows[y] >> (4 - x)) & 1) << y);
            }
        }

        return columns;
    }

    private I2cDevice Bus(int address) => I2cDevice.Create(new I2cConnectionSettings(_options.I2cBus, address));

    private void Complain(string part, Exception fault)
    {
        if (_complained.Add(part)) Console.Error.WriteLine($"{part}: {fault.Message}. Not wired, or not allowed (groups gpio and i2c)? gateway/RaspberryPi/README.md has the pins.");
    }

    // What drivers throw for a missing bus, a missing part and a missing right.
    private static bool IsHardware(Exception fault) => fault is IOException or UnauthorizedAccessException or InvalidOperationException or PlatformNotSupportedException or DllNotFoundException or NotSupportedException;
}
