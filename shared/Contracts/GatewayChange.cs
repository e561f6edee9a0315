using System.Numerics;
using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>
/// A change of the active set as the GatewayRegistry contract takes it: signed by a quorum of the present set over EIP-712
/// Change(uint64 version,Gateway[] added,address[] removed), with the present version as nonce.
/// </summary>
/// <param name="Version">Of the set that signs.</param>
/// <param name="Added">Gateways to add; they come at the end of the set.</param>
/// <param name="Removed">Signers to remove.</param>
public sealed record GatewayChange(ulong Version, IReadOnlyList<GatewayRegistry.Gateway> Added, IReadOnlyList<Address> Removed)
{
    private static readonly Hash32 GatewayType = Eip712Struct.TypeHash("Gateway(address signer,bytes32 tlsKeyHash,string endpoint)");

    private static readonly Hash32 ChangeType = Eip712Struct.TypeHash(
        "Change(uint64 version,Gateway[] added,address[] removed)Gateway(address signer,bytes32 tlsKeyHash,string endpoint)");

    /// <summary>What the gateways sign.</summary>
    /// <param name="domain">Of the GatewayRegistry.</param>
    public Hash32 Digest(Eip712Domain domain)
    {
        ArgumentNullException.ThrowIfNull(domain);
        byte[] added = [.. Added.SelectMany(g => new Eip712Struct(GatewayType).Address(g.Signer).Word(g.TlsKeyHash)
            .Word(EthereumCrypto.Keccak256(System.Text.Encoding.UTF8.GetBytes(g.Endpoint))).Hash().ToArray())];
        byte[] removed = [.. Removed.SelectMany(r => new byte[12].Concat(r.ToArray()))];
        return domain.Digest(new Eip712Struct(ChangeType).UInt(Version).Word(EthereumCrypto.Keccak256(added)).Word(EthereumCrypto.Keccak256(removed)).Hash());
    }

    /// <summary>The call that makes the change.</summary>
    /// <param name="active">The present set.</param>
    /// <param name="attestations">At least a quorum of it, over <see cref="Digest"/>.</param>
    public byte[] Encode(GatewaySet active, IEnumerable<Attestation> attestations)
    {
        ArgumentNullException.ThrowIfNull(active);
        (BigInteger signers, byte[] signatures) = active.Pack(attestations);
        return GatewayRegistry.EncodeChange(Added, Removed, signers, signatures);
    }
}
