using System.Globalization;
using System.Numerics;
using DePIN.Cli.Contracts;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Index;

namespace DePIN.Cli.Audit;

/// <summary>What an audit found.</summary>
/// <param name="Lines">What agrees, for a person.</param>
/// <param name="Difference">The first thing that does not; null when all agrees.</param>
public sealed record AuditReport(IReadOnlyList<string> Lines, string? Difference);

/// <summary>
/// Goes through every published root from the first one on, or from a later one, computes it, and compares: with the chain, and account by account with what each gateway serves. Nothing that a
/// gateway says is believed: batches must give the anchor's root, spans what the batch's header commits to, the accounts to start from the root on chain. A gateway that serves something else is a
/// difference.
/// </summary>
public sealed class Auditor : IDisposable
{
    private readonly NetworkAccess _network;
    private readonly IReadOnlyList<GatewaySource> _sources;
    private readonly bool _bodies;
    private readonly EvidenceFetcher _evidence;
    private readonly DeviceRegistryReader _devices;
    private readonly RewardHistory _history;
    private readonly RewardCalculator _calculator;
    private string? _lie;
    private ulong _frames;
    private int _batches;

    public Auditor(NetworkAccess network, IReadOnlyList<GatewaySource> sources, bool bodies, Action<string> say)
    {
        ArgumentNullException.ThrowIfNull(network);
        (_network, _sources, _bodies) = (network, sources, bodies);
        _evidence = new EvidenceFetcher(sources, text =>
        {
            _lie ??= text;
            say(text);
        });
        _devices = new DeviceRegistryReader(network.Client, network.Record.DeviceRegistry);
        _history = new RewardHistory(new RewardChain(network.Client), RewardContracts.Of(network.Record)!, network.Record.DeployedAtBlock);
        _calculator = new RewardCalculator(_history, ContentsAsync);
    }

    /// <param name="from">Starts after the payout that counts this epoch; null: with the first one.</param>
    /// <param name="epoch">The last epoch to audit; null: as far as roots are published.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task<AuditReport> RunAsync(ulong? from, ulong? epoch, CancellationToken cancel)
    {
        ulong head = await _network.Client.GetBlockNumberAsync(cancel).ConfigureAwait(false);
        while (!await _history.FollowAsync(head, cancel).ConfigureAwait(false)) await Task.Delay(TimeSpan.FromSeconds(1), cancel).ConfigureAwait(false);
        List<PublishedPayout> payouts = [.. _history.Payouts];
        int count = epoch is null ? payouts.Count : payouts.FindIndex(one => one.Payout.Epoch >= epoch) + 1;
        if (count == 0) throw new CliError(ExitCode.Failed, epoch is null ? "no root is published yet" : $"no published root counts epoch {epoch} yet", "audit again later; gateways publish when the root before is good for claims");
        int start = from is null ? 0 : payouts.FindIndex(one => one.Payout.Epoch >= from) + 1;
        if (from is not null && (start == 0 || start >= count))
            throw new CliError(ExitCode.BadInput, $"--from {from}: no root after the one that counts this epoch is to be audited", $"published are roots up to the epochs {Epochs(payouts)}; name an earlier one");

        List<string> lines = [];
        RewardSums sums = new();
        if (start > 0)
        {
            (RewardSums? before, string? lie) = await BeforeAsync(payouts[start - 1].Payout, lines, cancel).ConfigureAwait(false);
            if (lie is not null) return new AuditReport(lines, lie);
            sums = before!;
        }

        for (int i = start; i < count; i++)
        {
            Rewards.Payout payout = payouts[i].Payout;
            try
            {
                sums = await _calculator.SumsAsync(sums, i == 0 ? null : payouts[i - 1], payout.Epoch, cancel).ConfigureAwait(false);
            }
            catch (AnchorContentsException missing)
            {
                if (_lie is not null) return new AuditReport(lines, _lie);
                throw new CliError(ExitCode.Unreachable, missing.Message, "name more gateways with --gateway");
            }

            if (_lie is not null) return new AuditReport(lines, _lie);
            if (sums.Root() != payout.Root)
                return new AuditReport(lines, await FirstAsync(payout, sums, cancel).ConfigureAwait(false)
                    ?? $"payout up to epoch {payout.Epoch}: the chain has root {payout.Root} and total {TokenAmount.Format(payout.Total)}, computed are {sums.Root()} and {TokenAmount.Format(sums.Total)}");
            if (sums.Total != payout.Total) return new AuditReport(lines, $"payout up to epoch {payout.Epoch}: the chain has the total {TokenAmount.Format(payout.Total)}, computed is {TokenAmount.Format(sums.Total)}");
        }

        Rewards.Payout last = payouts[count - 1].Payout;
        lines.Add($"{count - start} published {(count - start == 1 ? "root" : "roots")}{(start > 0 ? $" after epoch {payouts[start - 1].Payout.Epoch}" : "")} up to epoch {last.Epoch}: each is what was computed from {_batches} batches with {_frames} frames; {sums.Accounts.Count} accounts earned {TokenAmount.Format(sums.Total)} tokens");
        return new AuditReport(lines, await FirstAsync(last, sums, cancel, lines).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public void Dispose() => _evidence.Dispose();

    /// <summary>What accounts had earned by an earlier payout: as gateways serve it, where it gives the root and the total on chain. One that serves something else lies.</summary>
    private async Task<(RewardSums? Sums, string? Lie)> BeforeAsync(Rewards.Payout payout, List<string> lines, CancellationToken cancel)
    {
        RewardSums? good = null;
        List<string> without = [];
        foreach (GatewaySource source in _sources)
        {
            SourceAnswer<Dictionary<Address, BigInteger>> answer = await source.EarnedAsync(payout.Epoch, cancel).ConfigureAwait(false);
            if (answer.Value is not { } said)
            {
                without.Add($"{source.Name} {answer.Words}");
                continue;
            }

            if (said.Values.Any(sum => sum <= 0 || sum.GetBitLength() > 128)) return (null, $"payout up to epoch {payout.Epoch}: {source.Name} says of an account what no sum can be");
            RewardSums sums = new(said);
            if (sums.Root() != payout.Root || sums.Total != payout.Total)
                return (null, $"payout up to epoch {payout.Epoch}: what {source.Name} says of {said.Count} accounts gives root {sums.Root()} and total {TokenAmount.Format(sums.Total)}, the chain has {payout.Root} and {TokenAmount.Format(payout.Total)}");
            good = sums;
        }

        if (good is null)
            throw new CliError(ExitCode.Unreachable, $"no gateway serves the accounts of the payout up to epoch {payout.Epoch} ({string.Join("; ", without)})", "gateways keep the newest 8 payouts: name a later one with --from, more gateways with --gateway, or leave --from out");
        lines.Add($"started from the payout up to epoch {payout.Epoch}: {good.Accounts.Count} accounts that give its root on chain");
        return (good, null);
    }

    private static string Epochs(IEnumerable<PublishedPayout> payouts) => string.Join(", ", payouts.TakeLast(8).Select(one => one.Payout.Epoch));

    /// <summary>The first account of which a gateway says something else; gateways that do not keep this payout say nothing.</summary>
    private async Task<string?> FirstAsync(Rewards.Payout payout, RewardSums sums, CancellationToken cancel, List<string>? lines = null)
    {
        foreach (GatewaySource source in _sources)
        {
            SourceAnswer<Dictionary<Address, BigInteger>> answer = await source.EarnedAsync(payout.Epoch, cancel).ConfigureAwait(false);
            if (answer.Value is not { } said)
            {
                lines?.Add($"{source.Name}: {answer.Words}");
                continue;
            }

            foreach (Address account in said.Keys.Concat(sums.Accounts.Select(one => one.Key)).Distinct().Order())
            {
                BigInteger theirs = said.GetValueOrDefault(account), ours = sums.Of(account);
                if (theirs != ours)
                    return $"payout up to epoch {payout.Epoch}: {source.Name} says that {account.ToChecksumString()} earned {TokenAmount.Format(theirs)} tokens, computed are {TokenAmount.Format(ours)}";
            }

            lines?.Add($"{source.Name}: the same for each of {said.Count} accounts");
        }

        return null;
    }

    private async Task<IReadOnlyList<FrameSpans>> ContentsAsync(RewardedAnchor anchor, CancellationToken cancel)
    {
        DePIN.Contracts.LedgerEntry entry = anchor.Entry;
        (List<AnchoredBatch>? batches, Gap? gap) = await _evidence.BatchesAsync(new AnchorWork(entry.Ordinal, entry.Header), cancel).ConfigureAwait(false);
        if (batches is null) throw new AnchorContentsException(entry.Ordinal, gap!.Detail);
        List<FrameSpans> all = [];
        for (int i = 0; i < batches.Count; i++)
        {
            FrameSpans spans = _bodies ? await BodyAsync(entry, i, batches[i], cancel).ConfigureAwait(false) : await SpansAsync(entry, i, batches[i], cancel).ConfigureAwait(false);
            all.Add(spans);
            (_batches, _frames) = (_batches + 1, _frames + spans.Frames);
        }

        return all;
    }

    private async Task<FrameSpans> SpansAsync(DePIN.Contracts.LedgerEntry entry, int leaf, AnchoredBatch batch, CancellationToken cancel)
    {
        (FrameSpans? spans, Gap? gap) = await _evidence.SpansAsync(entry.Ordinal, leaf, batch, cancel).ConfigureAwait(false);
        return spans ?? throw new AnchorContentsException(entry.Ordinal, gap!.Detail);
    }

    private async Task<FrameSpans> BodyAsync(DePIN.Contracts.LedgerEntry entry, int leaf, AnchoredBatch batch, CancellationToken cancel)
    {
        BatchWork work = new(entry.Ordinal, entry.Hash, entry.BlockNumber, leaf, batch.Header, batch.FramesHash);
        (CheckedBatch? got, Gap? gap) = await _evidence.BodyAsync(work, (devices, _) => KeysAsync(devices, cancel), cancel).ConfigureAwait(false);
        if (got is null && gap!.Reason == GapReason.BadFrame) _lie ??= $"anchor {entry.Ordinal}, batch {batch.Header.Number.ToString(CultureInfo.InvariantCulture)} of {batch.Header.Gateway.ToChecksumString()}: {gap.Detail}";
        return got is not null ? FrameSpans.Of(got.Body)! : throw new AnchorContentsException(entry.Ordinal, gap!.Detail);
    }

    /// <summary>Every key that these devices have or had: an old frame was signed with an old one.</summary>
    private async Task<ILookup<Address, byte[]>> KeysAsync(IReadOnlyCollection<Address> devices, CancellationToken cancel)
    {
        List<(Address Device, byte[] Key)> keys = [];
        foreach (Address device in devices)
            foreach (ReadOnlyMemory<byte> key in await _devices.ReadKeysAsync(device.ToArray(), default, cancel).ConfigureAwait(false)) keys.Add((device, key.ToArray()));
        return keys.ToLookup(one => one.Device, one => one.Key);
    }
}
