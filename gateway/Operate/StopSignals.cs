using System.Runtime.InteropServices;

namespace DePIN.Gateway.Operate;

/// <summary>Turns SIGTERM (service managers) and SIGINT (Ctrl-C) into one cancellation, so that every stage drains before the process ends.</summary>
public sealed class StopSignals : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly PosixSignalRegistration _term;
    private readonly PosixSignalRegistration _interrupt;

    public StopSignals(ILogger log)
    {
        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true; // the runtime must not end the process: the stages drain first
            log.LogInformation("{Signal}: stopping", signal.Signal);
            _stop.Cancel();
        }

        _term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
    }

    public CancellationToken Token => _stop.Token;

    public void Dispose()
    {
        _term.Dispose();
        _interrupt.Dispose();
        _stop.Dispose();
    }
}
