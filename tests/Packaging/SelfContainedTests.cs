using DePIN.Devnet;
using DePIN.Tests.Harness;

namespace DePIN.Packaging.Tests;

/// <summary>The package with the runtime inside, on a machine that has none.</summary>
internal sealed class SelfContainedTests
{
    [Test, Category("ByHand")] // the runtime's packs and minutes
    public async Task Its_programs_start_without_a_runtime_on_the_machine()
    {
        using TempFolder folder = new();
        using Publisher publisher = new(Repository.Root, noBuild: false);
        DebPackage package = PackageContent.Make(await publisher.PublishAsync(Packages.Amd64), Packages.Amd64, "1.0.0-1", DateTimeOffset.FromUnixTimeSeconds(1_790_000_000), Build.SelfContained, Repository.Root);
        string file = Path.Combine(folder.Path, package.FileName), root = folder.Sub("root");
        package.Write(file);
        (int code, string output) = await Packages.RunAsync("dpkg-deb", "-x", file, root);
        Assert.That(code, Is.Zero, output);
        (code, output) = await Packages.RunAsync("lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", file);
        Assert.That((code, output.Trim()), Is.EqualTo((0, "")));

        string[] alone = ["-i", "PATH=/nonexistent", "DOTNET_ROOT=/nonexistent", $"HOME={folder.Path}"];
        (code, output) = await Packages.RunAsync("env", [.. alone, Path.Combine(root, "usr/lib/depin/DePIN.Gateway"), "--config", Path.Combine(root, "etc/depin/gateway.jsonc"), "--check"]);
        Assert.That((code, output.Contains("chain.rpcUrls", StringComparison.Ordinal)), Is.EqualTo((78, true)), output); // the template wants an endpoint
        (code, output) = await Packages.RunAsync("env", [.. alone, Path.Combine(root, "usr/lib/depin/DePIN.Cli"), "--version"]);
        Assert.That(code, Is.Zero, output);
    }
}
