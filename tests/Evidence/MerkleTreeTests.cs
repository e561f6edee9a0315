namespace DePIN.Evidence.Tests;

/// <summary>The batch and anchor tree: properties. That it is OpenZeppelin's tree, <see cref="PeerTests"/> shows.</summary>
[TestFixture]
public sealed class MerkleTreeTests
{
    [Test]
    public void Every_leaf_of_every_size_is_proven_and_no_other()
    {
        for (int size = 1; size <= 70; size++)
        {
            Hash32[] leaves = SampleEvidence.Leaves(size, size);
            MerkleTree tree = new(leaves);
            for (int i = 0; i < size; i++)
            {
                Hash32[] path = tree.Proof(i);
                Assert.That(MerkleTree.Verify(tree.Root, leaves[i], path), Is.True, $"leaf {i} of {size}");
                Assert.That(MerkleTree.Verify(tree.Root, SampleEvidence.HashOf("not in it"), path), Is.False);
                if (path.Length == 0) continue;
                Assert.That(MerkleTree.Verify(tree.Root, leaves[i], path.AsSpan(1)), Is.False, "a step left out");
                path[^1] = SampleEvidence.HashOf("bent");
                Assert.That(MerkleTree.Verify(tree.Root, leaves[i], path), Is.False);
            }
        }
    }

    [Test]
    public void The_root_in_place_is_the_root_of_the_tree()
    {
        foreach (int size in (int[])[.. Enumerable.Range(1, 130), 255, 256, 257, 1_000, 10_000])
        {
            Hash32[] leaves = SampleEvidence.Leaves(size, size);
            Hash32 root = new MerkleTree(leaves).Root;
            Assert.That(MerkleTree.RootInPlace(leaves), Is.EqualTo(root), $"size {size}");
        }
    }

    [Test]
    public void A_tree_of_one_leaf_is_that_leaf()
    {
        Hash32 leaf = SampleEvidence.HashOf("one");
        MerkleTree tree = new([leaf]);
        Assert.That(tree.Root, Is.EqualTo(leaf));
        Assert.That(tree.Proof(0), Is.Empty);
    }

    [Test]
    public void The_greatest_batch_has_paths_of_at_most_sixteen()
    {
        MerkleTree tree = new(SampleEvidence.Leaves(EvidenceLimits.BatchFramesMax));
        Assert.That(tree.Proof(0), Has.Length.EqualTo(EvidenceLimits.BatchPathMax));
        Assert.That(MerkleTree.Verify(tree.Root, tree.Leaves[^1], tree.Proof(EvidenceLimits.BatchFramesMax - 1)), Is.True);
    }

    [Test]
    public void No_leaves_and_no_such_leaf_are_the_callers_mistake()
    {
        Assert.That(() => new MerkleTree([]), Throws.ArgumentException);
        Assert.That(() => MerkleTree.RootInPlace([]), Throws.ArgumentException);
        Assert.That(() => new MerkleTree(SampleEvidence.Leaves(3)).Proof(3), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void A_frame_is_hashed_twice()
    {
        byte[] frame = [1, 2, 3];
        Assert.That(FrameLeaf.Hash(frame), Is.EqualTo(EthereumCrypto.Keccak256(EthereumCrypto.Keccak256(frame).ToArray())));
    }
}
