using System.Collections.Concurrent;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Gateway.Reward;

/// <summary>What peers signed last: one payout each, so it is bounded by their number. Safe for concurrent use.</summary>
public sealed class PayoutVotes(Action<Address, string> blame)
{
    private readonly ConcurrentDictionary<Address, PayoutMessage> _last = new();
    private readonly ConcurrentDictionary<Address, (Attestation Vote, Hash32 Digest, bool IsGood)> _checked = new();

    /// <summary>A peer said what it signed. It speaks for itself only.</summary>
    public void Received(Address peer, PayoutMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (message.Attestation.Gateway != peer) blame(peer, "sent another gateway's signature over a payout");
        else _last[peer] = message;
    }

    /// <summary>Signatures of these gateways over this payout, ascending by gateway, each checked once.</summary>
    public IReadOnlyList<Attestation> For(Rewards.Payout payout, Eip712Domain domain, GatewaySet active)
    {
        ArgumentNullException.ThrowIfNull(active);
        Hash32 digest = RewardPayout.Digest(payout, domain);
        return [.. _last.Where(one => one.Value.Payout == payout && active.Contains(one.Key) && IsGood(one.Key, one.Value.Attestation, digest)).Select(one => one.Value.Attestation).OrderBy(vote => vote.Gateway)];
    }

    /// <summary>Gateways that computed something else for the same epoch.</summary>
    public IReadOnlyList<Address> Against(Rewards.Payout payout, GatewaySet active)
    {
        ArgumentNullException.ThrowIfNull(active);
        ArgumentNullException.ThrowIfNull(payout);
        return [.. _last.Where(one => one.Value.Payout.Epoch == payout.Epoch && one.Value.Payout != payout && active.Contains(one.Key)).Select(one => one.Key).Order()];
    }

    private bool IsGood(Address peer, Attestation vote, Hash32 digest)
    {
        if (_checked.TryGetValue(peer, out (Attestation Vote, Hash32 Digest, bool IsGood) known) && known.Vote == vote && known.Digest == digest) return known.IsGood;
        bool isGood = vote.IsOver(digest);
        _checked[peer] = (vote, digest, isGood);
        if (!isGood) blame(peer, "sent a signature over a payout that is not its own");
        return isGood;
    }
}
