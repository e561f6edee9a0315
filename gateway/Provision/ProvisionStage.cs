using System.Net;
using System.Net.Security;
using DePIN.Evidence;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;
using DePIN.Provision;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace DePIN.Gateway.Provision;

/// <summary>
/// The page for technicians' browsers over HTTPS: the same page as that of `depin provision --web`. Serves nothing else; everything but the page's own
/// files wants the operator's token. Claims and report are kept in the data folder, each line on disk before it is answered, up to a bound.
/// </summary>
public sealed class ProvisionStage : IDisposable
{
    /// <summary>Claims and report, in the data folder.</summary>
    public const string FolderName = "provisioned";

    /// <summary>Of the claims in it, for `depin provision register`.</summary>
    public const string ClaimsName = "claims.jsonl";

    /// <summary>Open connections at most.</summary>
    public const int ConnectionsMax = 64;

    private const string HostKey = "gateway-host", PortKey = "gateway-port", TlsKey = "tls";

    private readonly string _listen;
    private readonly ProvisionJob _job;
    private readonly GatewayTls _tls;
    private readonly DeviceTable _devices;
    private readonly IFrameStore _frames;
    private readonly MqttIngest _ingest;
    private readonly TimeProvider _time;
    private readonly ILoggerFactory _logs;
    private readonly OperatorToken _token;
    private readonly string _claimsFile;
    private readonly ClaimCollector _claims;
    private readonly ProvisionReport _report;
    private readonly DeviceManifest _manifest;
    private readonly TaskCompletionSource<IPEndPoint> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ProvisionStage(GatewaySettings settings, ProvisionJob job, GatewayTls tls, DeviceTable devices, IFrameStore frames, MqttIngest ingest, TimeProvider time, ILoggerFactory logs)
    {
        (_listen, _job, _tls, _devices, _frames, _ingest, _time, _logs) = (settings.Provision.Listen, job, tls, devices, frames, ingest, time, logs);
        string folder = Path.Combine(settings.Data.Folder, FolderName);
        _token = OperatorToken.Open(settings.Data.Folder);
        _claimsFile = Path.Combine(folder, ClaimsName);
        _report = ProvisionReport.Open(folder);
        try
        {
            _manifest = DeviceManifest.Read(settings.Provision.Manifest.Length == 0 ? null : settings.Provision.Manifest, _report);
            _claims = new ClaimCollector(_claimsFile, job.ChainId, job.DeviceRegistry, job.OwnerAddress);
            if (!OperatingSystem.IsWindows()) // the names of new files last only when their folders are flushed
                foreach (string made in (string[])[folder, settings.Data.Folder]) SecretFile.FlushFolder(made);
        }
        catch
        {
            _claims?.Dispose();
            _report.Dispose();
            throw;
        }
    }

    /// <summary>Completes with the bound address once requests are taken.</summary>
    public Task<IPEndPoint> Listening => _listening.Task;

    /// <summary>Null when the settings name no address for it. Throws <see cref="SettingsException"/> when a file of its cannot be used.</summary>
    public static ProvisionStage? Open(GatewaySettings settings, GatewayTls tls, DeviceTable devices, IFrameStore frames, MqttIngest ingest, TimeProvider time, ILoggerFactory logs)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(tls);
        if (settings.Provision.Listen.Length == 0) return null;
        try
        {
            return new ProvisionStage(settings, settings.ProvisionJob(tls.AuthorityPem()), tls, devices, frames, ingest, time, logs);
        }
        catch (ProvisionFileException wrong)
        {
            throw new SettingsException($"{wrong.Message}: {wrong.Remedy}");
        }
    }

    /// <summary>Serves until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        IngestEndPoints mqtt = await _ingest.Listening.WaitAsync(stopping).ConfigureAwait(false);
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { Args = [] });
        builder.Services.AddSingleton(_logs);
        builder.Services.AddSingleton<IHostLifetime, StageLifetime>();
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = ConnectionsMax;
            kestrel.Limits.MaxRequestBodySize = ProvisionPage.BodyBytesMax;
            kestrel.Limits.MaxRequestLineSize = 4 * 1024;
            kestrel.Limits.MaxRequestHeadersTotalSize = 16 * 1024;
            kestrel.Listen(IPEndPoint.Parse(_listen), listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                // Asked at each handshake: the certificate changes at renewal.
                listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions { ServerCertificateContext = _tls.Presented }) });
            });
        });
        await using WebApplication application = builder.Build();
        ProvisionRun run = new(_job, _manifest, _report, new ClaimKeeper(_devices, _claims, _job.OwnerAddress), SeenAsync, Labels: null, _time);
        new ProvisionPage(run, new PageHost(Token: "", _token.Admits, IsHere, host => JobAt(host, mqtt), Watches: true) { ClaimsFile = _claimsFile }).Map(application);
        try
        {
            await application.StartAsync(stopping).ConfigureAwait(false);
        }
        catch (IOException taken)
        {
            throw new SettingsException($"provision.listen: {_listen} cannot be bound ({taken.Message}). Stop what uses it, or choose another port.");
        }

        _listening.TrySetResult(IPEndPoint.Parse(new Uri(application.Urls.First()).Authority));
        _logs.CreateLogger("DePIN.Gateway.Provision").LogInformation("the page for job {Job} is on {Url}", _job.Name, application.Urls.First());
        await application.WaitForShutdownAsync(stopping).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _claims.Dispose();
        _report.Dispose();
    }

    /// <summary>Only under a name of the certificate: a page that a stranger's name leads here is none of ours.</summary>
    private bool IsHere(string host) => Uri.CheckHostName(host) != UriHostNameType.Unknown && _tls.Server.MatchesHostname(host);

    /// <summary>What the template leaves out of a board's settings is how the technician reached this gateway.</summary>
    private ProvisionJob JobAt(string host, IngestEndPoints mqtt)
    {
        Dictionary<string, string> all = new(_job.Settings);
        if (all.TryAdd(HostKey, host) && (host == "localhost" || (IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address))))
        {
            throw new ProvisionException(ProvisionCode.SettingsRefused,
                $"the page was opened as {host}, under which no board finds this gateway: open it under the gateway's name or address in the network, or set {HostKey} in the template");
        }

        all.TryAdd(TlsKey, "on");
        if (!all.ContainsKey(PortKey))
        {
            IPEndPoint port = (all[TlsKey] == "on" ? mqtt.Tls : mqtt.Plain)
                ?? throw new ProvisionException(ProvisionCode.SettingsRefused, $"the gateway takes no frames with {TlsKey}={all[TlsKey]}: set mqtt.listen or mqtt.listenPlain, or {PortKey} in the template");
            all[PortKey] = port.Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        return _job with { Settings = all };
    }

    private Task<SeenDevice?> SeenAsync(string device, CancellationToken cancel)
    {
        if (!DeviceIdValue.TryParse(device, out DeviceIdValue id) || _devices.Find(id) is not { } known) return Task.FromResult<SeenDevice?>(null);
        (ulong sequence, long row) = known.Log.Last;
        try
        {
            return Task.FromResult<SeenDevice?>(new SeenDevice(sequence, row == 0 ? null : _frames.FrameAt(row)?.ReceivedMs, known.Registration.IsRevoked));
        }
        catch (Exception fault) when (fault is StoreException or System.Data.Common.DbException or IOException)
        {
            throw new ProvisionException(ProvisionCode.GatewayAway, $"the gateway's store cannot be read: {fault.Message}", fault);
        }
    }
}
