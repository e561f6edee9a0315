using System.Diagnostics;
using System.Text.Json;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;

namespace DePIN.Cli.Bench;

/// <summary>A batch of a watched gateway. Times by <see cref="Stopwatch.GetTimestamp"/>, of the answer that first said so; 0 not yet.</summary>
internal sealed record WatchedBatch(long Frames, long CertifiedAt, long AnchoredAt);

/// <summary>
/// Asks one gateway what became of its batches: one short question, and the next so long after its answer. So a slow gateway is asked less,
/// and a time is late by at most the interval and one answer.
/// </summary>
internal sealed class BatchWatch(LocalGateway gateway)
{
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    /// <summary>More batches than ever wait at once.</summary>
    private const int PageMax = 200;

    private readonly Lock gate = new();
    private readonly List<WatchedBatch> batches = []; // by number, from 1
    private int anchored; // so many from the first on: not asked for again

    /// <summary>Frames of batches with a certificate.</summary>
    public long CertifiedFrames => Sum(static batch => batch.CertifiedAt != 0);

    /// <summary>Frames of the batches that are anchored, up to the first that is not.</summary>
    public long AnchoredFrames
    {
        get
        {
            lock (gate)
            {
                return batches.Take(anchored).Sum(static batch => batch.Frames);
            }
        }
    }

    public WatchedBatch this[ulong number]
    {
        get
        {
            lock (gate)
            {
                return batches[(int)number - 1];
            }
        }
    }

    /// <summary>Frames whose certificate was seen from <paramref name="from"/> on and before <paramref name="to"/>.</summary>
    public long CertifiedBetween(long from, long to) => Sum(batch => batch.CertifiedAt >= from && batch.CertifiedAt < to);

    public async Task RunAsync(CancellationToken stop)
    {
        while (true)
        {
            try
            {
                JsonElement page = await gateway.Api.GetAsync($"/api/batches?from={anchored + 1}&limit={PageMax}", stop).ConfigureAwait(false);
                Note(page.GetProperty("batches"), Stopwatch.GetTimestamp());
            }
            catch (CliError error) when (error.ExitCode == ExitCode.Unreachable && !gateway.Process!.HasExited)
            {
                // busy; asked again
            }

            await Task.Delay(Interval, stop).ConfigureAwait(false);
        }
    }

    private void Note(JsonElement page, long now)
    {
        lock (gate)
        {
            foreach (JsonElement one in page.EnumerateArray())
            {
                int index = (int)one.GetProperty("number").GetUInt64() - 1;
                if (index == batches.Count)
                {
                    batches.Add(new WatchedBatch(one.GetProperty("frames").GetInt64(), 0, 0));
                }

                string state = one.GetProperty("state").GetString()!;
                if (state == "void")
                {
                    throw new InvalidOperationException($"Batch {index + 1} of {gateway.Name} is void: no frame of the benchmark goes to two gateways.");
                }

                WatchedBatch batch = batches[index];
                batches[index] = batch with
                {
                    CertifiedAt = batch.CertifiedAt == 0 && state is ("certified" or "anchored") ? now : batch.CertifiedAt,
                    AnchoredAt = batch.AnchoredAt == 0 && state == "anchored" ? now : batch.AnchoredAt,
                };
            }

            while (anchored < batches.Count && batches[anchored].AnchoredAt != 0)
            {
                anchored++;
            }
        }
    }

    private long Sum(Func<WatchedBatch, bool> which)
    {
        lock (gate)
        {
            return batches.Where(which).Sum(static batch => batch.Frames);
        }
    }
}
