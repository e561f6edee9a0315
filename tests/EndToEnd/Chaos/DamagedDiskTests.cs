using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using DePIN.EndToEnd.Tests.Peers;
using DePIN.Tests.Harness;
using Microsoft.Data.Sqlite;

namespace DePIN.EndToEnd.Tests.Chaos;

/// <summary>Pages in the middle of a gateway's frames are gone from its disk: in a network they come back from peers, alone it says what is lost.</summary>
public sealed class DamagedDiskTests
{
    private const int PageBytes = 4_096, PagesLost = 3, FramesMin = 1_000;

    [Test]
    public async Task In_a_network_the_batches_come_back_from_peers()
    {
        await using GatewayNetwork network = await GatewayNetwork.StartAsync(3);
        network.StartLoad();
        await network.UntilAsync(() => Task.FromResult(network.Devices[1].Acknowledged > FramesMin), "frames to lose");
        await network.StopLoadAsync();
        await network.UntilAnchoredAsync();

        await network.Gateways[1].KillAsync();
        Damage(network.Folder(1));
        await network.Gateways[1].LaunchAsync(CancellationToken.None);
        Assert.That(Quarantine(network.Folder(1)), Does.Contain("could not be"), "the damage was found, and told");
        await network.UntilAsync(async () => (await MissingAsync(network.Gateways[1].Api.Url, network.Devices[1])).Missing.Count == 0, "every frame is back in its store");
        await network.AssertNothingLostNothingDoubledAsync();
        for (int i = 0; i < 3; i++) Assert.That(await network.EvidenceAsync(i), Is.Empty, "no number was signed twice");
    }

    [Test]
    public async Task Alone_it_says_which_frames_are_gone_and_gives_the_others()
    {
        await using Network network = await Network.StartAsync(devices: 1);
        LoadingDevice device = network.Devices[0];
        using CancellationTokenSource enough = new();
        Task loading = Task.Run(() => device.RunAsync(enough.Token));
        await Eventually.TrueAsync(() => device.Acknowledged > FramesMin, "frames to lose", network.GatewayLog);
        await enough.CancelAsync();
        await loading;
        await network.UntilAnchoredAsync();

        // Stopped in order: what the index knew is saved, so it can say what the disk lost. After a kill it knows what is left only.
        using (Process stop = Process.Start("kill", ["-TERM", network.Gateway.Process!.Id.ToString(CultureInfo.InvariantCulture)])) await stop.WaitForExitAsync();
        Assert.That(await network.Gateway.Process.WaitAsync(CancellationToken.None), Is.Zero);
        await network.Gateway.KillAsync();
        Damage(network.GatewayFolder);
        await network.Gateway.LaunchAsync(CancellationToken.None);
        (List<ulong> missing, HashSet<HttpStatusCode> said) = await MissingAsync(network.Gateway.Api.Url, device);
        Assert.That(said, Is.EquivalentTo(new[] { HttpStatusCode.OK, HttpStatusCode.Gone }));
        Assert.That(missing, Has.Count.InRange(1, PagesLost * PageBytes / 144), "frames of those pages, and no others");
        JsonElement health = await network.Gateway.Api.GetAsync("/health", CancellationToken.None);
        Assert.That(health.GetRawText(), Does.Contain("quarantine"));
    }

    /// <summary>Everything is in the file, and then pages in its middle are zero.</summary>
    private static void Damage(string gatewayFolder)
    {
        string file = Directory.EnumerateFiles(Path.Combine(gatewayFolder, "frames"), "*.db").Order(StringComparer.Ordinal).Last();
        using (SqliteConnection connection = new($"Data Source={file};Pooling=False"))
        {
            connection.Open();
            using SqliteCommand settle = connection.CreateCommand();
            settle.CommandText = "PRAGMA wal_checkpoint(TRUNCATE)";
            settle.ExecuteNonQuery();
        }

        using FileStream disk = File.OpenWrite(file);
        Assert.That(disk.Length, Is.GreaterThan(8 * PagesLost * PageBytes));
        disk.Position = disk.Length / PageBytes / 2 * PageBytes;
        disk.Write(new byte[PagesLost * PageBytes]);
    }

    private static string Quarantine(string gatewayFolder) => string.Concat(Directory.EnumerateFiles(Path.Combine(gatewayFolder, "quarantine"), "*.txt").Select(File.ReadAllText));

    /// <summary>The sequences that a device's gateway does not give, and with which answers.</summary>
    private static async Task<(List<ulong> Missing, HashSet<HttpStatusCode> Said)> MissingAsync(Uri gateway, LoadingDevice device)
    {
        using HttpClient http = new() { BaseAddress = gateway };
        List<ulong> missing = [];
        HashSet<HttpStatusCode> said = [];
        for (ulong sequence = 1; sequence <= (ulong)device.Acknowledged; sequence++)
        {
            using HttpResponseMessage answer = await http.GetAsync($"/api/devices/{device.Device.Text}/frames/{sequence}");
            said.Add(answer.StatusCode);
            if (!answer.IsSuccessStatusCode) missing.Add(sequence);
        }

        return (missing, said);
    }
}
