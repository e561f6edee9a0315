#pragma warning disable
using DePIN.Evidence;
using DePIN.Gateway.Peer;
namespace DePIN.Gateway;
public sealed class NoBodies : IBodies
{
    public bool Has(BatchSummary batch) => true;
    public Task<(BodyVerdict Verdict, ReadOnlyMemory<byte> BadFrame)> FetchAsync(Address from, BatchSummary batch, CancellationToken stopping) => throw new NotSupportedException();
}
