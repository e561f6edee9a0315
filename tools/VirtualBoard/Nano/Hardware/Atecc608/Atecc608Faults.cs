// What a real bus does to a real chip, counted down one event at a time.

namespace DePIN.VirtualBoard.Hardware.Atecc608;

/// <summary>Which half of a command the power goes in.</summary>
public enum CutPoint
{
    /// <summary>The chip has not begun.</summary>
    Before,

    /// <summary>The chip has done it, the answer was never read.</summary>
    After,
}

/// <summary>Faults that wait to happen. Zero: never.</summary>
public sealed class Atecc608Faults
{
    /// <summary>Wakes that do not wake.</summary>
    public int LostWakes { get; set; }

    /// <summary>Transfers of an awake, ready chip that find no acknowledgement.</summary>
    public int Naks { get; set; }

    /// <summary>Commands of which a bit is damaged on the way in.</summary>
    public int DamagedCommands { get; set; }

    /// <summary>Answers of which a bit is damaged on the way out, each time they are read.</summary>
    public int DamagedReads { get; set; }

    /// <summary>Commands that are done and whose answer never comes.</summary>
    public int LostAnswers { get; set; }

    /// <summary>Falls asleep (the watchdog, a glitch of the supply) instead of taking this many commands.</summary>
    public int SuddenSleeps { get; set; }

    /// <summary>Only commands with this opcode count down; 0: all do.</summary>
    public byte OnlyOpcode { get; set; }

    /// <summary>Status to answer instead of running the command, for ever; 0: none.</summary>
    public byte Refusal { get; set; }

    /// <summary>Commands until <see cref="PowerCut"/> is called; negative: never.</summary>
    public int CommandsUntilCut { get; set; } = -1;

    public CutPoint CutPoint { get; set; }

    /// <summary>Takes the power away: must throw.</summary>
    public Action? PowerCut { get; set; }
}
