using System.Numerics;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Cli;

/// <summary>`depin stake`, `unstake`, `propose`, `vote`, `execute` and `claim` as processes against real contracts; the account has all the tokens.</summary>
public sealed class CommunityCommandTests
{
    private const int VotingDelaySeconds = 100;
    private const int VotingPeriodSeconds = 1_000;

    private readonly TempFolder _folder = new();
    private LocalChain _chain = null!;
    private GatewayIdentity[] _gateways = null!;
    private string[] _network = null!;
    private string[] _act = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _gateways = [.. Enumerable.Range(0, 2).Select(i => LocalGateway.CreateIdentity(_folder.Sub($"gateway-{i}")))];
        NetworkPlan plan = NetworkPlan.Default with { VotingDelaySeconds = VotingDelaySeconds, VotingPeriodSeconds = VotingPeriodSeconds, TimelockSeconds = 100 };
        _chain = await LocalChain.StartAsync(_folder.Sub("chain"), _gateways, CancellationToken.None, new AnvilOptions(), plan);
        _network = ["--deployment", _chain.DeploymentFile, "--rpc", _chain.Node.RpcUrl.ToString()];
        _act = [.. _network, "--key", Path.Combine(_folder.Sub("gateway-0"), "gateway.key")];
    }

    [OneTimeTearDown]
    public async Task EndAsync()
    {
        if (_chain is not null) await _chain.DisposeAsync();
        _folder.Dispose();
    }

    [Test]
    public async Task A_vote_changes_a_number_and_what_cannot_be_is_said_before_it_costs_gas()
    {
        CliProcess list = await RunAsync([.. "propose list".Split(' '), .. _network]);
        Assert.That(list.Output, Does.Contain("FramesPerDeviceMax").And.Contain("from 1 to 1000000").And.Contain("1000 tokens"));
        await RefusedAsync(ExitCode.BadInput, "none that governance sets", ["propose", "Nonsense", "1", .. _act]);
        await RefusedAsync(ExitCode.BadInput, "no value", ["propose", "StakeMin", "many", .. _act]);
        await RefusedAsync(ExitCode.BadInput, "10 % to 90 %", ["propose", "DeviceShare", "95%", .. _act]);
        await RefusedAsync(ExitCode.BadInput, "already", ["propose", "FramesPerDeviceMax", "60", .. _act]);
        await RefusedAsync(ExitCode.Failed, "depin vote delegate", ["propose", "FramesPerDeviceMax", "90", .. _act]);

        await RunAsync(["vote", "delegate", .. _act]);
        await _chain.Node.AdvanceAsync(TimeSpan.FromSeconds(2));
        CliProcess proposed = await RunAsync(["propose", "framesperdevicemax", "90", "--why", "Faster sensors.", .. _act]);
        string id = proposed.Output.Split('\n')[0].Trim();
        Assert.That(id, Does.Match("^0x[0-9a-f]{64}$"));
        await RefusedAsync(ExitCode.Failed, "pending", ["vote", id, "for", .. _act]);
        await _chain.Node.AdvanceAsync(TimeSpan.FromSeconds(VotingDelaySeconds + 2));
        await RunAsync(["vote", id[..10], "for", .. _act]);
        await RefusedAsync(ExitCode.Failed, "has voted", ["vote", id, "for", .. _act]);
        await RefusedAsync(ExitCode.Failed, "active", ["execute", id, .. _act]);
        await _chain.Node.AdvanceAsync(TimeSpan.FromSeconds(VotingPeriodSeconds + 2));
        CliProcess queued = await RunAsync(["execute", id, .. _act]);
        Assert.That(queued.Output, Does.Contain("queued").And.Contain("run this again after"));
        await _chain.Node.AdvanceAsync(TimeSpan.FromSeconds(102));
        await RunAsync(["execute", id, .. _act]);
        Assert.That((await RunAsync(["vote", "list", .. _network])).Output, Does.Contain("executed").And.Contain("Set FramesPerDeviceMax from 60 to 90. Faster sensors."));
        BigInteger value = await ContractCall.ReadAsync<BigInteger>(_chain.Client, _chain.Deployment.Community!.Parameters, "valueOf()",
            Parameters.EncodeValueOf((byte)Parameter.FramesPerDeviceMax), Parameters.TryDecodeValueOf, default, default);
        Assert.That(value, Is.EqualTo((BigInteger)90));
        await RefusedAsync(ExitCode.Failed, "executed", ["execute", id, .. _act]);
    }

    [Test]
    public async Task An_operator_stakes_for_a_gateway_takes_it_out_and_gets_the_stake_back()
    {
        string gateway = _gateways[1].Address.ToString(), consent = Path.Combine(_folder.Sub("gateway-1"), "gateway.key");
        await RefusedAsync(ExitCode.BadInput, "least stake", ["stake", gateway, "999.5", .. _act]);
        await RefusedAsync(ExitCode.BadInput, "--gateway-key", ["stake", gateway, "1000", .. _act]);
        await RefusedAsync(ExitCode.Failed, "nothing at stake", ["unstake", gateway, .. _act]);
        // Between the approval and the stake: what is left is said, used by the next attempt, and gone after it.
        await RefusedAsync(ExitCode.Failed, "the approval of 1000 tokens stays", ["stake", gateway, "1000", "--gateway-key", consent, "--endpoint", $"https://{new string('a', 300)}:8450", .. _act]);
        Assert.That(await AllowedAsync(), Is.EqualTo(1_000 * BigInteger.Pow(10, 18)));
        CliProcess staked = await RunAsync(["stake", gateway, "1000", "--gateway-key", consent, .. _act]);
        Assert.That(await AllowedAsync(), Is.EqualTo(BigInteger.Zero));
        Assert.That(staked.Output, Does.Contain("1000 tokens at stake"));
        Assert.That((await RunAsync(["stake", gateway, "0.5", .. _act])).Output, Does.Contain("1000.5 tokens at stake"));
        Assert.That((await RunAsync(["unstake", gateway, .. _act])).Output, Does.Contain("leaves the set").And.Contain("come back when"));
        Assert.That((await RunAsync(["unstake", gateway, .. _act])).Output, Does.Not.Contain("leaves the set").And.Contain("come back when"), "asking again sends nothing");
        await _chain.Node.AdvanceAsync(TimeSpan.FromDays(15));
        Assert.That((await RunAsync(["unstake", gateway, .. _act])).Output, Does.Contain("1000.5 tokens went back"));
    }

    [Test]
    public async Task A_devices_owner_describes_it_gives_it_another_key_sells_it_and_its_buyer_revokes_it()
    {
        using SampleDevice device = new(), next = new();
        string seller = Path.Combine(_folder.Sub("gateway-1"), "gateway.key"), id = device.Text, key = Convert.ToHexStringLower(next.PublicKey);
        string[] sells = [.. _network, "--key", seller];
        DeploymentRecord record = _chain.Deployment;
        byte[] claim = device.Sign(DeviceClaim.Message(device.KeyKind, record.ChainId, record.DeviceRegistry, _gateways[1].Address));
        await RefusedAsync(ExitCode.Failed, "not registered", ["device", "record", id, .. _network]);
        await _chain.SendAsync(record.DeviceRegistry, DeviceClaim.EncodeRegister(device.KeyKind, device.PublicKey, claim, _gateways[1].Address));
        Assert.That((await RunAsync(["device", "record", id, .. _network])).Output, Does.Contain(_gateways[1].Address.ToChecksumString()).And.Contain("software").And.Contain("not said"));

        await RefusedAsync(ExitCode.BadInput, "geohash", ["device", "describe", id, "--place", "u33dba", .. sells]);
        await RefusedAsync(ExitCode.BadInput, "geohash", ["device", "describe", id, "--place", "a33db", .. sells]);
        await RefusedAsync(ExitCode.Failed, "NotOwner", ["device", "describe", id, "--profile", "3", .. _act]);
        Assert.That((await RunAsync(["device", "describe", id, "--profile", "3", "--place", "u33db", .. sells])).Output, Does.Match("profile +3\\s").And.Match("place +u33db\\s"));

        await RefusedAsync(ExitCode.BadInput, "128 hex", ["device", "key", "propose", id, "--public-key", "12", .. sells]);
        Assert.That((await RunAsync(["device", "key", "propose", id, "--public-key", key, .. sells])).Output, Does.Match($"proposed +{key}"));
        await RefusedAsync(ExitCode.Failed, "KeyNotDue", ["device", "key", "accept", id, .. sells]);
        Assert.That((await RunAsync(["device", "key", "withdraw", id, .. sells])).Output, Does.Not.Contain(key));
        await RunAsync(["device", "key", "propose", id, "--public-key", key, .. sells]);
        await _chain.Node.AdvanceAsync(TimeSpan.FromDays(30));
        Assert.That((await RunAsync(["device", "key", "accept", id, .. sells])).Output, Does.Match($"key +{key}").And.Contain("1 of key"));

        Assert.That((await RunAsync(["device", "transfer", id, "--to", _gateways[0].Address.ToString(), .. sells])).Output, Does.Contain(_gateways[0].Address.ToChecksumString()));
        await RefusedAsync(ExitCode.BadInput, "--for-good", ["device", "revoke", id, .. _act]);
        await RefusedAsync(ExitCode.Failed, "NotOwner", ["device", "revoke", id, "--for-good", .. sells]);
        Assert.That((await RunAsync(["device", "revoke", id, "--for-good", .. _act])).Output, Does.Contain("revoked at"));
    }

    [Test]
    public async Task What_is_wrong_with_record_chain_or_gateway_is_said()
    {
        await RefusedAsync(ExitCode.BadInput, "cannot be read", ["audit", "--deployment", "missing.json", "--rpc", "http://127.0.0.1:1", "--gateway", "http://127.0.0.1:1"]);
        await RefusedAsync(ExitCode.Unreachable, "127.0.0.1:1", ["audit", "--deployment", _chain.DeploymentFile, "--rpc", "http://127.0.0.1:1", "--gateway", "http://127.0.0.1:1"]);
        await RefusedAsync(ExitCode.Failed, "no root is published yet", ["audit", .. _network, "--gateway", "http://127.0.0.1:1"]);
        await RefusedAsync(ExitCode.Failed, "no root is good for claims yet", ["claim", .. _act, "--gateway", "http://127.0.0.1:1"]);
        await RefusedAsync(ExitCode.BadInput, "no address", ["claim", .. _act, "--account", "0x12"]);
        await RefusedAsync(ExitCode.BadInput, "no address", ["stake", "me", "1", .. _act]);
        await RefusedAsync(ExitCode.BadInput, "no proposal", ["vote", "0xabcdef", "for", .. _act]);
        await RefusedAsync(ExitCode.BadInput, "maybe", ["vote", "0xabcdef", "maybe", .. _act]);
    }

    /// <summary>What the registry may still take of the acting account.</summary>
    private Task<BigInteger> AllowedAsync() => ContractCall.ReadAsync<BigInteger>(_chain.Client, _chain.Deployment.Community!.Token, "allowance()",
        NetworkToken.EncodeAllowance(_gateways[0].Address, _chain.Deployment.GatewayRegistry), NetworkToken.TryDecodeAllowance, default, default);

    private async Task<CliProcess> RunAsync(string[] arguments)
    {
        CliProcess run = await CliProcess.RunAsync(_folder.Path, arguments);
        Assert.That(run.ExitCode, Is.Zero, $"depin {string.Join(' ', arguments[..2])}: {run.Output}{run.Errors}");
        return run;
    }

    private async Task RefusedAsync(int code, string words, string[] arguments)
    {
        CliProcess run = await CliProcess.RunAsync(_folder.Path, arguments);
        Assert.That(run.ExitCode, Is.EqualTo(code), run.Output + run.Errors);
        Assert.That(run.Errors, Does.Contain(words).And.Contain("→"));
    }
}
