using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Chaos;

/// <summary>kill -9 of the real gateway process at random moments under load.</summary>
public sealed class GatewayKillTests
{
    private const int Rounds = 50;
    private const int Seed = 20261122;

    [Test]
    public async Task Fifty_kills_under_load_lose_nothing_acknowledged_and_double_no_anchor()
    {
        Random random = new(Seed);
        await using Network network = await Network.StartAsync(devices: 4);
        using CancellationTokenSource enough = new();
        Task loading = Task.WhenAll(network.Devices.Select(device => Task.Run(() => device.RunAsync(enough.Token))));
        for (int round = 0; round < Rounds; round++)
        {
            // The moment is random in progress made, not in time: a slow machine is killed at the same places.
            long target = network.Devices.Sum(device => device.Acknowledged) + random.Next(1, 250);
            await Eventually.TrueAsync(
                () => loading.IsCompleted || network.Devices.Sum(device => device.Acknowledged) >= target, $"frames are acknowledged in round {round}", network.GatewayLog);
            if (loading.IsCompleted)
            {
                await loading;
            }

            await network.Gateway.KillAsync();
            await network.Gateway.LaunchAsync(CancellationToken.None);
        }

        await enough.CancelAsync();
        await loading;
        await network.UntilAnchoredAsync();
        await network.AssertNothingLostNothingDoubledAsync(provenOnChainEach: 25);
        TestContext.Out.WriteLine($"{Rounds} kills (seed {Seed}): {network.Devices.Sum(device => device.Acknowledged)} frames acknowledged, {network.Devices.Sum(device => device.Reconnects)} reconnects, {(await network.AnchorsAsync()).Count} anchors");
    }
}
