namespace DePIN.Boards.Tests;

/// <summary>A board file is refused for every mistake, with a line that names file, key and what is wrong.</summary>
public sealed class BoardReaderTests
{
    [Test]
    public void The_boards_of_this_repository_load()
    {
        Assert.That(Hardware.Names, Is.EqualTo(new[] { "esp32-c3-devkitm-1", "esp32-c6-devkitc-1", "esp32-devkitc", "esp32-s3-devkitc-1", "m5stack-core2", "xiao-esp32c3" }));
    }

    // Shape.
    [TestCase("esp32-devkitc", "\"name\": \"esp32-devkitc\",", "\"name\": \"esp32-devkitc\", \"colour\": \"red\",", "unknown key colour; there are chip, drive")]
    [TestCase("esp32-devkitc", "\"bus\": 1,", "\"bus\": 1, \"pullUp\": 1,", "i2c: unknown key pullUp; there are bus, data, clock, speedHz, why, note")]
    [TestCase("esp32-devkitc", "\"bus\": 1,", "\"bus\": 1, \"bus\": 2,", "Duplicate property 'bus'")]
    [TestCase("esp32-devkitc", "\"bus\": 1,", "\"bus\": 1", "esp32-devkitc.json: ")]
    [TestCase("esp32-devkitc", "\"bus\": 1,", "", "i2c.bus is missing")]
    [TestCase("esp32-devkitc", "\"bus\": 1,", "\"bus\": \"one\",", "i2c.bus is not a whole number")]
    [TestCase("esp32-devkitc", "\"bus\": 1,", "\"bus\": -1,", "i2c.bus is not a whole number")]
    [TestCase("esp32-devkitc", "\"offset\": \"0xF000\"", "\"offset\": \"0xZZ\"", "partitions[1].offset is not a whole number")]
    [TestCase("esp32-devkitc", "\"reserved\": []", "\"reserved\": {}", "reserved is not a list")]
    [TestCase("esp32-devkitc", "\"state\": \"simulated\"", "\"state\": \"sold\"", "state is one of described, simulated, run")]
    [TestCase("esp32-devkitc", "\"kind\": \"plain\"", "\"kind\": \"Plain\"", "statusLed.kind is one of none, plain, addressable")]
    [TestCase("esp32-devkitc", "\"chip\": \"ESP32\"", "\"chip\": \"ESP8266\"", "chip ESP8266 is not known: there are ESP32, ESP32-S3, ESP32-C3, ESP32-C6")]
    [TestCase("esp32-devkitc", "\"side\": \"left\"", "\"side\": \"top\"", "headers[0].side is left or right")]
    [TestCase("esp32-devkitc", "\"IO34=34\"", "\"IO34=x\"", "has 'IO34=x': a pin is its label, or label=GPIO")]
    [TestCase("xiao-esp32c3", "\"sensorUart\": null,", "", "sensorUart is missing: write null when the board has none")]

    // Names.
    [TestCase("esp32-devkitc", "\"name\": \"esp32-devkitc\"", "\"name\": \"esp32-devkit\"", "name is esp32-devkit, the file's is esp32-devkitc")]
    [TestCase("esp32-devkitc", "\"name\": \"esp32-devkitc\"", "\"name\": \"../x\"", "name '../x' has other characters")]
    [TestCase("esp32-devkitc", "\"nanoTarget\": \"ESP32_REV3\"", "\"nanoTarget\": \"REV3; rm\"", "nanoTarget 'REV3; rm' is no name")]

    // Pins.
    [TestCase("esp32-devkitc", "\"data\": 21", "\"data\": 24", "i2c.data: the ESP32 has no GPIO24")]
    [TestCase("esp32-devkitc", "\"data\": 21", "\"data\": 22", "GPIO22 is used twice: i2c.data, i2c.clock")]
    [TestCase("esp32-devkitc", "\"receive\": 26", "\"receive\": 21", "GPIO21 is used twice: i2c.data, sensorUart.receive")]
    [TestCase("esp32-devkitc", "\"pinMax\": 33", "\"pinMax\": 34", "pulseInput.34: GPIO34 has no pull-up")]
    [TestCase("esp32-devkitc", "\"pinMax\": 33", "\"pinMax\": 31", "pulseInput: pinMax 31 is below pinMin 32")]
    [TestCase("esp32-devkitc", "\"data\": 21", "\"data\": 6", "i2c.data: GPIO6 belongs to the flash memory")]
    [TestCase("esp32-devkitc", "\"data\": 21", "\"data\": 35", "i2c.data: GPIO35 is input only")]
    [TestCase("esp32-devkitc", "\"data\": 21", "\"data\": 12", "i2c.data: GPIO12 is a strapping pin of the ESP32: say in 'why'")]
    [TestCase("esp32-devkitc", "\"transmit\": 17", "\"transmit\": 5", "provisioning.transmit: GPIO5 is a strapping pin of the ESP32")]
    [TestCase("esp32-devkitc", "\"speedHz\": 400000", "\"speedHz\": 400000, \"why\": \"short wires\"", "i2c.data: GPIO21 is no strapping pin of the ESP32: a 'why' is for those, say it in 'note'")]
    [TestCase("esp32-devkitc", "\"data\": 21", "\"data\": 37", "i2c.data: GPIO37 is on no header")]
    [TestCase("esp32-devkitc", "\"IO21=21\"", "\"IO21=22\"", "headers: GPIO22 is there twice: IO22, IO21")]
    [TestCase("esp32-devkitc", "\"IO21=21\"", "\"IO21=28\"", "headers: IO21 is GPIO28, which the ESP32 does not have")]
    [TestCase("esp32-devkitc", "\"3V3\"", "\"VCC\"", "headers: no pin is labelled 3V3")]
    [TestCase("esp32-devkitc", "\"reserved\": []", "\"reserved\": [{ \"gpio\": 21, \"why\": \"display\" }]", "i2c.data: GPIO21 is taken on this board: display")]
    [TestCase("esp32-s3-devkitc-1", "\"transmit\": 15", "\"transmit\": 37", "sensorUart.transmit: GPIO37 is taken on this board: octal PSRAM")]
    [TestCase("esp32-c3-devkitm-1", "\"data\": 6", "\"data\": 18", "i2c.data: GPIO18 belongs to the USB port")]
    [TestCase("esp32-c3-devkitm-1", "\"pin\": 10", "\"pin\": 8", "statusLed: GPIO8 is a strapping pin of the ESP32-C3")]

    // Serial ports.
    [TestCase("esp32-devkitc", "\"port\": \"COM2\"", "\"port\": \"COM1\"", "provisioning: COM1 belongs to the runtime's debug protocol")]
    [TestCase("esp32-devkitc", "\"port\": \"COM3\"", "\"port\": \"COM1\"", "sensorUart: COM1 belongs to the runtime's debug protocol")]
    [TestCase("esp32-devkitc", "\"port\": \"COM3\"", "\"port\": \"COM2\"", "sensorUart: COM2 is the provisioning port already")]
    [TestCase("esp32-c3-devkitm-1", "\"port\": \"COM2\"", "\"port\": \"COM3\"", "provisioning: the ESP32-C3 has no COM3, only COM1, COM2")]
    [TestCase("esp32-devkitc", "\"transmit\": 17", "\"transmit\": 1", "provisioning.transmit: GPIO1 is UART0, COM1, which belongs to the runtime's debug protocol")]
    [TestCase("xiao-esp32c3", "\"transmit\": 5", "\"transmit\": 21", "provisioning.transmit: GPIO21 is UART0, COM1, which belongs to the runtime")]
    [TestCase("esp32-devkitc", "\"baud\": 115200", "\"baud\": 300", "provisioning: baud 300 is not from 9600 to 921600")]
    [TestCase("esp32-c3-devkitm-1", "\"bus\": 1", "\"bus\": 2", "i2c: the ESP32-C3 has no bus 2, only 1 to 1")]
    [TestCase("esp32-devkitc", "\"speedHz\": 400000", "\"speedHz\": 4000000", "i2c: speedHz 4000000 is not from 10000 to 1000000")]

    // LED, battery.
    [TestCase("esp32-devkitc", "\"kind\": \"plain\"", "\"kind\": \"addressable\"", "statusLed: the firmware drives a plain LED on a pin, no other kind")]
    [TestCase("esp32-c3-devkitm-1", "\"kind\": \"addressable\", \"pin\": 8,", "\"kind\": \"addressable\",", "onBoardLed: a LED has a pin")]
    [TestCase("esp32-devkitc", "\"adcChannel\": 6", "\"adcChannel\": 7", "battery: ADC1 channel 7 of the ESP32 is GPIO35, not GPIO34")]
    [TestCase("esp32-devkitc", "\"adcChannel\": 6", "\"adcChannel\": 8", "battery: ADC1 of the ESP32 has no channel 8, only 0 to 7")]
    [TestCase("esp32-devkitc", "\"dividerPermille\": 500", "\"dividerPermille\": 0", "battery: dividerPermille 0 is not from 1 to 1000")]
    [TestCase("esp32-devkitc", "\"fullScaleMillivolt\": 3300", "\"fullScaleMillivolt\": 33000", "battery: fullScaleMillivolt 33000")]

    // Flash.
    [TestCase("esp32-devkitc", "\"flashBytes\": 4194304", "\"flashBytes\": 2097152", "flashBytes 2097152 is not a power of two from 4194304: nanoFramework needs 4 MB")]
    [TestCase("esp32-devkitc", "\"bytes\": \"0x1D0000\"", "\"bytes\": \"0x1E0000\"", "partitions: factory (to 0x1F0000) and deploy (from 0x1E0000) overlap")]
    [TestCase("esp32-devkitc", "\"offset\": \"0x9000\"", "\"offset\": \"0x8000\"", "partitions: nvs at 0x8000 is where the bootloader and the partition table are")]
    [TestCase("esp32-devkitc", "\"bytes\": \"0x40000\"", "\"bytes\": \"0x41000\"", "partitions: config ends at 0x401000, the flash memory at 0x400000")]
    [TestCase("esp32-devkitc", "\"bytes\": \"0x40000\"", "\"bytes\": \"0x3FF00\"", "partitions: config at 0x3C0000 with 0x3FF00 bytes is not in whole sectors")]
    [TestCase("esp32-devkitc", "\"bytes\": \"0x40000\"", "\"bytes\": \"0x7FFFF000\"", "the flash memory at 0x400000")]
    [TestCase("esp32-devkitc", "\"partition\": \"config\"", "\"partition\": \"data\"", "partitions: there must be one data")]
    [TestCase("esp32-devkitc", "\"name\": \"deploy\"", "\"name\": \"factory\"", "partitions: there must be one deploy")]
    [TestCase("esp32-devkitc", "\"root\": \"I:\\\\\"", "\"root\": \"/\"", "drive: root '/' is not a letter, a colon and a backslash")]

    // Sources, sensors.
    [TestCase("esp32-devkitc", "\"of\": \"flash\"", "\"of\": \"pins\"", "sources: none says where the facts of 'flash' are from")]
    [TestCase("esp32-devkitc", "\"at\": \"https://www.espressif.com", "\"at\": \"http://www.espressif.com", "is no https address")]
    [TestCase("esp32-devkitc", "\"address\": \"0x76\"", "\"address\": \"0x78\"", "sensors: bme280 at 0x78 is not from 0x08 to 0x77")]
    [TestCase("esp32-devkitc", "\"address\": \"0x76\"", "\"address\": \"0x76\", \"setting\": \"x\"", "sensors: bme280 has either an I2C address or a setting")]
    public void A_mistake_is_named(string board, string right, string wrong, string problem)
    {
        string text = Hardware.TextOf(board);
        Assert.That(text, Does.Contain(right), "the case fits the file");
        int at = text.IndexOf(right, StringComparison.Ordinal);
        List<string> problems = [];

        Board? read = BoardReader.Read(text[..at] + wrong + text[(at + right.Length)..], board, problems);

        Assert.That(read, Is.Null, string.Join('\n', problems));
        Assert.That(problems, Is.Not.Empty.And.All.StartsWith(board + ".json:"));
        Assert.That(problems, Has.Some.Contains(problem));
    }

    [Test]
    public void All_mistakes_are_named_at_once()
    {
        List<string> problems = [];
        BoardReader.Read(Hardware.TextOf("esp32-devkitc").Replace("\"data\": 21", "\"data\": 24", StringComparison.Ordinal).Replace("COM2", "COM1", StringComparison.Ordinal), "esp32-devkitc", problems);
        Assert.That(problems, Has.One.Contains("GPIO24").And.One.Contains("COM1 belongs"));
    }

    [Test]
    public void A_strapping_pin_with_a_reason_is_accepted()
    {
        List<string> problems = [];
        string text = Hardware.TextOf("esp32-devkitc").Replace("\"data\": 21, \"clock\": 22, \"speedHz\": 400000", "\"data\": 15, \"clock\": 22, \"speedHz\": 400000, \"why\": \"pulled up, as at reset\"", StringComparison.Ordinal);
        Assert.That(BoardReader.Read(text, "esp32-devkitc", problems)?.I2c.Data, Is.EqualTo(15), string.Join('\n', problems));
    }
}
