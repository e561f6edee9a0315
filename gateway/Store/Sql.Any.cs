using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;

namespace DePIN.Gateway.Store;

/// <summary>
/// The same for SQL that both databases understand (the records of <c>chain.db</c>): parameters are written $0, $1 … and become PostgreSQL's $1, $2 … there.
/// What the dialects do not share is avoided: <c>ON CONFLICT</c> instead of <c>OR REPLACE</c>, aliases for subqueries, no scalar <c>max</c>.
/// </summary>
public static partial class Sql
{
    // The program's own statements: as many as there are in the source.
    private static readonly ConcurrentDictionary<string, string> Translated = new();

    /// <summary>A command with its parameters set; the caller disposes it.</summary>
    public static DbCommand Command(DbConnection connection, string text, params ReadOnlySpan<object> values)
    {
        ArgumentNullException.ThrowIfNull(connection);
        DbCommand command = connection.CreateCommand();
        bool isPostgres = command is NpgsqlCommand;
        command.CommandText = isPostgres ? Translated.GetOrAdd(text, FromOne) : text;
        for (int i = 0; i < values.Length; i++)
        {
            DbParameter parameter = command.CreateParameter();
            if (!isPostgres) parameter.ParameterName = "$" + i.ToString(CultureInfo.InvariantCulture);
            parameter.Value = values[i];
            command.Parameters.Add(parameter);
        }

        return command;
    }

    /// <summary>Runs it; gives the rows changed.</summary>
    public static int Execute(DbConnection connection, string text, params ReadOnlySpan<object> values)
    {
        using DbCommand command = Command(connection, text, values);
        return command.ExecuteNonQuery();
    }

    /// <summary>The first column of the first row as a number, a truth value as 0 or 1; 0 when there is none.</summary>
    public static long Scalar(DbConnection connection, string text, params ReadOnlySpan<object> values)
    {
        using DbCommand command = Command(connection, text, values);
        return command.ExecuteScalar() switch { long number => number, int number => number, true => 1, _ => 0 };
    }

    /// <summary>Every row, mapped.</summary>
    public static List<T> Rows<T>(DbConnection connection, Func<DbDataReader, T> map, string text, params ReadOnlySpan<object> values)
    {
        ArgumentNullException.ThrowIfNull(map);
        using DbCommand command = Command(connection, text, values);
        using DbDataReader reader = command.ExecuteReader();
        List<T> rows = [];
        while (reader.Read())
            rows.Add(map(reader));
        return rows;
    }

    /// <summary>The first row mapped, or null.</summary>
    public static T? First<T>(DbConnection connection, Func<DbDataReader, T> map, string text, params ReadOnlySpan<object> values)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(map);
        using DbCommand command = Command(connection, text, values);
        using DbDataReader reader = command.ExecuteReader();
        return reader.Read() ? map(reader) : null;
    }

    private static string FromOne(string text) => Numbered().Replace(text, static at => "$" + (int.Parse(at.ValueSpan[1..], CultureInfo.InvariantCulture) + 1).ToString(CultureInfo.InvariantCulture));

    [GeneratedRegex(@"\$\d+")]
    private static partial Regex Numbered();
}
