using System.Buffers.Binary;

namespace DePIN.Evidence;

/// <summary>What is wrong with an anchor by itself.</summary>
public enum AnchorHeaderFault
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The root is zero.</summary>
    RootZero,

    /// <summary>An anchor has at least one batch.</summary>
    BatchesZero,

    /// <summary>A batch has 1 to 65,536 frames, so the sum lies between the batches and 65,536 times as many.</summary>
    FrameCountOutOfRange,
}

/// <summary>
/// The anchor of an epoch: the Merkle root over its certificates, as a quorum signs it and the Ledger records it. Leaves are batch
/// hashes, sorted by (gateway, number), so the root does not depend on which quorum signed. Canonical bytes, big-endian:
/// <code>0 epoch u64 | 8 previous 32 | 40 root 32 | 72 batches u32 | 76 frames u64 | = 84</code>
/// </summary>
/// <param name="Epoch">floor(chain timestamp / epoch seconds).</param>
/// <param name="Previous">Hash of the last anchor on the ledger; zero for the first.</param>
/// <param name="Root">Merkle root over the batch hashes.</param>
/// <param name="Batches">Number of batches.</param>
/// <param name="Frames">Number of frames in all of them.</param>
public sealed record AnchorHeader(ulong Epoch, Hash32 Previous, Hash32 Root, uint Batches, ulong Frames)
{
    /// <summary>The EIP-712 type.</summary>
    public const string Type = "Anchor(uint64 epoch,bytes32 previous,bytes32 root,uint32 batches,uint64 frames)";

    /// <summary>Size of the canonical bytes.</summary>
    public const int Bytes = 84;

    /// <summary>keccak256 of <see cref="Type"/>.</summary>
    public static readonly Hash32 TypeHash = Eip712Struct.TypeHash(Type);

    /// <summary>The anchor hash: EIP-712 struct hash, without the domain.</summary>
    public Hash32 Hash() => new Eip712Struct(TypeHash).UInt(Epoch).Word(Previous).Word(Root).UInt(Batches).UInt(Frames).Hash();

    /// <summary>What a gateway signs to attest this anchor.</summary>
    public Hash32 Digest(Eip712Domain domain) => domain.Digest(Hash());

    /// <summary>The anchor over these batches, and the tree that proves each.</summary>
    /// <param name="epoch">floor(chain timestamp / epoch seconds).</param>
    /// <param name="previous">Hash of the last anchor on the ledger; zero for the first.</param>
    /// <param name="batches">At least one batch, no two the same (gateway, number); sorted in place into leaf order.</param>
    /// <exception cref="ArgumentException">No batches, or one twice.</exception>
    public static (AnchorHeader Anchor, MerkleTree Tree) Build(ulong epoch, Hash32 previous, Span<BatchHeader> batches)
    {
        if (batches.IsEmpty) throw new ArgumentException("An anchor has at least one batch.", nameof(batches));
        batches.Sort(CompareLeaves);
        Hash32[] leaves = new Hash32[batches.Length];
        ulong frames = 0;
        for (int i = 0; i < batches.Length; i++)
        {
            if (i > 0 && CompareLeaves(batches[i - 1], batches[i]) == 0)
                throw new ArgumentException($"Batch {batches[i].Number} of {batches[i].Gateway} is given twice.", nameof(batches));
            leaves[i] = batches[i].Hash();
            frames += batches[i].Frames;
        }
        MerkleTree tree = new(leaves);
        return (new AnchorHeader(epoch, previous, tree.Root, (uint)batches.Length, frames), tree);
    }

    /// <summary>The order of leaves in an anchor's tree: gateway address, then batch number.</summary>
    public static int CompareLeaves(BatchHeader left, BatchHeader right)
    {
        int order = left.Gateway.CompareTo(right.Gateway);
        return order != 0 ? order : left.Number.CompareTo(right.Number);
    }

    /// <summary>Judges the anchor by itself.</summary>
    public AnchorHeaderFault Check()
    {
        if (Root.IsZero) return AnchorHeaderFault.RootZero;
        if (Batches == 0) return AnchorHeaderFault.BatchesZero;
        return Frames < Batches || Frames > (ulong)Batches * EvidenceLimits.BatchFramesMax
            ? AnchorHeaderFault.FrameCountOutOfRange
            : AnchorHeaderFault.None;
    }

    /// <param name="destination">At least 84 bytes; the first 84 are written.</param>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, Epoch);
        Previous.CopyTo(destination[8..]);
        Root.CopyTo(destination[40..]);
        BinaryPrimitives.WriteUInt32BigEndian(destination[72..], Batches);
        BinaryPrimitives.WriteUInt64BigEndian(destination[76..], Frames);
    }

    /// <summary>A new array of 84 bytes.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Bytes];
        Write(bytes);
        return bytes;
    }

    /// <param name="source">Exactly 84 bytes; any contents are an anchor, <see cref="Check"/> judges them.</param>
    /// <exception cref="ArgumentException">Not 84 bytes.</exception>
    public static AnchorHeader Read(ReadOnlySpan<byte> source)
    {
        if (source.Length != Bytes) throw new ArgumentException($"An anchor has {Bytes} bytes, not {source.Length}.", nameof(source));
        return new AnchorHeader(
            BinaryPrimitives.ReadUInt64BigEndian(source),
            new Hash32(source.Slice(8, 32)),
            new Hash32(source.Slice(40, 32)),
            BinaryPrimitives.ReadUInt32BigEndian(source[72..]),
            BinaryPrimitives.ReadUInt64BigEndian(source[76..]));
    }
}
