using System.Numerics;
using DePIN.Devnet;
using DePIN.Evidence;
using DePIN.Gateway.Anchor;
using DePIN.Gateway.Operate;

namespace DePIN.Gateway.Tests.Anchor;

/// <summary>Anchoring on a real EVM node with the real contracts and a real database, through every fault we could think of.</summary>
internal sealed class AnchorerTests
{
    [Test]
    public async Task Certificates_reach_the_ledger_in_one_anchor_per_epoch()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using ChainSide side = new(network);
        side.Cut();
        side.Cut();
        await side.AnchorAllAsync();
        side.Cut();
        for (int i = 0; i < 3; i++) await side.StepAsync();
        Assert.That(side.PendingCount, Is.EqualTo(1), "the epoch has its anchor");
        Assert.That(side.Health.Find("anchor")!.State, Is.EqualTo(PartState.Waiting));

        await network.NextEpochAsync();
        await side.AnchorAllAsync();

        side.AssertEachBatchOnce(entries: 2, batches: 3);
        Assert.That(await side.NonceAsync(), Is.EqualTo(2UL), "one transaction per anchor");
        Assert.That(side.OrdinalOf(1), Is.EqualTo(0UL));
        Assert.That(side.OrdinalOf(3), Is.EqualTo(1UL));
    }

    [Test]
    public async Task A_crash_at_any_step_never_anchors_twice(
        [Values("SaveBatchVote", "SaveCertificate", "SaveAnchorVote", "SaveAttempt", "Send", "MarkSent")] string step, [Values] bool persisted)
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        Faults faults = new();
        faults.Arm(step, after: persisted);
        using (ChainSide side = new(network, faults: faults))
        {
            side.Cut();
            side.Cut();
            Assert.That(async () =>
            {
                for (int i = 0; i < 5 && faults.IsArmed; i++) await side.StepAsync();
            }, Throws.TypeOf<IOException>());
        }

        using ChainSide again = new(network);
        await again.AnchorAllAsync();
        await network.NextEpochAsync();
        again.Cut();
        await again.AnchorAllAsync();

        again.AssertEachBatchOnce(entries: 2, batches: 3);
        Assert.That(await again.NonceAsync(), Is.EqualTo(2UL), "no second transaction for the same anchor");
    }

    [Test]
    public async Task A_fault_without_a_restart_is_only_a_pause([Values("SaveBatchVote", "SaveCertificate", "SaveAnchorVote", "SaveAttempt", "Send", "MarkSent")] string step, [Values] bool persisted)
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        Faults faults = new();
        faults.Arm(step, after: persisted);
        using ChainSide side = new(network, faults: faults);
        side.Cut();
        Assert.That(async () =>
        {
            for (int i = 0; i < 5 && faults.IsArmed; i++) await side.StepAsync();
        }, Throws.TypeOf<IOException>());

        await side.AnchorAllAsync();

        side.AssertEachBatchOnce(entries: 1, batches: 1);
        Assert.That(await side.NonceAsync(), Is.EqualTo(1UL));
    }

    [Test]
    public async Task A_lost_chain_database_anchors_nothing_twice([Values] bool olderBackup)
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        string file = Path.Combine(network.Folder, ChainDatabase.FileName), backup = file + ".backup";
        using (ChainSide side = new(network))
        {
            side.Cut();
            await side.AnchorAllAsync();
        }

        File.Copy(file, backup); // closed: the file is all of it
        await network.NextEpochAsync();
        using (ChainSide side = new(network))
        {
            side.Cut();
            side.Cut();
            await side.AnchorAllAsync();
            side.AssertEachBatchOnce(entries: 2, batches: 3);
        }

        if (olderBackup) File.Move(backup, file, overwrite: true);
        else File.Delete(file);
        await network.NextEpochAsync();
        using ChainSide again = new(network);
        again.Cut();
        await again.AnchorAllAsync();
        again.AssertEachBatchOnce(entries: 3, batches: 4);
        Assert.That(Enumerable.Range(1, 4).Select(n => again.OrdinalOf((ulong)n)), Is.EqualTo(new ulong?[] { 0, 1, 1, 2 }));
        Assert.That(await again.NonceAsync(), Is.EqualTo(3UL));
    }

    [Test]
    public async Task A_forgotten_anchor_that_is_still_on_its_way_is_recognised_when_it_arrives()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        await network.SetAutomineAsync(false);
        using (ChainSide side = new(network))
        {
            side.Cut();
            await side.StepAsync();
            Assert.That(side.Health.Find("anchor")!.Reason, Does.Contain("waits for a block"));
        }

        File.Delete(Path.Combine(network.Folder, ChainDatabase.FileName));
        using ChainSide again = new(network);
        again.Cut(); // another anchor than the forgotten one, on the same predecessor
        await again.StepAsync();
        Assert.That(again.Log.VotesOn(Hash32.Zero)[0].Header.Batches, Is.EqualTo(2), "nobody can know of the first");
        await network.Node.MineAsync(1);
        await network.SetAutomineAsync(true);
        await network.NextEpochAsync();
        await again.AnchorAllAsync();

        again.AssertEachBatchOnce(entries: 2, batches: 2);
    }

    [Test]
    public async Task An_anchor_that_a_reorganisation_dropped_is_brought_back_unchanged()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using ChainSide side = new(network);
        await network.Node.MineAsync(5);
        side.Cut();
        await side.AnchorAllAsync();
        Hash32 anchor = side.RegistryLog.LedgerHead()!.Hash;
        await network.Node.MineAsync(3);
        await side.StepAsync();

        await network.Node.ReorganiseAsync(5);
        await network.DropPoolAsync();
        await side.ReadAsync();
        Assert.That(side.RegistryLog.LedgerHead(), Is.Null, "the reorganisation took the anchor back");
        Assert.That(side.PendingCount, Is.EqualTo(1));
        side.Clock.Advance(TimeSpan.FromSeconds(20)); // the resend interval
        await side.AnchorAllAsync();

        side.AssertEachBatchOnce(entries: 1, batches: 1);
        Assert.That(side.RegistryLog.LedgerHead()!.Hash, Is.EqualTo(anchor), "the same anchor bytes");
    }

    [Test]
    public async Task Nothing_is_paid_for_while_no_contract_is_at_the_ledgers_address()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using ChainSide side = new(network);
        await side.ReadAsync();
        string ledger = network.Deployment.Ledger.ToString();
        string code = (await network.Node.CallAsync("eth_getCode", [ledger, "latest"]))!.GetValue<string>();
        await network.Node.CallAsync("anvil_setCode", [ledger, "0x"]); // as a reorganisation that took the deployment back
        side.Cut();
        for (int i = 0; i < 5; i++)
        {
            await side.StepAsync();
            await network.NextEpochAsync();
        }

        Assert.That(await side.NonceAsync(), Is.Zero, "a transaction to an address without code succeeds, costs gas and anchors nothing");
        Assert.That(side.Health.Find("anchor")!.State, Is.EqualTo(PartState.Failed));
        Assert.That(side.Health.Find("anchor")!.Reason, Does.Contain("no contract is at the ledger's address"));

        await network.Node.CallAsync("anvil_setCode", [ledger, code]);
        await side.AnchorAllAsync();
        side.AssertEachBatchOnce(entries: 1, batches: 1);
    }

    [Test]
    public async Task A_chain_that_went_back_gets_its_anchors_again()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using ChainSide side = new(network);
        string before = await network.Node.SnapshotAsync();
        for (int i = 0; i < 3; i++)
        {
            side.Cut();
            await side.AnchorAllAsync();
            await network.NextEpochAsync();
        }

        await network.Node.RevertAsync(before); // as a node restarted from an older state
        await network.Node.AdvanceAsync(TimeSpan.FromSeconds(4 * TestNetwork.EpochSeconds));
        for (int i = 0; i < BehindPolls && side.RegistryLog.LedgerHead() is not null; i++) await side.ReadAsync();
        Assert.That(side.PendingCount, Is.EqualTo(3));
        for (int i = 0; i < 6 && side.PendingCount > 0; i++)
        {
            side.Clock.Advance(TimeSpan.FromSeconds(20));
            await side.StepAsync();
            await side.ReadAsync();
        }

        side.AssertEachBatchOnce(entries: 3, batches: 3);
    }

    [Test]
    public async Task A_development_chain_started_anew_gets_everything_again()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using ChainSide side = new(network);
        side.Cut();
        await side.AnchorAllAsync();

        await network.Node.RestartAsync();
        Assert.That(async () => await side.Reader.CheckAsync(CancellationToken.None), Throws.TypeOf<DePIN.Gateway.Registry.ChainMismatchException>(), "no contracts there yet");
        await network.DeployAsync();
        for (int i = 0; i < 8 && side.RegistryLog.LedgerHead() is not null; i++) await side.ReadAsync();
        side.Clock.Advance(TimeSpan.FromSeconds(20));
        await side.AnchorAllAsync();

        side.AssertEachBatchOnce(entries: 1, batches: 1);
    }

    [Test]
    public async Task A_chain_that_is_away_costs_nothing_but_time()
    {
        string state = Path.Combine(Path.GetTempPath(), $"anvil-{Guid.NewGuid():N}.json");
        try
        {
            await using TestNetwork network = await TestNetwork.StartAsync(new AnvilOptions { StateFile = state });
            using ChainSide side = new(network);
            side.Cut();
            await side.ReadAsync();
            await network.Node.StopAsync();
            for (int i = 0; i < 2; i++)
            {
                Assert.That(side.ReadAsync, Throws.InstanceOf<RpcException>());
                Assert.That(async () => await side.Anchorer.TurnAsync(CancellationToken.None), Throws.InstanceOf<RpcException>());
            }

            await network.Node.RestartAsync();
            await side.AnchorAllAsync();

            side.AssertEachBatchOnce(entries: 1, batches: 1);
        }
        finally
        {
            File.Delete(state);
        }
    }

    [Test]
    public async Task A_stuck_transaction_is_replaced_at_a_higher_fee_and_only_one_is_mined()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using ChainSide side = new(network);
        side.Cut();
        await side.ReadAsync();
        await network.SetAutomineAsync(false);
        await side.StepAsync();
        for (int i = 0; i < 2; i++)
        {
            side.Clock.Advance(TimeSpan.FromSeconds(61));
            await side.StepAsync();
        }

        IReadOnlyList<AnchorAttempt> attempts = side.Attempts;
        Assert.That(attempts, Has.Count.EqualTo(3));
        Assert.That(attempts.Select(a => a.Nonce), Is.All.EqualTo(0UL));
        for (int i = 1; i < attempts.Count; i++)
        {
            Assert.That(attempts[i].MaxFeePerGas * 1000, Is.GreaterThanOrEqualTo(attempts[i - 1].MaxFeePerGas * 1125));
            Assert.That(attempts[i].PriorityFeePerGas * 1000, Is.GreaterThanOrEqualTo(attempts[i - 1].PriorityFeePerGas * 1125));
        }

        await network.Node.MineAsync();
        await network.SetAutomineAsync(true);
        await side.AnchorAllAsync();

        side.AssertEachBatchOnce(entries: 1, batches: 1);
        Assert.That(await side.NonceAsync(), Is.EqualTo(1UL));
        Assert.That(side.RegistryLog.LedgerHead()!.TransactionHash, Is.EqualTo(attempts[^1].Hash), "the dearest one was mined");
    }

    [Test]
    public async Task An_account_without_funds_is_told_with_the_remedy_and_goes_on_when_funded()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using ChainSide side = new(network);
        await network.SetBalanceAsync(network.Gateway.Address, BigInteger.Zero);
        side.Cut();
        Assert.That(await side.StepAsync(), Is.False);
        PartStatus told = side.Health.Find("anchor")!;
        Assert.That(told.State, Is.EqualTo(PartState.Failed));
        Assert.That(told.NextStep, Does.Contain(network.Gateway.Address.ToChecksumString()));

        await network.SetBalanceAsync(network.Gateway.Address, BigInteger.Pow(10, 18));
        await side.AnchorAllAsync();

        side.AssertEachBatchOnce(entries: 1, batches: 1);
    }

    [Test]
    public async Task A_gateway_outside_the_active_set_says_so_and_keeps_its_certificates()
    {
        await using TestNetwork network = await TestNetwork.StartAsync(gatewayIsActive: false);
        using ChainSide side = new(network);
        side.Cut();
        Assert.That(await side.StepAsync(), Is.False);
        Assert.That(side.Health.Find("anchor")!.Reason, Does.Contain("not in the active set"));
        Assert.That(side.PendingCount, Is.EqualTo(1));
        Assert.That(await side.NonceAsync(), Is.Zero);
    }

    private const int BehindPolls = DePIN.Gateway.Registry.ChainRegistry.BehindPollsMax + 1;
}
