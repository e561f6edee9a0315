using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Simulator;

/// <summary>
/// The frames and batches of one gateway on its simulated disk: a frame is acknowledged after the sync of its group, own batches are cut by count or age and are
/// a function of what is durable, checked bodies of peers' batches are kept.
/// </summary>
internal sealed class FrameStore
{
    private readonly Simulation _simulation;
    private readonly GatewayNode _node;
    private readonly SimulatedDisk _disk;
    private readonly List<(Frame Frame, Device? From)> _buffer = []; // appended, not synced
    private readonly Dictionary<FrameKey, Frame> _known = [];
    private readonly List<(Frame Frame, long ReceivedMs)> _queue = []; // stored, in no batch
    private readonly SortedDictionary<ulong, (BatchSummary Batch, Body Body)> _own = [];
    private readonly Dictionary<Hash32, Body> _bodies = [];
    private readonly HashSet<ulong> _recut = [];
    private readonly HashSet<ulong> _recutting = [];
    private bool _isSyncing;

    /// <param name="simulation">The run.</param>
    /// <param name="node">Whose store.</param>
    /// <param name="disk">What it is on.</param>
    /// <param name="journal">What is durable; replayed now.</param>
    public FrameStore(Simulation simulation, GatewayNode node, SimulatedDisk disk, List<object> journal)
    {
        (_simulation, _node, _disk, Journal) = (simulation, node, disk, journal);
        foreach (Write write in journal.Cast<Write>()) write(this);
    }

    private delegate void Write(FrameStore store);

    public List<object> Journal { get; }

    public bool IsEmpty => _own.Count == 0;

    public ulong LastNumber => _own.Count == 0 ? 0 : _own.Keys.Last();

    public IEnumerable<Hash32> Bodies => _bodies.Keys;

    public BatchSummary? Own(ulong number) => _own.TryGetValue(number, out (BatchSummary Batch, Body Body) own) ? own.Batch : null;

    public bool Has(BatchSummary batch) => _bodies.ContainsKey(batch.Hash);

    public Body? Find(Hash32 batch) => _bodies.GetValueOrDefault(batch);

    /// <summary>A frame from a device: acknowledged when it is durable, at once when it was before.</summary>
    public void Take(Frame frame, Device? from)
    {
        if (_known.TryGetValue(frame.Key, out Frame? known))
        {
            if (known == frame && from is not null) _simulation.Acknowledge(_node, from, frame);
            return; // other bytes under one sequence: evidence, not acknowledged
        }

        if (_disk.IsFull || _buffer.Any(b => b.Frame.Key == frame.Key)) return;
        _buffer.Add((frame, from));
        if (_simulation.Scenario.Mutation == Mutation.AcknowledgesBeforeSync && from is not null) _simulation.Acknowledge(_node, from, frame);
        if (_isSyncing) return;
        _isSyncing = true;
        _node.After(_simulation.World.Random.Range(5, 60), Sync);
    }

    /// <summary>Own frames that are old or many enough go into a batch; those that are anchored already do not.</summary>
    public void TryCut()
    {
        if (_queue.Count == 0 || (_queue.Count < _simulation.Scenario.BatchFrames && _node.WallMs - _queue[0].ReceivedMs is >= 0 and var age && age < _simulation.Scenario.BatchAgeMs)) return;
        List<(Frame Frame, long ReceivedMs)> taken = [.. _queue.Take(_simulation.Scenario.BatchFrames)];
        List<Frame> frames = [.. taken.Where(f => !_node.Log.IsAnchored(f.Frame.Device, f.Frame.Sequence)).Select(f => f.Frame)];
        (long first, long last) = (taken.Min(f => f.ReceivedMs), taken.Max(f => f.ReceivedMs));
        Cut(frames, first, last, store => store._queue.RemoveRange(0, taken.Count));
    }

    /// <summary>What is left of a void batch goes into a new one; tried until it is done.</summary>
    public void Recut(ulong number)
    {
        if (_recut.Contains(number) || !_recutting.Add(number)) return;
        _node.After(5, () => Again(number));

        void Again(ulong again)
        {
            try
            {
                if (_recut.Contains(again) || !_own.TryGetValue(again, out (BatchSummary Batch, Body Body) lost)) return;
                List<Frame> left = [.. lost.Body.Frames.Where(f => !_node.Log.IsAnchored(f.Device, f.Sequence))];
                if (left.Count > 0) // all anchored: nothing to do, unless the chain takes it back
                    Cut(left, (long)lost.Batch.Header.FirstReceivedMs, (long)lost.Batch.Header.LastReceivedMs, store => store._recut.Add(again));
                _simulation.World.Trace(_node.Index, Happened.Recut, lost.Batch, left.Count);
                _recutting.Remove(again);
            }
            catch (DiskFaultException)
            {
                _node.After(1_000, () => Again(again));
            }
        }
    }

    /// <summary>Keeps the checked body of a peer's batch.</summary>
    public void Keep(BatchSummary batch, Body body)
    {
        Write write = store => store.Hold(batch, body);
        if (_simulation.Scenario.Mutation == Mutation.BodiesNotKept) _simulation.BodyKept(_node, batch);
        else _disk.Commit(() => Persist(write), () => write(this));
    }

    /// <summary>An own batch came back. False when it is here already; holes are filled, as the gateway's store does.</summary>
    public bool Restore(BatchSummary batch, Body body)
    {
        if (_own.ContainsKey(batch.Header.Number)) return false;
        Write write = store =>
        {
            foreach (Frame frame in body.Frames) store._known.TryAdd(frame.Key, frame);
            store._queue.RemoveAll(q => body.Frames.Any(f => f.Key == q.Frame.Key));
            store._own[batch.Header.Number] = (batch, body);
            store.Hold(batch, body);
        };
        _disk.Commit(() => Persist(write), () => write(this));
        _simulation.World.Trace(_node.Index, Happened.Restored, batch, (long)batch.Header.Number);
        return true;
    }

    private void Cut(List<Frame> frames, long firstMs, long lastMs, Action<FrameStore> also)
    {
        BatchSummary? batch = null;
        Body? body = null;
        if (frames.Count > 0)
        {
            (batch, body) = _node.Hostile?.Cut(frames, LastNumber + 1, Previous(), (ulong)firstMs, (ulong)lastMs) ?? Honest();
            _simulation.Cut(_node, batch, body);
        }

        Write write = store =>
        {
            also(store);
            if (batch is null) return;
            store._own[batch.Header.Number] = (batch, body!);
            store.Hold(batch, body!);
        };
        _disk.Commit(() => Persist(write), () => write(this));
        if (batch is not null) _simulation.World.Trace(_node.Index, Happened.Cut, batch, (long)batch.Header.Number);

        (BatchSummary, Body) Honest()
        {
            Body made = new(frames);
            return (made.ToBatch(_node.Address, LastNumber + 1, Previous(), (ulong)firstMs, (ulong)lastMs), made);
        }
    }

    private Hash32 Previous() => _own.Count == 0 ? Hash32.Zero : _own.Values.Last().Batch.Hash;

    private void Hold(BatchSummary batch, Body body)
    {
        if (_bodies.TryAdd(batch.Hash, body)) _simulation.BodyKept(_node, batch);
    }

    private void Persist(Write write)
    {
        if (_simulation.Scenario.Crashes) Journal.Add(write);
    }

    private void Sync()
    {
        _isSyncing = false;
        if (_buffer.Count == 0) return;
        List<(Frame Frame, Device? From)> group = [.. _buffer];
        _buffer.Clear();
        long receivedMs = _node.WallMs;
        Write[] writes = [.. group.Select(g => (Write)(store =>
        {
            if (!store._known.TryAdd(g.Frame.Key, g.Frame)) return;
            store._queue.Add((g.Frame, receivedMs));
        }))];
        try
        {
            _disk.Sync(writes.Length, prefix =>
            {
                for (int i = 0; i < prefix; i++) Persist(writes[i]);
            }, () =>
            {
                foreach (Write write in writes) write(this);
            });
        }
        catch (DiskFaultException)
        {
            return; // no acknowledgement: devices send again
        }

        foreach ((Frame frame, Device? from) in group)
            if (from is not null) _simulation.Acknowledge(_node, from, frame);
    }
}
