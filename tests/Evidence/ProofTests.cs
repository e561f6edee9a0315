using System.Text;
using System.Text.Json.Nodes;

namespace DePIN.Evidence.Tests;

/// <summary>Proofs: what holds, which step says why another does not, and text that only ever gives a result.</summary>
[TestFixture]
public sealed class ProofTests
{
    private const int Mutations = 100_000;

    private readonly Proof _proof = SampleEvidence.Proof();

    [Test]
    public void A_good_proof_passes_every_step_without_a_server()
    {
        ProofReport report = ProofVerifier.Check(_proof);
        Assert.That(report.Passed, Is.True, string.Join('\n', report.Steps));
        Assert.That(report.Steps.Select(step => step.Name), Is.EqualTo((string[])
        [
            ProofVerifier.FrameStep, ProofVerifier.DeviceStep, ProofVerifier.SignatureStep, ProofVerifier.BatchStep,
            ProofVerifier.BatchPathStep, ProofVerifier.AnchorStep, ProofVerifier.AnchorPathStep, ProofVerifier.LedgerPathStep,
        ]));
        Assert.That(report.PeakHeight, Is.EqualTo(3), "anchor 5 of 11 stands in the mountain of eight");
        Assert.That(report.Peak, Is.EqualTo(_proof.Peak()));
    }

    [Test]
    public void The_step_that_fails_says_what_is_wrong()
    {
        byte[] bentPayload = _proof.Frame.ToArray();
        bentPayload[90] ^= 1;
        byte[] otherDevice = _proof.Frame.ToArray();
        otherDevice[10] ^= 1;
        byte[] noFrame = _proof.Frame.ToArray();
        noFrame[0] = 0;
        Assert.Multiple(() =>
        {
            Assert.That(Failed(_proof with { Frame = bentPayload }), Is.EqualTo((string[])["signature", "batch path"]));
            Assert.That(Failed(_proof with { Frame = otherDevice }), Is.EqualTo((string[])["device", "signature", "batch path"]));
            Assert.That(Failed(_proof with { Frame = noFrame }), Is.EqualTo((string[])["frame", "device", "signature", "batch path"]));
            Assert.That(Failed(_proof with { Frame = default }), Is.EqualTo((string[])["frame", "device", "signature", "batch path"]));
            Assert.That(Failed(_proof with { PublicKey = new byte[64] }), Is.EqualTo((string[])["device", "signature"]));
            Assert.That(Failed(_proof with { PublicKey = default }), Is.EqualTo((string[])["device", "signature"]));
            Assert.That(Failed(_proof with { Batch = _proof.Batch with { Samples = 8 } }), Is.EqualTo((string[])["anchor path"]));
            Assert.That(Failed(_proof with { Batch = _proof.Batch with { Number = 0 } }), Is.EqualTo((string[])["batch", "anchor path"]));
            Assert.That(Failed(_proof with { Batch = _proof.Batch with { Frames = 100 } }), Is.EqualTo((string[])["batch path", "anchor path"]));
            Assert.That(Failed(_proof with { BatchPath = [] }), Is.EqualTo((string[])["batch path"]));
            Assert.That(Failed(_proof with { AnchorPath = [] }), Is.EqualTo((string[])["anchor path"]));
            Assert.That(Failed(_proof with { Anchor = _proof.Anchor with { Batches = 0 } }), Is.EqualTo((string[])["anchor", "anchor path"]));
            Assert.That(Failed(_proof with { LedgerPath = [] }), Is.EqualTo((string[])["ledger path"]));
            Assert.That(Failed(_proof with { Ordinal = 11 }), Is.EqualTo((string[])["ledger path"]));
            Assert.That(Failed(_proof with { Ordinal = ulong.MaxValue, LedgerSize = ulong.MaxValue }), Is.EqualTo((string[])["ledger path"]));
        });
        Assert.That(ProofVerifier.Check(_proof with { Anchor = _proof.Anchor with { Epoch = 1 } }).Peak, Is.Not.EqualTo(_proof.Peak()),
            "another anchor leads to a peak that the ledger has not");
    }

    [Test]
    public void A_proof_reads_what_it_writes()
    {
        byte[] text = _proof.ToJson();
        Assert.That(Proof.TryRead(text, out Proof? read), Is.Null);
        Assert.That(read!.ToJson(), Is.EqualTo(text));
        Assert.That(ProofVerifier.Check(read).Passed, Is.True);
    }

    [Test]
    public void Integers_beyond_two_to_53_are_written_as_text_and_read_back()
    {
        Proof big = _proof with { Batch = _proof.Batch with { Number = ulong.MaxValue }, Anchor = _proof.Anchor with { Epoch = 1UL << 53 } };
        string text = Encoding.UTF8.GetString(big.ToJson());
        Assert.That(text, Does.Contain("\"number\": \"18446744073709551615\"").And.Contain("\"epoch\": \"9007199254740992\""));
        Assert.That(Proof.TryRead(Encoding.UTF8.GetBytes(text), out Proof? read), Is.Null);
        Assert.That(read!.Batch, Is.EqualTo(big.Batch));
    }

    [Test]
    public void An_EIP_55_address_is_accepted_and_a_mistyped_one_is_not()
    {
        string text = Encoding.UTF8.GetString(_proof.ToJson());
        string lower = SampleEvidence.Ledger.ToString();
        string checksummed = SampleEvidence.Ledger.ToChecksumString();
        Assert.That(Read(text.Replace(lower, checksummed, StringComparison.Ordinal)), Is.Null);
        string mistyped = checksummed.Replace("FbDB", "fbDB", StringComparison.Ordinal);
        Assert.That(Read(text.Replace(lower, mistyped, StringComparison.Ordinal))!.Field, Is.EqualTo("ledger"));
    }

    [Test]
    public void Every_missing_field_is_named()
    {
        JsonObject whole = JsonNode.Parse(_proof.ToJson())!.AsObject();
        foreach (string name in whole.Select(member => member.Key).ToArray())
        {
            JsonObject without = whole.DeepClone().AsObject();
            without.Remove(name);
            Assert.That(Read(without.ToJsonString())!.Field, Is.EqualTo(name));
            if (whole[name] is not JsonObject inner) continue;
            foreach (string member in inner.Select(m => m.Key).ToArray())
            {
                without = whole.DeepClone().AsObject();
                without[name]!.AsObject().Remove(member);
                Assert.That(Read(without.ToJsonString())!.Field, Is.EqualTo($"{name}.{member}"));
            }
        }
    }

    [TestCase("type", "\"depin-proof/2\"")]
    [TestCase("chainId", "-1")]
    [TestCase("chainId", "1.0")]
    [TestCase("chainId", "1e3")]
    [TestCase("chainId", "18446744073709551616")]
    [TestCase("chainId", "\"0x1\"")]
    [TestCase("chainId", "\"01\"")]
    [TestCase("chainId", "null")]
    [TestCase("ledger", "\"0x00\"")]
    [TestCase("frame", "\"0x00\"")]
    [TestCase("frame", "\"00\"")]
    [TestCase("frame", "17")]
    [TestCase("publicKey", "\"0x0011\"")]
    [TestCase("publicKey", "\"\\ud800\"")]
    [TestCase("batchPath", "{}")]
    [TestCase("batchPath", "[null]", "batchPath[0]")]
    [TestCase("batch", "[]")]
    [TestCase("anchor", "\"x\"")]
    [TestCase("ordinal", "9223372036854775808")]
    [TestCase("ledgerSize", "true")]
    public void A_misshapen_field_is_named(string field, string value, string? named = null)
    {
        JsonObject whole = JsonNode.Parse(_proof.ToJson())!.AsObject();
        whole[field] = "PLACE";
        JsonFault? fault = Read(whole.ToJsonString().Replace("\"PLACE\"", value, StringComparison.Ordinal));
        Assert.That(fault?.Field, Is.EqualTo(named ?? field));
        Assert.That(fault!.Message, Does.EndWith("export the proof again, or ask its author for an unmodified copy."));
    }

    [Test]
    public void A_field_given_twice_or_unknown_is_refused()
    {
        string text = Encoding.UTF8.GetString(_proof.ToJson());
        Assert.That(Read(text.Insert(1, "\"chainId\":1,"))!, Has.Property("Field").EqualTo("chainId").And.Property("Message").Contain("given twice"));
        Assert.That(Read(text.Insert(1, "\"chain\\u0049d\":1,"))!.Field, Is.EqualTo("chainId"), "an escaped name is the same name");
        Assert.That(Read(text.Insert(1, "\"extra\":1,"))!, Has.Property("Field").EqualTo("extra").And.Property("Message").Contain("unknown field"));
        Assert.That(Read(text.Insert(1, "\"\\ud800\":1,")), Is.Not.Null);
        Assert.That(Read(text + "{}")!.Message, Does.Contain("not JSON"));
        Assert.That(Read(new string('[', 5_000)), Is.Not.Null);
        Assert.That(Read(new string(' ', EvidenceLimits.ProofJsonBytesMax + 1))!.Message, Does.Contain("at most 65536"));
        Assert.That(Read(""), Is.Not.Null);
        Assert.That(Proof.TryRead(new byte[] { 0xff, 0xfe }, out _)!.Message, Does.Contain("UTF-8"));
        JsonObject whole = JsonNode.Parse(text)!.AsObject();
        whole["batchPath"] = new JsonArray([.. Enumerable.Repeat(0, 17).Select(_ => (JsonNode)Hash32.Zero.ToString())]);
        Assert.That(Read(whole.ToJsonString())!.Field, Is.EqualTo("batchPath"));
    }

    [Test]
    public void Mutated_text_gives_a_result_and_never_another_proof_that_passes()
    {
        byte[] good = _proof.ToJson();
        Random random = new(20_261_122);
        int read = 0;
        for (int i = 0; i < Mutations; i++)
        {
            byte[] text = Mutation.Of(good, random);
            JsonFault? fault = Proof.TryRead(text, out Proof? proof);
            Assert.That(fault is null, Is.EqualTo(proof is not null));
            if (proof is null)
            {
                if (fault!.Message.Length > 1_000) Assert.Fail($"a message of {fault.Message.Length} characters");
                continue;
            }
            read++;
            if (!ProofVerifier.Check(proof).Passed) continue;
            // What still passes must be the same evidence up to what only the chain can judge.
            if (!proof.Frame.Span.SequenceEqual(_proof.Frame.Span) || proof.Batch != _proof.Batch)
                Assert.Fail($"mutation {i} passes: {Encoding.UTF8.GetString(text)}");
        }
        Assert.That(read, Is.GreaterThan(1_000), "enough mutations are still proofs");
    }

    private static string[] Failed(Proof proof) =>
        [.. ProofVerifier.Check(proof).Steps.Where(step => step.Outcome != ProofOutcome.Passed).Select(step => step.Name)];

    private static JsonFault? Read(string text) => Proof.TryRead(Encoding.UTF8.GetBytes(text), out _);
}
