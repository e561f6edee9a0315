using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using DePIN.Protocol;

namespace DePIN.Evidence;

/// <summary>
/// What proves one frame against the Ledger, self-contained: the frame and its device's public key, the path to its batch, the path
/// to the anchor, the path to the ledger's peak. <see cref="ProofVerifier"/> checks it without any server. JSON, type
/// <c>depin-proof/1</c>: bytes as 0x hex, integers as numbers below 2^53 and as decimal strings above.
/// </summary>
public sealed record Proof
{
    /// <summary>Value of the JSON member <c>type</c>.</summary>
    public const string Type = "depin-proof/1";

    private const string Remedy = "export the proof again, or ask its author for an unmodified copy";

    /// <summary>EIP-155 id of the chain that holds the ledger.</summary>
    public required ulong ChainId { get; init; }

    /// <summary>The Ledger contract.</summary>
    public required Address Ledger { get; init; }

    /// <summary>The frame, header to signature.</summary>
    public required ReadOnlyMemory<byte> Frame { get; init; }

    /// <summary>The device's P-256 public key X ‖ Y, 64 bytes.</summary>
    public required ReadOnlyMemory<byte> PublicKey { get; init; }

    /// <summary>From the frame's leaf to the batch's root.</summary>
    public required ImmutableArray<Hash32> BatchPath { get; init; }

    /// <summary>The batch.</summary>
    public required BatchHeader Batch { get; init; }

    /// <summary>From the batch's hash to the anchor's root.</summary>
    public required ImmutableArray<Hash32> AnchorPath { get; init; }

    /// <summary>The anchor.</summary>
    public required AnchorHeader Anchor { get; init; }

    /// <summary>The anchor's place in the ledger, from 0.</summary>
    public required ulong Ordinal { get; init; }

    /// <summary>Number of anchors in the ledger when the proof was made.</summary>
    public required ulong LedgerSize { get; init; }

    /// <summary>From the anchor's hash to the peak of height LedgerPath.Length.</summary>
    public required ImmutableArray<Hash32> LedgerPath { get; init; }

    /// <summary>The peak that <see cref="LedgerPath"/> leads to: what the ledger must hold at that height.</summary>
    public Hash32 Peak() => MerkleTree.Fold(Anchor.Hash(), LedgerPath.AsSpan());

    /// <summary>The JSON text, indented for people.</summary>
    public byte[] ToJson()
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            Write(writer);
        }
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Writes the JSON object.</summary>
    public void Write(Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartObject();
        writer.WriteString("type", Type);
        StrictObject.WriteUInt64(writer, "chainId", ChainId);
        writer.WriteString("ledger", Ledger.ToString());
        writer.WriteString("frame", HexText.Encode(Frame.Span));
        writer.WriteString("publicKey", HexText.Encode(PublicKey.Span));
        WritePath(writer, "batchPath", BatchPath);
        HeaderJson.Write(writer, "batch", Batch);
        WritePath(writer, "anchorPath", AnchorPath);
        HeaderJson.Write(writer, "anchor", Anchor);
        StrictObject.WriteUInt64(writer, "ordinal", Ordinal);
        StrictObject.WriteUInt64(writer, "ledgerSize", LedgerSize);
        WritePath(writer, "ledgerPath", LedgerPath);
        writer.WriteEndObject();
    }

    /// <summary>Reads a proof exactly. Never throws for the text's contents; whether it proves anything, <see cref="ProofVerifier"/> says.</summary>
    /// <param name="utf8">JSON, at most <see cref="EvidenceLimits.ProofJsonBytesMax"/> bytes.</param>
    /// <param name="proof">Null when refused.</param>
    /// <returns>Null, or the first fault.</returns>
    public static JsonFault? TryRead(ReadOnlyMemory<byte> utf8, out Proof? proof)
    {
        proof = null;
        StrictJson json = new(Remedy);
        using JsonDocument? document = json.Parse(utf8, EvidenceLimits.ProofJsonBytesMax);
        if (document is null) return json.Fault;
        StrictObject o = json.Object(
            document.RootElement, "", "type", "chainId", "ledger", "frame", "publicKey", "batchPath", "batch",
            "anchorPath", "anchor", "ordinal", "ledgerSize", "ledgerPath");
        o.Literal("type", Type);
        Proof read = new()
        {
            ChainId = o.UInt64("chainId"),
            Ledger = o.Address("ledger"),
            Frame = o.Bytes("frame", FrameFormat.FrameBytesMin, FrameFormat.FrameBytesMax),
            PublicKey = o.Bytes("publicKey", DeviceId.PublicKeyBytes, DeviceId.PublicKeyBytes),
            BatchPath = [.. o.Hashes("batchPath", EvidenceLimits.BatchPathMax)],
            Batch = HeaderJson.ReadBatch(o, "batch"),
            AnchorPath = [.. o.Hashes("anchorPath", EvidenceLimits.AnchorPathMax)],
            Anchor = HeaderJson.ReadAnchor(o, "anchor"),
            Ordinal = o.UInt64("ordinal", long.MaxValue),
            LedgerSize = o.UInt64("ledgerSize", long.MaxValue),
            LedgerPath = [.. o.Hashes("ledgerPath", EvidenceLimits.LedgerPathMax)],
        };
        if (json.Fault is null) proof = read;
        return json.Fault;
    }

    private static void WritePath(Utf8JsonWriter writer, string name, ImmutableArray<Hash32> path)
    {
        writer.WriteStartArray(name);
        foreach (Hash32 node in path) writer.WriteStringValue(node.ToString());
        writer.WriteEndArray();
    }
}
