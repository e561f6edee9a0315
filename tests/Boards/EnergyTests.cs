using DePIN.Boards.Energy;

namespace DePIN.Boards.Tests;

/// <summary>The budget's arithmetic by an example that was computed by hand, what must grow with what, and mistakes in the data.</summary>
public sealed class EnergyTests
{
    private static readonly Board Devkit = Hardware.Catalog.Find("esp32-devkitc")!;

    private static readonly EnergyData Round = new(
        new CellData("a cell", 3_000, 85, 2, ""),
        new FirmwareData(1_000_000, 400_000, 10_000, 0, 0, 1_000, 2_000, 500, 100, 10, 10, true, 100, 10_000, ""),
        [new ChipCurrents("ESP32", 100_000, 200_000, 50_000, 10, "")],
        [new BoardCurrents("esp32-devkitc", 990, "estimate", "")],
        2, "", 0, "", 0, "",
        [new SensorCurrents("s", 1_000, 100, 0, 1, "")],
        [new ProfileSensors("environment", ["s"])]);

    private static readonly string Text = File.ReadAllText(Path.Combine(Hardware.Folder, EnergyData.FileName));

    private static IEnumerable<string> Profiles => Hardware.Catalog.Energy.Profiles.Select(row => row.Profile);

    [Test]
    public void A_day_of_deep_sleep_is_what_it_is_by_hand()
    {
        EnergyBudget budget = EnergyBudget.Of(Round, Devkit, "environment", new EnergyUse(3_600, 1, 1, Tls: false));
        Assert.Multiple(() =>
        {
            Assert.That(budget.Starts, Is.EqualTo(24 * 1.0 * 100 / 3_600).Within(1e-9), "24 starts of a second at 100 mA");
            Assert.That(budget.Sensing, Is.EqualTo(24 * 0.1 * 101 / 3_600).Within(1e-9), "a tenth of a second, the sensor's 1 mA on top");
            Assert.That(budget.Signing, Is.EqualTo(24 * 0.44 * 100 / 3_600).Within(1e-9), "400,000 IL, and twice two blocks of 10,000");
            Assert.That(budget.Sending, Is.EqualTo(24 * 2.1 * 110 / 3_600).Within(1e-9), "a tenth of the time at 200 mA");
            Assert.That(budget.Flash, Is.EqualTo(96 * 0.01 * 100 / 3_600).Within(1e-9), "24 sleep records, 24 frames, 24 health frames, 24 times");
            Assert.That(budget.Asleep, Is.EqualTo(((0.01 * (86_400 - 88.32)) + (0.99 * 86_400)) / 3_600).Within(1e-9));
            Assert.That(budget.MilliampHoursPerDay, Is.EqualTo(26.59375).Within(1e-4));
            Assert.That(budget.Days, Is.EqualTo(2_550 / 28.59375).Within(1e-3), "85 % of 3,000 mAh, and 2 mAh a day that the cell loses");
        });
    }

    [Test]
    public void A_day_always_on_is_the_chip_at_work_and_nothing_is_asleep()
    {
        EnergyBudget budget = EnergyBudget.Of(Round, Devkit, "environment", new EnergyUse(3_600, 1, 1, Sleeps: false));
        Assert.That((budget.Asleep, budget.Starts), Is.EqualTo((0d, 0d)));
        Assert.That(budget.MilliampHoursPerDay, Is.EqualTo(24 * 50.99).Within(2));
    }

    [TestCase(600, 6, 1, 24 + 48)]
    [TestCase(600, 1, 1, 144)]
    [TestCase(3_600, 6, 1, 24)]
    public void A_sleeping_node_connects_for_frames_and_for_the_time(int interval, int rounds, int frames, double connections)
    {
        EnergyUse use = new(interval, rounds, frames, Tls: false);
        double more = EnergyBudget.Of(Round, Devkit, "environment", use with { Tls = true }).Sending - EnergyBudget.Of(Round, Devkit, "environment", use).Sending;
        Assert.That(more, Is.EqualTo(connections * 0.5 * 110 / 3_600).Within(1e-9), "half a second of TLS for each");
    }

    [Test]
    public void A_secure_element_takes_the_signature_off_the_interpreter()
    {
        EnergyUse use = new(3_600, 1, 1);
        double saved = EnergyBudget.Of(Round, Devkit, "environment", use).Signing - EnergyBudget.Of(Round, Devkit, "environment", use with { HasElement = true }).Signing;
        Assert.That(saved, Is.EqualTo(24 * ((0.3 * 100) - (0.1 * 10)) / 3_600).Within(1e-9), "0.4 s become 0.1 s, at 10 mA more");
    }

    [TestCaseSource(nameof(Profiles))]
    public void Less_use_takes_less_on_every_board(string profile)
    {
        EnergyData data = Hardware.Catalog.Energy;
        foreach (Board board in Hardware.Catalog.Boards)
        {
            EnergyUse use = new(300, 2, 1);
            double Mah(EnergyUse other) => EnergyBudget.Of(data, board, profile, other).MilliampHoursPerDay;
            Assert.Multiple(() =>
            {
                Assert.That(Mah(use), Is.GreaterThan(Mah(use with { IntervalSeconds = 301 })), "a longer interval");
                Assert.That(Mah(use), Is.GreaterThan(Mah(use with { RoundsPerFrame = 4 })), "more rounds a frame");
                Assert.That(Mah(use), Is.GreaterThan(Mah(use with { FramesPerConnection = 2 })), "more frames a connection");
                Assert.That(Mah(use), Is.GreaterThan(Mah(use with { Tls = false })), "no handshake");
                Assert.That(Mah(use), Is.LessThan(Mah(use with { Sleeps = false })), "sleep");
                Assert.That(Mah(use with { ModuleAlone = true }), Is.LessThan(Mah(use)), "no bridge and no power LED");
                Assert.That(EnergyBudget.Of(data, board, profile, use).Days, Is.GreaterThan(EnergyBudget.Of(data, board, profile, use with { Sleeps = false }).Days));
            });
        }
    }

    [Test]
    public void A_frame_takes_sixty_four_samples_however_many_rounds_are_asked_for()
    {
        EnergyData data = Hardware.Catalog.Energy;
        EnergyUse use = new(600, 21);
        Assert.That(EnergyBudget.FlashWritesPerDay(data, "environment", use), Is.EqualTo(EnergyBudget.FlashWritesPerDay(data, "environment", use with { RoundsPerFrame = 64 })), "three samples a round");
        Assert.That(EnergyBudget.FlashWritesPerDay(data, "environment", new EnergyUse(600, 4)), Is.EqualTo(144 + 36 + 48), "as the soak of the firmware counts them");
    }

    [Test]
    public void The_counted_instructions_are_those_that_the_protocols_tests_allow()
    {
        FirmwareData firmware = Hardware.Catalog.Energy.Firmware;
        string tests = File.ReadAllText(Path.Combine(Devnet.Repository.Root, "tests", "Protocol", "IlCostTests.cs"));
        Assert.That(tests, Does.Contain("SignatureIlMax = 600_000").And.Contain("HashBlockIlMax = 6_000"), "the figures below are measured there");
        Assert.That(firmware.IlPerSignature, Is.InRange(500_000, 600_000));
        Assert.That(firmware.IlPerHashBlock, Is.InRange(5_000, 6_000));
        Assert.That(firmware.IlPerSecond, Is.EqualTo(1_200_000), "the slower end of 1.2 to 3 million");
    }

    [TestCase("\"ilPerSecond\": 1200000", "\"ilPerSecond\": 0", "are above 0")]
    [TestCase("\"usablePercent\": 85", "\"usablePercent\": 101", "percentages at most 100")]
    [TestCase("\"board\": \"xiao-esp32c3\"", "\"board\": \"xiao\"", "the board xiao-esp32c3 has not one row")]
    [TestCase("\"board\": \"xiao-esp32c3\"", "\"board\": \"xiao\"", "xiao is no board")]
    [TestCase("\"chip\": \"ESP32-C6\"", "\"chip\": \"ESP32-C5\"", "the chip ESP32-C6 has not one row")]
    [TestCase("\"kind\": \"maker\"", "\"kind\": \"hearsay\"", "kind is one of estimate, maker, measured")]
    [TestCase("[\"gnss\"]", "[\"gps\"]", "the sensor gps has not one row")]
    [TestCase("\"deepSleepUa\": 10,", "\"deepsleepUa\": 10,", "deepSleepUa is missing")]
    public void A_mistake_in_the_data_is_named(string right, string wrong, string problem)
    {
        List<string> problems = [];
        Assert.That(Text, Does.Contain(right));
        Assert.That(EnergyData.Read(Text.Replace(right, wrong, StringComparison.Ordinal), Hardware.Catalog.Boards, problems), Is.Null);
        Assert.That(problems, Has.Some.Contains(problem));
    }
}
