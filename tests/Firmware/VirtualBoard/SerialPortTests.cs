using System.IO.Ports;
using DePIN.Firmware.Board;
using DePIN.VirtualBoard.Hardware;
using nanoFramework.Hardware.Esp32;

namespace DePIN.Firmware.Tests.VirtualBoard;

/// <summary>The virtual board's ports behave as the classic ESP32's under nanoFramework.</summary>
[TestFixture]
public sealed class SerialPortTests
{
    [Test]
    public void Names_are_those_of_the_chip_and_the_runtimes_own_port_cannot_be_opened()
    {
        new VirtualHardware().PowerOn();
        using SerialPort debug = new("COM1");

        Assert.That(SerialPort.GetPortNames(), Is.EqualTo(new[] { "COM1", "COM2", "COM3" }));
        Assert.That(() => new SerialPort("COM4"), Throws.ArgumentException);
        Assert.That(() => new SerialPort("/dev/ttyS0"), Throws.ArgumentException);
        Assert.That(debug.Open, Throws.InstanceOf<IOException>().With.Message.Contains("UART0"));
    }

    [Test]
    public void Two_ports_work_at_a_time_and_one_port_has_one_owner()
    {
        Echo second = new();
        Echo third = new();
        VirtualHardware hardware = new();
        hardware.AttachSerial("COM2", second);
        hardware.AttachSerial("COM3", third);
        hardware.PowerOn();
        using SerialPort a = new("COM2");
        using SerialPort b = new("COM3");
        using SerialPort late = new("COM3");
        a.Open();
        b.Open();
        a.Write([1, 2], 0, 2);
        b.Write([9, 3, 9], 1, 1);

        Assert.That((Read(a), Read(b)), Is.EqualTo(("0102", "03")));
        Assert.That(late.Open, Throws.InstanceOf<IOException>());
        b.Close();
        Assert.That(late.Open, Throws.Nothing);
        Assert.That(() => b.BytesToRead, Throws.InvalidOperationException);
    }

    [Test]
    public void A_port_with_nothing_on_its_pins_opens_and_is_silent()
    {
        new VirtualHardware().PowerOn();
        using SerialPort port = new("COM3");
        port.Open();
        port.Write([1], 0, 1);

        Assert.That(port.BytesToRead, Is.Zero);
    }

    [Test]
    public void A_wrong_speed_turns_bytes_into_others_at_both_ends()
    {
        Echo device = new();
        VirtualHardware hardware = new();
        hardware.AttachSerial("COM3", device);
        hardware.PowerOn();
        using SerialPort port = new("COM3", 19200);
        port.Open();
        port.Write([1, 2, 3], 0, 3);

        Assert.That(device.Received, Is.Not.EqualTo(new byte[] { 1, 2, 3 }).And.Count.EqualTo(3));
    }

    [Test]
    public void What_does_not_fit_into_the_receive_buffer_is_lost_and_the_older_bytes_stay()
    {
        Echo device = new();
        VirtualHardware hardware = new();
        hardware.AttachSerial("COM3", device);
        hardware.PowerOn();
        using SerialPort port = new("COM3");
        port.Open();
        device.Inject([.. Enumerable.Range(0, 300).Select(i => (byte)i)]);

        Assert.That(Read(port), Has.Length.EqualTo(512).And.EndsWith("FEFF"));
        Assert.That(device.LostBytes, Is.EqualTo(44));
    }

    [Test]
    public void The_sensor_port_is_routed_to_the_boards_pins()
    {
        BoardPins.Route();

        Assert.That(Configuration.GetFunctionPin(DeviceFunction.COM3_TX), Is.EqualTo(BoardPins.SensorTransmitPin));
        Assert.That(Configuration.GetFunctionPin(DeviceFunction.COM3_RX), Is.EqualTo(BoardPins.SensorReceivePin));
    }

    private static string Read(SerialPort port)
    {
        byte[] buffer = new byte[port.BytesToRead];
        return Convert.ToHexString(buffer, 0, port.Read(buffer, 0, buffer.Length));
    }

    private sealed class Echo() : UartPeripheral(LineFormat.EightN1(9600))
    {
        protected override void OnReceive(ReadOnlySpan<byte> bytes) => Send(bytes);
    }
}
