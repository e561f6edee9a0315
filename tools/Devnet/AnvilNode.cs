// A real EVM node for development and tests: starts anvil, kills it, starts it again, and leaves nothing behind.
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.Devnet;

/// <summary>How an anvil node runs.</summary>
public sealed record AnvilOptions
{
    /// <summary>TCP port; 0 takes a free one, which a restart keeps.</summary>
    public int Port { get; init; }

    /// <summary>The address it listens on: loopback, or one of a network namespace that a test made.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>Rules of the chain: "osaka" has P-256 at 0x100 (EIP-7951), "prague" has not.</summary>
    public string Hardfork { get; init; } = "osaka";

    /// <summary>Chain id.</summary>
    public ulong ChainId { get; init; } = 31337;

    /// <summary>Time between blocks; null mines a block for each transaction.</summary>
    public TimeSpan? BlockTime { get; init; }

    /// <summary>Where the chain is kept between runs; null keeps it in memory, and a restart begins anew.</summary>
    public string? StateFile { get; init; }

    /// <summary>How often the state file is written, seconds. A killed node loses what is newer.</summary>
    public int StateIntervalSeconds { get; init; } = 1;

    /// <summary>Time of the first block, seconds since the Unix epoch; null is now.</summary>
    public ulong? FirstTimestamp { get; init; }

    /// <summary>Blocks per second are counted as an epoch of this many slots; small makes "finalized" follow closely.</summary>
    public int? SlotsInAnEpoch { get; init; }

    /// <summary>How long the node may take to answer.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(60);
}

/// <summary>
/// One anvil process. It dies with this process (the kernel's parent-death signal on Linux, an exit handler elsewhere).
/// Not safe for concurrent Start, Kill and Dispose by several callers; RPC calls may be concurrent.
/// </summary>
public sealed partial class AnvilNode : IAsyncDisposable
{
    private const int LinesKept = 40;
    private const int SignalInterrupt = 2;
    private const int StopWaitMs = 10_000;
    private static readonly TimeSpan ReceiptInterval = TimeSpan.FromMilliseconds(20);

    private readonly AnvilOptions _options;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(60) };
    private readonly Queue<string> _lines = new();
    private readonly List<string> _privateKeys = [];
    private readonly EventHandler _onExit;
    private Process? _process;
    private Task _reading = Task.CompletedTask;
    private int _port;
    private long _requests;

    private AnvilNode(AnvilOptions options)
    {
        _options = options;
        _port = options.Port;
        _onExit = (_, _) => _process?.Kill();
        AppDomain.CurrentDomain.ProcessExit += _onExit;
    }

    /// <summary>Where the node answers JSON-RPC over HTTP (and WebSocket).</summary>
    public Uri RpcUrl => new($"http://{_options.Host}:{_port}");

    /// <summary>The port in <see cref="RpcUrl"/>.</summary>
    public int Port => _port;

    /// <summary>Chain id.</summary>
    public ulong ChainId => _options.ChainId;

    /// <summary>The ten funded development keys, 0x and 64 hex digits. Known to everyone: for development chains only.</summary>
    public IReadOnlyList<string> PrivateKeys => _privateKeys;

    /// <summary>Whether the process runs.</summary>
    public bool IsRunning => _process is { HasExited: false };

    /// <summary>Process id while it runs.</summary>
    public int ProcessId => _process?.Id ?? throw new InvalidOperationException("The node is not running.");

    /// <summary>Starts a node and waits until it answers.</summary>
    /// <exception cref="DevnetException">It did not start; the message has the end of its output.</exception>
    public static async Task<AnvilNode> StartAsync(AnvilOptions? options = null, CancellationToken ct = default)
    {
        AnvilNode node = new(options ?? new AnvilOptions());
        try
        {
            await node.LaunchAsync(ct).ConfigureAwait(false);
            return node;
        }
        catch
        {
            await node.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Kills the process at once (kill -9). With a state file, what was mined after its last write is lost.</summary>
    public async Task KillAsync()
    {
        if (_process is null)
            return;
        if (!_process.HasExited)
            _process.Kill();
        await EndAsync().ConfigureAwait(false);
    }

    /// <summary>Stops the node in order: the state file, if any, has all blocks.</summary>
    public async Task StopAsync()
    {
        if (_process is null)
            return;
        if (!OperatingSystem.IsWindows() && !_process.HasExited && SendSignal(_process.Id, SignalInterrupt) == 0)
        {
            using CancellationTokenSource patience = new(StopWaitMs);
            try
            {
                await _process.WaitForExitAsync(patience.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                _process.Kill();
            }
        }
        await KillAsync().ConfigureAwait(false);
    }

    /// <summary>Starts the node again after <see cref="KillAsync"/> or <see cref="StopAsync"/>: same port, same options.</summary>
    public async Task RestartAsync(CancellationToken ct = default)
    {
        await KillAsync().ConfigureAwait(false);
        await LaunchAsync(ct).ConfigureAwait(false);
    }

    /// <summary>Calls a JSON-RPC method of the node: for anvil_… and evm_… methods that a production client has not.</summary>
    /// <returns>The result, null for a JSON null.</returns>
    /// <exception cref="DevnetException">The node answered with an error.</exception>
    public async Task<JsonNode?> CallAsync(string method, JsonArray? parameters = null, CancellationToken ct = default)
    {
        JsonObject request = new()
        {
            ["jsonrpc"] = "2.0",
            ["id"] = Interlocked.Increment(ref _requests),
            ["method"] = method,
            ["params"] = parameters ?? [],
        };
        using HttpResponseMessage response = await _http.PostAsJsonAsync(RpcUrl, request, ct).ConfigureAwait(false);
        response.EnsureSuccessStatusCode();
        JsonNode? answer = await response.Content.ReadFromJsonAsync<JsonNode>(ct).ConfigureAwait(false);
        if (answer?["error"] is JsonNode error)
            throw new DevnetException($"{method} failed: {error.ToJsonString()}");
        return answer?["result"]?.DeepClone();
    }

    /// <summary>Sends a call from any account, a contract too, and waits until it is mined: no key is needed on a node of one's own. The account pays the gas.</summary>
    /// <exception cref="DevnetException">The node refuses it, or it reverted.</exception>
    public async Task SendAsAsync(Address from, Address to, byte[] call, CancellationToken ct = default)
    {
        await CallAsync("anvil_impersonateAccount", [from.ToString()], ct).ConfigureAwait(false);
        JsonNode hash = (await CallAsync("eth_sendTransaction", [new JsonObject { ["from"] = from.ToString(), ["to"] = to.ToString(), ["data"] = HexText.Encode(call) }], ct).ConfigureAwait(false))!;
        JsonNode? receipt;
        while ((receipt = await CallAsync("eth_getTransactionReceipt", [hash.DeepClone()], ct).ConfigureAwait(false)) is null) await Task.Delay(ReceiptInterval, ct).ConfigureAwait(false);
        if (receipt["status"]?.GetValue<string>() != "0x1") throw new DevnetException($"transaction {hash} from {from} to {to} reverted.");
    }

    /// <summary>A client of this node, as the gateway and the CLI use, that names our contracts' errors.</summary>
    public EthereumClient CreateClient()
    {
        JsonRpc rpc = new(_http, new JsonRpcSettings(RpcUrl), TimeProvider.System, new Random(0));
        ContractErrors.AddTo(rpc.Reverts);
        return new EthereumClient(rpc);
    }

    /// <summary>One of the ten funded development accounts.</summary>
    /// <param name="index">0 to 9.</param>
    public GatewaySigner CreateSigner(int index = 0) => new(Convert.FromHexString(_privateKeys[index].AsSpan(2)));

    /// <summary>Mines blocks now.</summary>
    /// <param name="blocks">How many.</param>
    /// <param name="secondsApart">Time between them.</param>
    /// <param name="ct">Cancels the call.</param>
    public async Task MineAsync(int blocks = 1, int secondsApart = 1, CancellationToken ct = default) =>
        await CallAsync("anvil_mine", [Quantity((ulong)blocks), Quantity((ulong)secondsApart)], ct).ConfigureAwait(false);

    /// <summary>Moves the chain's clock forward and mines a block there.</summary>
    public async Task AdvanceAsync(TimeSpan time, CancellationToken ct = default)
    {
        await CallAsync("evm_increaseTime", [(long)time.TotalSeconds], ct).ConfigureAwait(false);
        await CallAsync("evm_mine", null, ct).ConfigureAwait(false);
    }

    /// <summary>Replaces the last <paramref name="depth"/> blocks by as many empty ones: their transactions are gone.</summary>
    public async Task ReorganiseAsync(int depth, CancellationToken ct = default) =>
        await CallAsync("anvil_reorg", [depth, new JsonArray()], ct).ConfigureAwait(false);

    /// <summary>Remembers the chain as it is; <see cref="RevertAsync"/> goes back to it, once.</summary>
    public async Task<string> SnapshotAsync(CancellationToken ct = default) =>
        (await CallAsync("evm_snapshot", null, ct).ConfigureAwait(false))!.GetValue<string>();

    /// <summary>Goes back to a snapshot: newer blocks are gone.</summary>
    public async Task RevertAsync(string snapshot, CancellationToken ct = default)
    {
        JsonNode? reverted = await CallAsync("evm_revert", [snapshot], ct).ConfigureAwait(false);
        if (reverted?.GetValue<bool>() != true)
            throw new DevnetException($"Snapshot {snapshot} is unknown or was used before.");
    }

    /// <summary>Kills the node and forgets it. A state file given in the options stays.</summary>
    public async ValueTask DisposeAsync()
    {
        AppDomain.CurrentDomain.ProcessExit -= _onExit;
        await KillAsync().ConfigureAwait(false);
        _http.Dispose();
    }

    private async Task LaunchAsync(CancellationToken ct)
    {
        string anvil = await Foundry.AnvilAsync(ct).ConfigureAwait(false);
        TaskCompletionSource<int> listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _process = ParentBound.Start(anvil, Arguments());
        _reading = Task.WhenAll(
            ReadLinesAsync(_process.StandardOutput, listening), ReadLinesAsync(_process.StandardError, listening));
        _ = _process.WaitForExitAsync(CancellationToken.None).ContinueWith(_ => listening.TrySetException(
            new DevnetException($"anvil ended before it listened on port {_port}.\n{LastLines()}")), TaskScheduler.Default);
        try
        {
            _port = await listening.Task.WaitAsync(_options.StartTimeout, ct).ConfigureAwait(false);
        }
        catch (TimeoutException late)
        {
            throw new DevnetException($"anvil did not listen within {_options.StartTimeout.TotalSeconds:0} s.\n{LastLines()}", late);
        }
        JsonNode? chainId = await CallAsync("eth_chainId", null, ct).ConfigureAwait(false);
        if (chainId?.GetValue<string>() != Quantity(_options.ChainId))
            throw new DevnetException($"The node on port {_port} is of chain {chainId}, not {_options.ChainId}: another one took the port.");
    }

    private List<string> Arguments()
    {
        List<string> arguments =
        [
            "--host", _options.Host,
            "--port", Text(_port),
            "--hardfork", _options.Hardfork,
            "--chain-id", _options.ChainId.ToString(CultureInfo.InvariantCulture),
        ];
        if (_options.BlockTime is TimeSpan blockTime)
            arguments.AddRange(["--block-time", blockTime.TotalSeconds.ToString(CultureInfo.InvariantCulture)]);
        if (_options.StateFile is string stateFile)
            arguments.AddRange(["--state", stateFile, "--state-interval", Text(_options.StateIntervalSeconds)]);
        if (_options.FirstTimestamp is ulong timestamp)
            arguments.AddRange(["--timestamp", timestamp.ToString(CultureInfo.InvariantCulture)]);
        if (_options.SlotsInAnEpoch is int slots)
            arguments.AddRange(["--slots-in-an-epoch", Text(slots)]);
        return arguments;
    }

    private async Task ReadLinesAsync(StreamReader reader, TaskCompletionSource<int> listening)
    {
        while (await reader.ReadLineAsync().ConfigureAwait(false) is string line)
        {
            lock (_lines)
            {
                _lines.Enqueue(line);
                if (_lines.Count > LinesKept)
                    _lines.Dequeue();
            }
            if (listening.Task.IsCompleted)
                continue;
            if (PrivateKeyLine().Match(line) is { Success: true } key && _privateKeys.Count < 10)
                _privateKeys.Add(key.Groups[1].Value);
            if (ListeningLine().Match(line) is { Success: true } match)
                listening.TrySetResult(int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));
        }
    }

    private async Task EndAsync()
    {
        if (_process is null)
            return;
        await _process.WaitForExitAsync().ConfigureAwait(false);
        await _reading.ConfigureAwait(false);
        _process.Dispose();
        _process = null;
    }

    private string LastLines()
    {
        lock (_lines)
            return string.Join('\n', _lines);
    }

    private static string Quantity(ulong value) => "0x" + value.ToString("x", CultureInfo.InvariantCulture);

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int processId, int signal);

    [GeneratedRegex(@"^\(\d+\) (0x[0-9a-f]{64})$")]
    private static partial Regex PrivateKeyLine();

    [GeneratedRegex(@"^Listening on \S+:(\d+)$")]
    private static partial Regex ListeningLine();
}
