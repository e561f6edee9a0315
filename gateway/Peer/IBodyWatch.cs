using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>Hears of peers' batches that were fetched and checked whole.</summary>
public interface IBodyWatch
{
    /// <summary>Every frame of the batch was found good: it may be attested. Called once for each check.</summary>
    /// <param name="batch">Its header.</param>
    /// <param name="body">Its encoded body.</param>
    /// <param name="begun">When the fetch began, <see cref="TimeProvider.GetTimestamp"/>.</param>
    void Checked(BatchSummary batch, ReadOnlyMemory<byte> body, long begun);
}
