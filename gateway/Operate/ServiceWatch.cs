namespace DePIN.Gateway.Operate;

/// <summary>
/// Tells the service manager the truth: READY=1 once everything listens, WATCHDOG=1 only while <see cref="Progress"/> is proven, STOPPING=1 as soon as the
/// stop is asked for, and a line of status. When progress ends the signs of life end; systemd then starts the gateway anew (WatchdogSec= of the unit).
/// </summary>
public sealed class ServiceWatch(IServiceManager manager, Progress progress, Func<CancellationToken, Task> listening, Func<string> status, CancellationToken asked, TimeProvider time, ILogger log)
{
    /// <summary>Between two lines of status when nobody watches.</summary>
    public static readonly TimeSpan StatusInterval = TimeSpan.FromSeconds(30);

    /// <summary>Three signs fit into the manager's patience, so that one late commit ends nothing.</summary>
    private const int SignsPerTimeout = 3;

    private bool _moves = true;

    /// <summary>Runs until <paramref name="stopping"/>; stopped last, so that a drain is watched too.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        using CancellationTokenRegistration stop = asked.Register(() => manager.Tell("STOPPING=1\nSTATUS=Draining"));
        await listening(stopping).ConfigureAwait(false);
        if (!asked.IsCancellationRequested) manager.Tell("READY=1\nSTATUS=" + status());
        TimeSpan interval = manager.WatchdogTimeout / SignsPerTimeout ?? StatusInterval;
        while (true)
        {
            if (manager.WatchdogTimeout is not null) await SignAsync(interval, stopping).ConfigureAwait(false);
            else if (!asked.IsCancellationRequested) manager.Tell("STATUS=" + status());
            await Task.Delay(interval, time, stopping).ConfigureAwait(false);
        }
    }

    private async Task SignAsync(TimeSpan interval, CancellationToken stopping)
    {
        string? why = await progress.WhyNotAsync(interval, stopping).ConfigureAwait(false);
        if (why is null)
        {
            if (!_moves) log.LogInformation("the gateway moves again");
            manager.Tell(asked.IsCancellationRequested ? "WATCHDOG=1" : "WATCHDOG=1\nSTATUS=" + status());
        }
        else
        {
            if (_moves) log.LogError("no progress: {Reason}. The service manager is given no more signs of life until this ends", why);
            manager.Tell("STATUS=No progress: " + why.ReplaceLineEndings(" "));
        }

        _moves = why is null;
    }
}
