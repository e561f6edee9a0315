using System.Text.Json;

namespace DePIN.Cli.Terminal;

/// <summary>JSON as a person reads it.</summary>
public static class JsonText
{
    private static readonly JsonSerializerOptions Options = new() { WriteIndented = true };

    public static string Indented(JsonElement value) => JsonSerializer.Serialize(value, Options);
}
