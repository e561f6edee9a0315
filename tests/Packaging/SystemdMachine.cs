using System.Diagnostics;
using System.Globalization;
using DePIN.Tests.Harness;

namespace DePIN.Packaging.Tests;

/// <summary>
/// A throw-away machine: this one's disk below an overlay in memory, namespaces of its own (processes, mounts, network, cgroups, names) and a real
/// systemd as its process 1. Whatever is installed in it is gone with it.
/// </summary>
internal sealed class SystemdMachine : IAsyncDisposable
{
    private const string Boot = """
        set -e
        mount -t tmpfs -o size=1g tmpfs "$1"
        mkdir "$1/upper" "$1/work" "$1/root"
        mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
        mount --bind "$2" "$1/root/mnt"
        cd "$1/root"
        mount -t proc proc proc
        mount -t sysfs sysfs sys
        mount -t cgroup2 cgroup2 sys/fs/cgroup
        for folder in run tmp dev; do mount -t tmpfs tmpfs $folder; done
        for device in null zero full random urandom tty; do : > dev/$device; mount --bind /dev/$device dev/$device; done
        mkdir dev/shm dev/pts
        mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
        ln -s pts/ptmx dev/ptmx
        ln -s /proc/self/fd dev/fd
        rm -rf etc/systemd/system/*.wants var/lib/depin etc/depin
        : > etc/fstab
        rm -f usr/sbin/policy-rc.d
        printf '[Unit]\nRequires=sysinit.target\n' > etc/systemd/system/throw-away.target
        for unit in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-modules-load.service \
            systemd-sysctl.service systemd-remount-fs.service systemd-random-seed.service systemd-timesyncd.service systemd-tmpfiles-setup-dev.service \
            systemd-journal-flush.service systemd-machine-id-commit.service sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
            dev-hugepages.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount systemd-update-utmp.service; do
            ln -sf /dev/null etc/systemd/system/$unit
        done
        ip link set lo up
        mkdir -p old
        pivot_root . old
        umount -l /old
        exec env -i container=throw-away PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=throw-away.target --log-target=journal --show-status=no </dev/null
        """;

    private readonly TempFolder _root = new();
    private readonly string _cgroup;
    private readonly Process _process;
    private readonly List<string> _lines = [];
    private string _pid = "";

    private SystemdMachine(string packages)
    {
        string hierarchy = File.ReadLines("/proc/mounts").Select(l => l.Split(' ')).First(m => m[2] == "cgroup2")[1];
        _cgroup = Path.Combine(hierarchy, "depin-test-" + Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        Directory.CreateDirectory(_cgroup);
        ProcessStartInfo start = new("sh", ["-c", $"echo $$ > {_cgroup}/cgroup.procs; exec unshare --mount --pid --fork --net --uts --ipc --cgroup --kill-child sh -c \"$0\" boot \"$1\" \"$2\"", Boot, _root.Path, packages])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        _process = Process.Start(start)!;
        DataReceivedEventHandler keep = (_, line) =>
        {
            lock (_lines)
                if (line.Data is not null && _lines.Count < 1_000) _lines.Add(line.Data);
        };
        _process.OutputDataReceived += keep;
        _process.ErrorDataReceived += keep;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Boots; <paramref name="packages"/> is its /mnt.</summary>
    public static async Task<SystemdMachine> BootAsync(string packages)
    {
        SystemdMachine machine = new(packages);
        try
        {
            await Eventually.TrueAsync(async () =>
            {
                if (machine._process.HasExited) throw new InvalidOperationException("the machine did not boot: " + machine.Output());
                string children = $"/proc/{machine._process.Id}/task/{machine._process.Id}/children";
                machine._pid = File.Exists(children) ? File.ReadAllText(children).Trim() : "";
                return machine._pid.Length > 0 && (await machine.RunAsync("systemctl is-system-running")).Output.Trim() is "running" or "degraded";
            }, "systemd was running", machine.Output);
            return machine;
        }
        catch
        {
            await machine.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs a line of shell in it, as root.</summary>
    public Task<(int Code, string Output)> RunAsync(string line) =>
        Packages.RunAsync("nsenter", "-t", _pid, "-a", "env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", line);

    /// <summary>The same, for a line that has to succeed; gives its output without the last newline.</summary>
    public async Task<string> DoAsync(string line)
    {
        (int code, string output) = await RunAsync(line);
        Assert.That(code, Is.Zero, $"{line}\n{output}\n{(code == 0 ? "" : await JournalAsync())}");
        return output.TrimEnd();
    }

    public async Task<string> JournalAsync() => (await RunAsync("journalctl --no-pager -o cat -n 60 -u depin-gateway")).Output;

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        await Eventually.TrueAsync(() =>
        {
            if (File.ReadAllText(Path.Combine(_cgroup, "cgroup.events")).Contains("populated 1", StringComparison.Ordinal)) return false;
            foreach (string group in Directory.EnumerateDirectories(_cgroup, "*", SearchOption.AllDirectories).OrderByDescending(g => g.Length).Append(_cgroup)) Directory.Delete(group);
            return true;
        }, "every process of the machine had ended");
        _root.Dispose();
    }

    private string Output()
    {
        lock (_lines) return string.Join('\n', _lines);
    }
}
