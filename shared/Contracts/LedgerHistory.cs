using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>
/// All anchors of a ledger up to a block, and the mountain range over them: enough to prove any anchor against the contract's
/// peaks. Filled by <see cref="LedgerReader.FollowAsync"/>. About 400 bytes an anchor; one anchor an epoch. Not safe for
/// concurrent use.
/// </summary>
public sealed class LedgerHistory
{
    private readonly ulong _firstBlock;
    private readonly List<LedgerEntry> _entries = [];
    private readonly Dictionary<Hash32, ulong> _ordinals = [];
    private readonly MountainRange _range = new();

    /// <param name="firstBlock">Block the ledger was deployed at; nothing is read before it.</param>
    public LedgerHistory(ulong firstBlock)
    {
        _firstBlock = firstBlock;
        NextBlock = firstBlock;
    }

    /// <summary>First block not read yet.</summary>
    public ulong NextBlock { get; internal set; }

    /// <summary>Number of anchors.</summary>
    public ulong Count => (ulong)_entries.Count;

    /// <summary>Hash of the last anchor, zero when there is none.</summary>
    public Hash32 Head => _entries.Count == 0 ? Hash32.Zero : _entries[^1].Hash;

    /// <summary>All anchors; an entry's index is its ordinal.</summary>
    public IReadOnlyList<LedgerEntry> Entries => _entries;

    /// <summary>Finds an anchor by its hash.</summary>
    public bool TryFind(Hash32 anchorHash, out LedgerEntry? entry)
    {
        entry = _ordinals.TryGetValue(anchorHash, out ulong ordinal) ? _entries[(int)ordinal] : null;
        return entry is not null;
    }

    /// <summary>The path from an anchor to its peak at the present count: a proof's <c>ledgerPath</c>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such ordinal.</exception>
    public Hash32[] PathOf(ulong ordinal)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(ordinal, Count);
        return _range.Proof((long)ordinal);
    }

    /// <summary>The same proof with the ledger path of the present count: what the contract accepts now.</summary>
    /// <returns>Null when the ledger does not have the proof's anchor.</returns>
    public Proof? TryRefresh(Proof proof)
    {
        ArgumentNullException.ThrowIfNull(proof);
        return TryFind(proof.Anchor.Hash(), out LedgerEntry? entry)
            ? proof with { Ordinal = entry!.Ordinal, LedgerSize = Count, LedgerPath = [.. PathOf(entry.Ordinal)] }
            : null;
    }

    /// <summary>Appends the next anchor; false when it does not follow the last one.</summary>
    internal bool TryAppend(LedgerEntry entry)
    {
        if (entry.Ordinal != Count || entry.Header.Previous != Head)
            return false;
        _entries.Add(entry);
        _ordinals[entry.Hash] = entry.Ordinal;
        _range.Append(entry.Hash);
        return true;
    }

    internal void Clear()
    {
        _entries.Clear();
        _ordinals.Clear();
        _range.Truncate(0);
        NextBlock = _firstBlock;
    }
}
