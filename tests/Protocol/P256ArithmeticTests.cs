// Field, scalars and inversion against BigInteger, at random values, at the edges, and at the largest limbs the comments allow.

using System.Numerics;

namespace DePIN.Protocol.Tests;

public sealed class P256ArithmeticTests
{
    private static readonly BigInteger P = P256Reference.P;
    private static readonly BigInteger N = P256Reference.N;
    private static readonly BigInteger RInverse = P256Reference.Inverse(BigInteger.One << 261, P);

    [Test]
    public void Products_agree_with_big_integers_at_random_and_extreme_limbs()
    {
        SeededRandom random = new(29);
        P256Element r = new();
        for (int i = 0; i < 20_000; i++)
        {
            // 2 times 3 is the largest product of factors allowed.
            P256Element a = Loose(random, 2, i);
            P256Element b = Loose(random, 3, i >> 1);
            P256Element c = Loose(random, 4, i >> 2);
            P256Element.Multiply(r, a, b);
            CheckCarried(r, Value(a) * Value(b) * RInverse);
            P256Element.Square(r, a);
            CheckCarried(r, Value(a) * Value(a) * RInverse);
            c.L8 = 4UL << 24;
            P256Element.MultiplySubtract(r, a, b, c);
            CheckCarried(r, (Value(a) * Value(b) * RInverse) - Value(c));
            P256Element.SquareSubtract(r, a, c);
            CheckCarried(r, (Value(a) * Value(a) * RInverse) - Value(c));
        }
    }

    [Test]
    public void A_result_may_be_written_over_any_operand()
    {
        SeededRandom random = new(30);
        P256Element expected = new();
        P256Element a = Loose(random, 1, 4);
        P256Element b = Loose(random, 1, 4);
        P256Element c = Loose(random, 1, 4);
        P256Element.MultiplySubtract(expected, a, b, c);
        for (int operand = 0; operand < 3; operand++)
        {
            P256Element[] copies = [new(), new(), new()];
            copies[0].Copy(a);
            copies[1].Copy(b);
            copies[2].Copy(c);
            P256Element.MultiplySubtract(copies[operand], copies[0], copies[1], copies[2]);
            Assert.That(Value(copies[operand]), Is.EqualTo(Value(expected)));
        }
    }

    [Test]
    public void Folding_keeps_the_value_and_brings_it_below_2_to_the_256_and_a_little()
    {
        SeededRandom random = new(31);
        for (int i = 0; i < 20_000; i++)
        {
            P256Element r = Loose(random, 1, i);
            r.L8 = (uint)random.Below(8 << 24);
            BigInteger value = Value(r);
            P256Element.Fold(r);
            CheckCarried(r, value);
            Assert.That(Value(r), Is.LessThan((BigInteger.One << 256) + (BigInteger.One << 228)));
        }
    }

    [Test]
    public void Sums_differences_and_triples_agree_with_big_integers()
    {
        SeededRandom random = new(32);
        P256Element r = new();
        for (int i = 0; i < 5_000; i++)
        {
            P256Element a = Loose(random, 1, i);
            P256Element b = Loose(random, 1, i >> 1);
            a.L8 &= 0xFFFFFF;
            b.L8 &= 0xFFFFFF;
            P256Element.Add(r, a, b);
            Check(r, Value(a) + Value(b));
            P256Element.Subtract(r, a, b);
            Check(r, Value(a) - Value(b));
            P256Element.SubtractProduct(r, a, b);
            Check(r, Value(a) - Value(b));
            P256Element.Triple(r, a);
            CheckCarried(r, 3 * Value(a));
        }
    }

    [Test]
    public void Inverses_agree_with_big_integers()
    {
        SeededRandom random = new(33);
        foreach ((BigInteger modulus, ModularInverse inverse) in new[] { (P, ModularInverse.ForField()), (N, ModularInverse.ForOrder()) })
        {
            IEnumerable<BigInteger> values = P256SignerTests.EdgeNumbers()
                .Concat(Enumerable.Range(1, 10).Select(i => modulus - i))
                .Concat(Enumerable.Range(0, 2_000).Select(_ => P256Reference.Number(random.Bytes(32))));
            foreach (BigInteger value in values.Select(value => P256Reference.Mod(value, modulus)).Where(value => !value.IsZero))
            {
                uint[] words = Words(value);
                inverse.Invert(words);
                Assert.That(Value(words), Is.EqualTo(P256Reference.Inverse(value, modulus)), () => $"{value:x}");
            }

            uint[] zero = new uint[8];
            inverse.Invert(zero);
            Assert.That(zero, Is.All.Zero);
        }
    }

    [Test]
    public void Scalars_agree_with_big_integers()
    {
        SeededRandom random = new(34);
        BigInteger radixInverse = P256Reference.Inverse(P256Reference.Mod(BigInteger.One << 256, N), N);
        BigInteger[] values = [.. P256SignerTests.EdgeNumbers(), .. Enumerable.Range(0, 200).Select(_ => P256Reference.Mod(P256Reference.Number(random.Bytes(32)), N))];
        uint[] r = new uint[8];
        foreach (BigInteger a in values)
        {
            BigInteger b = values[random.Below(values.Length)];
            P256Scalar.MultiplyMontgomery(r, Words(a), Words(b));
            Assert.That(Value(r), Is.EqualTo(a * b * radixInverse % N));
            P256Scalar.Add(r, Words(a), Words(b));
            Assert.That(Value(r), Is.EqualTo((a + b) % N));
            P256Scalar.Negate(r, Words(a));
            Assert.That(Value(r), Is.EqualTo(N - a));
            uint[] recoded = new uint[9];
            P256Scalar.Recode(recoded, Words(a));
            for (int i = 0; i < 3; i++)
            {
                Assert.That(P256Reference.Mod((2 * Value(recoded)) - ((BigInteger.One << 264) - 1), N), Is.EqualTo(a));
                P256Scalar.AddOrder(recoded);
            }
        }
    }

    // A value with limbs up to factor 2^29: at the bound, at zero, or random, by the kind.
    private static P256Element Loose(SeededRandom random, int factor, int kind)
    {
        ulong Limb() => (kind & 3) switch
        {
            0 => (ulong)factor * P256Element.LimbMask,
            1 => random.Below(2) == 0 ? 0 : (ulong)factor * P256Element.LimbMask,
            2 => random.Below(3) == 0 ? 0UL : (uint)random.Below(1 << 29),
            _ => (ulong)factor * (uint)random.Below(1 << 29),
        };
        return new P256Element { L0 = Limb(), L1 = Limb(), L2 = Limb(), L3 = Limb(), L4 = Limb(), L5 = Limb(), L6 = Limb(), L7 = Limb(), L8 = Limb() >> 5 };
    }

    private static void Check(P256Element actual, BigInteger expected) =>
        Assert.That(P256Reference.Mod(Value(actual), P), Is.EqualTo(P256Reference.Mod(expected, P)));

    private static void CheckCarried(P256Element actual, BigInteger expected)
    {
        Check(actual, expected);
        Assert.That(Limbs(actual).Take(8), Is.All.LessThanOrEqualTo(P256Element.LimbMask));
    }

    private static ulong[] Limbs(P256Element a) => [a.L0, a.L1, a.L2, a.L3, a.L4, a.L5, a.L6, a.L7, a.L8];

    private static BigInteger Value(P256Element a) => Limbs(a).Select((limb, i) => (BigInteger)limb << (29 * i)).Aggregate(BigInteger.Add);

    private static BigInteger Value(uint[] words) => words.Select((word, i) => (BigInteger)word << (32 * i)).Aggregate(BigInteger.Add);

    private static uint[] Words(BigInteger value) => [.. Enumerable.Range(0, 8).Select(i => (uint)((value >> (32 * i)) & uint.MaxValue))];
}
