using System.CommandLine;
using System.Text.Json.Nodes;
using DePIN.Cli.Gateway;
using DePIN.Cli.Terminal;
using DePIN.Gateway.Web;

namespace DePIN.Cli.Peers;

/// <summary>`depin peers`: the connections of one gateway with the others.</summary>
public static class PeersCommand
{
    public static Command Create()
    {
        Option<string?> gateway = GatewayOption.Create();
        Option<bool> json = new("--json") { Description = "One JSON line: the list 'active' of the gateway's /network." };
        Command command = new("peers", "A gateway's connections with the others. Ends with 1 when it and those it is connected with are no quorum.") { gateway, json };
        command.SetAction(async (parsed, cancel) =>
        {
            using GatewayApi api = GatewayOption.Open(parsed.GetValue(gateway));
            NetworkJson network = await GatewayNetwork.ReadAsync(api, cancel).ConfigureAwait(false);
            Console.WriteLine(parsed.GetValue(json) ? JsonNode.Parse(network.Write())!["active"]!.ToJsonString() : Text(network, api.Url, TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds()));
            return GatewayNetwork.HasQuorum(network) ? ExitCode.Ok : ExitCode.Failed;
        });
        return command;
    }

    /// <summary>One line a gateway, and one that says whether they are enough.</summary>
    public static string Text(NetworkJson network, Uri url, long nowMs)
    {
        if (network.Active.Count == 0)
        {
            return $"gateway {network.Gateway} at {url} does not follow the chain to its newest block: who its peers are is not known now. {network.Waits}".TrimEnd();
        }

        List<string> lines = [Row("gateway", "endpoint", "connected", "direction", "since", "heard", "sent", "received", "queue", "dropped", "score", "trouble")];
        foreach (MemberJson member in network.Active)
        {
            lines.Add(member.Connected is not { } connected
                ? Row(member.Gateway, Endpoint(member), "this one", "", "", "", "", "", "", "", "", "")
                : Row(member.Gateway, Endpoint(member), connected ? "yes" : "no", !connected ? "" : member.Inbound == true ? "in" : "out", Ago(member.SinceMs, nowMs), Ago(member.LastMessageMs, nowMs),
                    Bytes(member.BytesSent), Bytes(member.BytesReceived), member.Queued.ToString(), member.Dropped.ToString(), member.Score.ToString(), member.Trouble));
        }

        int here = network.Active.Count(member => member.Connected is not false);
        lines.Add(GatewayNetwork.HasQuorum(network)
            ? $"{here} of {network.Active.Count} gateways are together; a quorum is {network.Quorum}"
            : $"{here} of {network.Active.Count} gateways are together; a quorum is {network.Quorum}: nothing is certified or anchored until more are connected");
        return string.Join(Environment.NewLine, lines);
    }

    /// <summary>How long ago, in the largest unit that fits: 12 s, 5 min, 3 h, 4 d.</summary>
    public static string Ago(long? ms, long nowMs)
    {
        if (ms is null)
        {
            return "never";
        }

        long seconds = Math.Max(0, (nowMs - ms.Value) / 1000);
        return seconds < 120 ? $"{seconds} s" : seconds < 7_200 ? $"{seconds / 60} min" : seconds < 172_800 ? $"{seconds / 3_600} h" : $"{seconds / 86_400} d";
    }

    private static string Endpoint(MemberJson member) => member.Endpoint.Length > 0 ? member.Endpoint : "(dials out only)";

    private static string Bytes(long bytes) => bytes < 10_000 ? $"{bytes} B" : bytes < 10_000_000 ? $"{bytes / 1_000} kB" : $"{bytes / 1_000_000} MB";

    private static string Row(string gateway, string endpoint, string connected, string direction, string since, string heard, string sent, string received, string queue, string dropped,
        string score, string trouble) =>
        $"{gateway,-42}  {endpoint,-28}  {connected,-9}  {direction,-9}  {since,7}  {heard,7}  {sent,8}  {received,8}  {queue,6}  {dropped,7}  {score,5}  {trouble}".TrimEnd();
}
