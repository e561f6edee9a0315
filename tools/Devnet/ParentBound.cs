// Starts a process that does not outlive this one, even when this one is killed.
using System.Collections.Concurrent;
using System.Diagnostics;

namespace DePIN.Devnet;

/// <summary>
/// On Linux the child asks the kernel to be killed with its parent (PR_SET_PDEATHSIG, set by util-linux's setpriv before it
/// becomes the program, so the process id is the program's own). The signal comes when the *thread* that forked ends
/// (prctl(2)), so one thread that lives as long as the process does all the forking. Elsewhere only an orderly exit is covered.
/// </summary>
public static class ParentBound
{
    private static readonly string? SetPriv = OperatingSystem.IsLinux() ? ToolProcess.FindOnPath("setpriv") : null;
    private static readonly BlockingCollection<Action> Work = StartThread();

    /// <summary>Starts <paramref name="file"/> with its output redirected, bound to the life of this process.</summary>
    public static Process Start(string file, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        ProcessStartInfo start = new(SetPriv ?? file)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            CreateNoWindow = true,
        };
        if (SetPriv is not null)
        {
            start.ArgumentList.Add("--pdeathsig");
            start.ArgumentList.Add("KILL");
            start.ArgumentList.Add(file);
        }
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;

        TaskCompletionSource<Process> started = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Work.Add(() =>
        {
            try
            {
                started.SetResult(Process.Start(start) ?? throw new DevnetException($"{file} did not start."));
            }
            catch (Exception failure)
            {
                started.SetException(failure);
            }
        });
        return started.Task.GetAwaiter().GetResult();
    }

    private static BlockingCollection<Action> StartThread()
    {
        BlockingCollection<Action> work = new(boundedCapacity: 64);
        Thread thread = new(() =>
        {
            foreach (Action action in work.GetConsumingEnumerable())
                action();
        })
        { IsBackground = true, Name = "devnet-fork" };
        thread.Start();
        return work;
    }
}
