using System.Diagnostics;
using DePIN.Devnet;
using DePIN.Evidence;
using DePIN.Tests.Harness;

namespace DePIN.Contracts.Tests;

/// <summary>The development node: what tests of outages and reorganisations stand on.</summary>
public sealed class AnvilNodeTests
{
    [Test]
    public async Task A_stopped_node_comes_back_on_its_port_with_its_chain()
    {
        string folder = Directory.CreateTempSubdirectory("depin-anvil-").FullName;
        try
        {
            await using AnvilNode node = await AnvilNode.StartAsync(new AnvilOptions { StateFile = Path.Combine(folder, "state.json") }).ConfigureAwait(false);
            using LocalNetwork network = await LocalNetwork.DeployAsync(node).ConfigureAwait(false);
            using SampleDevice device = new();
            (Proof proof, _) = await network.ProveAsync([device.NextFrame()], device.PublicKey).ConfigureAwait(false);
            Uri url = node.RpcUrl;

            await node.StopAsync().ConfigureAwait(false);
            Assert.That(node.IsRunning, Is.False);
            await node.RestartAsync().ConfigureAwait(false);

            Assert.That(node.RpcUrl, Is.EqualTo(url));
            Assert.That((await network.Ledger.VerifyAsync(proof).ConfigureAwait(false)).Refusal, Is.Null);
            LedgerHistory history = new(network.Record.DeployedAtBlock);
            await network.Ledger.FollowAsync(history, await network.Client.GetBlockNumberAsync().ConfigureAwait(false)).ConfigureAwait(false);
            Assert.That(history.Head, Is.EqualTo(proof.Anchor.Hash()), "the events are kept too");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public async Task A_killed_node_is_gone_at_once_and_starts_again()
    {
        await using AnvilNode node = await AnvilNode.StartAsync().ConfigureAwait(false);
        int processId = node.ProcessId;
        await node.KillAsync().ConfigureAwait(false);
        Assert.That(() => Process.GetProcessById(processId), Throws.ArgumentException);
        Assert.That(async () => await node.CallAsync("eth_chainId").ConfigureAwait(false), Throws.InstanceOf<HttpRequestException>());
        await node.RestartAsync().ConfigureAwait(false);
        Assert.That((await node.CallAsync("eth_blockNumber").ConfigureAwait(false))!.GetValue<string>(), Is.EqualTo("0x0"), "without a state file the chain is new");
    }

    [Test]
    public async Task A_disposed_node_leaves_no_process()
    {
        AnvilNode node = await AnvilNode.StartAsync().ConfigureAwait(false);
        int processId = node.ProcessId;
        await node.DisposeAsync().ConfigureAwait(false);
        Assert.That(() => Process.GetProcessById(processId), Throws.ArgumentException);
    }

    [Test]
    public void A_port_that_is_taken_is_an_error_that_says_so()
    {
        Assert.That(async () =>
        {
            await using AnvilNode first = await AnvilNode.StartAsync().ConfigureAwait(false);
            await using AnvilNode second = await AnvilNode.StartAsync(new AnvilOptions { Port = first.Port }).ConfigureAwait(false);
        }, Throws.InstanceOf<DevnetException>().With.Message.Contains("ended before it listened"));
    }

    [Test]
    public async Task A_reorganisation_takes_an_anchor_back_and_the_history_follows()
    {
        await using AnvilNode node = await AnvilNode.StartAsync().ConfigureAwait(false);
        using LocalNetwork network = await LocalNetwork.DeployAsync(node).ConfigureAwait(false);
        using SampleDevice device = new();
        await network.ProveAsync([device.NextFrame()], device.PublicKey).ConfigureAwait(false);
        (Proof lost, TransactionReceipt receipt) = await network.ProveAsync([device.NextFrame()], device.PublicKey).ConfigureAwait(false);
        Assert.That(network.History.Count, Is.EqualTo(2));

        await node.ReorganiseAsync(depth: 1).ConfigureAwait(false);

        Assert.That((await network.Ledger.ReadStateAsync().ConfigureAwait(false)).Anchors, Is.EqualTo(1));
        Assert.That(await network.Client.GetTransactionReceiptAsync(receipt.TransactionHash).ConfigureAwait(false), Is.Null);
        Assert.That(await network.Ledger.FollowAsync(network.History, await network.Client.GetBlockNumberAsync().ConfigureAwait(false)).ConfigureAwait(false), Is.False, "it was rebuilt");
        Assert.That(network.History.Count, Is.EqualTo(1));
        Assert.That(network.History.TryRefresh(lost), Is.Null);

        (Proof again, _) = await network.ProveAsync([device.NextFrame()], device.PublicKey).ConfigureAwait(false);
        Assert.That((await network.Ledger.VerifyAsync(again).ConfigureAwait(false)).Refusal, Is.Null);
    }

    [Test]
    public async Task A_snapshot_takes_the_chain_back_once()
    {
        await using AnvilNode node = await AnvilNode.StartAsync().ConfigureAwait(false);
        EthereumClient client = node.CreateClient();
        string snapshot = await node.SnapshotAsync().ConfigureAwait(false);
        await node.MineAsync(5).ConfigureAwait(false);
        Assert.That(await client.GetBlockNumberAsync().ConfigureAwait(false), Is.EqualTo(5));
        await node.RevertAsync(snapshot).ConfigureAwait(false);
        Assert.That(await client.GetBlockNumberAsync().ConfigureAwait(false), Is.Zero);
        Assert.That(async () => await node.RevertAsync(snapshot).ConfigureAwait(false), Throws.InstanceOf<DevnetException>());
    }

    [Test]
    public async Task The_clock_moves_forward_by_what_is_asked()
    {
        await using AnvilNode node = await AnvilNode.StartAsync(new AnvilOptions { FirstTimestamp = 1_900_000_000 }).ConfigureAwait(false);
        EthereumClient client = node.CreateClient();
        Block before = (await client.GetBlockAsync(BlockTag.Latest).ConfigureAwait(false))!;
        await node.AdvanceAsync(TimeSpan.FromHours(1)).ConfigureAwait(false);
        Block after = (await client.GetBlockAsync(BlockTag.Latest).ConfigureAwait(false))!;
        Assert.That(after.Timestamp - before.Timestamp, Is.GreaterThanOrEqualTo(3600UL));
    }

    [Test]
    public async Task The_gas_table_has_every_act_within_its_budget()
    {
        await using AnvilNode node = await AnvilNode.StartAsync().ConfigureAwait(false);
        GasFigures gas = await GasTable.MeasureAsync(node).ConfigureAwait(false);
        foreach ((int gateways, ulong used) in gas.Anchor)
            TestContext.Out.WriteLine($"anchor of {gateways} {used}");
        TestContext.Out.WriteLine(gas);
        // Gas does not depend on the machine: a rise above these is a change of the contracts.
        Assert.Multiple(() =>
        {
            Assert.That(gas.Anchor[4], Is.LessThanOrEqualTo(62_000));
            Assert.That(gas.Anchor.Keys, Is.EqualTo(GasTable.Gateways));
            Assert.That(gas.PerSignature, Is.LessThanOrEqualTo(4_700));
            Assert.That(gas.Prove, Is.LessThanOrEqualTo(110_000));
            Assert.That(gas.Register, Is.LessThanOrEqualTo(130_000));
            Assert.That(gas.RegisterBatchEach, Is.LessThanOrEqualTo(100));
            Assert.That(gas.Claim, Is.LessThanOrEqualTo(70_000));
            Assert.That(gas.PerFrameAt10000, Is.LessThan(8));
        });
    }
}
