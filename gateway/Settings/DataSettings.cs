namespace DePIN.Gateway.Settings;

/// <summary>Section <c>data</c>.</summary>
public sealed class DataSettings
{
    [Setting("Folder for the database, the keys and certificates; created when missing. It must be on a disk that honours fsync. --data overrides it.")]
    public string Folder { get; set; } = "depin-data";
}
