using System.Buffers.Binary;
using DePIN.Evidence;

namespace DePIN.Gateway.Attest;

/// <summary>
/// Who attests a gateway's batches in an epoch when the network is too large for everyone to: the author and others drawn from
/// keccak256(epoch u64 big-endian ‖ author ‖ counter u32), so that anyone draws the same. The draw costs a few hashes, whatever the network's size.
/// </summary>
public sealed class Committee
{
    private readonly HashSet<Address> _members;

    private Committee(HashSet<Address> members) => _members = members;

    /// <summary>The members, the author among them.</summary>
    public IReadOnlyCollection<Address> Members => _members;

    /// <summary>Attestations needed: floor(2C/3) + 1.</summary>
    public int Quorum => 2 * _members.Count / 3 + 1;

    /// <summary>True when a member.</summary>
    public bool Contains(Address gateway) => _members.Contains(gateway);

    /// <summary>Draws.</summary>
    /// <param name="active">The network.</param>
    /// <param name="author">Whose batches.</param>
    /// <param name="epoch">When.</param>
    /// <param name="size">Members, the author included; at most the network's size.</param>
    public static Committee Draw(GatewaySet active, Address author, ulong epoch, int size)
    {
        ArgumentNullException.ThrowIfNull(active);
        HashSet<Address> members = [author];
        ReadOnlySpan<Address> signers = active.Signers;
        int wanted = Math.Min(size, active.Contains(author) ? signers.Length : signers.Length + 1);
        Span<byte> seed = stackalloc byte[8 + Address.Bytes + 4];
        Span<byte> draw = stackalloc byte[Hash32.Bytes];
        BinaryPrimitives.WriteUInt64BigEndian(seed, epoch);
        author.CopyTo(seed[8..]);
        for (uint counter = 0; members.Count < wanted; counter++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(seed[28..], counter);
            EthereumCrypto.Keccak256(seed).CopyTo(draw);
            // Eight draws of 32 bits a hash. The bias of the remainder is below 2^-22 for networks of a thousand.
            for (int at = 0; at < Hash32.Bytes && members.Count < wanted; at += 4)
                members.Add(signers[(int)(BinaryPrimitives.ReadUInt32BigEndian(draw[at..]) % (uint)signers.Length)]);
        }

        return new Committee(members);
    }
}
