namespace DePIN.Gateway.Settings;

/// <summary>Section <c>store</c>.</summary>
public sealed class StoreSettings
{
    [Setting("The frame store may grow to this: before, the oldest frames that are on the ledger are dropped; when there are none, frames are no longer acknowledged and boards keep theirs.", Unit = "MiB", Min = 16, Max = 16_777_216)]
    public int DiskBudgetMib { get; set; } = 8_192;

    [Setting("Frames are dropped so long after they were anchored, by the chain's time; 0 keeps them until the disk budget. Headers of batches stay.", Unit = "days", Min = 0, Max = 36_500)]
    public int KeepDays { get; set; }

    [Setting("Space that must stay free on the disk.", Unit = "MiB", Min = 0, Max = 1_048_576)]
    public int FreeFloorMib { get; set; } = 256;

    [Setting("Over the long run frames are written to disk (and acknowledged) in groups this far apart, unless 64 wait; bursts are not held up. Longer spares an SD card; 0 writes at once.", Unit = "ms", Min = 0, Max = 10_000)]
    public int CommitIntervalMs { get; set; } = 250;

    [Setting("PostgreSQL instead of files in the data folder, shared by several gateway processes with one identity: postgresql://user@host:5432/database?sslmode=verify-full&sslrootcert=ca.pem, without a password. Empty = files.")]
    public string Postgres { get; set; } = "";

    [Setting("A file of mode 0600 with the password for store.postgres; empty = PGPASSFILE or ~/.pgpass.")]
    public string PasswordFile { get; set; } = "";
}
