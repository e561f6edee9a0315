using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>
/// Gateways of one local network find each other by DNS-SD (<c>_depin-gateway._tcp</c>, TXT <c>gateway=0x…</c>) through the system's Avahi, by its
/// own programs. Without them, or without the daemon, it is off, said once at debug level. What it finds is a hint: the peer's key is pinned.
/// </summary>
public sealed class PeerDiscovery(Address self, Task<IPEndPoint?> listening, Action<Address, Uri> found, TimeProvider time, ILogger log, string? programs = null)
{
    /// <summary>The DNS-SD type.</summary>
    public const string ServiceType = "_depin-gateway._tcp";

    /// <summary>How often the network is asked.</summary>
    public static readonly TimeSpan BrowseInterval = TimeSpan.FromSeconds(60);

    /// <summary>One answer may take so long.</summary>
    private static readonly TimeSpan BrowsePatience = TimeSpan.FromSeconds(20);

    /// <summary>Characters of one answer that are looked at.</summary>
    private const int AnswerMax = 256 * 1024;

    private bool _told;

    /// <summary>Publishes and browses until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        string? browse = Find("avahi-browse"), publish = Find("avahi-publish-service");
        if (browse is null && publish is null)
        {
            Tell("Avahi's programs (avahi-browse, avahi-publish-service) are not installed");
            return;
        }

        Process? publishing = null;
        try
        {
            IPEndPoint? bound = await listening.WaitAsync(stopping).ConfigureAwait(false);
            while (true)
            {
                if (publish is not null && bound is not null && !IPAddress.IsLoopback(bound.Address) && publishing is not { HasExited: false })
                {
                    publishing?.Dispose();
                    publishing = Start(publish, "DePIN gateway " + self, ServiceType, bound.Port.ToString(CultureInfo.InvariantCulture), "gateway=" + self);
                }

                if (browse is not null)
                    foreach ((Address gateway, Uri endpoint) in await BrowseAsync(browse, stopping).ConfigureAwait(false)) found(gateway, endpoint);
                await Task.Delay(BrowseInterval, time, stopping).ConfigureAwait(false);
            }
        }
        finally
        {
            End(publishing);
        }
    }

    /// <summary>The gateways in the output of <c>avahi-browse -rptk</c>; other lines, of whatever contents, are passed over.</summary>
    public static IReadOnlyList<(Address Gateway, Uri Endpoint)> Parse(string output)
    {
        List<(Address, Uri)> gateways = [];
        foreach (string line in (output ?? "").Split('\n'))
        {
            string[] fields = line.Split(';', 10); // =;interface;protocol;name;type;domain;host;address;port;txt
            if (fields.Length < 10 || fields[0] != "=" || !IPAddress.TryParse(fields[7], out IPAddress? address) || address.IsIPv6LinkLocal) continue;
            if (!ushort.TryParse(fields[8], NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) || port == 0) continue;
            int at = fields[9].IndexOf("\"gateway=0x", StringComparison.Ordinal);
            if (at < 0 || fields[9].Length < at + 51 || !Address.TryParse(fields[9].Substring(at + 9, 42), out Address gateway)) continue;
            string host = address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();
            if (PeerEndpoints.TryParse($"https://{host}:{port}", out Uri? endpoint)) gateways.Add((gateway, endpoint));
        }

        return gateways;
    }

    private async Task<IReadOnlyList<(Address Gateway, Uri Endpoint)>> BrowseAsync(string program, CancellationToken stopping)
    {
        using CancellationTokenSource patience = new(BrowsePatience, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(stopping, patience.Token);
        Process? browsing = Start(program, "-rptk", ServiceType);
        if (browsing is null) return [];
        try
        {
            char[] answer = new char[AnswerMax];
            int length = await browsing.StandardOutput.ReadBlockAsync(answer, either.Token).ConfigureAwait(false);
            await browsing.WaitForExitAsync(either.Token).ConfigureAwait(false);
            if (browsing.ExitCode != 0) Tell($"{program} ended with {browsing.ExitCode}: is avahi-daemon running?");
            return [.. Parse(new string(answer, 0, length)).Where(g => g.Gateway != self)];
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            Tell($"{program} did not end in time");
            return [];
        }
        finally
        {
            End(browsing);
        }
    }

    private Process? Start(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        start.Environment["LC_ALL"] = "C";
        foreach (string name in start.Environment.Keys.Where(n => n.StartsWith("DEPIN_", StringComparison.Ordinal)).ToList()) start.Environment.Remove(name); // no secret of ours
        try
        {
            Process process = Process.Start(start)!;
            process.ErrorDataReceived += static (_, _) => { }; // read, so that it never blocks
            process.BeginErrorReadLine();
            return process;
        }
        catch (Exception fault) when (fault is Win32Exception or IOException)
        {
            Tell($"{program} cannot be started ({fault.Message})");
            return null;
        }
    }

    private static void End(Process? process)
    {
        if (process is null) return;
        try
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It ended by itself.
        }

        process.Dispose();
    }

    private void Tell(string why)
    {
        if (_told) return;
        _told = true;
        log.LogDebug("no discovery of gateways on the local network: {Reason}", why);
    }

    private string? Find(string program) => (programs ?? Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
