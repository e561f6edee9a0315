using DePIN.Gateway.Settings;
using DePIN.Gateway.Store;
using DePIN.Gateway.Store.Postgres;

namespace DePIN.Gateway.Operate;

/// <summary>
/// Where frames and the chain's records are: <c>frames.db</c> and <c>chain.db</c> in the data folder, or one PostgreSQL database that the processes of an identity share
/// (<c>store.postgres</c>). Also who leads: with files of its own, this process.
/// </summary>
public sealed class Storage : IDisposable
{
    private readonly GatewaySettings _settings;
    private readonly PostgresDatabase? _database;

    private Storage(GatewaySettings settings, PostgresDatabase? database, ChainDatabase chain, Leadership leadership) =>
        (_settings, _database, Chain, Leadership) = (settings, database, chain, leadership);

    /// <summary>What was read from the chain and signed for it.</summary>
    public ChainDatabase Chain { get; }

    /// <summary>Whether this process cuts, signs and anchors.</summary>
    public Leadership Leadership { get; }

    /// <summary>Opens the chain's records. Throws <see cref="SettingsException"/> or <see cref="StoreException"/> with what to do next.</summary>
    public static Storage Open(GatewaySettings settings, HealthBoard health, TimeProvider time, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.Store.Postgres.Length == 0) return new Storage(settings, null, ChainDatabase.Open(settings.Data.Folder), new Leadership());
        PostgresDatabase database = PostgresDatabase.Open(PostgresOptions.Parse(settings.Store.Postgres, settings.Store.PasswordFile), PostgresChain.Schema);
        PostgresLease lease = new(database, $"{Environment.MachineName} {Environment.ProcessId}", health, time, log);
        return new Storage(settings, database, new PostgresChain(database, lease), lease);
    }

    /// <summary>Opens the frames; the caller disposes them, before this.</summary>
    public IFrameStore OpenFrames(TimeProvider time) => _database is null
        ? FrameLog.Open(_settings.FrameLog(), time: time)
        : PostgresFrameStore.Open(_database, (PostgresLease)Leadership, time);

    /// <inheritdoc/>
    public void Dispose()
    {
        Chain.Dispose();
        _database?.Dispose();
    }
}
