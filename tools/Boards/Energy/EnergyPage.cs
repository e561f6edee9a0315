using System.Globalization;
using System.Text;

namespace DePIN.Boards.Energy;

/// <summary>hardware/ENERGY.md: what a node takes a day and how long a cell lasts, by board and profile.</summary>
public static class EnergyPage
{
    public const string FileName = "ENERGY.md";

    private static readonly int[] IntervalsSeconds = [60, 600, 3600];

    public static string Of(BoardCatalog catalog)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        EnergyData data = catalog.Energy;
        StringBuilder page = new();
        EnergyUse use = new();
        Line(page, "# Energy: mAh a day, and days on a cell");
        Line(page, "");
        Line(page, "Written by `depin board generate` from `energy.json`. **Computed from data sheets and counted instructions, never measured on a part.**");
        Line(page, $"The cell: {data.Cell.Title} of {data.Cell.MilliampHours} mAh, {data.Cell.UsablePercent} % usable, {data.Cell.LossPercentPerMonth} % a month lost by itself, behind a linear regulator. `depin board energy --help` for other uses.");
        Line(page, "");
        Line(page, $"## Every board: profile environment, a round every {use.IntervalSeconds / 60} minutes, {use.RoundsPerFrame} rounds a frame, TLS");
        Line(page, "");
        Line(page, "| board | always on | days | deep sleep | days | its module alone, deep sleep | days | the board's own share is |");
        Line(page, "|---|---|---|---|---|---|---|---|");
        foreach (Board board in catalog.Boards)
        {
            Line(page, $"| {board.Name} | {Cells(data, board, "environment", use with { Sleeps = false })} | {Cells(data, board, "environment", use)} | {Cells(data, board, "environment", use with { ModuleAlone = true })} | {data.Boards.First(row => row.Board == board.Name).Kind} |");
        }

        Line(page, "");
        Line(page, "\"Its module alone\" is the module of that board behind a regulator for batteries, without USB bridge and power LED: what a node for a cell is built from.");
        Line(page, "");
        foreach (Board board in catalog.Boards.Where(board => board.Name is "esp32-devkitc" or "xiao-esp32c3"))
        {
            Line(page, $"## Every profile on {board.Name}, its module alone, deep sleep: mAh a day (days)");
            Line(page, "");
            Line(page, $"| profile | {string.Join(" | ", IntervalsSeconds.Select(seconds => $"{seconds} s"))} | 600 s, secure element | 600 s, 6 frames a connection | flash writes a day at 600 s |");
            Line(page, $"|---|{string.Concat(Enumerable.Repeat("---|", IntervalsSeconds.Length))}---|---|---|");
            foreach (string profile in data.Profiles.Select(row => row.Profile))
            {
                EnergyUse alone = use with { ModuleAlone = true };
                IEnumerable<string> cells = IntervalsSeconds.Select(seconds => Cell(data, board, profile, alone with { IntervalSeconds = seconds }))
                    .Append(Cell(data, board, profile, alone with { HasElement = true })).Append(Cell(data, board, profile, alone with { FramesPerConnection = 6 }));
                Line(page, $"| {profile} | {string.Join(" | ", cells)} | {Number(EnergyBudget.FlashWritesPerDay(data, profile, alone))} |");
            }

            Line(page, "");
        }

        Board reference = catalog.Boards.First(board => board.Name == "esp32-devkitc");
        EnergyBudget budget = EnergyBudget.Of(data, reference, "environment", use with { ModuleAlone = true });
        Line(page, $"## Where it goes: {reference.Name}, its module alone, environment, {use.IntervalSeconds} s");
        Line(page, "");
        Line(page, "| asleep | starts | sensing | signing | sending | flash | together |");
        Line(page, "|---|---|---|---|---|---|---|");
        Line(page, $"| {string.Join(" | ", new[] { budget.Asleep, budget.Starts, budget.Sensing, budget.Signing, budget.Sending, budget.Flash, budget.MilliampHoursPerDay }.Select(Number))} |");
        Line(page, "");
        Line(page, "Starts and sending are nearly all of it: a wake-up is a full start of chip, CLR and firmware, and an image with Wi-Fi on AutoConnect listens all the while. So a longer");
        Line(page, "interval saves most, then fewer connections (`publish-frames`; the clock asks for one every 30 minutes of sleep), then more rounds a frame. A");
        Line(page, "signature takes about half a second.");
        Line(page, "");
        Line(page, "## Sources");
        Line(page, "");
        Line(page, $"- {data.Cell.Title}: {data.Cell.Source}.");
        Line(page, $"- firmware: {data.Firmware.Source}.");
        foreach (string line in data.Chips.Select(row => $"{row.Chip}: {row.Source}")
            .Concat(data.Boards.Select(row => $"{row.Board} ({row.Kind}, {row.QuiescentUa} uA): {row.Source}"))
            .Append($"module: {data.ModuleSource}").Append($"divider: {data.DividerSource}").Append($"status LED: {data.LedSource}")
            .Concat(data.Sensors.Select(row => $"{row.Sensor}: {row.Source}")))
        {
            Line(page, $"- {line}.");
        }

        return page.ToString();
    }

    private static string Cells(EnergyData data, Board board, string profile, EnergyUse use)
    {
        EnergyBudget budget = EnergyBudget.Of(data, board, profile, use);
        return $"{Number(budget.MilliampHoursPerDay)} mAh | {Number(budget.Days)}";
    }

    private static string Cell(EnergyData data, Board board, string profile, EnergyUse use)
    {
        EnergyBudget budget = EnergyBudget.Of(data, board, profile, use);
        return $"{Number(budget.MilliampHoursPerDay)} ({Number(budget.Days)})";
    }

    private static string Number(double value) => value.ToString(value < 10 ? "0.0" : "0", CultureInfo.InvariantCulture);

    private static void Line(StringBuilder page, string text) => page.Append(text).Append('\n');
}
