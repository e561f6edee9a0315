using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Threading.Channels;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Web.Page;

/// <summary>What changed in a second: the verdict, the numbers of the overview, and the devices that sent something.</summary>
internal sealed record PageEvent(string Status, int Problems, long NowMs, IReadOnlyDictionary<string, string> Values, IReadOnlyList<PageDeviceEvent> Devices);

/// <summary>A device's newest frame.</summary>
internal sealed record PageDeviceEvent(string Device, ulong Sequence, long? ReceivedMs);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(PageEvent))]
[JsonSerializable(typeof(SeriesJson))]
internal sealed partial class PageJsonContext : JsonSerializerContext;

/// <summary>
/// Server-sent events (HTML standard, section 9.2): once a second one message, made once and sent to all who listen; nothing is made while nobody does.
/// Only devices that changed are in it. A reader that falls <see cref="BehindMax"/> messages behind is cut off: its browser comes again by itself.
/// </summary>
internal sealed class PageEvents(GatewayFacts facts, DeviceTable devices, Func<KnownDevice, long?> lastReceived, TimeProvider time)
{
    public const int ReadersMax = 32;

    /// <summary>Messages that wait for one reader at most.</summary>
    public const int BehindMax = 8;

    /// <summary>Devices in one message at most; the rest comes with the next.</summary>
    public const int DevicesMax = 500;

    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<Channel<byte[]>, byte> _readers = new();
    private readonly Dictionary<int, ulong> _told = [];
    private readonly Signal _came = new();

    /// <summary>GET /events.</summary>
    public async Task ServeAsync(HttpContext context)
    {
        if (_readers.Count >= ReadersMax)
            throw new ProblemException(StatusCodes.Status503ServiceUnavailable, "Too many readers", $"{ReadersMax} pages are open already.", "Close one; this page works without live values too.");
        Channel<byte[]> mine = Channel.CreateBounded<byte[]>(BehindMax);
        _readers[mine] = 0;
        _came.Raise();
        try
        {
            context.Response.ContentType = "text/event-stream";
            context.Response.Headers.CacheControl = "no-store";
            context.Response.Headers["X-Accel-Buffering"] = "no";
            await context.Response.Body.WriteAsync("retry: 3000\n\n"u8.ToArray(), context.RequestAborted).ConfigureAwait(false);
            await context.Response.Body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
            await foreach (byte[] message in mine.Reader.ReadAllAsync(context.RequestAborted).ConfigureAwait(false))
            {
                await context.Response.Body.WriteAsync(message, context.RequestAborted).ConfigureAwait(false);
                await context.Response.Body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
            }
        }
        finally
        {
            _readers.TryRemove(mine, out _);
        }
    }

    /// <summary>Makes messages until <paramref name="stopping"/>, then ends the readers.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        try
        {
            while (true)
            {
                Task came = _came.WaitAsync(stopping);
                if (_readers.IsEmpty)
                {
                    await came.ConfigureAwait(false);
                    Forget(); // what changes from now on
                }

                byte[] message = Make();
                foreach (Channel<byte[]> reader in _readers.Keys)
                    if (!reader.Writer.TryWrite(message)) reader.Writer.TryComplete();
                await Task.Delay(Interval, time, stopping).ConfigureAwait(false);
            }
        }
        finally
        {
            foreach (Channel<byte[]> reader in _readers.Keys) reader.Writer.TryComplete();
        }
    }

    private void Forget()
    {
        foreach (KnownDevice device in devices.All) _told[device.Log.Device] = device.Log.LastSequence;
    }

    private byte[] Make()
    {
        HealthJson health = facts.Health();
        List<PageDeviceEvent> changed = [];
        foreach (KnownDevice device in devices.All)
        {
            ulong last = device.Log.LastSequence;
            if (_told.GetValueOrDefault(device.Log.Device) == last) continue;
            if (changed.Count == DevicesMax) break;
            _told[device.Log.Device] = last;
            changed.Add(new PageDeviceEvent(device.Registration.Id.ToString(), last, lastReceived(device)));
        }

        PageEvent made = new(health.Status, health.Problems.Count, health.NowMs, PageSite.Numbers(health), changed);
        return Encoding.UTF8.GetBytes("data: " + JsonSerializer.Serialize(made, PageJsonContext.Default.PageEvent) + "\n\n");
    }
}
