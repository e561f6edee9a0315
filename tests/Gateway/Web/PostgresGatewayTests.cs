using System.Diagnostics;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Tests.Anchor;
using DePIN.Mqtt;
using DePIN.Protocol;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Web;

/// <summary>Several gateway processes with one identity and one PostgreSQL: real processes, a real chain, boards that go to whichever answers.</summary>
internal sealed class PostgresGatewayTests
{
    private const int FramesPerDevice = 120;
    private const int TurnsAway = 40; // a process that failed is left alone for so many attempts, as boards do: a paused one costs 5 s each

    [Test]
    public async Task Processes_of_one_identity_share_its_work_and_a_killed_or_paused_leader_is_replaced()
    {
        PostgresServer server = await PostgresForTests.Server.Value;
        string database = "g" + Guid.NewGuid().ToString("N");
        await server.CreateDatabaseAsync(database);
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice[] devices = [new(31), new(32), new(33)];
        foreach (TestDevice device in devices) await network.RegisterAsync(device);
        string store = $$"""{ "postgres": "{{server.Uri(database)}}?sslmode=disable", "passwordFile": "{{server.PasswordFile}}" }""";
        await using GatewayProcess one = new(network, name: "one", store: store), two = new(network, name: "two", store: store), three = new(network, name: "three", store: store);
        GatewayProcess[] processes = [one, two, three];
        await one.StartAsync();
        foreach (GatewayProcess process in processes[1..])
        {
            File.Copy(Path.Combine(one.DataFolder, PeerKey.FileName), Path.Combine(process.DataFolder, PeerKey.FileName)); // one identity: one key for peers
            await process.StartAsync();
        }

        int sent = 0;
        Task[] sending = [.. devices.Select((device, i) => SendAsync(device, processes, i, () => Interlocked.Increment(ref sent)))];
        await SentAsync(devices.Length * FramesPerDevice / 3);
        GatewayProcess killed = await LeaderAsync(server, database, processes, not: null);
        long start = Stopwatch.GetTimestamp();
        await killed.KillAsync();
        GatewayProcess paused = await LeaderAsync(server, database, processes, not: killed);
        TestContext.Out.WriteLine($"another process leads {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s after kill -9");

        await SentAsync(devices.Length * FramesPerDevice * 2 / 3);
        start = Stopwatch.GetTimestamp();
        await paused.SignalAsync("STOP");
        GatewayProcess leader = await LeaderAsync(server, database, processes, not: paused);
        TestContext.Out.WriteLine($"another process leads {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s after SIGSTOP");
        await Task.WhenAll(sending);
        await paused.SignalAsync("CONT");
        Assert.That(await paused.EndedAsync(), Is.EqualTo(ExitCodes.Failed), "a leader that lost the lead ends, to be started anew as a follower");
        Assert.That(paused.Output(), Does.Contain("Another process took the lead"));

        string total = (devices.Length * FramesPerDevice).ToString(System.Globalization.CultureInfo.InvariantCulture);
        await Eventually.TrueAsync(async () => await server.PsqlAsync(database, "SELECT value FROM store_state WHERE key = 'cut_row'") == total, "every frame is in a batch", leader.Output);
        await Eventually.TrueAsync(async () => await server.PsqlAsync(database, "SELECT (SELECT count(*) FROM batches) = (SELECT count(*) FROM network_batches WHERE certified = 1)") == "t", "every batch is certified", leader.Output);
        Assert.That(await server.PsqlAsync(database, "SELECT count(*), count(DISTINCT (device, sequence)), max(row) FROM frames"), Is.EqualTo($"{total}|{total}|{total}"), "each acknowledged frame once, no holes");
        Assert.That(await server.PsqlAsync(database, "SELECT count(*) FROM frames f WHERE (SELECT count(*) FROM batches b WHERE f.row BETWEEN b.first_row AND b.last_row) <> 1"), Is.EqualTo("0"), "each in exactly one batch");
        Assert.That(await server.PsqlAsync(database, "SELECT count(*) FROM batches b JOIN network_batches n ON n.hash = b.hash"), Is.EqualTo(await server.PsqlAsync(database, "SELECT max(number) FROM batches")), "one header a number, signed as it was cut");
        Assert.That(await server.PsqlAsync(database, "SELECT count(*) FROM misconduct"), Is.EqualTo("0"));

        Task SentAsync(int count) => Eventually.TrueAsync(() => Volatile.Read(ref sent) >= count || sending.Any(s => s.IsFaulted), $"{count} frames are acknowledged", () => string.Join('\n', processes.Select(p => p.Output())));
    }

    private static async Task<GatewayProcess> LeaderAsync(PostgresServer server, string database, GatewayProcess[] processes, GatewayProcess? not)
    {
        GatewayProcess? leader = null;
        await Eventually.TrueAsync(async () =>
        {
            string holder = await server.PsqlAsync(database, "SELECT holder FROM leader");
            leader = processes.FirstOrDefault(p => p != not && holder.EndsWith($" {p.Id}", StringComparison.Ordinal));
            return leader is not null;
        }, "a process leads");
        return leader!;
    }

    /// <summary>A board that sends each frame until one of the processes acknowledged it, and every fourth to a second one too: an answer may have been lost.</summary>
    private static async Task SendAsync(TestDevice device, GatewayProcess[] processes, int first, Action acknowledged)
    {
        MqttClient?[] clients = new MqttClient?[processes.Length];
        int[] away = new int[processes.Length];
        int at = first;
        for (int i = 0; i < FramesPerDevice; i++)
        {
            byte[] frame = device.NextFrame();
            for (int copies = i % 4 == 0 ? 2 : 1; copies > 0;)
            {
                at = (at + 1) % processes.Length;
                if (away[at] > 0)
                {
                    away[at]--;
                    continue;
                }

                if (await TrySendAsync(at, frame)) copies--;
                else await Task.Delay(20);
            }

            acknowledged();
            await Task.Delay(20);
        }

        foreach (MqttClient? client in clients)
            if (client is not null) await client.DisposeAsync();

        async Task<bool> TrySendAsync(int process, byte[] frame)
        {
            try
            {
                if (clients[process] is null)
                {
                    MqttClient client = new(new MqttClientOptions { Host = "127.0.0.1", Port = processes[process].Mqtt.Port, ClientId = device.Text });
                    clients[process] = client;
                    if (!(await client.ConnectAsync().WaitAsync(TimeSpan.FromSeconds(5))).IsConnected) throw new IOException("refused");
                }

                return (await clients[process]!.PublishAsync(Topics.Frame(device.Text), frame).AsTask().WaitAsync(TimeSpan.FromSeconds(5))).IsSuccess;
            }
            catch (Exception fault) when (fault is IOException or TimeoutException or InvalidOperationException or OperationCanceledException or System.Net.Sockets.SocketException)
            {
                if (clients[process] is { } gone) _ = gone.DisposeAsync().AsTask();
                clients[process] = null;
                away[process] = TurnsAway;
                return false;
            }
        }
    }
}
