using System.Text.Json;

namespace DePIN.Evidence;

/// <summary>Batch and anchor headers inside the JSON of proofs and certificates: the same member names as their EIP-712 types.</summary>
internal static class HeaderJson
{
    private static readonly string[] BatchNames =
        ["gateway", "number", "previous", "root", "frames", "samples", "firstReceivedMs", "lastReceivedMs", "body"];

    private static readonly string[] AnchorNames = ["epoch", "previous", "root", "batches", "frames"];

    public static BatchHeader ReadBatch(StrictObject parent, string name)
    {
        StrictObject o = parent.Object(name, BatchNames);
        return new BatchHeader(
            o.Address("gateway"), o.UInt64("number"), o.Hash("previous"), o.Hash("root"), o.UInt32("frames"), o.UInt32("samples"),
            o.UInt64("firstReceivedMs"), o.UInt64("lastReceivedMs"), o.Hash("body"));
    }

    public static AnchorHeader ReadAnchor(StrictObject parent, string name)
    {
        StrictObject o = parent.Object(name, AnchorNames);
        return new AnchorHeader(o.UInt64("epoch"), o.Hash("previous"), o.Hash("root"), o.UInt32("batches"), o.UInt64("frames"));
    }

    public static void Write(Utf8JsonWriter writer, string name, BatchHeader batch)
    {
        writer.WriteStartObject(name);
        writer.WriteString("gateway", batch.Gateway.ToString());
        StrictObject.WriteUInt64(writer, "number", batch.Number);
        writer.WriteString("previous", batch.Previous.ToString());
        writer.WriteString("root", batch.Root.ToString());
        writer.WriteNumber("frames", batch.Frames);
        writer.WriteNumber("samples", batch.Samples);
        StrictObject.WriteUInt64(writer, "firstReceivedMs", batch.FirstReceivedMs);
        StrictObject.WriteUInt64(writer, "lastReceivedMs", batch.LastReceivedMs);
        writer.WriteString("body", batch.Body.ToString());
        writer.WriteEndObject();
    }

    public static void Write(Utf8JsonWriter writer, string name, AnchorHeader anchor)
    {
        writer.WriteStartObject(name);
        StrictObject.WriteUInt64(writer, "epoch", anchor.Epoch);
        writer.WriteString("previous", anchor.Previous.ToString());
        writer.WriteString("root", anchor.Root.ToString());
        writer.WriteNumber("batches", anchor.Batches);
        StrictObject.WriteUInt64(writer, "frames", anchor.Frames);
        writer.WriteEndObject();
    }
}
