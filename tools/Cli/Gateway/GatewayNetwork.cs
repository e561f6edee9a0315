using System.Text.Json;
using DePIN.Cli.Terminal;
using DePIN.Evidence;
using DePIN.Gateway.Web;

namespace DePIN.Cli.Gateway;

/// <summary>The gateway's `/network`, and the words for what is in it.</summary>
public static class GatewayNetwork
{
    private const string Path = "/network";

    public static async Task<NetworkJson> ReadAsync(GatewayApi api, CancellationToken cancel)
    {
        byte[] answer = await api.GetBytesAsync(Path, "application/json", cancel).ConfigureAwait(false);
        try
        {
            return NetworkJson.Read(answer);
        }
        catch (JsonException error)
        {
            throw new CliError(ExitCode.Unreachable, $"{new Uri(api.Url, Path)} answered with something that is not the network: {error.Message}", "check that --gateway names a DePIN Edge gateway of this version");
        }
    }

    /// <summary>Enough of an address to tell gateways apart: 0x5fbdb231…0aa3.</summary>
    public static string Short(string address) => address.Length > 16 ? $"{address[..10]}…{address[^4..]}" : address;

    /// <summary>Who may begin an epoch first, if the set stays as it is; null when it is not known.</summary>
    public static string? LeaderOf(NetworkJson network, ulong epoch) => network.Active.Count == 0 ? null
        : new GatewaySet(network.Active.Select(member => Address.Parse(member.Gateway))).LeadersOf(epoch)[0].ToString();

    /// <summary>True when this gateway and the peers it is connected with can make a quorum.</summary>
    public static bool HasQuorum(NetworkJson network) => network.Quorum is { } quorum && network.Active.Count(member => member.Connected is not false) >= quorum;

    /// <summary>A refusal in words.</summary>
    public static string Reason(string refusal) => refusal switch
    {
        "checking" => "fetches and checks the body",
        "parentUnknown" => "does not know the batch before it",
        "deviceUnknown" => "does not know a device in it yet",
        "chainBehind" => "follows the chain to another head",
        "batchUnknown" => "does not know a batch in it",
        "notNow" => "says it is not its turn",
        "disk" => "cannot write to its disk",
        "bodyUnavailable" => "could not fetch the body",
        "signedOtherwise" => "signed another one",
        "badHeader" => "says the header contradicts itself",
        "badSignature" => "says the signature is wrong",
        "badFrame" => "says a frame in it is bad",
        "wrongParent" => "certified another batch before it",
        "notInCommittee" => "is not in the batch's committee",
        "alreadyAnchored" => "says a frame in it is anchored already",
        "notActive" => "says the sender is not active",
        "wrongContents" => "says root or counts are wrong",
        _ => refusal,
    };
}
