// Power for the board: runs the firmware, starts it again when it asked for a restart or fell over, as a chip's reset does, and
// switches it off on SIGTERM, SIGINT, or when the parent process is gone.

using System.Diagnostics;
using System.Runtime.InteropServices;
using DePIN.Firmware.Board;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.VirtualBoard;

/// <summary>One switched-on board.</summary>
/// <param name="hardware">What is on it.</param>
/// <param name="flash">Its I: drive.</param>
/// <param name="log">Its console.</param>
/// <param name="time">Its clocks; the host's when null.</param>
public sealed class BoardRun(VirtualHardware hardware, IFlash flash, TextWriter log, ITimeSource? time = null) : IDisposable
{
    private const int FaultRestartMs = 5000;
    private const int ParentPollMs = 500;

    private readonly Lock _gate = new();
    private readonly ManualResetEventSlim _off = new();
    private ManualResetEvent _stop = new(false);

    /// <summary>Where the slots are, told to the loader; null starts the firmware that this program is built with.</summary>
    public string? LoaderRoot { get; init; }

    /// <summary>Runs until it is switched off.</summary>
    public void Run()
    {
        hardware.PowerOn();
        bool woken = false;
        while (!_off.IsSet)
        {
            ManualResetEvent stop;
            lock (_gate)
            {
                _stop = stop = new ManualResetEvent(false);
            }

            if (_off.IsSet)
            {
                return;
            }

            if (woken)
            {
                hardware.Wake();
            }
            else
            {
                hardware.Reset();
            }

            woken = false;
            try
            {
                Start(stop);
                log.WriteLine(_off.IsSet ? "off" : "restart");
            }
            catch (VirtualDeepSleepException sleep)
            {
                woken = SleepOut(sleep.Length);
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                log.WriteLine($"fault where=start message={e.GetType().Name}: {e.Message}");
                stop.Set();
                _off.Wait(FaultRestartMs);
            }
        }
    }

    /// <summary>Switches the board off: the firmware ends its round and the connection, then <see cref="Run"/> returns.</summary>
    public void SwitchOff()
    {
        lock (_gate)
        {
            _off.Set();
            _stop.Set();
        }
    }

    /// <summary>Starts the firmware again, as the debug protocol's reboot does.</summary>
    public void Restart()
    {
        lock (_gate)
        {
            _stop.Set();
        }
    }

    /// <summary>Switches off on SIGTERM and SIGINT.</summary>
    public IDisposable SwitchOffOnSignals() => new SignalHandlers(this);

    /// <summary>Switches off when that process is gone; 0 watches nobody.</summary>
    public void SwitchOffWithout(int process)
    {
        if (process != 0)
        {
            new Thread(() => Watch(process)) { IsBackground = true, Name = "parent" }.Start();
        }
    }

    public void Dispose() => _off.Dispose();

    // By the board's clock. False: it was switched off meanwhile.
    private bool SleepOut(TimeSpan length)
    {
        using ManualResetEventSlim over = new();
        using ITimer timer = hardware.Time.CreateTimer(_ => over.Set(), null, length > TimeSpan.Zero ? length : Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        return WaitHandle.WaitAny([over.WaitHandle, _off.WaitHandle]) == 0;
    }

    // The loader loads another copy of the firmware, whose types are not ours: a path and an event are all that crosses.
    private void Start(ManualResetEvent stop)
    {
        if (LoaderRoot is null)
        {
            DePIN.Firmware.Program.Start(flash, time ?? new DeviceTime(), new StopSignal(stop));
        }
        else if (!new DePIN.Loader.SlotLoader(flash, LoaderRoot, stop).Run())
        {
            _off.Wait(FaultRestartMs);
        }
    }

    private void Watch(int process)
    {
        try
        {
            using Process parent = Process.GetProcessById(process);
            while (!parent.WaitForExit(ParentPollMs) && !_off.IsSet)
            {
            }
        }
        catch (ArgumentException)
        {
            // Already gone.
        }

        SwitchOff();
    }

    private sealed class SignalHandlers : IDisposable
    {
        private readonly PosixSignalRegistration _terminate;
        private readonly PosixSignalRegistration _interrupt;

        public SignalHandlers(BoardRun board)
        {
            void Off(PosixSignalContext context)
            {
                context.Cancel = true;
                board.SwitchOff();
            }

            _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Off);
            _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Off);
        }

        public void Dispose()
        {
            _terminate.Dispose();
            _interrupt.Dispose();
        }
    }
}
