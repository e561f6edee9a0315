using DePIN.Tests.Harness;

namespace DePIN.Packaging.Tests;

/// <summary>The package as an administrator meets it: dpkg and systemd, real ones, on a machine that is thrown away.</summary>
internal sealed class MachineTests
{
    /// <summary>Why a machine without a systemd in it is no failure.</summary>
    private const string Elsewhere = "the unit is verified by PackageTests, and sd_notify and its watchdog are tested on a real socket by ServiceWatchTests";

    private const string Settings = """
        {
          // as a person would write it: everything else is the default
          "chain": {
            "rpcUrls": ["http://127.0.0.1:8545"], "chainId": 31337, "epochSeconds": 60,
            "deviceRegistry": "0x0000000000000000000000000000000000000001", "gatewayRegistry": "0x0000000000000000000000000000000000000002",
            "ledger": "0x0000000000000000000000000000000000000003"
          },
          "store": { "freeFloorMib": 0 }
        }
        """;

    [Test]
    public async Task Installed_run_upgraded_starved_and_removed_on_a_real_systemd_the_gateway_keeps_its_key_and_its_data()
    {
        if (Environment.UserName != "root") Assert.Pass("not run, only root can boot a machine in namespaces: " + Elsewhere);
        foreach ((string program, string package) in new[] { ("unshare", "util-linux"), ("nsenter", "util-linux"), ("ip", "iproute2"), ("curl", "curl"), ("dpkg", "dpkg") }) Packages.Need(program, package);
        if (!File.Exists("/lib/systemd/systemd")) Assert.Ignore("systemd is missing: apt-get install systemd");
        if (!File.ReadLines("/proc/mounts").Any(l => l.Split(' ')[2] == "cgroup2")) Assert.Pass("not run, no cgroup2 hierarchy is mounted: " + Elsewhere);
        SystemdMachine? booted = null;
        try
        {
            booted = await SystemdMachine.BootAsync(Packages.Folder);
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException or InvalidOperationException or TimeoutException)
        {
            Assert.Pass($"not run, this machine boots no other in it ({why.Message}): {Elsewhere}");
        }

        await using SystemdMachine machine = booted!;

        // Install: nothing is configured yet, so nothing starts, and the package says why.
        string installed = await machine.DoAsync("dpkg -i /mnt/depin-gateway_1.0.0-1_amd64.deb 2>&1");
        Assert.That(installed, Does.Contain("chain.rpcUrls").And.Contain("sudo systemctl restart depin-gateway"));
        Assert.That(await machine.DoAsync("systemctl is-enabled depin-gateway"), Is.EqualTo("enabled"));
        Assert.That(await machine.DoAsync("stat -c '%a %U %G' /var/lib/depin /etc/depin/gateway.jsonc"), Is.EqualTo("700 depin depin\n640 root depin"));
        Assert.That((await machine.RunAsync("depin-gateway --check --config /etc/depin/gateway.jsonc")).Code, Is.EqualTo(78));
        Assert.That(await machine.DoAsync("depin --version"), Does.Match("^[0-9]"));

        // The runtime is looked for, and its absence is told with one command.
        await machine.DoAsync("for f in /usr/share/dotnet /usr/lib/dotnet; do [ -d $f ] && mount -t tmpfs tmpfs $f; done; true");
        (int code, string missing) = await machine.RunAsync("depin-gateway --help");
        Assert.That((code, missing), Is.EqualTo((69, missing)));
        Assert.That(missing, Does.Contain("ASP.NET Core runtime 10 is missing").And.Contain("aspnetcore"));
        await machine.DoAsync("for f in /usr/share/dotnet /usr/lib/dotnet; do mountpoint -q $f && umount $f; done; true");

        // Run: systemctl returns once the gateway said READY, inside the sandbox of the unit.
        await machine.DoAsync($"cat > /etc/depin/gateway.jsonc <<'END'\n{Settings}\nEND\nsystemctl start depin-gateway");
        Assert.That(await machine.DoAsync("curl -s http://127.0.0.1:8080/health"), Does.Contain("\"gateway\""));
        Assert.That(await machine.DoAsync("systemctl show -p StatusText --value depin-gateway"), Does.Contain("frames stored"));
        string pid = await machine.DoAsync("systemctl show -p MainPID --value depin-gateway");
        Assert.That(await machine.DoAsync($"grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' /proc/{pid}/status"),
            Does.Contain("CapEff:\t0000000000000000").And.Contain("NoNewPrivs:\t1").And.Contain("Seccomp:\t2").And.Not.Contain("Uid:\t0"));
        string key = await machine.DoAsync("cd /var/lib/depin && sha256sum gateway.key peer.key");

        // Upgrade: a new process, the same key, data and settings.
        string upgraded = await machine.DoAsync("dpkg -i /mnt/depin-gateway_1.1.0-1_amd64.deb 2>&1");
        await UntilAsync(machine, "systemctl is-active depin-gateway", "active", "it ran after the upgrade");
        Assert.That(await machine.DoAsync("dpkg-query -W -f '${Version}' depin-gateway"), Is.EqualTo("1.1.0-1"), upgraded);
        Assert.That(await machine.DoAsync("systemctl show -p MainPID --value depin-gateway"), Is.Not.EqualTo(pid));
        Assert.That(await machine.DoAsync("cd /var/lib/depin && sha256sum gateway.key peer.key"), Is.EqualTo(key));
        Assert.That(await machine.DoAsync("cat /etc/depin/gateway.jsonc"), Is.EqualTo(Settings));

        // Killed: back by itself.
        await machine.DoAsync("mkdir -p /etc/systemd/system/depin-gateway.service.d && printf '[Service]\\nWatchdogSec=6\\nRestartSec=1\\n' > /etc/systemd/system/depin-gateway.service.d/test.conf && systemctl daemon-reload");
        await machine.DoAsync("systemctl kill -s KILL depin-gateway");
        await UntilAsync(machine, "systemctl show -p NRestarts --value depin-gateway; systemctl is-active depin-gateway", "1\nactive", "it came back after kill -9");

        // A full disk: no sign of life, systemd starts it again and again; with space it runs, with the same key.
        await machine.DoAsync("systemctl stop depin-gateway && cp -a /var/lib/depin /var/lib/copy && mount -t tmpfs -o size=12m,mode=0700,uid=$(id -u depin),gid=$(id -g depin) tmpfs /var/lib/depin && cp -a /var/lib/copy/. /var/lib/depin/ && systemctl start depin-gateway");
        await UntilAsync(machine, "dd if=/dev/zero of=/var/lib/depin/filler bs=1k oflag=append conv=notrunc 2>/dev/null; journalctl --no-pager -o cat -u depin-gateway | grep -m 1 -o 'Watchdog timeout'",
            "Watchdog timeout", "the watchdog ended it"); // filled again and again: SQLite gives some of its own space free
        Assert.That(await machine.DoAsync("journalctl --no-pager -o cat -u depin-gateway"), Does.Contain("no progress: the store cannot commit"));
        await machine.DoAsync("rm /var/lib/depin/filler");
        await UntilAsync(machine, "systemctl is-active depin-gateway", "active", "it ran again with space on the disk");
        Assert.That(await machine.DoAsync("cd /var/lib/depin && sha256sum gateway.key peer.key"), Is.EqualTo(key));
        await machine.DoAsync("systemctl stop depin-gateway && umount /var/lib/depin");
        Assert.That(await machine.DoAsync("systemctl show -p Result --value depin-gateway"), Is.EqualTo("success"), "SIGTERM drains and ends with 0");

        // Remove and purge: programs go, settings go with purge, keys and frames stay.
        await machine.DoAsync("systemctl start depin-gateway && dpkg -r depin-gateway 2>&1");
        Assert.That((await machine.RunAsync("systemctl is-active depin-gateway")).Code, Is.Not.Zero);
        Assert.That(await machine.DoAsync("ls /etc/depin/gateway.jsonc; ls /usr/lib/depin 2>&1 || true"), Does.StartWith("/etc/depin/gateway.jsonc").And.Contain("No such file"));
        Assert.That(await machine.DoAsync("dpkg -P depin-gateway 2>&1"), Does.Contain("Kept: /var/lib/depin"));
        Assert.That(await machine.DoAsync("cd /var/lib/depin && sha256sum gateway.key peer.key"), Is.EqualTo(key));
        Assert.That((await machine.RunAsync("test -e /etc/depin/gateway.jsonc")).Code, Is.Not.Zero);

        // Installed once more: the old identity runs.
        await machine.DoAsync($"dpkg -i /mnt/depin-gateway_1.1.0-1_amd64.deb && cat > /etc/depin/gateway.jsonc <<'END'\n{Settings}\nEND\nsystemctl restart depin-gateway");
        Assert.That(await machine.DoAsync("cd /var/lib/depin && sha256sum gateway.key peer.key"), Is.EqualTo(key));
    }

    private static Task UntilAsync(SystemdMachine machine, string line, string expected, string what) =>
        Eventually.TrueAsync(async () => (await machine.RunAsync(line)).Output.Trim() == expected, what, () => machine.JournalAsync().GetAwaiter().GetResult());
}
