using System.Text;
using DePIN.Cli.Gateway;
using DePIN.Gateway.Web;

namespace DePIN.Cli.Network;

/// <summary>One gateway's view of the network, for a person.</summary>
public static class NetworkText
{
    /// <summary>Epochs whose leaders are told ahead.</summary>
    private const int EpochsAhead = 3;

    public static string Of(NetworkJson network, Uri url)
    {
        StringBuilder text = new();
        text.AppendLine($"gateway {network.Gateway} at {url}");
        if (network.Active.Count == 0)
        {
            text.Append($"  the chain is not followed to its newest block: {(network.Waits.Length > 0 ? network.Waits : "'depin status' says why")}");
            return text.ToString();
        }

        text.AppendLine($"  epoch        {network.Epoch}, {Left(network)}; block {network.Block}; set {network.Version} of {network.Active.Count} gateways, a quorum is {network.Quorum}");
        text.AppendLine($"  leads        {string.Join(", then ", network.Active.Where(member => member.Place is not null).OrderBy(member => member.Place).Select(member => Name(network, member.Gateway)))}");
        text.AppendLine($"  leads next   {string.Join(", ", Enumerable.Range(1, EpochsAhead).Select(ahead => $"{network.Epoch + (ulong)ahead}: {Name(network, GatewayNetwork.LeaderOf(network, network.Epoch + (ulong)ahead)!)}"))}");
        text.AppendLine($"  together     {network.Active.Count(member => member.Connected is not false)} of {network.Active.Count}{Away(network)}");
        text.AppendLine($"  ledger       {network.Entries} entries, {(network.KnownEntries == network.Entries ? "all known" : $"{network.KnownEntries} known: the others' batches are asked for")}");
        text.AppendLine($"  pending      {network.Pending} certified batches wait for an anchor{(network.VoidBatches > 0 ? $"; {network.VoidBatches} lost a frame to an earlier anchor and are batched again" : "")}");
        if (network.Offer is { } offer)
        {
            text.AppendLine($"  batch        {offer.Number}: {Signed(network, offer.Attestations, offer.Needed)}");
            Refusals(text, network, offer.Refusals);
        }

        if (network.Anchor is { } anchor)
        {
            text.AppendLine($"  anchor       epoch {anchor.Epoch}, {anchor.Batches} batches, {anchor.Frames} frames, by {(anchor.Proposer is { } by ? Name(network, by) : "-")}: {Signed(network, anchor.Attestations, anchor.Needed)}");
            Refusals(text, network, anchor.Refusals);
        }

        text.Append($"  waits        {(network.Waits.Length > 0 ? network.Waits : "for nothing")}");
        foreach (EvidenceJson evidence in network.Evidence)
        {
            text.AppendLine();
            text.Append($"  evidence     {evidence.Gateway} {evidence.Text} ({evidence.Kind} at {evidence.Height})");
        }

        return text.ToString();
    }

    /// <summary>Time to the next epoch, in words.</summary>
    public static string Left(NetworkJson network) =>
        network is { EpochEndsS: { } end, ChainTimeS: { } now } ? end > now ? $"{end - now} s left" : "over" : "no chain time";

    private static string Name(NetworkJson network, string gateway) => gateway == network.Gateway ? $"{GatewayNetwork.Short(gateway)} (this one)" : GatewayNetwork.Short(gateway);

    private static string Away(NetworkJson network)
    {
        string[] away = [.. network.Active.Where(member => member.Connected is false)
            .Select(member => $"{GatewayNetwork.Short(member.Gateway)} is away{(member.Trouble.Length > 0 ? $" ({member.Trouble})" : "")}")];
        return away.Length == 0 ? "" : ": " + string.Join("; ", away);
    }

    private static string Signed(NetworkJson network, IReadOnlyList<string> attestations, int needed) =>
        $"{attestations.Count} of {needed} signed ({string.Join(", ", attestations.Select(gateway => Name(network, gateway)))})";

    private static void Refusals(StringBuilder text, NetworkJson network, IReadOnlyList<RefusalJson> refusals)
    {
        foreach (RefusalJson refused in refusals)
        {
            text.AppendLine($"    {Name(network, refused.Gateway)} {GatewayNetwork.Reason(refused.Reason)}");
        }
    }
}
