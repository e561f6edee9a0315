using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Chaos;

/// <summary>The gateway's chain.db is lost, or restored from an older backup, between two runs under load: nothing is anchored twice.</summary>
public sealed class ChainDatabaseLossTests
{
    private static readonly string[] Files = ["chain.db", "chain.db-wal", "chain.db-shm"];

    [Test]
    public async Task A_lost_or_older_chain_database_anchors_no_frame_twice([Values] bool olderBackup)
    {
        await using Network network = await Network.StartAsync(devices: 2);
        using CancellationTokenSource enough = new();
        Task loading = Task.WhenAll(network.Devices.Select(device => Task.Run(() => device.RunAsync(enough.Token))));
        string backup = Directory.CreateDirectory(Path.Combine(network.GatewayFolder, "backup")).FullName;
        await AnchorsAsync(network, 1);
        if (olderBackup)
        {
            await network.Gateway.KillAsync();
            Copy(network.GatewayFolder, backup);
            await network.Gateway.LaunchAsync(CancellationToken.None);
        }

        await AnchorsAsync(network, 3);
        await network.Gateway.KillAsync();
        foreach (string file in Files)
        {
            File.Delete(Path.Combine(network.GatewayFolder, file));
        }

        Copy(backup, network.GatewayFolder);
        int before = (await network.AnchorsAsync()).Count;
        await network.Gateway.LaunchAsync(CancellationToken.None);
        await AnchorsAsync(network, before + 2);

        await enough.CancelAsync();
        await loading;
        await network.UntilAnchoredAsync();
        await network.AssertNothingLostNothingDoubledAsync(provenOnChainEach: 20);
        TestContext.Out.WriteLine($"{before} anchors before, {(await network.AnchorsAsync()).Count} in all, {network.Devices.Sum(device => device.Acknowledged)} frames");
    }

    private static Task AnchorsAsync(Network network, int count) =>
        Eventually.TrueAsync(async () => (await network.AnchorsAsync()).Count >= count, $"{count} anchors are made", network.GatewayLog);

    private static void Copy(string from, string to)
    {
        foreach (string file in Files.Where(file => File.Exists(Path.Combine(from, file))))
        {
            File.Copy(Path.Combine(from, file), Path.Combine(to, file));
        }
    }
}
