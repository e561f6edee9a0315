using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace DePIN.EndToEnd.Tests.Peers;

/// <summary>The wires between gateways: whole groups can be cut from each other and joined again. The chain and the boards are on wires of their own.</summary>
public interface ILinks : IAsyncDisposable
{
    /// <summary>Where gateway <paramref name="index"/> listens for boards and the API.</summary>
    string Host(int index);

    /// <summary>Where its peers reach it.</summary>
    string PeerHost(int index);

    /// <summary>Where the chain listens.</summary>
    string ChainHost { get; }

    /// <summary>What a gateway is started through.</summary>
    IReadOnlyList<string> Through(int index);

    /// <summary>Endpoints that stand between the registry's and the real ones, for gateway <paramref name="index"/>.</summary>
    IReadOnlyList<string> Endpoints(int index, IReadOnlyList<(string Gateway, int Port)> peers);

    /// <summary>Gateways talk to each other within a group only.</summary>
    Task SplitAsync(params int[][] groups);

    /// <summary>All talk to all.</summary>
    Task JoinAsync();
}

/// <summary>Each gateway in a network namespace of its own, with one wire to the chain and the boards and one to its peers, on bridges.</summary>
public sealed class NamespaceLinks : ILinks
{
    private const int GroupsMax = 3;

    /// <summary>iproute2's, where Debian and others keep it.</summary>
    private static readonly string Ip = File.Exists("/usr/sbin/ip") ? "/usr/sbin/ip" : "/sbin/ip";

    private static int _networks;
    private readonly int _gateways;
    private readonly string _name;
    private readonly int _net;

    private NamespaceLinks(int gateways, string name, int net) => (_gateways, _name, _net) = (gateways, name, net);

    public string ChainHost => $"10.{_net}.0.1";

    /// <summary>Makes them; null when this machine does not allow it.</summary>
    public static async Task<NamespaceLinks?> TryCreateAsync(int gateways)
    {
        if (!OperatingSystem.IsLinux() || !File.Exists(Ip)) return null;
        int number = Interlocked.Increment(ref _networks);
        NamespaceLinks links = new(gateways, $"dp{Environment.ProcessId:x}.{number:x}", 64 + (Environment.ProcessId + number) % 128);
        try
        {
            await links.RemoveLeftAsync();
            await links.IpAsync($"link add {links._name}c type bridge");
            await links.IpAsync($"addr add 10.{links._net}.0.1/24 dev {links._name}c");
            await links.IpAsync($"link set {links._name}c up");
            for (int group = 0; group < GroupsMax; group++)
            {
                await links.IpAsync($"link add {links._name}p{group} type bridge");
                await links.IpAsync($"link set {links._name}p{group} up");
            }

            for (int i = 0; i < gateways; i++)
            {
                await links.IpAsync($"netns add {links._name}n{i}");
                await links.IpAsync($"-n {links._name}n{i} link set lo up");
                await links.WireAsync(i, 'c', $"{links._name}c", $"10.{links._net}.0.{10 + i}/24");
                await links.WireAsync(i, 'p', $"{links._name}p0", $"10.{links._net}.1.{10 + i}/24");
            }

            return links;
        }
        catch (InvalidOperationException error)
        {
            TestContext.Out.WriteLine($"no network namespaces here ({error.Message})");
            await links.DisposeAsync();
            return null;
        }
    }

    public string Host(int index) => $"10.{_net}.0.{10 + index}";

    public string PeerHost(int index) => $"10.{_net}.1.{10 + index}";

    public IReadOnlyList<string> Through(int index) => [Ip, "netns", "exec", $"{_name}n{index}"];

    public IReadOnlyList<string> Endpoints(int index, IReadOnlyList<(string Gateway, int Port)> peers) => [];

    public async Task SplitAsync(params int[][] groups)
    {
        for (int group = 0; group < groups.Length; group++)
            foreach (int gateway in groups[group]) await IpAsync($"link set {_name}p{gateway}o master {_name}p{group}");
    }

    public Task JoinAsync() => SplitAsync([.. Enumerable.Range(0, _gateways)]);

    public async ValueTask DisposeAsync()
    {
        for (int i = 0; i < _gateways; i++) await IpAsync($"netns del {_name}n{i}", must: false); // its wires go with it
        await IpAsync($"link del {_name}c", must: false);
        for (int group = 0; group < GroupsMax; group++) await IpAsync($"link del {_name}p{group}", must: false);
    }

    /// <summary>What a test process that was killed left behind: its addresses would stand in the way.</summary>
    private async Task RemoveLeftAsync()
    {
        static bool IsLeft(string name) => name.StartsWith("dp", StringComparison.Ordinal) && name.IndexOf('.', StringComparison.Ordinal) is var dot && dot > 2
            && int.TryParse(name.AsSpan(2, dot - 2), System.Globalization.NumberStyles.HexNumber, null, out int process) && !Directory.Exists($"/proc/{process}");

        if (Directory.Exists("/var/run/netns"))
            foreach (string name in Directory.EnumerateFiles("/var/run/netns").Select(path => Path.GetFileName(path)).Where(IsLeft)) await IpAsync($"netns del {name}", must: false);
        foreach (string name in Directory.EnumerateDirectories("/sys/class/net").Select(path => Path.GetFileName(path)).Where(IsLeft)) await IpAsync($"link del {name}", must: false);
    }

    private async Task WireAsync(int gateway, char kind, string bridge, string address)
    {
        string outside = $"{_name}{kind}{gateway}o", inside = $"{kind}{gateway}";
        await IpAsync($"link add {outside} type veth peer name {inside} netns {_name}n{gateway}");
        await IpAsync($"link set {outside} master {bridge}");
        await IpAsync($"link set {outside} up");
        await IpAsync($"-n {_name}n{gateway} addr add {address} dev {inside}");
        await IpAsync($"-n {_name}n{gateway} link set {inside} up");
    }

    private async Task IpAsync(string arguments, bool must = true)
    {
        using Process ip = Process.Start(new ProcessStartInfo(Ip, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        string error = await ip.StandardError.ReadToEndAsync();
        await ip.WaitForExitAsync();
        if (must && ip.ExitCode != 0) throw new InvalidOperationException($"ip {arguments}: {error.Trim()}");
    }
}

/// <summary>Where namespaces are not permitted: loopback, and between every two gateways a proxy that can be cut.</summary>
public sealed class ProxyLinks(int gateways) : ILinks
{
    private readonly List<(int From, int To, TcpListener Listener)> _proxies = [];
    private readonly CancellationTokenSource _ended = new();
    private CancellationTokenSource _cut = new();
    private Func<int, int, bool> _passes = (_, _) => true;

    public string ChainHost => "127.0.0.1";

    public string Host(int index) => "127.0.0.1";

    public string PeerHost(int index) => "127.0.0.1";

    public IReadOnlyList<string> Through(int index) => [];

    public IReadOnlyList<string> Endpoints(int index, IReadOnlyList<(string Gateway, int Port)> peers)
    {
        List<string> endpoints = [];
        for (int to = 0; to < peers.Count; to++)
        {
            if (to == index) continue;
            TcpListener listener = new(IPAddress.Loopback, 0);
            listener.Start();
            _proxies.Add((index, to, listener));
            _ = AcceptAsync(index, to, listener, peers[to].Port);
            endpoints.Add($"{peers[to].Gateway}=https://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
        }

        return endpoints;
    }

    public async Task SplitAsync(params int[][] groups)
    {
        Dictionary<int, int> groupOf = groups.SelectMany((members, group) => members.Select(member => (member, group))).ToDictionary(x => x.member, x => x.group);
        _passes = (from, to) => groupOf.GetValueOrDefault(from, -1 - from) == groupOf.GetValueOrDefault(to, -1 - to);
        CancellationTokenSource old = Interlocked.Exchange(ref _cut, new CancellationTokenSource());
        await old.CancelAsync();
    }

    public Task JoinAsync() => SplitAsync([.. Enumerable.Range(0, gateways)]);

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await _cut.CancelAsync();
        foreach ((_, _, TcpListener listener) in _proxies) listener.Dispose();
    }

    private async Task AcceptAsync(int from, int to, TcpListener listener, int port)
    {
        try
        {
            while (!_ended.IsCancellationRequested) _ = PassAsync(await listener.AcceptTcpClientAsync(_ended.Token), from, to, port);
        }
        catch (Exception end) when (end is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task PassAsync(TcpClient client, int from, int to, int port)
    {
        using TcpClient inside = client, outside = new();
        CancellationToken cut = _cut.Token;
        try
        {
            if (!_passes(from, to)) return;
            await outside.ConnectAsync(IPAddress.Loopback, port, cut);
            await Task.WhenAny(inside.GetStream().CopyToAsync(outside.GetStream(), cut), outside.GetStream().CopyToAsync(inside.GetStream(), cut));
        }
        catch (Exception end) when (end is OperationCanceledException or SocketException or IOException)
        {
        }
    }
}
