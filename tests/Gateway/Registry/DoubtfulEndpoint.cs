using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace DePIN.Gateway.Tests.Registry;

/// <summary>
/// An RPC endpoint before a real node that lies, is slow, or goes away, as a test orders: real HTTP on a real port. Stopping it closes its
/// connections, starting it again takes the same port.
/// </summary>
internal sealed class DoubtfulEndpoint(Uri node) : IAsyncDisposable
{
    private readonly HttpClient _http = new();
    private WebApplication? _application;
    private int _port;

    /// <summary>Changes a result: method, parameters, the true result, what is said instead. Null tells the truth.</summary>
    public Func<string, JsonArray, JsonNode?, JsonNode?>? Lie { get; set; }

    /// <summary>When set, answers wait for it: an endpoint that is silent.</summary>
    public Task Silence { get; set; } = Task.CompletedTask;

    public Uri Url(string host = "127.0.0.1") => new($"http://{host}:{_port}/");

    public async Task StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, _port));
        _application = builder.Build();
        _application.Run(AnswerAsync);
        await _application.StartAsync();
        _port = new Uri(_application.Urls.Single()).Port;
    }

    public async Task StopAsync()
    {
        using CancellationTokenSource now = new();
        await now.CancelAsync();
        await _application!.StopAsync(now.Token);
        await _application.DisposeAsync();
        _application = null;
    }

    public async ValueTask DisposeAsync()
    {
        if (_application is not null) await StopAsync();
        _http.Dispose();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        JsonNode request = (await JsonNode.ParseAsync(context.Request.Body))!;
        await Silence.WaitAsync(context.RequestAborted);
        using HttpResponseMessage real = await _http.PostAsync(node, new StringContent(request.ToJsonString(), System.Text.Encoding.UTF8, "application/json"), context.RequestAborted);
        JsonNode answer = JsonNode.Parse(await real.Content.ReadAsStringAsync(context.RequestAborted))!;
        if (Lie is { } lie && answer["error"] is null)
            answer["result"] = lie(request["method"]!.GetValue<string>(), request["params"] as JsonArray ?? [], answer["result"])?.DeepClone();
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(answer.ToJsonString(), context.RequestAborted);
    }
}
