using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Chaos;

/// <summary>The chain goes away, comes back, and changes its mind, while real frames keep coming: the gateway recovers alone.</summary>
public sealed class ChainTroubleTests
{
    [Test]
    public async Task The_node_is_restarted_and_its_port_refuses_for_a_minute()
    {
        await using Network network = await Network.StartAsync(devices: 2);
        using CancellationTokenSource enough = new();
        Task loading = Task.WhenAll(network.Devices.Select(device => Task.Run(() => device.RunAsync(enough.Token))));
        await Eventually.TrueAsync(async () => (await network.AnchorsAsync()).Count >= 2, "two anchors are made", network.Told);

        await network.Chain.Node.StopAsync(); // in order: anvil's own state file does not survive a kill in the middle of its writing
        long before = network.Devices.Sum(device => device.Acknowledged);
        await Task.Delay(TimeSpan.FromMinutes(1)); // the outage itself, as the issue names it
        Assert.That(network.Devices.Sum(device => device.Acknowledged), Is.GreaterThan(before), "frames are acknowledged while the chain is away");
        await network.Chain.Node.RestartAsync();

        await enough.CancelAsync();
        await loading;
        await network.UntilAnchoredAsync();
        await network.AssertNothingLostNothingDoubledAsync(provenOnChainEach: 20);
    }

    [Test]
    public async Task Five_blocks_are_reorganised_away_again_and_again()
    {
        await using Network network = await Network.StartAsync(devices: 2);
        using CancellationTokenSource enough = new();
        Task loading = Task.WhenAll(network.Devices.Select(device => Task.Run(() => device.RunAsync(enough.Token))));
        for (int reorg = 0; reorg < 4; reorg++)
        {
            int anchors = (await network.AnchorsAsync()).Count;
            await Eventually.TrueAsync(async () => (await network.AnchorsAsync()).Count > anchors, $"an anchor is made before reorganisation {reorg}", network.Told);
            await network.Chain.Node.ReorganiseAsync(5);
        }

        await enough.CancelAsync();
        await loading;
        await network.UntilAnchoredAsync();
        await network.AssertNothingLostNothingDoubledAsync(provenOnChainEach: 20);
    }
}
