using System.Globalization;
using System.Numerics;

namespace DePIN.Evidence.Tests;

/// <summary>The typed methods against scripted answers; that they fit a real node, the Contracts tests show on anvil.</summary>
[TestFixture]
public sealed class EthereumClientTests
{
    private static readonly Hash32 Topic = SampleEvidence.HashOf("topic");

    private readonly HttpClient _http = JsonRpc.CreateHttpClient();

    [OneTimeTearDown]
    public void Close() => _http.Dispose();

    [Test]
    public async Task A_block_is_read_and_another_than_asked_for_is_refused()
    {
        string block = $$"""{"number":"0x10","hash":"{{SampleEvidence.HashOf("b")}}","parentHash":"{{SampleEvidence.HashOf("a")}}","timestamp":"0x64","baseFeePerGas":"0x3b9aca00","extra":1}""";
        await using ScriptedNode node = new(request => ScriptedNode.Result(request, request.Parameters[0].GetString() == "0x12" ? "null" : block));
        EthereumClient client = Client(node);
        Assert.That(await client.GetBlockAsync(BlockTag.Finalized), Is.EqualTo(
            new Block(16, SampleEvidence.HashOf("b"), SampleEvidence.HashOf("a"), 100, 1_000_000_000)));
        Assert.That(await client.GetBlockAsync(BlockTag.At(16)), Is.Not.Null);
        Assert.That(await client.GetBlockAsync(BlockTag.At(18)), Is.Null);
        Assert.That(Assert.ThrowsAsync<RpcAnswerException>(() => client.GetBlockAsync(BlockTag.At(17)))!.Field, Is.EqualTo("result.number"));
        Assert.That(node.Requests.Select(request => request.Parameters[0].GetString()).Distinct(), Is.EqualTo((string[])["finalized", "0x10", "0x12", "0x11"]));
    }

    [Test]
    public async Task A_missing_member_is_named()
    {
        await using ScriptedNode node = new(request => ScriptedNode.Result(request, """{"number":"0x10"}"""));
        RpcAnswerException? e = Assert.ThrowsAsync<RpcAnswerException>(() => Client(node).GetBlockAsync(BlockTag.Latest));
        Assert.That(e!.Field, Is.EqualTo("result.hash"));
        Assert.That(e.Message, Does.Contain("result.hash is missing"));
    }

    [Test]
    public async Task Accounts_and_fees_are_read()
    {
        await using ScriptedNode node = new(request => ScriptedNode.Result(request, request.Method switch
        {
            "eth_getBalance" => "\"0xde0b6b3a7640000000000000000\"",
            "eth_getTransactionCount" => request.Parameters[1].GetString() == "pending" ? "\"0x8\"" : "\"0x7\"",
            "eth_getCode" => "\"0x6001\"",
            "eth_maxPriorityFeePerGas" => "\"0x0\"",
            "eth_estimateGas" => "\"0x5208\"",
            "eth_call" => "\"0x\"",
            _ => """{"oldestBlock":"0x5","baseFeePerGas":["0x1","0x2","0x3"],"gasUsedRatio":[0.1,0.2],"reward":[["0x4","0x5"],["0x6","0x7"]]}""",
        }));
        EthereumClient client = Client(node);
        Address account = SampleEvidence.Ledger;
        Assert.That(await client.GetBalanceAsync(account), Is.EqualTo(BigInteger.Parse("0de0b6b3a7640000000000000000", NumberStyles.HexNumber, CultureInfo.InvariantCulture)));
        Assert.That(await client.GetTransactionCountAsync(account), Is.EqualTo(7));
        Assert.That(await client.GetTransactionCountAsync(account, BlockTag.Pending), Is.EqualTo(8));
        Assert.That(await client.GetCodeAsync(account), Is.EqualTo(new byte[] { 0x60, 0x01 }));
        Assert.That(await client.GetMaxPriorityFeeAsync(), Is.EqualTo(BigInteger.Zero));
        Assert.That(await client.EstimateGasAsync(new CallRequest(account, new byte[] { 1 }, account, 5)), Is.EqualTo(21_000));
        Assert.That(await client.CallAsync(new CallRequest(account, new byte[] { 1 }), BlockTag.At(0)), Is.Empty);
        FeeHistory fees = await client.GetFeeHistoryAsync(2, BlockTag.Latest, [10, 50]);
        Assert.That(fees.OldestBlock, Is.EqualTo(5));
        Assert.That(fees.BaseFeePerGas, Is.EqualTo(new BigInteger[] { 1, 2, 3 }));
        Assert.That(fees.Rewards[1], Is.EqualTo(new BigInteger[] { 6, 7 }));
        ScriptedNode.Request estimate = node.Requests.Single(request => request.Method == "eth_estimateGas");
        Assert.That(estimate.Parameters[0].GetRawText(), Is.EqualTo($$"""{"from":"{{account}}","to":"{{account}}","value":"0x5","data":"0x01"}"""));
        Assert.That(node.Requests.Single(request => request.Method == "eth_call").Parameters[1].GetString(), Is.EqualTo("0x0"));
    }

    [TestCase("already known", SendOutcome.AlreadyKnown)]
    [TestCase("transaction already imported", SendOutcome.AlreadyKnown)]
    [TestCase("nonce too low: next nonce 5, tx nonce 4", SendOutcome.NonceTooLow)]
    [TestCase("replacement transaction underpriced", SendOutcome.ReplacementUnderpriced)]
    [TestCase("transaction underpriced: tip needed 1", SendOutcome.Underpriced)]
    [TestCase("max fee per gas less than block base fee: address 0x0", SendOutcome.Underpriced)]
    [TestCase("insufficient funds for gas * price + value", SendOutcome.InsufficientFunds)]
    [TestCase("Insufficient funds for gas * price + value", SendOutcome.InsufficientFunds)]
    [TestCase("nonce too high", SendOutcome.NonceTooHigh)]
    [TestCase("intrinsic gas too low", SendOutcome.Rejected)]
    public async Task A_refused_transaction_has_a_typed_reason(string message, SendOutcome outcome)
    {
        await using ScriptedNode node = new(request => ScriptedNode.Error(request, $$"""{"code":-32000,"message":"{{message}}"}"""));
        SignedTransaction signed = Signed();
        Assert.That(await Client(node).SendRawTransactionAsync(signed.Raw), Is.EqualTo(new SendResult(outcome, signed.Hash, message)));
    }

    [Test]
    public async Task A_sent_transaction_has_our_hash_or_the_node_lies()
    {
        SignedTransaction signed = Signed();
        await using ScriptedNode node = new(request => ScriptedNode.Result(request, $"\"{signed.Hash}\""));
        await using ScriptedNode liar = new(request => ScriptedNode.Result(request, $"\"{Topic}\""));
        Assert.That((await Client(node).SendRawTransactionAsync(signed.Raw)).Outcome, Is.EqualTo(SendOutcome.Accepted));
        Assert.That(node.Requests.Single().Parameters[0].GetString(), Is.EqualTo(HexText.Encode(signed.Raw)));
        Assert.That(Assert.ThrowsAsync<RpcAnswerException>(() => Client(liar).SendRawTransactionAsync(signed.Raw))!.Field, Is.EqualTo("result"));
    }

    [Test]
    public async Task A_send_whose_answer_was_lost_comes_back_as_known()
    {
        SignedTransaction signed = Signed();
        await using ScriptedNode node = new(request =>
            request.Number == 1 ? [] : ScriptedNode.Error(request, """{"code":-32000,"message":"already known"}"""));
        Assert.That((await Client(node).SendRawTransactionAsync(signed.Raw)).Outcome, Is.EqualTo(SendOutcome.AlreadyKnown));
    }

    [Test]
    public async Task Receipts_and_transactions_are_read_and_must_be_those_asked_for()
    {
        Hash32 hash = SampleEvidence.HashOf("tx");
        string receipt = $$"""
            {"transactionHash":"{{hash}}","blockNumber":"0x5","blockHash":"{{Topic}}","status":"0x1","gasUsed":"0x5208",
             "effectiveGasPrice":"0x7","contractAddress":null,"logs":[{{Log(5, 0)}}]}
            """;
        string transaction = $$"""
            {"hash":"{{hash}}","from":"{{SampleEvidence.Ledger}}","to":null,"nonce":"0x9","blockNumber":null,"blockHash":null,
             "maxFeePerGas":"0x2","maxPriorityFeePerGas":"0x1","input":"0x01"}
            """;
        await using ScriptedNode node = new(request => ScriptedNode.Result(request, request.Method == "eth_getTransactionReceipt" ? receipt : transaction));
        await using ScriptedNode empty = new(request => ScriptedNode.Result(request, "null"));
        TransactionReceipt? read = await Client(node).GetTransactionReceiptAsync(hash);
        Assert.That((read!.BlockNumber, read.Succeeded, read.GasUsed, read.ContractAddress, read.Logs.Count), Is.EqualTo((5UL, true, 21_000UL, (Address?)null, 1)));
        TransactionInfo? info = await Client(node).GetTransactionAsync(hash);
        Assert.That((info!.Nonce, info.To, info.BlockNumber, info.MaxFeePerGas), Is.EqualTo((9UL, (Address?)null, (ulong?)null, (BigInteger?)2)));
        Assert.That(Assert.ThrowsAsync<RpcAnswerException>(() => Client(node).GetTransactionReceiptAsync(Topic))!.Field, Is.EqualTo("result.transactionHash"));
        Assert.That(Assert.ThrowsAsync<RpcAnswerException>(() => Client(node).GetTransactionAsync(Topic))!.Field, Is.EqualTo("result.hash"));
        Assert.That(await Client(empty).GetTransactionReceiptAsync(hash), Is.Null);
        Assert.That(await Client(empty).GetTransactionAsync(hash), Is.Null);
    }

    [Test]
    public async Task Logs_come_in_ranges_and_a_range_too_large_is_halved()
    {
        // One log every 100 blocks; the node refuses more than 500 blocks at a time.
        await using ScriptedNode node = new(request =>
        {
            (ulong from, ulong to) = Range(request);
            if (to - from >= 500) return ScriptedNode.Error(request, """{"code":-32602,"message":"block range too large"}""");
            List<string> logs = [];
            for (ulong block = from; block <= to; block++)
            {
                if (block % 100 == 0) logs.Add(Log(block, 1));
            }
            return ScriptedNode.Result(request, $"[{string.Join(',', logs)}]");
        });
        List<ulong> blocks = [];
        await foreach (EventLog log in Client(node).GetLogsAsync(Filter(1, 4_321))) blocks.Add(log.BlockNumber);
        Assert.That(blocks, Is.EqualTo(Enumerable.Range(1, 43).Select(n => (ulong)n * 100)));
        Assert.That(node.Requests.All(request => Range(request).To - Range(request).From < EthereumClient.LogRangeBlocksMax), Is.True);
    }

    [Test]
    public async Task Logs_that_were_not_asked_for_are_refused()
    {
        string other = Log(5, 0).Replace(SampleEvidence.Ledger.ToString(), Address.Zero.ToString(), StringComparison.Ordinal);
        string otherTopic = Log(5, 0).Replace(Topic.ToString(), Hash32.Zero.ToString(), StringComparison.Ordinal);
        foreach (string logs in (string[])[other, otherTopic, Log(11, 0), Log(0, 0), Log(5, 1) + "," + Log(5, 0), Log(5, 1) + "," + Log(5, 1)])
        {
            await using ScriptedNode node = new(request => ScriptedNode.Result(request, $"[{logs}]"));
            Assert.ThrowsAsync<RpcAnswerException>(async () =>
            {
                await foreach (EventLog _ in Client(node).GetLogsAsync(Filter(1, 10)))
                {
                }
            }, logs);
        }
    }

    [Test]
    public async Task A_single_block_that_is_refused_is_the_callers_to_know()
    {
        await using ScriptedNode node = new(request => ScriptedNode.Error(request, """{"code":-32602,"message":"no"}"""));
        Assert.ThrowsAsync<RpcRejectedException>(async () =>
        {
            await foreach (EventLog _ in Client(node).GetLogsAsync(Filter(1, 1_000_000)))
            {
            }
        });
        Assert.That(node.Requests, Has.Count.LessThan(15));
    }

    private static LogFilter Filter(ulong from, ulong to) => new([SampleEvidence.Ledger], [[Topic, Hash32.Parse(new string('a', 64))]], from, to);

    private static (ulong From, ulong To) Range(ScriptedNode.Request request) =>
        (Number(request.Parameters[0].GetProperty("fromBlock").GetString()!), Number(request.Parameters[0].GetProperty("toBlock").GetString()!));

    private static ulong Number(string quantity) => ulong.Parse(quantity.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static string Log(ulong block, ulong index) => string.Create(CultureInfo.InvariantCulture, $$"""
        {"address":"{{SampleEvidence.Ledger}}","topics":["{{Topic}}"],"data":"0x01","blockNumber":"0x{{block:x}}","blockHash":"{{Topic}}",
         "transactionHash":"{{Topic}}","logIndex":"0x{{index:x}}","removed":false}
        """);

    private static SignedTransaction Signed()
    {
        using GatewaySigner signer = SampleEvidence.Gateway(1);
        return new Transaction(1, 0, 1, 2, 21_000, SampleEvidence.Ledger, 0, default).Sign(signer);
    }

    private EthereumClient Client(ScriptedNode node) =>
        new(new JsonRpc(_http, JsonRpcTests.Settings(node.Url), new ImpatientClock(), new Random(1)));
}
