using System.Net;
using System.Text.Json.Serialization;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Update;
using DePIN.Gateway.Verify;
using DePIN.Protocol;
using Microsoft.AspNetCore.Http.Features;

namespace DePIN.Gateway.Web;

/// <summary>A device that failed or is left out.</summary>
public sealed record UpdateTroubleJson(string Device, string Reason);

/// <summary>One roll-out. Counts are of its members; <paramref name="Target"/>: devices of the open stage and those before; <paramref name="Waiting"/>: devices of later stages.</summary>
/// <param name="SoakEndsMs">When the open stage may close; null while it lacks what the plan asks.</param>
/// <param name="FailedList">At most 100, as LeftOutList.</param>
public sealed record RolloutJson(
    string Rollout, string Board, uint Release, string Version, string Manifest, string State, string Reason, string Stages, int Stage, int StageCount, string MinConfirmed, string MaxFailed,
    int SoakS, int LostS, int Target, int Offered, int Working, int Confirmed, int Failed, int LeftOut, int Waiting, long StartedMs, long ChangedMs, long? SoakEndsMs, string PackageFault,
    IReadOnlyList<UpdateTroubleJson> FailedList, IReadOnlyList<UpdateTroubleJson> LeftOutList);

/// <summary>/api/updates.</summary>
public sealed record UpdatesJson(string Operator, int Devices, IReadOnlyList<RolloutJson> Rollouts)
{
    /// <summary>Reads an answer; throws <see cref="System.Text.Json.JsonException"/> when it is none.</summary>
    public static UpdatesJson Read(ReadOnlySpan<byte> json) =>
        System.Text.Json.JsonSerializer.Deserialize(json, UpdateJsonContext.Default.UpdatesJson) ?? throw new System.Text.Json.JsonException("The answer is null.");

    /// <summary>One line of JSON.</summary>
    public string Write() => System.Text.Json.JsonSerializer.Serialize(this, UpdateJsonContext.Default.UpdatesJson);
}

/// <summary>One device in /api/updates/devices: what it said last.</summary>
public sealed record UpdateDeviceJson(string Device, long AtMs, string Board, uint Running, string Version, uint Offered, string State, string Error, uint Done, uint Total);

/// <summary>/api/updates/devices.</summary>
public sealed record UpdateDevicesJson(IReadOnlyList<UpdateDeviceJson> Devices, string? Next);

/// <summary>
/// Updates over HTTP: what goes on is read like everything else; starting, pausing, resuming and aborting are an operator's requests, which bring the
/// token of the data folder (<see cref="OperatorToken"/>). Without update.operatorKey none of these paths exists.
/// </summary>
public sealed class UpdateApi(UpdateStage stage, OperatorToken token, string operatorId, int pageMax)
{
    /// <summary>Roll-outs in an answer, the newest first.</summary>
    public const int RolloutsMax = 16;

    private const int TroublesMax = 100;

    /// <summary>Adds the paths.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        ArgumentNullException.ThrowIfNull(routes);
        ReadApi.Get(routes, "/api/updates", Updates);
        ReadApi.Get(routes, "/api/updates/devices", Devices);
        RequestDelegate start = context => StartAsync(context), command = CommandAsync;
        routes.MapPost("/operator/updates", start);
        routes.MapPost("/operator/updates/{rollout}/{command}", command);
    }

    private Task Updates(HttpContext context)
    {
        ApiRequest.Allow(context);
        return ApiRequest.WriteAsync(context, stage.Read((core, now) => new UpdatesJson(operatorId, core.Reports.Count, [.. core.Rollouts.Take(RolloutsMax).Select(r => Json(core, r, now))])),
            UpdateJsonContext.Default.UpdatesJson);
    }

    private Task Devices(HttpContext context)
    {
        ApiRequest.Allow(context, "after", "limit");
        int limit = (int)ApiRequest.Number(context, "limit", (ulong)Math.Min(ReadApi.PageDefault, pageMax), 1, (ulong)pageMax);
        string after = context.Request.Query["after"] is { Count: 1 } given ? ApiRequest.Device("after", given).ToString() : "";
        UpdateDeviceJson[] page = stage.Read((core, _) => core.Reports.Select(r => (Text: r.Device.ToString(), Report: r)).Where(r => string.CompareOrdinal(r.Text, after) > 0)
            .OrderBy(r => r.Text, StringComparer.Ordinal).Take(limit + 1).Select(r => Json(r.Text, r.Report)).ToArray());
        return ApiRequest.WriteAsync(context, new UpdateDevicesJson([.. page.Take(limit)], page.Length > limit ? page[limit - 1].Device : null), UpdateJsonContext.Default.UpdateDevicesJson);
    }

    private async Task StartAsync(HttpContext context)
    {
        Admit(context);
        ApiRequest.Allow(context, "stages", "minConfirmed", "maxFailed", "soakS", "lostS");
        RolloutPlan plan = new(
            RolloutPlan.ParseStages(Text(context, "stages", RolloutPlan.StagesDefault), out string fault) ?? throw ApiRequest.Bad("stages", fault, "For example 3,10%,50%,100%."),
            Share(context, "minConfirmed", RolloutPlan.ConfirmedDefault), Share(context, "maxFailed", RolloutPlan.FailedDefault),
            (int)ApiRequest.Number(context, "soakS", RolloutPlan.SoakDefaultS, 0, RolloutPlan.SecondsMax), (int)ApiRequest.Number(context, "lostS", RolloutPlan.LostDefaultS, 1, RolloutPlan.SecondsMax));
        byte[] package = await BodyAsync(context).ConfigureAwait(false);
        await AnswerAsync(context, () => stage.Start(package, plan), StatusCodes.Status201Created).ConfigureAwait(false);
    }

    private Task CommandAsync(HttpContext context)
    {
        Admit(context);
        ApiRequest.Allow(context);
        string command = (string)context.Request.RouteValues["command"]!, id = (string)context.Request.RouteValues["rollout"]!;
        if (command is not ("pause" or "resume" or "abort")) throw ApiRequest.NotFound("There is no such command.", "Use pause, resume or abort.");
        if (stage.Read((core, _) => core.Find(id)) is null) throw ApiRequest.NotFound("There is no roll-out of this id.", "GET /api/updates lists them.");
        return AnswerAsync(context, () => stage.Command(id, command), StatusCodes.Status200OK);
    }

    private Task AnswerAsync(HttpContext context, Func<Rollout> act, int status)
    {
        Rollout rollout;
        try
        {
            rollout = act();
        }
        catch (UpdateRefusedException refused)
        {
            throw new ProblemException(StatusCodes.Status409Conflict, "Refused", refused.Message, refused.Remedy);
        }

        return ApiRequest.WriteAsync(context, stage.Read((core, now) => Json(core, core.Find(rollout.Id) ?? rollout, now)), UpdateJsonContext.Default.RolloutJson, status);
    }

    private void Admit(HttpContext context)
    {
        if (token.Admits(context.Request.Headers.Authorization.ToString())) return;
        context.Response.Headers.WWWAuthenticate = "Bearer";
        throw new ProblemException(StatusCodes.Status401Unauthorized, "Not the operator", "The request does not bring this gateway's token.",
            $"Send 'Authorization: Bearer' with the content of {OperatorToken.FileName} in the gateway's data folder.", "Authorization");
    }

    private static string Text(HttpContext context, string name, string otherwise) => context.Request.Query[name] is { Count: 1 } given ? given.ToString() : otherwise;

    private static Portion Share(HttpContext context, string name, string otherwise) =>
        Portion.TryParse(Text(context, name, otherwise), out Portion portion) ? portion : throw ApiRequest.Bad(name, "is neither a number of devices nor a share from 0% to 100%", "For example 3 or 5%.");

    // The server takes no bodies; this path takes one, of a package's size, and only from the operator.
    private static async Task<byte[]> BodyAsync(HttpContext context)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size) size.MaxRequestBodySize = UpdatePackage.BytesMax;
        using MemoryStream body = new();
        try
        {
            await context.Request.Body.CopyToAsync(body, context.RequestAborted).ConfigureAwait(false);
        }
        catch (BadHttpRequestException tooLarge) when (tooLarge.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw new ProblemException(StatusCodes.Status413PayloadTooLarge, "Too large", $"A package has at most {UpdatePackage.BytesMax} bytes.", "Send the package that 'depin ota pack' wrote.");
        }

        return body.ToArray();
    }

    private RolloutJson Json(RolloutCore core, Rollout r, long nowMs)
    {
        (DeviceIdValue Device, string Reason)[] leftOut = r.IsOpen ? [.. core.LeftOut(r)] : [];
        int target = r.IsOffering ? core.Target(r, nowMs) : core.Members(r.Id).Count(m => m.State != MemberState.LeftOut);
        return new RolloutJson(
            r.Id, r.Board, r.Release, r.Version, r.Hash, Name(r.State), r.Reason, r.Plan.StagesText, r.Stage + 1, r.Plan.Stages.Count, r.Plan.Confirmed.ToString(), r.Plan.Failed.ToString(),
            r.Plan.SoakS, r.Plan.LostS, target, core.Count(r.Id, MemberState.Offered), core.Count(r.Id, MemberState.Working), core.Count(r.Id, MemberState.Confirmed),
            core.Count(r.Id, MemberState.Failed), leftOut.Length, r.IsOpen ? core.Waiting(r, nowMs) : 0, r.StartedMs, r.ChangedMs,
            r.State == RolloutState.Running && r.SoakMs is { } soak ? soak + r.Plan.SoakS * 1000L : null, stage.PackageFault(r),
            [.. core.Members(r.Id).Where(m => m.State == MemberState.Failed).OrderBy(m => m.ChangedMs).Take(TroublesMax).Select(m => new UpdateTroubleJson(m.Device.ToString(), m.Reason))],
            [.. leftOut.Take(TroublesMax).Select(d => new UpdateTroubleJson(d.Device.ToString(), d.Reason))]);
    }

    private static UpdateDeviceJson Json(string device, DeviceReport r) => new(device, r.AtMs, r.Board, r.Running, r.Version, r.Offered,
        UpdateStates.Name(r.State) ?? $"state {r.State}", UpdateErrors.Name(r.Error) ?? $"error {r.Error}", r.Done, r.Total);

    private static string Name(RolloutState state) => System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(state.ToString());
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.Never)]
[JsonSerializable(typeof(RolloutJson))]
[JsonSerializable(typeof(UpdatesJson))]
[JsonSerializable(typeof(UpdateDevicesJson))]
internal sealed partial class UpdateJsonContext : JsonSerializerContext;
