using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>
/// Gets the list of a device batch from peers, as a body is got: in parts, named by the batch's root, which the whole must give. A peer that does not have it says so at once;
/// nobody is blamed. Not safe for concurrent use.
/// </summary>
public sealed class MemberListFetch(BodyStore store, BodyTransfer transfer, IPeerTransport transport)
{
    private int _next;

    /// <summary>From the first connected peer that has it, each look beginning with another; null when none has.</summary>
    public async Task<byte[]?> FetchAsync(Hash32 root, CancellationToken stopping)
    {
        Address[] peers = [.. transport.Peers().Where(peer => peer.IsConnected).Select(peer => peer.Gateway).Order()];
        _next++;
        for (int i = 0; i < peers.Length; i++)
        {
            FetchOutcome outcome = await transfer.FetchAsync(peers[(_next + i) % peers.Length], root, MemberList.BytesMax, stopping, IsList).ConfigureAwait(false);
            if (outcome == FetchOutcome.Disk) return null;
            if (outcome != FetchOutcome.Complete) continue;
            byte[]? bytes = store.Read(root);
            store.DiscardPart(root);
            return bytes;
        }

        return null;

        bool IsList() => store.Read(root) is { } bytes && MemberList.TryParse(bytes, out MemberList? list, out _) && list.Root == root;
    }
}
