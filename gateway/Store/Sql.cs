using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Store;

/// <summary>One statement, positional parameters ($0, $1 …): what the typed reads and writes of the store are made of.</summary>
public static partial class Sql
{
    /// <summary>A command with its parameters set; the caller disposes it.</summary>
    public static SqliteCommand Command(SqliteConnection connection, string text, params ReadOnlySpan<object> values)
    {
        ArgumentNullException.ThrowIfNull(connection);
        SqliteCommand command = connection.CreateCommand();
        command.CommandText = text;
        for (int i = 0; i < values.Length; i++)
            command.Parameters.AddWithValue("$" + i.ToString(System.Globalization.CultureInfo.InvariantCulture), values[i]);
        return command;
    }

    /// <summary>Runs it; gives the rows changed.</summary>
    public static int Execute(SqliteConnection connection, string text, params ReadOnlySpan<object> values)
    {
        using SqliteCommand command = Command(connection, text, values);
        return command.ExecuteNonQuery();
    }

    /// <summary>The first column of the first row as a number; 0 when there is none.</summary>
    public static long Scalar(SqliteConnection connection, string text, params ReadOnlySpan<object> values)
    {
        using SqliteCommand command = Command(connection, text, values);
        return command.ExecuteScalar() is long number ? number : 0;
    }

    /// <summary>Every row, mapped.</summary>
    public static List<T> Rows<T>(SqliteConnection connection, Func<SqliteDataReader, T> map, string text, params ReadOnlySpan<object> values)
    {
        ArgumentNullException.ThrowIfNull(map);
        using SqliteCommand command = Command(connection, text, values);
        using SqliteDataReader reader = command.ExecuteReader();
        List<T> rows = [];
        while (reader.Read())
            rows.Add(map(reader));
        return rows;
    }

    /// <summary>The first row mapped, or null.</summary>
    public static T? First<T>(SqliteConnection connection, Func<SqliteDataReader, T> map, string text, params ReadOnlySpan<object> values)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(map);
        using SqliteCommand command = Command(connection, text, values);
        using SqliteDataReader reader = command.ExecuteReader();
        return reader.Read() ? map(reader) : null;
    }
}
