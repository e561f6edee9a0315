using System.Diagnostics;
using System.Text;
using System.Text.Json;
using DePIN.Devnet;

namespace DePIN.Tests.Harness;

/// <summary>
/// Runs one of the tests' Node.js scripts, the door to other people's implementations (viem, OpenZeppelin, MQTT.js): JSON in on
/// standard input, JSON out on standard output. Installs tests/node_modules from the lock file when it is missing or stale.
/// Bounded in time and output; a script that fails throws with what it printed.
/// </summary>
public static class NodeScript
{
    /// <summary>Longest run of one script.</summary>
    public static readonly TimeSpan RunTimeMax = TimeSpan.FromMinutes(3);

    private const int ErrorCharsMax = 4_000;

    /// <summary>Why scripts cannot run here, with what to install; null when they can. Under CI=true a test fails then, else it may skip.</summary>
    public static string? Missing => OnPath("node") && OnPath("npm")
        ? null
        : "Node.js with npm is not on the PATH: install Node.js 20 or later (https://nodejs.org).";

    /// <summary>The folder of a test project, e.g. <c>Folder("Evidence", "peers")</c>.</summary>
    public static string PathOf(params string[] parts) => Path.Combine([Repository.Root, "tests", .. parts]);

    /// <summary>Runs a script to its end.</summary>
    /// <param name="script">Full path, below tests/ so that its imports resolve.</param>
    /// <param name="input">JSON text for standard input.</param>
    /// <param name="stopping">Ends it.</param>
    /// <returns>What it wrote, parsed.</returns>
    /// <exception cref="InvalidOperationException">It failed, took too long, or did not write JSON.</exception>
    public static async Task<JsonElement> RunAsync(string script, ReadOnlyMemory<byte> input, CancellationToken stopping = default)
    {
        await NodePackages.EnsureAsync(Path.Combine(Repository.Root, "tests"), stopping).ConfigureAwait(false);
        ProcessStartInfo start = new("node")
        {
            WorkingDirectory = Path.GetDirectoryName(script),
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            UseShellExecute = false,
        };
        start.ArgumentList.Add(script);
        using CancellationTokenSource timeout = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        timeout.CancelAfter(RunTimeMax);
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"node did not start for {script}.");
        try
        {
            // Both pipes are read while the input is written: a script that answers early must not block on a full one.
            Task<string> output = process.StandardOutput.ReadToEndAsync(timeout.Token);
            Task<string> error = process.StandardError.ReadToEndAsync(timeout.Token);
            string inputFault = "";
            try
            {
                await process.StandardInput.BaseStream.WriteAsync(input, timeout.Token).ConfigureAwait(false);
                process.StandardInput.Close();
            }
            catch (IOException e)
            {
                inputFault = $" It did not read its input: {e.Message}"; // it ended early: its own words follow below
            }
            string text = await output.ConfigureAwait(false);
            string errors = await error.ConfigureAwait(false);
            await process.WaitForExitAsync(timeout.Token).ConfigureAwait(false);
            if (process.ExitCode != 0 || inputFault.Length > 0)
                throw new InvalidOperationException(
                    $"{script} ended with {process.ExitCode}.{inputFault}\n{errors[..Math.Min(errors.Length, ErrorCharsMax)]}");
            using JsonDocument document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            throw new InvalidOperationException($"{script} did not end within {RunTimeMax.TotalMinutes} minutes.");
        }
        catch (JsonException e)
        {
            throw new InvalidOperationException($"{script} did not write JSON.", e);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }

    private static bool OnPath(string program)
    {
        string[] names = OperatingSystem.IsWindows() ? [program + ".exe", program + ".cmd"] : [program];
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        return folders.Any(folder => names.Any(name => File.Exists(Path.Combine(folder, name))));
    }
}
