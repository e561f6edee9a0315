using System.Net;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using DePIN.Cli.Gateway;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace DePIN.Cli.Provision;

/// <summary>
/// The page for technicians whose browser has Web Serial: the browser speaks to the board, this server to chain, gateway and report. Only on this
/// machine's loopback; every request but those for the page's own files carries the page's token, and names this host, so that no other page gets in.
/// </summary>
public sealed class ProvisionWeb : IAsyncDisposable
{
    private const int BodyBytesMax = 16 * 1024;
    private const string TokenHeader = "X-Depin-Token";

    private readonly WebApplication _app;
    private readonly ProvisionRun _run;
    private readonly string _token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    private ProvisionWeb(ProvisionRun run, int port)
    {
        _run = run;
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, port);
            kestrel.Limits.MaxRequestBodySize = BodyBytesMax;
            kestrel.AddServerHeader = false;
        });
        _app = builder.Build();
        _app.Use(GuardAsync);
        foreach ((string path, string type) in ((string, string)[])[("index.html", "text/html"), ("style.css", "text/css"), ("provision.js", "text/javascript"), ("board.js", "text/javascript"), ("frames.js", "text/javascript")])
        {
            byte[] content = File(path);
            _app.MapGet(path == "index.html" ? "/" : "/" + path, context => SendAsync(context, content, type));
        }

        Map("GET", "/api/job", (_, _) => Task.FromResult<object>(Job()));
        Map("POST", "/api/boards", BoardAsync);
        Map("POST", "/api/claims", ClaimAsync);
        Map("GET", "/api/devices/{device}", DeviceAsync);
        Map("POST", "/api/report", ReportAsync);
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

    private Task GuardAsync(HttpContext context, RequestDelegate next)
    {
        IHeaderDictionary headers = context.Response.Headers;
        headers.CacheControl = "no-store";
        headers.ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Permissions-Policy"] = "serial=(self)";
        bool isHere = context.Request.Host.Host is "127.0.0.1" or "localhost";
        bool isApi = context.Request.Path.StartsWithSegments("/api", StringComparison.Ordinal);
        bool isKnown = CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(context.Request.Headers[TokenHeader].ToString()), Encoding.UTF8.GetBytes(_token));
        if (isHere && (!isApi || isKnown)) return next(context);
        context.Response.StatusCode = StatusCodes.Status403Forbidden;
        return Task.CompletedTask;
    }

    private JobJson Job() => new(
        _run.Job.Name, Convert.ToHexStringLower(DeviceClaim.ChainIdWord(_run.Job.Contracts.ChainId)), Convert.ToHexStringLower(_run.Job.Contracts.DeviceRegistry.ToArray()),
        Convert.ToHexStringLower(_run.Job.OwnerAddress.ToArray()), _run.Job.SettingsText(), Encoding.ASCII.GetString(_run.Job.AuthorityPem), _run.Job.Wifi, _run.Job.ConfirmSeconds,
        _run.Desk.Registers, ProvisionCode.All.ToDictionary(code => code.Code));

    private async Task<object> BoardAsync(HttpContext context, CancellationToken cancel)
    {
        BoardIdentity board = (await ReadAsync(context, ProvisionWebContext.Default.BoardJson, cancel).ConfigureAwait(false)).Identity();
        ManifestRow row = _run.Manifest.Take(board.DeviceId);
        return new KnownJson(row.Name, row.Location, await _run.IsDoneAsync(board.DeviceId, cancel).ConfigureAwait(false));
    }

    private async Task<object> ClaimAsync(HttpContext context, CancellationToken cancel)
    {
        BoardJson given = await ReadAsync(context, ProvisionWebContext.Default.BoardJson, cancel).ConfigureAwait(false);
        BoardIdentity board = given.Identity();
        byte[] signature = BoardJson.Bytes(given.Signature, FrameFormat.SignatureBytes, "signature");
        _run.CheckClaim(board, signature);
        await _run.Desk.FileAsync(board, signature, cancel).ConfigureAwait(false);
        _run.WriteLabel(board, _run.Manifest.Take(board.DeviceId));
        return new KnownJson("", "", IsDone: false);
    }

    private async Task<object> DeviceAsync(HttpContext context, CancellationToken cancel)
    {
        string device = context.Request.RouteValues["device"]?.ToString() ?? "";
        if (!DeviceId.TryParse(device, new byte[DeviceId.Bytes])) throw new BadHttpRequestException("no device id");
        DeviceView? found = await _run.ReadDeviceAsync(device, cancel).ConfigureAwait(false);
        return new SeenJson(found?.LastSequence ?? 0, found is { Revoked: true });
    }

    private async Task<object> ReportAsync(HttpContext context, CancellationToken cancel)
    {
        WebReportJson given = await ReadAsync(context, ProvisionWebContext.Default.WebReportJson, cancel).ConfigureAwait(false);
        ProvisionCode code = ProvisionCode.All.FirstOrDefault(known => known.Code == given.Code) ?? throw new BadHttpRequestException("an unknown code");
        if (!Enum.TryParse(given.Step, ignoreCase: true, out ProvisionStep step) || !Enum.IsDefined(step)) throw new BadHttpRequestException("an unknown step");
        BoardIdentity? board = DeviceId.TryParse(given.Device, new byte[DeviceId.Bytes]) ? new(given.KeyKind, [], given.Device, State: 0, Short(given.Firmware), Short(given.Board)) : null;
        // Done is what the gateway says, not the page.
        if (code == ProvisionCode.Done && (board is null || (await _run.ReadDeviceAsync(board.DeviceId, cancel).ConfigureAwait(false))?.LastSequence is not > 0)) throw new BadHttpRequestException("the gateway has no frame of it");
        ManifestRow row = board is null ? new ManifestRow("", "", "") : _run.Manifest.Take(board.DeviceId);
        _run.Report.Add(_run.Line("web: " + Short(given.Port), board, row, step, code, Short(given.Message)) with
        {
            Seconds = given.Seconds, WaitSeconds = given.WaitSeconds, Sequence = given.Sequence,
        });
        return new KnownJson("", "", IsDone: true);
    }

    private void Map(string method, string path, Func<HttpContext, CancellationToken, Task<object>> handle) => _app.MapMethods(path, [method], async context =>
    {
        try
        {
            object answer = await handle(context, context.RequestAborted).ConfigureAwait(false);
            await SendAsync(context, JsonSerializer.SerializeToUtf8Bytes(answer, answer.GetType(), ProvisionWebContext.Default), "application/json").ConfigureAwait(false);
        }
        catch (ProvisionException error)
        {
            context.Response.StatusCode = StatusCodes.Status409Conflict;
            await SendAsync(context, JsonSerializer.SerializeToUtf8Bytes(new ProblemJson(error.Code.Code, error.Message), ProvisionWebContext.Default.ProblemJson), "application/json").ConfigureAwait(false);
        }
        catch (Exception error) when (error is BadHttpRequestException or JsonException)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            await SendAsync(context, JsonSerializer.SerializeToUtf8Bytes(new ProblemJson(ProvisionCode.BadIdentity.Code, error.Message), ProvisionWebContext.Default.ProblemJson), "application/json").ConfigureAwait(false);
        }
    });

    private static async Task<T> ReadAsync<T>(HttpContext context, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type, CancellationToken cancel) =>
        await JsonSerializer.DeserializeAsync(context.Request.Body, type, cancel).ConfigureAwait(false) ?? throw new BadHttpRequestException("null");

    private static Task SendAsync(HttpContext context, byte[] content, string type)
    {
        context.Response.ContentType = type + "; charset=utf-8";
        context.Response.ContentLength = content.Length;
        return context.Response.Body.WriteAsync(content, context.RequestAborted).AsTask();
    }

    private static string Short(string text) => text.Length > 256 ? text[..256] : text;

    private byte[] File(string name)
    {
        using Stream found = Assembly.GetExecutingAssembly().GetManifestResourceStream("Provision.Web." + name)!;
        using StreamReader reader = new(found, Encoding.UTF8);
        return Encoding.UTF8.GetBytes(reader.ReadToEnd().Replace("{{token}}", _token, StringComparison.Ordinal));
    }
}

internal sealed record JobJson(
    string Name, string ChainId, string Registry, string Owner, string Settings, string Authority, string Wifi, int ConfirmSeconds, bool Registers, Dictionary<string, ProvisionCode> Codes);

internal sealed record BoardJson(byte KeyKind, string PublicKey, string Device, string Firmware = "", string Board = "", string Signature = "")
{
    /// <summary>The identity, when the device id is the key's.</summary>
    public BoardIdentity Identity()
    {
        byte[] key = Bytes(PublicKey, DeviceId.PublicKeyBytes, "publicKey"), id = new byte[DeviceId.Bytes];
        DeviceId.FromPublicKey(key, 0, id, 0);
        return DeviceId.ToText(id, 0) == Device ? new BoardIdentity(KeyKind, key, Device, State: 0, Firmware, Board) : throw new BadHttpRequestException("the device id is not that of the key");
    }

    public static byte[] Bytes(string hex, int count, string field)
    {
        try
        {
            if (Convert.FromHexString(hex) is { } bytes && bytes.Length == count) return bytes;
        }
        catch (FormatException)
        {
            // said below
        }

        throw new BadHttpRequestException($"{field} has not {count} bytes in hex");
    }
}

internal sealed record KnownJson(string Name, string Location, bool IsDone);

internal sealed record SeenJson(ulong LastSequence, bool IsRevoked);

internal sealed record ProblemJson(string Code, string Message);

internal sealed record WebReportJson(
    string Port, string Device, string Board, string Firmware, byte KeyKind, string Step, string Code, string Message, ulong Sequence, double Seconds, double WaitSeconds);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(JobJson))]
[JsonSerializable(typeof(BoardJson))]
[JsonSerializable(typeof(KnownJson))]
[JsonSerializable(typeof(SeenJson))]
[JsonSerializable(typeof(ProblemJson))]
[JsonSerializable(typeof(WebReportJson))]
internal sealed partial class ProvisionWebContext : JsonSerializerContext;
