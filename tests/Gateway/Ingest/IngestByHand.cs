// Run by hand: the listener's throughput without verification and storage, and the Eclipse Paho interoperability suite.

using System.Diagnostics;
using DePIN.Gateway.Ingest;
using DePIN.Mqtt;

namespace DePIN.Gateway.Tests.Ingest;

[TestFixture]
[Category("ByHand"), Explicit("Figures and foreign suites, by hand.")]
internal sealed class IngestByHand
{
    // dotnet test tests/Gateway -c Release --filter "FullyQualifiedName~Acknowledged_frames_per_second" --logger "console;verbosity=detailed"
    [Test]
    public async Task Acknowledged_frames_per_second()
    {
        const int Connections = 50;
        const int Window = 20;
        const int Seconds = 5;
        await using IngestHost host = await IngestHost.StartAsync(intake: new FakeIntake { Record = false });
        byte[] payload = new byte[200];
        using CancellationTokenSource stop = new();
        long acknowledged = 0;
        List<Task> load = [];
        for (int c = 0; c < Connections; c++)
        {
            MqttClient client = await host.ConnectAsync(o => o with { ClientId = $"load-{c}", InFlightMax = Window, Version = MqttVersion.V311 });
            for (int w = 0; w < Window; w++)
            {
                load.Add(Task.Run(async () =>
                {
                    long mine = 0;
                    while (!stop.IsCancellationRequested)
                    {
                        MqttAnswer answer = await client.PublishAsync(IngestHost.FrameTopic, payload);
                        Assert.That(answer.IsSuccess);
                        mine++;
                    }

                    Interlocked.Add(ref acknowledged, mine);
                }));
            }
        }

        long start = Stopwatch.GetTimestamp();
        long allocated = GC.GetTotalAllocatedBytes();
        await Task.Delay(TimeSpan.FromSeconds(Seconds));
        await stop.CancelAsync();
        await Task.WhenAll(load);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        TestContext.Out.WriteLine($"{acknowledged / seconds:N0} acknowledged/s, {(GC.GetTotalAllocatedBytes() - allocated) / (double)acknowledged:0} bytes allocated each, client and listener in one process");
    }

    // PAHO=<checkout of eclipse-paho/paho.mqtt.testing>/interoperability dotnet test tests/Gateway --filter "FullyQualifiedName~Paho"
    [TestCase("client_test.py")]
    [TestCase("client_test5.py")]
    public async Task The_Paho_interoperability_suite_passes(string script)
    {
        string? folder = Environment.GetEnvironmentVariable("PAHO");
        Assert.That(folder, Is.Not.Null, "Set PAHO to the suite's interoperability folder.");
        // The 3.1.1 script only knows the standard port: its argument parser and unittest's are at odds.
        bool five = script == "client_test5.py";
        await using IngestHost host = await IngestHost.StartAsync(s => s with
        {
            Plain = new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, five ? 0 : 1883),
            OpenTopics = true, KeepAliveSecondsMax = 60, PacketBytesMax = 60_000, ReceiveMaximum = 20,
        });
        ProcessStartInfo start = new("python3", five ? [script, "-p", $"{host.Port}", "-v"] : [script]) { WorkingDirectory = folder, RedirectStandardError = true, RedirectStandardOutput = true };
        using Process python = Process.Start(start)!;
        Task<string> output = python.StandardOutput.ReadToEndAsync();
        string errors = await python.StandardError.ReadToEndAsync();
        await python.WaitForExitAsync();
        TestContext.Out.WriteLine(errors);
        TestContext.Out.WriteLine((await output)[..Math.Min(4000, (await output).Length)]);
        Assert.That(python.ExitCode, Is.Zero);
    }
}
