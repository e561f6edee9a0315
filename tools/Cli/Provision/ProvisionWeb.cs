using System.Net;
using System.Security.Cryptography;
using System.Text;
using DePIN.Cli.Terminal;
using DePIN.Provision;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace DePIN.Cli.Provision;

/// <summary>The page for technicians (<see cref="ProvisionPage"/>) on this machine's loopback, with a token of its own that the page is given.</summary>
public sealed class ProvisionWeb : IAsyncDisposable
{
    private readonly WebApplication _app;

    private ProvisionWeb(ProvisionRun run, int port)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, port);
            kestrel.Limits.MaxRequestBodySize = ProvisionPage.BodyBytesMax;
            kestrel.AddServerHeader = false;
        });
        _app = builder.Build();
        string token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        byte[] header = Encoding.ASCII.GetBytes("Bearer " + token);
        new ProvisionPage(run, new PageHost(
            token, given => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), header), host => host is "127.0.0.1" or "localhost", _ => run.Job, run.Desk.Registers)).Map(_app);
    }

    public Uri Url { get; private set; } = null!;

    /// <param name="run">What the lanes share.</param>
    /// <param name="port">Of loopback; 0: any.</param>
    /// <param name="cancel">Ends the start.</param>
    public static async Task<ProvisionWeb> StartAsync(ProvisionRun run, int port, CancellationToken cancel)
    {
        ProvisionWeb web = new(run, port);
        try
        {
            await web._app.StartAsync(cancel).ConfigureAwait(false);
        }
        catch (IOException error)
        {
            await web.DisposeAsync().ConfigureAwait(false);
            throw new CliError(ExitCode.BadInput, $"port {port} of this machine cannot be listened on: {error.Message}", "give another one with --web-port");
        }

        web.Url = new Uri(web._app.Urls.First());
        return web;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
