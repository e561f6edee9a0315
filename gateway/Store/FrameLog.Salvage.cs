using System.Buffers.Binary;
using DePIN.Evidence;
using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Store;

/// <summary>
/// What becomes of damaged files. A partition's sound rows are written into a new file under their numbers, the old one goes to the quarantine; rows that
/// are not there any more are noted as lost, and the batches they were in come back from peers (Batch/LostBatches). A damaged database is built again from
/// what can be read of it and from the partitions. Nothing is lost in silence: every case is told in the quarantine, in the log and in health.
/// </summary>
public sealed partial class FrameLog
{
    private const int OpenAttempts = 4;

    private readonly HashSet<long> suspects = []; // first rows of partitions that gave something that was never written
    private volatile (long First, long Last)[] lost = [];
    private long verifiedRow;

    /// <summary>Rows that the disk lost.</summary>
    public long LostFrames => lost.Sum(static run => run.Last - run.First + 1);

    /// <inheritdoc/>
    public IReadOnlyList<long> LostRows(long firstRow, long lastRow)
    {
        List<long> rows = [];
        foreach ((long first, long last) in lost)
            for (long row = Math.Max(first, firstRow); row <= Math.Min(last, lastRow); row++) rows.Add(row);
        return rows;
    }

    /// <summary>The runs of rows that the disk lost, ascending.</summary>
    public IReadOnlyList<(long First, long Last)> LostRuns => lost;

    /// <summary>What damaged files there are, in words: those of the folder quarantine.</summary>
    public IReadOnlyList<string> Damage => StoreDamage.Read(options.Path);

    /// <summary>Reads the next rows of the closed partitions and compares their checksums; after the last it begins again. For a slow round in the background.</summary>
    /// <param name="count">How many rows, <see cref="ReadFramesMax"/> at most.</param>
    public void VerifyNext(int count)
    {
        PartitionFile? partition = partitions.FirstOrDefault(one => !one.IsDropped && !one.IsOpen && one.LastRow > verifiedRow);
        if (partition is null)
        {
            verifiedRow = 0;
            return;
        }
        long from = Math.Max(partition.FirstRow, verifiedRow + 1), to = Math.Min(partition.LastRow, from + count - 1);
        verifiedRow = to;
        try
        {
            int found = ReadPartition(partition, (file, connection) => file.Read(connection, from, to))?.Count ?? -1;
            if (found >= 0 && found + LostRows(from, to).Count < to - from + 1) Suspect(partition);
        }
        catch (Exception fault) when (IsDamage(fault))
        {
            // Noted by the read.
        }
    }

    private bool IsLost(long firstRow, long lastRow)
    {
        foreach ((long first, long last) in lost)
        {
            if (first > firstRow) return false;
            if (last >= firstRow) firstRow = last + 1;
            if (firstRow > lastRow) return true;
        }
        return false;
    }

    // SQLITE_ERROR as well: our statements are right, so a file of another format or without our tables it is.
    private static bool IsDamage(Exception fault) => fault is SqliteException { SqliteErrorCode: 1 or 11 or 26 } or StoreException { Fault: StoreFault.Corrupt };

    // The writer looks after it before the next group.
    private void Suspect(PartitionFile partition)
    {
        lock (suspects)
            if (!suspects.Add(partition.FirstRow)) return;
        if (thread is not null) _ = WriteAsync(static _ => 0, whenFull: true);
    }

    private void SalvageSuspects()
    {
        long[] all;
        lock (suspects)
        {
            if (suspects.Count == 0) return;
            all = [.. suspects];
            suspects.Clear();
        }
        foreach (long first in all)
        {
            if (Array.Find(partitions, one => one.FirstRow == first && !one.IsDropped) is not { } partition) continue;
            try
            {
                Salvage(partition, "a row could not be read");
            }
            catch (Exception fault) when (fault is SqliteException or IOException or UnauthorizedAccessException or StoreException)
            {
                LastError = fault.Message; // the file stays where it is; the next read of it, or the next round, tries again
                if (partition.IsOpen) state = StoreFault.Unavailable;
            }
        }
    }

    /// <summary>Opens the database and the partitions; what is damaged is put right first.</summary>
    private SqliteConnection OpenFiles()
    {
        bool hadFrames = PartitionFile.AnyIn(options.Path);
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                if (hadFrames && !(File.Exists(options.Path) && PartitionFile.LooksSound(options.Path)))
                    throw new StoreException(StoreFault.Corrupt, "it is missing, or no database any more");
                writer = Connect(SqliteOpenMode.ReadWriteCreate);
                StoreSchema.Apply(writer, options.Path);
                Check(writer, "main", options.Path);
                if (KnowsAllPartitions()) break;
                throw new StoreException(StoreFault.Corrupt, "it is older than the frames beside it");
            }
            catch (Exception fault) when (IsDamage(fault) && attempt < OpenAttempts && hadFrames)
            {
                BuildAgain(WhatOf(fault));
                writer.Dispose();
            }
        }
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                OpenPartitions();
                Check(writer, "log", partitions[^1].PathIn(options.Path));
                Settle(writer);
                Trim();
                Restore();
                return writer;
            }
            catch (Exception fault) when (IsDamage(fault) && attempt < OpenAttempts && partitions.Length > 0)
            {
                bool isRead;
                lock (suspects) isRead = suspects.Count > 0;
                writer.Dispose();
                DiscardReaders();
                devices.Clear();
                writer = Connect(SqliteOpenMode.ReadWrite);
                if (isRead) SalvageSuspects();
                else if (Array.Find(partitions, static one => one.IsOpen) is { } open) Salvage(open, WhatOf(fault));
                else throw;
            }
        }
    }

    // A file that the database does not know is either empty, of a start that did not come so far as to write a frame, or the database is an old copy.
    private bool KnowsAllPartitions()
    {
        HashSet<long> known = [.. Sql.Rows(writer, static row => row.GetInt64(0), "SELECT first_row FROM partitions")];
        return !PartitionFile.AnyIn(options.Path) || PartitionFile.FirstRowsIn(options.Path).All(first =>
            known.Contains(first) || !PageSalvage.Read(PartitionFile.PathOf(options.Path, first), PartitionFormat.Checked).Any());
    }

    private static string WhatOf(Exception damage) => damage.Message.Replace(LastResort, "", StringComparison.Ordinal);

    /// <summary>On the writer's thread, or at the start. An open partition is closed by it; its caller attaches the next one.</summary>
    private void Salvage(PartitionFile damaged, string why)
    {
        string path = damaged.PathIn(options.Path), made = path + ".new";
        lock (readersGate) DiscardReaders(damaged.FirstRow);
        bool wasAttached = damaged.IsOpen && Sql.Scalar(writer, "SELECT count(*) FROM pragma_database_list WHERE name = 'log'") > 0;
        if (wasAttached)
        {
            insert?.Dispose();
            Sql.Execute(writer, "DETACH DATABASE log");
        }
        DeleteFiles(made);
        List<(long First, long Last)> gone = [];
        long last = damaged.LastRow;
        using (SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = made, Mode = SqliteOpenMode.ReadWriteCreate, Pooling = false }.ToString()))
        {
            connection.Open();
            Sql.Execute(connection, "PRAGMA synchronous = FULL");
            Sql.Execute(connection, PartitionFile.Mark("main"));
            Sql.Execute(connection, "BEGIN");
            Sql.Execute(connection, PartitionFile.TableIn("main"));
            using (SqliteCommand add = Sql.Command(connection, "INSERT OR IGNORE INTO frames (row, device, received_ms, frame) VALUES ($0, $1, $2, $3)", 0L, 0, 0L, Array.Empty<byte>()))
            {
                foreach (StoredFrame frame in PageSalvage.Read(path, damaged.Format))
                {
                    if (frame.Row < damaged.FirstRow || frame.Row > damaged.LastRow || (damaged.Format == PartitionFormat.Plain && !IsSigned(frame))) continue;
                    byte[] stored = new byte[frame.Frame.Length + PartitionFile.CheckBytes];
                    PartitionFile.Encode(frame.Row, frame.Device, frame.ReceivedMs, frame.Frame, stored);
                    Set(add, frame.Row, frame.Device, frame.ReceivedMs, stored);
                }
            }
            // Rows that anything refers to existed, whether they can be read or not; their numbers are not given again.
            if (damaged.IsOpen) last = Math.Max(Math.Max(damaged.FirstRow - 1, Sql.Scalar(connection, "SELECT max(row) FROM frames")), Math.Max(lastRow, LastRowKnown()));
            Sql.Execute(connection, "COMMIT");
            long next = damaged.FirstRow;
            foreach (long row in Sql.Rows(connection, static one => one.GetInt64(0), "SELECT row FROM frames ORDER BY row"))
            {
                if (row > next) gone.Add((next, row - 1));
                next = row + 1;
            }
            if (next <= last) gone.Add((next, last));
        }

        long count = gone.Sum(static run => run.Last - run.First + 1);
        string text = $"{Path.GetFileName(path)} was damaged ({why}). {last - damaged.FirstRow + 1 - count} frames were read out of it, {count} could not be"
            + (count == 0 ? "." : $": rows {string.Join(", ", gone.Take(20).Select(static run => run.First == run.Last ? $"{run.First}" : $"{run.First}-{run.Last}"))}{(gone.Count > 20 ? " and more" : "")}. Those of certified batches come back from peers.")
            + (damaged.IsOpen ? $" Of the newest frames, up to {options.IndexIntervalFrames} after row {last} may be gone without a trace." : "")
            + " Look at the disk ('depin gateway check'), copy this folder away if you want to keep it, then delete it.";
        Sql.Execute(writer, "BEGIN IMMEDIATE");
        Sql.Execute(writer, "DELETE FROM lost_rows WHERE first_row BETWEEN $0 AND $1", damaged.FirstRow, last);
        foreach ((long first, long end) in gone) Sql.Execute(writer, "INSERT INTO lost_rows (first_row, last_row) VALUES ($0, $1)", first, end);
        if (last < damaged.FirstRow) Sql.Execute(writer, "DELETE FROM partitions WHERE first_row = $0", damaged.FirstRow);
        else Sql.Execute(writer, "UPDATE partitions SET last_row = $1, format = $2 WHERE first_row = $0", damaged.FirstRow, last, (int)PartitionFormat.Checked);
        Sql.Execute(writer, "COMMIT");
        StoreDamage.Keep(options.Path, path, text, time.GetUtcNow());
        if (last < damaged.FirstRow) DeleteFiles(made);
        else File.Move(made, path);
        StoreUpgrade.Flush(PartitionFile.FolderOf(options.Path));
        ReadPartitionList();
        if (!wasAttached) return;
        Volatile.Write(ref lastRow, Math.Max(last, lastRow));
        Begin(last + 1);
        Prepare();
    }

    private long LastRowKnown() => Sql.Scalar(writer, """
        SELECT max(row) FROM (SELECT value AS row FROM meta WHERE key IN ('indexed_row', 'cut_row') UNION ALL SELECT max(last_row) FROM batches
        UNION ALL SELECT max(last_row) FROM device_state UNION ALL SELECT max(row) FROM late_frames)
        """);

    // A row of schema 2 has no checksum; the device's signature is one.
    private bool IsSigned(StoredFrame frame)
    {
        if (Sql.First(writer, static row => (byte[])row.GetValue(0), "SELECT public_key FROM devices WHERE id = $0 AND device_id = $1 AND length(public_key) = 64",
            frame.Device, FrameSpans.Key(frame.Frame).Device.ToArray()) is not { } key) return false;
        using System.Security.Cryptography.ECDsa pair = System.Security.Cryptography.ECDsa.Create(new System.Security.Cryptography.ECParameters
        {
            Curve = System.Security.Cryptography.ECCurve.NamedCurves.nistP256, Q = new System.Security.Cryptography.ECPoint { X = key[..32], Y = key[32..] },
        });
        return Verify.FrameSignature.Verify(pair, frame.Frame, stackalloc byte[32]);
    }

    /// <summary>A new database from what can be read of the damaged one and from the partitions. Reads all frames: about a minute for 5 GiB.</summary>
    private void BuildAgain(string why)
    {
        writer?.Dispose();
        Dictionary<string, List<object[]>> found = ReadWhatCanBeRead();
        StoreDamage.Keep(options.Path, options.Path,
            $"{Path.GetFileName(options.Path)} was damaged ({why}) and is built again from the partitions and from what could be read of it: {string.Join(", ", found.Select(static table => $"{table.Value.Count} rows of {table.Key}"))}. "
            + "Devices come back from the chain, batches from peers, frames are all where they were. A device all of whose frames were dropped may send old ones again. Look at the disk ('depin gateway check'), then delete this folder.", time.GetUtcNow());
        writer = Connect(SqliteOpenMode.ReadWriteCreate);
        StoreSchema.Apply(writer, options.Path);
        Sql.Execute(writer, "BEGIN IMMEDIATE");
        ListPartitions();
        foreach ((string table, List<object[]> rows) in found)
        {
            foreach (object[] row in rows)
            {
                if (IsSound(table, row))
                    Sql.Execute(writer, $"INSERT OR IGNORE INTO {table} VALUES ({string.Join(", ", Enumerable.Range(0, row.Length).Select(static i => $"${i}"))})", row);
            }
        }
        Sql.Execute(writer, "COMMIT");
        ReadPartitionList();
        Index();
    }

    /// <summary>Rows of the tables that nothing else tells: up to a damaged page from both ends.</summary>
    private Dictionary<string, List<object[]>> ReadWhatCanBeRead()
    {
        Dictionary<string, List<object[]>> found = [];
        try
        {
            if (!File.Exists(options.Path) || !PartitionFile.LooksSound(options.Path)) return found;
            using SqliteConnection old = new(new SqliteConnectionStringBuilder { DataSource = options.Path, Mode = SqliteOpenMode.ReadWrite, Pooling = false, DefaultTimeout = 5 }.ToString());
            old.Open();
            foreach ((string table, string key) in (ReadOnlySpan<(string, string)>)[("devices", "id"), ("batches", "number"), ("evidence", "id"), ("lost_rows", "first_row"), ("partitions", "first_row")])
            {
                Dictionary<long, object[]> rows = [];
                foreach (string order in (ReadOnlySpan<string>)["ASC", "DESC"])
                {
                    try
                    {
                        using SqliteCommand command = Sql.Command(old, $"SELECT * FROM {table} ORDER BY {key} {order}");
                        using SqliteDataReader reader = command.ExecuteReader();
                        while (reader.Read())
                        {
                            object[] row = new object[reader.FieldCount];
                            reader.GetValues(row);
                            if (row[0] is long id && !rows.TryAdd(id, row)) break; // read from the other end already
                        }
                    }
                    catch (SqliteException)
                    {
                        // As far as it goes.
                    }
                }
                found[table] = [.. rows.OrderBy(static row => row.Key).Select(static row => row.Value)];
            }
        }
        catch (SqliteException)
        {
            // Not even a schema: the partitions tell the rest.
        }
        return found;
    }

    // Only what proves itself is believed: a device by its id (a hash of its key), a batch by its hash.
    private static bool IsSound(string table, object[] row)
    {
        try
        {
            return table switch
            {
                "devices" => row is [> 0L, byte[] { Length: 20 } id, byte[] { Length: 64 } key, ..] && System.Security.Cryptography.SHA256.HashData(key).AsSpan(12).SequenceEqual(id),
                "batches" => row is [long number, long first, long last, byte[] gateway, byte[] previous, byte[] root, long samples, long earliest, long latest, byte[] body, byte[] hash, byte[] { Length: 32 }, byte[] skipped, long]
                    && SkippedRows.Read(skipped, first) is var without && last >= first && last - first < 2L * EvidenceLimits.BatchFramesMax
                    && new BatchHeader(new Address(gateway), (ulong)number, new Hash32(previous), new Hash32(root), checked((uint)(last - first + 1 - without.Count)), (uint)samples, (ulong)earliest, (ulong)latest, new Hash32(body)).Hash().ToArray().AsSpan().SequenceEqual(hash),
                "lost_rows" => row is [long from, long to] && from >= 1 && to >= from,
                "partitions" => row is [_, _, _, long dropped] && dropped == 1,
                _ => true,
            };
        }
        catch (Exception fault) when (fault is ArgumentException or OverflowException)
        {
            return false;
        }
    }

    // The files say it themselves: the name has the first row, the next file's the last one.
    private void ListPartitions()
    {
        long[] firsts = PartitionFile.FirstRowsIn(options.Path);
        if (firsts is [> 1 and var oldest, ..]) Sql.Execute(writer, "INSERT OR IGNORE INTO partitions (first_row, last_row, format, dropped) VALUES (1, $0, $1, 1)", oldest - 1, (int)PartitionFormat.Checked);
        for (int i = 0; i < firsts.Length; i++)
        {
            string path = PartitionFile.PathOf(options.Path, firsts[i]);
            PartitionFormat format = PartitionFile.FormatOf(path);
            long last = i + 1 < firsts.Length ? firsts[i + 1] - 1
                : format == PartitionFormat.Plain ? PageSalvage.Read(path, format).Max(static frame => frame.Row) : long.MaxValue; // one of schema 2 is never written to
            Sql.Execute(writer, "INSERT OR REPLACE INTO partitions (first_row, last_row, format, dropped) VALUES ($0, $1, $2, 0)", firsts[i], last, (int)format);
        }
        if (firsts.Length > 0) SaveCutRow(writer, firsts[0] - 1);
    }

    // Every frame once: device numbers, the index, and what came late.
    private void Index()
    {
        Dictionary<int, byte[]> numbers = [];
        Dictionary<int, ulong> newest = [];
        foreach (PartitionFile partition in partitions)
        {
            if (partition.IsDropped) continue;
            string path = partition.PathIn(options.Path);
            Sql.Execute(writer, "BEGIN IMMEDIATE");
            IEnumerable<StoredFrame> rows = PageSalvage.Read(path, partition.Format).Where(frame => frame.Row >= partition.FirstRow && frame.Row <= partition.LastRow);
            if (partition.Format == PartitionFormat.Checked) rows = rows.OrderBy(static frame => frame.Row).DistinctBy(static frame => frame.Row); // one of schema 2 may be too large for that
            foreach (StoredFrame frame in rows)
            {
                (Address device, ulong sequence, _, _) = FrameSpans.Key(frame.Frame);
                numbers.TryAdd(frame.Device, device.ToArray());
                if (sequence > newest.GetValueOrDefault(frame.Device)) newest[frame.Device] = sequence;
                else Sql.Execute(writer, "INSERT OR REPLACE INTO late_frames (device, sequence, row) VALUES ($0, $1, $2)", frame.Device, (long)sequence, frame.Row);
            }
            Sql.Execute(writer, "COMMIT");
        }
        Sql.Execute(writer, "BEGIN IMMEDIATE");
        foreach ((int number, byte[] device) in numbers)
        {
            // The key comes from the chain; the number must stay the one in the frames.
            Sql.Execute(writer, "DELETE FROM devices WHERE (id = $0) <> (device_id = $1)", number, device);
            Sql.Execute(writer, "INSERT OR IGNORE INTO devices (id, device_id, public_key, key_kind, owner, registered_at, revoked_at) VALUES ($0, $1, x'', 0, x'', 0, 0)", number, device);
        }
        Sql.Execute(writer, "COMMIT");
    }
}
