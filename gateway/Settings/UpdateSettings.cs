namespace DePIN.Gateway.Settings;

/// <summary>Section <c>update</c>.</summary>
public sealed class UpdateSettings
{
    [Setting("The operator's public key (X and Y, 128 hex digits) as 'depin ota keygen' prints it; empty = no updates. Who has its private half can replace the software of every node that was provisioned with it.")]
    public string OperatorKey { get; set; } = "";

    [Setting("One node is sent pieces of an update at most this fast.", Unit = "KiB per s", Min = 1, Max = 65_536)]
    public int DeviceKibPerS { get; set; } = 32;

    [Setting("All nodes together are sent pieces of updates at most this fast; frames do not count and go first.", Unit = "KiB per s", Min = 1, Max = 1_048_576)]
    public int AllKibPerS { get; set; } = 2_048;
}
