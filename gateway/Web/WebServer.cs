using System.Net;
using System.Net.Security;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Web.Page;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace DePIN.Gateway.Web;

/// <summary>
/// The HTTP side of the gateway on Kestrel: health, metrics and the read API. Loopback by default; bounded bodies,
/// headers and connections, because anything on the network may try it. Every error is problem+json with a remedy.
/// </summary>
public sealed class WebServer(WebSettings settings, ReadApi api, NetworkApi network, GatewayFacts facts, MetricsExporter metrics, ILoggerFactory logs,
    UpdateApi? updates = null, EvidenceApi? evidence = null, WebPage? page = null, RewardApi? rewards = null)
{
    // What a browser may do with anything from here: nothing of other sites, no frames, no inline script or style.
    private const string ContentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

    /// <summary>Open connections at most; the API is for a dashboard and a few applications.</summary>
    public const int ConnectionsMax = 256;

    private readonly TaskCompletionSource<IPEndPoint> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ILogger _log = logs.CreateLogger("DePIN.Gateway.Web");

    /// <summary>Completes with the bound address once requests are taken.</summary>
    public Task<IPEndPoint> Listening => _listening.Task;

    /// <summary>http or https.</summary>
    public string Scheme => settings.Tls ? "https" : "http";

    /// <summary>Serves until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { Args = [] });
        builder.Services.AddSingleton(logs);
        builder.Services.AddRoutingCore();
        if (settings.Tls) builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = ConnectionsMax;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Limits.MaxRequestLineSize = 4 * 1024;
            kestrel.Limits.MaxRequestHeadersTotalSize = 16 * 1024;
            kestrel.Listen(IPEndPoint.Parse(settings.Listen), listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                // Asked at each handshake: the certificate changes at renewal.
                if (settings.Tls) listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions { ServerCertificateContext = page!.Certificate() }) });
            });
        });
        await using WebApplication application = builder.Build();
        application.Use(HeadersAsync);
        application.Use(AnswerProblemsAsync);
        if (page is not null) application.Use(page.Door.PassAsync);
        application.UseRouting();
        ReadApi.Get(application, "/health", Health);
        ReadApi.Get(application, "/metrics", context => ApiRequest.WriteAsync(context, System.Text.Encoding.UTF8.GetBytes(metrics.Write()), MetricsExporter.MediaType));
        api.Map(application);
        network.Map(application);
        evidence?.Map(application);
        rewards?.Map(application);
        updates?.Map(application);
        page?.Site.Map(application);
        try
        {
            await application.StartAsync(stopping).ConfigureAwait(false);
        }
        catch (IOException taken)
        {
            throw new Settings.SettingsException($"web.listen: {settings.Listen} cannot be bound ({taken.Message}). Stop what uses it, or choose another port.");
        }

        _listening.TrySetResult(IPEndPoint.Parse(new Uri(application.Urls.First()).Authority));
        _log.LogInformation("health, metrics and API on {Url}", application.Urls.First());
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        Task events = page?.Site.RunAsync(ending.Token) ?? Task.CompletedTask;
        await application.WaitForShutdownAsync(stopping).ConfigureAwait(false);
        await ending.CancelAsync().ConfigureAwait(false);
        await events.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private Task HeadersAsync(HttpContext context, RequestDelegate next)
    {
        IHeaderDictionary headers = context.Response.Headers;
        headers.ContentSecurityPolicy = ContentPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()";
        if (page?.Door.IsHttps(context) ?? context.Request.IsHttps) headers.StrictTransportSecurity = "max-age=31536000";
        return next(context);
    }

    private Task Health(HttpContext context)
    {
        ApiRequest.Allow(context);
        HealthJson health = facts.Health();
        bool serves = health.Status is HealthRules.Healthy or HealthRules.Degraded;
        return ApiRequest.WriteAsync(context, health, ApiJsonContext.Default.HealthJson, serves ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }

    private async Task AnswerProblemsAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context).ConfigureAwait(false);
            if (context.Response.HasStarted || context.Response.ContentLength is not null) return;
            if (context.Response.StatusCode == StatusCodes.Status404NotFound)
                await WriteAsync(context, ApiRequest.NotFound("There is nothing at this path.", "See gateway/Web/README.md for the paths.").Problem).ConfigureAwait(false);
            else if (context.Response.StatusCode == StatusCodes.Status405MethodNotAllowed)
                await WriteAsync(context, new Problem("about:blank", "Method not allowed", 405, "The path does not know this method.", null, "Use GET; /operator paths take POST.")).ConfigureAwait(false);
        }
        catch (ProblemException problem)
        {
            await WriteAsync(context, problem.Problem).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client went away; there is nobody to answer.
        }
        catch (Exception fault) when (!context.Response.HasStarted && fault is Store.StoreException or System.Data.Common.DbException or IOException)
        {
            _log.LogError(fault, "{Path} could not be answered", context.Request.Path);
            await WriteAsync(context, new Problem("about:blank", "Store not readable", 503, fault.Message, null, "Try again; if it stays, 'depin status' says what the store lacks.")).ConfigureAwait(false);
        }
    }

    private Task WriteAsync(HttpContext context, Problem problem) =>
        page is not null && context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase)
            ? page.Site.WriteAsync(context, problem)
            : ApiRequest.WriteAsync(context, problem, ApiJsonContext.Default.Problem, problem.Status);
}
