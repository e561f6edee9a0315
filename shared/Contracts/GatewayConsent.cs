using System.Numerics;
using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>A gateway's consent that an operator stakes for it: EIP-712 Join(address operator,uint256 nonce), as GatewayRegistry.join takes it.</summary>
public static class GatewayConsent
{
    private static readonly Hash32 Type = Eip712Struct.TypeHash("Join(address operator,uint256 nonce)");

    /// <summary>What the gateway's key signs.</summary>
    /// <param name="operator">Who stakes.</param>
    /// <param name="nonce">How often the signer has joined.</param>
    /// <param name="domain">Of the GatewayRegistry.</param>
    public static Hash32 Digest(Address @operator, BigInteger nonce, Eip712Domain domain)
    {
        ArgumentNullException.ThrowIfNull(domain);
        return domain.Digest(new Eip712Struct(Type).Address(@operator).Word(new Hash32(new AbiEncoder().UInt(nonce).ToArray())).Hash());
    }
}
