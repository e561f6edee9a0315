using System.Diagnostics.CodeAnalysis;
using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>One view call: encode, eth_call, decode.</summary>
public static class ContractCall
{
    /// <summary>Reads what a function returned; false when that is not its encoding.</summary>
    public delegate bool TryDecode<T>(ReadOnlyMemory<byte> data, [MaybeNullWhen(false)] out T result);

    /// <summary>Calls and decodes.</summary>
    /// <exception cref="RpcAnswerException">What came back is not this function's result: usually no such contract is there.</exception>
    public static async Task<T> ReadAsync<T>(
        EthereumClient client, Address contract, string what, byte[] call, TryDecode<T> decode, BlockTag at, CancellationToken ct)
    {
        byte[] data = await client.CallAsync(new CallRequest(contract, call), at, ct).ConfigureAwait(false);
        return decode(data, out T? result)
            ? result
            : throw new RpcAnswerException("result", $"{contract.ToChecksumString()} does not answer {what} as that contract does: check the address and the chain");
    }
}
