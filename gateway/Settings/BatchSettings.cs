namespace DePIN.Gateway.Settings;

/// <summary>Section <c>batch</c>.</summary>
public sealed class BatchSettings
{
    [Setting("A batch is closed at this many frames.", Min = 1, Max = 65_536)]
    public int FramesMax { get; set; } = 4_096;

    [Setting("A batch is closed when its first frame is this old.", Unit = "s", Min = 1, Max = 86_400)]
    public int AgeMaxS { get; set; } = 30;
}
