using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using Npgsql;

namespace DePIN.Gateway.Store.Postgres;

/// <summary>Which database, and as whom. Made from a connection URI (libpq's form, RFC 3986) that holds no password.</summary>
public sealed record PostgresOptions
{
    /// <summary>Seconds a transaction may stand still before the server ends it: a paused process must not hold the others' locks.</summary>
    private const int IdleTransactionS = 5;

    private PostgresOptions(NpgsqlConnectionStringBuilder connection, string place) => (Connection, Place) = (connection, place);

    /// <summary>What Npgsql connects with; holds the password.</summary>
    public NpgsqlConnectionStringBuilder Connection { get; }

    /// <summary>Host and database, as messages name them.</summary>
    public string Place { get; }

    /// <summary>The most frames in one commit.</summary>
    public int GroupFramesMax { get; init; } = 1_024;

    /// <summary>How long a commit waits for company while more frames are being verified, ms.</summary>
    public int LingerMs { get; init; } = 15;

    /// <summary>How often the newest rows of other processes are asked for, ms.</summary>
    public int PollMs { get; init; } = 100;

    /// <summary>The longest pause between two attempts to reach the server, ms; the first is a fortieth of it.</summary>
    public int BackoffMaxMs { get; init; } = 4_000;

    /// <summary>How long the leader's term holds without being renewed, ms; by the server's clock.</summary>
    public int LeaseMs { get; init; } = 4_000;

    /// <summary>Equivocations kept; later ones are counted and refused, not kept.</summary>
    public int EvidenceMax { get; init; } = 65_536;

    /// <summary>Equivocations kept per device.</summary>
    public int EvidencePerDeviceMax { get; init; } = 16;

    /// <summary>Registered devices the gateway keeps.</summary>
    public int DevicesMax { get; init; } = 65_536;

    /// <summary>
    /// postgresql://user@host:port/database?sslmode=…&amp;sslrootcert=… ; <c>host=/folder</c> in the query names a unix socket. Off this machine the server's certificate is
    /// checked (verify-full) unless sslmode says otherwise.
    /// </summary>
    /// <param name="uri">The URI.</param>
    /// <param name="passwordFile">A file of mode 0600 with the password on its first line; empty: PGPASSFILE or ~/.pgpass, as libpq does.</param>
    /// <exception cref="SettingsException">No such URI, a password in it, or a password file that others can read.</exception>
    public static PostgresOptions Parse(string uri, string passwordFile)
    {
        ArgumentNullException.ThrowIfNull(passwordFile);
        if (!Uri.TryCreate(uri, UriKind.Absolute, out Uri? at) || at.Scheme is not ("postgresql" or "postgres") || at.AbsolutePath.Length < 2)
            throw new SettingsException("store.postgres: no connection URI. For example \"postgresql://depin@db.example.org:5432/depin?sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca.pem\".");
        if (at.UserInfo.Contains(':', StringComparison.Ordinal))
            throw new SettingsException("store.postgres: has a password in it. Put it into a file of mode 0600 and name that in store.passwordFile.");
        NpgsqlConnectionStringBuilder connection = new()
        {
            Host = at.Host, Port = at.Port > 0 ? at.Port : 5432, Database = Uri.UnescapeDataString(at.AbsolutePath[1..]), Username = Uri.UnescapeDataString(at.UserInfo),
            // Pooled sessions die with a server that restarts; each is tried once.
            MaxPoolSize = 12, Timeout = 5, CommandTimeout = 30, KeepAlive = 10, NoResetOnClose = true, IncludeErrorDetail = false, ApplicationName = "depin-gateway",
            Options = $"-c synchronous_commit=on -c idle_in_transaction_session_timeout={IdleTransactionS}s -c lock_timeout=10s -c default_transaction_isolation=read\\ committed",
        };
        string? mode = null;
        foreach (string pair in at.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = pair.Split('=', 2);
            string value = Uri.UnescapeDataString(parts.Length > 1 ? parts[1] : "");
            switch (parts[0])
            {
                case "host": connection.Host = value; break;
                case "sslmode": mode = value; break;
                case "sslrootcert": connection.RootCertificate = value; break;
                case "sslcert": connection.SslCertificate = value; break;
                case "sslkey": connection.SslKey = value; break;
                default: throw new SettingsException($"store.postgres: '{parts[0]}' is not known. Use host, sslmode, sslrootcert, sslcert and sslkey.");
            }
        }

        bool isHere = connection.Host!.StartsWith('/') || at.IsLoopback;
        connection.SslMode = mode switch
        {
            null => isHere ? SslMode.Prefer : SslMode.VerifyFull,
            "disable" => SslMode.Disable,
            "prefer" => SslMode.Prefer,
            "require" => SslMode.Require,
            "verify-ca" => SslMode.VerifyCA,
            "verify-full" => SslMode.VerifyFull,
            _ => throw new SettingsException($"store.postgres: sslmode '{mode}' is none. Choose verify-full (checks the server), verify-ca, require, prefer or disable."),
        };
        if (passwordFile.Length > 0)
        {
            if (!File.Exists(passwordFile)) throw new SettingsException($"store.passwordFile: {passwordFile} is not there. Write the password of {connection.Username} into it, mode 0600.");
            connection.Password = System.Text.Encoding.UTF8.GetString(SecretFile.Read(passwordFile)).Split('\n')[0].TrimEnd('\r');
        }

        return new PostgresOptions(connection, $"PostgreSQL {connection.Host}:{connection.Port}/{connection.Database}");
    }
}
