using System.Security.Cryptography;
using DePIN.Evidence;
using DePIN.Gateway.Verify;
using DePIN.Protocol;

namespace DePIN.Gateway.Peer;

/// <summary>What the check found.</summary>
/// <param name="Verdict">Good, NotTheBody, DeviceUnknown or BadFrame.</param>
/// <param name="BadFrame">The frame for the evidence, or the first of an unknown device; empty when no single one is at fault.</param>
/// <param name="Reason">For a person; empty when good.</param>
public sealed record BodyFinding(BodyVerdict Verdict, ReadOnlyMemory<byte> BadFrame, string Reason)
{
    /// <summary>From the bad frame to the header's root; null when no single frame is at fault or it is not under that root.</summary>
    public IReadOnlyList<Hash32>? Path { get; init; }

    /// <summary>True when the bad frame is one whose signature none of the known keys verifies: a key that came meanwhile may.</summary>
    public bool IsUnsigned { get; init; }
}

/// <summary>
/// Checks the body of a peer's batch whole: hash, structure, counts, spans, root, and every frame's signature with one of the keys that its device has or had: a batch cut before a
/// device changed its key must stay attestable, and the Ledger and Disputes judge the same way.
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
    private readonly Dictionary<Address, KeyHolder[]> _holders = [];
    private readonly int _workers = workers > 0 ? workers : Math.Max(1, Environment.ProcessorCount / 2);

    /// <summary>Checks one body. <paramref name="keysOf"/> gives a device's public keys (X ‖ Y), the present one first; none when the registry does not know it.</summary>
    public async Task<BodyFinding> CheckAsync(BatchSummary batch, ReadOnlyMemory<byte> bytes, Func<Address, IReadOnlyList<ReadOnlyMemory<byte>>> keysOf, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(keysOf);
        await _turn.WaitAsync(stopping).ConfigureAwait(false);
        try
        {
            return await Task.Run(() => Check(batch, bytes, keysOf, stopping), stopping).ConfigureAwait(false);
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

    private BodyFinding Check(BatchSummary batch, ReadOnlyMemory<byte> bytes, Func<Address, IReadOnlyList<ReadOnlyMemory<byte>>> keysOf, CancellationToken stopping)
    {
        if (BatchBody.HashOf(bytes.Span) != batch.FramesHash) return new(BodyVerdict.NotTheBody, default, "its SHA-256 is another");
        // From here on the bytes are what the author signed: every fault is its own.
        if (BatchBody.TryParse(bytes, out BatchBody? parsed) is var fault && parsed is null) return Bad($"it is no body ({fault})");
        for (int i = 0; i < parsed.Count; i++)
        {
            ReadOnlyMemory<byte> frame = parsed[i];
            if (!System.Runtime.InteropServices.MemoryMarshal.TryGetArray(frame, out ArraySegment<byte> segment)) segment = frame.ToArray();
            if (FrameParser.Check(segment.Array!, segment.Offset, segment.Count) is var wrong and not FrameFault.None) return Bad($"frame {i} is malformed ({wrong})", frame, PathOf(i));
            if (FrameParser.Sequence(segment.Array!, segment.Offset) > FrameVerifier.SequenceMax) return Bad($"frame {i} has a sequence that no gateway takes", frame, PathOf(i));
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

        (KeyHolder[] Holders, List<int> Frames)[] devices = new (KeyHolder[], List<int>)[byDevice.Count];
        int next = 0;
        foreach ((Address device, List<int> frames) in byDevice)
        {
            if (Holders(device, keysOf) is not { Length: > 0 } holders) return new(BodyVerdict.DeviceUnknown, parsed[frames[0]], $"device {device} is not registered as far as the chain is followed, and no member of a list that is here") { Path = PathOf(frames[0]) };
            devices[next++] = (holders, frames);
        }

        int bad = Signatures(parsed, devices, stopping);
        stopping.ThrowIfCancellationRequested();
        return bad >= 0 ? Bad($"the signature of frame {bad} does not verify", parsed[bad], PathOf(bad)) with { IsUnsigned = true } : new(BodyVerdict.Good, default, "");

        IReadOnlyList<Hash32>? PathOf(int frame) => parsed.BuildTree() is var tree && tree.Root == batch.Header.Root ? tree.Proof(frame) : null;
    }

    private static BodyFinding Bad(string reason, ReadOnlyMemory<byte> frame = default, IReadOnlyList<Hash32>? path = null) => new(BodyVerdict.BadFrame, frame, reason) { Path = path };

    private KeyHolder[] Holders(Address device, Func<Address, IReadOnlyList<ReadOnlyMemory<byte>>> keysOf)
    {
        IReadOnlyList<ReadOnlyMemory<byte>> keys = keysOf(device);
        if (_holders.TryGetValue(device, out KeyHolder[]? known) && known.Length == keys.Count && known[0].PublicKey.Span.SequenceEqual(keys[0].Span)) return known; // keys are only added, the newest first
        if (keys.Count == 0) return [];
        if (_holders.Count >= HoldersMax)
        {
            _keys.Clear();
            _holders.Clear();
        }

        return _holders[device] = [.. keys.Select(key => new KeyHolder(key))]; // the cache forgets the ones before by itself
    }

    /// <summary>Index of the first bad frame found, or -1. Each device's frames by one worker: a key is used by one at a time.</summary>
    private int Signatures(BatchBody body, (KeyHolder[] Holders, List<int> Frames)[] devices, CancellationToken stopping)
    {
        int next = -1, bad = -1;
        void Work()
        {
            Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
            int at;
            while ((at = Interlocked.Increment(ref next)) < devices.Length)
            {
                (KeyHolder[] holders, List<int> frames) = devices[at];
                foreach (KeyHolder holder in holders) // most have one
                {
                    if (_keys.Take(holder) is not { } key) continue;
                    List<int> unsigned = [];
                    foreach (int frame in frames)
                    {
                        if (Volatile.Read(ref bad) >= 0 || stopping.IsCancellationRequested) break;
                        if (!FrameSignature.Verify(key, body[frame].Span, digest)) unsigned.Add(frame);
                    }

                    _keys.Release(holder);
                    frames = unsigned;
                    if (frames.Count == 0) break;
                }

                if (frames.Count > 0) Interlocked.CompareExchange(ref bad, frames[0], -1);
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
