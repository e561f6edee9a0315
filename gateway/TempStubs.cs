#pragma warning disable
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Store;
namespace DePIN.Gateway;
public sealed class NoTransport : IPeerTransport
{
    public bool Send(Address peer, PeerMessage message) => false;
    public void Follow(Membership network) { }
    public void Blame(Address peer, int points, string reason) { }
    public IReadOnlyList<PeerState> Peers() => [];
}
public sealed class NoBodies : IBodies
{
    public bool Has(BatchSummary batch) => true;
    public Task<(BodyVerdict Verdict, ReadOnlyMemory<byte> BadFrame)> FetchAsync(Address from, BatchSummary batch, CancellationToken stopping) => throw new NotSupportedException();
}
