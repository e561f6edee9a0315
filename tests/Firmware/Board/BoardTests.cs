using System.Text;
using System.Text.Json;
using DePIN.Firmware.Board;
using DePIN.Protocol;
using DePIN.VirtualBoard;
using DePIN.VirtualBoard.Console;
using DePIN.VirtualBoard.Flash;

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
        using JsonDocument board = JsonDocument.Parse(File.ReadAllText(Repository.PathOf("hardware", "boards", "esp32-devkitc.json")));
        JsonElement root = board.RootElement;
        JsonElement i2c = root.GetProperty("i2c");
        JsonElement serial = root.GetProperty("provisioning");
        JsonElement battery = root.GetProperty("battery");

        Assert.That(root.GetProperty("name").GetString(), Is.EqualTo(BoardPins.BoardName));
        Assert.That(i2c.GetProperty("bus").GetInt32(), Is.EqualTo(BoardPins.I2cBus));
        Assert.That(i2c.GetProperty("data").GetInt32(), Is.EqualTo(BoardPins.I2cDataPin));
        Assert.That(i2c.GetProperty("clock").GetInt32(), Is.EqualTo(BoardPins.I2cClockPin));
        Assert.That(serial.GetProperty("port").GetString(), Is.EqualTo(BoardPins.ProvisionPort));
        Assert.That(serial.GetProperty("transmit").GetInt32(), Is.EqualTo(BoardPins.ProvisionTransmitPin));
        Assert.That(serial.GetProperty("receive").GetInt32(), Is.EqualTo(BoardPins.ProvisionReceivePin));
        Assert.That(serial.GetProperty("baud").GetInt32(), Is.EqualTo(BoardPins.ProvisionBaud));
        Assert.That(root.GetProperty("statusLed").GetProperty("pin").GetInt32(), Is.EqualTo(BoardPins.StatusLedPin));
        Assert.That(battery.GetProperty("pin").GetInt32(), Is.EqualTo(BoardPins.BatteryPin));
        Assert.That(battery.GetProperty("adcChannel").GetInt32(), Is.EqualTo(BoardPins.BatteryAdcChannel));
        Assert.That(battery.GetProperty("dividerPermille").GetInt32(), Is.EqualTo(BoardPins.BatteryDividerPermille));
        Assert.That(battery.GetProperty("fullScaleMillivolt").GetInt32(), Is.EqualTo(BoardPins.AdcFullScaleMillivolt));
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
