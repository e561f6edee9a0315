using System.Text.Json;
using DePIN.Cli.Serial;
using DePIN.Cli.Up;
using DePIN.Contracts;
using DePIN.Provision;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Chaos;

/// <summary>
/// kill -9 of the board's process while it signs and publishes. A killed process loses no written page; power cuts in the middle of
/// flash writes, which do, are injected below the ring in tests/Firmware/Keep.
/// </summary>
public sealed class BoardKillTests
{
    private const int Kills = 12;
    private const int Seed = 4711;

    [Test]
    public async Task A_board_that_is_killed_again_and_again_signs_no_sequence_twice_and_loses_no_frame()
    {
        Random random = new(Seed);
        using TempFolder folder = new();
        await using Network network = await Network.StartAsync(devices: 0);
        string boardFolder = folder.Sub("board");
        BoardSettings.DeployAuthority(network.Gateway, boardFolder);
        BoardState state = new("board", "model");
        LocalBoard board = LocalBoard.Start(state, boardFolder, Path.Combine(folder.Path, "board.log"), Seed);
        try
        {
            string device = await ProvisionAsync(board, network);
            for (int kill = 0; kill < Kills; kill++)
            {
                long target = random.Next(1, 6);
                await Eventually.TrueAsync(() => state.Acknowledged >= target, $"frames are acknowledged before kill {kill}", () => File.ReadAllText(Path.Combine(folder.Path, "board.log")));
                await board.Process.KillAsync();
                await board.DisposeAsync();
                state = new BoardState("board", "model");
                board = LocalBoard.Start(state, boardFolder, Path.Combine(folder.Path, "board.log"), Seed);
            }

            await Eventually.TrueAsync(() => state.Acknowledged >= 3, "the board goes on after the last kill", () => File.ReadAllText(Path.Combine(folder.Path, "board.log")));
            JsonElement frames = (await network.Gateway.Api.GetAsync($"/api/devices/{device}/frames?from=1&limit=1000", CancellationToken.None)).GetProperty("frames");
            ulong[] sequences = [.. frames.EnumerateArray().Select(frame => frame.GetProperty("sequence").GetUInt64())];
            uint[] boots = [.. frames.EnumerateArray().Select(frame => frame.GetProperty("bootCount").GetUInt32())];
            string metrics = System.Text.Encoding.UTF8.GetString(await network.Gateway.Api.GetBytesAsync("/metrics", "text/plain", CancellationToken.None));
            Assert.Multiple(() =>
            {
                Assert.That(sequences, Is.EqualTo(Enumerable.Range(1, sequences.Length).Select(number => (ulong)number)), "no gap and no double");
                Assert.That(boots, Is.Ordered);
                Assert.That(boots.Distinct().Count(), Is.GreaterThan(Kills / 2), "frames of many lives");
                Assert.That(metrics, Does.Not.Match("(?i)equivocation[^\\n]* [1-9]"), "no sequence is signed twice");
            });
        }
        finally
        {
            await board.DisposeAsync();
        }
    }

    private static async Task<string> ProvisionAsync(LocalBoard board, Network network)
    {
        using BoardLine line = await board.OpenSerialAsync(CancellationToken.None);
        BoardIdentity identity = await line.IdentifyAsync(CancellationToken.None);
        byte[] claim = await line.ClaimAsync(DeviceClaim.ChainIdWord(network.Chain.Deployment.ChainId), network.Chain.Deployment.DeviceRegistry.ToArray(), network.Chain.Owner.ToArray(), CancellationToken.None);
        await network.Chain.RegisterAsync(identity, claim, CancellationToken.None);
        await line.ConfigureAsync(BoardSettings.For(network.Gateway), CancellationToken.None);
        await line.RestartAsync(CancellationToken.None);
        return identity.DeviceId;
    }
}
