using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sense;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

/// <summary>A board with one device on its sensor port, and what the tests of serial sensors ask of the samples.</summary>
internal static class UartBench
{
    public static VirtualHardware Board(ISerialLine? device)
    {
        VirtualHardware hardware = new();
        if (device is not null)
        {
            hardware.AttachSerial(BoardPins.SensorPort, device);
        }

        hardware.PowerOn();
        return hardware;
    }

    public static SampleSet Read(ISensor sensor, long uptimeMs = 0)
    {
        SampleSet samples = new();
        Assert.That(sensor.Read(samples, uptimeMs), Is.True);
        return samples;
    }

    /// <summary>channel: value × 10^exponent, quality.</summary>
    public static Dictionary<ushort, (long Value, sbyte Exponent, byte Quality)> ByChannel(SampleSet samples) =>
        Enumerable.Range(0, samples.Count).ToDictionary(samples.Channel, i => (samples.Value(i), samples.Exponent(i), samples.Quality(i)));

    /// <summary>A set with that sensor alone goes dark when it is unplugged, says so once, and finds it again.</summary>
    public static void VanishAndReturn(ISensor sensor, UartPeripheral device, int samplesPerReading)
    {
        SensorSet set = new([sensor], new I2cBus(BoardPins.I2cBus), new NodeHealth());
        SampleSet samples = new();
        for (int i = 0; i < 30; i++)
        {
            set.Read(samples, i);
        }

        Assert.That(set.PresentCount, Is.EqualTo(1), "found by the search");
        int before = samples.Count;
        device.IsUnplugged = true;
        set.Read(samples, 30_000);
        Assert.That((set.PresentCount, samples.Count), Is.EqualTo((0, before)), "gone, and nothing made up");

        device.IsUnplugged = false;
        SampleSet again = new();
        for (int i = 0; i < 30 && again.Count == 0; i++)
        {
            set.Read(again, 31_000 + i);
        }

        Assert.That((set.PresentCount, again.Count), Is.EqualTo((1, samplesPerReading)));
    }
}
