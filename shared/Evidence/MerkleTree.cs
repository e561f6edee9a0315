namespace DePIN.Evidence;

/// <summary>
/// OpenZeppelin's SimpleMerkleTree with <c>sortLeaves: false</c>, bit for bit. Its array t (t[len-1-i] = leaf i, node i over
/// 2i+1 and 2i+2) read backwards is a queue: s[0..n) are the leaves, and s[n+k] = pair(s[2k], s[2k+1]); s[2n-2] is the root.
/// Nodes are contiguous values: 64 bytes per leaf, 4 MiB at 65,536 leaves; <see cref="RootInPlace"/> needs nothing besides the leaves.
/// </summary>
public sealed class MerkleTree
{
    private readonly Hash32[] _nodes;

    /// <param name="leaves">At least one leaf, already hashed; order is kept.</param>
    /// <exception cref="ArgumentException">No leaves.</exception>
    public MerkleTree(ReadOnlySpan<Hash32> leaves)
    {
        if (leaves.IsEmpty) throw new ArgumentException("A Merkle tree has at least one leaf.", nameof(leaves));
        Count = leaves.Length;
        _nodes = GC.AllocateUninitializedArray<Hash32>(checked(2 * Count - 1));
        leaves.CopyTo(_nodes);
        for (int k = 0; k < Count - 1; k++) _nodes[Count + k] = EthereumCrypto.HashPair(_nodes[2 * k], _nodes[2 * k + 1]);
    }

    /// <summary>Number of leaves.</summary>
    public int Count { get; }

    /// <summary>The root; of a tree of one leaf, that leaf.</summary>
    public Hash32 Root => _nodes[^1];

    /// <summary>The leaves, in the order given.</summary>
    public ReadOnlySpan<Hash32> Leaves => _nodes.AsSpan(0, Count);

    /// <summary>The siblings from leaf <paramref name="index"/> up to the root; empty for a tree of one leaf.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such leaf.</exception>
    public Hash32[] Proof(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        Span<Hash32> path = stackalloc Hash32[32];
        int length = 0;
        for (int j = index; j != _nodes.Length - 1; j = Count + j / 2) path[length++] = _nodes[j ^ 1];
        return path[..length].ToArray();
    }

    /// <summary>The root over these leaves, computed inside their own memory: the span's contents are destroyed.</summary>
    /// <exception cref="ArgumentException">No leaves.</exception>
    public static Hash32 RootInPlace(Span<Hash32> leaves)
    {
        if (leaves.IsEmpty) throw new ArgumentException("A Merkle tree has at least one leaf.", nameof(leaves));
        int n = leaves.Length;
        // s[n+k] goes where s[k] was: k <= 2k, so s[k] has been read by then. Index j of s lives in slot j mod n.
        int last = 0;
        for (int k = 0; k < n - 1; k++)
        {
            int left = 2 * k < n ? 2 * k : 2 * k - n;
            int right = 2 * k + 1 < n ? 2 * k + 1 : 2 * k + 1 - n;
            leaves[k] = EthereumCrypto.HashPair(leaves[left], leaves[right]);
            last = k;
        }
        return leaves[last];
    }

    /// <summary>Folds a path onto a leaf: what the root must be for the path to be right.</summary>
    public static Hash32 Fold(Hash32 leaf, ReadOnlySpan<Hash32> path)
    {
        Hash32 node = leaf;
        foreach (ref readonly Hash32 sibling in path) node = EthereumCrypto.HashPair(node, sibling);
        return node;
    }

    /// <summary>True when the path leads from the leaf to the root, as OpenZeppelin's <c>MerkleProof.verify</c> says.</summary>
    public static bool Verify(Hash32 root, Hash32 leaf, ReadOnlySpan<Hash32> path) => Fold(leaf, path) == root;
}
