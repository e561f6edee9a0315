using System.Globalization;
using System.Text;
using DePIN.Cli.Serial;
using DePIN.Gateway;
using DePIN.Gateway.Settings;

namespace DePIN.Packaging;

/// <summary>What is in the package, and where: the table of contents of an installed gateway.</summary>
public static class PackageContent
{
    public const string Name = "depin-gateway";

    private const string Programs = "usr/lib/depin";
    private const string GatewayProgram = "DePIN.Gateway", CliProgram = "DePIN.Cli";

    private const string RuntimeOverride = "# The .NET runtime as it is distributed, whole.\ndepin-gateway: embedded-library *libSystem.IO.Compression.Native.so*\n";

    /// <summary>Programs of `dotnet publish` that are for developers or other systems.</summary>
    private static readonly string[] Left = ["DePIN.VirtualBoard.deps.json", "DePIN.VirtualBoard.runtimeconfig.json", "runtimeconfig.template.json"];

    public static DebPackage Make(Published published, Architecture architecture, string version, DateTimeOffset date, Build build, string repository)
    {
        DebPackage package = new(Name, version, architecture.Debian, date);
        foreach ((string path, byte[] content) in published.Files)
            if (Belongs(path, architecture, build)) package.Add($"{Programs}/{path}", content, path is GatewayProgram or CliProgram);

        package.Add($"{Programs}/start", Text("start.sh"), program: true);
        package.Add("usr/bin/depin-gateway", Starter(GatewayProgram), program: true);
        package.Add("usr/bin/depin", Starter(CliProgram), program: true);
        package.AddSettings("etc/depin/gateway.jsonc", SettingsTemplate.Write(new GatewaySettings().Sections()));
        package.Add("usr/lib/systemd/system/depin-gateway.service", Text("depin-gateway.service"));
        package.Add("usr/lib/sysusers.d/depin-gateway.conf", Text("sysusers.conf"));
        package.Add("usr/lib/tmpfiles.d/depin-gateway.conf", Text("tmpfiles.conf"));
        package.Add("usr/lib/udev/rules.d/60-depin-gateway.rules", UdevRules());
        foreach (string file in new[] { "alerts.yml", "alerts.test.yml", "dashboard.json" }) package.Add($"usr/share/{Name}/{file}", Text(file, "monitoring"));
        package.AddCompressed("usr/share/man/man8/depin-gateway.8", Text("depin-gateway.8"));
        package.AddCompressed("usr/share/man/man1/depin.1", Text("depin.1"));
        package.AddCompressed($"usr/share/doc/{Name}/changelog", File.ReadAllText(Path.Combine(repository, "CHANGELOG.md")));
        package.AddCompressed($"usr/share/doc/{Name}/changelog.Debian", Changelog(version, date));
        package.Add($"usr/share/doc/{Name}/copyright", Text("copyright"));
        package.Add($"usr/share/lintian/overrides/{Name}", Text("lintian-overrides") + (build == Build.SelfContained ? RuntimeOverride : ""));
        foreach (string script in new[] { "postinst", "prerm", "postrm" }) package.AddScript(script, Text(script));
        package.SetFields(Fields(build));
        return package;
    }

    /// <summary>The rules for the serial adapters that `depin flash` and `depin provision` know, and for what a gateway's own hardware needs.</summary>
    public static string UdevRules()
    {
        StringBuilder rules = new("# USB serial bridges and chips of boards: the group that Debian gives serial ports to, and whoever sits at the machine.\n");
        foreach (UsbBridge bridge in UsbBridge.All)
            rules.Append(CultureInfo.InvariantCulture,
                $"SUBSYSTEM==\"tty\", ATTRS{{idVendor}}==\"{bridge.VendorId:x4}\", ATTRS{{idProduct}}==\"{bridge.ProductId:x4}\", GROUP=\"dialout\", MODE=\"0660\", TAG+=\"uaccess\", ENV{{ID_MM_DEVICE_IGNORE}}=\"1\"\n");
        return rules.Append("# A TPM that holds the gateway's key, and the I2C bus of a board's secure element while it is provisioned.\n")
            .Append("SUBSYSTEM==\"tpmrm\", GROUP=\"tss\", MODE=\"0660\"\nSUBSYSTEM==\"i2c-dev\", GROUP=\"i2c\", MODE=\"0660\"\n").ToString();
    }

    private static bool Belongs(string path, Architecture architecture, Build build)
    {
        if (path.EndsWith(".pdb", StringComparison.Ordinal) || path.EndsWith(".staticwebassets.endpoints.json", StringComparison.Ordinal) || Left.Contains(path)) return false;
        if (path.StartsWith("runtimes/", StringComparison.Ordinal)) return path.Split('/')[1] is var platform && (platform == architecture.Runtime || platform is "linux" or "unix");
        return Path.GetExtension(path) is ".dll" or ".json" or ".so" || (build != Build.Portable && path == GatewayProgram) || (build == Build.SelfContained && path == CliProgram);
    }

    private static string Starter(string program) => $"#!/bin/sh\nexec /{Programs}/start {program} \"$@\"\n";

    private static string Changelog(string version, DateTimeOffset date) =>
        $"{Name} ({version}) unstable; urgency=medium\n\n  * Built from the project's sources; see changelog.gz for what changed.\n\n -- DePIN Edge maintainers <maintainers@depin-edge.invalid>  "
        + date.UtcDateTime.ToString("ddd, dd MMM yyyy HH:mm:ss +0000", CultureInfo.InvariantCulture) + "\n";

    private static string Fields(Build build) =>
        "Maintainer: DePIN Edge maintainers <maintainers@depin-edge.invalid>\nSection: net\nPriority: optional\n"
        + "Pre-Depends: init-system-helpers (>= 1.54~)\n"
        + $"Depends: libc6 (>= {(build == Build.Native ? "2.34" : "2.31")}), libgcc-s1, libssl3 | libssl3t64, libstdc++6, systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles{(build == Build.Native ? ", zlib1g" : "")}\n"
        + (build == Build.SelfContained ? "Recommends: ca-certificates\n" : "Recommends: aspnetcore-runtime-10.0, ca-certificates\n")
        + "Suggests: mosquitto-clients, systemd-timesyncd\n"
        + "Description: gateway from signed sensor readings to a public ledger\n"
        + " Takes signed frames from ESP32 boards over MQTT, verifies and stores them,\n"
        + " batches and certifies them with other gateways, anchors the certificates\n"
        + " on an EVM chain, and gives out proofs.\n .\n"
        + build switch
        {
            Build.SelfContained => " The .NET runtime is inside.\n",
            Build.Native => " The gateway is a native program. The command depin needs the ASP.NET Core\n runtime 10 and says how to install it.\n",
            _ => " Needs the ASP.NET Core runtime 10; when it is missing the service says how\n to install it.\n",
        };

    private static string Text(string resource, string folder = "debian")
    {
        using Stream stream = typeof(PackageContent).Assembly.GetManifestResourceStream($"{folder}.{resource}") ?? throw new PackagingException($"{folder}/{resource} is missing from this build.");
        using StreamReader reader = new(stream);
        return reader.ReadToEnd();
    }
}
