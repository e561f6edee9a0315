namespace DePIN.Gateway.Operate;

/// <summary>For a web host inside a stage: the gateway's own entry point handles signals, the host must not.</summary>
internal sealed class StageLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
