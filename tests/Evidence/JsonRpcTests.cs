using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DePIN.Evidence.Tests;

/// <summary>JSON-RPC against endpoints that misbehave on real sockets: every fault has its type, names its field and says what to do.</summary>
[TestFixture]
public sealed class JsonRpcTests
{
    private readonly HttpClient _http = JsonRpc.CreateHttpClient();
    private readonly ImpatientClock _clock = new();

    [OneTimeTearDown]
    public void Close() => _http.Dispose();

    [Test]
    public async Task A_right_answer_is_read_and_the_request_is_as_specified()
    {
        await using ScriptedNode node = new(request => ScriptedNode.Result(request, "\"0x7a69\""));
        Assert.That(await Client(node.Url).GetChainIdAsync(), Is.EqualTo(31337));
        Assert.That(node.Requests.Single().Method, Is.EqualTo("eth_chainId"));
        Assert.That(node.Requests.Single().Parameters.GetArrayLength(), Is.Zero);
    }

    [Test]
    public async Task A_dead_endpoint_makes_way_for_the_next_and_the_next_stays_preferred()
    {
        await using ScriptedNode node = new(request => ScriptedNode.Result(request, "\"0x1\""));
        await using ScriptedNode broken = new(_ => []);
        EthereumClient client = Client(ClosedPort(), broken.Url, node.Url);
        for (int i = 0; i < 5; i++) Assert.That(await client.GetBlockNumberAsync(), Is.EqualTo(1));
        Assert.That(broken.Requests, Has.Count.EqualTo(1));
        Assert.That(node.Requests, Has.Count.EqualTo(5));
    }

    [TestCase("500 Internal Server Error")]
    [TestCase("503 Service Unavailable")]
    [TestCase("429 Too Many Requests")]
    [TestCase("401 Unauthorized")]
    [TestCase("302 Found")]
    public async Task A_refusing_server_is_unreachable_after_every_round(string status)
    {
        await using ScriptedNode node = new(_ => ScriptedNode.Http("<html>no</html>", status, "Location: http://127.0.0.1:1/\r\n"));
        RpcUnreachableException e = Failure<RpcUnreachableException>(node.Url);
        Assert.That(e.Message, Does.Contain(status[..3]).And.Contain("eth_blockNumber"));
        Assert.That(node.Requests, Has.Count.EqualTo(3));
    }

    [Test]
    public async Task No_message_shows_the_path_of_an_endpoint_because_keys_stand_there()
    {
        await using ScriptedNode closing = new(_ => []);
        await using ScriptedNode status = new(_ => ScriptedNode.Http("", "500 No"));
        await using ScriptedNode garbage = new(_ => ScriptedNode.Http("garbage"));
        await using ScriptedNode refusing = new(request => ScriptedNode.Error(request, """{"code":-32601,"message":"no"}"""));
        foreach (ScriptedNode node in (ScriptedNode[])[closing, status, garbage, refusing])
        {
            RpcException? e = Assert.CatchAsync<RpcException>(() => Client(node.Url).GetBlockNumberAsync());
            Assert.That(e!.ToString(), Does.Not.Contain("secret"));
            Assert.That(e.Message, Does.Contain("127.0.0.1"));
        }
    }

    [Test]
    public void Waits_between_rounds_double_with_jitter()
    {
        ImpatientClock clock = new();
        JsonRpc rpc = new(_http, Settings(ClosedPort()) with { RoundsMax = 6, BackoffMax = TimeSpan.FromSeconds(1) }, clock, new Random(1));
        Assert.ThrowsAsync<RpcUnreachableException>(() => new EthereumClient(rpc).GetBlockNumberAsync());
        double[] waits = [.. clock.Waits.Select(wait => wait.TotalMilliseconds)];
        double[] most = [250, 500, 1000, 1000, 1000];
        Assert.That(waits, Has.Length.EqualTo(5));
        for (int i = 0; i < 5; i++) Assert.That(waits[i], Is.InRange(most[i] / 2 - 1, most[i]));
    }

    [Test]
    public async Task A_silent_endpoint_is_left_after_the_attempts_time()
    {
        await using ScriptedNode silent = new(_ => null);
        await using ScriptedNode node = new(request => ScriptedNode.Result(request, "\"0x2\""));
        JsonRpc rpc = new(_http, Settings(silent.Url, node.Url) with { AttemptTimeout = TimeSpan.FromMilliseconds(150) }, TimeProvider.System, new Random(1));
        Assert.That(await new EthereumClient(rpc).GetBlockNumberAsync(), Is.EqualTo(2));
        rpc = new JsonRpc(_http, Settings(silent.Url) with { AttemptTimeout = TimeSpan.FromMilliseconds(50) }, TimeProvider.System, new Random(1));
        RpcUnreachableException? e = Assert.ThrowsAsync<RpcUnreachableException>(() => new EthereumClient(rpc).GetBlockNumberAsync());
        Assert.That(e!.Message, Does.Contain("0.05 s"));
    }

    [Test]
    public async Task A_body_that_never_ends_counts_against_the_same_time()
    {
        byte[] head = Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{");
        await using ScriptedNode cut = new(_ => head);
        Assert.That(Failure<RpcUnreachableException>(cut.Url).Message, Does.Contain("cannot be reached"));
    }

    [Test]
    public async Task The_callers_cancellation_is_not_an_endpoints_fault()
    {
        await using ScriptedNode silent = new(_ => null);
        using CancellationTokenSource stopping = new();
        Task<ulong> call = Client(silent.Url).GetBlockNumberAsync(stopping.Token);
        while (silent.Requests.IsEmpty) await Task.Delay(5);
        await stopping.CancelAsync();
        Assert.That(async () => await call, Throws.InstanceOf<OperationCanceledException>());
    }

    [TestCase("", "")]
    [TestCase("garbage", "")]
    [TestCase("<html></html>", "")]
    [TestCase("[]", "answer")]
    [TestCase("7", "answer")]
    [TestCase("{}", "id")]
    [TestCase("""{"id":ID}""", "result")]
    [TestCase("""{"id":99999,"result":"0x1"}""", "id")]
    [TestCase("""{"id":"ID","result":"0x1"}""", "id")]
    [TestCase("""{"id":null,"result":"0x1"}""", "id")]
    [TestCase("""{"id":ID.5,"result":"0x1"}""", "id")]
    [TestCase("""{"id":ID,"result":"0x1","result":"0x2"}""", "")]
    [TestCase("""{"id":ID,"result":null}""", "result")]
    [TestCase("""{"id":ID,"result":5}""", "result")]
    [TestCase("""{"id":ID,"result":"5"}""", "result")]
    [TestCase("""{"id":ID,"result":"0x"}""", "result")]
    [TestCase("""{"id":ID,"result":"0xg"}""", "result")]
    [TestCase("""{"id":ID,"result":"0x11111111111111111"}""", "result")]
    [TestCase("""{"id":ID,"result":{"a":1}}""", "result")]
    [TestCase("""{"id":ID,"result":"\ud800"}""", "")]
    [TestCase("""{"id":ID,"error":"no"}""", "error")]
    [TestCase("""{"id":ID,"error":{"message":"no"}}""", "error.code")]
    [TestCase("""{"id":ID,"error":{"code":"x","message":"no"}}""", "error.code")]
    [TestCase("""{"id":99999,"error":{"code":1,"message":"no"}}""", "id")]
    public async Task A_wrong_answer_names_the_field_and_the_next_endpoint_is_asked(string body, string field)
    {
        await using ScriptedNode wrong = new(request => ScriptedNode.Http(body.Replace("ID", request.Id.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)));
        await using ScriptedNode right = new(request => ScriptedNode.Result(request, "\"0x1\""));
        RpcAnswerException e = Failure<RpcAnswerException>(wrong.Url);
        Assert.That(e.Field, Is.EqualTo(field));
        Assert.That(e.Message, Does.Contain("endpoint").And.Contain("eth_blockNumber"));
        Assert.That(await Client(wrong.Url, right.Url).GetBlockNumberAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task A_huge_answer_is_cut_off()
    {
        byte[] huge = new byte[300_000];
        huge.AsSpan().Fill((byte)' ');
        byte[] chunked = [.. "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"u8, .. huge];
        await using ScriptedNode announced = new(_ => ScriptedNode.Http(huge));
        await using ScriptedNode unannounced = new(_ => chunked);
        foreach (ScriptedNode node in (ScriptedNode[])[announced, unannounced])
        {
            JsonRpc rpc = new(_http, Settings(node.Url) with { ResponseBytesMax = 100_000 }, _clock, new Random(1));
            RpcAnswerException? e = Assert.ThrowsAsync<RpcAnswerException>(() => new EthereumClient(rpc).GetBlockNumberAsync());
            Assert.That(e!.IsTooLong, Is.True);
            Assert.That(e.Message, Does.Contain("100000 bytes"));
        }
    }

    [Test]
    public async Task A_refusal_is_thrown_at_once_with_the_nodes_words_made_safe()
    {
        await using ScriptedNode node = new(request => ScriptedNode.Error(request, """{"code":-32602,"message":"bad\u001b[31m params\nx"}"""));
        RpcRejectedException e = Failure<RpcRejectedException>(node.Url);
        Assert.That(e.Code, Is.EqualTo(-32602));
        Assert.That(e.NodeMessage, Is.EqualTo("bad [31m params x"));
        Assert.That(node.Requests, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_refusal_with_a_bad_HTTP_status_or_without_an_id_is_still_a_refusal()
    {
        await using ScriptedNode node = new(_ => ScriptedNode.Http("""{"id":null,"error":{"code":-32700,"message":"parse error"}}""", "400 Bad Request"));
        Assert.That(Failure<RpcRejectedException>(node.Url).Code, Is.EqualTo(-32700));
    }

    [Test]
    public async Task A_provider_at_its_limit_makes_way_for_the_next()
    {
        await using ScriptedNode limited = new(request => ScriptedNode.Error(request, """{"code":-32005,"message":"limit exceeded"}"""));
        await using ScriptedNode node = new(request => ScriptedNode.Result(request, "\"0x3\""));
        Assert.That(await Client(limited.Url, node.Url).GetBlockNumberAsync(), Is.EqualTo(3));
        Assert.That(Failure<RpcRejectedException>(limited.Url).Code, Is.EqualTo(-32005));
    }

    [Test]
    public async Task A_revert_carries_its_reason_whatever_shape_the_node_gives_it()
    {
        string reason = HexText.Encode(new AbiEncoder().String("too late").ToCall(RevertRegistry.ErrorSelector));
        foreach (string error in (string[])
        [
            $$"""{"code":3,"message":"execution reverted: too late","data":"{{reason}}"}""",
            $$$"""{"code":-32000,"message":"execution reverted","data":{"data":"{{{reason}}}"}}""",
            $$"""{"code":-32015,"message":"VM execution error.","data":"Reverted {{reason}}"}""",
        ])
        {
            await using ScriptedNode node = new(request => ScriptedNode.Error(request, error));
            ExecutionRevertedException? e = Assert.ThrowsAsync<ExecutionRevertedException>(
                () => Client(node.Url).CallAsync(new CallRequest(SampleEvidence.Ledger, default)));
            Assert.That((e!.Revert.Name, e.Revert.Text, e.Revert.Selector), Is.EqualTo(("Error", "too late", RevertRegistry.ErrorSelector)));
            Assert.That(node.Requests, Has.Count.EqualTo(1), "a revert is not tried again");
        }
    }

    [Test]
    public void Custom_errors_panics_and_nonsense_are_told_apart()
    {
        RevertRegistry registry = new();
        registry.Add("Ledger_EpochTaken(uint64,uint64)");
        registry.Add("Ledger_WrongKey(bytes20,address,bool,string)");
        byte[] taken = new AbiEncoder().UInt(5).UInt(7).ToCall(AbiEncoder.SelectorOf("Ledger_EpochTaken(uint64,uint64)"));
        byte[] key = new AbiEncoder().Bytes20(new byte[20]).Address(SampleEvidence.Ledger).Bool(true).String("x")
            .ToCall(AbiEncoder.SelectorOf("Ledger_WrongKey(bytes20,address,bool,string)"));
        Assert.Multiple(() =>
        {
            Assert.That(registry.Decode(taken), Has.Property("Name").EqualTo("Ledger_EpochTaken").And.Property("Text").EqualTo("Ledger_EpochTaken(5, 7)"));
            Assert.That(registry.Decode(key).Text, Is.EqualTo(
                $"Ledger_WrongKey(0x{new string('0', 40)}, {SampleEvidence.Ledger.ToChecksumString()}, true, \"x\")"));
            Assert.That(registry.Decode(taken.AsMemory(0, 40)).Text, Does.Contain("do not decode"));
            Assert.That(registry.Decode(new AbiEncoder().UInt(0x11).ToCall(RevertRegistry.PanicSelector)).Text, Is.EqualTo("panic 0x11: arithmetic overflow"));
            Assert.That(registry.Decode(default).Text, Is.EqualTo("reverted without a reason"));
            Assert.That(registry.Decode(new byte[] { 1, 2, 3, 4 }).Text, Does.Contain("0x01020304"));
            Assert.That(registry.Decode(new byte[] { 1, 2, 3, 4 }).Selector, Is.EqualTo(0x01020304));
            Assert.That(() => registry.Add("NoParentheses"), Throws.ArgumentException);
        });
        Random random = new(5);
        for (int i = 0; i < 20_000; i++) registry.Decode(Mutation.Of(random.Next(2) == 0 ? taken : key, random));
    }

    [Test]
    public async Task Many_calls_at_once_get_their_own_answers()
    {
        await using ScriptedNode node = new(request => ScriptedNode.Result(request, $"\"{request.Parameters[0].GetString()}\""));
        JsonRpc rpc = new(_http, Settings(node.Url), _clock, new Random(1));
        ulong[] answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(n => rpc.CallAsync(
            "echo", writer => writer.WriteStringValue(string.Create(CultureInfo.InvariantCulture, $"0x{n:x}")), static value => value.UInt64(), default)));
        Assert.That(answers, Is.EqualTo(Enumerable.Range(0, 60).Select(n => (ulong)n)));
    }

    [Test]
    public void Endpoints_are_http_and_bounded_in_number()
    {
        Assert.That(() => new JsonRpcSettings(), Throws.ArgumentException);
        Assert.That(() => new JsonRpcSettings(new Uri("ftp://a")), Throws.ArgumentException);
        Assert.That(() => new JsonRpcSettings([.. Enumerable.Repeat(new Uri("http://a"), 9)]), Throws.ArgumentException);
    }

    internal static JsonRpcSettings Settings(params Uri[] endpoints) => new(endpoints) { AttemptTimeout = TimeSpan.FromMinutes(2) };

    private EthereumClient Client(params Uri[] endpoints) => new(new JsonRpc(_http, Settings(endpoints), _clock, new Random(1)));

    private T Failure<T>(params Uri[] endpoints)
        where T : RpcException => Assert.ThrowsAsync<T>(() => Client(endpoints).GetBlockNumberAsync())!;

    private static Uri ClosedPort()
    {
        TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        return new Uri($"http://127.0.0.1:{port}/secret");
    }
}
