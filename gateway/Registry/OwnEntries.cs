using DePIN.Evidence;
using DePIN.Gateway.Attest;

namespace DePIN.Gateway.Registry;

/// <summary>Whose a ledger entry is that no anchor in <c>chain.db</c> explains.</summary>
public enum EntryOrigin
{
    /// <summary>Its batches may be ours, but not all of them are certified again yet.</summary>
    Undecided = 0,

    /// <summary>It is the anchor over our next batches.</summary>
    Ours,

    /// <summary>It is not over our next batches: another gateway's.</summary>
    NotOurs,
}

/// <summary>The decision as a pure function.</summary>
public static class OwnEntryRules
{
    /// <summary>Batches in one anchor of ours at most (<c>anchor.certificatesMax</c>).</summary>
    public const int BatchesMax = 65_536;

    /// <summary>
    /// Whose <paramref name="entry"/> is. An anchor always takes the lowest numbers that no entry contains, so an entry of
    /// ours is the tree over exactly its count of our next batches; anything else is not, whatever its numbers say.
    /// </summary>
    /// <param name="entry">The entry, of which only the header is on the chain.</param>
    /// <param name="next">Our certified batches that no entry before contains, ascending, as many as the entry has or all there are.</param>
    /// <param name="isComplete">True when every batch that could have been anchored before is certified (again).</param>
    public static EntryOrigin Judge(AnchorHeader entry, IReadOnlyList<BatchHeader> next, bool isComplete)
    {
        ArgumentNullException.ThrowIfNull(entry);
        ArgumentNullException.ThrowIfNull(next);
        if (entry.Batches is 0 or > BatchesMax) return EntryOrigin.NotOurs;
        if ((uint)next.Count < entry.Batches) return isComplete ? EntryOrigin.NotOurs : EntryOrigin.Undecided;
        BatchHeader[] run = [.. next.Take((int)entry.Batches)];
        ulong frames = 0;
        foreach (BatchHeader batch in run) frames += batch.Frames;
        if (frames != entry.Frames) return EntryOrigin.NotOurs; // spares the hashing for most of the others' entries
        (AnchorHeader rebuilt, _) = AnchorHeader.Build(entry.Epoch, entry.Previous, run);
        return rebuilt == entry ? EntryOrigin.Ours : EntryOrigin.NotOurs;
    }
}

/// <summary>
/// Finds the entries of the ledger that this gateway made but no longer knows of, because <c>chain.db</c> was lost or restored from
/// an older backup, and marks their certificates as anchored; until that is done for the whole ledger nothing new may be anchored.
/// The attestor certifies the batches of <c>frames.db</c> again meanwhile, in order and with the same signatures. Only what was
/// in <c>frames.db</c> at the start (<paramref name="batchesAtStart"/>) can have been anchored without <c>chain.db</c> knowing.
/// </summary>
public sealed class OwnEntries(RegistryLog log, ICertificateLog certificates, ulong batchesAtStart)
{
    private const int PageEntries = 256;

    // All entries below Next are judged, the last of them is Head. Written by the follower, read by the anchorer: one reference.
    private sealed record Progress(ulong Next, Hash32 Head, bool IsAll);

    private volatile Progress? _progress;

    /// <summary>True when every entry up to the one with hash <paramref name="head"/> (zero: the empty ledger) is judged, and no other follows it.</summary>
    public bool AreMatchedUpTo(Hash32 head) => _progress is { IsAll: true } progress && progress.Head == head;

    /// <summary>Entries found to be ours since the start.</summary>
    public int Recognised { get; private set; }

    /// <summary>Judges the entries that were not. To be called by the follower after it changed the log; cheap when there is nothing new.</summary>
    public void Match()
    {
        // Before the certificates are read: what is complete now is complete then.
        bool complete = certificates.LastNumber >= batchesAtStart;
        (ulong next, Hash32 head) = Start();
        while (true)
        {
            IReadOnlyList<LedgerEntry> page = log.Ledger(next, PageEntries);
            foreach (LedgerEntry entry in page)
            {
                if (log.HasCertificates(entry.Ordinal))
                {
                    (next, head) = (entry.Ordinal + 1, entry.Hash);
                    continue;
                }

                IReadOnlyList<BatchHeader> run = log.PendingBatches((int)Math.Min(entry.Header.Batches, OwnEntryRules.BatchesMax));
                EntryOrigin origin = OwnEntryRules.Judge(entry.Header, run, complete);
                if (origin == EntryOrigin.Undecided)
                {
                    _progress = new Progress(next, head, IsAll: false);
                    return;
                }

                if (origin == EntryOrigin.Ours)
                {
                    log.MarkAnchored(entry.Ordinal, run[0].Number, run[^1].Number);
                    Recognised++;
                }

                (next, head) = (entry.Ordinal + 1, entry.Hash);
            }

            if (page.Count < PageEntries) break;
        }

        _progress = new Progress(next, head, IsAll: true);
    }

    /// <summary>Where to go on: where the last time ended, or, after a start or when the chain took that entry back, after the last entry that is explained.</summary>
    private (ulong Next, Hash32 Head) Start()
    {
        if (_progress is { } progress && (progress.Next == 0 || (log.Ledger(progress.Next - 1, 1) is [var seen] && seen.Hash == progress.Head)))
            return (progress.Next, progress.Head);
        // Entries of ours follow each other in the order of their batches: before the last explained one nothing is left to find.
        return log.LastExplained() is { } last ? (last.Ordinal + 1, last.Hash) : (0, Hash32.Zero);
    }
}
