using System.Diagnostics;

namespace DePIN.Tests.Harness;

/// <summary>
/// Waits for a condition, asked again and again. The limit is far above what any machine needs: it turns a hang into a failure
/// with words, and no test's result depends on its length.
/// </summary>
public static class Eventually
{
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(4);

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    public static async Task TrueAsync(Func<Task<bool>> condition, string what, Func<string>? state = null)
    {
        long start = Stopwatch.GetTimestamp();
        while (!await condition().ConfigureAwait(false))
        {
            if (Stopwatch.GetElapsedTime(start) > Limit)
            {
                throw new TimeoutException($"within {Limit.TotalMinutes:0} minutes it did not happen that {what}. {state?.Invoke()}");
            }

            await Task.Delay(Interval).ConfigureAwait(false);
        }
    }

    public static Task TrueAsync(Func<bool> condition, string what, Func<string>? state = null) => TrueAsync(() => Task.FromResult(condition()), what, state);
}
