using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Peer;

/// <summary>Discovery through Avahi's programs; programs of the same names stand in for them.</summary>
internal sealed class PeerDiscoveryTests
{
    private const string Gateway = "0x5fbdb2315678afecb367f032d93f642f64180aa3";

    [Test]
    public void The_output_of_avahi_browse_gives_gateways_and_everything_else_is_passed_over()
    {
        string output = $"""
            +;eth0;IPv4;DePIN\032gateway;_depin-gateway._tcp;local
            =;eth0;IPv4;DePIN\032gateway;_depin-gateway._tcp;local;pi.local;192.168.1.7;8700;"gateway={Gateway}"
            =;eth0;IPv6;DePIN\032gateway;_depin-gateway._tcp;local;pi.local;fd00::7;8701;"other=1" "gateway={Gateway}"
            =;eth0;IPv6;x;_depin-gateway._tcp;local;pi.local;fe80::7;8700;"gateway={Gateway}"
            =;eth0;IPv4;x;_depin-gateway._tcp;local;pi.local;192.168.1.7;0;"gateway={Gateway}"
            =;eth0;IPv4;x;_depin-gateway._tcp;local;pi.local;192.168.1.7;99999;"gateway={Gateway}"
            =;eth0;IPv4;x;_depin-gateway._tcp;local;pi.local;nowhere;8700;"gateway={Gateway}"
            =;eth0;IPv4;x;_depin-gateway._tcp;local;pi.local;192.168.1.7;8700;"gateway=0x12"
            =;eth0;IPv4;x;_depin-gateway._tcp;local;pi.local;192.168.1.7;8700;"gateway={Gateway[..41]}
            =;;;;;;;;;
            garbage
            """;
        Assert.That(PeerDiscovery.Parse(output), Is.EqualTo(new[]
        {
            (Address.Parse(Gateway), new Uri("https://192.168.1.7:8700")), (Address.Parse(Gateway), new Uri("https://[fd00::7]:8701")),
        }));
        Random random = new(7);
        for (int i = 0; i < 2_000; i++)
        {
            char[] broken = output.ToCharArray();
            for (int n = 0; n < 20; n++) broken[random.Next(broken.Length)] = (char)random.Next(1, 128);
            Assert.That(() => PeerDiscovery.Parse(new string(broken)), Throws.Nothing);
        }
    }

    [Test]
    public async Task It_publishes_browses_and_leaves_no_process_behind()
    {
        if (OperatingSystem.IsWindows()) Assert.Ignore("Avahi is of Linux");
        using TempFolder folder = new();
        string said = Path.Combine(folder.Path, "said");
        Script(folder, "avahi-browse", $"echo \"browse $@\" >> {said}\necho '=;eth0;IPv4;x;_depin-gateway._tcp;local;pi.local;192.168.1.7;8700;\"gateway={Gateway}\"'");
        Script(folder, "avahi-publish-service", $"echo \"publish $@\" >> {said}\necho $$ > {said}.pid\nexec sleep 1000");
        ConcurrentQueue<(Address, Uri)> found = [];
        using CancellationTokenSource stop = new();
        PeerDiscovery discovery = new(TransportNode.AddressOf(1), Task.FromResult<IPEndPoint?>(new IPEndPoint(IPAddress.Any, 8700)), (g, e) => found.Enqueue((g, e)), TimeProvider.System, new TestLogs(), folder.Path);
        Task running = discovery.RunAsync(stop.Token);
        await Eventually.TrueAsync(() => !found.IsEmpty && File.Exists(said + ".pid") && File.ReadAllText(said + ".pid").EndsWith('\n'), "it found the other and published itself");
        Assert.That(found, Is.EqualTo(new[] { (Address.Parse(Gateway), new Uri("https://192.168.1.7:8700")) }));
        string words = File.ReadAllText(said);
        Assert.That(words, Does.Contain("browse -rptk _depin-gateway._tcp").And.Contain($"publish DePIN gateway {TransportNode.AddressOf(1)} _depin-gateway._tcp 8700 gateway={TransportNode.AddressOf(1)}"));
        int process = int.Parse(File.ReadAllText(said + ".pid"), System.Globalization.CultureInfo.InvariantCulture);
        await stop.CancelAsync();
        Assert.That(async () => await running, Throws.InstanceOf<OperationCanceledException>());
        await Eventually.TrueAsync(() => !Process.GetProcesses().Any(p => p.Id == process), "the publisher is gone");
    }

    [Test]
    public async Task Without_avahi_it_is_off_and_said_once_at_debug_level()
    {
        using TempFolder empty = new();
        TestLogs logs = new();
        await new PeerDiscovery(TransportNode.AddressOf(1), Task.FromResult<IPEndPoint?>(null), (_, _) => { }, TimeProvider.System, logs, empty.Path).RunAsync(CancellationToken.None);
        Assert.That(logs.Lines, Has.Count.EqualTo(1));
        Assert.That(logs.Lines.Single(), Does.StartWith("Debug: no discovery"));
    }

    [Test]
    public async Task A_daemon_that_does_not_run_is_said_once_and_asked_again_later()
    {
        if (OperatingSystem.IsWindows()) Assert.Ignore("Avahi is of Linux");
        using TempFolder folder = new();
        string said = Path.Combine(folder.Path, "said");
        Script(folder, "avahi-browse", $"echo x >> {said}\nexit 1");
        TestLogs logs = new();
        ManualTimeProvider clock = new();
        using CancellationTokenSource stop = new();
        Task running = new PeerDiscovery(TransportNode.AddressOf(1), Task.FromResult<IPEndPoint?>(null), (_, _) => { }, clock, logs, folder.Path).RunAsync(stop.Token);
        await Eventually.TrueAsync(() =>
        {
            clock.Advance(PeerDiscovery.BrowseInterval / 30); // slowly: the program has a time limit of its own
            return File.Exists(said) && File.ReadAllLines(said).Length >= 3;
        }, "asked three times");
        await stop.CancelAsync();
        Assert.That(async () => await running, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(logs.Count("no discovery"), Is.EqualTo(1));
    }

    private static void Script(TempFolder folder, string name, string body)
    {
        if (OperatingSystem.IsWindows()) return;
        string path = Path.Combine(folder.Path, name);
        File.WriteAllText(path, "#!/bin/sh\n" + body + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
