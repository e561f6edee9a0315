using System.Device.Gpio;
using System.Text;
using DePIN.Boards;
using DePIN.Firmware.Board;
using DePIN.Protocol;
using DePIN.VirtualBoard;
using DePIN.VirtualBoard.Console;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;
using nanoFramework.Hardware.Esp32;

namespace DePIN.Firmware.Tests.Board;

[TestFixture]
public sealed class BoardTests
{
    [TestCase("gateway-port=0", "gateway-port is a number from 1 to 65535")]
    [TestCase("gateway-port=http", "gateway-port is a number")]
    [TestCase("interval-ms=1", "interval-ms is a number from 100")]
    [TestCase("samples-per-frame=65", "samples-per-frame")]
    [TestCase("ring-bytes=100", "ring-bytes")]
    [TestCase("tls=yes", "tls is on or off")]
    [TestCase("profile=weather", "profile is auto")]
    [TestCase("unicorns=1", "unknown key unicorns")]
    [TestCase("sensor-pms5003=COM1", "sensor-pms5003: COM1 is the runtime's debug port")]
    [TestCase("sensor-pzem004t=COM2", "sensor-pzem004t: COM2 is the provisioning port")]
    [TestCase("sensor-gnss=COM4", "sensor-gnss is off or COM3")]
    [TestCase("sensor-gnss=com3", "sensor-gnss is off or COM3")]
    [TestCase("sensor-gnss=", "sensor-gnss is off or COM3")]
    [TestCase("sensor-gnss=COM3\nsensor-pms5003=COM3", "COM3 is given to two sensors: sensor-pms5003 and sensor-gnss")]
    [TestCase("sensor-pzem004t=COM3\nsensor-pms5003=COM3", "COM3 is given to two sensors: sensor-pms5003 and sensor-pzem004t")]
    [TestCase("pms5003-sleep-rounds=-1", "pms5003-sleep-rounds is a number from 0")]
    [TestCase("sensor-s0=34", "sensor-s0 is off or a pin from GPIO32 to GPIO33")]
    [TestCase("sensor-s0=GPIO34", "sensor-s0 is off or a pin from GPIO32 to GPIO33")]
    [TestCase("sensor-s0=GPIOx", "sensor-s0 is off or a pin from GPIO32 to GPIO33")]
    [TestCase("s0-impulses-per-kwh=0", "s0-impulses-per-kwh is a number from 1")]
    [TestCase("gnss-baud=300", "gnss-baud is a number from 4800 to 115200")]
    [TestCase("sensor-wifi=yes", "sensor-wifi is on or off")]
    [TestCase("wifi=off\nsensor-wifi=on", "sensor-wifi needs wifi=on")]
    [TestCase("gateway-host", "line without key=value")]
    [TestCase("gateway-host=a b", "no blanks")]
    [TestCase("gateway-host=\u00e4", "plain ASCII")]
    public void A_bad_setting_is_named(string line, string problem)
    {
        NodeSettings settings = new();
        byte[] text = Encoding.UTF8.GetBytes("# node\n\nwifi=on\n" + line + "\n");
        settings.Apply(text, 0, text.Length);

        Assert.That(settings.Problem, Does.Contain(problem));
    }

    [Test]
    public void Sensors_that_cannot_be_found_by_asking_are_where_the_settings_say()
    {
        NodeSettings settings = new();
        Assert.That((settings.Pms5003Port, settings.Pzem004tPort, settings.GnssPort, settings.S0Pin, settings.WifiSurvey), Is.EqualTo(("", "", "", -1, false)));

        byte[] text = Encoding.UTF8.GetBytes("sensor-pms5003=COM3\npms5003-sleep-rounds=29\nsensor-s0=GPIO33\ns0-impulses-per-kwh=800\nsensor-wifi=on\n");
        settings.Apply(text, 0, text.Length);
        byte[] moved = Encoding.UTF8.GetBytes("sensor-pms5003=off\nsensor-gnss=COM3\n");
        settings.Apply(moved, 0, moved.Length);

        Assert.That(settings.Problem, Is.Null);
        Assert.That((settings.Pms5003Port, settings.GnssPort, settings.S0Pin), Is.EqualTo(("", "COM3", 33)));
        Assert.That((settings.Pms5003SleepRounds, settings.S0ImpulsesPerKwh, settings.WifiSurvey), Is.EqualTo((29, 800, true)));
    }

    [Test]
    public void Settings_over_serial_win_over_the_file_and_replace_their_own_key()
    {
        PowerCutFlash flash = new();
        byte[] file = Encoding.ASCII.GetBytes("gateway-host=old\ninterval-ms=500\n");
        flash.Write(NodeSettings.FileName, file, 0, file.Length);
        byte[] first = NodeSettings.Merge(null!, Encoding.ASCII.GetBytes("gateway-host=a\nprofile=energy\n"));
        byte[] second = NodeSettings.Merge(first, Encoding.ASCII.GetBytes("gateway-host=b\n"));
        new Firmware.Keep.TwoGenerations(flash, NodeSettings.SerialName).Write(second);
        NodeSettings settings = NodeSettings.Open(flash);

        Assert.That(settings.Problem, Is.Null);
        Assert.That(settings.GatewayHost, Is.EqualTo("b"));
        Assert.That(settings.IntervalMs, Is.EqualTo(500));
        Assert.That(settings.ProfileOr(Profiles.Host), Is.EqualTo(Profiles.Energy));
        Assert.That(Encoding.ASCII.GetString(second), Is.EqualTo("profile=energy\ngateway-host=b\n"));
    }

    [Test]
    public void The_pins_in_the_firmware_are_those_of_the_board_file()
    {
        DePIN.Boards.Board board = BoardCatalog.Load(Repository.PathOf("hardware")).Find(BoardPins.BoardName)!;

        Assert.That(board, Is.Not.Null, "built for a board that hardware/boards has");
        Assert.That((BoardPins.FlashRoot, BoardPins.DriveBytes), Is.EqualTo((board.DriveRoot, board.Drive.Bytes)));
        Assert.That((BoardPins.I2cBus, BoardPins.I2cDataPin, BoardPins.I2cClockPin), Is.EqualTo((board.I2c.Bus, board.I2c.Data, board.I2c.Clock)));
        Assert.That(
            (BoardPins.ProvisionPort, BoardPins.ProvisionTransmitPin, BoardPins.ProvisionReceivePin, (int?)BoardPins.ProvisionBaud),
            Is.EqualTo((board.Provisioning.Port, board.Provisioning.Transmit, board.Provisioning.Receive, board.Provisioning.Baud)));
        Assert.That(
            (BoardPins.SensorPort, BoardPins.SensorTransmitPin, BoardPins.SensorReceivePin),
            Is.EqualTo((board.SensorUart?.Port ?? "", board.SensorUart?.Transmit ?? -1, board.SensorUart?.Receive ?? -1)));
        Assert.That((BoardPins.PulsePinMin, BoardPins.PulsePinMax), Is.EqualTo((board.PulseInput?.PinMin ?? -1, board.PulseInput?.PinMax ?? -1)));
        Assert.That((BoardPins.StatusLedPin, BoardPins.HasBattery), Is.EqualTo((board.StatusLed.Pin!.Value, board.Battery is not null)));
        Assert.That(
            (BoardPins.BatteryPin, BoardPins.BatteryAdcChannel, BoardPins.BatteryDividerPermille, BoardPins.AdcFullScaleMillivolt),
            Is.EqualTo((board.Battery?.Pin ?? -1, board.Battery?.AdcChannel ?? -1, board.Battery?.DividerPermille ?? 1000, board.Battery?.FullScaleMillivolt ?? 3300)));
    }

    [Test]
    public void A_battery_is_a_setting_only_where_the_board_has_a_pin_for_it()
    {
        NodeSettings settings = new();
        settings.Apply("battery=on"u8.ToArray(), 0, 10);

        Assert.That(settings.Problem, BoardPins.HasBattery ? Is.Null : Does.Contain("it has no pin for a divider"));
    }

    [Test]
    public void Every_pin_of_the_board_file_is_routed_to_its_function()
    {
        BoardPins.Route();

        Assert.That(Configuration.GetFunctionPin(DeviceFunction.I2C1_DATA), Is.EqualTo(BoardPins.I2cDataPin));
        Assert.That(Configuration.GetFunctionPin(DeviceFunction.I2C1_CLOCK), Is.EqualTo(BoardPins.I2cClockPin));
        Assert.That(Configuration.GetFunctionPin(DeviceFunction.COM2_TX), Is.EqualTo(BoardPins.ProvisionTransmitPin));
        Assert.That(Configuration.GetFunctionPin(DeviceFunction.COM2_RX), Is.EqualTo(BoardPins.ProvisionReceivePin));
        Assert.That(Configuration.GetFunctionPin(DeviceFunction.COM3_TX), Is.EqualTo(BoardPins.SensorTransmitPin));
        Assert.That(Configuration.GetFunctionPin(DeviceFunction.COM3_RX), Is.EqualTo(BoardPins.SensorReceivePin));
        Assert.That(Configuration.GetFunctionPin(DeviceFunction.ADC1_CH0 + BoardPins.BatteryAdcChannel), Is.EqualTo(BoardPins.BatteryPin));
    }

    [Test]
    public void A_pin_that_the_boards_chip_has_not_or_cannot_drive_is_refused()
    {
        new VirtualHardware().PowerOn();
        Chip chip = BoardCatalog.Load(Repository.PathOf("hardware")).Find(BoardPins.BoardName)!.Chip;
        using GpioController pins = new();
        for (int number = -1; number <= 64; number++)
        {
            int pin = number;
            Assert.That(ChipPins.Has(pin), Is.EqualTo(chip.Gpios.Contains(pin)), $"GPIO{pin}");
            Assert.That(ChipPins.CanDrive(pin), Is.EqualTo(chip.Gpios.Contains(pin) && !chip.InputOnly.Contains(pin)), $"GPIO{pin}");
            Assert.That(() => pins.OpenPin(pin, PinMode.Output), ChipPins.CanDrive(pin) ? Throws.Nothing : Throws.ArgumentException, $"GPIO{pin}");
        }
    }

    [Test]
    public void Files_on_a_hosts_flash_are_their_owners_alone_and_keep_what_was_appended()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            FolderFlash flash = new(folder);
            flash.Write("key.a", [1, 2, 3], 0, 3);
            flash.Append("key.a", [4], 0, 1);
            flash.Delete("never-there");
            byte[] read = new byte[8];

            Assert.That(flash.Read("key.a", 1, read, 0, 8), Is.EqualTo(3));
            Assert.That(read[..3], Is.EqualTo(new byte[] { 2, 3, 4 }));
            Assert.That(flash.Length("key.a"), Is.EqualTo(4));
            Assert.That(flash.Length("missing"), Is.EqualTo(-1));
            Assert.That(flash.List(), Is.EqualTo(new[] { "key.a" }));
            if (!OperatingSystem.IsWindows())
            {
                Assert.That(File.GetUnixFileMode(Path.Combine(folder, "key.a")), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
            }
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    [TestCase("boot device=0123 boot=7 version=0.1.0", """{"event":"boot","device":"0123","boot":7,"version":"0.1.0"}""")]
    [TestCase("fault where=x message=a: b = c", """{"event":"fault","where":"x","message":"a: b = c"}""")]
    [TestCase("off", """{"event":"off"}""")]
    [TestCase("Exception at line 3", """{"event":"Exception","text":"at line 3"}""")]
    [TestCase("id device=11111111111111111111111111111111 step_ms=-5", """{"event":"id","device":"11111111111111111111111111111111","step_ms":-5}""")]
    public void A_console_line_becomes_one_JSON_object(string line, string json) => Assert.That(EventLines.ToJson(line), Is.EqualTo(json));

    [TestCase("", "--folder")]
    [TestCase("--folder", "needs a value")]
    [TestCase("--folder x --seed y", "--seed is a number")]
    [TestCase("--folder x --board z", "unknown board z")]
    [TestCase("--folder x --sense /no/such/trace", "no such trace")]
    [TestCase("--folder x --secure-element tpm", "unknown secure element tpm")]
    [TestCase("--what", "unknown argument")]
    public void A_wrong_command_line_says_what_to_write(string arguments, string expected)
    {
        BoardOptions? options = BoardOptions.Parse(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), out string error);

        Assert.That(options, Is.Null);
        Assert.That(error, Does.Contain(expected));
    }
}
