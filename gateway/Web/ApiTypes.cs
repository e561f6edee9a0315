using System.Text.Json.Serialization;

namespace DePIN.Gateway.Web;

// What the API answers, as records: gateway/Web/README.md shows each as JSON. Hashes and addresses are 0x lower-case hex,
// device ids 40 hex digits without 0x, times are ms since the Unix epoch unless the name says otherwise.

/// <summary>An error (RFC 9457) with two members of ours: the field at fault and what to do.</summary>
public sealed record Problem(string Type, string Title, int Status, string Detail, string? Field, string Remedy);

/// <summary>One part in /health.</summary>
public sealed record PartJson(string Name, string State, string Reason, string NextStep, long SinceMs);

/// <summary>Queue depths in /health.</summary>
public sealed record QueuesJson(long VerifyInFlight, long Store, long FramesUnbatched, long CertificatesPending);

/// <summary>/health.</summary>
public sealed record HealthJson(
    string Status, string Gateway, long NowMs, long UptimeMs, IReadOnlyList<PartJson> Problems, IReadOnlyList<PartJson> Parts, QueuesJson Queues,
    long? OldestUnanchoredAgeMs, long? LastFrameAgeMs, long? ClockErrorMs, bool StoreWritable, ChainJson Chain, long MqttConnections);

/// <summary>How far the chain is read.</summary>
public sealed record ChainJson(long ChainId, ulong? Head, ulong? HeadTimeS, ulong? Read, bool Current, IReadOnlyList<string> Endpoints);

/// <summary>/api/status.</summary>
public sealed record StatusJson(
    string Version, string Gateway, bool Active, int Gateways, int Quorum, long ChainId, string Ledger, string DeviceRegistry, string GatewayRegistry, ulong EpochSeconds,
    int Devices, long Frames, ulong LastBatch, ulong LastCertificate, long CertificatesPending, ulong LedgerSize, ulong? LastEpoch, ChainJson Chain);

/// <summary>One device.</summary>
public sealed record DeviceJson(
    string Device, string PublicKey, string KeyKind, string? Owner, ulong RegisteredAtS, ulong? RevokedAtS, ulong LastSequence, long? LastReceivedMs);

/// <summary>/api/devices.</summary>
public sealed record DevicesJson(IReadOnlyList<DeviceJson> Devices, string? Next);

/// <summary>One sample of a frame.</summary>
public sealed record SampleJson(ushort Channel, string? Name, string? Unit, string Value, byte Quality, uint OffsetMs);

/// <summary>One frame.</summary>
public sealed record FrameJson(
    string Device, ulong Sequence, long ReceivedMs, ulong TimeMs, bool ClockSynchronised, uint BootCount, ushort Profile, bool Sealed,
    IReadOnlyList<SampleJson> Samples, string Frame);

/// <summary>/api/devices/{id}/frames.</summary>
public sealed record FramesJson(IReadOnlyList<FrameJson> Frames, ulong? Next);

/// <summary>/api/devices/{id}/frames/{sequence}: the frame and how far it is on its way. State: stored, batched, certified, void, anchored or anchored elsewhere. Gateway: whose batch, when it is known to be another's.</summary>
public sealed record FrameStateJson(FrameJson Frame, string State, ulong? Batch, ulong? Ordinal, string? Gateway);

/// <summary>One batch of this gateway. Attestations only when asked for one batch.</summary>
public sealed record BatchJson(
    ulong Number, string Hash, string Gateway, string Previous, string Root, uint Frames, uint Samples, ulong FirstReceivedMs, ulong LastReceivedMs, string Body,
    string State, ulong? Ordinal, IReadOnlyList<AttestationJson>? Attestations);

/// <summary>One attestation.</summary>
public sealed record AttestationJson(string Gateway, string Signature);

/// <summary>/api/batches.</summary>
public sealed record BatchesJson(IReadOnlyList<BatchJson> Batches, ulong? Next);

/// <summary>One entry of the ledger. Batches of this gateway in it: OwnBatches.</summary>
public sealed record AnchorJson(
    ulong Ordinal, ulong Epoch, string Hash, string Previous, string Root, uint Batches, ulong Frames, ulong Block, string Transaction, ulong Confirmations, bool Final,
    IReadOnlyList<ulong> OwnBatches);

/// <summary>/api/anchors/{ordinal}/batches: the batches under an anchor's root, whichever gateway's, in leaf order.</summary>
public sealed record AnchoredBatchesJson(ulong Ordinal, string Anchor, IReadOnlyList<AnchoredBatchJson> Batches, int? Next)
{
    /// <summary>Reads an answer; throws <see cref="System.Text.Json.JsonException"/> when it is none.</summary>
    public static AnchoredBatchesJson Read(ReadOnlySpan<byte> json) =>
        System.Text.Json.JsonSerializer.Deserialize(json, ApiJsonContext.Default.AnchoredBatchesJson) ?? throw new System.Text.Json.JsonException("The answer is null.");
}

/// <summary>One of them: its header, what the header's body is made of (SHA-256 of spans and frames), and the certificate.</summary>
public sealed record AnchoredBatchJson(
    string Gateway, ulong Number, string Previous, string Root, uint Frames, uint Samples, ulong FirstReceivedMs, ulong LastReceivedMs, string Body,
    string FramesHash, string SpansHash, IReadOnlyList<AttestationJson> Attestations);

/// <summary>The anchor this gateway is bringing to the ledger.</summary>
public sealed record OpenAnchorJson(ulong Epoch, string Hash, uint Batches, ulong Frames, IReadOnlyList<AttemptJson> Transactions);

/// <summary>One transaction for it.</summary>
public sealed record AttemptJson(string Hash, ulong Nonce, string MaxFeePerGasWei, string PriorityFeePerGasWei, long SavedMs, long? SentMs);

/// <summary>/api/anchors.</summary>
public sealed record AnchorsJson(IReadOnlyList<AnchorJson> Anchors, ulong? Next, OpenAnchorJson? Open);

/// <summary>/api/anchors/{ordinal}/path: an anchor's hash and its path to the peak of its mountain at a size of the ledger, as the chain was read here.</summary>
public sealed record LedgerPathJson(ulong Ordinal, string Hash, ulong Size, IReadOnlyList<string> Path);

/// <summary>/network: the network of gateways as this one sees it. Values of the chain are null while it is not followed to its newest block.</summary>
/// <param name="EpochEndsS">Chain time at which the next epoch begins, s since the Unix epoch.</param>
/// <param name="Active">The gateways that rule this epoch, in the contract's order.</param>
/// <param name="Quorum">Signatures the ledger asks of the next anchor.</param>
/// <param name="KnownEntries">Ledger entries whose batches this gateway knows, of <paramref name="Entries"/>.</param>
/// <param name="Pending">Certified batches that no entry contains.</param>
/// <param name="VoidBatches">Certified batches that lost a frame to an earlier anchor; what is left of them is in later batches.</param>
/// <param name="Offer">The own batch that collects attestations.</param>
/// <param name="Anchor">The anchor under way.</param>
/// <param name="Waits">What is waited for and what to do; empty when nothing is.</param>
/// <param name="Evidence">Evidence against gateways, the newest first.</param>
public sealed record NetworkJson(
    string Gateway, ulong Epoch, ulong? EpochEndsS, ulong? ChainTimeS, ulong? Block, ulong? Version, IReadOnlyList<MemberJson> Active, int? Quorum, ulong KnownEntries, ulong? Entries,
    long Pending, long VoidBatches, OfferJson? Offer, NetworkAnchorJson? Anchor, string Waits, IReadOnlyList<EvidenceJson> Evidence)
{
    /// <summary>Reads an answer; throws <see cref="System.Text.Json.JsonException"/> when it is none.</summary>
    public static NetworkJson Read(ReadOnlySpan<byte> json) =>
        System.Text.Json.JsonSerializer.Deserialize(json, ApiJsonContext.Default.NetworkJson) ?? throw new System.Text.Json.JsonException("The answer is null.");

    /// <summary>One line of JSON.</summary>
    public string Write() => System.Text.Json.JsonSerializer.Serialize(this, ApiJsonContext.Default.NetworkJson);
}

/// <summary>One active gateway in /network. Connected and inbound are null for the gateway that answers; knownEntries and block are its peers' own words.</summary>
/// <param name="Place">Place in the order of this epoch's leaders, from 1; null while it is not known.</param>
/// <param name="Score">0 good; at 100 it is dropped for a while.</param>
/// <param name="Trouble">Why it is not connected, or what it was blamed for last.</param>
/// <param name="Refusal">Why it does not sign what is under way now.</param>
public sealed record MemberJson(
    string Gateway, string Endpoint, int? Place, bool? Connected, bool? Inbound, long? SinceMs, long? LastMessageMs, long BytesSent, long BytesReceived, int Queued, long Dropped,
    int Score, string Trouble, ulong? KnownEntries, ulong? Block, string? Refusal);

/// <summary>Who does not sign, and why: a name of the enumeration Refusal.</summary>
public sealed record RefusalJson(string Gateway, string Reason);

/// <summary>An own batch and who attested it so far.</summary>
public sealed record OfferJson(ulong Number, IReadOnlyList<string> Attestations, int Needed, IReadOnlyList<RefusalJson> Refusals);

/// <summary>An anchor under way and who signed it so far.</summary>
public sealed record NetworkAnchorJson(
    ulong Epoch, string Hash, string? Proposer, uint Batches, ulong Frames, IReadOnlyList<string> Attestations, int Needed, IReadOnlyList<RefusalJson> Refusals);

/// <summary>Evidence against a gateway. Height: batch number or epoch.</summary>
public sealed record EvidenceJson(string Kind, string Gateway, ulong Height, string Text);

/// <summary>/api/rewards: the payouts that this gateway computed, the newest first; amounts in the token's smallest unit.</summary>
public sealed record RewardsJson(IReadOnlyList<PayoutJson> Payouts);

/// <summary>A payout: the last epoch that counts, the root before, its own, and the sum of all accounts.</summary>
public sealed record PayoutJson(ulong Epoch, string Previous, string Root, string Total, int Accounts);

/// <summary>/api/rewards/payouts/{epoch}: what each account earned since the beginning, ascending by account; Next is the place to go on from.</summary>
public sealed record PayoutAccountsJson(PayoutJson Payout, IReadOnlyList<EarnedJson> Accounts, int? Next)
{
    /// <summary>Reads an answer; throws <see cref="System.Text.Json.JsonException"/> when it is none.</summary>
    public static PayoutAccountsJson Read(ReadOnlySpan<byte> json) =>
        System.Text.Json.JsonSerializer.Deserialize(json, ApiJsonContext.Default.PayoutAccountsJson) ?? throw new System.Text.Json.JsonException("The answer is null.");
}

/// <summary>One account's sum.</summary>
public sealed record EarnedJson(string Account, string Cumulative);

/// <summary>/api/rewards/{account}: its leaf in each payout that has it, the newest first.</summary>
public sealed record ClaimsJson(string Account, IReadOnlyList<ClaimJson> Claims)
{
    /// <summary>Reads an answer; throws <see cref="System.Text.Json.JsonException"/> when it is none.</summary>
    public static ClaimsJson Read(ReadOnlySpan<byte> json) =>
        System.Text.Json.JsonSerializer.Deserialize(json, ApiJsonContext.Default.ClaimsJson) ?? throw new System.Text.Json.JsonException("The answer is null.");
}

/// <summary>What the Rewards contract's claim takes, for one root.</summary>
public sealed record ClaimJson(ulong Epoch, string Root, string Cumulative, IReadOnlyList<string> Path);

/// <summary>/api/disputes: what this gateway brought before the Disputes contract, and the contract's cases, whoever opened them; the newest first.</summary>
public sealed record DisputesJson(IReadOnlyList<DisputeJson> Disputes, IReadOnlyList<CaseJson> Cases)
{
    /// <summary>Reads an answer; throws <see cref="System.Text.Json.JsonException"/> when it is none.</summary>
    public static DisputesJson Read(ReadOnlySpan<byte> json) =>
        System.Text.Json.JsonSerializer.Deserialize(json, ApiJsonContext.Default.DisputesJson) ?? throw new System.Text.Json.JsonException("The answer is null.");
}

/// <summary>One of them.</summary>
/// <param name="Kind">twoBatches, twoAnchors, badFrame or twoFrames.</param>
/// <param name="Accused">The gateway; of twoFrames the device id, as an address.</param>
/// <param name="Offence">The contract's name for it.</param>
/// <param name="State">open, committed, reported, judged or refused.</param>
/// <param name="Reporter">Who reports; once it is judged, on whose evidence; null when that is not known.</param>
/// <param name="MadeMs">When the evidence was taken up.</param>
/// <param name="Transactions">Sent for it.</param>
/// <param name="Text">In words.</param>
public sealed record DisputeJson(string Kind, string Accused, string Offence, string State, string? Reporter, long MadeMs, int Transactions, string Text);

/// <summary>A case: a gateway is accused of signing the frame of a device that is not registered.</summary>
/// <param name="Case">The contract's name for it.</param>
/// <param name="Device">The device id, as an address.</param>
/// <param name="Accused">The gateway.</param>
/// <param name="Reporter">Who accuses, with a bond.</param>
/// <param name="DeadlineS">Last second of the answer, chain time.</param>
/// <param name="Block">It was opened in.</param>
/// <param name="State">open, refuted, upheld, or refused: left to others.</param>
/// <param name="Transactions">This gateway sent for it.</param>
/// <param name="Text">What stood in its way; empty when nothing did.</param>
public sealed record CaseJson(string Case, string Device, string Accused, string Reporter, ulong DeadlineS, ulong Block, string State, int Transactions, string Text);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.Never)]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(HealthJson))]
[JsonSerializable(typeof(StatusJson))]
[JsonSerializable(typeof(DeviceJson))]
[JsonSerializable(typeof(DevicesJson))]
[JsonSerializable(typeof(FramesJson))]
[JsonSerializable(typeof(FrameStateJson))]
[JsonSerializable(typeof(BatchJson))]
[JsonSerializable(typeof(BatchesJson))]
[JsonSerializable(typeof(AnchorsJson))]
[JsonSerializable(typeof(AnchoredBatchesJson))]
[JsonSerializable(typeof(LedgerPathJson))]
[JsonSerializable(typeof(NetworkJson))]
[JsonSerializable(typeof(RewardsJson))]
[JsonSerializable(typeof(PayoutAccountsJson))]
[JsonSerializable(typeof(ClaimsJson))]
[JsonSerializable(typeof(DisputesJson))]
internal sealed partial class ApiJsonContext : JsonSerializerContext;
