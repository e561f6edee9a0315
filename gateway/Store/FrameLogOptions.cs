namespace DePIN.Gateway.Store;

/// <summary>Where the store is and how much disk it may use. Defaults suit a Raspberry Pi with a 32 GB card.</summary>
public sealed record FrameLogOptions
{
    /// <summary>The SQLite database file. Its folder is made when missing.</summary>
    public required string Path { get; init; }

    /// <summary>The most the database and its partitions may take, bytes. At the budget the gateway stops acknowledging; what is dropped before is <see cref="Retention"/>'s.</summary>
    public long DiskBudgetBytes { get; init; } = 16L << 30;

    /// <summary>A partition of the log is closed when its file has grown to this, bytes.</summary>
    public long PartitionBytesMax { get; init; } = 64L << 20;

    /// <summary>A partition is closed when its first frame is this old, ms: frames are dropped by whole partitions.</summary>
    public long PartitionAgeMaxMs { get; init; } = 24L * 60 * 60 * 1_000;

    /// <summary>Free space on the volume below which nothing more is stored, bytes: a full card stops logins and updates too.</summary>
    public long FreeSpaceFloorBytes { get; init; } = 256L << 20;

    /// <summary>The most frames in one commit.</summary>
    public int GroupFramesMax { get; init; } = 1024;

    /// <summary>
    /// The time between two commits of few frames over the long run, ms; 0 never waits. Each commit costs the disk whole pages, however few
    /// frames it holds. <see cref="CommitBurst"/> commits may come sooner: a device that brings a night's frames is not made to wait.
    /// </summary>
    public int CommitIntervalMs { get; init; }

    /// <summary>Commits that may run ahead of <see cref="CommitIntervalMs"/>, after a time with fewer.</summary>
    public int CommitBurst { get; init; } = 256;

    /// <summary>From this many frames on a commit is worth its pages and does not wait for <see cref="CommitIntervalMs"/>.</summary>
    public int CommitFramesMin { get; init; } = 64;

    /// <summary>How long a commit waits for company while more frames are being verified, ms.</summary>
    public int LingerMs { get; init; } = 15;

    /// <summary>Frames between two saves of the per-device index: what a start has to read again at most.</summary>
    public int IndexIntervalFrames { get; init; } = 16_384;

    /// <summary>A larger database is checked at start by header, schema and tail only; `FrameLog.CheckAll` checks all of it. Bytes.</summary>
    public long QuickCheckBytesMax { get; init; } = 256L << 20;

    /// <summary>How long a store that failed waits before it is opened again, ms.</summary>
    public int ReopenIntervalMs { get; init; } = 1_000;

    /// <summary>Equivocations kept; later ones are counted and refused, not kept.</summary>
    public int EvidenceMax { get; init; } = 65_536;

    /// <summary>Equivocations kept per device: one broken device must not fill the table.</summary>
    public int EvidencePerDeviceMax { get; init; } = 16;

    /// <summary>Registered devices the gateway keeps.</summary>
    public int DevicesMax { get; init; } = 65_536;

    /// <summary>SQLite's own page limit (max_page_count); 0 none. Tests use it to hit the real SQLITE_FULL.</summary>
    public int PagesMax { get; init; }
}
