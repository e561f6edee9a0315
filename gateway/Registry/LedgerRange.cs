using DePIN.Evidence;

namespace DePIN.Gateway.Registry;

/// <summary>
/// The ledger's tree in memory (64 bytes an anchor), kept equal to the followed entries, so that a proof's last path is
/// fresh at any time. Follows <see cref="RegistryLog"/> after each change; safe for concurrent use.
/// </summary>
public sealed class LedgerRange(RegistryLog log)
{
    private const int ReadMax = 4_096;
    private readonly MountainRange _range = new();
    private readonly Lock _gate = new();

    /// <summary>Brings the tree up to the log: drops what the chain took back, appends what is new.</summary>
    public void Refresh()
    {
        lock (_gate)
        {
            LedgerEntry? head = log.LedgerHead();
            long size = head is null ? 0 : (long)head.Ordinal + 1;
            long keep = Math.Min(_range.Count, size);
            // Entries are a hash chain: the last common one being equal makes all before it equal.
            while (keep > 0 && log.Ledger((ulong)keep - 1, 1) is [var entry] && entry.Hash != _range[keep - 1]) keep--;
            if (keep < _range.Count) _range.Truncate(keep);
            while (_range.Count < size)
            {
                IReadOnlyList<LedgerEntry> next = log.Ledger((ulong)_range.Count, ReadMax);
                if (next.Count == 0) break; // taken back between the two reads; the next refresh sees it
                foreach (LedgerEntry entry in next) _range.Append(entry.Hash);
            }
        }
    }

    /// <summary>The path from an entry to its peak and the size it is for; null when the ledger has no such entry.</summary>
    public (long Size, Hash32[] Path)? Proof(ulong ordinal)
    {
        lock (_gate)
            return ordinal < (ulong)_range.Count ? (_range.Count, _range.Proof((long)ordinal)) : null;
    }

    /// <summary>An entry's hash and its path at an earlier size; 0: at the present one. Null when the ledger has no such entry at that size, or is not that large here.</summary>
    public (Hash32 Hash, long Size, Hash32[] Path)? Proof(ulong ordinal, ulong size)
    {
        lock (_gate)
        {
            ulong at = size == 0 ? (ulong)_range.Count : size;
            return ordinal < at && at <= (ulong)_range.Count ? (_range[(long)ordinal], (long)at, _range.Proof((long)ordinal, (long)at)) : null;
        }
    }
}
