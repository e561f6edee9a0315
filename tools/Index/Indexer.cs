using DePIN.Evidence;
using DePIN.Gateway.Registry;
using Npgsql;

namespace DePIN.Index;

/// <summary>
/// The indexer's one loop: follow the chain, then get the batches of new anchors, then their bodies, until there is nothing due; look again. Bodies of a group are fetched and checked
/// while the group before is written. Bounded: a group has <see cref="GroupFramesMax"/> frames at most (76 MB), two are in memory. Trouble with chain, gateways or database is
/// told and waited out.
/// </summary>
public sealed class Indexer(ChainFollower chain, EvidenceFetcher evidence, IndexStore store, TimeProvider time, TimeSpan pollInterval, Action<string> say)
{
    /// <summary>Frames that are written in one transaction.</summary>
    public const int GroupFramesMax = EvidenceLimits.BatchFramesMax;

    /// <summary>Batches that are written in one transaction.</summary>
    public const int GroupBatchesMax = 256;

    /// <summary>Requests to gateways at once: a gateway sends four bodies at once.</summary>
    public const int RequestsMax = 4;

    /// <summary>The chain is looked at again after so long, however much there is to fetch.</summary>
    public static readonly TimeSpan FetchSlice = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan BackoffMax = TimeSpan.FromSeconds(30);

    /// <summary>Follows until <paramref name="stopping"/>.</summary>
    /// <param name="once">End when everything that is to be had now is indexed.</param>
    /// <param name="stopping">Ends it.</param>
    /// <exception cref="IndexException">The database is another network's, or another process writes into it.</exception>
    /// <returns>What is indexed, when it ended because of <paramref name="once"/>.</returns>
    public async Task<IndexCounts> RunAsync(bool once, CancellationToken stopping)
    {
        TimeSpan backoff = pollInterval;
        bool isOpen = false;
        IndexCounts? told = null;
        while (true)
        {
            try
            {
                if (!isOpen) await store.OpenAsync(stopping).ConfigureAwait(false);
                isOpen = true;
                bool isCurrent = await chain.FollowAsync(stopping).ConfigureAwait(false);
                bool isDone = await FetchAsync(stopping).ConfigureAwait(false);
                await store.SaveSourcesAsync(evidence.Sources, stopping).ConfigureAwait(false);
                IndexCounts counts = await store.CountsAsync(stopping).ConfigureAwait(false);
                if (counts != told)
                {
                    told = counts;
                    say($"block {store.Last?.Number} of {chain.Head}: {counts.Anchors} anchors, {counts.Batches} batches, {counts.Frames} frames{(counts.Gaps > 0 ? $", {counts.Gaps} gaps" : "")}");
                }

                backoff = pollInterval;
                if (once && isCurrent && isDone) return counts;
                if (!isDone) continue;
            }
            catch (Exception trouble) when (trouble is RpcException or ChainMismatchException or InvalidDataException)
            {
                say($"the chain: {trouble.Message}");
                backoff = Longer(backoff);
            }
            catch (Exception trouble) when (trouble is NpgsqlException or InvalidOperationException { InnerException: NpgsqlException } or IOException or TimeoutException)
            {
                say($"the database: {trouble.Message}");
                isOpen = false; // a transaction that was not acknowledged may have happened or not: the database says
                backoff = Longer(backoff);
            }

            await Task.Delay(backoff, time, stopping).ConfigureAwait(false);
        }
    }

    /// <summary>Gets what is due; true when nothing is left that is due now.</summary>
    private async Task<bool> FetchAsync(CancellationToken stopping)
    {
        long began = time.GetTimestamp();
        while (await store.UnknownAnchorsAsync(RequestsMax * 8, stopping).ConfigureAwait(false) is { Count: > 0 } anchors)
        {
            List<Gap> gaps = [];
            (AnchorWork Work, (List<AnchoredBatch>? Batches, Gap? Gap) Got)[] got = await EachAsync(anchors, evidence.BatchesAsync, stopping).ConfigureAwait(false);
            foreach ((AnchorWork work, (List<AnchoredBatch>? batches, Gap? gap)) in got)
            {
                if (batches is not null) await store.SaveContentsAsync(work, batches, stopping).ConfigureAwait(false);
                else gaps.Add(gap!);
            }

            await store.SaveGapsAsync(gaps, stopping).ConfigureAwait(false);
            if (time.GetElapsedTime(began) > FetchSlice) break;
        }

        Group? group = await NextAsync([], stopping).ConfigureAwait(false);
        while (group is not null)
        {
            Group now = group;
            // The next group is fetched while this one is written. What is being written is still "missing" in the database: it is left out by its name.
            Task<Group?> next = time.GetElapsedTime(began) < FetchSlice ? NextAsync(now.Work, stopping) : Task.FromResult<Group?>(null);
            try
            {
                await SaveAsync(now, stopping).ConfigureAwait(false);
            }
            finally
            {
                await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // nothing of it goes on behind our back
            }

            group = await next.ConfigureAwait(false);
        }

        return time.GetElapsedTime(began) < FetchSlice;
    }

    /// <summary>The next batches that are due, fetched and checked; null when none is.</summary>
    private async Task<Group?> NextAsync(IReadOnlyList<BatchWork> underWay, CancellationToken stopping)
    {
        List<BatchWork> due = await store.MissingBatchesAsync(GroupBatchesMax + underWay.Count, stopping).ConfigureAwait(false);
        HashSet<(ulong, int)> named = [.. underWay.Select(work => (work.Ordinal, work.Position))];
        int frames = 0;
        List<BatchWork> work = [.. due.Where(batch => !named.Contains((batch.Ordinal, batch.Position))).TakeWhile((batch, i) => i == 0 || (frames += (int)batch.Header.Frames) <= GroupFramesMax).Take(GroupBatchesMax)];
        if (work.Count == 0) return null;
        (BatchWork Work, (CheckedBatch? Batch, Gap? Gap) Got)[] got = await EachAsync(work,
            (batch, stop) => evidence.BodyAsync(batch, (devices, block) => store.KeysAsync(devices, block, stop), stop), stopping).ConfigureAwait(false);
        return new Group(work, [.. got.Select(one => one.Got.Batch).OfType<CheckedBatch>()], [.. got.Select(one => one.Got.Gap).OfType<Gap>()]);
    }

    private async Task SaveAsync(Group group, CancellationToken stopping)
    {
        List<Gap> gaps = [.. group.Gaps];
        try
        {
            if (group.Checked.Count > 0) await store.SaveFramesAsync(group.Checked, stopping).ConfigureAwait(false);
        }
        catch (RepeatedFrameException)
        {
            foreach (CheckedBatch batch in group.Checked)
            {
                try
                {
                    await store.SaveFramesAsync([batch], stopping).ConfigureAwait(false);
                }
                catch (RepeatedFrameException twice)
                {
                    gaps.Add(new Gap(batch.Work.Ordinal, batch.Work.Position, GapReason.BadFrame, $"a frame is in another batch of this anchor too: {twice.Message}"));
                }
            }
        }

        await store.SaveGapsAsync(gaps, stopping).ConfigureAwait(false);
    }

    private static async Task<(TWork Work, TGot Got)[]> EachAsync<TWork, TGot>(IReadOnlyList<TWork> all, Func<TWork, CancellationToken, Task<TGot>> get, CancellationToken stopping)
    {
        (TWork, TGot)[] got = new (TWork, TGot)[all.Count];
        await Parallel.ForAsync(0, all.Count, new ParallelOptions { MaxDegreeOfParallelism = RequestsMax, CancellationToken = stopping },
            async (i, stop) => got[i] = (all[i], await get(all[i], stop).ConfigureAwait(false))).ConfigureAwait(false);
        return got;
    }

    private static TimeSpan Longer(TimeSpan backoff) => TimeSpan.FromTicks(Math.Min(Math.Max(backoff.Ticks * 2, TimeSpan.TicksPerSecond / 4), BackoffMax.Ticks));

    private sealed record Group(IReadOnlyList<BatchWork> Work, IReadOnlyList<CheckedBatch> Checked, IReadOnlyList<Gap> Gaps);
}
