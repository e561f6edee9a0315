using System.Data;
using DePIN.Contracts;
using DePIN.Evidence;
using Npgsql;

namespace DePIN.Index;

/// <summary>A frame, and where the ledger has it.</summary>
/// <param name="Frame">Its bytes.</param>
/// <param name="TimeMs">When it was made, or its batch closed where the device's clock was not set; ms since the Unix epoch.</param>
/// <param name="Ordinal">The anchor.</param>
/// <param name="Epoch">Its epoch.</param>
/// <param name="Block">Its block.</param>
/// <param name="Transaction">The transaction that recorded it.</param>
/// <param name="Gateway">Whose batch.</param>
/// <param name="Batch">That batch's number.</param>
/// <param name="Place">The frame's place in it, from 0.</param>
/// <param name="IsFinal">The anchor has enough confirmations.</param>
public sealed record IndexedFrame(byte[] Frame, long TimeMs, long Ordinal, long Epoch, long Block, Hash32 Transaction, Address Gateway, long Batch, int Place, bool IsFinal);

/// <summary>Reads the index, and builds proofs from it. Safe for concurrent use; needs no writer beside it.</summary>
public sealed class IndexReads(NpgsqlDataSource database, DeploymentRecord network) : IDisposable
{
    /// <summary>Trees kept for the next proof of the same batch: 64 bytes a frame each.</summary>
    private const int TreesKept = 8;

    private const string FrameColumns = """
        f.frame, f.time_ms, f.ordinal, a.epoch, a.block, a.transaction, b.gateway, b.number, f.place, a.block <= n.final_block
        FROM depin.frames f JOIN depin.anchors a USING (ordinal) JOIN depin.batches b ON b.ordinal = f.ordinal AND b.position = f.batch CROSS JOIN depin.network n
        """;

    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Queue<(Hash32 Batch, MerkleTree Tree)> _trees = new();
    private readonly MountainRange _range = new();

    /// <summary>Devices after one, in the order of their ids.</summary>
    public Task<List<DeviceRow>> DevicesAsync(byte[] after, int limit, CancellationToken stopping) => RowsAsync("""
        SELECT device, public_key, key_kind, owner, registered_at_s, revoked_at_s FROM depin.devices WHERE device_id > $1 ORDER BY device_id LIMIT $2
        """, r => new DeviceRow(r.GetString(0), r.GetFieldValue<byte[]>(1), r.GetInt16(2), r.GetFieldValue<byte[]>(3), r.GetInt64(4), r.IsDBNull(5) ? null : r.GetInt64(5)), stopping, after, limit);

    /// <summary>True when the registry has this device.</summary>
    public async Task<bool> HasDeviceAsync(byte[] device, CancellationToken stopping) =>
        (await RowsAsync("SELECT 1 FROM depin.registrations WHERE device = $1", r => r.GetInt32(0), stopping, device).ConfigureAwait(false)).Count > 0;

    /// <summary>A device's frames that begin in [<paramref name="from"/>, <paramref name="to"/>), after (time, sequence), in that order.</summary>
    public Task<List<IndexedFrame>> FramesAsync(byte[] device, long from, long to, (long TimeMs, long Sequence) after, int limit, CancellationToken stopping) => RowsAsync($"""
        SELECT {FrameColumns} WHERE f.device = $1 AND f.time_ms >= $2 AND f.time_ms < $3 AND (f.time_ms, f.sequence) > ($4, $5) ORDER BY f.time_ms, f.sequence, f.ordinal LIMIT $6
        """, ReadFrame, stopping, device, Math.Max(from, after.TimeMs), to, after.TimeMs, after.Sequence, limit);

    /// <summary>One frame; null when it is not indexed.</summary>
    public async Task<IndexedFrame?> FrameAsync(byte[] device, long sequence, CancellationToken stopping) =>
        (await RowsAsync($"SELECT {FrameColumns} WHERE f.device = $1 AND f.sequence = $2 ORDER BY f.ordinal LIMIT 1", ReadFrame, stopping, device, sequence).ConfigureAwait(false)).FirstOrDefault();

    /// <summary>The proof of a frame at the ledger's indexed size; null when it is not indexed. Built from one snapshot of the database.</summary>
    public async Task<Proof?> ProveAsync(byte[] device, long sequence, CancellationToken stopping)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(stopping).ConfigureAwait(false);
        await using NpgsqlTransaction snapshot = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, stopping).ConfigureAwait(false);
        List<FrameEvidence> found = await RowsAsync(Command(connection, """
            SELECT f.frame, f.ordinal, f.batch, f.place, b.header, r.public_key, a.epoch, a.previous, a.root, a.batches, a.frames,
                   ARRAY(SELECT k.public_key FROM depin.rotations k WHERE k.device = f.device ORDER BY k.block DESC, k.log_index DESC)
            FROM depin.frames f JOIN depin.anchors a USING (ordinal) JOIN depin.batches b ON b.ordinal = f.ordinal AND b.position = f.batch JOIN depin.registrations r ON r.device = f.device
            WHERE f.device = $1 AND f.sequence = $2 ORDER BY f.ordinal LIMIT 1
            """, device, sequence), r => new FrameEvidence(r.GetFieldValue<byte[]>(0), r.GetInt64(1), r.GetInt32(2), r.GetInt32(3), BatchHeader.Read(r.GetFieldValue<byte[]>(4)), r.GetFieldValue<byte[]>(5),
                new AnchorHeader((ulong)r.GetInt64(6), Hash(r, 7), Hash(r, 8), (uint)r.GetInt64(9), (ulong)r.GetInt64(10)), r.GetFieldValue<byte[][]>(11)), stopping).ConfigureAwait(false);
        if (found is not [var frame]) return null;
        List<Hash32> batches = await RowsAsync(Command(connection, "SELECT hash FROM depin.batches WHERE ordinal = $1 ORDER BY position", frame.Ordinal), r => Hash(r, 0), stopping).ConfigureAwait(false);
        await _turn.WaitAsync(stopping).ConfigureAwait(false);
        try
        {
            MerkleTree tree = await TreeAsync(connection, frame, stopping).ConfigureAwait(false);
            await ExtendRangeAsync(connection, stopping).ConfigureAwait(false);
            return new Proof
            {
                ChainId = network.ChainId, Ledger = network.Ledger, Frame = frame.Frame, PublicKey = frame.SigningKey(), BatchPath = [.. tree.Proof(frame.Place)], Batch = frame.Header,
                AnchorPath = [.. new MerkleTree(batches.ToArray()).Proof(frame.Batch)], Anchor = frame.Anchor, Ordinal = (ulong)frame.Ordinal, LedgerSize = (ulong)_range.Count,
                LedgerPath = [.. _range.Proof(frame.Ordinal)],
            };
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>How the index stands.</summary>
    public async Task<StatusRow> StatusAsync(CancellationToken stopping) => (await RowsAsync("""
        SELECT n.chain_id, n.ledger, n.block, n.block_time_s, n.head, n.final_block, (extract(epoch FROM n.updated) * 1000)::bigint,
               (SELECT count(*) FROM depin.anchors), (SELECT count(*) FROM depin.anchors WHERE NOT known), (SELECT count(*) FROM depin.anchors WHERE block <= n.final_block),
               (SELECT count(*) FROM depin.batches WHERE indexed), (SELECT count(*) FROM depin.batches WHERE NOT indexed),
               (SELECT coalesce(sum(frames), 0)::bigint FROM depin.batches WHERE indexed), (SELECT count(*) FROM depin.gaps)
        FROM depin.network n
        """, r => new StatusRow(r.GetInt64(0), new Address(r.GetFieldValue<byte[]>(1)), Number(r, 2), Number(r, 3), Number(r, 4), r.GetInt64(5), r.GetInt64(6), r.GetInt64(7), r.GetInt64(8), r.GetInt64(9),
            r.GetInt64(10), r.GetInt64(11), r.GetInt64(12), r.GetInt64(13)), stopping).ConfigureAwait(false))[0];

    /// <summary>The gaps, the oldest anchors first.</summary>
    public Task<List<GapJson>> GapsAsync(int limit, CancellationToken stopping) => RowsAsync("""
        SELECT g.ordinal, g.position, encode(b.gateway, 'hex'), b.number, g.reason, g.detail, (extract(epoch FROM g.since) * 1000)::bigint, g.tries, (extract(epoch FROM g.next_try) * 1000)::bigint
        FROM depin.gaps g LEFT JOIN depin.batches b USING (ordinal, position) ORDER BY g.ordinal, g.position LIMIT $1
        """, r => new GapJson(r.GetInt64(0), r.GetInt32(1) == Gap.Contents ? "batches" : "body", r.IsDBNull(2) ? null : "0x" + r.GetString(2), Number(r, 3), r.GetString(4), r.GetString(5), r.GetInt64(6), r.GetInt32(7), r.GetInt64(8)), stopping, limit);

    /// <summary>What each gateway answered.</summary>
    public Task<List<SourceJson>> SourcesAsync(CancellationToken stopping) => RowsAsync("""
        SELECT url, answered, missing, unreachable, lied, last_fault, (extract(epoch FROM last_fault_at) * 1000)::bigint FROM depin.sources ORDER BY url
        """, r => new SourceJson(r.GetString(0), r.GetInt64(1), r.GetInt64(2), r.GetInt64(3), r.GetInt64(4), r.IsDBNull(5) ? null : r.GetString(5), Number(r, 6)), stopping);

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    private async Task<MerkleTree> TreeAsync(NpgsqlConnection connection, FrameEvidence frame, CancellationToken stopping)
    {
        Hash32 batch = frame.Header.Hash();
        foreach ((Hash32 kept, MerkleTree tree) in _trees)
            if (kept == batch) return tree;
        List<Hash32> leaves = await RowsAsync(Command(connection, "SELECT frame FROM depin.frames WHERE ordinal = $1 AND batch = $2 ORDER BY place", frame.Ordinal, frame.Batch),
            r => FrameLeaf.Hash(r.GetFieldValue<byte[]>(0)), stopping).ConfigureAwait(false);
        MerkleTree built = new(leaves.ToArray());
        if (built.Root != frame.Header.Root)
            throw new InvalidDataException($"the frames of batch {frame.Header.Number} of {frame.Header.Gateway} in the database are not those that were anchored: somebody changed depin.frames");
        _trees.Enqueue((batch, built));
        if (_trees.Count > TreesKept) _trees.Dequeue();
        return built;
    }

    /// <summary>Brings the range of anchors to the snapshot's: what stayed is kept, what a reorganisation took is dropped.</summary>
    private async Task ExtendRangeAsync(NpgsqlConnection connection, CancellationToken stopping)
    {
        while (_range.Count > 0)
        {
            List<Hash32> there = await RowsAsync(Command(connection, "SELECT hash FROM depin.anchors WHERE ordinal = $1", _range.Count - 1), r => Hash(r, 0), stopping).ConfigureAwait(false);
            if (there is [var hash] && hash == _range[_range.Count - 1]) break;
            _range.Truncate(_range.Count / 2); // an anchor names the one before: where one is the same, all before it are
        }

        foreach (Hash32 hash in await RowsAsync(Command(connection, "SELECT hash FROM depin.anchors WHERE ordinal >= $1 ORDER BY ordinal", _range.Count), r => Hash(r, 0), stopping).ConfigureAwait(false))
            _range.Append(hash);
    }

    private async Task<List<T>> RowsAsync<T>(string sql, Func<NpgsqlDataReader, T> read, CancellationToken stopping, params object[] values)
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

    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, params object[] values)
    {
        NpgsqlCommand command = new(sql, connection);
        foreach (object value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        return command;
    }

    private static IndexedFrame ReadFrame(NpgsqlDataReader r) => new(r.GetFieldValue<byte[]>(0), r.GetInt64(1), r.GetInt64(2), r.GetInt64(3), r.GetInt64(4), Hash(r, 5), new Address(r.GetFieldValue<byte[]>(6)),
        r.GetInt64(7), r.GetInt32(8), r.GetBoolean(9));

    private static Hash32 Hash(NpgsqlDataReader reader, int column) => new(reader.GetFieldValue<byte[]>(column));

    private static long? Number(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetInt64(column);

    private sealed record FrameEvidence(byte[] Frame, long Ordinal, int Batch, int Place, BatchHeader Header, byte[] PublicKey, AnchorHeader Anchor, byte[][] LaterKeys)
    {
        /// <summary>The first key, or of a device that changed it the one that signed this frame.</summary>
        public byte[] SigningKey() => LaterKeys.FirstOrDefault(key => ProofVerifier.VerifyFrame(key, Frame)) ?? PublicKey;
    }

}

/// <summary>A device as the registry has it.</summary>
public sealed record DeviceRow(string Device, byte[] PublicKey, short KeyKind, byte[] Owner, long RegisteredAtS, long? RevokedAtS);

/// <summary>How the index stands.</summary>
public sealed record StatusRow(
    long ChainId, Address Ledger, long? Block, long? BlockTimeS, long? Head, long FinalBlock, long UpdatedMs, long Anchors, long AnchorsUnknown, long AnchorsFinal, long Batches, long BatchesMissing, long Frames, long Gaps);
