namespace DePIN.Gateway.Operate;

/// <summary>Wakes everyone who waits. A signal without a waiter is lost, so waiters also have a timeout of their own.</summary>
public sealed class Signal
{
    private volatile TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes at the next <see cref="Raise"/>.</summary>
    public Task WaitAsync(CancellationToken stopping) => _next.Task.WaitAsync(stopping);

    /// <summary>Wakes all waiters.</summary>
    public void Raise() => Interlocked.Exchange(ref _next, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
}
