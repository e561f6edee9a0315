using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace DePIN.Index;

/// <summary>
/// Where the database is, as PostgreSQL's own connection URI (libpq, section 34.1.1.2): <c>postgresql://user@host:port/database?sslmode=…</c>. Without a password,
/// which would be in the process list: that is in a file, or in PGPASSFILE, which Npgsql reads by itself. Off this machine TLS with a checked name is the default.
/// </summary>
public static class DatabaseUri
{
    private const int PasswordFileBytesMax = 1_024;
    private const int PoolMax = 16;
    private const int PortDefault = 5432;
    private const string Example = "for example postgresql://depin@127.0.0.1:5432/depin";

    /// <summary>Reads it.</summary>
    /// <exception cref="IndexException">It is no such URI, or the file cannot be read.</exception>
    public static NpgsqlConnectionStringBuilder Parse(string uri, string? passwordFile)
    {
        if (!Uri.TryCreate(uri, UriKind.Absolute, out Uri? parsed) || parsed.Scheme is not ("postgresql" or "postgres"))
            throw new IndexException($"--database: '{Shown(uri)}' is no PostgreSQL URI", Example);
        if (parsed.UserInfo.Contains(':', StringComparison.Ordinal))
            throw new IndexException("--database: a password in the URI would be in the process list", "leave it out and name its file with --password-file, or use PGPASSFILE");
        NpgsqlConnectionStringBuilder built = new()
        {
            Username = parsed.UserInfo.Length > 0 ? Uri.UnescapeDataString(parsed.UserInfo) : Environment.UserName,
            Host = parsed.Host.Length > 0 ? parsed.Host.Trim('[', ']') : "127.0.0.1",
            Port = parsed.Port > 0 ? parsed.Port : PortDefault,
            Database = Uri.UnescapeDataString(parsed.AbsolutePath.TrimStart('/')),
            ApplicationName = "depin index",
            MaxPoolSize = PoolMax,
            Timeout = 10,
            CommandTimeout = 60,
        };
        if (built.Database.Length == 0) throw new IndexException("--database: the URI names no database", Example);
        string? mode = null;
        foreach (string pair in parsed.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = pair.Split('=', 2);
            string value = parts.Length == 2 ? Uri.UnescapeDataString(parts[1]) : "";
            switch (parts[0])
            {
                case "sslmode": mode = value; break;
                case "sslrootcert": built.RootCertificate = value; break;
                case "host": built.Host = value; break;
                default: throw new IndexException($"--database: '{Shown(parts[0])}' is no parameter that is known here", "known: sslmode, sslrootcert, host (a socket's folder)");
            }
        }

        built.SslMode = mode switch
        {
            null => IsHere(built.Host) ? SslMode.Prefer : SslMode.VerifyFull,
            "disable" => SslMode.Disable,
            "prefer" => SslMode.Prefer,
            "require" => SslMode.Require,
            "verify-ca" => SslMode.VerifyCA,
            "verify-full" => SslMode.VerifyFull,
            _ => throw new IndexException($"--database: sslmode '{Shown(mode)}' is none", "give disable, prefer, require, verify-ca or verify-full"),
        };
        if (passwordFile is not null) built.Password = ReadSecret("--password-file", passwordFile);
        return built;
    }

    /// <summary>A secret in a file of its own: its first line.</summary>
    /// <exception cref="IndexException">It cannot be read, or holds none.</exception>
    public static string ReadSecret(string option, string path)
    {
        try
        {
            string secret = new FileInfo(path).Length <= PasswordFileBytesMax ? File.ReadLines(path).FirstOrDefault("").Trim() : "";
            return secret.Length > 0 ? secret : throw new IndexException($"{option}: {path} holds no secret of one line", "write it there, mode 0600");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new IndexException($"{option}: {path} cannot be read: {error.Message}", "name a file that this user may read, mode 0600");
        }
    }

    private static bool IsHere(string host) => host.StartsWith('/') || host == "localhost" || (IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address));

    private static string Shown(string text) => text.Length > 80 ? text[..80] + "…" : text;
}
