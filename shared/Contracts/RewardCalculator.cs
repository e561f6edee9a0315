using System.Numerics;
using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>What is under an anchor is not known here (yet).</summary>
public sealed class AnchorContentsException(ulong ordinal, string reason) : Exception($"the batches of anchor {ordinal} are not known here{(reason.Length > 0 ? ": " + reason : "")}")
{
    /// <summary>The anchor.</summary>
    public ulong Ordinal { get; } = ordinal;
}

/// <summary>
/// From what the chain and the batches say to the payouts that gateways sign: every gateway and every auditor computes the same. Not safe for concurrent use.
/// </summary>
/// <param name="history">Followed by the caller.</param>
/// <param name="contents">The spans of the batches under an anchor, checked against it; throws <see cref="AnchorContentsException"/> when they are not known.</param>
public sealed class RewardCalculator(RewardHistory history, Func<RewardedAnchor, CancellationToken, Task<IReadOnlyList<FrameSpans>>> contents)
{
    private readonly Dictionary<ulong, Epoch> _epochs = [];

    /// <summary>The sums once a payout is made: those before, and what the epochs since then earned.</summary>
    /// <param name="before">The sums of the payout before.</param>
    /// <param name="previous">The payout before; null for the first one.</param>
    /// <param name="last">The last epoch that counts; over, and read.</param>
    /// <param name="ct">Ends it.</param>
    public async Task<RewardSums> SumsAsync(RewardSums before, PublishedPayout? previous, ulong last, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(before);
        RewardSums sums = new(before.Accounts);
        ulong first = previous is null ? history.FirstEpoch ?? ulong.MaxValue : previous.Payout.Epoch + 1;
        // The contract measures a whole payout by the emission of its end: where it was lowered, the lower one counts.
        BigInteger emission = (await history.RatesAsync(last, ct).ConfigureAwait(false)).EmissionPerDay;
        foreach (IGrouping<ulong, RewardedAnchor> anchors in history.Anchors.Where(anchor => anchor.Epoch >= first && anchor.Epoch <= last).GroupBy(anchor => anchor.Epoch))
        {
            Epoch epoch = await EpochAsync(anchors.Key, [.. anchors], ct).ConfigureAwait(false);
            RewardRates rates = epoch.Rates with { EmissionPerDay = BigInteger.Min(epoch.Rates.EmissionPerDay, emission) };
            sums.Add(RewardRule.Divide(history.TimeOf(anchors.Key + 1) - history.TimeOf(anchors.Key), rates, epoch.Devices, epoch.Gateways));
        }

        return sums;
    }

    /// <summary>The next payout to sign; null while its last epoch is not over or nobody earned anything.</summary>
    /// <param name="before">The sums of the payout before.</param>
    /// <param name="previous">The payout before; null for the first one.</param>
    /// <param name="ct">Ends it.</param>
    public async Task<(Rewards.Payout Payout, RewardSums Sums)?> NextAsync(RewardSums before, PublishedPayout? previous, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(before);
        if (previous is not null)
            foreach (ulong old in _epochs.Keys.Where(epoch => epoch <= previous.Payout.Epoch).ToList()) _epochs.Remove(old);
        if (history.Block is not { } block || await history.LeastEpochAsync(previous, block, ct).ConfigureAwait(false) is not { } least) return null;
        foreach (ulong last in history.Anchors.Select(anchor => anchor.Epoch).Where(epoch => epoch > least).Prepend(least).Distinct())
        {
            if (history.TimeOf(last + 1) > history.TimeS) return null;
            RewardSums sums = await SumsAsync(before, previous, last, ct).ConfigureAwait(false);
            if (sums.Total > before.Total) return (new Rewards.Payout(last, previous?.Payout.Root ?? Hash32.Zero, sums.Root(), sums.Total), sums);
        }

        return null;
    }

    private async Task<Epoch> EpochAsync(ulong number, IReadOnlyList<RewardedAnchor> anchors, CancellationToken ct)
    {
        if (_epochs.TryGetValue(number, out Epoch? known) && known.Anchors.SequenceEqual(anchors)) return known;
        List<(RewardedAnchor, IReadOnlyList<FrameSpans>)> work = [];
        foreach (RewardedAnchor anchor in anchors) work.Add((anchor, await contents(anchor, ct).ConfigureAwait(false)));
        (List<RewardedDevice> devices, List<RewardedGateway> gateways) = await history.WorkAsync(number, work, ct).ConfigureAwait(false);
        return _epochs[number] = new Epoch(anchors, await history.RatesAsync(number, ct).ConfigureAwait(false), devices, gateways);
    }

    private sealed record Epoch(IReadOnlyList<RewardedAnchor> Anchors, RewardRates Rates, IReadOnlyList<RewardedDevice> Devices, IReadOnlyList<RewardedGateway> Gateways);
}
