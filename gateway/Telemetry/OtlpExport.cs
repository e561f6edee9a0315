using System.Diagnostics.Metrics;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace DePIN.Gateway.Telemetry;

/// <summary>
/// Sends spans and every "DePIN.*" meter to a collector over OTLP. Bounded: 2,048 spans wait at most, more are dropped; metrics are totals, so an export that
/// failed is made good by the next. A collector that is away costs a failed call per export, is told once in the log, and its end too.
/// </summary>
public sealed class OtlpExport : IDisposable
{
    private const int SpansWaitingMax = 2_048;
    private const int SpansPerExport = 512;
    private const int SpansIntervalMs = 2_000;
    private const int TimeoutMs = 5_000;

    private readonly TracerProvider _traces;
    private readonly MeterProvider _metrics;
    private readonly Collector _collector;

    private OtlpExport(TelemetrySettings settings, Address self, ILogger log)
    {
        _collector = new Collector(log);
        ResourceBuilder resource = ResourceBuilder.CreateEmpty()
            .AddService(settings.ServiceName, serviceVersion: typeof(OtlpExport).Assembly.GetName().Version?.ToString(), serviceInstanceId: settings.Instance.Length > 0 ? settings.Instance : self.ToChecksumString());
        string headers = Headers(settings.HeadersFile);
        _traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource(FrameTracer.SourceName).SetSampler(new AlwaysOnSampler()) // the tracer has picked already
            .AddOtlpExporter(options =>
            {
                Aim(options, settings, headers, "v1/traces");
                options.BatchExportProcessorOptions = new() { MaxQueueSize = SpansWaitingMax, MaxExportBatchSize = SpansPerExport, ScheduledDelayMilliseconds = SpansIntervalMs, ExporterTimeoutMilliseconds = TimeoutMs };
            }).Build();
        _metrics = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter("DePIN.*")
            .AddOtlpExporter((options, reader) =>
            {
                Aim(options, settings, headers, "v1/metrics");
                reader.PeriodicExportingMetricReaderOptions = new() { ExportIntervalMilliseconds = settings.IntervalS * 1_000, ExportTimeoutMilliseconds = TimeoutMs };
            }).Build();
    }

    /// <summary>Null when no collector is configured. Throws <see cref="SettingsException"/> when the headers' file is wrong.</summary>
    public static OtlpExport? Open(TelemetrySettings settings, Address self, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return settings.Endpoint.Length == 0 ? null : new OtlpExport(settings, self, log);
    }

    /// <summary>Sends what waits, within five seconds for each kind.</summary>
    public void Dispose()
    {
        _traces.Dispose();
        _metrics.Dispose();
        _collector.Dispose();
    }

    private void Aim(OtlpExporterOptions options, TelemetrySettings settings, string headers, string path)
    {
        bool isGrpc = settings.Protocol == "grpc";
        options.Protocol = isGrpc ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf;
        options.Endpoint = isGrpc ? new Uri(settings.Endpoint) : new Uri(settings.Endpoint.TrimEnd('/') + "/" + path);
        options.TimeoutMilliseconds = TimeoutMs;
        if (headers.Length > 0) options.Headers = headers;
        options.HttpClientFactory = () => new HttpClient(_collector.Watch(path), disposeHandler: true) { Timeout = TimeSpan.FromMilliseconds(TimeoutMs) };
    }

    /// <summary>As the exporter takes them: "name=value,name=value", values URL-encoded.</summary>
    private static string Headers(string file)
    {
        if (file.Length == 0) return "";
        try
        {
            SecretFile.RequirePrivate(file);
            IEnumerable<string[]> lines = File.ReadLines(file).Where(line => line.Trim().Length > 0).Select(line => line.Split(':', 2, StringSplitOptions.TrimEntries));
            return string.Join(',', lines.Select(line => line.Length == 2 && line[0].Length > 0 ? $"{line[0]}={Uri.EscapeDataString(line[1])}"
                : throw new SettingsException($"{file}: a line is no header. Write one \"name: value\" a line.")));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new SettingsException($"telemetry.headersFile: {file} cannot be read ({fault.Message}). Name a file of the gateway's user with mode 0600.");
        }
    }

    /// <summary>Sees every call to the collector: counts it, and tells when it stops and starts to answer.</summary>
    private sealed class Collector(ILogger log) : IDisposable
    {
        private readonly Meter _meter = new("DePIN.Gateway.Telemetry");
        private Counter<long>? _exports;
        private int _away;

        public HttpMessageHandler Watch(string path)
        {
            _exports ??= _meter.CreateCounter<long>("depin.telemetry.exports", "{export}", "Calls to the collector, by outcome.");
            return new Watched(path, Saw) { InnerHandler = new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromMilliseconds(TimeoutMs), AllowAutoRedirect = false } };
        }

        public void Dispose() => _meter.Dispose();

        private void Saw(string path, string? trouble)
        {
            _exports!.Add(1, new("signal", path[(path.LastIndexOf('/') + 1)..]), new KeyValuePair<string, object?>("outcome", trouble is null ? "taken" : "failed"));
            if (trouble is not null && Interlocked.Exchange(ref _away, 1) == 0)
                log.LogWarning("the collector of telemetry.endpoint does not take what is sent ({Reason}): traces of this time are lost, metrics are sent again", trouble);
            if (trouble is null && Interlocked.Exchange(ref _away, 0) == 1) log.LogInformation("the collector of telemetry.endpoint answers again");
        }
    }

    private sealed class Watched(string path, Action<string, string?> saw) : DelegatingHandler
    {
        protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            try
            {
                return Tell(base.Send(request, cancellationToken));
            }
            catch (Exception fault) when (fault is HttpRequestException or OperationCanceledException)
            {
                saw(path, fault.Message);
                throw;
            }
        }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            try
            {
                return Tell(await base.SendAsync(request, cancellationToken).ConfigureAwait(false));
            }
            catch (Exception fault) when (fault is HttpRequestException or OperationCanceledException)
            {
                saw(path, fault.Message);
                throw;
            }
        }

        private HttpResponseMessage Tell(HttpResponseMessage answer)
        {
            // gRPC refuses with HTTP status 200 and no body: then its own status is among the headers.
            string refusal = answer.Headers.TryGetValues("grpc-status", out IEnumerable<string>? status) ? status.First() : "0";
            saw(path, !answer.IsSuccessStatusCode ? $"HTTP status {(int)answer.StatusCode}" : refusal != "0" ? $"gRPC status {refusal}" : null);
            return answer;
        }
    }
}
