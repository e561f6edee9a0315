using System.Buffers;
using System.Text;
using DePIN.Evidence;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Store;
using DePIN.Protocol;

namespace DePIN.Gateway.Web;

/// <summary>
/// Publishes committed readings as SenML to MQTT subscribers (<c>depin/1/&lt;id&gt;/senml</c>), in the order of the log, and
/// the gateway's time once a minute (<c>depin/1/time</c>). From the start of the process on: what came before is read through
/// the API. Frames are not read while nobody subscribed to any readings.
/// </summary>
public sealed class ReadingExport(IFrameStore log, IReadingPublisher publisher, TimeProvider time)
{
    /// <summary>How often the time is published.</summary>
    public static readonly TimeSpan TimeInterval = TimeSpan.FromSeconds(60);

    private const int FramesPerReadMax = 512;

    /// <summary>Publishes until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        Task readings = ReadingsAsync(either.Token), times = TimesAsync(either.Token);
        Task first = await Task.WhenAny(readings, times).ConfigureAwait(false);
        await either.CancelAsync().ConfigureAwait(false);
        await first.ConfigureAwait(false);
    }

    /// <summary>One SenML pack of several frames: base values are set anew by each frame's first record (RFC 8428 section 4.1).</summary>
    public static byte[] Pack(IReadOnlyList<StoredFrame> frames)
    {
        ArgumentNullException.ThrowIfNull(frames);
        ArrayBufferWriter<byte> pack = new(), one = new();
        pack.Write("["u8);
        foreach (StoredFrame frame in frames)
        {
            one.ResetWrittenCount();
            if (SenMl.Write(frame.Frame, one, (ulong)frame.ReceivedMs) == 0) continue;
            if (pack.WrittenCount > 1) pack.Write(","u8);
            pack.Write(one.WrittenSpan[1..^1]);
        }

        pack.Write("]"u8);
        return pack.WrittenSpan.ToArray();
    }

    private async Task ReadingsAsync(CancellationToken stopping)
    {
        long row = log.LastRow;
        ArrayBufferWriter<byte> senml = new();
        byte[] id = new byte[DeviceId.Bytes];
        while (true)
        {
            await log.WaitForRowAsync(row, stopping).ConfigureAwait(false);
            long last = log.LastRow;
            // Asked after the row was read: who subscribes from now on gets what is stored from now on.
            if (!publisher.HasAnyReader)
            {
                row = last;
                continue;
            }

            last = Math.Min(last, row + FramesPerReadMax);
            foreach (StoredFrame frame in log.Frames(row + 1, last))
            {
                Buffer.BlockCopy(frame.Frame, FrameFormat.DeviceIdOffset, id, 0, id.Length);
                string device = DeviceId.ToText(id, 0);
                if (!publisher.HasReaders(device)) continue;
                senml.ResetWrittenCount();
                if (SenMl.Write(frame.Frame, senml, (ulong)frame.ReceivedMs) > 0) publisher.PublishReadings(device, senml.WrittenSpan);
            }

            row = last;
        }
    }

    private async Task TimesAsync(CancellationToken stopping)
    {
        while (true)
        {
            publisher.PublishTime();
            await Task.Delay(TimeInterval, time, stopping).ConfigureAwait(false);
        }
    }
}
