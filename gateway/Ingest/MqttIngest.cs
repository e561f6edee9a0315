// The MQTT listener as a stage: Kestrel accepts connections (TCP and TLS), MqttConnection serves each, frames go to the intake and are
// acknowledged when they are durable. Also publishes for other stages (IReadingPublisher). Knows no HTTP.

using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using DePIN.Protocol;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DePIN.Gateway.Ingest;

/// <summary>Where the listener is bound; null where it is off.</summary>
public sealed record IngestEndPoints(IPEndPoint? Plain, IPEndPoint? Tls);

/// <summary>The gateway's MQTT 3.1.1 and 5 listener.</summary>
public sealed class MqttIngest : IReadingPublisher, ITopicPublisher
{
    private const int InputBytesMin = 64 * 1024;

    internal static readonly byte[] TimeTopicBytes = Encoding.UTF8.GetBytes(Topics.Time);

    private readonly IngestSettings _settings;
    private readonly TimeProvider _time;
    private readonly ILoggerFactory _logs;
    private readonly IngestLog _log;
    private readonly Broker _broker;
    private readonly IngestServices _services;
    private readonly Admission _admission;
    private readonly CancellationTokenSource _intakeStopping = new();
    private readonly ConcurrentDictionary<MqttConnection, Task> _connections = new();
    private readonly TaskCompletionSource<IngestEndPoints> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isStopping;

    /// <summary>Prepares the listener; <see cref="RunAsync"/> opens it.</summary>
    public MqttIngest(IngestSettings settings, IFrameIntake intake, TimeProvider time, ILoggerFactory logs)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(intake);
        ArgumentNullException.ThrowIfNull(logs);
        settings.Check();
        _settings = settings;
        _time = time;
        _logs = logs;
        _log = new IngestLog(logs.CreateLogger("DePIN.Gateway.Ingest"));
        _admission = new Admission(settings.ConnectionsMax, settings.ConnectionsPerAddressMax);
        _broker = new Broker(settings, Metrics, time);
        _services = new IngestServices(settings, Metrics, _broker, intake, time, _log, _intakeStopping.Token);
    }

    /// <summary>What the listener counts.</summary>
    public IngestMetrics Metrics { get; } = new();

    /// <summary>Completes with the bound addresses once connections are taken; fails when a port cannot be bound.</summary>
    public Task<IngestEndPoints> Listening => _listening.Task;

    /// <summary>Frame bytes in the intake now.</summary>
    public long IntakeBytes => Interlocked.Read(ref _services.IntakeBytes);

    /// <summary>Sessions, connected or waiting for their client.</summary>
    public int SessionCount => _broker.SessionCount;

    /// <summary>Retained messages.</summary>
    public int RetainedCount => _broker.RetainedCount;

    /// <summary>Bytes of messages waiting for subscribers.</summary>
    public long QueuedBytes => _broker.QueuedBytes;

    internal static ReadOnlySpan<byte> TimeTopic => TimeTopicBytes;

    /// <summary>Turns updates over the air on; before devices connect.</summary>
    public void Use(IDeviceUpdates updates) => _services.Updates = updates;

    /// <summary>Publishes a device's offer, or with no bytes that there is none, to whoever subscribed; QoS 1, so that a session that waits for its client keeps it.</summary>
    public void PublishManifest(string deviceIdText, ReadOnlyMemory<byte> manifest) =>
        _broker.Publish(new Message(Encoding.UTF8.GetBytes(Topics.UpdateManifest(deviceIdText)), manifest.ToArray(), [], MqttQos.AtLeastOnce, Retain: false, 0, null));

    /// <summary>
    /// Serves until <paramref name="stopping"/>; then takes no more packets, waits up to <see cref="IngestSettings.StopTimeout"/> for the
    /// frames in the intake to be answered, and disconnects everyone (0x8B).
    /// </summary>
    /// <exception cref="IOException">A port cannot be bound.</exception>
    public async Task RunAsync(CancellationToken stopping)
    {
        await using WebApplication? server = _settings.IsOff ? null : BuildServer();
        try
        {
            if (server is not null) await server.StartAsync(stopping).ConfigureAwait(false);
        }
        catch (Exception fault)
        {
            _listening.TrySetException(fault);
            throw;
        }

        if (server is null) _listening.TrySetResult(new IngestEndPoints(null, null));
        else Announce(server);
        try
        {
            await KeepTimeAsync(stopping).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Told to stop.
        }

        await StopAsync().ConfigureAwait(false);
        using CancellationTokenSource timeout = new(_settings.StopTimeout);
        if (server is not null) await server.StopAsync(timeout.Token).ConfigureAwait(false);
        _services.Logins?.Dispose();
        Metrics.Dispose();
        _intakeStopping.Dispose();
    }

    /// <summary>Serves one connection that Kestrel, or a test, has accepted.</summary>
    public async Task ServeAsync(ConnectionContext connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        Socket? socket = connection.Features.Get<ITlsHandshakeFeature>() is null ? connection.Features.Get<IConnectionSocketFeature>()?.Socket : null;
        X509Certificate2? certificate = connection.Features.Get<ITlsConnectionFeature>()?.ClientCertificate;
        MqttConnection client = new(_services, connection.Transport, connection.Abort, socket)
        {
            HasCertificate = certificate is not null,
            Identity = ClientIdentity.OfCertificate(certificate?.GetNameInfo(X509NameType.SimpleName, forIssuer: false)),
            Network = Admission.NetworkOf((connection.RemoteEndPoint as IPEndPoint)?.Address),
        };
        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _connections[client] = ended.Task;
        Metrics.Opened();
        try
        {
            if (_isStopping)
            {
                Metrics.Count(AdmissionRefusal.Stopping);
                return;
            }

            await client.ServeAsync().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // The last resort of one connection: a bug must not take the others down, and is counted and logged.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            Metrics.Fault();
            _log.ConnectionFailed(fault);
            connection.Abort();
        }
        finally
        {
            Metrics.Ended();
            _connections.TryRemove(client, out _);
            ended.SetResult();
        }
    }

    /// <inheritdoc/>
    public bool HasAnyReader => _broker.HasReadingsSubscribers();

    /// <inheritdoc/>
    public bool HasReaders(string deviceIdText) => _broker.HasSubscribers(Encoding.UTF8.GetBytes(Topics.Senml(deviceIdText)));

    /// <inheritdoc/>
    public void PublishReadings(string deviceIdText, ReadOnlySpan<byte> senml) =>
        _broker.Publish(new Message(Encoding.UTF8.GetBytes(Topics.Senml(deviceIdText)), senml.ToArray(), [], MqttQos.AtLeastOnce, Retain: false, 0, null));

    /// <inheritdoc/>
    public void PublishTime()
    {
        if (_services.TimeMessage() is { } message)
        {
            _broker.Publish(message);
        }
    }

    /// <inheritdoc/>
    public void Publish(string topic, ReadOnlyMemory<byte> payload, MqttQos qos, bool retain) =>
        _broker.Publish(new Message(Encoding.UTF8.GetBytes(topic), payload.ToArray(), [], qos, retain, 0, null));

    /// <inheritdoc/>
    public void Hear(string topic, Action<ReadOnlyMemory<byte>> heard) => _services.Heard[Encoding.UTF8.GetBytes(topic)] = heard;

    /// <inheritdoc/>
    public void OnFresh(Action fresh)
    {
        // Retained messages live as long as this process, and so does who publishes them.
    }

    private WebApplication BuildServer()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(_logs);
        builder.Services.AddSingleton<IHostLifetime, StageLifetime>();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        builder.WebHost.UseSockets(sockets =>
        {
            // 1: a flush completes when the bytes are in the kernel, so a slow client is noticed and answers gather meanwhile.
            sockets.MaxWriteBufferSize = 1;
            sockets.MaxReadBufferSize = Math.Max(InputBytesMin, 2 * _settings.PacketBytesMax);
        });
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            if (_settings.Plain is { } plain)
            {
                kestrel.Listen(plain, listen => Configure(listen, secure: false));
            }

            if (_settings.Tls is { } tls)
            {
                kestrel.Listen(tls, listen => Configure(listen, secure: true));
            }
        });
        return builder.Build();
    }

    private void Configure(ListenOptions listen, bool secure)
    {
        IConnectionBuilder connections = listen;
        connections.Use(next => connection => AdmitAsync(connection, next));
        if (secure)
        {
            listen.UseHttps(new TlsHandshakeCallbackOptions { HandshakeTimeout = _settings.ConnectTimeout, OnConnection = _ => ValueTask.FromResult(TlsOptions()) });
        }

        connections.Run(ServeAsync);
    }

    private SslServerAuthenticationOptions TlsOptions()
    {
        SslServerAuthenticationOptions options = new() { ServerCertificateContext = _settings.Certificate!() };
        if (_settings.ClientAuthorities() is { } authorities)
        {
            options.ClientCertificateRequired = true;
            options.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck, // A private authority publishes no revocation list.
            };
            options.CertificateChainPolicy.CustomTrustStore.AddRange(authorities);
            options.RemoteCertificateValidationCallback = JudgeClient;
        }

        return options;
    }

    private bool JudgeClient(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (errors == SslPolicyErrors.None)
        {
            return true;
        }

        Metrics.CountClientCertificate();
        _log.ClientCertificateRefused(certificate?.Subject ?? "no certificate", errors);
        return false;
    }

    private async Task AdmitAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        IPAddress? address = (connection.RemoteEndPoint as IPEndPoint)?.Address;
        if (_admission.Enter(address) is { } refusal)
        {
            Metrics.Count(refusal);
            connection.Abort();
            return;
        }

        try
        {
            await next(connection).ConfigureAwait(false);
        }
        finally
        {
            _admission.Leave(address);
        }
    }

    private void Announce(WebApplication server)
    {
        // Kestrel reports addresses in the order of Listen.
        Queue<IPEndPoint> bound = new(server.Urls.Select(url => IPEndPoint.Parse(new Uri(url).Authority)));
        IngestEndPoints endPoints = new(_settings.Plain is null ? null : bound.Dequeue(), _settings.Tls is null ? null : bound.Dequeue());
        if (endPoints.Plain is not null)
        {
            _log.Listening(endPoints.Plain, "plain");
        }

        if (endPoints.Tls is not null)
        {
            _log.Listening(endPoints.Tls, "TLS");
        }

        _listening.TrySetResult(endPoints);
    }

    private async Task KeepTimeAsync(CancellationToken stopping)
    {
        long lastTime = _time.GetTimestamp();
        while (true)
        {
            await Task.Delay(_settings.SweepInterval, _time, stopping).ConfigureAwait(false);
            Sweep();
            if (_time.GetElapsedTime(lastTime) >= _settings.TimeInterval)
            {
                lastTime = _time.GetTimestamp();
                PublishTime();
            }
        }
    }

    /// <summary>Looks at every deadline; RunAsync does it, a test without a listener calls it.</summary>
    public void Sweep()
    {
        long now = _time.GetTimestamp();
        foreach (KeyValuePair<MqttConnection, Task> connection in _connections)
        {
            connection.Key.Sweep(now);
        }

        _broker.Sweep();
    }

    private async Task StopAsync()
    {
        _isStopping = true;
        foreach (KeyValuePair<MqttConnection, Task> connection in _connections)
        {
            connection.Key.Drain();
        }

        try
        {
            await Task.WhenAll(_connections.Values).WaitAsync(_settings.StopTimeout + _settings.DrainTimeout, _time, CancellationToken.None).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // Clients that did not close in time are cut off with the server.
        }

        await _intakeStopping.CancelAsync().ConfigureAwait(false);
    }
}
