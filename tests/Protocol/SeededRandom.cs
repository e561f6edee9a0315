// Bytes and numbers that a seed replays, as the protocol's random source in tests.

namespace DePIN.Protocol.Tests;

internal sealed class SeededRandom(int seed) : IRandomSource
{
    private readonly Random _random = new(seed);

    public void Fill(byte[] buffer, int offset, int count) => _random.NextBytes(buffer.AsSpan(offset, count));

    public byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        _random.NextBytes(bytes);
        return bytes;
    }

    public int Below(int bound) => _random.Next(bound);
}
