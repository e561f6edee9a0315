namespace DePIN.Evidence;

/// <summary>
/// Signs as one Ethereum account: with a key in this process (<see cref="GatewaySigner"/>), or with one that never leaves a key module. Thread safe.
/// </summary>
public interface IEthereumSigner : IDisposable
{
    /// <summary>The account of the key.</summary>
    Address Address { get; }

    /// <summary>Signs a 32-byte digest, with low s (EIP-2).</summary>
    /// <exception cref="ObjectDisposedException">The key was disposed.</exception>
    EthereumSignature Sign(Hash32 digest);
}
