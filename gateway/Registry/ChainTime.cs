using DePIN.Evidence;

namespace DePIN.Gateway.Registry;

/// <summary>
/// The time epochs go by. A chain that makes blocks only for transactions stands still in time while nobody sends one, so its epochs would never
/// advance; the pending block tells the time the next block would have. Not all endpoints have one.
/// </summary>
public static class ChainTime
{
    /// <summary>Seconds since the Unix epoch.</summary>
    public static async Task<ulong> ReadAsync(EthereumClient client, ulong number, ulong timeS, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(client);
        try
        {
            return await client.GetBlockAsync(BlockTag.Pending, stopping).ConfigureAwait(false) is { } pending && pending.Number == number + 1
                ? Math.Max(timeS, pending.Timestamp) : timeS;
        }
        catch (RpcException fault) when (fault is RpcRejectedException or RpcAnswerException) // geth gives null hashes for it
        {
            return timeS;
        }
    }
}
