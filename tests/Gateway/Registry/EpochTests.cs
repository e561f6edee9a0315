using DePIN.Evidence;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Tests.Anchor;

namespace DePIN.Gateway.Tests.Registry;

/// <summary>The community changes the length of epochs on a real ledger: followed live, at the border, across restarts and reorganisations.</summary>
internal sealed class EpochTests
{
    private const ulong Shorter = 20;

    [Test]
    public async Task A_new_length_is_followed_live_and_epochs_are_the_contracts_at_every_border()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using ChainSide side = new(network);
        await side.ReadAsync();
        Assert.That(side.Registry.Snapshot()!.Epochs.Segments, Has.Count.EqualTo(1));
        side.Cut();
        await side.AnchorAllAsync();

        await network.GovernAsync(network.Deployment.Ledger, Contracts.Ledger.EncodeSetEpochSeconds(Shorter));
        await side.ReadAsync();
        Assert.That(side.Registry.Snapshot()!.Epochs.Segments, Has.Count.EqualTo(2), "known a whole epoch ahead");
        Assert.That(side.Registry.EpochSeconds, Is.EqualTo(TestNetwork.EpochSeconds), "and not begun");
        Contracts.LedgerReader ledger = new(network.Client, network.Deployment.Ledger);
        Assert.That(side.Registry.Snapshot()!.Epochs.Segments, Is.EqualTo((await ledger.ReadEpochsAsync()).Segments));

        ulong begins = side.Registry.Snapshot()!.Epochs.Segments[1].StartS;
        for (int i = 0; i < 24 && side.Registry.Snapshot()!.TimeS < begins + 3 * Shorter; i++)
        {
            await network.Node.AdvanceAsync(TimeSpan.FromSeconds(7));
            await side.ReadAsync();
            BlockMark head = side.Registry.Head!;
            Assert.That(side.Registry.Snapshot()!.Epochs.EpochAt(head.TimeS), Is.EqualTo((await ledger.ReadStateAsync(BlockTag.At(head.Number))).CurrentEpoch), $"at {head.TimeS} s");
        }

        Assert.That(side.Registry.EpochSeconds, Is.EqualTo(Shorter));
        for (int i = 0; i < 2; i++)
        {
            await network.Node.AdvanceAsync(TimeSpan.FromSeconds(Shorter));
            side.Cut();
            await side.AnchorAllAsync();
        }

        side.AssertEachBatchOnce(3, 3);
        IReadOnlyList<LedgerEntry> entries = side.RegistryLog.Ledger(0, 10);
        Assert.That(entries[2].Header.Epoch - entries[1].Header.Epoch, Is.LessThanOrEqualTo(2), "one after another, in short epochs");
    }

    [Test]
    public async Task A_restart_knows_the_lengths_and_a_late_reader_finds_them()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        await network.GovernAsync(network.Deployment.Ledger, Contracts.Ledger.EncodeSetEpochSeconds(Shorter));
        IReadOnlyList<EpochSegment> followed;
        using (ChainSide side = new(network))
        {
            await side.ReadAsync();
            followed = side.Registry.Epochs.Segments;
            Assert.That(followed, Has.Count.EqualTo(2));
        }

        using (ChainSide again = new(network)) Assert.That(again.Registry.Epochs.Segments, Is.EqualTo(followed), "before the chain is asked");
        File.Delete(Path.Combine(network.Folder, DePIN.Gateway.Operate.ChainDatabase.FileName));
        using ChainSide late = new(network);
        Assert.That(late.Registry.Epochs.Segments, Has.Count.EqualTo(1), "what the deployment record says");
        await late.ReadAsync();
        Assert.That(late.Registry.Epochs.Segments, Is.EqualTo(followed));
    }

    [Test]
    public async Task A_reorganisation_takes_a_new_length_back()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using ChainSide side = new(network);
        await network.Node.MineAsync(5);
        await side.ReadAsync();
        await network.GovernAsync(network.Deployment.Ledger, Contracts.Ledger.EncodeSetEpochSeconds(Shorter));
        await side.ReadAsync();
        Assert.That(side.Registry.Epochs.Segments, Has.Count.EqualTo(2));

        await network.Node.ReorganiseAsync(3);
        await network.DropPoolAsync();
        await network.Node.MineAsync(1);
        await side.ReadAsync();
        await side.ReadAsync();
        Assert.That(side.Registry.Epochs.Segments, Has.Count.EqualTo(1));
        Assert.That(side.Registry.Snapshot()!.Epochs.Segments, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_record_of_another_ledgers_epochs_is_refused()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        await network.GovernAsync(network.Deployment.Ledger, Contracts.Ledger.EncodeSetEpochSeconds(Shorter));
        ChainAddresses at = new(network.Deployment.ChainId, network.Deployment.DeviceRegistry, network.Deployment.GatewayRegistry, network.Deployment.Ledger, TestNetwork.EpochSeconds, 0);
        await new ChainReader(network.Client, at).CheckAsync(CancellationToken.None);
        ChainMismatchException? wrong = Assert.ThrowsAsync<ChainMismatchException>(() => new ChainReader(network.Client, at with { EpochSeconds = Shorter }).CheckAsync(CancellationToken.None));
        Assert.That(wrong!.Message, Does.Contain("first epochs were 60 s"));
    }
}
