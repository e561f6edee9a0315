using System.Net;

namespace DePIN.Gateway.Web;

/// <summary>
/// The HTTP side of the gateway on Kestrel: health, metrics and the read API. Loopback by default; bounded bodies,
/// headers and connections, because anything on the network may try it.
/// </summary>
public sealed class WebServer(WebSettings settings, ILoggerFactory logs)
{
    /// <summary>Open connections at most; the API is for a dashboard and a few applications.</summary>
    public const int ConnectionsMax = 256;

    private readonly TaskCompletionSource<IPEndPoint> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the bound address once requests are taken.</summary>
    public Task<IPEndPoint> Listening => _listening.Task;

    /// <summary>Serves until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = [] });
        builder.Services.AddSingleton(logs);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = ConnectionsMax;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Listen(IPEndPoint.Parse(settings.Listen));
        });
        await using WebApplication application = builder.Build();
        application.MapGet("/health", (RequestDelegate)(context => context.Response.WriteAsync("{\"status\":\"starting\"}")));
        await application.StartAsync(stopping).ConfigureAwait(false);
        _listening.TrySetResult(IPEndPoint.Parse(new Uri(application.Urls.First()).Authority));
        await application.WaitForShutdownAsync(stopping).ConfigureAwait(false);
    }
}
