using System.Globalization;
using System.Text;
using System.Text.Json;
using DePIN.Boards;
using DePIN.Boards.Energy;
using DePIN.Cli.Terminal;

namespace DePIN.Cli.Board;

/// <summary>One board with one profile, always on and with deep sleep.</summary>
public sealed record EnergyRow(string Board, string Profile, EnergyBudget AlwaysOn, EnergyBudget DeepSleep, EnergyBudget DeepSleepWithElement);

/// <summary>The energy budget for a person and for a script.</summary>
public static class EnergyView
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web);

    /// <exception cref="CliError">There is no such board or profile.</exception>
    public static IReadOnlyList<EnergyRow> Rows(BoardCatalog catalog, string? board, string? profile, EnergyUse use)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        if (board is not null && catalog.Find(board) is null)
        {
            throw new CliError(ExitCode.BadInput, $"there is no board {board}", $"name one of {string.Join(", ", catalog.Boards.Select(known => known.Name))}");
        }

        string[] profiles = [.. catalog.Energy.Profiles.Select(known => known.Profile)];
        if (profile is not null && !profiles.Contains(profile))
        {
            throw new CliError(ExitCode.BadInput, $"there is no budget for profile {profile}", $"name one of {string.Join(", ", profiles)}");
        }

        return
        [
            .. from known in catalog.Boards
               where board is null || known.Name == board
               from name in profiles
               where profile is null || name == profile
               select new EnergyRow(
                   known.Name,
                   name,
                   EnergyBudget.Of(catalog.Energy, known, name, use with { Sleeps = false }),
                   EnergyBudget.Of(catalog.Energy, known, name, use),
                   EnergyBudget.Of(catalog.Energy, known, name, use with { HasElement = true })),
        ];
    }

    public static string Table(IReadOnlyList<EnergyRow> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"{"board",-20}  {"profile",-13}  {"always on",17}  {"deep sleep",17}  {"with element",17}");
        foreach (EnergyRow row in rows)
        {
            text.AppendLine();
            text.Append(CultureInfo.InvariantCulture, $"{row.Board,-20}  {row.Profile,-13}  {Cell(row.AlwaysOn),17}  {Cell(row.DeepSleep),17}  {Cell(row.DeepSleepWithElement),17}");
        }

        text.AppendLine();
        text.Append("mAh a day, days on a cell; computed from hardware/energy.json, never measured on a part (hardware/ENERGY.md)");
        return text.ToString();
    }

    public static string Json(IReadOnlyList<EnergyRow> rows, EnergyUse use)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return JsonSerializer.Serialize(new { use, rows }, Options);
    }

    private static string Cell(EnergyBudget budget) =>
        string.Create(CultureInfo.InvariantCulture, $"{budget.MilliampHoursPerDay:0.0} mAh {budget.Days,5:0.0} d");
}
