using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Hosting;

namespace DePIN.Gateway.Peer;

/// <summary>
/// The listener for other gateways: HTTP/2 over TLS with a client certificate whose key the registry records. No authority, no names, no
/// dates: a gateway with a wrong clock must still connect. Everyone else ends in the handshake, bounded by <see cref="PeerAdmission"/>.
/// </summary>
internal sealed class PeerServer(string listen, PeerKey key, PeerOptions options, Func<Hash32, bool> isPinned, RequestDelegate handle, PeerAdmission admission, ILoggerFactory logs)
{
    /// <summary>Open connections at most: 256 gateways with all they may have.</summary>
    public const int ConnectionsMax = 1_024;

    private static readonly object AttemptKey = new();

    private readonly Lock _gate = new();
    private readonly Dictionary<Hash32, int> _perPeer = [];

    /// <summary>Serves until <paramref name="stopping"/>. Tells the bound address through <paramref name="listening"/>.</summary>
    public async Task RunAsync(Action<IPEndPoint> listening, CancellationToken stopping)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { Args = [] });
        builder.Services.AddSingleton(logs);
        builder.Services.AddSingleton<IHostLifetime, StageLifetime>();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(2));
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = ConnectionsMax;
            kestrel.Limits.MaxRequestBodySize = null;        // a stream has no end; its messages have bounds
            kestrel.Limits.MinRequestBodyDataRate = null;    // and it may be silent
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Limits.MaxRequestHeadersTotalSize = 8 * 1024;
            kestrel.Limits.MaxRequestHeaderCount = 32;
            kestrel.Limits.RequestHeadersTimeout = options.ConnectTimeout;
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(30);
            kestrel.Limits.Http2.MaxStreamsPerConnection = 8;
            kestrel.Limits.Http2.KeepAlivePingDelay = options.PingDelay;
            kestrel.Limits.Http2.KeepAlivePingTimeout = options.PingTimeout;
            kestrel.Limits.Http2.InitialStreamWindowSize = 512 * 1024;
            kestrel.Limits.Http2.InitialConnectionWindowSize = 1024 * 1024;
            kestrel.Listen(IPEndPoint.Parse(listen), endpoint =>
            {
                endpoint.Protocols = HttpProtocols.Http2;
                IConnectionBuilder connections = endpoint;
                connections.Use(next => connection => AdmitAsync(connection, next));
                endpoint.UseHttps(new TlsHandshakeCallbackOptions { HandshakeTimeout = options.ConnectTimeout, OnConnection = context => ValueTask.FromResult(Tls(context.Connection)) });
            });
        });
        await using WebApplication application = builder.Build();
        application.Run(handle);
        try
        {
            await application.StartAsync(stopping).ConfigureAwait(false);
        }
        catch (IOException taken)
        {
            throw new SettingsException($"peer.listen: {listen} cannot be bound ({taken.Message}). Stop what uses it, or choose another port.");
        }

        listening(IPEndPoint.Parse(new Uri(application.Urls.First()).Authority));
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stopping).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The stop.
        }

        await application.StopAsync(CancellationToken.None).ConfigureAwait(false);
    }

    private SslServerAuthenticationOptions Tls(BaseConnectionContext connection) => new()
    {
        ServerCertificateContext = key.Context,
        ClientCertificateRequired = true,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        ApplicationProtocols = [SslApplicationProtocol.Http2],
        AllowRenegotiation = false,
        AllowTlsResume = false, // every connection shows its key
        CertificateChainPolicy = PeerTls.NoChain(),
        RemoteCertificateValidationCallback = (_, certificate, _, _) =>
        {
            Hash32 shown = PeerKey.HashOf(certificate);
            bool pinned = !shown.IsZero && isPinned(shown) && Enter(connection, shown);
            (connection.Items.TryGetValue(AttemptKey, out object? attempt) ? (PeerAdmission.Attempt)attempt! : null)?.End(pinned);
            return pinned;
        },
    };

    private async Task AdmitAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        if (admission.Enter((connection.RemoteEndPoint as IPEndPoint)?.Address) is not { } attempt)
        {
            connection.Abort();
            return;
        }

        connection.Items[AttemptKey] = attempt;
        try
        {
            await next(connection).ConfigureAwait(false);
        }
        finally
        {
            attempt.End(pinned: false);
            if (connection.Items.TryGetValue(_perPeer, out object? shown)) Leave((Hash32)shown!);
        }
    }

    private bool Enter(BaseConnectionContext connection, Hash32 shown)
    {
        lock (_gate)
        {
            int here = _perPeer.GetValueOrDefault(shown);
            if (here >= options.ConnectionsPerPeerMax) return false;
            _perPeer[shown] = here + 1;
        }

        connection.Items[_perPeer] = shown;
        return true;
    }

    private void Leave(Hash32 shown)
    {
        lock (_gate)
        {
            if (--_perPeer[shown] == 0) _perPeer.Remove(shown);
        }
    }
}

/// <summary>What both ends of a peer connection have in common.</summary>
internal static class PeerTls
{
    /// <summary>No chain is built for the answer, and nothing is downloaded for it: a stranger's certificate must not make this gateway call anywhere.</summary>
    public static X509ChainPolicy NoChain() => new()
    {
        DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck, VerificationFlags = X509VerificationFlags.AllFlags,
        TrustMode = X509ChainTrustMode.CustomRootTrust,
    };
}
