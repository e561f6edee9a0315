using System.Numerics;

namespace DePIN.Evidence;

/// <summary>
/// An EIP-1559 transaction (type 2) without access list:
/// 0x02 ‖ rlp([chainId, nonce, maxPriorityFeePerGas, maxFeePerGas, gasLimit, to, value, data, accessList, yParity, r, s]).
/// </summary>
/// <param name="ChainId">EIP-155 chain id.</param>
/// <param name="Nonce">The sender's transaction count.</param>
/// <param name="MaxPriorityFeePerGas">Tip, wei per gas.</param>
/// <param name="MaxFeePerGas">Base fee and tip at most, wei per gas.</param>
/// <param name="GasLimit">Gas at most.</param>
/// <param name="To">The callee; null creates a contract from <paramref name="Data"/>.</param>
/// <param name="Value">Wei sent along.</param>
/// <param name="Data">Call data, or creation code.</param>
public sealed record Transaction(
    ulong ChainId,
    ulong Nonce,
    BigInteger MaxPriorityFeePerGas,
    BigInteger MaxFeePerGas,
    ulong GasLimit,
    Address? To,
    BigInteger Value,
    ReadOnlyMemory<byte> Data)
{
    private const byte Type = 2;

    /// <summary>What the sender signs: keccak256(0x02 ‖ rlp of the nine unsigned fields).</summary>
    public Hash32 SigningDigest() => EthereumCrypto.Keccak256(Encode(null));

    /// <summary>Signs it.</summary>
    public SignedTransaction Sign(IEthereumSigner signer)
    {
        ArgumentNullException.ThrowIfNull(signer);
        byte[] raw = Encode(signer.Sign(SigningDigest()));
        return new SignedTransaction(this, signer.Address, raw, EthereumCrypto.Keccak256(raw));
    }

    private byte[] Encode(EthereumSignature? signature)
    {
        RlpWriter writer = new();
        writer.List(fields =>
        {
            fields.UInt(ChainId).UInt(Nonce).UInt(MaxPriorityFeePerGas).UInt(MaxFeePerGas).UInt(GasLimit)
                .Bytes(To is Address to ? to.ToArray() : []).UInt(Value).Bytes(Data.Span).List(static _ => { });
            if (signature is EthereumSignature s) fields.UInt(s.YParity).UInt(Integer(s.R)).UInt(Integer(s.S));
        });
        return [Type, .. writer.ToArray()];
    }

    private static BigInteger Integer(Hash32 word) => new(word.ToArray(), isUnsigned: true, isBigEndian: true);
}

/// <summary>A transaction ready to send.</summary>
/// <param name="Transaction">The fields.</param>
/// <param name="From">The signer's account.</param>
/// <param name="Raw">Bytes for eth_sendRawTransaction.</param>
/// <param name="Hash">keccak256 of them: the transaction's hash.</param>
public sealed record SignedTransaction(Transaction Transaction, Address From, byte[] Raw, Hash32 Hash);
