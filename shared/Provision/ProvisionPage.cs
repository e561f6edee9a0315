using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using DePIN.Contracts;
using DePIN.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace DePIN.Provision;

/// <summary>Who serves the page, and to whom.</summary>
/// <param name="Token">Built into the page; empty: the technician enters it there.</param>
/// <param name="Admits">Whether an Authorization header brings the token.</param>
/// <param name="IsHere">Whether a host name is this server's.</param>
/// <param name="JobAt">The job for a page that was opened under this host name.</param>
/// <param name="Watches">Whether the server always knows of frames, so that the page may wait for those of boards whose claims were collected.</param>
public sealed record PageHost(string Token, Func<string, bool> Admits, Func<string, bool> IsHere, Func<string, ProvisionJob> JobAt, bool Watches)
{
    /// <summary>Where the collected claims are given out, as <see cref="ClaimCollector"/> writes them.</summary>
    public const string ClaimsPath = "/api/claims";

    /// <summary>That file; null: claims are not given out.</summary>
    public string? ClaimsFile { get; init; }
}

/// <summary>
/// The page for technicians whose browser has Web Serial: the browser speaks to the board, this server to chain, gateway and report. Every request but
/// those for the page's own files carries the token, comes from this origin and names this host, so that no other page gets in.
/// </summary>
public sealed class ProvisionPage(ProvisionRun run, PageHost host)
{
    /// <summary>A request's body at most.</summary>
    public const int BodyBytesMax = 16 * 1024;

    private const string Scheme = "Bearer";

    /// <summary>Adds guard, files and API.</summary>
    public void Map(WebApplication application)
    {
        ArgumentNullException.ThrowIfNull(application);
        application.Use(GuardAsync);
        application.UseRouting();
        foreach ((string path, string type) in ((string, string)[])[("index.html", "text/html"), ("style.css", "text/css"), ("provision.js", "text/javascript"), ("board.js", "text/javascript"), ("frames.js", "text/javascript")])
        {
            byte[] content = File(path);
            RequestDelegate send = context => SendAsync(context, content, type);
            application.MapGet(path == "index.html" ? "/" : "/" + path, send);
        }

        Map(application, "GET", "/api/job", (context, _) => Task.FromResult<object>(Job(context)));
        Map(application, "POST", "/api/boards", BoardAsync);
        Map(application, "POST", PageHost.ClaimsPath, ClaimAsync);
        Map(application, "GET", "/api/devices/{device}", DeviceAsync);
        Map(application, "POST", "/api/report", ReportAsync);
        if (host.ClaimsFile is { } claims)
        {
            RequestDelegate give = context => GiveAsync(context, claims);
            application.MapGet(PageHost.ClaimsPath, give);
        }
    }

    private async Task GuardAsync(HttpContext context, RequestDelegate next)
    {
        IHeaderDictionary headers = context.Response.Headers;
        headers.CacheControl = "no-store";
        headers.ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Permissions-Policy"] = "serial=(self)";
        string origin = context.Request.Headers.Origin.ToString();
        if (!host.IsHere(Name(context)) || (origin.Length > 0 && origin != $"{context.Request.Scheme}://{context.Request.Host}"))
        {
            context.Response.StatusCode = StatusCodes.Status403Forbidden;
            return;
        }

        if (context.Request.Path.StartsWithSegments("/api", StringComparison.Ordinal) && !host.Admits(context.Request.Headers.Authorization.ToString()))
        {
            headers.WWWAuthenticate = Scheme;
            await SendAsync(context, StatusCodes.Status401Unauthorized, ProvisionCode.Interrupted, "the token is not that of this server").ConfigureAwait(false);
            return;
        }

        await next(context).ConfigureAwait(false);
    }

    private JobJson Job(HttpContext context)
    {
        ProvisionJob job = host.JobAt(Name(context));
        return new JobJson(
            job.Name, Convert.ToHexStringLower(DeviceClaim.ChainIdWord(job.ChainId)), Convert.ToHexStringLower(job.DeviceRegistry.ToArray()),
            Convert.ToHexStringLower(job.OwnerAddress.ToArray()), job.SettingsText(), Encoding.ASCII.GetString(job.AuthorityPem), job.Wifi, job.ConfirmSeconds,
            run.Desk.Registers, host.Watches, ProvisionCode.All.ToDictionary(code => code.Code));
    }

    private async Task<object> BoardAsync(HttpContext context, CancellationToken cancel)
    {
        BoardIdentity board = (await ReadAsync(context, ProvisionPageContext.Default.BoardJson, cancel).ConfigureAwait(false)).Identity();
        ManifestRow row = run.Manifest.Take(board.DeviceId);
        return new KnownJson(row.Name, row.Location, await run.IsDoneAsync(board.DeviceId, cancel).ConfigureAwait(false));
    }

    private async Task<object> ClaimAsync(HttpContext context, CancellationToken cancel)
    {
        BoardJson given = await ReadAsync(context, ProvisionPageContext.Default.BoardJson, cancel).ConfigureAwait(false);
        BoardIdentity board = given.Identity();
        byte[] signature = BoardJson.Bytes(given.Signature, FrameFormat.SignatureBytes, "signature");
        run.CheckClaim(board, signature);
        await run.Desk.FileAsync(board, signature, cancel).ConfigureAwait(false);
        run.WriteLabel(board, run.Manifest.Take(board.DeviceId));
        return new KnownJson("", "", IsDone: false);
    }

    private async Task<object> DeviceAsync(HttpContext context, CancellationToken cancel)
    {
        string device = context.Request.RouteValues["device"]?.ToString() ?? "";
        if (!DeviceId.TryParse(device, new byte[DeviceId.Bytes])) throw new BadHttpRequestException("no device id");
        SeenDevice? found = await run.Gateway(device, cancel).ConfigureAwait(false);
        return new SeenJson(found?.LastSequence ?? 0, found is not null, found is { IsRevoked: true });
    }

    private async Task<object> ReportAsync(HttpContext context, CancellationToken cancel)
    {
        WebReportJson given = await ReadAsync(context, ProvisionPageContext.Default.WebReportJson, cancel).ConfigureAwait(false);
        ProvisionCode code = ProvisionCode.All.FirstOrDefault(known => known.Code == given.Code) ?? throw new BadHttpRequestException("an unknown code");
        if (!Enum.TryParse(given.Step, ignoreCase: true, out ProvisionStep step) || !Enum.IsDefined(step)) throw new BadHttpRequestException("an unknown step");
        BoardIdentity? board = DeviceId.TryParse(given.Device, new byte[DeviceId.Bytes]) ? new(given.KeyKind, [], given.Device, State: 0, Short(given.Firmware), Short(given.Board)) : null;
        // Done is what the gateway says, not the page.
        if (code == ProvisionCode.Done && (board is null || (await run.Gateway(board.DeviceId, cancel).ConfigureAwait(false))?.LastSequence is not > 0)) throw new BadHttpRequestException("the gateway has no frame of it");
        ManifestRow row = board is null ? new ManifestRow("", "", "") : run.Manifest.Take(board.DeviceId);
        run.Report.Add(run.Line("web: " + Short(given.Port), board, row, step, code, Short(given.Message)) with
        {
            Seconds = given.Seconds, WaitSeconds = given.WaitSeconds, Sequence = given.Sequence,
        });
        return new KnownJson("", "", IsDone: true);
    }

    private static void Map(IEndpointRouteBuilder routes, string method, string path, Func<HttpContext, CancellationToken, Task<object>> handle)
    {
        RequestDelegate answer = context => AnswerAsync(context, handle);
        routes.MapMethods(path, [method], answer);
    }

    private static async Task AnswerAsync(HttpContext context, Func<HttpContext, CancellationToken, Task<object>> handle)
    {
        try
        {
            object answer = await handle(context, context.RequestAborted).ConfigureAwait(false);
            await SendAsync(context, JsonSerializer.SerializeToUtf8Bytes(answer, answer.GetType(), ProvisionPageContext.Default), "application/json").ConfigureAwait(false);
        }
        catch (ProvisionException error)
        {
            await SendAsync(context, StatusCodes.Status409Conflict, error.Code, error.Message).ConfigureAwait(false);
        }
        catch (ProvisionFileException error)
        {
            await SendAsync(context, StatusCodes.Status507InsufficientStorage, ProvisionCode.Interrupted, $"{error.Message}: {error.Remedy}").ConfigureAwait(false);
        }
        catch (Exception error) when (error is BadHttpRequestException or JsonException)
        {
            await SendAsync(context, StatusCodes.Status400BadRequest, ProvisionCode.BadIdentity, error.Message).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The page is gone; there is nobody to answer.
        }
    }

    private static Task SendAsync(HttpContext context, int status, ProvisionCode code, string message)
    {
        context.Response.StatusCode = status;
        return SendAsync(context, JsonSerializer.SerializeToUtf8Bytes(new ProblemJson(code.Code, message), ProvisionPageContext.Default.ProblemJson), "application/json");
    }

    /// <summary>The host's name as the browser has it, an IPv6 address without its brackets.</summary>
    private static string Name(HttpContext context) => context.Request.Host.Host.Trim('[', ']');

    private static async Task<T> ReadAsync<T>(HttpContext context, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type, CancellationToken cancel) =>
        await JsonSerializer.DeserializeAsync(context.Request.Body, type, cancel).ConfigureAwait(false) ?? throw new BadHttpRequestException("null");

    private static Task SendAsync(HttpContext context, byte[] content, string type)
    {
        context.Response.ContentType = type + "; charset=utf-8";
        context.Response.ContentLength = content.Length;
        return context.Response.Body.WriteAsync(content, context.RequestAborted).AsTask();
    }

    private static async Task GiveAsync(HttpContext context, string path)
    {
        FileStream claims = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        await using (claims.ConfigureAwait(false))
        {
            context.Response.ContentType = "application/jsonl; charset=utf-8";
            await claims.CopyToAsync(context.Response.Body, context.RequestAborted).ConfigureAwait(false);
        }
    }

    private static string Short(string text) => text.Length > 256 ? text[..256] : text;

    private byte[] File(string name)
    {
        using Stream found = Assembly.GetExecutingAssembly().GetManifestResourceStream("Page." + name)!;
        using StreamReader reader = new(found, Encoding.UTF8);
        return Encoding.UTF8.GetBytes(reader.ReadToEnd().Replace("{{token}}", host.Token, StringComparison.Ordinal));
    }
}

internal sealed record JobJson(
    string Name, string ChainId, string Registry, string Owner, string Settings, string Authority, string Wifi, int ConfirmSeconds, bool Registers, bool Watches, Dictionary<string, ProvisionCode> Codes);

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

internal sealed record SeenJson(ulong LastSequence, bool IsKnown, bool IsRevoked);

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
internal sealed partial class ProvisionPageContext : JsonSerializerContext;
