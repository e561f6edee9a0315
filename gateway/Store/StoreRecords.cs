namespace DePIN.Gateway.Store;

// The rows of the store as values: what the typed reads give and the typed writes take.

/// <summary>One stored frame.</summary>
/// <param name="Row">Place in the arrival log, from 1 without holes.</param>
/// <param name="Device">The store's integer for the device.</param>
/// <param name="ReceivedMs">Gateway time of arrival, ms since the Unix epoch.</param>
/// <param name="Frame">The bytes as received.</param>
public sealed record StoredFrame(long Row, int Device, long ReceivedMs, byte[] Frame);

/// <summary>One own batch: its rows of the log and the header fields (EIP-712 Batch).</summary>
/// <param name="Number">From 1 without holes.</param>
/// <param name="FirstRow">First frame's row.</param>
/// <param name="LastRow">Last frame's row; every row between belongs to the batch but those in <see cref="Skipped"/>.</param>
/// <param name="Gateway">The gateway's address, 20 bytes.</param>
/// <param name="Previous">Hash of the batch before, 32 bytes; zero for number 1.</param>
/// <param name="Root">Merkle root, 32 bytes.</param>
/// <param name="Samples">Samples in all frames; a sealed payload counts none.</param>
/// <param name="FirstReceivedMs">Earliest receive time, ms since the Unix epoch.</param>
/// <param name="LastReceivedMs">Latest receive time.</param>
/// <param name="Body">The header's commitment to body and spans, 32 bytes.</param>
/// <param name="Hash">EIP-712 struct hash of the header, 32 bytes.</param>
public sealed record StoredBatch(
    ulong Number, long FirstRow, long LastRow, byte[] Gateway, byte[] Previous, byte[] Root,
    uint Samples, ulong FirstReceivedMs, ulong LastReceivedMs, byte[] Body, byte[] Hash)
{
    /// <summary>Rows of the range that are not in the batch, ascending: anchored through another gateway, or not of the batch it was cut again from.</summary>
    public IReadOnlyList<long> Skipped { get; init; } = [];

    /// <summary>SHA-256 of the encoded body, 32 bytes.</summary>
    public required byte[] FramesHash { get; init; }

    /// <summary>The void batch whose remaining frames these are; 0 none. Its rows are the same range.</summary>
    public ulong RecutOf { get; init; }

    /// <summary>How many frames.</summary>
    public uint Frames => checked((uint)(LastRow - FirstRow + 1 - Skipped.Count));

    /// <summary>True when the row is in the batch.</summary>
    public bool Contains(long row) => row >= FirstRow && row <= LastRow && !SkippedRows.Contains(Skipped, row);
}

/// <summary>Two validly signed frames with one sequence.</summary>
/// <param name="Id">From 1.</param>
/// <param name="Device">The store's integer for the device.</param>
/// <param name="Sequence">The sequence both carry.</param>
/// <param name="ReceivedMs">When the second arrived, ms since the Unix epoch.</param>
/// <param name="First">The frame accepted first.</param>
/// <param name="Second">The other one.</param>
public sealed record StoredEquivocation(long Id, int Device, ulong Sequence, long ReceivedMs, byte[] First, byte[] Second);
