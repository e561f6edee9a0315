using DePIN.Cli.Gateway;
using DePIN.Gateway.Web;

namespace DePIN.Cli.Network;

/// <summary>One gateway in the picture.</summary>
/// <param name="Gateway">Its address.</param>
/// <param name="IsAsked">Whether it speaks for itself, or its peers do.</param>
/// <param name="Role">leads, or its place in the order; empty while not known.</param>
/// <param name="Connection">How it is connected, as seen by those that were asked.</param>
/// <param name="IsConnected">By at least one other, or alone in the set.</param>
/// <param name="Entries">Ledger entries whose batches it knows; null not known.</param>
/// <param name="Lag">How many fewer than the others; null not known.</param>
/// <param name="Block">The block it follows the chain to; null not known.</param>
/// <param name="Signs">What it does with the anchor under way, or with a batch.</param>
/// <param name="Score">The worst that one of its peers gives it.</param>
/// <param name="Says">What it waits for, or what its peers say of it.</param>
public sealed record GatewayRow(string Gateway, bool IsAsked, string Role, string Connection, bool IsConnected, ulong? Entries, ulong? Lag, ulong? Block, string Signs, int Score, string Says);

/// <summary>
/// The network as one or many gateways see it, put together: a gateway's own word counts for what it knows, its peers' for how it is
/// connected. Pure.
/// </summary>
/// <param name="Epoch">The newest epoch anyone is in.</param>
/// <param name="Left">Time to the next one, in words.</param>
/// <param name="Leader">Who may anchor first in it; empty not known.</param>
/// <param name="Entries">Of the ledger.</param>
/// <param name="Pending">The most certified batches anyone has pending.</param>
/// <param name="Void">The most void batches anyone knows of.</param>
/// <param name="Anchor">The anchor under way, in words; empty when there is none.</param>
/// <param name="Rows">The gateways, in the contract's order.</param>
/// <param name="Evidence">Evidence against gateways, in words.</param>
public sealed record NetworkPicture(
    ulong Epoch, string Left, string Leader, ulong Entries, long Pending, long Void, string Anchor, IReadOnlyList<GatewayRow> Rows, IReadOnlyList<string> Evidence)
{
    /// <param name="answers">What gateways answered, at least one.</param>
    public static NetworkPicture Of(IReadOnlyCollection<NetworkJson> answers)
    {
        NetworkJson newest = answers.MaxBy(answer => (answer.Active.Count > 0, answer.Epoch))!;
        NetworkJson[] inEpoch = [.. answers.Where(answer => answer.Epoch == newest.Epoch)];
        NetworkAnchorJson? anchor = inEpoch.Select(answer => answer.Anchor).OfType<NetworkAnchorJson>().MaxBy(open => (open.Epoch, open.Attestations.Count));
        ulong entries = answers.Max(answer => answer.Entries) ?? 0;
        return new NetworkPicture(
            newest.Epoch, NetworkText.Left(newest), newest.Active.FirstOrDefault(member => member.Place == 1)?.Gateway ?? "", entries,
            answers.Max(answer => answer.Pending), answers.Max(answer => answer.VoidBatches),
            anchor is null ? "" : $"epoch {anchor.Epoch}: {anchor.Batches} batches, {anchor.Frames} frames, {anchor.Attestations.Count} of {anchor.Needed} signed",
            [.. newest.Active.Select(member => Row(member, answers, newest, anchor, entries))],
            [.. answers.SelectMany(answer => answer.Evidence).DistinctBy(evidence => (evidence.Kind, evidence.Gateway, evidence.Height)).Select(evidence => $"{GatewayNetwork.Short(evidence.Gateway)} {evidence.Text}")]);
    }

    private static GatewayRow Row(MemberJson member, IReadOnlyCollection<NetworkJson> answers, NetworkJson newest, NetworkAnchorJson? anchor, ulong entries)
    {
        NetworkJson? own = answers.FirstOrDefault(answer => answer.Gateway == member.Gateway);
        MemberJson[] seen = [.. answers.Where(answer => answer.Gateway != member.Gateway).SelectMany(answer => answer.Active).Where(one => one.Gateway == member.Gateway)];
        MemberJson? away = seen.FirstOrDefault(one => one.Connected is false);
        int links = seen.Count(one => one.Connected is true);
        ulong? known = own?.KnownEntries ?? seen.Max(one => one.KnownEntries);
        string trouble = seen.Select(one => one.Trouble).FirstOrDefault(said => said.Length > 0) ?? "";
        string connection = seen.Length == 0 ? own is null || newest.Active.Count == 1 ? "" : $"with {own.Active.Count(one => one.Connected is true)} of {own.Active.Count - 1}"
            : away is null ? seen.Length > 1 ? $"with all {links} asked" : seen[0].Inbound is true ? "in" : "out"
            : links == 0 ? "away" : $"with {links} of {seen.Length} asked";
        return new GatewayRow(
            member.Gateway, own is not null, member.Place switch { null => "", 1 => "leads", _ => $"place {member.Place}" }, connection, links > 0 || own is not null,
            known, known is { } n ? entries > n ? entries - n : 0 : null, own?.Block ?? seen.Max(one => one.Block), Signs(member.Gateway, own, seen, anchor), seen.Select(one => one.Score).DefaultIfEmpty().Max(),
            own is { Waits.Length: > 0 } ? own.Waits : trouble);
    }

    private static string Signs(string gateway, NetworkJson? own, IEnumerable<MemberJson> seen, NetworkAnchorJson? anchor)
    {
        if (anchor is not null && anchor.Attestations.Contains(gateway))
        {
            return anchor.Proposer == gateway ? "proposed the anchor" : "signed the anchor";
        }

        if (own?.Offer is { } offer)
        {
            return $"batch {offer.Number}: {offer.Attestations.Count} of {offer.Needed}";
        }

        return seen.Select(one => one.Refusal).FirstOrDefault(reason => reason is not null) is { } refusal ? GatewayNetwork.Reason(refusal) : "";
    }
}
