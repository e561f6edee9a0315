using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text.Json;

namespace DePIN.Evidence;

/// <summary>Why bytes are not a certificate, or a certificate does not certify.</summary>
public enum CertificateFault
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Does not begin with "DQ".</summary>
    BadMagic,

    /// <summary>Another version than 1.</summary>
    UnknownVersion,

    /// <summary>Ends early, or bytes trail.</summary>
    LengthMismatch,

    /// <summary>More attestations than a set has gateways.</summary>
    TooManyAttestations,

    /// <summary>Attestations are not strictly ascending by gateway.</summary>
    NotAscending,

    /// <summary>The header contradicts itself.</summary>
    BadHeader,

    /// <summary>The batch's own gateway is not in the active set.</summary>
    AuthorNotActive,

    /// <summary>The batch's own gateway has not attested it: anyone could have made up such a header.</summary>
    AuthorMissing,

    /// <summary>An attestation is by a gateway outside the active set.</summary>
    NotActive,

    /// <summary>Fewer than floor(2n/3) + 1 attestations.</summary>
    TooFewAttestations,

    /// <summary>A signature is not its gateway's.</summary>
    BadSignature,
}

/// <summary>
/// A batch header with the attestations of a quorum: proof that so many gateways checked every frame of the batch and keep its body.
/// Canonical bytes: 0 "DQ" | 2 version = 1 | 3 header 148 | 151 count u16 big-endian | 153 attestations, 84 each, strictly ascending
/// by gateway. One certificate has one encoding.
/// </summary>
public sealed class Certificate
{
    /// <summary>Value of the JSON member <c>type</c>.</summary>
    public const string Type = "depin-certificate/1";

    private const int CountOffset = 3 + BatchHeader.Bytes;
    private const int AttestationsOffset = CountOffset + 2;
    private const string Remedy = "fetch the certificate again from another gateway";

    /// <summary>Longest encoding: 256 attestations.</summary>
    public const int BytesMax = AttestationsOffset + EvidenceLimits.GatewaysMax * Attestation.Bytes;

    /// <param name="batch">The header.</param>
    /// <param name="attestations">At most 256, of different gateways, in any order.</param>
    /// <exception cref="ArgumentException">Too many, or a gateway twice.</exception>
    public Certificate(BatchHeader batch, IEnumerable<Attestation> attestations)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Batch = batch;
        Attestations = [.. attestations.OrderBy(static attestation => attestation.Gateway)];
        if (Attestations.Length > EvidenceLimits.GatewaysMax || !IsAscending(Attestations.AsSpan()))
            throw new ArgumentException($"A certificate has at most {EvidenceLimits.GatewaysMax} attestations, one per gateway.", nameof(attestations));
    }

    private Certificate(BatchHeader batch, ImmutableArray<Attestation> ascending)
    {
        Batch = batch;
        Attestations = ascending;
    }

    /// <summary>The header.</summary>
    public BatchHeader Batch { get; }

    /// <summary>Strictly ascending by gateway.</summary>
    public ImmutableArray<Attestation> Attestations { get; }

    /// <summary>The batch hash: the leaf in an anchor's tree, the same whichever quorum signed.</summary>
    public Hash32 Hash() => Batch.Hash();

    /// <summary>Whether it certifies: a sound header, attested by its own gateway and by a quorum of this set.</summary>
    /// <param name="domain">Of the Ledger.</param>
    /// <param name="active">The active set at the time.</param>
    public CertificateFault Check(Eip712Domain domain, GatewaySet active)
    {
        ArgumentNullException.ThrowIfNull(domain);
        ArgumentNullException.ThrowIfNull(active);
        if (Batch.Check() != BatchHeaderFault.None) return CertificateFault.BadHeader;
        if (!active.Contains(Batch.Gateway)) return CertificateFault.AuthorNotActive;
        if (!Attestations.Any(attestation => attestation.Gateway == Batch.Gateway)) return CertificateFault.AuthorMissing;
        return active.Check(Batch.Digest(domain), Attestations) switch
        {
            QuorumFault.None => CertificateFault.None,
            QuorumFault.TooFewAttestations => CertificateFault.TooFewAttestations,
            QuorumFault.TooManyAttestations => CertificateFault.TooManyAttestations,
            QuorumFault.NotAscending => CertificateFault.NotAscending,
            QuorumFault.NotActive => CertificateFault.NotActive,
            _ => CertificateFault.BadSignature,
        };
    }

    /// <summary>The canonical bytes.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[AttestationsOffset + Attestations.Length * Attestation.Bytes];
        bytes[0] = (byte)'D';
        bytes[1] = (byte)'Q';
        bytes[2] = 1;
        Batch.Write(bytes.AsSpan(3));
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(CountOffset), (ushort)Attestations.Length);
        for (int i = 0; i < Attestations.Length; i++) Attestations[i].Write(bytes.AsSpan(AttestationsOffset + i * Attestation.Bytes));
        return bytes;
    }

    /// <summary>Reads canonical bytes; never throws for their contents. Signatures are not checked here.</summary>
    public static CertificateFault TryRead(ReadOnlySpan<byte> source, out Certificate? certificate)
    {
        certificate = null;
        if (source.Length is < AttestationsOffset or > BytesMax) return CertificateFault.LengthMismatch;
        if (source[0] != 'D' || source[1] != 'Q') return CertificateFault.BadMagic;
        if (source[2] != 1) return CertificateFault.UnknownVersion;
        int count = BinaryPrimitives.ReadUInt16BigEndian(source[CountOffset..]);
        if (count > EvidenceLimits.GatewaysMax) return CertificateFault.TooManyAttestations;
        if (source.Length != AttestationsOffset + count * Attestation.Bytes) return CertificateFault.LengthMismatch;
        ImmutableArray<Attestation>.Builder attestations = ImmutableArray.CreateBuilder<Attestation>(count);
        for (int i = 0; i < count; i++)
            attestations.Add(Attestation.Read(source.Slice(AttestationsOffset + i * Attestation.Bytes, Attestation.Bytes)));
        ImmutableArray<Attestation> read = attestations.MoveToImmutable();
        if (!IsAscending(read.AsSpan())) return CertificateFault.NotAscending;
        certificate = new Certificate(BatchHeader.Read(source.Slice(3, BatchHeader.Bytes)), read);
        return CertificateFault.None;
    }

    /// <summary>The JSON text: {"type","batch":{…},"attestations":[{"gateway","signature"}]}.</summary>
    public byte[] ToJson()
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            writer.WriteStartObject();
            writer.WriteString("type", Type);
            HeaderJson.Write(writer, "batch", Batch);
            writer.WriteStartArray("attestations");
            foreach (Attestation attestation in Attestations)
            {
                writer.WriteStartObject();
                writer.WriteString("gateway", attestation.Gateway.ToString());
                writer.WriteString("signature", attestation.Signature.ToString());
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
            writer.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads the JSON text exactly; never throws for its contents. Signatures are not checked here.</summary>
    /// <returns>Null, or the first fault.</returns>
    public static JsonFault? TryReadJson(ReadOnlyMemory<byte> utf8, out Certificate? certificate)
    {
        certificate = null;
        StrictJson json = new(Remedy);
        using JsonDocument? document = json.Parse(utf8, EvidenceLimits.CertificateJsonBytesMax);
        if (document is null) return json.Fault;
        StrictObject o = json.Object(document.RootElement, "", "type", "batch", "attestations");
        o.Literal("type", Type);
        BatchHeader batch = HeaderJson.ReadBatch(o, "batch");
        List<Attestation> attestations = [];
        if (o.TryArray("attestations", EvidenceLimits.GatewaysMax, out JsonElement array))
        {
            foreach (JsonElement item in array.EnumerateArray())
            {
                StrictObject member = json.Object(item, $"attestations[{attestations.Count}]", "gateway", "signature");
                Address gateway = member.Address("gateway");
                byte[] signature = member.Bytes("signature", EthereumSignature.CompactBytes, EthereumSignature.CompactBytes);
                if (json.Fault is not null) return json.Fault;
                attestations.Add(new Attestation(gateway, EthereumSignature.FromCompact(signature)));
            }
        }
        if (json.Fault is null && !IsAscending(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(attestations)))
            json.Fail("attestations", "not strictly ascending by gateway");
        if (json.Fault is null) certificate = new Certificate(batch, [.. attestations]);
        return json.Fault;
    }

    private static bool IsAscending(ReadOnlySpan<Attestation> attestations)
    {
        for (int i = 1; i < attestations.Length; i++)
        {
            if (attestations[i - 1].Gateway >= attestations[i].Gateway) return false;
        }
        return true;
    }
}
