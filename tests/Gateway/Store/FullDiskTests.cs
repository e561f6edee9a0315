using System.Diagnostics;

namespace DePIN.Gateway.Tests.Store;

/// <summary>A disk that really is full, and one that really is read-only: a tmpfs of 6 MiB in a mount namespace of its own.</summary>
internal sealed class FullDiskTests
{
    [Test]
    public async Task A_full_disk_stops_acknowledgements_and_loses_nothing_and_a_read_only_one_is_explained()
    {
        if (!OperatingSystem.IsLinux()) Assert.Ignore("tmpfs is Linux'");
        string folder = Directory.CreateTempSubdirectory("depin-full-").FullName;
        try
        {
            // Root has a namespace of its own as well; others get one where they are root (unshare(1) -r).
            string[] rights = Environment.IsPrivilegedProcess ? ["-m"] : ["-rm"];
            using Process child = Process.Start(new ProcessStartInfo("unshare",
                [.. rights, "sh", "-c", "mount -t tmpfs -o size=6m tmpfs \"$0\" && exec dotnet exec \"$1\" full-disk-child \"$0\"", folder, typeof(FullDiskTests).Assembly.Location])
            {
                RedirectStandardOutput = true, RedirectStandardError = true,
            })!;
            Task<string> output = child.StandardOutput.ReadToEndAsync(), errors = child.StandardError.ReadToEndAsync();
            await child.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(4));
            string said = await output + await errors;
            if (said.Contains("unshare: ", StringComparison.Ordinal) || said.Contains("mount: ", StringComparison.Ordinal))
                Assert.Fail($"No tmpfs could be mounted ({said.Trim()}): run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns).");
            TestContext.Out.WriteLine(said);
            Assert.That(child.ExitCode, Is.Zero, said);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
