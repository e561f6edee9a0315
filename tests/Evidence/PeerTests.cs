using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Tests.Harness;

namespace DePIN.Evidence.Tests;

/// <summary>Other people's implementations recompute what ours computed: @openzeppelin/merkle-tree and viem, through Node.js.</summary>
[TestFixture]
public sealed class PeerTests
{
    [OneTimeSetUp]
    public void NeedNode()
    {
        if (NodeScript.Missing is not { } reason) return;
        if (Environment.GetEnvironmentVariable("CI") == "true") Assert.Fail(reason);
        Assert.Ignore(reason);
    }

    [Test]
    public async Task OpenZeppelin_builds_the_same_roots_and_proofs_for_every_size()
    {
        Random random = new(42);
        int[] sizes = [.. Enumerable.Range(1, 40), .. Enumerable.Range(0, 6).Select(_ => random.Next(41, 700)), 1024];
        Hash32[][] leaves = [.. sizes.Select(size => SampleEvidence.Leaves(size, size))];
        JsonElement answer = await AskAsync(new JsonObject { ["trees"] = Array(leaves.Select(tree => (JsonNode)Array(tree.Select(Text)))) });
        JsonElement trees = answer.GetProperty("trees");
        for (int i = 0; i < sizes.Length; i++)
        {
            MerkleTree tree = new(leaves[i]);
            Assert.That(tree.Root.ToString(), Is.EqualTo(trees[i].GetProperty("root").GetString()), $"size {sizes[i]}");
            for (int leaf = 0; leaf < sizes[i]; leaf++)
            {
                string?[] expected = [.. trees[i].GetProperty("proofs")[leaf].EnumerateArray().Select(node => node.GetString())];
                Assert.That(tree.Proof(leaf).Select(node => node.ToString()), Is.EqualTo(expected), $"leaf {leaf} of {sizes[i]}");
            }
        }
    }

    [Test]
    public async Task Viem_hashes_batches_and_anchors_as_we_do()
    {
        BatchHeader[] batches = [.. Enumerable.Range(1, 12).Select(SampleEvidence.Batch)];
        AnchorHeader[] anchors = [.. Enumerable.Range(1, 12).Select(SampleEvidence.Anchor)];
        JsonElement answer = await AskAsync(new JsonObject
        {
            ["batches"] = Array(batches.Select(batch => Typed(Message(batch)))),
            ["anchors"] = Array(anchors.Select(anchor => Typed(Message(anchor)))),
        });
        for (int i = 0; i < batches.Length; i++)
        {
            JsonElement batch = answer.GetProperty("batches")[i];
            Assert.That(batches[i].Hash().ToString(), Is.EqualTo(batch.GetProperty("hash").GetString()));
            Assert.That(batches[i].Digest(SampleEvidence.Domain).ToString(), Is.EqualTo(batch.GetProperty("digest").GetString()));
            JsonElement anchor = answer.GetProperty("anchors")[i];
            Assert.That(anchors[i].Hash().ToString(), Is.EqualTo(anchor.GetProperty("hash").GetString()));
            Assert.That(anchors[i].Digest(SampleEvidence.Domain).ToString(), Is.EqualTo(anchor.GetProperty("digest").GetString()));
        }
    }

    [Test]
    public async Task Viem_recovers_our_signatures_and_makes_the_same_ones()
    {
        Hash32[] digests = SampleEvidence.Leaves(40, 7);
        JsonArray signatures = [];
        for (int i = 0; i < digests.Length; i++)
        {
            using GatewaySigner signer = SampleEvidence.Gateway(i);
            signatures.Add(new JsonObject
            {
                ["key"] = SampleEvidence.PrivateKey(i).ToString(),
                ["digest"] = digests[i].ToString(),
                ["compact"] = signer.Sign(digests[i]).ToString(),
            });
        }
        JsonElement answer = (await AskAsync(new JsonObject { ["signatures"] = signatures })).GetProperty("signatures");
        for (int i = 0; i < digests.Length; i++)
        {
            using GatewaySigner signer = SampleEvidence.Gateway(i);
            Assert.That(answer[i].GetProperty("address").GetString(), Is.EqualTo(signer.Address.ToChecksumString()));
            Assert.That(answer[i].GetProperty("recovered").GetString(), Is.EqualTo(signer.Address.ToChecksumString()));
            EthereumSignature ours = signer.Sign(digests[i]);
            string full = ours.R.ToString() + ours.S.ToString()[2..] + (27 + ours.YParity).ToString("x2", CultureInfo.InvariantCulture);
            Assert.That(answer[i].GetProperty("own").GetString(), Is.EqualTo(full), "RFC 6979 makes the same signature everywhere");
        }
    }

    [Test]
    public async Task Viem_reads_our_transactions_and_writes_the_same_bytes()
    {
        using GatewaySigner signer = SampleEvidence.Gateway(3);
        Random random = new(5);
        List<SignedTransaction> transactions = [];
        for (int i = 0; i < 30; i++)
        {
            byte[] data = new byte[i switch { 0 => 0, 1 => 1, < 20 => random.Next(300), _ => random.Next(70_000) }];
            random.NextBytes(data);
            Address? to = i % 5 == 4 ? null : SampleEvidence.Ledger;
            transactions.Add(new Transaction(
                (ulong)random.Next(1, 100_000), (ulong)random.Next(3) * (ulong)random.Next(), random.NextInt64(1, 1L << 40), (BigInteger)1 << random.Next(41, 90),
                (ulong)random.Next(21_000, 30_000_000), to, i % 3 == 0 ? 0 : BigInteger.Pow(10, random.Next(30)), data).Sign(signer));
        }
        JsonElement answer = (await AskAsync(new JsonObject
        {
            ["transactions"] = Array(transactions.Select(transaction => (JsonNode)new JsonObject { ["raw"] = HexText.Encode(transaction.Raw) })),
        })).GetProperty("transactions");
        for (int i = 0; i < transactions.Count; i++)
        {
            Transaction ours = transactions[i].Transaction;
            Assert.That(answer[i].GetProperty("hash").GetString(), Is.EqualTo(transactions[i].Hash.ToString()));
            Assert.That(answer[i].GetProperty("again").GetString(), Is.EqualTo(HexText.Encode(transactions[i].Raw)), $"transaction {i}");
            Assert.That(answer[i].GetProperty("from").GetString(), Is.EqualTo(signer.Address.ToChecksumString()));
            JsonElement fields = answer[i].GetProperty("fields");
            Assert.That(fields.GetProperty("maxFeePerGas").GetString(), Is.EqualTo(ours.MaxFeePerGas.ToString(CultureInfo.InvariantCulture)));
            Assert.That(fields.TryGetProperty("value", out JsonElement value) ? value.GetString() : "0", Is.EqualTo(ours.Value.ToString(CultureInfo.InvariantCulture)));
            Assert.That(fields.TryGetProperty("to", out JsonElement to) ? to.GetString() : null, Is.EqualTo(ours.To?.ToString()).IgnoreCase);
        }
    }

    [Test]
    public async Task Viem_encodes_the_same_arguments()
    {
        Hash32[] path = SampleEvidence.Leaves(3);
        byte[] id = SampleEvidence.Ledger.ToArray();
        byte[] data = [.. Enumerable.Range(0, 45).Select(i => (byte)i)];
        (string Types, string Values, byte[] Ours)[] cases =
        [
            ("""[{"type":"uint64"},{"type":"bytes20"},{"type":"address"},{"type":"bool"}]""",
                $"""["5","{HexText.Encode(id)}","{SampleEvidence.Ledger}",true]""",
                new AbiEncoder().UInt(5).Bytes20(id).Address(SampleEvidence.Ledger).Bool(true).ToArray()),
            ("""[{"type":"bytes"},{"type":"uint256"},{"type":"string"},{"type":"bytes32[]"}]""",
                $"""["{HexText.Encode(data)}","7","Überlauf",["{path[0]}","{path[1]}","{path[2]}"]]""",
                new AbiEncoder().Bytes(data).UInt(7).String("Überlauf").Bytes32Array(path).ToArray()),
            // The shape of Ledger.verify: a tuple with dynamic members around static tuples.
            ("""
             [{"type":"tuple","components":[{"name":"frame","type":"bytes"},{"name":"x","type":"bytes32"},{"name":"path","type":"bytes32[]"},
              {"name":"anchor","type":"tuple","components":[{"name":"epoch","type":"uint64"},{"name":"root","type":"bytes32"}]},{"name":"empty","type":"bytes32[]"}]}]
             """,
                $$"""[{"frame":"{{HexText.Encode(data)}}","x":"{{path[0]}}","path":["{{path[1]}}"],"anchor":{"epoch":"9","root":"{{path[2]}}"},"empty":[]}]""",
                new AbiEncoder().Tuple(t => t.Bytes(data).Bytes32(path[0]).Bytes32Array([path[1]]).Tuple(a => a.UInt(9).Bytes32(path[2])).Bytes32Array([])).ToArray()),
            // The constructor of GatewayRegistry: an array of dynamic tuples.
            ("""
             [{"type":"tuple[]","components":[{"name":"signer","type":"address"},{"name":"tls","type":"bytes32"},{"name":"endpoint","type":"string"}]},{"type":"uint8"}]
             """,
                $$"""[[{"signer":"{{SampleEvidence.Ledger}}","tls":"{{path[0]}}","endpoint":"https://a.example:8443"},{"signer":"{{SampleEvidence.Ledger}}","tls":"{{path[1]}}","endpoint":""}],255]""",
                new AbiEncoder().Array([("https://a.example:8443", path[0]), ("", path[1])],
                    static (e, g) => e.Tuple(t => t.Address(SampleEvidence.Ledger).Bytes32(g.Item2).String(g.Item1))).UInt(255).ToArray()),
        ];
        JsonElement answer = (await AskAsync(new JsonObject
        {
            ["abi"] = Array(cases.Select(c => (JsonNode)new JsonObject { ["types"] = JsonNode.Parse(c.Types), ["values"] = JsonNode.Parse(c.Values) })),
        })).GetProperty("abi");
        for (int i = 0; i < cases.Length; i++) Assert.That(HexText.Encode(cases[i].Ours), Is.EqualTo(answer[i].GetString()), cases[i].Types);
    }

    private static Task<JsonElement> AskAsync(JsonObject question) => NodeScript.RunAsync(
        NodeScript.PathOf("Evidence", "peers", "peer.mjs"), JsonSerializer.SerializeToUtf8Bytes(question));

    private static JsonNode Typed(JsonObject message) => new JsonObject
    {
        ["domain"] = new JsonObject
        {
            ["name"] = "DePIN Edge",
            ["version"] = "1",
            ["chainId"] = SampleEvidence.ChainId,
            ["verifyingContract"] = SampleEvidence.Ledger.ToString(),
        },
        ["message"] = message,
    };

    private static JsonObject Message(BatchHeader batch) => new()
    {
        ["gateway"] = batch.Gateway.ToString(),
        ["number"] = batch.Number.ToString(CultureInfo.InvariantCulture),
        ["previous"] = batch.Previous.ToString(),
        ["root"] = batch.Root.ToString(),
        ["frames"] = batch.Frames,
        ["samples"] = batch.Samples,
        ["firstReceivedMs"] = batch.FirstReceivedMs.ToString(CultureInfo.InvariantCulture),
        ["lastReceivedMs"] = batch.LastReceivedMs.ToString(CultureInfo.InvariantCulture),
        ["body"] = batch.Body.ToString(),
    };

    private static JsonObject Message(AnchorHeader anchor) => new()
    {
        ["epoch"] = anchor.Epoch.ToString(CultureInfo.InvariantCulture),
        ["previous"] = anchor.Previous.ToString(),
        ["root"] = anchor.Root.ToString(),
        ["batches"] = anchor.Batches,
        ["frames"] = anchor.Frames.ToString(CultureInfo.InvariantCulture),
    };

    private static JsonNode Text(Hash32 hash) => JsonValue.Create(hash.ToString());

    private static JsonArray Array(IEnumerable<JsonNode> items) => [.. items];
}
