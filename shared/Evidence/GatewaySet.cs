using System.Buffers.Binary;
using System.Numerics;

namespace DePIN.Evidence;

/// <summary>
/// The active set as the GatewayRegistry stores it: signer addresses in the contract's order, because the order of the
/// Ledger's bitmask is theirs. Gives the quorum, checks attestations against it and packs them for the chain.
/// </summary>
public sealed class GatewaySet
{
    private readonly Address[] _signers;
    private readonly Dictionary<Address, int> _indexes;

    /// <param name="signers">1 to 256 different addresses, in the contract's order.</param>
    /// <param name="signersMax">What the contract's signer mask holds. Only simulations of larger networks give another.</param>
    /// <exception cref="ArgumentException">None, too many, zero, or one twice.</exception>
    public GatewaySet(IEnumerable<Address> signers, int signersMax = EvidenceLimits.GatewaysMax)
    {
        _signers = [.. signers];
        if (_signers.Length is 0 || _signers.Length > signersMax)
            throw new ArgumentException($"An active set has 1 to {signersMax} gateways.", nameof(signers));
        _indexes = new Dictionary<Address, int>(_signers.Length);
        for (int i = 0; i < _signers.Length; i++)
        {
            if (_signers[i].IsZero || !_indexes.TryAdd(_signers[i], i))
                throw new ArgumentException($"Signer {_signers[i]} is zero or given twice.", nameof(signers));
        }
    }

    /// <summary>Number of gateways, n.</summary>
    public int Count => _signers.Length;

    /// <summary>Signatures needed: floor(2n/3) + 1, so that two quorums share an honest gateway while fewer than a third are not.</summary>
    public int Quorum => 2 * Count / 3 + 1;

    /// <summary>The signers in the contract's order.</summary>
    public ReadOnlySpan<Address> Signers => _signers;

    /// <summary>Index in the contract's order, or -1.</summary>
    public int IndexOf(Address signer) => _indexes.GetValueOrDefault(signer, -1);

    /// <summary>True when active.</summary>
    public bool Contains(Address signer) => _indexes.ContainsKey(signer);

    /// <summary>Who may anchor an epoch, first to last: by keccak256(epoch u64 big-endian ‖ gateway), ascending.</summary>
    public Address[] LeadersOf(ulong epoch)
    {
        Span<byte> seed = stackalloc byte[8 + Address.Bytes];
        BinaryPrimitives.WriteUInt64BigEndian(seed, epoch);
        Hash32[] keys = new Hash32[_signers.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            _signers[i].CopyTo(seed[8..]);
            keys[i] = EthereumCrypto.Keccak256(seed);
        }
        Address[] order = [.. _signers];
        Array.Sort(keys, order);
        return order;
    }

    /// <summary>Whether these attestations over this digest are a quorum of this set.</summary>
    /// <param name="digest">The EIP-712 digest they sign.</param>
    /// <param name="attestations">Strictly ascending by gateway, each of an active gateway and rightly signed.</param>
    public QuorumFault Check(Hash32 digest, IReadOnlyList<Attestation> attestations)
    {
        if (attestations.Count > Count) return QuorumFault.TooManyAttestations;
        // Cheap checks first: a recovery costs about half a millisecond.
        for (int i = 0; i < attestations.Count; i++)
        {
            if (i > 0 && attestations[i - 1].Gateway >= attestations[i].Gateway) return QuorumFault.NotAscending;
            if (!Contains(attestations[i].Gateway)) return QuorumFault.NotActive;
        }
        if (attestations.Count < Quorum) return QuorumFault.TooFewAttestations;
        foreach (Attestation attestation in attestations)
        {
            if (!attestation.IsOver(digest)) return QuorumFault.BadSignature;
        }
        return QuorumFault.None;
    }

    /// <summary>
    /// What the contracts take: a bitmask of signers by index, and their 64-byte signatures by ascending index. Takes exactly a
    /// quorum of those given (a signature more is gas for nothing).
    /// </summary>
    /// <exception cref="ArgumentException">A gateway is not active or given twice, or there is no quorum. Signatures are not checked.</exception>
    public (BigInteger Signers, byte[] Signatures) Pack(IEnumerable<Attestation> attestations)
    {
        SortedDictionary<int, EthereumSignature> byIndex = [];
        foreach (Attestation attestation in attestations)
        {
            int index = IndexOf(attestation.Gateway);
            if (index < 0 || !byIndex.TryAdd(index, attestation.Signature))
                throw new ArgumentException($"Gateway {attestation.Gateway} is not active or given twice.", nameof(attestations));
        }
        if (byIndex.Count < Quorum)
            throw new ArgumentException($"{byIndex.Count} attestations are no quorum of {Quorum}.", nameof(attestations));
        BigInteger signers = BigInteger.Zero;
        byte[] signatures = new byte[Quorum * EthereumSignature.CompactBytes];
        int offset = 0;
        foreach ((int index, EthereumSignature signature) in byIndex.Take(Quorum))
        {
            signers |= BigInteger.One << index;
            signature.WriteCompact(signatures.AsSpan(offset));
            offset += EthereumSignature.CompactBytes;
        }
        return (signers, signatures);
    }
}

/// <summary>Why attestations are not a quorum.</summary>
public enum QuorumFault
{
    /// <summary>They are.</summary>
    None = 0,

    /// <summary>Fewer than floor(2n/3) + 1.</summary>
    TooFewAttestations,

    /// <summary>More than there are gateways.</summary>
    TooManyAttestations,

    /// <summary>Not strictly ascending by gateway address: one is given twice, or the encoding is not canonical.</summary>
    NotAscending,

    /// <summary>A gateway is not in the active set.</summary>
    NotActive,

    /// <summary>A signature is not its gateway's over this digest.</summary>
    BadSignature,
}
