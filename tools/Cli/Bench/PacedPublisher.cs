using System.Diagnostics;
using System.Text;
using System.Threading.Channels;
using DePIN.Cli.Terminal;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Cli.Bench;

/// <summary>A device that publishes at a rate that can be changed, and remembers when each frame was acknowledged.</summary>
internal sealed class PacedPublisher : IAsyncDisposable
{
    /// <summary>Frames without a PUBACK at most; below the verifier's share of one device.</summary>
    private const int Window = 128;

    /// <summary>What a busy machine kept from being sent is sent later, at most so much of it, seconds.</summary>
    private const double CatchUpS = 0.5;

    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(10);

    private readonly SigningDevice device;
    private readonly int samples;
    private readonly byte[] topic;
    private readonly MqttClient client;
    private readonly CancellationTokenSource ending = new();
    private readonly Channel<Task<MqttAnswer>> answers = Channel.CreateBounded<Task<MqttAnswer>>(new BoundedChannelOptions(Window) { SingleReader = true, SingleWriter = true });
    private readonly List<long> ackedAt = [];
    private readonly Task sending;
    private readonly Task noting;
    private double framesPerSecond;
    private long sent;

    private PacedPublisher(SigningDevice device, int samples, MqttClient client)
    {
        (this.device, this.samples, this.client) = (device, samples, client);
        topic = Encoding.UTF8.GetBytes(Topics.Frame(device.Id.ToString()));
        noting = Task.Run(NoteAsync, CancellationToken.None);
        sending = Task.Run(SendAsync, CancellationToken.None);
    }

    public SigningDevice Device => device;

    /// <summary>0 until it is set.</summary>
    public double FramesPerSecond { get => Volatile.Read(ref framesPerSecond); set => Volatile.Write(ref framesPerSecond, value); }

    /// <summary>Frames handed to the connection; the gateway has stored no more than these.</summary>
    public long Sent => Interlocked.Read(ref sent);

    public int Acked
    {
        get
        {
            lock (ackedAt)
            {
                return ackedAt.Count;
            }
        }
    }

    public static async Task<PacedPublisher> StartAsync(SigningDevice device, int port, int samples, CancellationToken cancel)
    {
        MqttClient client = new(new MqttClientOptions { Host = "127.0.0.1", Port = port, ClientId = device.Id.ToString(), InFlightMax = Window, KeepAliveSeconds = 600 });
        try
        {
            MqttConnectResult result = await client.ConnectAsync(cancel).ConfigureAwait(false);
            return result.IsConnected ? new PacedPublisher(device, samples, client)
                : throw new CliError(ExitCode.Failed, $"a gateway refused a connection with code {result.Code}: {result.ReasonText}", "run it again; if it stays, 'depin bench ingest' loads one gateway alone");
        }
        catch
        {
            await client.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>When sequence <paramref name="sequence"/> was acknowledged, by <see cref="Stopwatch.GetTimestamp"/>.</summary>
    public long AckedAt(int sequence)
    {
        lock (ackedAt)
        {
            return ackedAt[sequence - 1];
        }
    }

    /// <summary>The first and the last sequence acknowledged from <paramref name="from"/> on and before <paramref name="to"/>; none when the second is smaller.</summary>
    public (int First, int Last) AckedBetween(long from, long to)
    {
        lock (ackedAt)
        {
            int before = ackedAt.Count(at => at < from); // they rise
            return (before + 1, ackedAt.Count(at => at < to));
        }
    }

    public void ThrowIfFailed()
    {
        foreach (Task task in (Task[])[noting, sending])
        {
            if (task.IsFaulted)
            {
                task.GetAwaiter().GetResult();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync().ConfigureAwait(false);
        await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await client.DisposeAsync().ConfigureAwait(false);
        await noting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        ending.Dispose();
    }

    private async Task SendAsync()
    {
        try
        {
            double owed = 0;
            long before = Stopwatch.GetTimestamp();
            while (true)
            {
                await Task.Delay(Tick, ending.Token).ConfigureAwait(false);
                (long now, double rate) = (Stopwatch.GetTimestamp(), FramesPerSecond);
                owed = Math.Min(owed + rate * Stopwatch.GetElapsedTime(before, now).TotalSeconds, Math.Max(1, rate * CatchUpS));
                before = now;
                for (; owed >= 1; owed--)
                {
                    byte[] frame = device.Next(samples);
                    Interlocked.Increment(ref sent);
                    Task<MqttAnswer> answer = client.PublishAsync(topic, frame, MqttQos.AtLeastOnce, false, ending.Token).AsTask();
                    await answers.Writer.WriteAsync(answer, ending.Token).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            answers.Writer.TryComplete();
        }
    }

    private async Task NoteAsync()
    {
        await foreach (Task<MqttAnswer> answer in answers.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
        {
            MqttAnswer result = await answer.ConfigureAwait(false);
            if (!result.IsSuccess)
            {
                throw new CliError(ExitCode.Failed, $"a gateway did not take a frame: {(result.IsAnswered ? result.Reason.ToString() : "no answer")}", "run it again, with fewer gateways on a small machine");
            }

            lock (ackedAt)
            {
                ackedAt.Add(Stopwatch.GetTimestamp());
            }
        }
    }
}
