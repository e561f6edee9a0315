using System.Numerics;

namespace DePIN.Evidence;

/// <summary>What governance sets for rewards, as it was at the end of an epoch.</summary>
/// <param name="EmissionPerDay">In the token's smallest unit.</param>
/// <param name="DeviceShare">Of 10,000: the owners' part.</param>
/// <param name="FramesPerDeviceMax">Frames of one device that count in an epoch.</param>
/// <param name="DoubtfulShare">Of 10,000: what a doubtful frame counts.</param>
public sealed record RewardRates(BigInteger EmissionPerDay, BigInteger DeviceShare, BigInteger FramesPerDeviceMax, BigInteger DoubtfulShare);

/// <summary>Frames of one device and one profile under the anchors of an epoch.</summary>
/// <param name="Device">Device id.</param>
/// <param name="KeyKind">1 software, 2 secure element, 3 attested.</param>
/// <param name="Owner">Who is paid.</param>
/// <param name="Frames">How many, each (device, sequence) once.</param>
/// <param name="Doubtful">How many of them are doubtful (<see cref="FrameKey"/>).</param>
/// <param name="ProfileWeight">Of 10,000.</param>
public readonly record struct RewardedDevice(Address Device, byte KeyKind, Address Owner, ulong Frames, ulong Doubtful, BigInteger ProfileWeight);

/// <summary>What one gateway did in an epoch.</summary>
/// <param name="Gateway">Its signer.</param>
/// <param name="Account">Who is paid.</param>
/// <param name="Points">As shared/Contracts/README.md counts them.</param>
public readonly record struct RewardedGateway(Address Gateway, Address Account, ulong Points);

/// <summary>
/// The rule that divides an epoch's emission (shared/Contracts/README.md, "Rewards"): whole numbers, divisions rounded down, so that every gateway and
/// every auditor gets the same. The order of what is given does not matter. What rounding leaves is not carried over.
/// </summary>
public static class RewardRule
{
    /// <summary>Shares are of this.</summary>
    public const int Whole = 10_000;

    private const int SecondsPerDay = 86_400;

    /// <summary>What an epoch emits at most: emission × length / 1 day.</summary>
    public static BigInteger Emission(BigInteger perDay, ulong epochSeconds) => perDay * epochSeconds / SecondsPerDay;

    /// <summary>What each account earned in an epoch; accounts that earned nothing are left out.</summary>
    /// <param name="epochSeconds">The epoch's length.</param>
    /// <param name="rates">As of its end.</param>
    /// <param name="devices">A device given several times counts as one, with all its frames.</param>
    /// <param name="gateways">A gateway given several times counts as one, with all its points.</param>
    public static Dictionary<Address, BigInteger> Divide(ulong epochSeconds, RewardRates rates, IEnumerable<RewardedDevice> devices, IEnumerable<RewardedGateway> gateways)
    {
        ArgumentNullException.ThrowIfNull(rates);
        ArgumentNullException.ThrowIfNull(devices);
        ArgumentNullException.ThrowIfNull(gateways);
        BigInteger emission = Emission(rates.EmissionPerDay, epochSeconds), forOwners = emission * rates.DeviceShare / Whole, forGateways = emission - forOwners;
        Dictionary<Address, BigInteger> counts = [];
        foreach (IGrouping<Address, RewardedDevice> device in devices.GroupBy(device => device.Device))
        {
            RewardedDevice one = device.First();
            BigInteger frames = BigInteger.Zero, weighted = BigInteger.Zero, most = rates.FramesPerDeviceMax * Whole;
            foreach (RewardedDevice part in device)
            {
                BigInteger good = (BigInteger)Whole * (part.Frames - part.Doubtful) + rates.DoubtfulShare * part.Doubtful;
                (frames, weighted) = (frames + good, weighted + good * part.ProfileWeight);
            }

            BigInteger count = (frames > most ? weighted * most / frames : weighted) * Weight(one.KeyKind);
            if (!one.Owner.IsZero && count > 0) counts[one.Owner] = counts.GetValueOrDefault(one.Owner) + count;
        }

        Dictionary<Address, BigInteger> earned = [];
        BigInteger all = Sum(counts.Values);
        foreach ((Address owner, BigInteger count) in counts) Add(earned, owner, forOwners * count / all);

        List<(Address Account, BigInteger Points)> works = [.. gateways.GroupBy(gateway => gateway.Gateway)
            .Select(gateway => (gateway.First().Account, gateway.Aggregate(BigInteger.Zero, static (sum, part) => sum + part.Points))).Where(work => work.Item2 > 0)];
        BigInteger points = Sum(works.Select(work => work.Points));
        foreach ((Address account, BigInteger own) in works) Add(earned, account, forGateways * own / points);
        return earned;
    }

    private static BigInteger Weight(byte keyKind) => keyKind is >= 1 and <= 3 ? keyKind : BigInteger.Zero;

    private static BigInteger Sum(IEnumerable<BigInteger> values) => values.Aggregate(BigInteger.Zero, static (sum, value) => sum + value);

    private static void Add(Dictionary<Address, BigInteger> to, Address account, BigInteger amount)
    {
        if (amount > 0) to[account] = to.GetValueOrDefault(account) + amount;
    }
}
