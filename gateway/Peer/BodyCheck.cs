using System.Security.Cryptography;
using DePIN.Evidence;
using DePIN.Gateway.Verify;
using DePIN.Protocol;

namespace DePIN.Gateway.Peer;

/// <summary>What the check found.</summary>
/// <param name="Verdict">Good, NotTheBody, DeviceUnknown or BadFrame.</param>
/// <param name="BadFrame">The frame for the evidence; empty when no single one is at fault.</param>
/// <param name="Reason">For a person; empty when good.</param>
public sealed record BodyFinding(BodyVerdict Verdict, ReadOnlyMemory<byte> BadFrame, string Reason);

/// <summary>
/// Checks the body of a peer's batch whole: hash, structure, counts, spans, root, and every frame's signature with its device's registered key.
/// Signatures are checked on half of the cores at most, below normal priority, so that ingest keeps its own; one body at a time.
/// </summary>
public sealed class BodyCheck(int keysMax = BodyCheck.KeysMax, int workers = 0) : IDisposable
{
    /// <summary>Device keys kept ready, about 6 KB each.</summary>
    public const int KeysMax = 1_024;

    /// <summary>Devices remembered with their place in the key cache; then all are forgotten.</summary>
    private const int HoldersMax = 65_536;

    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly KeyCache _keys = new(keysMax);
    private readonly Dictionary<Address, KeyHolder> _holders = [];
    private readonly int _workers = workers > 0 ? workers : Math.Max(1, Environment.ProcessorCount / 2);

    /// <summary>Checks one body. <paramref name="keyOf"/> gives a device's public key (X ‖ Y) or null when the registry does not know it.</summary>
    public async Task<BodyFinding> CheckAsync(BatchSummary batch, ReadOnlyMemory<byte> bytes, Func<Address, ReadOnlyMemory<byte>?> keyOf, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(keyOf);
        await _turn.WaitAsync(stopping).ConfigureAwait(false);
        try
        {
            return await Task.Run(() => Check(batch, bytes, keyOf, stopping), stopping).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _keys.Dispose();
        _turn.Dispose();
    }

    private BodyFinding Check(BatchSummary batch, ReadOnlyMemory<byte> bytes, Func<Address, ReadOnlyMemory<byte>?> keyOf, CancellationToken stopping)
    {
        if (BatchBody.HashOf(bytes.Span) != batch.FramesHash) return new(BodyVerdict.NotTheBody, default, "its SHA-256 is another");
        // From here on the bytes are what the author signed: every fault is its own.
        if (BatchBody.TryParse(bytes, out BatchBody? parsed) is var fault && parsed is null) return Bad($"it is no body ({fault})");
        for (int i = 0; i < parsed.Count; i++)
        {
            ReadOnlyMemory<byte> frame = parsed[i];
            if (!System.Runtime.InteropServices.MemoryMarshal.TryGetArray(frame, out ArraySegment<byte> segment)) segment = frame.ToArray();
            if (FrameParser.Check(segment.Array!, segment.Offset, segment.Count) is var wrong and not FrameFault.None) return Bad($"frame {i} is malformed ({wrong})", frame);
            if (FrameParser.Sequence(segment.Array!, segment.Offset) > FrameVerifier.SequenceMax) return Bad($"frame {i} has a sequence that no gateway takes", frame);
        }

        if (parsed.Compare(batch.Header) is var match and not BatchMatch.Matches) return Bad($"it contradicts its header ({match})");
        if (FrameSpans.Of(parsed) is not { } spans || !spans.Runs.AsSpan().SequenceEqual(batch.Spans.Runs.AsSpan())) return Bad("its spans are others");

        Dictionary<Address, List<int>> byDevice = [];
        for (int i = 0; i < parsed.Count; i++)
        {
            Address device = FrameSpans.Key(parsed[i].Span).Device;
            if (!byDevice.TryGetValue(device, out List<int>? frames)) byDevice[device] = frames = [];
            frames.Add(i);
        }

        (KeyHolder Holder, List<int> Frames)[] devices = new (KeyHolder, List<int>)[byDevice.Count];
        int next = 0;
        foreach ((Address device, List<int> frames) in byDevice)
        {
            if (Holder(device, keyOf) is not { } holder) return new(BodyVerdict.DeviceUnknown, default, $"device {device} is not registered as far as the chain is followed");
            devices[next++] = (holder, frames);
        }

        int bad = Signatures(parsed, devices, stopping);
        stopping.ThrowIfCancellationRequested();
        return bad >= 0 ? Bad($"the signature of frame {bad} does not verify", parsed[bad]) : new(BodyVerdict.Good, default, "");
    }

    private static BodyFinding Bad(string reason, ReadOnlyMemory<byte> frame = default) => new(BodyVerdict.BadFrame, frame, reason);

    private KeyHolder? Holder(Address device, Func<Address, ReadOnlyMemory<byte>?> keyOf)
    {
        if (_holders.TryGetValue(device, out KeyHolder? known)) return known; // a device id is the hash of its key: it has one for ever
        if (keyOf(device) is not { } key) return null;
        if (_holders.Count >= HoldersMax)
        {
            _keys.Clear();
            _holders.Clear();
        }

        return _holders[device] = new KeyHolder(key);
    }

    /// <summary>Index of the first bad frame found, or -1. Each device's frames by one worker: a key is used by one at a time.</summary>
    private int Signatures(BatchBody body, (KeyHolder Holder, List<int> Frames)[] devices, CancellationToken stopping)
    {
        int next = -1, bad = -1;
        void Work()
        {
            Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
            int at;
            while ((at = Interlocked.Increment(ref next)) < devices.Length)
            {
                (KeyHolder holder, List<int> frames) = devices[at];
                ECDsa? key = _keys.Take(holder);
                foreach (int frame in frames)
                {
                    if (Volatile.Read(ref bad) >= 0 || stopping.IsCancellationRequested) break;
                    if (key is null || !FrameSignature.Verify(key, body[frame].Span, digest)) Interlocked.CompareExchange(ref bad, frame, -1);
                }

                if (key is not null) _keys.Release(holder);
            }
        }

        Thread[] threads = new Thread[Math.Min(_workers, devices.Length)];
        for (int i = 0; i < threads.Length; i++)
        {
            threads[i] = new Thread(Work) { Name = $"body {i}", IsBackground = true, Priority = ThreadPriority.BelowNormal };
            threads[i].Start();
        }

        foreach (Thread thread in threads) thread.Join();
        return bad;
    }
}
