using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Registry;
using DePIN.Protocol;
using Npgsql;
using NpgsqlTypes;

namespace DePIN.Index;

/// <summary>
/// What the indexer writes. Every method is one transaction and leaves the database as a reader may see it: the blocks read and what was in them, a batch and all
/// its frames, a reorganisation taken back. So whatever ends the process, the next one goes on from there, without a hole and without anything twice. One
/// process writes at a time: it holds an advisory lock on the connection that it writes through. Not for several threads at once.
/// </summary>
public sealed class IndexStore(NpgsqlDataSource database, DeploymentRecord network, int confirmations) : IAsyncDisposable
{
    /// <summary>Anchors in a partition of the frames: a month of epochs of five minutes.</summary>
    public const long PartitionAnchors = 8_192;

    /// <summary>Blocks kept to find where a reorganisation left the chain.</summary>
    public const int BlocksKept = 512;

    /// <summary>Longest wait before something missing is asked for again.</summary>
    public const int RetrySecondsMax = 3_600;

    /// <summary>Times that far away are clamped: a device may sign any.</summary>
    public const long TimeMsMax = 1L << 60;

    private const int SchemaVersion = 2;
    private const long WriterLock = 0x646570696e; // "depin"
    private const string UniqueViolation = "23505";

    private static readonly TimeSpan LockWait = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan LockPoll = TimeSpan.FromMilliseconds(250);

    private NpgsqlConnection? _connection;

    /// <summary>The block up to which the chain is read; null before the first.</summary>
    public (ulong Number, Hash32 Hash)? Last { get; private set; }

    /// <summary>Connects, takes the writer's lock, makes or checks the schema. Called again after a connection was lost.</summary>
    /// <exception cref="IndexException">Another network's database, a newer schema, or another writer.</exception>
    public async Task OpenAsync(CancellationToken stopping)
    {
        await CloseAsync().ConfigureAwait(false);
        NpgsqlConnection connection = await database.OpenConnectionAsync(stopping).ConfigureAwait(false);
        _connection = connection;
        await LockAsync(connection, stopping).ConfigureAwait(false);
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(stopping).ConfigureAwait(false);
        if (await ScalarAsync("SELECT to_regclass('depin.network')::text", stopping).ConfigureAwait(false) is null)
        {
            await using Stream schema = typeof(IndexStore).Assembly.GetManifestResourceStream("schema.sql")!;
            using StreamReader reader = new(schema);
            await ExecuteAsync(await reader.ReadToEndAsync(stopping).ConfigureAwait(false), stopping).ConfigureAwait(false);
            await ExecuteAsync("""
                INSERT INTO depin.network (schema_version, chain_id, ledger, device_registry, gateway_registry, deployed_at_block) VALUES ($1, $2, $3, $4, $5, $6)
                """, stopping, SchemaVersion, (long)network.ChainId, network.Ledger.ToArray(), network.DeviceRegistry.ToArray(), network.GatewayRegistry.ToArray(), (long)network.DeployedAtBlock).ConfigureAwait(false);
        }

        await CheckNetworkAsync(stopping).ConfigureAwait(false);
        await ExecuteAsync("""
            INSERT INTO depin.channels SELECT * FROM unnest($1::int[], $2::text[], $3::text[]) ON CONFLICT (channel) DO UPDATE SET name = excluded.name, unit = excluded.unit
            """, stopping, KnownChannels.Ids, KnownChannels.Names, KnownChannels.Units).ConfigureAwait(false);
        await transaction.CommitAsync(stopping).ConfigureAwait(false);
    }

    /// <summary>Stored block marks, the newest first.</summary>
    public Task<List<(ulong Number, Hash32 Hash)>> BlocksAsync(CancellationToken stopping) =>
        ReadAsync("SELECT number, hash FROM depin.blocks ORDER BY number DESC", r => ((ulong)r.GetInt64(0), Hash(r, 1)), stopping);

    /// <summary>Stores what the blocks after <see cref="Last"/> up to <paramref name="to"/> held.</summary>
    /// <param name="events">In chain order.</param>
    /// <param name="to">The last block read.</param>
    /// <param name="blockHashes">Hash of each block with an anchor.</param>
    /// <param name="head">The newest block there is.</param>
    /// <param name="stopping">Ends it; nothing is then stored.</param>
    /// <exception cref="InvalidDataException">An anchor does not follow the stored ones: the endpoint withholds events.</exception>
    public async Task ApplyAsync(IReadOnlyList<ChainEvent> events, BlockMark to, IReadOnlyDictionary<ulong, Hash32> blockHashes, ulong head, CancellationToken stopping)
    {
        await using NpgsqlTransaction transaction = await Connection.BeginTransactionAsync(stopping).ConfigureAwait(false);
        foreach (ChainEvent happened in events) await InsertAsync(happened, blockHashes, stopping).ConfigureAwait(false);
        await ExecuteAsync("INSERT INTO depin.blocks VALUES ($1, $2) ON CONFLICT (number) DO UPDATE SET hash = excluded.hash", stopping, (long)to.Number, to.Hash.ToArray()).ConfigureAwait(false);
        await ExecuteAsync("DELETE FROM depin.blocks WHERE number < (SELECT min(number) FROM (SELECT number FROM depin.blocks ORDER BY number DESC LIMIT $1) AS kept)", stopping, BlocksKept).ConfigureAwait(false);
        await ExecuteAsync("UPDATE depin.network SET block = $1, block_hash = $2, block_time_s = $3, head = $4, final_block = $5, updated = now()", stopping,
            (long)to.Number, to.Hash.ToArray(), (long)to.TimeS, (long)head, (long)head - confirmations + 1).ConfigureAwait(false);
        await transaction.CommitAsync(stopping).ConfigureAwait(false);
        Last = (to.Number, to.Hash);
    }

    /// <summary>Takes back everything after block <paramref name="kept"/> (null: everything): the chain no longer has it.</summary>
    /// <returns>Anchors taken back.</returns>
    public async Task<long> TakeBackAsync((ulong Number, Hash32 Hash)? kept, CancellationToken stopping)
    {
        long after = kept is { } mark ? (long)mark.Number : -1;
        await using NpgsqlTransaction transaction = await Connection.BeginTransactionAsync(stopping).ConfigureAwait(false);
        await ExecuteAsync("DELETE FROM depin.frames WHERE ordinal >= (SELECT min(ordinal) FROM depin.anchors WHERE block > $1)", stopping, after).ConfigureAwait(false);
        long anchors = await ExecuteAsync("DELETE FROM depin.anchors WHERE block > $1", stopping, after).ConfigureAwait(false); // its batches and gaps go with it
        foreach (string table in (string[])["registrations", "rotations", "transfers", "revocations", "gateway_records", "active_sets"])
            await ExecuteAsync($"DELETE FROM depin.{table} WHERE block > $1", stopping, after).ConfigureAwait(false);
        await ExecuteAsync("DELETE FROM depin.blocks WHERE number > $1", stopping, after).ConfigureAwait(false);
        await ExecuteAsync("UPDATE depin.network SET block = $1, block_hash = $2, final_block = least(final_block, $3), updated = now()", stopping,
            Value(kept is null ? null : after), Value(kept?.Hash.ToArray(), NpgsqlDbType.Bytea), after).ConfigureAwait(false);
        await transaction.CommitAsync(stopping).ConfigureAwait(false);
        Last = kept;
        return anchors;
    }

    /// <summary>Anchors whose batches are to be asked for now, the oldest first.</summary>
    public Task<List<AnchorWork>> UnknownAnchorsAsync(int limit, CancellationToken stopping) => ReadAsync("""
        SELECT a.ordinal, a.epoch, a.previous, a.root, a.batches, a.frames FROM depin.anchors a LEFT JOIN depin.gaps g ON g.ordinal = a.ordinal AND g.position = -1
        WHERE NOT a.known AND (g.next_try IS NULL OR g.next_try <= now()) ORDER BY a.ordinal LIMIT $1
        """, r => new AnchorWork((ulong)r.GetInt64(0), new AnchorHeader((ulong)r.GetInt64(1), Hash(r, 2), Hash(r, 3), (uint)r.GetInt64(4), (ulong)r.GetInt64(5))), stopping, limit);

    /// <summary>Batches whose bodies are to be asked for now, the oldest first.</summary>
    public Task<List<BatchWork>> MissingBatchesAsync(int limit, CancellationToken stopping) => ReadAsync("""
        SELECT b.ordinal, a.hash, a.block, b.position, b.header, b.frames_hash
        FROM depin.batches b JOIN depin.anchors a USING (ordinal) LEFT JOIN depin.gaps g ON g.ordinal = b.ordinal AND g.position = b.position
        WHERE NOT b.indexed AND (g.next_try IS NULL OR g.next_try <= now()) ORDER BY b.ordinal, b.position LIMIT $1
        """, r => new BatchWork((ulong)r.GetInt64(0), Hash(r, 1), (ulong)r.GetInt64(2), r.GetInt32(3), BatchHeader.Read(r.GetFieldValue<byte[]>(4)), Hash(r, 5)), stopping, limit);

    /// <summary>The public keys that those of these devices have or had which are registered at a block, the newest first.</summary>
    public async Task<ILookup<Address, byte[]>> KeysAsync(IReadOnlyCollection<Address> devices, ulong block, CancellationToken stopping)
    {
        List<(Address Device, byte[] Key)> rows = await ReadAsync("""
            SELECT device, public_key FROM (
                SELECT device, public_key, block, -1 AS log_index FROM depin.registrations UNION ALL SELECT device, public_key, block, log_index FROM depin.rotations) AS keys
            WHERE device = ANY ($1) AND block <= $2 ORDER BY block DESC, log_index DESC
            """,
            r => (new Address(r.GetFieldValue<byte[]>(0)), r.GetFieldValue<byte[]>(1)), stopping, devices.Select(device => device.ToArray()).ToArray(), (long)block).ConfigureAwait(false);
        return rows.ToLookup(row => row.Device, row => row.Key);
    }

    /// <summary>Stores the checked batches of an anchor.</summary>
    /// <param name="work">The anchor.</param>
    /// <param name="batches">In leaf order.</param>
    /// <param name="stopping">Ends it; nothing is then stored.</param>
    public async Task SaveContentsAsync(AnchorWork work, IReadOnlyList<AnchoredBatch> batches, CancellationToken stopping)
    {
        await using NpgsqlTransaction transaction = await Connection.BeginTransactionAsync(stopping).ConfigureAwait(false);
        await using (NpgsqlBinaryImporter rows = await Connection.BeginBinaryImportAsync(
            "COPY depin.batches (ordinal, position, gateway, number, hash, header, frames, frames_hash) FROM STDIN (FORMAT BINARY)", stopping).ConfigureAwait(false))
        {
            for (int i = 0; i < batches.Count; i++)
            {
                BatchHeader header = batches[i].Header;
                rows.StartRow();
                rows.Write((long)work.Ordinal, NpgsqlDbType.Bigint);
                rows.Write(i, NpgsqlDbType.Integer);
                rows.Write(header.Gateway.ToArray(), NpgsqlDbType.Bytea);
                rows.Write(unchecked((long)header.Number), NpgsqlDbType.Bigint);
                rows.Write(header.Hash().ToArray(), NpgsqlDbType.Bytea);
                rows.Write(header.ToArray(), NpgsqlDbType.Bytea);
                rows.Write((int)header.Frames, NpgsqlDbType.Integer);
                rows.Write(batches[i].FramesHash.ToArray(), NpgsqlDbType.Bytea);
            }

            await rows.CompleteAsync(stopping).ConfigureAwait(false);
        }

        await ExecuteAsync("UPDATE depin.anchors SET known = true WHERE ordinal = $1", stopping, (long)work.Ordinal).ConfigureAwait(false);
        await ExecuteAsync("DELETE FROM depin.gaps WHERE ordinal = $1 AND position = -1", stopping, (long)work.Ordinal).ConfigureAwait(false);
        await transaction.CommitAsync(stopping).ConfigureAwait(false);
    }

    /// <summary>Stores the frames of checked batches, all of them or none.</summary>
    /// <exception cref="RepeatedFrameException">A frame is there already, through another batch of the same anchor.</exception>
    public async Task SaveFramesAsync(IReadOnlyList<CheckedBatch> batches, CancellationToken stopping)
    {
        await using NpgsqlTransaction transaction = await Connection.BeginTransactionAsync(stopping).ConfigureAwait(false);
        foreach (long partition in batches.Select(batch => (long)batch.Work.Ordinal / PartitionAnchors).Distinct())
        {
            if (await ScalarAsync($"SELECT to_regclass('depin.frames_{partition}')::text", stopping).ConfigureAwait(false) is null)
                await ExecuteAsync($"CREATE TABLE depin.frames_{partition} PARTITION OF depin.frames FOR VALUES FROM ({partition * PartitionAnchors}) TO ({(partition + 1) * PartitionAnchors})", stopping).ConfigureAwait(false);
        }

        try
        {
            await CopyFramesAsync(Connection, batches, stopping).ConfigureAwait(false);
        }
        catch (PostgresException twice) when (twice.SqlState == UniqueViolation)
        {
            throw new RepeatedFrameException(twice.Detail ?? twice.MessageText);
        }

        long[] ordinals = [.. batches.Select(batch => (long)batch.Work.Ordinal)];
        int[] positions = [.. batches.Select(batch => batch.Work.Position)];
        await ExecuteAsync("UPDATE depin.batches b SET indexed = true FROM unnest($1::bigint[], $2::int[]) AS done(ordinal, position) WHERE (b.ordinal, b.position) = (done.ordinal, done.position)",
            stopping, ordinals, positions).ConfigureAwait(false);
        await ExecuteAsync("DELETE FROM depin.gaps g USING unnest($1::bigint[], $2::int[]) AS done(ordinal, position) WHERE (g.ordinal, g.position) = (done.ordinal, done.position)",
            stopping, ordinals, positions).ConfigureAwait(false);
        await transaction.CommitAsync(stopping).ConfigureAwait(false);
    }

    /// <summary>Writes down what could not be got; asked for again after 1 s, then 2, 4 … up to an hour.</summary>
    public async Task SaveGapsAsync(IReadOnlyList<Gap> gaps, CancellationToken stopping)
    {
        if (gaps.Count == 0) return;
        await ExecuteAsync("""
            INSERT INTO depin.gaps AS g (ordinal, position, reason, detail, next_try) SELECT ordinal, position, reason, detail, now() + interval '1 second'
            FROM unnest($1::bigint[], $2::int[], $3::text[], $4::text[]) AS new(ordinal, position, reason, detail)
            ON CONFLICT (ordinal, position) DO UPDATE SET reason = excluded.reason, detail = excluded.detail, tries = g.tries + 1,
                next_try = now() + least(power(2, least(g.tries, 20)), $5) * interval '1 second'
            """, stopping, gaps.Select(gap => (long)gap.Ordinal).ToArray(), gaps.Select(gap => gap.Position).ToArray(), gaps.Select(gap => gap.Reason).ToArray(), gaps.Select(gap => gap.Detail).ToArray(),
            (double)RetrySecondsMax).ConfigureAwait(false);
    }

    /// <summary>Adds up what the gateways answered since this was last called.</summary>
    public async Task SaveSourcesAsync(IEnumerable<GatewaySource> sources, CancellationToken stopping)
    {
        foreach (GatewaySource source in sources)
        {
            SourceCounts counts = source.Counts;
            SourceCounts more = counts - source.Saved;
            if (more.IsZero) continue;
            await ExecuteAsync("""
                INSERT INTO depin.sources AS s VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $6::text IS NULL THEN NULL ELSE now() END)
                ON CONFLICT (url) DO UPDATE SET answered = s.answered + excluded.answered, missing = s.missing + excluded.missing, unreachable = s.unreachable + excluded.unreachable,
                    lied = s.lied + excluded.lied, last_fault = coalesce(excluded.last_fault, s.last_fault), last_fault_at = coalesce(excluded.last_fault_at, s.last_fault_at)
                """, stopping, source.Name, more.Answered, more.Missing, more.Unreachable, more.Lied,
                Value(more.Unreachable + more.Lied > 0 ? source.LastFault : null, NpgsqlDbType.Text)).ConfigureAwait(false);
            source.Saved = counts;
        }
    }

    /// <summary>Anchors, batches and frames that are indexed, and gaps.</summary>
    public async Task<IndexCounts> CountsAsync(CancellationToken stopping) => (await ReadAsync("""
        SELECT (SELECT count(*) FROM depin.anchors), (SELECT count(*) FROM depin.anchors WHERE NOT known), count(*) FILTER (WHERE indexed), count(*) FILTER (WHERE NOT indexed),
               coalesce(sum(frames) FILTER (WHERE indexed), 0)::bigint, (SELECT count(*) FROM depin.gaps) FROM depin.batches
        """, r => new IndexCounts(r.GetInt64(0), r.GetInt64(1), r.GetInt64(2), r.GetInt64(3), r.GetInt64(4), r.GetInt64(5)), stopping).ConfigureAwait(false))[0];

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await CloseAsync().ConfigureAwait(false);

    /// <summary>COPY of checked frames, binary. Public for the benchmark, which measures it alone.</summary>
    public static async Task CopyFramesAsync(NpgsqlConnection connection, IEnumerable<CheckedBatch> batches, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(connection);
        await using NpgsqlBinaryImporter rows = await connection.BeginBinaryImportAsync(
            "COPY depin.frames (ordinal, batch, place, device, sequence, time_ms, clock_synchronised, frame) FROM STDIN (FORMAT BINARY)", stopping).ConfigureAwait(false);
        foreach (CheckedBatch batch in batches)
        {
            for (int place = 0; place < batch.Body.Count; place++)
            {
                ReadOnlyMemory<byte> frame = batch.Body[place];
                byte[] bytes = frame.ToArray();
                bool synchronised = FrameParser.IsClockSynchronised(bytes, 0);
                rows.StartRow();
                rows.Write((long)batch.Work.Ordinal, NpgsqlDbType.Bigint);
                rows.Write(batch.Work.Position, NpgsqlDbType.Integer);
                rows.Write(place, NpgsqlDbType.Integer);
                rows.Write(bytes.AsMemory(FrameFormat.DeviceIdOffset, DeviceId.Bytes), NpgsqlDbType.Bytea);
                rows.Write((long)FrameParser.Sequence(bytes, 0), NpgsqlDbType.Bigint);
                rows.Write((long)Math.Min(synchronised ? FrameParser.TimeMs(bytes, 0) : batch.Work.Header.LastReceivedMs, (ulong)TimeMsMax), NpgsqlDbType.Bigint);
                rows.Write(synchronised, NpgsqlDbType.Boolean);
                rows.Write(bytes, NpgsqlDbType.Bytea);
            }
        }

        await rows.CompleteAsync(stopping).ConfigureAwait(false);
    }

    private NpgsqlConnection Connection => _connection ?? throw new InvalidOperationException("The store is not open.");

    private async Task InsertAsync(ChainEvent happened, IReadOnlyDictionary<ulong, Hash32> blockHashes, CancellationToken stopping)
    {
        long block = (long)happened.Block;
        switch (happened)
        {
            case DeviceRegistered e:
                await ExecuteAsync("INSERT INTO depin.registrations VALUES ($1, $2, $3, $4, $5, $6)", stopping, e.Device.ToArray(), e.PublicKey, (short)e.KeyKind, e.Owner.ToArray(), (long)e.AtS, block).ConfigureAwait(false);
                break;
            case DeviceTransferred e:
                await ExecuteAsync("INSERT INTO depin.transfers VALUES ($1, $2, $3, $4)", stopping, block, (long)e.Position, e.Device.ToArray(), e.Owner.ToArray()).ConfigureAwait(false);
                break;
            case DeviceRevoked e:
                await ExecuteAsync("INSERT INTO depin.revocations VALUES ($1, $2, $3)", stopping, e.Device.ToArray(), (long)e.AtS, block).ConfigureAwait(false);
                break;
            case DeviceKeyRotated e:
                await ExecuteAsync("INSERT INTO depin.rotations VALUES ($1, $2, $3, $4)", stopping, block, (long)e.Position, e.Device.ToArray(), e.PublicKey).ConfigureAwait(false);
                break;
            case EpochLengthChanged:
                break; // anchors carry their epoch
            case DeviceBatchRegistered:
                break; // a member is a device from its registerMember on
            case GatewayRecorded e:
                await ExecuteAsync("INSERT INTO depin.gateway_records VALUES ($1, $2, $3, $4, $5, $6)", stopping, block, (long)e.Position, e.Gateway.ToArray(), e.TlsKeyHash.ToArray(),
                    e.Endpoint.Replace("\0", "", StringComparison.Ordinal), (long)e.AtS).ConfigureAwait(false);
                break;
            case GatewaySetChanged e:
                await ExecuteAsync("INSERT INTO depin.active_sets VALUES ($1, $2, $3, $4)", stopping, (long)e.Version, e.Signers.Select(signer => signer.ToArray()).ToArray(), (long)e.AtS, block).ConfigureAwait(false);
                break;
            case LedgerAppended e:
                await AppendAsync(e, blockHashes[e.Block], stopping).ConfigureAwait(false);
                break;
            default:
                throw new InvalidOperationException($"{happened.GetType().Name} is no event that is indexed.");
        }
    }

    private async Task AppendAsync(LedgerAppended e, Hash32 blockHash, CancellationToken stopping)
    {
        long inserted = await ExecuteAsync("""
            INSERT INTO depin.anchors (ordinal, epoch, hash, previous, root, batches, frames, block, block_hash, transaction)
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
            WHERE $1 = (SELECT count(*) FROM depin.anchors) AND ($1 = 0 OR $4 = (SELECT hash FROM depin.anchors WHERE ordinal = $1 - 1))
            """, stopping, (long)e.Ordinal, (long)e.Header.Epoch, e.Header.Hash().ToArray(), e.Header.Previous.ToArray(), e.Header.Root.ToArray(), (long)e.Header.Batches, (long)e.Header.Frames,
            (long)e.Block, blockHash.ToArray(), e.TransactionHash.ToArray()).ConfigureAwait(false);
        if (inserted != 1) throw new InvalidDataException($"anchor {e.Ordinal} of block {e.Block} does not follow the one before: the chain's endpoint withholds events");
    }

    private async Task CheckNetworkAsync(CancellationToken stopping)
    {
        List<(int Version, long Chain, Address Ledger, Address Devices, long? Block, byte[]? Hash)> rows = await RowsAsync(Command(
            "SELECT schema_version, chain_id, ledger, device_registry, block, block_hash FROM depin.network", []),
            r => (r.GetInt32(0), r.GetInt64(1), new Address(r.GetFieldValue<byte[]>(2)), new Address(r.GetFieldValue<byte[]>(3)), r.IsDBNull(4) ? (long?)null : r.GetInt64(4), r.IsDBNull(5) ? null : r.GetFieldValue<byte[]>(5)), stopping).ConfigureAwait(false);
        if (rows is not [var found])
            throw new IndexException("the schema depin of this database is not complete", "drop it (DROP SCHEMA depin CASCADE): everything in it is read again");
        if (found.Version != SchemaVersion)
            throw new IndexException($"the schema depin of this database is of version {found.Version}, this program knows {SchemaVersion}", "use another database, or drop the schema: everything in it is read again");
        if ((ulong)found.Chain != network.ChainId || found.Ledger != network.Ledger || found.Devices != network.DeviceRegistry)
            throw new IndexException($"this database is the index of ledger {found.Ledger.ToChecksumString()} on chain {found.Chain}, not of {network.Ledger.ToChecksumString()} on chain {network.ChainId}", "name another database: one holds one network");
        Last = found is { Block: { } block, Hash: { } hash } ? ((ulong)block, new Hash32(hash)) : null;
    }

    /// <summary>A process that was killed holds the lock until the server sees its connection end.</summary>
    private async Task LockAsync(NpgsqlConnection connection, CancellationToken stopping)
    {
        long began = TimeProvider.System.GetTimestamp();
        while (await ScalarAsync("SELECT pg_try_advisory_lock($1)", stopping, WriterLock).ConfigureAwait(false) is not true)
        {
            if (TimeProvider.System.GetElapsedTime(began) > LockWait)
                throw new IndexException($"another `depin index` writes into database {connection.Database}", "stop it; for more readers, point them at the same database or at its --serve address");
            await Task.Delay(LockPoll, stopping).ConfigureAwait(false);
        }
    }

    private async Task CloseAsync()
    {
        if (_connection is not { } connection) return;
        _connection = null;
        await connection.DisposeAsync().ConfigureAwait(false);
    }

    private NpgsqlCommand Command(string sql, object[] values)
    {
        NpgsqlCommand command = new(sql, Connection);
        foreach (object value in values) command.Parameters.Add(value as NpgsqlParameter ?? new NpgsqlParameter { Value = value });
        return command;
    }

    private async Task<long> ExecuteAsync(string sql, CancellationToken stopping, params object[] values)
    {
        await using NpgsqlCommand command = Command(sql, values);
        return await command.ExecuteNonQueryAsync(stopping).ConfigureAwait(false);
    }

    private async Task<object?> ScalarAsync(string sql, CancellationToken stopping, params object[] values)
    {
        await using NpgsqlCommand command = Command(sql, values);
        return await command.ExecuteScalarAsync(stopping).ConfigureAwait(false) is { } found and not DBNull ? found : null;
    }

    /// <summary>Reads what is committed, through a connection of its own: while a group is written too.</summary>
    private async Task<List<T>> ReadAsync<T>(string sql, Func<NpgsqlDataReader, T> read, CancellationToken stopping, params object[] values)
    {
        await using NpgsqlCommand command = database.CreateCommand(sql);
        foreach (object value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        return await RowsAsync(command, read, stopping).ConfigureAwait(false);
    }

    private static async Task<List<T>> RowsAsync<T>(NpgsqlCommand command, Func<NpgsqlDataReader, T> read, CancellationToken stopping)
    {
        await using NpgsqlDataReader reader = await command.ExecuteReaderAsync(stopping).ConfigureAwait(false);
        List<T> rows = [];
        while (await reader.ReadAsync(stopping).ConfigureAwait(false)) rows.Add(read(reader));
        return rows;
    }

    private static NpgsqlParameter Value(object? value, NpgsqlDbType type = NpgsqlDbType.Bigint) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };

    private static Hash32 Hash(NpgsqlDataReader reader, int column) => new(reader.GetFieldValue<byte[]>(column));
}

/// <summary>A frame is in two batches of one anchor: no honest quorum certifies that.</summary>
public sealed class RepeatedFrameException(string message) : Exception(message);

/// <summary>How much is indexed.</summary>
/// <param name="Anchors">Ledger entries.</param>
/// <param name="AnchorsUnknown">Of those, whose batches are not known.</param>
/// <param name="Batches">Batches with all their frames.</param>
/// <param name="BatchesMissing">Batches without.</param>
/// <param name="Frames">Frames.</param>
/// <param name="Gaps">Rows in the table of gaps.</param>
public sealed record IndexCounts(long Anchors, long AnchorsUnknown, long Batches, long BatchesMissing, long Frames, long Gaps);

/// <summary>The channels of shared/Protocol as columns.</summary>
internal static class KnownChannels
{
    private static readonly ushort[] All = [.. Enumerable.Range(0, ushort.MaxValue + 1).Select(id => (ushort)id).Where(id => Channels.Name(id) is not null)];

    public static int[] Ids { get; } = [.. All.Select(id => (int)id)];

    public static string[] Names { get; } = [.. All.Select(id => Channels.Name(id)!)];

    public static string?[] Units { get; } = [.. All.Select(Channels.Unit)];
}
