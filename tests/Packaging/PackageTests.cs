using System.Buffers.Binary;
using DePIN.Cli.Serial;
using DePIN.Gateway;
using DePIN.Gateway.Settings;
using DePIN.Tests.Harness;

namespace DePIN.Packaging.Tests;

/// <summary>What is in the packages, read by Debian's own programs.</summary>
internal sealed class PackageTests
{
    /// <summary>Stated in tools/Packaging/README.md; the analysis of systemd 252, 0 is best.</summary>
    private const double ExposureMax = 1.2;

    private static readonly byte[] Elf = [0x7f, (byte)'E', (byte)'L', (byte)'F'];

    [Test]
    public void The_same_content_gives_the_same_bytes()
    {
        using TempFolder again = new();
        foreach (Architecture architecture in Architecture.All)
            Assert.That(File.ReadAllBytes(Packages.Make(architecture, "1.0.0-1", again.Path)), Is.EqualTo(File.ReadAllBytes(Packages.FileOf(architecture.Debian))), architecture.Debian);
    }

    [TestCaseSource(nameof(Names))]
    public async Task Dpkg_reads_the_package_and_every_native_part_is_of_its_architecture(string name)
    {
        Packages.Need("dpkg-deb", "dpkg");
        Architecture architecture = Architecture.All.Single(a => a.Debian == name);
        (int code, string fields) = await Packages.RunAsync("dpkg-deb", "-f", Packages.FileOf(name));
        Assert.That(code, Is.Zero, fields);
        Assert.That(fields, Does.Contain("Package: depin-gateway").And.Contain($"Architecture: {name}").And.Contain("Version: 1.0.0-1"));

        using TempFolder root = new();
        (code, string output) = await Packages.RunAsync("dpkg-deb", "-x", Packages.FileOf(name), root.Path);
        Assert.That(code, Is.Zero, output);
        List<string> native = [];
        foreach (string file in Directory.EnumerateFiles(root.Path, "*", SearchOption.AllDirectories))
        {
            byte[] content = File.ReadAllBytes(file);
            if (!content.AsSpan().StartsWith(Elf)) continue;
            native.Add(Path.GetFileName(file));
            Assert.That(BinaryPrimitives.ReadUInt16LittleEndian(content.AsSpan(18)), Is.EqualTo(architecture.ElfMachine), file); // e_machine
        }

        Assert.That(native, Is.EqualTo(new[] { "libe_sqlite3.so" }));
        Assert.That(File.ReadAllText(Path.Combine(root.Path, "etc/depin/gateway.jsonc")), Is.EqualTo(SettingsTemplate.Write(new GatewaySettings().Sections())));
        (code, output) = await Packages.RunAsync("test", "-x", Path.Combine(root.Path, "usr/bin/depin-gateway"));
        Assert.That(code, Is.Zero, output);
        Assert.That(Directory.EnumerateFiles(root.Path, "*VirtualBoard.d*", SearchOption.AllDirectories), Is.Empty);

        using TempFolder control = new();
        (code, output) = await Packages.RunAsync("dpkg-deb", "-e", Packages.FileOf(name), control.Path);
        Assert.That(code, Is.Zero, output);
        (code, output) = await Packages.RunAsync("sh", "-c", $"cd {root.Path} && md5sum --quiet -c {control.Path}/md5sums");
        Assert.That(code, Is.Zero, output);
    }

    [Test]
    public async Task Lintian_has_nothing_to_say()
    {
        Packages.Need("lintian", "lintian");
        (int code, string output) = await Packages.RunAsync("lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", Packages.FileOf("amd64"), Packages.FileOf("arm64"), Packages.FileOf("armhf"));
        Assert.That((code, output.Trim()), Is.EqualTo((0, "")));
    }

    [Test]
    public async Task Systemd_accepts_the_unit_and_its_exposure_stays_below_the_stated_figure()
    {
        Packages.Need("systemd-analyze", "systemd");
        using TempFolder root = new();
        (int code, string output) = await Packages.RunAsync("dpkg-deb", "-x", Packages.FileOf("amd64"), root.Path);
        Assert.That(code, Is.Zero, output);
        string unit = Path.Combine(root.Path, "usr/lib/systemd/system/depin-gateway.service");

        (code, output) = await Packages.RunAsync("systemd-analyze", "security", "--offline=true", $"--threshold={ExposureMax * 10:0}", unit);
        Assert.That(code, Is.Zero, output);
        TestContext.Out.WriteLine(output.Split('\n').Last(l => l.Contains("exposure level", StringComparison.Ordinal)));

        // verify looks for the program where it is installed.
        string here = unit.Replace("usr/lib/systemd/system/", "", StringComparison.Ordinal);
        File.WriteAllText(here, File.ReadAllText(unit).Replace("ExecStart=/usr", $"ExecStart={root.Path}/usr", StringComparison.Ordinal));
        (code, output) = await Packages.RunAsync("systemd-analyze", "verify", "--man=no", here);
        Assert.That((code, string.Join('\n', output.Split('\n').Where(l => l.Contains("depin-gateway", StringComparison.Ordinal)))), Is.EqualTo((0, "")), output);
    }

    [Test]
    public void Every_bridge_that_flash_and_provision_know_has_a_udev_rule()
    {
        string rules = PackageContent.UdevRules();
        foreach (UsbBridge bridge in UsbBridge.All)
            Assert.That(rules, Does.Contain($"ATTRS{{idVendor}}==\"{bridge.VendorId:x4}\", ATTRS{{idProduct}}==\"{bridge.ProductId:x4}\", GROUP=\"dialout\""), bridge.Name);
        foreach (string line in rules.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => l[0] != '#'))
            foreach (string part in line.Split(", "))
                Assert.That(part, Does.Match("""^[A-Z]+(\{[A-Za-z_]+\})?(==|=|\+=)"[a-zA-Z0-9-]+"$"""));
    }

    [TestCase("--arch", "mips", "none of amd64")]
    [TestCase("--version", "1.0", "no Debian version")]
    [TestCase("--nonsense", "", "unknown argument")]
    public void A_wrong_argument_is_named(string name, string value, string expected) =>
        Assert.That(() => PackagingOptions.Parse([name, value]), Throws.TypeOf<PackagingException>().With.Message.Contains(expected));

    private static IEnumerable<string> Names() => Architecture.All.Select(a => a.Debian);
}
