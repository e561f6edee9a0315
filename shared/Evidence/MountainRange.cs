using System.Numerics;

namespace DePIN.Evidence;

/// <summary>
/// The ledger's append-only tree of anchor hashes, as the Ledger contract keeps it: full binary trees ("mountains"), one for
/// each set bit of the count, merged on append like a binary counter with the commutative pair hash. The contract keeps only
/// the peaks; this keeps all nodes (about 64 bytes per anchor), so that every anchor ever made can be proven at any later size.
/// A path at a larger size begins with the path at a smaller one: old proofs are extended, never contradicted.
/// </summary>
public sealed class MountainRange
{
    private readonly List<List<Hash32>> _levels = [[]];

    /// <summary>Number of anchors appended.</summary>
    public long Count => _levels[0].Count;

    /// <summary>Appends an anchor hash; its ordinal is the count before. Amortised two hashes.</summary>
    /// <returns>The ordinal, from 0.</returns>
    public long Append(Hash32 anchorHash)
    {
        long ordinal = Count;
        Hash32 node = anchorHash;
        for (int h = 0; ; h++)
        {
            if (h == _levels.Count) _levels.Add([]);
            List<Hash32> level = _levels[h];
            level.Add(node);
            if ((level.Count & 1) != 0) return ordinal;
            node = EthereumCrypto.HashPair(level[^2], level[^1]);
        }
    }

    /// <summary>The anchor hash at an ordinal.</summary>
    public Hash32 this[long ordinal] => _levels[0][checked((int)ordinal)];

    /// <summary>Drops what came after <paramref name="size"/>, for a chain that reorganised.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative, or beyond the count.</exception>
    public void Truncate(long size)
    {
        CheckSize(size);
        for (int h = 0; h < _levels.Count; h++)
        {
            int keep = (int)(size >> h);
            _levels[h].RemoveRange(keep, _levels[h].Count - keep);
        }
    }

    /// <summary>The peak of a height at a size, as <c>peaks[height]</c> of the contract when its count was that size.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is beyond the count, or has no mountain of this height.</exception>
    public Hash32 Peak(int height, long size)
    {
        CheckSize(size);
        if (height is < 0 or > 62 || (size >> height & 1) == 0)
            throw new ArgumentOutOfRangeException(nameof(height), height, $"A range of {size} anchors has no mountain of this height.");
        return _levels[height][(int)((size >> height) - 1)];
    }

    /// <summary>The siblings from the anchor up to the peak of its mountain, at the present size.</summary>
    public Hash32[] Proof(long ordinal) => Proof(ordinal, Count);

    /// <summary>The siblings from the anchor up to the peak of its mountain, at an earlier size.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is beyond the count, or the ordinal beyond the size.</exception>
    public Hash32[] Proof(long ordinal, long size)
    {
        CheckSize(size);
        int height = HeightOf(ordinal, size);
        if (height < 0) throw new ArgumentOutOfRangeException(nameof(ordinal), ordinal, $"A range of {size} anchors has no such ordinal.");
        Hash32[] path = new Hash32[height];
        for (int h = 0; h < height; h++) path[h] = _levels[h][(int)(ordinal >> h ^ 1)];
        return path;
    }

    /// <summary>Height of the mountain that holds the ordinal at this size: the length of its path. -1 when there is no such ordinal.</summary>
    public static int HeightOf(long ordinal, long size)
    {
        if (ordinal < 0 || ordinal >= size) return -1;
        // Mountains stand from high to low, so the first bit (from the top) where size has 1 and ordinal has 0 is the one.
        return 63 - BitOperations.LeadingZeroCount((ulong)(ordinal ^ size));
    }

    /// <summary>True when the path leads from this anchor, at this ordinal of a range of this size, to this peak.</summary>
    public static bool Verify(Hash32 peak, Hash32 anchorHash, long ordinal, long size, ReadOnlySpan<Hash32> path) =>
        HeightOf(ordinal, size) == path.Length && MerkleTree.Verify(peak, anchorHash, path);

    private void CheckSize(long size)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, Count);
    }
}
