namespace DePIN.Gateway.Operate;

/// <summary>One running part: its name in logs and /health, and its main method.</summary>
public sealed record Stage(string Name, Func<CancellationToken, Task> RunAsync);

/// <summary>
/// Runs the stages together. They are given in the order of the data; on a stop they are stopped one by one in that
/// order, so what a stage has taken in reaches the next before that one ends (drain). When one fails, all the others
/// are stopped the same way and the failure is thrown.
/// </summary>
public static class Stages
{
    /// <summary>One stage may take this long to end after it was asked to; then the next is asked.</summary>
    public static readonly TimeSpan DrainMax = TimeSpan.FromSeconds(10);

    /// <summary>Completes when every stage has ended (or did not within <see cref="DrainMax"/>). Throws the first failure.</summary>
    public static async Task RunAsync(TimeProvider time, ILogger log, CancellationToken stopping, params IReadOnlyList<Stage> stages)
    {
        CancellationTokenSource[] stops = [.. stages.Select(_ => new CancellationTokenSource())];
        Task[] running = [.. stages.Select((stage, i) => RunOneAsync(stage, stops[i].Token))];
        Task stopped = Task.Delay(Timeout.InfiniteTimeSpan, time, stopping);
        Task first = await Task.WhenAny([stopped, .. running]).ConfigureAwait(false);
        if (first != stopped) log.LogError("{Stage} ended; stopping the others", stages[Array.IndexOf(running, first)].Name);

        Exception? failure = null;
        for (int i = 0; i < stages.Count; i++)
        {
            await stops[i].CancelAsync().ConfigureAwait(false);
            try
            {
                await running[i].WaitAsync(DrainMax, time, CancellationToken.None).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                log.LogError("{Stage} did not end within {Seconds} s", stages[i].Name, DrainMax.TotalSeconds);
                failure ??= new TimeoutException($"{stages[i].Name} did not end within {DrainMax.TotalSeconds} s");
            }
            catch (OperationCanceledException) when (stops[i].IsCancellationRequested)
            {
                // The usual way for a stage to end.
            }
            catch (Exception fault)
            {
                log.LogError(fault, "{Stage} failed", stages[i].Name);
                failure ??= fault;
            }
        }

        if (failure is null && first != stopped) failure = new InvalidOperationException($"{stages[Array.IndexOf(running, first)].Name} ended without being asked to.");
        if (failure is not null) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>A stage that is switched off: waits for its stop.</summary>
    public static Task IdleAsync(CancellationToken stopping) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stopping);

    /// <summary>A stage that throws before its first await fails like any other.</summary>
    private static async Task RunOneAsync(Stage stage, CancellationToken stop)
    {
        await Task.Yield();
        await stage.RunAsync(stop).ConfigureAwait(false);
    }
}
