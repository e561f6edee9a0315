using System.Globalization;

namespace DePIN.Gateway.Update;

/// <summary>So many devices, or such a share of them.</summary>
/// <param name="Value">A number of devices, or percent.</param>
/// <param name="IsPercent">Which.</param>
public readonly record struct Portion(int Value, bool IsPercent)
{
    private const int DevicesMax = 1_000_000;

    /// <summary>Of <paramref name="all"/> devices, rounded up, at most all.</summary>
    public int Up(int all) => IsPercent ? (int)(((long)all * Value + 99) / 100) : Math.Min(Value, all);

    /// <summary>Of <paramref name="all"/> devices, rounded down; a number stays as it is.</summary>
    public int Down(int all) => IsPercent ? (int)((long)all * Value / 100) : Value;

    /// <summary>Reads "3" or "10%".</summary>
    public static bool TryParse(string text, out Portion portion)
    {
        ArgumentNullException.ThrowIfNull(text);
        bool percent = text.EndsWith('%');
        bool parsed = int.TryParse(percent ? text[..^1] : text, NumberStyles.None, CultureInfo.InvariantCulture, out int value);
        portion = new Portion(value, percent);
        return parsed && value <= (percent ? 100 : DevicesMax);
    }

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture) + (IsPercent ? "%" : "");
}

/// <summary>How a roll-out goes: its stages and what each must show before the next one opens.</summary>
/// <param name="Stages">Devices offered the release by the end of each stage, growing; 1 to 16.</param>
/// <param name="Confirmed">Of a stage's devices so many must have confirmed.</param>
/// <param name="Failed">So many of a stage's devices may fail; one more halts the roll-out.</param>
/// <param name="SoakS">So long the stage must stand like that, s.</param>
/// <param name="LostS">A device that fetched everything and then says nothing for so long has failed, s.</param>
public sealed record RolloutPlan(IReadOnlyList<Portion> Stages, Portion Confirmed, Portion Failed, int SoakS, int LostS)
{
    public const int StagesMax = 16;
    public const int SecondsMax = 30 * 24 * 3600;
    public const string StagesDefault = "1,10%,50%,100%", ConfirmedDefault = "90%", FailedDefault = "5%";
    public const int SoakDefaultS = 3600, LostDefaultS = 3600;

    /// <summary>Reads "3,10%,50%,100%"; null with the reason when they are no stages.</summary>
    public static IReadOnlyList<Portion>? ParseStages(string text, out string fault)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<Portion> stages = [];
        fault = "";
        foreach (string part in text.Split(','))
        {
            if (!Portion.TryParse(part.Trim(), out Portion stage) || stage.Value == 0)
            {
                fault = $"'{(part.Length > 20 ? part[..20] + "…" : part)}' is neither a number of devices nor a share from 1% to 100%";
                return null;
            }

            if (stages.Count > 0 && stages[^1].IsPercent == stage.IsPercent && stage.Value <= stages[^1].Value)
            {
                fault = $"{stage} does not follow {stages[^1]}: stages grow";
                return null;
            }

            if (stages.Count > 0 && stages[^1].IsPercent && !stage.IsPercent)
            {
                fault = $"{stage} follows a share: numbers come first";
                return null;
            }

            stages.Add(stage);
        }

        if (stages.Count <= StagesMax) return stages;
        fault = $"more than {StagesMax} stages";
        return null;
    }

    /// <summary>The stages as text.</summary>
    public string StagesText => string.Join(',', Stages);
}
