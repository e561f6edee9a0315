using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Gateway.Peer;

/// <summary>
/// The bodies as the core's stage asks for them: fetched, checked whole, then kept durably. A body counts as checked for a header only when it was
/// compared with that header in this process; after a restart, or for another header over the same frames, what is on disk is checked again
/// without being fetched.
/// </summary>
/// <param name="store">Peers' bodies.</param>
/// <param name="transfer">Gets them.</param>
/// <param name="check">Checks them.</param>
/// <param name="keysOf">A device's public keys (X ‖ Y) from the followed registry, or of a member of a device batch, the present one first; none when it is neither.</param>
/// <param name="keysNow">Asks the chain itself for them; throws when it cannot be asked.</param>
/// <param name="isOwn">True when the batch is this gateway's own and its frames are in the frame store.</param>
/// <param name="log">For what fails.</param>
/// <param name="watch">Hears of each checked body; null: nobody.</param>
/// <param name="time">For <paramref name="watch"/>.</param>
public sealed class PeerBodyKeeper(BodyStore store, BodyTransfer transfer, BodyCheck check, Func<Address, IReadOnlyList<ReadOnlyMemory<byte>>> keysOf,
    Func<Address, CancellationToken, ValueTask<IReadOnlyList<ReadOnlyMemory<byte>>>> keysNow, Func<BatchSummary, bool> isOwn, ILogger log,
    IBodyWatch? watch = null, TimeProvider? time = null) : IBodies
{
    /// <summary>Headers remembered as checked; then half of them is forgotten.</summary>
    private const int CheckedMax = 8_192;

    private readonly Lock _gate = new();
    private readonly Queue<Hash32> _order = new();
    private readonly HashSet<Hash32> _checked = [];

    /// <inheritdoc/>
    public bool Has(BatchSummary batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        bool known;
        lock (_gate) known = _checked.Contains(batch.Hash);
        return (known && store.Has(batch.FramesHash)) || isOwn(batch);
    }

    /// <inheritdoc/>
    public async Task<(BodyVerdict Verdict, ReadOnlyMemory<byte> BadFrame)> FetchAsync(Address from, BatchSummary batch, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (Has(batch)) return (BodyVerdict.Good, default);
        long begun = time?.GetTimestamp() ?? 0;
        try
        {
            if (!store.Has(batch.FramesHash) && !store.IsInDoubt(batch.FramesHash))
            {
                long bytesMax = (long)batch.Header.Frames * (2 + FrameFormat.FrameBytesMax);
                FetchOutcome outcome = await transfer.FetchAsync(from, batch.FramesHash, bytesMax, stopping).ConfigureAwait(false);
                if (outcome != FetchOutcome.Complete)
                    return (outcome switch { FetchOutcome.NotTheBody => BodyVerdict.NotTheBody, FetchOutcome.Disk => BodyVerdict.Disk, _ => BodyVerdict.Unavailable }, default);
            }

            if (store.Read(batch.FramesHash) is not { } bytes) return (BodyVerdict.Unavailable, default);
            BodyFinding found = await check.CheckAsync(batch, bytes, keysOf, stopping).ConfigureAwait(false);
            if (found.Verdict == BodyVerdict.NotTheBody) // damaged on this disk: the transfer had compared it
            {
                store.DiscardPart(batch.FramesHash);
                store.Remove(batch.FramesHash);
                log.LogWarning("the body {Hash} was damaged on disk and is fetched again", batch.FramesHash);
                return (BodyVerdict.Unavailable, default);
            }

            if (found.IsUnsigned && await MayBeSignedAsync(found.BadFrame, stopping).ConfigureAwait(false)) return (BodyVerdict.DeviceUnknown, default); // its author read the chain further: asked again later
            if (found.Verdict == BodyVerdict.BadFrame)
            {
                log.LogWarning("batch {Number} of {Gateway}: {Reason}", batch.Header.Number, batch.Header.Gateway, found.Reason);
                store.DiscardPart(batch.FramesHash);
            }

            if (found.Verdict != BodyVerdict.Good) return (found.Verdict, found.Path is { } path ? Dispute.FrameInBatch.Encode(found.BadFrame, path) : default);
            if (!store.Has(batch.FramesHash)) store.Keep(batch.FramesHash);
            watch?.Checked(batch, bytes, begun);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            log.LogError(fault, "the body of batch {Number} of {Gateway} could not be kept", batch.Header.Number, batch.Header.Gateway);
            return (BodyVerdict.Disk, default);
        }

        lock (_gate)
        {
            if (_checked.Add(batch.Hash)) _order.Enqueue(batch.Hash);
            while (_order.Count > CheckedMax) _checked.Remove(_order.Dequeue());
        }

        return (BodyVerdict.Good, default);
    }

    /// <summary>Whether a key that was not followed yet signed the frame, or may have: nobody is accused on a view that is behind.</summary>
    private async Task<bool> MayBeSignedAsync(ReadOnlyMemory<byte> frame, CancellationToken stopping)
    {
        try
        {
            IReadOnlyList<ReadOnlyMemory<byte>> keys = await keysNow(FrameSpans.Key(frame.Span).Device, stopping).ConfigureAwait(false);
            return keys.Any(key => ProofVerifier.VerifyFrame(key.Span, frame.Span));
        }
        catch (Exception away) when (away is RpcException or Registry.TryLaterException)
        {
            return true;
        }
    }
}
