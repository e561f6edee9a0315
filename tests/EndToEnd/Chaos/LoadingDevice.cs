using DePIN.Mqtt;
using DePIN.Protocol;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Chaos;

/// <summary>
/// A device that publishes as fast as it is acknowledged and behaves as the firmware does: it keeps every frame until its PUBACK,
/// and after a lost connection sends again, in order, whatever was not acknowledged. Remembers what was.
/// </summary>
public sealed class LoadingDevice(SampleDevice device, Func<int> port, Func<string>? host = null, TimeSpan? rest = null) : IDisposable
{
    private const int Window = 16;

    /// <summary>After a full window a short rest, so that a test of a minute ends with thousands of frames and not with a million.</summary>
    private readonly TimeSpan pause = rest ?? TimeSpan.FromMilliseconds(100);

    private readonly Queue<(ulong Sequence, byte[] Frame)> kept = new();
    private readonly string topic = Topics.Frame(device.Text);
    private long acknowledged;

    public SampleDevice Device => device;

    /// <summary>Frames whose PUBACK came, and with it every frame before them.</summary>
    public long Acknowledged => Interlocked.Read(ref acknowledged);

    /// <summary>Connections that ended before they were asked to.</summary>
    public int Reconnects { get; private set; }

    /// <summary>Runs until <paramref name="enough"/> and everything made is acknowledged.</summary>
    public async Task RunAsync(CancellationToken enough)
    {
        while (!enough.IsCancellationRequested || kept.Count > 0)
        {
            try
            {
                await using MqttClient client = new(new MqttClientOptions { Host = host?.Invoke() ?? "127.0.0.1", Port = port(), ClientId = device.Text, InFlightMax = Window });
                if ((await client.ConnectAsync()).IsConnected)
                {
                    await PumpAsync(client, enough);
                }
            }
            catch (Exception error) when (error is IOException or System.Net.Sockets.SocketException or TimeoutException or InvalidOperationException or OperationCanceledException)
            {
                // the gateway is away; the frames are kept
            }

            Reconnects++;
            await Task.Delay(20);
        }
    }

    public void Dispose() => device.Dispose();

    private async Task PumpAsync(MqttClient client, CancellationToken enough)
    {
        Queue<Task<MqttAnswer>> flying = new();
        foreach ((_, byte[] frame) in kept)
        {
            flying.Enqueue(client.PublishAsync(topic, frame).AsTask());
        }

        while (client.IsConnected)
        {
            while (kept.Count < Window && !enough.IsCancellationRequested)
            {
                byte[] frame = device.NextFrame();
                kept.Enqueue((device.Sequence, frame));
                flying.Enqueue(client.PublishAsync(topic, frame).AsTask());
            }

            if (flying.Count == 0)
            {
                return;
            }

            if (device.Sequence % Window == 0)
            {
                await Task.Delay(pause);
            }

            MqttAnswer answer = await flying.Dequeue();
            if (!answer.IsAnswered)
            {
                return;
            }

            if (answer.Reason is MqttReason.QuotaExceeded or MqttReason.ImplementationSpecificError or MqttReason.ServerBusy)
            {
                await Task.Delay(pause); // "later": the gateway cannot take frames now
                return;
            }

            if (!answer.IsSuccess)
            {
                throw new AssertionException($"frame {kept.Peek().Sequence} of {device.Text} was refused with {answer.Reason}");
            }

            kept.Dequeue();
            Interlocked.Increment(ref acknowledged);
        }
    }
}
