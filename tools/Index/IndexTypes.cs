using System.Text.Json.Serialization;
using DePIN.Gateway.Web;

namespace DePIN.Index;

// What the index answers, as records: its README shows the paths. Hashes and addresses are 0x lower-case hex, device ids 40 hex digits without 0x, times ms since the Unix epoch unless the name says otherwise.

/// <summary>/status.</summary>
/// <param name="Block">Read up to here.</param>
/// <param name="Lag">Blocks that are not read yet.</param>
/// <param name="UpdatedMs">When the chain was last read.</param>
/// <param name="Gaps">What could not be got, the first hundred.</param>
public sealed record StatusJson(
    long ChainId, string Ledger, long? Block, long? BlockTimeS, long? Head, long? Lag, long FinalBlock, long UpdatedMs, CountsJson Counts, IReadOnlyList<GapJson> Gaps, IReadOnlyList<SourceJson> Sources);

/// <summary>Counts in /status.</summary>
public sealed record CountsJson(long Anchors, long AnchorsFinal, long AnchorsUnknown, long Batches, long BatchesMissing, long Frames, long Gaps);

/// <summary>One gap. What: batches (of the anchor) or body (of the batch).</summary>
public sealed record GapJson(long Ordinal, string What, string? Gateway, long? Batch, string Reason, string Detail, long SinceMs, int Tries, long NextTryMs);

/// <summary>One gateway's answers.</summary>
public sealed record SourceJson(string Url, long Answered, long Missing, long Unreachable, long Lied, string? LastFault, long? LastFaultMs);

/// <summary>/devices.</summary>
public sealed record DeviceListJson(IReadOnlyList<IndexedDeviceJson> Devices, string? Next);

/// <summary>One device.</summary>
public sealed record IndexedDeviceJson(string Device, string PublicKey, string KeyKind, string Owner, long RegisteredAtS, long? RevokedAtS);

/// <summary>/devices/{id}/readings.</summary>
public sealed record ReadingsJson(IReadOnlyList<ReadingJson> Readings, string? Next);

/// <summary>One reading and where the ledger has it.</summary>
public sealed record ReadingJson(
    ulong Sequence, int Sample, long TimeMs, bool ClockSynchronised, int Channel, string? Name, string? Unit, string Value, int Quality,
    long Ordinal, long Epoch, long Block, string Transaction, string Gateway, long Batch, int Place, bool Final, string Proof);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.Never)]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(StatusJson))]
[JsonSerializable(typeof(DeviceListJson))]
[JsonSerializable(typeof(ReadingsJson))]
internal sealed partial class IndexJsonContext : JsonSerializerContext;
