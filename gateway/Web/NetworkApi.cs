using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;

namespace DePIN.Gateway.Web;

/// <summary>
/// /network: how the network of gateways stands as this one sees it. The core is asked on its own thread and answers between two of its turns; what
/// the transport knows of the connections is put beside it.
/// </summary>
public sealed class NetworkApi(Address self, Func<CancellationToken, Task<NetworkState>> state, IPeerTransport transport, TimeProvider time, Leadership? leadership = null)
{
    /// <summary>The core's turns take milliseconds; one that takes longer waits for the disk.</summary>
    public static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Adds the path.</summary>
    public void Map(IEndpointRouteBuilder routes) => ReadApi.Get(routes, "/network", NetworkAsync);

    private async Task NetworkAsync(HttpContext context)
    {
        ApiRequest.Allow(context);
        await ApiRequest.WriteAsync(context, await NowAsync(context.RequestAborted).ConfigureAwait(false), ApiJsonContext.Default.NetworkJson).ConfigureAwait(false);
    }

    /// <summary>/network.</summary>
    /// <exception cref="ProblemException">The core is busy, or runs in another process.</exception>
    internal async Task<NetworkJson> NowAsync(CancellationToken aborted)
    {
        if (leadership?.IsLeading == false)
            throw new ProblemException(StatusCodes.Status503ServiceUnavailable, "Not the leader", "This process follows: another one speaks with the network for this gateway.", "Ask the process that leads; the part 'lead' in /health says which one does.");
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        using ITimer end = time.CreateTimer(static p => ((CancellationTokenSource)p!).Cancel(), patience, AnswerTimeout, Timeout.InfiniteTimeSpan);
        NetworkState now;
        try
        {
            now = await state(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!aborted.IsCancellationRequested)
        {
            throw new ProblemException(StatusCodes.Status503ServiceUnavailable, "Busy", $"The network's part did not answer within {AnswerTimeout.TotalSeconds:0} s.",
                "Ask again; if it stays, /health says what the part 'attest' lacks.");
        }

        return View(now);
    }

    /// <summary>What the core says, with what the transport knows of the connections put beside it.</summary>
    public NetworkJson View(NetworkState now)
    {
        ArgumentNullException.ThrowIfNull(now);
        Dictionary<Address, PeerState> connections = transport.Peers().ToDictionary(p => p.Gateway);
        Dictionary<Address, PeerWord> words = now.Peers.ToDictionary(p => p.Gateway);
        Dictionary<Address, Refusal> refusals = [];
        foreach (RefusalState refused in (now.Offer?.Refusals ?? []).Concat(now.Anchor?.Refusals ?? [])) refusals[refused.Gateway] = refused.Reason; // the anchor's weighs more
        Dictionary<Address, int> places = now.Order.Index().ToDictionary(p => p.Item, p => p.Index + 1);
        return new NetworkJson(
            self.ToString(), now.Epoch, now.Chain?.Epochs.StartOf(now.Epoch + 1), now.Chain?.TimeS, now.Chain?.Block, now.Chain?.Network.Version,
            [.. (now.Chain?.Network.Members ?? []).Select(m => Json(m, now, places.TryGetValue(m.Gateway, out int place) ? place : null,
                connections.GetValueOrDefault(m.Gateway), words.GetValueOrDefault(m.Gateway), refusals.TryGetValue(m.Gateway, out Refusal refusal) ? ApiRequest.Name(refusal) : null))],
            now.Chain?.Latest.Quorum, now.KnownEntries, now.Chain?.Entries, now.Pending, now.Void,
            now.Offer is not { } offer ? null : new OfferJson(offer.Number, Names(offer.Attesters), offer.Needed, Json(offer.Refusals)),
            now.Anchor is not { } anchor ? null : new NetworkAnchorJson(anchor.Epoch, anchor.Hash.ToString(), anchor.Proposer?.ToString(), anchor.Batches, anchor.Frames,
                Names(anchor.Attesters), anchor.Needed, Json(anchor.Refusals)),
            now.Waits,
            [.. now.Evidence.Select(e => new EvidenceJson(ApiRequest.Name(e.Kind), e.Accused.ToString(), e.Height, e.Text))]);
    }

    private MemberJson Json(Member member, NetworkState now, int? place, PeerState? connection, PeerWord? word, string? refusal)
    {
        bool isSelf = member.Gateway == self;
        return new MemberJson(
            member.Gateway.ToString(), member.Endpoint, place, isSelf ? null : connection?.IsConnected ?? false, isSelf ? null : connection?.IsInbound ?? false,
            Time(connection?.SinceMs), Time(connection?.LastMessageMs), connection?.BytesSent ?? 0, connection?.BytesReceived ?? 0, connection?.Queued ?? 0,
            connection?.Dropped ?? 0, connection?.Score ?? 0, connection?.Trouble ?? "",
            isSelf ? now.KnownEntries : word?.KnownEntries, isSelf ? now.Chain?.Block : word?.Block, refusal);
    }

    private static IReadOnlyList<string> Names(IReadOnlyList<Address> gateways) => [.. gateways.Select(g => g.ToString())];

    private static IReadOnlyList<RefusalJson> Json(IReadOnlyList<RefusalState> refusals) => [.. refusals.Select(r => new RefusalJson(r.Gateway.ToString(), ApiRequest.Name(r.Reason)))];

    private static long? Time(long? ms) => ms is null or 0 ? null : ms;
}
