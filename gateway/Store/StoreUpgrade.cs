using DePIN.Gateway.Operate;
using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Store;

/// <summary>
/// Takes over a store of schema 2, where the frames lie in the same file as everything else. Frames are not copied: the old file becomes the first
/// partition, and what is not frames is copied into a new database. A stop at any point leaves the old store or the new one.
/// </summary>
internal static class StoreUpgrade
{
    private static readonly string[] Tables = ["meta", "devices", "frame_index", "device_state", "late_frames", "batches", "evidence"];

    public static void Apply(string path)
    {
        string next = path + ".new", first = PartitionFile.PathOf(path, 1), folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (!File.Exists(path))
        {
            if (File.Exists(next) && File.Exists(first)) Rename(next, path, folder); // stopped between the two renames
            return;
        }

        if (!PartitionFile.LooksSound(path)) return; // what is damaged is the opening's concern
        using (SqliteConnection old = Open(path, SqliteOpenMode.ReadWrite))
        {
            if (Sql.Scalar(old, "PRAGMA user_version") != 2 || Sql.Scalar(old, "PRAGMA application_id") != StoreSchema.ApplicationId) return;
            Sql.Execute(old, "PRAGMA journal_mode = DELETE"); // folds the write-ahead log in
        }

        File.Delete(next);
        using (SqliteConnection made = Open(next, SqliteOpenMode.ReadWriteCreate))
        {
            Sql.Execute(made, "PRAGMA synchronous = FULL");
            StoreSchema.Apply(made, next);
            Sql.Execute(made, "ATTACH DATABASE $0 AS old", path);
            Sql.Execute(made, "BEGIN");
            foreach (string table in Tables) Sql.Execute(made, $"INSERT INTO main.{table} SELECT * FROM old.{table}");
            long last = Sql.Scalar(made, "SELECT max(row) FROM old.frames");
            if (last > 0) Sql.Execute(made, "INSERT INTO partitions (first_row, last_row, format, dropped) VALUES (1, $0, $1, 0)", last, (int)PartitionFormat.Plain);
            Sql.Execute(made, "COMMIT");
        }

        Directory.CreateDirectory(Path.GetDirectoryName(first)!);
        Flush(folder);
        Rename(path, first, folder);
        Rename(next, path, folder);
    }

    private static void Rename(string from, string to, string folder)
    {
        File.Move(from, to);
        Flush(Path.GetDirectoryName(to)!);
        Flush(folder);
    }

    internal static void Flush(string folder)
    {
        if (!OperatingSystem.IsWindows()) SecretFile.FlushFolder(folder);
    }

    private static SqliteConnection Open(string path, SqliteOpenMode mode)
    {
        SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false, DefaultTimeout = 5 }.ToString());
        connection.Open();
        return connection;
    }
}
