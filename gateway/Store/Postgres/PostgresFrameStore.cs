using Npgsql;
using NpgsqlTypes;

namespace DePIN.Gateway.Store.Postgres;

/// <summary>
/// The arrival log in PostgreSQL, written by several processes of one identity. Rows are 1 … LastRow without holes and become visible in their order: a group locks
/// the row counter, inserts what is not there yet and commits, one group at a time. (device, sequence) is unique in the database, so a frame that two processes got is
/// stored once and acknowledged by both. One writer thread a process; a frame's outcome is told only after COMMIT.
/// A connection lost at any point of a group leaves it unknown: then the frames themselves are looked up, and only those that are there are acknowledged.
/// </summary>
public sealed partial class PostgresFrameStore : IFrameStore
{
    private const string LockCounter = "SELECT value FROM store_state WHERE key = 'last_row' FOR UPDATE";

    // A statement of its own: at READ COMMITTED its snapshot is taken after the lock was got, so it sees all that other processes committed.
    private const string AppendFrames = """
        WITH incoming AS MATERIALIZED (SELECT * FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS t (device, sequence, received_ms, frame, ord)),
        known AS MATERIALIZED (SELECT i.ord, f.row, f.frame = i.frame AS same FROM incoming i JOIN frames f ON f.device = i.device AND f.sequence = i.sequence AND f.found),
        fresh AS MATERIALIZED (SELECT i.*, (SELECT value FROM store_state WHERE key = 'last_row') + row_number() OVER (ORDER BY i.ord) AS row
            FROM incoming i WHERE NOT EXISTS (SELECT 1 FROM known k WHERE k.ord = i.ord)),
        added AS (INSERT INTO frames (row, device, sequence, received_ms, found, frame) SELECT row, device, sequence, received_ms, true, frame FROM fresh),
        counted AS (UPDATE store_state SET value = value + (SELECT count(*) FROM fresh) WHERE key = 'last_row')
        SELECT ord, row, true, true FROM fresh UNION ALL SELECT ord, row, same, false FROM known
        """;

    private readonly PostgresDatabase _database;
    private readonly PostgresOptions _options;
    private readonly PostgresLease? _lease;
    private readonly TimeProvider _time;
    private readonly System.Collections.Concurrent.ConcurrentDictionary<int, DeviceLog> _devices = new();
    private readonly object _gate = new();
    private readonly Thread _thread;
    private readonly Thread _poller;
    private readonly ManualResetEventSlim _ended = new();
    private readonly Queue<FrameAppend> _queue = new();
    private NpgsqlConnection? _connection;
    private bool _stopping;
    private bool _waiting;
    private long _lastRow;
    private long _commits;
    private volatile StoreFault _state;
    private volatile string? _lastError;
    private TaskCompletionSource _rowsCame = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private PostgresFrameStore(PostgresDatabase database, PostgresLease? lease, TimeProvider time)
    {
        (_database, _options, _lease, _time) = (database, database.Options, lease, time);
        Restore();
        _thread = new Thread(WriteLoop) { Name = "store", IsBackground = true };
        _poller = new Thread(PollLoop) { Name = "store poll", IsBackground = true };
        _thread.Start();
        _poller.Start();
    }

    /// <summary>Reads where the devices' frames end and begins to write. With a lease, batches are written only while it is held.</summary>
    public static PostgresFrameStore Open(PostgresDatabase database, PostgresLease? lease = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(database);
        return new PostgresFrameStore(database, lease, time ?? TimeProvider.System);
    }

    /// <inheritdoc/>
    public string Place => _options.Place;

    /// <inheritdoc/>
    public Func<bool>? MoreComing { get; set; }

    /// <inheritdoc/>
    public bool TakesLate => true;

    /// <inheritdoc/>
    public long LastRow => Volatile.Read(ref _lastRow);

    /// <summary>Always the same: a frame does not rest on those before it, because a late one is taken too.</summary>
    public long Epoch => 1;

    /// <inheritdoc/>
    public StoreFault State => _state;

    /// <inheritdoc/>
    public string? LastError => _lastError;

    /// <inheritdoc/>
    public int QueueDepth { get { lock (_gate) return _queue.Count; } }

    /// <inheritdoc/>
    public long Commits => Interlocked.Read(ref _commits);

    /// <inheritdoc/>
    public DeviceLog LogOf(int device) => _devices.GetOrAdd(device, static id => new DeviceLog(id));

    /// <inheritdoc/>
    public void Append(FrameAppend frame)
    {
        ArgumentNullException.ThrowIfNull(frame);
        lock (_gate)
        {
            if (!_stopping)
            {
                _queue.Enqueue(frame);
                if (_waiting || _queue.Count >= _options.GroupFramesMax || MoreComing?.Invoke() != true) Monitor.Pulse(_gate);
                return;
            }
        }

        frame.Failed(StoreFault.Unavailable);
    }

    /// <inheritdoc/>
    public async Task WaitForRowAsync(long row, CancellationToken cancellationToken)
    {
        while (LastRow <= row)
        {
            Task came;
            lock (_gate) came = _rowsCame.Task;
            if (LastRow > row) return;
            await came.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public Task ProveAsync() => Task.Run(() => _database.Write(connection => Sql.Execute(connection,
        "INSERT INTO store_state VALUES ('proved_ms', $0) ON CONFLICT (key) DO UPDATE SET value = excluded.value", _time.GetUtcNow().ToUnixTimeMilliseconds())));

    /// <summary>Stops the writer: what was queued is committed. The database stays open.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_stopping) return;
            _stopping = true;
            Monitor.PulseAll(_gate);
        }

        _ended.Set();
        _thread.Join();
        _poller.Join();
        _connection?.Dispose();
        _ended.Dispose();
    }

    private void Restore()
    {
        _database.Read(connection =>
        {
            _lastRow = ReadLastRow(connection);
            foreach ((int device, ulong sequence, long row) in Sql.Rows(connection, r => (r.GetInt32(0), (ulong)r.GetInt64(1), r.GetInt64(2)),
                "SELECT d.id, l.sequence, l.row FROM devices d CROSS JOIN LATERAL (SELECT sequence, row FROM frames WHERE device = d.id AND found ORDER BY sequence DESC LIMIT 1) l"))
                LogOf(device).Advance(sequence, row);
            return 0;
        });
    }

    private static long ReadLastRow(NpgsqlConnection connection) => Sql.Scalar(connection, "SELECT value FROM store_state WHERE key = 'last_row'");

    private void WriteLoop()
    {
        List<FrameAppend> group = new(_options.GroupFramesMax);
        int failures = 0;
        while (true)
        {
            group.Clear();
            lock (_gate)
            {
                while (_queue.Count == 0 && !_stopping)
                {
                    _waiting = true;
                    // While the server is away or full it is tried now and then, so that the store recovers without being asked.
                    bool told = _state == StoreFault.None ? Monitor.Wait(_gate) : Monitor.Wait(_gate, Backoff(failures));
                    _waiting = false;
                    if (!told) break;
                }

                if (_queue.Count == 0 && _stopping) return;
                if (_queue.Count > 0 && _queue.Count < _options.GroupFramesMax && !_stopping && MoreComing?.Invoke() == true) Monitor.Wait(_gate, _options.LingerMs);
                while (group.Count < _options.GroupFramesMax && _queue.TryDequeue(out FrameAppend? frame)) group.Add(frame);
            }

            if (_state == StoreFault.None || TryAgain())
                failures = WriteGroup(group) ? 0 : failures + 1;
            else
                (failures, _) = (failures + 1, Refuse(group, _state));
        }
    }

    private int Backoff(int failures) => Math.Min(_options.BackoffMaxMs, _options.BackoffMaxMs / 40 << Math.Min(failures, 6));

    private bool TryAgain()
    {
        try
        {
            _connection?.Dispose();
            _connection = null;
            // A disk that is full still answers reads: only a commit shows that it takes something.
            _database.Write(connection => Sql.Execute(connection, "UPDATE store_state SET value = value WHERE key = 'last_row'"));
            _state = StoreFault.None;
            return true;
        }
        catch (StoreException fault)
        {
            (_state, _lastError) = (fault.Fault == StoreFault.Full ? StoreFault.Full : StoreFault.Unavailable, fault.Message);
            return false;
        }
    }

    private bool WriteGroup(List<FrameAppend> group)
    {
        if (group.Count == 0) return true;
        (long Row, bool Same, bool New)[] outcomes = new (long, bool, bool)[group.Count];
        try
        {
            _connection ??= _database.Connect();
            using NpgsqlTransaction transaction = _connection.BeginTransaction();
            Insert(group, outcomes);
            transaction.Commit();
        }
        catch (Exception fault) when (fault is NpgsqlException or IOException or TimeoutException or InvalidOperationException)
        {
            StoreException told = _database.Fault(fault);
            (_state, _lastError) = (told.Fault == StoreFault.Full ? StoreFault.Full : StoreFault.Unavailable, told.Message);
            _connection?.Dispose();
            _connection = null;
            if (PostgresDatabase.IsFull(fault) || !TryAgain() || !LookUp(group, outcomes))
            {
                Refuse(group, _state == StoreFault.Full ? StoreFault.Full : StoreFault.Unavailable);
                return false;
            }
        }

        Tell(group, outcomes);
        return true;
    }

    private void Insert(List<FrameAppend> group, (long Row, bool Same, bool New)[] outcomes)
    {
        int[] devices = new int[group.Count];
        long[] sequences = new long[group.Count], received = new long[group.Count];
        byte[][] frames = new byte[group.Count][];
        HashSet<(int, ulong)> seen = new(group.Count);
        int count = 0;
        int[] places = new int[group.Count];
        for (int i = 0; i < group.Count; i++)
        {
            FrameAppend frame = group[i];
            outcomes[i] = default;
            if (!seen.Add((frame.Log!.Device, frame.Sequence))) continue; // comes again, and is then compared with the first
            (devices[count], sequences[count], received[count], frames[count], places[count]) = (frame.Log.Device, (long)frame.Sequence, frame.ReceivedMs, frame.Frame.ToArray(), i);
            count++;
        }

        using NpgsqlBatch batch = new(_connection)
        {
            BatchCommands =
            {
                new NpgsqlBatchCommand(LockCounter),
                new NpgsqlBatchCommand(AppendFrames)
                {
                    Parameters =
                    {
                        new NpgsqlParameter<int[]> { TypedValue = devices[..count], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Integer },
                        new NpgsqlParameter<long[]> { TypedValue = sequences[..count], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint },
                        new NpgsqlParameter<long[]> { TypedValue = received[..count], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint },
                        new NpgsqlParameter<byte[][]> { TypedValue = frames[..count], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea },
                    },
                },
            },
        };
        using NpgsqlDataReader reader = batch.ExecuteReader();
        reader.NextResult();
        while (reader.Read())
            outcomes[places[reader.GetInt64(0) - 1]] = (reader.GetInt64(1), reader.GetBoolean(2), reader.GetBoolean(3));
    }

    /// <summary>After a group whose fate is unknown: what of it is stored, whoever stored it. False when that cannot be asked.</summary>
    private bool LookUp(List<FrameAppend> group, (long Row, bool Same, bool New)[] outcomes)
    {
        try
        {
            for (int i = 0; i < group.Count; i++)
                outcomes[i] = Find(group[i].Log!.Device, group[i].Sequence) is { } stored ? (stored.Row, stored.Frame.AsSpan().SequenceEqual(group[i].Frame.Span), true) : default;
            return true;
        }
        catch (StoreException fault)
        {
            (_state, _lastError) = (StoreFault.Unavailable, fault.Message);
            return false;
        }
    }

    private void Tell(List<FrameAppend> group, (long Row, bool Same, bool New)[] outcomes)
    {
        long last = 0;
        for (int i = 0; i < group.Count; i++)
        {
            if (outcomes[i].Row == 0) continue;
            // A rival with the same sequence is known from here on: the frame that is refused now comes again and is then evidence.
            group[i].Log!.Advance(group[i].Sequence, outcomes[i].Row);
            last = Math.Max(last, outcomes[i].New ? outcomes[i].Row : 0);
        }

        Interlocked.Increment(ref _commits);
        for (int i = 0; i < group.Count; i++)
        {
            if (outcomes[i] is { Row: > 0, Same: true }) group[i].Committed();
            else group[i].Failed(StoreFault.Unavailable);
        }

        if (last > 0) Came(last);
    }

    private static int Refuse(List<FrameAppend> group, StoreFault fault)
    {
        foreach (FrameAppend frame in group) frame.Failed(fault);
        return group.Count;
    }

    private void Came(long lastRow)
    {
        TaskCompletionSource came;
        lock (_gate)
        {
            if (lastRow <= _lastRow) return;
            Volatile.Write(ref _lastRow, lastRow);
            came = _rowsCame;
            _rowsCame = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        came.SetResult();
    }

    /// <summary>Other processes' rows: how far the log is, and the newest frame of each device in them.</summary>
    private void PollLoop()
    {
        long seen = _lastRow;
        while (!_ended.Wait(_options.PollMs))
        {
            try
            {
                seen = _database.Read(connection =>
                {
                    long last = ReadLastRow(connection);
                    if (last == seen) return seen;
                    foreach ((int device, ulong sequence, long row) in Sql.Rows(connection, r => (r.GetInt32(0), (ulong)r.GetInt64(1), r.GetInt64(2)),
                        "SELECT DISTINCT ON (device) device, sequence, row FROM frames WHERE row > $0 AND row <= $1 AND found ORDER BY device, sequence DESC", seen, last))
                        LogOf(device).Advance(sequence, row);
                    Came(last);
                    return last;
                });
            }
            catch (StoreException fault)
            {
                _lastError = fault.Message;
                if (_ended.Wait(1_000)) return;
            }
        }
    }
}
