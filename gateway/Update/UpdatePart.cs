using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Verify;
using DePIN.Gateway.Web;

namespace DePIN.Gateway.Update;

/// <summary>The stage with what it owns, as the entry file needs it.</summary>
public sealed class UpdatePart : IDisposable
{
    private readonly OperatorKey _key;
    private readonly RolloutLog _log;
    private readonly UpdateMetrics _metrics = new();

    private UpdatePart(GatewaySettings settings, OperatorKey key, DeviceTable devices, MqttIngest ingest, HealthBoard health, TimeProvider time)
    {
        string folder = settings.Data.Folder;
        _key = key;
        _log = RolloutLog.Open(folder);
        Stage = new UpdateStage(
            new PackageStore(Path.Combine(folder, "updates"), key), _log, new ChunkRates(settings.Update.DeviceKibPerS * 1024, (int)Math.Min(settings.Update.AllKibPerS * 1024L, int.MaxValue)),
            device => devices.Find(device)?.Registration is { IsRevoked: false }, ingest.PublishManifest, _metrics, health, time);
        Api = new UpdateApi(Stage, OperatorToken.Open(folder), Convert.ToHexStringLower(key.Id), settings.Web.PageMax);
        ingest.Use(Stage);
    }

    public UpdateStage Stage { get; }

    public UpdateApi Api { get; }

    /// <summary>Null when the settings name no operator.</summary>
    public static UpdatePart? Open(GatewaySettings settings, DeviceTable devices, MqttIngest ingest, HealthBoard health, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return OperatorKey.TryParse(settings.Update.OperatorKey) is { } key ? new UpdatePart(settings, key, devices, ingest, health, time) : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _metrics.Dispose();
        _log.Dispose();
        _key.Dispose();
    }
}
