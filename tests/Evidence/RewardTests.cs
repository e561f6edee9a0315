using System.Globalization;
using System.Numerics;
using System.Text.Json;
using DePIN.Devnet;

namespace DePIN.Evidence.Tests;

/// <summary>The rule that divides an epoch's emission and the tree that claims are proven in: against other people's code, and what must hold for any input.</summary>
[TestFixture]
public sealed class RewardTests
{
    private const int Seeds = 300;

    private readonly JsonElement _vectors = Read();

    [Test]
    public void What_everybody_earns_is_that_of_the_vectors()
    {
        foreach (JsonElement one in _vectors.GetProperty("cases").EnumerateArray())
        {
            RewardRates rates = new(Number(one, "emissionPerDay"), one.GetProperty("deviceShare").GetInt32(), one.GetProperty("framesPerDeviceMax").GetInt32(), one.GetProperty("doubtfulShare").GetInt32());
            Dictionary<Address, BigInteger> earned = RewardRule.Divide(one.GetProperty("epochSeconds").GetUInt64(), rates,
                one.GetProperty("devices").EnumerateArray().Select(d => new RewardedDevice(Account(d, "device"), d.GetProperty("keyKind").GetByte(), Account(d, "owner"), d.GetProperty("frames").GetUInt64(), d.GetProperty("doubtful").GetUInt64(), d.GetProperty("profileWeight").GetInt32())),
                one.GetProperty("gateways").EnumerateArray().Select(g => new RewardedGateway(Account(g, "gateway"), Account(g, "account"), g.GetProperty("points").GetUInt64())));
            Assert.That(earned, Is.EquivalentTo(Pairs(one.GetProperty("earned"))), one.GetProperty("name").GetString());
        }
    }

    [Test]
    public void Roots_and_paths_are_those_of_the_vectors_in_whatever_order_accounts_came()
    {
        foreach (JsonElement tree in _vectors.GetProperty("trees").EnumerateArray())
        {
            KeyValuePair<Address, BigInteger>[] leaves = [.. Pairs(tree.GetProperty("leaves"))];
            RewardSums sums = new(leaves.Reverse());
            Assert.That(sums.Root().ToString(), Is.EqualTo(tree.GetProperty("root").GetString()));
            Assert.That(sums.Total, Is.EqualTo(Number(tree, "total")));
            for (int i = 0; i < leaves.Length; i++)
                Assert.That(sums.PathOf(leaves[i].Key)!.Select(node => node.ToString()), Is.EqualTo(tree.GetProperty("paths")[i].EnumerateArray().Select(node => node.GetString())));
            Assert.That(sums.PathOf(Address.Zero), Is.Null);
        }
    }

    [Test]
    public void The_order_of_the_input_changes_nothing_and_no_epoch_pays_more_than_it_emits()
    {
        for (int seed = 0; seed < Seeds; seed++)
        {
            Random random = new(seed);
            (ulong seconds, RewardRates rates, RewardedDevice[] devices, RewardedGateway[] gateways) = Make(random);
            Dictionary<Address, BigInteger> earned = RewardRule.Divide(seconds, rates, devices, gateways);
            random.Shuffle(devices);
            random.Shuffle(gateways);
            Assert.That(RewardRule.Divide(seconds, rates, devices, gateways), Is.EquivalentTo(earned), $"seed {seed}");
            BigInteger paid = earned.Values.Aggregate(BigInteger.Zero, static (sum, one) => sum + one), emitted = RewardRule.Emission(rates.EmissionPerDay, seconds);
            Assert.That(paid, Is.LessThanOrEqualTo(emitted), $"seed {seed}");
            Assert.That(earned.Values, Has.All.GreaterThan(BigInteger.Zero), $"seed {seed}");
        }
    }

    [Test]
    public void A_frame_given_in_two_parts_counts_as_in_one_and_one_above_the_limit_counts_nothing()
    {
        for (int seed = 0; seed < Seeds; seed++)
        {
            Random random = new(seed);
            (ulong seconds, RewardRates rates, RewardedDevice[] devices, RewardedGateway[] gateways) = Make(random);
            Dictionary<Address, BigInteger> earned = RewardRule.Divide(seconds, rates, devices, gateways);
            RewardedDevice[] parts = [.. devices.SelectMany(device => (RewardedDevice[])[device with { Frames = device.Frames / 2, Doubtful = device.Doubtful / 2 }, device with { Frames = device.Frames - device.Frames / 2, Doubtful = device.Doubtful - device.Doubtful / 2 }])];
            Assert.That(RewardRule.Divide(seconds, rates, parts, gateways), Is.EquivalentTo(earned), $"seed {seed}");
            ulong most = (ulong)rates.FramesPerDeviceMax;
            RewardedDevice[] more = [.. devices.Select(device => device.Frames - device.Doubtful < most ? device : device with { Frames = device.Frames + 1_000 })];
            Assert.That(RewardRule.Divide(seconds, rates, more, gateways), Is.EquivalentTo(earned), $"seed {seed}");
        }
    }

    [Test]
    public void What_rounding_leaves_is_not_carried_over()
    {
        RewardRates rates = new(86_400 * 10, 5_000, 60, 5_000); // ten units a second, five for owners
        RewardedDevice[] devices = [.. Enumerable.Range(1, 3).Select(i => new RewardedDevice(At(i), 1, At(10 + i), 1, 0, 10_000))];
        RewardSums sums = new();
        for (int epoch = 0; epoch < 6; epoch++) sums.Add(RewardRule.Divide(1, rates, devices, []));
        Assert.That(sums.Accounts.Select(one => one.Value), Is.All.EqualTo((BigInteger)6), "5 / 3 = 1 in each of six epochs; the 12 that are left belong to nobody");
    }

    private static (ulong Seconds, RewardRates Rates, RewardedDevice[] Devices, RewardedGateway[] Gateways) Make(Random random)
    {
        RewardRates rates = new(new BigInteger(random.NextInt64(0, 1L << 60)) * random.Next(1, 1_000), random.Next(1_000, 9_001), random.Next(1, 200), random.Next(0, 10_001));
        RewardedDevice[] devices = [.. Enumerable.Range(1, random.Next(0, 40)).Select(i => Device(random, i))];
        RewardedGateway[] gateways = [.. Enumerable.Range(1, random.Next(0, 20)).Select(i => new RewardedGateway(At(2_000 + random.Next(0, 7)), default, (ulong)random.Next(0, 50)))];
        gateways = [.. gateways.Select(gateway => gateway with { Account = gateway.Gateway })]; // one account a gateway
        return ((ulong)random.Next(1, 86_401), rates, devices, gateways);
    }

    private static RewardedDevice Device(Random random, int number)
    {
        int frames = random.Next(0, 300);
        return new RewardedDevice(At(number), (byte)random.Next(1, 4), At(1_000 + random.Next(0, 9)), (ulong)frames, (ulong)random.Next(0, frames + 1), random.Next(0, 30_001));
    }

    private static Address At(int number)
    {
        byte[] bytes = new byte[Address.Bytes];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(16), number);
        return new Address(bytes);
    }

    private static IEnumerable<KeyValuePair<Address, BigInteger>> Pairs(JsonElement list) =>
        list.EnumerateArray().Select(pair => KeyValuePair.Create(Address.Parse(pair[0].GetString()!), BigInteger.Parse(pair[1].GetString()!, CultureInfo.InvariantCulture)));

    private static Address Account(JsonElement one, string name) => Address.Parse(one.GetProperty(name).GetString()!);

    private static BigInteger Number(JsonElement one, string name) => BigInteger.Parse(one.GetProperty(name).GetString()!, CultureInfo.InvariantCulture);

    private static JsonElement Read()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.VectorsFolder, "rewards.json")));
        return document.RootElement.Clone();
    }
}
