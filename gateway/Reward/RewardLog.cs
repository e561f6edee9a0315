using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Serialization;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Reward;

/// <summary>A payout as this gateway computed it: what claims are proven from.</summary>
/// <param name="Payout">What it signs.</param>
/// <param name="Sums">What every account earned until then.</param>
public sealed record ComputedPayout(Rewards.Payout Payout, RewardSums Sums);

/// <summary>The newest payouts in <c>chain.db</c>. All of it can be computed again from the chain and the anchored batches. Safe for concurrent use.</summary>
public sealed class RewardLog(ChainDatabase database)
{
    /// <summary>Payouts kept; claims need the last one or two.</summary>
    public const int PayoutsMax = 8;

    private const string Prefix = "reward.payout.";

    /// <summary>The payouts, the newest first.</summary>
    public IReadOnlyList<ComputedPayout> All() =>
        [.. database.Read(c => Sql.Rows(c, r => r.GetString(0), "SELECT value FROM meta WHERE key LIKE $0", Prefix + "%")).Select(Read).OrderByDescending(payout => payout.Payout.Epoch)];

    /// <summary>Saves one, in place of another of the same epoch; the oldest beyond <see cref="PayoutsMax"/> go.</summary>
    public void Save(ComputedPayout computed)
    {
        ArgumentNullException.ThrowIfNull(computed);
        database.Remember(Key(computed.Payout.Epoch), Write(computed));
        foreach (ComputedPayout old in All().Skip(PayoutsMax).ToList())
            database.Write(c => Sql.Execute(c, "DELETE FROM meta WHERE key = $0", Key(old.Payout.Epoch)));
    }

    private static string Key(ulong epoch) => Prefix + epoch.ToString(CultureInfo.InvariantCulture);

    private static string Write(ComputedPayout computed) => JsonSerializer.Serialize(
        new KeptPayout(computed.Payout.Epoch, computed.Payout.Previous.ToString(), computed.Payout.Root.ToString(), Text(computed.Payout.Total),
            [.. computed.Sums.Accounts.Select(one => new KeptSum(one.Key.ToString(), Text(one.Value)))]), RewardLogJson.Default.KeptPayout);

    private static ComputedPayout Read(string text)
    {
        try
        {
            KeptPayout kept = JsonSerializer.Deserialize(text, RewardLogJson.Default.KeptPayout)!;
            RewardSums sums = new(kept.Accounts.Select(one => KeyValuePair.Create(Address.Parse(one.Account), Number(one.Sum))));
            return new ComputedPayout(new Rewards.Payout(kept.Epoch, Hash32.Parse(kept.Previous), Hash32.Parse(kept.Root), Number(kept.Total)), sums);
        }
        catch (Exception wrong) when (wrong is JsonException or FormatException or ArgumentException or NullReferenceException)
        {
            throw new InvalidDataException($"chain.db holds a payout that is none ({wrong.Message}): restore it from a backup, or move it away (it is built again)");
        }
    }

    private static string Text(BigInteger value) => value.ToString(CultureInfo.InvariantCulture);

    private static BigInteger Number(string text) => BigInteger.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
}

internal sealed record KeptPayout(ulong Epoch, string Previous, string Root, string Total, IReadOnlyList<KeptSum> Accounts);

internal sealed record KeptSum(string Account, string Sum);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(KeptPayout))]
internal sealed partial class RewardLogJson : JsonSerializerContext;
