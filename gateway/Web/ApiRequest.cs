using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Web;

/// <summary>A request that cannot be answered as asked; becomes problem+json.</summary>
public sealed class ProblemException(int status, string title, string detail, string remedy, string? field = null) : Exception(detail)
{
    /// <summary>The answer's body.</summary>
    public Problem Problem { get; } = new("about:blank", title, status, detail, field, remedy);
}

/// <summary>Reads a request strictly (an unknown parameter is a typing error, not noise) and writes the answer.</summary>
internal static class ApiRequest
{
    private const int PathValueCharsMax = 80;

    /// <summary>Refuses query parameters other than these, and repeated ones.</summary>
    public static void Allow(HttpContext context, params ReadOnlySpan<string> names)
    {
        foreach ((string name, var values) in context.Request.Query)
        {
            if (!names.Contains(name))
                throw Bad(Shown(name), "is no parameter of this path", names.Length == 0 ? "Remove it." : $"Known: {string.Join(", ", names.ToArray())}.");
            if (values.Count != 1) throw Bad(name, "is given more than once", "Give it once.");
        }
    }

    /// <summary>An unsigned number from the query.</summary>
    public static ulong Number(HttpContext context, string name, ulong otherwise, ulong min = 0, ulong max = long.MaxValue)
    {
        string? text = context.Request.Query[name];
        return text is null ? otherwise : Parse(name, text, min, max);
    }

    /// <summary>An unsigned number from the path.</summary>
    public static ulong PathNumber(HttpContext context, string name, ulong min = 1) =>
        Parse(name, context.Request.RouteValues[name] as string ?? "", min, long.MaxValue);

    /// <summary>A device id from the path.</summary>
    public static DeviceIdValue PathDevice(HttpContext context) => Device("device", context.Request.RouteValues["device"] as string);

    /// <summary>A device id.</summary>
    public static DeviceIdValue Device(string field, string? text) => DeviceIdValue.TryParse(text, out DeviceIdValue id) ? id
        : throw Bad(field, $"'{Shown(text)}' is no device id", "Give 40 hex digits, as /api/devices lists them.");

    /// <summary>True when the client asks for this media type by name; refuses a client that accepts neither it nor JSON.</summary>
    public static bool Wants(HttpContext context, string mediaType)
    {
        string accept = context.Request.Headers.Accept.ToString();
        if (accept.Length == 0) return false;
        if (accept.Contains(mediaType, StringComparison.OrdinalIgnoreCase)) return true;
        if (accept.Contains("*/*", StringComparison.Ordinal) || accept.Contains("application/*", StringComparison.Ordinal) || accept.Contains("application/json", StringComparison.OrdinalIgnoreCase)) return false;
        throw new ProblemException(StatusCodes.Status406NotAcceptable, "Not acceptable", $"'{Shown(accept)}' is not served here.", $"Accept application/json or {mediaType}.", "Accept");
    }

    public static Task WriteAsync<T>(HttpContext context, T answer, JsonTypeInfo<T> type, int status = StatusCodes.Status200OK)
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(answer, type);
        return WriteAsync(context, body, typeof(T) == typeof(Problem) ? "application/problem+json" : "application/json", status);
    }

    public static async Task WriteAsync(HttpContext context, ReadOnlyMemory<byte> body, string mediaType, int status = StatusCodes.Status200OK)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = mediaType;
        context.Response.ContentLength = body.Length;
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        await context.Response.Body.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
    }

    public static ProblemException Bad(string field, string what, string remedy) =>
        new(StatusCodes.Status400BadRequest, "Bad request", $"{field}: {what}.", remedy, field);

    public static ProblemException NotFound(string what, string remedy) => new(StatusCodes.Status404NotFound, "Not found", what, remedy);

    /// <summary>A stranger's text, short enough and clean enough to repeat.</summary>
    private static string Shown(string? text)
    {
        text ??= "";
        string cut = text.Length > PathValueCharsMax ? text[..PathValueCharsMax] + "…" : text;
        return string.Concat(cut.Select(c => char.IsControl(c) ? '?' : c));
    }

    private static ulong Parse(string name, string text, ulong min, ulong max) =>
        ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) && value >= min && value <= max ? value
        : throw Bad(name, $"'{Shown(text)}' is no whole number from {min} to {max}", "Correct it.");

    /// <summary>An enumeration's value as JSON has names: the first letter small.</summary>
    internal static string Name<T>(T value) where T : struct, Enum => System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(value.ToString());
}
