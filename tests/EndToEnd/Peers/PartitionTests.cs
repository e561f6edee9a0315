using System.Text.Json;
using DePIN.Cli.Up;

namespace DePIN.EndToEnd.Tests.Peers;

/// <summary>Four real gateways, cut from each other, killed, wiped, with a wrong clock: nothing acknowledged is lost, and anchoring goes on while a quorum can talk.</summary>
public sealed class PartitionTests
{
    [Test]
    public async Task Two_against_two_waits_and_three_against_one_goes_on()
    {
        await using GatewayNetwork network = await GatewayNetwork.StartAsync(4);
        network.StartLoad();
        await network.UntilAnchorsAsync(1, "the first anchor");

        await network.Links.SplitAsync([0, 1], [2, 3]);
        await network.UntilAsync(async () => await network.ConnectedAsync(0) == 1 && await network.ConnectedAsync(3) == 1, "both halves see only themselves");
        // What had its quorum before the cut may still arrive; after that nothing can.
        int epochs = 0;
        for (int anchors = -1; epochs < 3;)
        {
            await Task.Delay(TimeSpan.FromSeconds(LocalChain.EpochSeconds));
            int now = (await network.AnchorsAsync()).Count;
            epochs = now == anchors ? epochs + 1 : 0;
            anchors = now;
        }

        long[] before = [.. network.Devices.Select(device => device.Acknowledged)];
        await network.UntilAsync(() => Task.FromResult(network.Devices.Select((device, i) => device.Acknowledged > before[i]).All(more => more)), "frames are acknowledged without a quorum");

        await network.Links.SplitAsync([0, 1, 2], [3]);
        await network.UntilAnchorsAsync(2, "three of four anchor again");
        await network.UntilAsync(async () => await network.ConnectedAsync(3) == 0, "the fourth is alone");
        await network.UntilAnchorsAsync(1, "three of four go on");

        await network.Links.JoinAsync();
        await network.StopLoadAsync();
        await network.UntilAnchoredAsync();
        await network.AssertNothingLostNothingDoubledAsync();
        for (int i = 0; i < 4; i++) Assert.That(await network.EvidenceAsync(i), Is.Empty, "nobody signed anything twice");
    }

    [Test]
    public async Task The_leader_is_killed_in_every_phase_of_an_epoch()
    {
        await using GatewayNetwork network = await GatewayNetwork.StartAsync(4);
        network.StartLoad();
        await network.UntilAnchorsAsync(1, "the first anchor");
        const int Phases = 6;
        for (int phase = 0; phase < Phases; phase++)
        {
            int leader = await NextLeaderAsync(network);
            await Task.Delay(TimeSpan.FromSeconds(LocalChain.EpochSeconds * (double)phase / Phases));
            await network.Gateways[leader].KillAsync();
            await network.UntilAnchorsAsync(1, $"the others anchor after the leader was killed in phase {phase}");
            await network.Gateways[leader].LaunchAsync(CancellationToken.None);
        }

        await network.StopLoadAsync();
        await network.UntilAnchoredAsync();
        await network.AssertNothingLostNothingDoubledAsync();
        for (int i = 0; i < 4; i++) Assert.That(await network.EvidenceAsync(i), Is.Empty, "nobody signed anything twice");
    }

    [Test]
    public async Task A_gateway_whose_disk_was_wiped_gets_its_batches_back_from_its_peers()
    {
        await using GatewayNetwork network = await GatewayNetwork.StartAsync(4);
        network.StartLoad();
        await network.UntilAnchorsAsync(2, "some anchors");
        await network.StopLoadAsync();
        await network.UntilAnchoredAsync();
        long acknowledged = network.Devices[2].Acknowledged;

        await network.Gateways[2].KillAsync();
        foreach (string path in Directory.EnumerateFileSystemEntries(network.Folder(2)))
        {
            if (Path.GetFileName(path) is "gateway.key" or "peer.key" or "gateway.json" or "ca.pem" or "ca.key" or "server.pem" or "server.key") continue; // what a person has a backup of
            if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
            else File.Delete(path);
        }

        await network.Gateways[2].LaunchAsync(CancellationToken.None);
        await network.UntilAsync(async () => await StoredAsync(network, 2) >= acknowledged, "every frame is back in its store");
        network.StartLoad();
        await network.UntilAsync(() => Task.FromResult(network.Devices[2].Acknowledged > acknowledged + 50), "it takes frames again");
        await network.StopLoadAsync();
        await network.UntilAnchoredAsync();
        await network.AssertNothingLostNothingDoubledAsync();
        for (int i = 0; i < 4; i++) Assert.That(await network.EvidenceAsync(i), Is.Empty, "no number was signed twice");
    }

    [Test]
    public async Task A_gateway_with_a_wrong_clock_takes_part()
    {
        string? library = Directory.Exists("/usr/lib") ? Directory.EnumerateFiles("/usr/lib", "libfaketime.so.1", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true }).FirstOrDefault() : null;
        if (library is null) Assert.Ignore("faketime is not installed: apt-get install faketime");
        await using GatewayNetwork network = await GatewayNetwork.StartAsync(4, (i, options) => i != 1 ? options : options with
        {
            Environment = new Dictionary<string, string> { ["LD_PRELOAD"] = library!, ["FAKETIME"] = "-400d", ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1" },
        });
        network.StartLoad();
        await network.UntilAnchorsAsync(3, "anchors");
        await network.StopLoadAsync();
        await network.UntilAnchoredAsync();
        await network.AssertNothingLostNothingDoubledAsync();
        JsonElement health = await network.Gateways[1].Api.GetAsync("/health", CancellationToken.None);
        Assert.That(health.GetProperty("problems").EnumerateArray().Select(p => p.GetProperty("name").GetString()), Has.Member("clock"), "it says so");
    }

    /// <summary>Waits for the next epoch and says who leads it.</summary>
    private static async Task<int> NextLeaderAsync(GatewayNetwork network)
    {
        ulong epoch = await EpochAsync(network);
        await network.UntilAsync(async () => await EpochAsync(network) > epoch, "the next epoch");
        for (int i = 0; i < network.Gateways.Count; i++)
        {
            JsonElement answer = await network.NetworkAsync(i);
            string? leader = answer.GetProperty("active").EnumerateArray().Where(peer => peer.GetProperty("place").GetInt32() == 1).Select(peer => peer.GetProperty("gateway").GetString()).FirstOrDefault();
            int index = network.Gateways.FindIndex(gateway => gateway.Identity.Address.ToString() == leader);
            if (index >= 0) return index;
        }

        throw new AssertionException("nobody says who leads");
    }

    private static async Task<ulong> EpochAsync(GatewayNetwork network)
    {
        ulong newest = 0;
        for (int i = 0; i < network.Gateways.Count; i++)
        {
            try
            {
                newest = Math.Max(newest, (await network.NetworkAsync(i)).GetProperty("epoch").GetUInt64());
            }
            catch (Exception away) when (away is DePIN.Cli.Terminal.CliError or InvalidOperationException)
            {
                // starting
            }
        }

        return newest;
    }

    private static async Task<long> StoredAsync(GatewayNetwork network, int index)
    {
        try
        {
            return (await network.Gateways[index].Api.GetAsync($"/api/devices/{network.Devices[index].Device.Text}", CancellationToken.None)).GetProperty("lastSequence").GetInt64();
        }
        catch (DePIN.Cli.Terminal.CliError)
        {
            return 0;
        }
    }
}
