using System.Runtime.Versioning;
using System.Text.Json.Nodes;
using DePIN.Boards;
using DePIN.Cli.Ports;
using DePIN.Cli.Serial;
using DePIN.Devnet;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Serial;

/// <summary>Enumeration of made-up computers: Linux's /sys with its links, macOS's ioreg, Windows's registry; and who has a port.</summary>
public sealed class SerialPortsTests
{
    private static readonly IReadOnlyList<DePIN.Boards.Board> Boards = BoardCatalog.Load(Path.Combine(Repository.Root, "hardware")).Boards;

    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [TestCase("ttyUSB0", "1a86", "7523", null, "USB Serial", "CH340", false)]
    [TestCase("ttyUSB1", "10c4", "ea60", "0001", "CP2102 USB to UART Bridge Controller", "CP2102", false)]
    [TestCase("ttyUSB2", "0403", "6001", "A50285BI", "FT232R USB UART", "FT232R", false)]
    [TestCase("ttyACM0", "303a", "1001", "34:85:18:00:AA:BC", "USB JTAG/serial debug unit", "Espressif USB Serial/JTAG", true)]
    [UnsupportedOSPlatform("windows"), Platform(Exclude = "Win", Reason = "links of a made-up /sys")]
    public void A_USB_port_of_Linux_has_its_ids_its_lasting_name_and_its_boards(string name, string vendor, string product, string? serial, string text, string bridge, bool native)
    {
        MakeUsb(name, "1-1.4", vendor, product, serial, text);
        SerialPortInfo port = LinuxPorts.List(folder.Path).Single();
        Assert.Multiple(() =>
        {
            Assert.That(port.Path, Is.EqualTo(Path.Combine(folder.Path, "dev", name)));
            Assert.That(port.UsbId, Is.EqualTo($"{vendor}:{product}"));
            Assert.That(port.SerialNumber, Is.EqualTo(serial));
            Assert.That(port.Product, Is.EqualTo(text));
            Assert.That(port.Location, Is.EqualTo("1-1.4"));
            Assert.That(port.ById, Does.EndWith($"by-id/usb-{vendor}_{name}-if00"));
            Assert.That(UsbBridge.Of(port)!.Name, Is.EqualTo(bridge));
            Assert.That(UsbBridge.Of(port)!.Boards(Boards).Select(board => board.Name), native ? Does.Contain("xiao-esp32c3").And.No.Member("esp32-devkitc") : Does.Contain("esp32-devkitc").And.No.Member("xiao-esp32c3"));
        });
    }

    [Test, UnsupportedOSPlatform("windows"), Platform(Exclude = "Win", Reason = "links of a made-up /sys")]
    public void Consoles_and_UARTs_that_are_not_there_are_left_out_and_a_real_one_is_listed()
    {
        Directory.CreateDirectory(Path.Combine(folder.Path, "sys/class/tty/tty0"));
        MakePlatform("ttyS0", "0");
        MakePlatform("ttyAMA0", "32");
        MakeUsb("ttyUSB0", "1-1", "1a86", "7523", null, "USB Serial");
        Assert.That(LinuxPorts.List(folder.Path).Select(port => Path.GetFileName(port.Path)), Is.EqualTo(new[] { "ttyAMA0", "ttyUSB0" }));
        Assert.That(LinuxPorts.List(Path.Combine(folder.Path, "nothing")), Is.Empty);
    }

    [Test]
    public void A_device_is_known_again_by_its_number_and_unnumbered_ones_by_their_socket()
    {
        SerialPortInfo jtag = new("/dev/ttyACM0", null, 0x303a, 0x1001, "34:85", null, null, "1-1");
        SerialPortInfo ch340 = new("/dev/ttyUSB0", null, 0x1a86, 0x7523, null, null, null, "1-2");
        SerialPortInfo cp2102 = new("/dev/ttyUSB1", null, 0x10c4, 0xea60, "0001", null, null, "1-3");
        Assert.Multiple(() =>
        {
            Assert.That(jtag.IsSameDevice(jtag with { Path = "/dev/ttyACM1" }), Is.True);
            Assert.That(jtag.IsSameDevice(jtag with { Path = "/dev/ttyACM1", Location = "2-1" }), Is.True, "moved to another socket");
            Assert.That(jtag.IsSameDevice(jtag with { SerialNumber = "34:86" , Location = "2-1" }), Is.False);
            Assert.That(ch340.IsSameDevice(ch340 with { Path = "/dev/ttyUSB5" }), Is.True);
            Assert.That(ch340.IsSameDevice(ch340 with { Location = "1-4" }), Is.False);
            Assert.That(cp2102.IsSameDevice(cp2102 with { Location = "1-4" }), Is.False, "every cheap CP2102 is 0001");
            Assert.That(cp2102.IsSameDevice(ch340), Is.False);
        });
    }

    [Test]
    public void A_port_of_macOS_takes_the_ids_of_the_device_above_it()
    {
        const string registry = """
            +-o USB JTAG/serial debug unit@01100000  <class IOUSBHostDevice, id 0x100000a1b, registered, matched, active, busy 0 (8 ms), retain 30>
              | {
              |   "idProduct" = 4097
              |   "USB Product Name" = "USB JTAG/serial debug unit"
              |   "locationID" = 17825792
              |   "USB Serial Number" = "34:85:18:00:AA:BC"
              |   "idVendor" = 12346
              | }
              | +-o IOSerialBSDClient  <class IOSerialBSDClient, id 0x100000a40, registered, matched, active, busy 0 (0 ms), retain 5>
              |     {
              |       "IOCalloutDevice" = "/dev/cu.usbmodem1101"
              |       "IOTTYDevice" = "usbmodem1101"
              |     }
            +-o USB Serial@02100000  <class IOUSBHostDevice, id 0x100000a1c, registered, matched, active, busy 0 (8 ms), retain 30>
                {
                  "idProduct" = 29987
                  "idVendor" = 6790
                }
                +-o IOSerialBSDClient  <class IOSerialBSDClient, id 0x100000a41, registered, matched, active, busy 0 (0 ms), retain 5>
                    {
                      "IOCalloutDevice" = "/dev/cu.usbserial-210"
                    }
            """;
        IReadOnlyList<SerialPortInfo> ports = MacPorts.List(["/dev/cu.usbserial-210", "/dev/cu.usbmodem1101", "/dev/cu.Bluetooth-Incoming-Port", "/dev/cu.debug"], registry);
        Assert.Multiple(() =>
        {
            Assert.That(ports.Select(port => (port.Path, port.UsbId, port.SerialNumber)), Is.EqualTo(new (string, string?, string?)[]
            {
                ("/dev/cu.debug", null, null),
                ("/dev/cu.usbmodem1101", "303a:1001", "34:85:18:00:AA:BC"),
                ("/dev/cu.usbserial-210", "1a86:7523", null),
            }));
            Assert.That(ports[1].Location, Is.EqualTo("17825792"));
        });
    }

    [Test]
    public void A_port_of_Windows_takes_the_ids_of_its_device_instance()
    {
        FakeRegistry registry = new()
        {
            [@"HARDWARE\DEVICEMAP\SERIALCOMM"] = new() { [@"\Device\USBSER000"] = "COM12", [@"\Device\Serial2"] = "COM5", [@"\Device\VCP0"] = "COM4", [@"\Device\Serial0"] = "COM1" },
            [@"SYSTEM\CurrentControlSet\Enum\USB\VID_1A86&PID_7523\5&2c4d&0&2"] = new() { ["FriendlyName"] = "USB-SERIAL CH340 (COM5)", ["LocationInformation"] = "Port_#0002.Hub_#0001" },
            [@"SYSTEM\CurrentControlSet\Enum\USB\VID_1A86&PID_7523\5&2c4d&0&2\Device Parameters"] = new() { ["PortName"] = "COM5" },
            [@"SYSTEM\CurrentControlSet\Enum\USB\VID_303A&PID_1001&MI_00\34851800AABC"] = [],
            [@"SYSTEM\CurrentControlSet\Enum\USB\VID_303A&PID_1001&MI_00\34851800AABC\Device Parameters"] = new() { ["PortName"] = "COM12" },
            [@"SYSTEM\CurrentControlSet\Enum\USB\VID_046D&PID_C31C\6&1\Device Parameters"] = [],
            [@"SYSTEM\CurrentControlSet\Enum\FTDIBUS\VID_0403+PID_6001+A50285BIA\0000"] = [],
            [@"SYSTEM\CurrentControlSet\Enum\FTDIBUS\VID_0403+PID_6001+A50285BIA\0000\Device Parameters"] = new() { ["PortName"] = "COM4" },
        };
        Assert.That(WindowsPorts.List(registry).Select(port => (port.Path, port.UsbId, port.SerialNumber)), Is.EqualTo(new (string, string?, string?)[]
        {
            ("COM1", null, null),
            ("COM4", "0403:6001", "A50285BI"),
            ("COM5", "1a86:7523", null),
            ("COM12", "303a:1001", "34851800AABC"),
        }));
    }

    [Test]
    public void Errors_of_Windows_are_told_apart() => Assert.Multiple(() =>
    {
        Assert.That(WindowsSerialDevice.OnOpen("COM3", 5).Code, Is.EqualTo("serial.in-use"));
        Assert.That(WindowsSerialDevice.OnOpen("COM3", 2).Code, Is.EqualTo("serial.no-port"));
        Assert.That(WindowsSerialDevice.OnOpen("COM3", 31).Code, Is.EqualTo("serial.unplugged"));
        Assert.That(WindowsSerialDevice.OnOpen("COM3", 1450).Code, Is.EqualTo("serial.failed"));
    });

    [TestCase(2, "serial.no-port")]
    [TestCase(13, "serial.no-permission")]
    [TestCase(16, "serial.in-use")]
    [TestCase(19, "serial.unplugged")]
    [TestCase(5, "serial.unplugged")]
    [TestCase(24, "serial.failed")]
    public void Errors_of_Unix_are_told_apart(int error, string code) => Assert.That(UnixFaults.OnOpen("/dev/ttyUSB0", error, folder.Path).Code, Is.EqualTo(code));

    [Test, Platform("Linux")]
    public void Without_permission_the_group_of_the_node_is_what_to_join()
    {
        Directory.CreateDirectory(Path.Combine(folder.Path, "etc"));
        File.WriteAllText(Path.Combine(folder.Path, "etc/group"), "root:x:0:\nuucp:x:14:\nserialusers:x:0:\n");
        string ofRoot = UnixFaults.NoPermission("/dev/null", folder.Path).Remedy;
        Assert.Multiple(() =>
        {
            Assert.That(ofRoot, Is.EqualTo("run: sudo usermod -aG root $USER, then log out and in again"));
            Assert.That(DeviceGroup.NameOf(["root:x:0:", "dialout:x:20:pi"], 20), Is.EqualTo("dialout"));
            Assert.That(UnixFaults.NoPermission(Path.Combine(folder.Path, "none"), folder.Path).Remedy, Does.Contain("-aG dialout "), "a node that is gone");
        });
    }

    [Test, UnsupportedOSPlatform("windows"), Platform(Exclude = "Win", Reason = "links of a made-up /proc")]
    public void The_programs_that_have_a_port_are_found_by_their_open_files()
    {
        MakeProcess(4711, "minicom", "/dev/ttyUSB0", "/dev/null");
        MakeProcess(4712, "bash", "/dev/pts/3");
        Directory.CreateDirectory(Path.Combine(folder.Path, "proc/self"));
        Assert.Multiple(() =>
        {
            Assert.That(PortHolder.Find("/dev/ttyUSB0", folder.Path), Is.EqualTo(new[] { new PortHolder(4711, "minicom") }));
            Assert.That(UnixFaults.InUse("/dev/ttyUSB0", folder.Path).Message, Is.EqualTo("/dev/ttyUSB0 is in use by minicom (process 4711)"));
            Assert.That(UnixFaults.InUse("/dev/ttyUSB9", folder.Path).Remedy, Does.Contain("sudo fuser -v /dev/ttyUSB9"));
        });
    }

    [Test]
    public async Task The_command_lists_what_this_computer_has()
    {
        CliProcess json = await CliProcess.RunAsync(folder.Path, "ports", "--json"), text = await CliProcess.RunAsync(folder.Path, "ports");
        Assert.Multiple(() =>
        {
            Assert.That(json.ExitCode, Is.Zero, json.Errors);
            Assert.That(JsonNode.Parse(json.Output)!.AsArray(), Has.Count.EqualTo(SerialPorts.List().Count));
            Assert.That(text.Output.Trim(), Is.Not.Empty);
        });
    }

    [Test]
    public void What_is_printed_names_bridge_and_boards()
    {
        SerialPortInfo port = new("/dev/nothing0", "/dev/serial/by-id/x", 0x303a, 0x1001, "34:85", "USB JTAG/serial debug unit");
        JsonNode first = JsonNode.Parse(PortsCommand.Json([port], Boards))![0]!;
        Assert.Multiple(() =>
        {
            Assert.That((string)first["usb"]!, Is.EqualTo("303a:1001"));
            Assert.That(first["boards"]!.AsArray().Select(name => (string)name!), Does.Contain("esp32-s3-devkitc-1"));
            Assert.That(PortsCommand.Text([port], Boards), Does.Match("/dev/nothing0 +303a:1001 +34:85 +Espressif USB Serial/JTAG; maybe .*xiao-esp32c3"));
            Assert.That(PortsCommand.Text([], Boards), Does.Contain("no serial port"));
        });
    }

    private void MakeUsb(string name, string location, string vendor, string product, string? serial, string text)
    {
        // as real: class/tty/NAME -> ../../devices/…/1-1.4/1-1.4:1.0/NAME/tty/NAME, whose device -> ../../../NAME
        string device = Path.Combine(folder.Path, "sys/devices/pci0000:00/usb1", location), port = Path.Combine(device, $"{location}:1.0", name), terminal = Path.Combine(port, "tty", name);
        Directory.CreateDirectory(terminal);
        Directory.CreateSymbolicLink(Path.Combine(terminal, "device"), $"../../../{name}");
        foreach ((string file, string? value) in new[] { ("idVendor", vendor), ("idProduct", product), ("serial", serial), ("product", text) })
        {
            if (value is not null)
            {
                File.WriteAllText(Path.Combine(device, file), value + "\n");
            }
        }

        Directory.CreateDirectory(Path.Combine(folder.Path, "sys/class/tty"));
        Directory.CreateSymbolicLink(Path.Combine(folder.Path, "sys/class/tty", name), $"../../devices/pci0000:00/usb1/{location}/{location}:1.0/{name}/tty/{name}");
        Directory.CreateDirectory(Path.Combine(folder.Path, "dev/serial/by-id"));
        File.CreateSymbolicLink(Path.Combine(folder.Path, $"dev/serial/by-id/usb-{vendor}_{name}-if00"), $"../../{name}");
    }

    private void MakePlatform(string name, string type)
    {
        string terminal = Path.Combine(folder.Path, "sys/class/tty", name);
        Directory.CreateDirectory(terminal);
        Directory.CreateDirectory(Path.Combine(folder.Path, "sys/devices/platform/serial8250"));
        Directory.CreateSymbolicLink(Path.Combine(terminal, "device"), "../../../devices/platform/serial8250");
        File.WriteAllText(Path.Combine(terminal, "type"), type + "\n");
    }

    private void MakeProcess(int id, string name, params string[] open)
    {
        string descriptors = Path.Combine(folder.Path, $"proc/{id}/fd");
        Directory.CreateDirectory(descriptors);
        File.WriteAllText(Path.Combine(folder.Path, $"proc/{id}/comm"), name + "\n");
        for (int at = 0; at < open.Length; at++)
        {
            File.CreateSymbolicLink(Path.Combine(descriptors, $"{at}"), open[at]);
        }
    }

    private sealed class FakeRegistry : Dictionary<string, Dictionary<string, string>>, IRegistryView
    {
        IReadOnlyList<string> IRegistryView.Keys(string path) =>
            [.. Keys.Where(key => key.StartsWith(path + "\\", StringComparison.Ordinal)).Select(key => key[(path.Length + 1)..].Split('\\')[0]).Distinct()];

        IReadOnlyDictionary<string, string> IRegistryView.Values(string path) => TryGetValue(path, out Dictionary<string, string>? values) ? values : [];
    }
}
