// Installs a folder's node packages from its lock file, once, however many processes ask at the same time.
using System.Security.Cryptography;

namespace DePIN.Devnet;

/// <summary>
/// Makes <c>node_modules</c> of a folder match its <c>package-lock.json</c>: <c>npm ci --ignore-scripts</c> when it is
/// missing or was installed from another lock file. Test projects run in parallel processes, so a file lock orders them.
/// </summary>
public static class NodePackages
{
    /// <summary>How long one process waits for another's installation.</summary>
    public const int LockWaitMs = 10 * 60 * 1000;

    private const int LockPollMs = 200;
    private const string Stamp = ".depin-lock-sha256";

    /// <summary>Installs when needed. Returns at once, without starting a process, when nothing is.</summary>
    /// <param name="folder">The folder with package.json and package-lock.json.</param>
    /// <param name="ct">Ends the wait and the installation.</param>
    /// <exception cref="DevnetException">No lock file, no Node.js, or npm failed; the message says what to do.</exception>
    public static async Task EnsureAsync(string folder, CancellationToken ct = default)
    {
        string lockFile = Path.Combine(folder, "package-lock.json");
        if (!File.Exists(lockFile))
            throw new DevnetException($"{lockFile} is missing: run 'npm install --package-lock-only --omit-lockfile-registry-resolved' there and commit it.");
        string wanted = Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(lockFile, ct).ConfigureAwait(false)));
        if (IsInstalled(folder, wanted))
            return;

        using FileStream held = await HoldAsync(folder, ct).ConfigureAwait(false);
        if (IsInstalled(folder, wanted))
            return;

        string npm = ToolProcess.FindOnPath("npm")
            ?? throw new DevnetException("npm is not on the PATH: install Node.js 20 or later (https://nodejs.org), then run this again.");
        ToolResult result = await ToolProcess.RunAsync(npm, ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder, null, ct).ConfigureAwait(false);
        if (result.ExitCode != 0)
            throw new DevnetException($"'npm ci --ignore-scripts' failed in {folder} (exit {result.ExitCode}). Check the network or the registry ('npm config get registry').\n{result.Error.Trim()}");
        await File.WriteAllTextAsync(Path.Combine(folder, "node_modules", Stamp), wanted, ct).ConfigureAwait(false);
    }

    private static bool IsInstalled(string folder, string wanted)
    {
        string stamp = Path.Combine(folder, "node_modules", Stamp);
        if (File.Exists(stamp))
            return File.ReadAllText(stamp) == wanted;
        // Installed by hand: npm writes its own lock last, so one newer than ours is of ours.
        string installed = Path.Combine(folder, "node_modules", ".package-lock.json");
        return File.Exists(installed) && File.GetLastWriteTimeUtc(installed) >= File.GetLastWriteTimeUtc(Path.Combine(folder, "package-lock.json"));
    }

    // Beside node_modules, which npm ci removes, and ignored by git.
    private static async Task<FileStream> HoldAsync(string folder, CancellationToken ct)
    {
        string path = Path.Combine(folder, ".node-packages.lock");
        for (int waitedMs = 0; ; waitedMs += LockPollMs)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException held) when (waitedMs >= LockWaitMs)
            {
                throw new DevnetException($"Another process has been installing node packages in {folder} for {LockWaitMs / 60_000} minutes: end it, or remove {path}.", held);
            }
            catch (IOException)
            {
                await Task.Delay(LockPollMs, ct).ConfigureAwait(false);
            }
        }
    }
}
