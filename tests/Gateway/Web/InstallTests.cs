using System.Diagnostics;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Web;

/// <summary>How a build gets the plots' library.</summary>
internal sealed class InstallTests
{
    [Test]
    public async Task Builds_at_the_same_time_install_the_same_folder_whole_and_leave_nothing_beside_it()
    {
        using TempFolder folder = new();
        string target = Path.Combine(folder.Path, "page"), script = Path.Combine(Root(), "gateway", "Web", "install.mjs");
        string[] outputs = await Task.WhenAll(Enumerable.Range(0, 3).Select(async _ =>
        {
            using Process node = Process.Start(new ProcessStartInfo("node", [script, target]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            string errors = await node.StandardError.ReadToEndAsync();
            await node.WaitForExitAsync();
            return node.ExitCode == 0 ? "" : errors;
        }));
        Assert.That(outputs, Is.All.Empty);
        Assert.That(Directory.GetFileSystemEntries(folder.Path), Is.EqualTo(new[] { target }));
        Assert.That(new FileInfo(Path.Combine(target, "node_modules", "uplot", "dist", "uPlot.esm.js")).Length, Is.GreaterThan(100_000));
    }

    private static string Root()
    {
        string folder = TestContext.CurrentContext.TestDirectory;
        while (!File.Exists(Path.Combine(folder, "DePIN.Edge.sln"))) folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("not in the repository");
        return folder;
    }
}
