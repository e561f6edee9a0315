using System.CommandLine;

namespace DePIN.Cli.Ota;

/// <summary>`depin ota`: updates of the nodes' software over the air, from the operator's key to a fleet that runs it.</summary>
public static class OtaCommand
{
    public static Command Create() => new("ota", "Updates of the nodes' software over the air: the operator's key, signed packages, roll-outs in stages.")
    {
        PackageCommands.CreateKeygen(), PackageCommands.CreatePack(), PackageCommands.CreateInspect(), PackageCommands.CreateUnpack(),
        RolloutCommands.CreateStart(), RolloutCommands.CreateStatus(),
        RolloutCommands.CreateOrder("pause", "Offers the release to nobody new; devices that have it on offer go on."),
        RolloutCommands.CreateOrder("resume", "Goes on with a paused roll-out, or with a halted one in spite of its failures."),
        RolloutCommands.CreateOrder("abort", "Ends a roll-out: every offer is withdrawn. Devices that run the release keep it."),
    };
}
