namespace DePIN.Simulator;

/// <summary>xoshiro256** (Blackman, Vigna 2018), seeded through splitmix64: the only source of chance, integers only, the same on every machine.</summary>
internal sealed class Prng
{
    private ulong _a, _b, _c, _d;

    public Prng(ulong seed)
    {
        ulong state = seed;
        _a = SplitMix(ref state);
        _b = SplitMix(ref state);
        _c = SplitMix(ref state);
        _d = SplitMix(ref state);
    }

    public static ulong SplitMix(ref ulong state)
    {
        state += 0x9E3779B97F4A7C15;
        return Mix(state);
    }

    /// <summary>A bijection that spreads every bit: the finisher of splitmix64.</summary>
    public static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    public ulong Next()
    {
        ulong result = ulong.RotateLeft(_b * 5, 7) * 9;
        ulong t = _b << 17;
        _c ^= _a;
        _d ^= _b;
        _b ^= _c;
        _a ^= _d;
        _c ^= t;
        _d = ulong.RotateLeft(_d, 45);
        return result;
    }

    /// <summary>0 … n-1.</summary>
    public int Below(int n) => (int)((UInt128)Next() * (uint)n >> 64);

    /// <summary>Both included.</summary>
    public int Range(int first, int last) => first + Below(last - first + 1);

    public bool Chance(int perMille) => perMille > 0 && Below(1000) < perMille;

    public T Pick<T>(IReadOnlyList<T> items) => items[Below(items.Count)];

    /// <summary>A delay with a long tail: mostly near the least, rarely many times as long.</summary>
    public int Delay(int leastMs, int spreadMs)
    {
        int tail = Below(64) == 0 ? 8 : 1;
        return leastMs + Below(spreadMs + 1) * Below(4) / 3 * tail;
    }

    public void Shuffle<T>(IList<T> items)
    {
        for (int i = items.Count - 1; i > 0; i--)
        {
            int j = Below(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    public void Fill(Span<byte> bytes)
    {
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)Next();
    }
}
