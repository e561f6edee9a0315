using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Tests.Sense;
using DePIN.Protocol;
using DePIN.VirtualBoard.Feed;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.VirtualBoard;

/// <summary>A board with node.conf's sensors named finds each of them, with a model behind it.</summary>
[TestFixture]
public sealed class NamedSensorsTests
{
    [TestCase("sensor-pms5003=COM3", new[] { Channels.Pm1, Channels.Pm25, Channels.Pm10 })]
    [TestCase("sensor-pzem004t=COM3", new[]
    {
        Channels.MainsVoltage, Channels.MainsCurrent, Channels.ActivePower, Channels.ActiveEnergy, Channels.MainsFrequency, Channels.PowerFactor,
        Channels.PowerAlarm,
    })]
    [TestCase("sensor-gnss=COM3", new[]
    {
        Channels.Satellites, Channels.Latitude, Channels.Longitude, Channels.HorizontalAccuracy, Channels.GroundSpeed, Channels.Altitude,
    })]
    [TestCase("sensor-gnss=COM3\ngnss-baud=38400", new[]
    {
        Channels.Satellites, Channels.Latitude, Channels.Longitude, Channels.HorizontalAccuracy, Channels.GroundSpeed, Channels.Altitude,
    })]
    [TestCase("sensor-s0=GPIO33", new[] { Channels.MeterImpulses, Channels.MeterEnergy })]
    [TestCase("sensor-wifi=on", new[] { Channels.WifiOwnPoints, Channels.WifiOwnSignal, Channels.WifiOtherPoints, Channels.WifiOtherSignal })]
    [TestCase("wifi=on", new ushort[0])]
    public void What_the_settings_name_is_there_with_its_channels(string line, ushort[] channels)
    {
        PowerCutFlash flash = new();
        byte[] text = System.Text.Encoding.ASCII.GetBytes(line + "\n");
        flash.Write(NodeSettings.FileName, text, 0, text.Length);
        NodeSettings settings = NodeSettings.Open(flash);
        VirtualHardware hardware = new();
        using NamedSensors named = NamedSensors.Connect(hardware, settings, 1, TimeProvider.System);
        hardware.PowerOn();
        SampleSet samples = new();
        SensorSet.Open(settings, new NodeHealth(), flash).Read(samples, 0);

        Assert.That(settings.Problem, Is.Null);
        Assert.That(UartBench.ByChannel(samples).Keys, Is.EquivalentTo(channels));
    }
}
