using System.Numerics;

namespace DePIN.Evidence;

/// <summary>
/// What every account earned since the beginning, and the tree over it whose root the Rewards contract takes: leaves
/// keccak256(keccak256(abi.encode(account, cumulative))), ascending by account, pairs sorted (OpenZeppelin's MerkleProof). Not safe for concurrent use.
/// </summary>
public sealed class RewardSums
{
    private readonly SortedDictionary<Address, BigInteger> _sums = [];

    /// <summary>Nothing earned yet.</summary>
    public RewardSums()
    {
    }

    /// <summary>A copy, or sums that were kept.</summary>
    public RewardSums(IEnumerable<KeyValuePair<Address, BigInteger>> sums)
    {
        ArgumentNullException.ThrowIfNull(sums);
        foreach ((Address account, BigInteger sum) in sums)
        {
            if (sum <= 0 || sum.GetBitLength() > 128 || !_sums.TryAdd(account, sum)) throw new ArgumentException($"The sum of {account} is none, or is given twice.", nameof(sums));
            Total += sum;
        }
    }

    /// <summary>Accounts and sums, ascending by account.</summary>
    public IReadOnlyCollection<KeyValuePair<Address, BigInteger>> Accounts => _sums;

    /// <summary>Of all accounts.</summary>
    public BigInteger Total { get; private set; }

    /// <summary>What an account earned; zero when nothing.</summary>
    public BigInteger Of(Address account) => _sums.GetValueOrDefault(account);

    /// <summary>Adds what accounts earned in an epoch.</summary>
    public void Add(IEnumerable<KeyValuePair<Address, BigInteger>> earned)
    {
        ArgumentNullException.ThrowIfNull(earned);
        foreach ((Address account, BigInteger amount) in earned)
        {
            if (amount <= 0) continue;
            _sums[account] = _sums.GetValueOrDefault(account) + amount;
            Total += amount;
        }
    }

    /// <summary>The root over all accounts; zero when nobody earned anything.</summary>
    public Hash32 Root() => _sums.Count == 0 ? Hash32.Zero : MerkleTree.RootInPlace(Leaves());

    /// <summary>The path from an account's leaf to the root; null when it earned nothing.</summary>
    public Hash32[]? PathOf(Address account)
    {
        int place = 0;
        foreach (Address one in _sums.Keys)
        {
            if (one == account) return new MerkleTree(Leaves()).Proof(place);
            place++;
        }

        return null;
    }

    /// <summary>An account's leaf. Hashed twice, so that no pair of nodes can pose as one.</summary>
    public static Hash32 Leaf(Address account, BigInteger cumulative) =>
        EthereumCrypto.Keccak256(EthereumCrypto.Keccak256(new AbiEncoder().Address(account).UInt(cumulative).ToArray()).ToArray());

    private Hash32[] Leaves() => [.. _sums.Select(one => Leaf(one.Key, one.Value))];
}
