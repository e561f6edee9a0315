using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Web.Page;

/// <summary>What changed in a second: the verdict, the numbers of the overview, and the reader's devices that sent something.</summary>
internal sealed record PageEvent(string Status, int Problems, long NowMs, IReadOnlyDictionary<string, string> Values, IReadOnlyList<PageDeviceEvent> Devices);

/// <summary>A device's newest frame.</summary>
internal sealed record PageDeviceEvent(string Device, ulong Sequence, long? ReceivedMs);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(PageEvent))]
[JsonSerializable(typeof(SeriesJson))]
internal sealed partial class PageJsonContext : JsonSerializerContext;

/// <summary>
/// Server-sent events: one when a page begins to listen, then one a second with all that changed meanwhile, at most <see cref="ReadersMax"/> readers;
/// nothing is made while nobody listens. A list of devices hears of its own rows only (<c>/events?after=…&amp;row=…</c>), so what a message costs does not grow
/// with the number of devices. Each has the log's row as its id: a browser that comes again gets what it missed.
/// </summary>
internal sealed class PageEvents(GatewayFacts facts, Func<DeviceIdValue?, IReadOnlyList<KnownDevice>> rows, IFrameStore frames, Func<HttpContext, bool> mayRead, TimeProvider time, ILogger log)
{
    public const int ReadersMax = 32;

    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<Reader, byte> _readers = new();
    private readonly Signal _came = new();

    /// <summary>GET /events: after, the device after which the reader's list begins (empty: from the first); row, the log's last row when the page was made.</summary>
    public async Task ServeAsync(HttpContext context)
    {
        ApiRequest.Allow(context, "after", "row");
        long row = (long)ApiRequest.Number(context, "row", 0);
        if (long.TryParse(context.Request.Headers["Last-Event-ID"], NumberStyles.None, CultureInfo.InvariantCulture, out long last)) row = Math.Max(row, last);
        IReadOnlyList<KnownDevice> shown = context.Request.Query["after"] is not { Count: 1 } after ? [] : rows(after == "" ? null : ApiRequest.Device("after", after));
        if (_readers.Count >= ReadersMax)
            throw new ProblemException(StatusCodes.Status503ServiceUnavailable, "Too many readers", $"{ReadersMax} pages are open already.", "Close one; this page works without live values too.");
        using EventStream stream = new(context);
        Reader mine = new(stream, [.. shown.Select(device => new Row(device) { Told = row })]);
        stream.Tell(Make(mine, facts.Health()));
        _readers[mine] = 0;
        _came.Raise();
        try
        {
            await stream.SendAsync(() => mayRead(context)).ConfigureAwait(false);
        }
        finally
        {
            _readers.TryRemove(mine, out _);
        }
    }

    /// <summary>Makes messages until <paramref name="stopping"/>, then ends the readers.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        bool isTold = false;
        try
        {
            while (true)
            {
                Task came = _came.WaitAsync(stopping);
                if (_readers.IsEmpty) await came.ConfigureAwait(false);
                await Task.Delay(Interval, time, stopping).ConfigureAwait(false);
                try
                {
                    if (_readers.IsEmpty) continue;
                    HealthJson health = facts.Health();
                    foreach (Reader reader in _readers.Keys) reader.Stream.Tell(Make(reader, health));
                    isTold = false;
                }
                catch (Exception fault) when (fault is StoreException or Microsoft.Data.Sqlite.SqliteException or IOException or System.Data.Common.DbException)
                {
                    // Readers hear nothing and say so; the store's own trouble is told elsewhere, this once.
                    if (!isTold) log.LogWarning(fault, "live values for the page stop until the store can be read");
                    isTold = true;
                }
            }
        }
        finally
        {
            foreach (Reader reader in _readers.Keys) reader.Stream.End();
        }
    }

    private byte[] Make(Reader reader, HealthJson health)
    {
        long id = frames.LastRow; // before the devices are looked at: what comes meanwhile is told twice and not never
        List<PageDeviceEvent> changed = [];
        foreach (Row shown in reader.Rows)
        {
            (ulong sequence, long row) = shown.Device.Log.Last;
            if (row <= shown.Told) continue;
            shown.Told = row;
            changed.Add(new PageDeviceEvent(shown.Device.Registration.Id.ToString(), sequence, frames.FrameAt(row)?.ReceivedMs));
        }

        PageEvent made = new(health.Status, health.Problems.Count, health.NowMs, PageSite.Numbers(health), changed);
        return Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"id: {id}\ndata: {JsonSerializer.Serialize(made, PageJsonContext.Default.PageEvent)}\n\n"));
    }

    private sealed record Reader(EventStream Stream, Row[] Rows);

    private sealed class Row(KnownDevice device)
    {
        public KnownDevice Device => device;

        /// <summary>The row that the reader knows of.</summary>
        public long Told { get; set; }
    }
}
