using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using DePIN.Devnet;

namespace DePIN.Evidence.Tests;

/// <summary>Our code against shared/vectors: evidence.json was computed by other people's code, frame.json by the protocol's tests.</summary>
[TestFixture]
public sealed class VectorTests
{
    private readonly JsonElement _vectors = Read("evidence.json");

    [Test]
    public void Keccak_is_that_of_the_vectors()
    {
        foreach (JsonElement vector in _vectors.GetProperty("keccak").EnumerateArray())
            Assert.That(EthereumCrypto.Keccak256(Bytes(vector, "data")), Is.EqualTo(Hash(vector, "hash")));
    }

    [Test]
    public void Frame_leaves_are_those_of_the_vectors()
    {
        foreach (JsonElement frame in Read("frame.json").GetProperty("valid").EnumerateArray())
        {
            Hash32 leaf = FrameLeaf.Hash(Convert.FromHexString(frame.GetProperty("frame").GetString()!));
            Assert.That(leaf.ToString()[2..], Is.EqualTo(frame.GetProperty("leaf").GetString()));
        }
    }

    [Test]
    public void Trees_are_those_of_the_vectors()
    {
        foreach (JsonElement vector in _vectors.GetProperty("trees").EnumerateArray())
        {
            MerkleTree tree = new(Hashes(vector.GetProperty("leaves")));
            Assert.That(tree.Root, Is.EqualTo(Hash(vector, "root")));
            for (int i = 0; i < tree.Count; i++) Assert.That(tree.Proof(i), Is.EqualTo(Hashes(vector.GetProperty("proofs")[i])));
        }
    }

    [Test]
    public void The_range_is_that_of_the_vectors()
    {
        JsonElement vector = _vectors.GetProperty("range");
        MountainRange range = new();
        foreach (Hash32 anchor in Hashes(vector.GetProperty("anchors"))) range.Append(anchor);
        foreach (JsonProperty peak in vector.GetProperty("peaks").EnumerateObject())
        {
            int height = int.Parse(peak.Name, CultureInfo.InvariantCulture);
            Assert.That(range.Peak(height, range.Count).ToString(), Is.EqualTo(peak.Value.GetString()));
        }
        for (int i = 0; i < range.Count; i++) Assert.That(range.Proof(i), Is.EqualTo(Hashes(vector.GetProperty("paths")[i])), $"ordinal {i}");
    }

    [Test]
    public void Headers_and_the_domain_hash_as_in_the_vectors()
    {
        JsonElement domain = _vectors.GetProperty("domain");
        Eip712Domain ours = new(domain.GetProperty("chainId").GetUInt64(), Address.Parse(domain.GetProperty("verifyingContract").GetString()!));
        Assert.That(ours.Separator, Is.EqualTo(Hash(domain, "separator")));
        foreach (JsonElement vector in _vectors.GetProperty("batches").EnumerateArray())
        {
            BatchHeader batch = Batch(vector);
            Assert.That((batch.Hash(), batch.Digest(ours)), Is.EqualTo((Hash(vector, "hash"), Hash(vector, "digest"))));
        }
        JsonElement anchor = _vectors.GetProperty("anchor");
        AnchorHeader header = new(anchor.GetProperty("epoch").GetUInt64(), Hash(anchor, "previous"), Hash(anchor, "root"),
            anchor.GetProperty("batches").GetUInt32(), anchor.GetProperty("frames").GetUInt64());
        Assert.That((header.Hash(), header.Digest(ours)), Is.EqualTo((Hash(anchor, "hash"), Hash(anchor, "digest"))));
    }

    [Test]
    public void The_batch_of_the_vector_frames_and_its_anchor_are_those_of_the_vectors()
    {
        BatchBody body = BatchBody.Encode(Read("frame.json").GetProperty("valid").EnumerateArray()
            .Select(frame => (ReadOnlyMemory<byte>)Convert.FromHexString(frame.GetProperty("frame").GetString()!)));
        BatchHeader[] batches = [.. _vectors.GetProperty("batches").EnumerateArray().Select(Batch)];
        BatchHeader first = batches[0];
        Assert.That(body.ToHeader(first.Gateway, 1, Hash32.Zero, first.FirstReceivedMs, first.LastReceivedMs), Is.EqualTo(first));
        JsonElement anchor = _vectors.GetProperty("anchor");
        (AnchorHeader built, _) = AnchorHeader.Build(anchor.GetProperty("epoch").GetUInt64(), Hash(anchor, "previous"), batches);
        Assert.That(built.Hash(), Is.EqualTo(Hash(anchor, "hash")));
    }

    [Test]
    public void The_certificate_is_that_of_the_vectors_and_certifies()
    {
        JsonElement vector = _vectors.GetProperty("certificate");
        BatchHeader batch = Batch(_vectors.GetProperty("batches")[0]);
        List<Attestation> attestations = [];
        foreach (JsonElement attestation in vector.GetProperty("attestations").EnumerateArray())
        {
            using GatewaySigner signer = new(Bytes(attestation, "privateKey"));
            attestations.Add(Attestation.Sign(signer, batch.Digest(SampleEvidence.Domain)));
            Assert.That(attestations[^1].Signature.ToString(), Is.EqualTo(attestation.GetProperty("signature").GetString()));
        }
        Certificate ours = new(batch, attestations);
        Assert.That(ours.ToArray(), Is.EqualTo(Bytes(vector, "bytes")));
        Assert.That(Certificate.TryRead(Bytes(vector, "bytes"), out Certificate? read), Is.EqualTo(CertificateFault.None));
        Assert.That(read!.Check(SampleEvidence.Domain, new GatewaySet(attestations.Select(a => a.Gateway))), Is.EqualTo(CertificateFault.None));
    }

    [Test]
    public void Transactions_are_those_of_the_vectors()
    {
        foreach (JsonElement vector in _vectors.GetProperty("transactions").EnumerateArray())
        {
            using GatewaySigner signer = new(Bytes(vector, "privateKey"));
            Transaction transaction = new(
                vector.GetProperty("chainId").GetUInt64(), vector.GetProperty("nonce").GetUInt64(), Integer(vector, "maxPriorityFeePerGas"),
                Integer(vector, "maxFeePerGas"), (ulong)Integer(vector, "gas"),
                vector.GetProperty("to").GetString() is { } to ? Address.Parse(to) : null, Integer(vector, "value"), Bytes(vector, "data"));
            SignedTransaction signed = transaction.Sign(signer);
            Assert.That(HexText.Encode(signed.Raw), Is.EqualTo(vector.GetProperty("raw").GetString()));
            Assert.That(signed.Hash, Is.EqualTo(Hash(vector, "hash")));
        }
    }

    [Test]
    public void The_proof_of_the_vectors_reads_and_passes()
    {
        byte[] text = Encoding.UTF8.GetBytes(_vectors.GetProperty("proof").GetRawText());
        Assert.That(Proof.TryRead(text, out Proof? proof), Is.Null);
        ProofReport report = ProofVerifier.Check(proof!);
        Assert.That(report.Passed, Is.True, string.Join('\n', report.Steps));
        Assert.That(report.Peak.ToString(), Is.EqualTo(_vectors.GetProperty("range").GetProperty("peaks").GetProperty("3").GetString()));
    }

    private static BatchHeader Batch(JsonElement vector) => new(
        Address.Parse(vector.GetProperty("gateway").GetString()!), (ulong)Integer(vector, "number"), Hash(vector, "previous"), Hash(vector, "root"),
        vector.GetProperty("frames").GetUInt32(), vector.GetProperty("samples").GetUInt32(), vector.GetProperty("firstReceivedMs").GetUInt64(),
        vector.GetProperty("lastReceivedMs").GetUInt64(), Hash(vector, "body"));

    private static BigInteger Integer(JsonElement element, string name)
    {
        JsonElement value = element.GetProperty(name);
        return BigInteger.Parse(value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText(), CultureInfo.InvariantCulture);
    }

    private static byte[] Bytes(JsonElement element, string name) => Convert.FromHexString(element.GetProperty(name).GetString().AsSpan(2));

    private static Hash32 Hash(JsonElement element, string name) => Hash32.Parse(element.GetProperty(name).GetString()!);

    private static Hash32[] Hashes(JsonElement array) => [.. array.EnumerateArray().Select(item => Hash32.Parse(item.GetString()!))];

    private static JsonElement Read(string file)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.VectorsFolder, file)));
        return document.RootElement.Clone();
    }
}
