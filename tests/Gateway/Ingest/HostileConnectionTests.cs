// 20,000 connections of broken packets over in-memory pipes: every one ends, nothing escapes, memory stays bounded, every refusal is counted.

using System.IO.Pipelines;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Ingest;

[TestFixture]
internal sealed class HostileConnectionTests
{
    private const int Seed = 20_260_602;
    private const int Connections = 20_000;

    [Test]
    public async Task Twenty_thousand_hostile_connections_end_without_a_fault()
    {
        FakeIntake intake = new() { Record = false };
        IngestSettings settings = new() { OpenTopics = true, SessionsMax = 100, RetainedMax = 50, DrainTimeout = TimeSpan.FromSeconds(1), SubscriptionsMax = 10 };
        MqttIngest ingest = new(settings, intake, TimeProvider.System, NullLoggerFactory.Instance);
        Random random = new(Seed);
        List<byte[]> packets = Conversation();
        for (int i = 0; i < Connections; i++)
        {
            intake.Decide = (i % 3) switch
            {
                0 => static (_, _) => new(FrameVerdict.Accepted),
                1 => static (_, _) => new(FrameVerdict.BadSignature),
                _ => static async (_, _) =>
                {
                    await Task.Yield();
                    return FrameVerdict.Busy;
                },
            };
            byte[] stream = Mutated(packets, random);
            DuplexPipe pipe = new();
            DefaultConnectionContext connection = new($"c{i}") { Transport = pipe.Server };
            Task served = ingest.ServeAsync(connection);
            await pipe.Client.Output.WriteAsync(stream);
            await pipe.Client.Output.CompleteAsync();
            Task read = DrainAsync(pipe.Client.Input);
            await served.WaitAsync(TimeSpan.FromSeconds(30));
            await pipe.Server.Output.CompleteAsync();
            await read.WaitAsync(TimeSpan.FromSeconds(30));
        }

        IngestMetrics metrics = ingest.Metrics;
        await Until.TrueAsync(() => ingest.IntakeBytes == 0, "the intake to be empty");
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long megabytes = GC.GetTotalMemory(true) >> 20;
        MqttResult[] seen = [.. Enum.GetValues<MqttResult>().Where(r => metrics.Malformed(r) > 0)];
        TestContext.Out.WriteLine($"{megabytes} MiB, {metrics.Publishes} publishes; " + string.Join(", ", seen.Select(r => $"{r} {metrics.Malformed(r)}")));
        Assert.That(metrics.Faults, Is.Zero);
        Assert.That(metrics.Connections, Is.Zero);
        Assert.That(ingest.SessionCount, Is.LessThanOrEqualTo(settings.SessionsMax));
        Assert.That(ingest.RetainedCount, Is.LessThanOrEqualTo(settings.RetainedMax));
        Assert.That(ingest.QueuedBytes, Is.LessThanOrEqualTo(settings.QueueBytesMax));
        Assert.That(megabytes, Is.LessThan(200));
        Assert.That(seen, Has.Length.GreaterThan(12), "The mutations are too tame.");
        metrics.Dispose();
    }

    private static List<byte[]> Conversation()
    {
        List<byte[]> packets = [];
        foreach (MqttVersion version in Enum.GetValues<MqttVersion>())
        {
            packets.Add(RawClient.Connect(version, "hostile"));
            packets.Add(RawClient.Subscribe(version, "a/+/#", 1));
            packets.Add(RawClient.Subscribe(version, $"depin/1/{IngestHost.Device}/verdict", 0));
            packets.Add(RawClient.Publish(version, IngestHost.FrameTopic, new byte[200], MqttQos.AtLeastOnce, 3));
            packets.Add(RawClient.Publish(version, "a/b/c", new byte[50], MqttQos.ExactlyOnce, 4, retain: true));
            packets.Add(Convert.FromHexString("62020004"));
            packets.Add(Convert.FromHexString("40020001"));
            packets.Add(Convert.FromHexString("c000"));
            packets.Add(Convert.FromHexString("e000"));
        }

        packets.Add(RawClient.Connect(MqttVersion.V5, "props", "11000000051500016116000161210014220003"));
        packets.Add(Convert.FromHexString("300a0003782f790323000201"));
        packets.Add(Convert.FromHexString("a206000100000161"));
        return packets;
    }

    private static byte[] Mutated(List<byte[]> packets, Random random)
    {
        int connect = random.Next(4) == 0 ? packets.Count - 3 : random.Next(2) * 9;
        List<byte> stream = [.. packets[connect]];
        int whole = stream.Count;
        for (int i = random.Next(12); i > 0; i--)
        {
            stream.AddRange(packets[random.Next(packets.Count)]);
        }

        byte[] bytes = [.. stream];
        int first = random.Next(4) == 0 ? 0 : Math.Min(whole, bytes.Length - 1); // Mostly spares CONNECT, to get behind it.
        for (int changes = random.Next(1, 4); changes > 0; changes--)
        {
            int at = random.Next(first, bytes.Length);
            bytes[at] = random.Next(3) switch { 0 => (byte)random.Next(256), 1 => (byte)(bytes[at] ^ (1 << random.Next(8))), _ => 0xFF };
        }

        return random.Next(5) == 0 ? bytes[..random.Next(1, bytes.Length + 1)] : bytes;
    }

    private static async Task DrainAsync(PipeReader reader)
    {
        while (true)
        {
            ReadResult result = await reader.ReadAsync();
            reader.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                return;
            }
        }
    }

    private sealed class DuplexPipe
    {
        private readonly Pipe _toServer = new();
        private readonly Pipe _toClient = new();

        public IDuplexPipe Server => new Side(_toServer.Reader, _toClient.Writer);

        public IDuplexPipe Client => new Side(_toClient.Reader, _toServer.Writer);

        private sealed record Side(PipeReader Input, PipeWriter Output) : IDuplexPipe;
    }
}
