// shared/vectors/frame.json: frames that everyone reads alike, valid ones and one per fault, for firmware, gateway and contracts.
// Their expected fields are written down in the file; they are never computed from the code under test when it is read.
// To write it again after a change of the format: dotnet test --filter Write_the_frame_vectors

using System.Text.Json;
using System.Text.Json.Serialization;

namespace DePIN.Protocol.Tests;

internal sealed record FrameVectors(string About, string PrivateKey, string PublicKey, string DeviceId, FrameVector[] Valid, FaultVector[] Faults)
{
    public static string FilePath { get; } = Repository.FilePath("shared", "vectors", "frame.json");

    public static FrameVectors Read() => JsonSerializer.Deserialize<FrameVectors>(File.ReadAllText(FilePath), Options)!;

    public void Write() => File.WriteAllText(FilePath, JsonSerializer.Serialize(this, Options) + "\n");

    private static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        NewLine = "\n",
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };
}

/// <summary>A well-formed frame, its fields, and what is derived from it. The 64-bit sequence, time and value are decimal strings.</summary>
internal sealed record FrameVector(
    string Name,
    string Frame,
    int Flags,
    int Profile,
    uint BootCount,
    string Sequence,
    string TimeMs,
    string Previous,
    string Payload,
    SampleVector[] Samples,
    string Digest,
    string Signature,
    string Leaf);

internal sealed record SampleVector(int Channel, int Exponent, int Quality, uint OffsetMs, string Value);

internal sealed record FaultVector(string Name, string Fault, string Frame);
