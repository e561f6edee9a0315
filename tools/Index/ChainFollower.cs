using DePIN.Evidence;
using DePIN.Gateway.Registry;

namespace DePIN.Index;

/// <summary>
/// Brings the index to the newest block: what the registries and the ledger said, in ranges of blocks, each with its place to go on from. What a
/// reorganisation took from the chain is taken from the index first. The chain is believed; its endpoint is checked as far as that goes without a second one: logs belong to the
/// branch that the blocks around them are on, anchors follow one another.
/// </summary>
public sealed class ChainFollower(IChainReader chain, IndexStore store, ulong deployedAtBlock, Action<string> say)
{
    /// <summary>Blocks read at once.</summary>
    public const ulong RangeBlocks = 2_000;

    /// <summary>Looks at an endpoint that is behind what was read, before that is believed to be a shorter chain.</summary>
    public const int BehindMax = 5;

    private int _behind;

    /// <summary>The newest block, as of the last call.</summary>
    public ulong Head { get; private set; }

    /// <summary>Reads everything new; true when the newest block is read.</summary>
    public async Task<bool> FollowAsync(CancellationToken stopping)
    {
        BlockMark head = await chain.HeadAsync(stopping).ConfigureAwait(false);
        Head = head.Number;
        if (!await IsOnChainAsync(head, stopping).ConfigureAwait(false)) return false;
        ulong next = store.Last is { } last ? last.Number + 1 : deployedAtBlock;
        while (next <= head.Number)
        {
            ulong to = Math.Min(head.Number, next + RangeBlocks - 1);
            BlockMark? end = to == head.Number ? head : await chain.BlockAsync(to, stopping).ConfigureAwait(false);
            if (end is null) return false; // the chain got shorter while we read: the next look sees why
            IReadOnlyList<ChainEvent> events = await chain.EventsAsync(next, to, stopping).ConfigureAwait(false);
            Dictionary<ulong, Hash32> hashes = [];
            foreach (ulong block in events.OfType<LedgerAppended>().Select(anchor => anchor.Block).Distinct())
            {
                if (await chain.BlockAsync(block, stopping).ConfigureAwait(false) is not { } mark) return false;
                hashes[block] = mark.Hash;
            }

            // The logs belong to this branch only if its end and the block before its start are still there.
            if (await MovedAsync(to, end.Hash, stopping).ConfigureAwait(false)) return false;
            if (store.Last is { } before && await MovedAsync(before.Number, before.Hash, stopping).ConfigureAwait(false)) return false;
            await store.ApplyAsync(events, end, hashes, head.Number, stopping).ConfigureAwait(false);
            next = to + 1;
        }

        return true;
    }

    private async Task<bool> IsOnChainAsync(BlockMark head, CancellationToken stopping)
    {
        if (store.Last is not { } last) return true;
        if (head.Number >= last.Number && !await MovedAsync(last.Number, last.Hash, stopping).ConfigureAwait(false))
        {
            _behind = 0;
            return true;
        }

        // The marks that are still on the chain are its oldest ones: find the newest of them by halving.
        List<(ulong Number, Hash32 Hash)> marks = await store.BlocksAsync(stopping).ConfigureAwait(false);
        int low = 0, high = marks.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (marks[middle].Number <= head.Number && !await MovedAsync(marks[middle].Number, marks[middle].Hash, stopping).ConfigureAwait(false)) high = middle;
            else low = middle + 1;
        }

        // The same branch but shorter: most likely another endpoint that lags.
        if (low < marks.Count && marks.Take(low).All(mark => mark.Number > head.Number) && ++_behind < BehindMax) return false;
        _behind = 0;
        (ulong Number, Hash32 Hash)? kept = low < marks.Count ? marks[low] : null;
        long anchors = await store.TakeBackAsync(kept, stopping).ConfigureAwait(false);
        say($"the chain reorganised: read again after block {kept?.Number ?? deployedAtBlock}, {anchors} anchors taken back");
        return true;
    }

    private async Task<bool> MovedAsync(ulong number, Hash32 hash, CancellationToken stopping) => (await chain.BlockAsync(number, stopping).ConfigureAwait(false))?.Hash != hash;
}
