// A growing byte buffer that packets are encoded into and that is written to the network in one piece: many small
// acknowledgements leave in one write. Not thread-safe: its owner holds a lock. Memory beyond the kept size is given back on Clear.

using System.Buffers;

namespace DePIN.Mqtt;

/// <summary>A reusable buffer of encoded packets.</summary>
public sealed class PacketBuffer : IBufferWriter<byte>
{
    private const int BytesFirst = 512;
    private const int BytesKept = 16 * 1024;

    private byte[] _bytes = [];

    /// <summary>How many bytes are in it.</summary>
    public int Count { get; private set; }

    /// <summary>The bytes in it; valid until it is written to again or cleared.</summary>
    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Count);

    /// <inheritdoc/>
    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _bytes.Length - Count);
        Count += count;
    }

    /// <inheritdoc/>
    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Ensure(sizeHint);
        return _bytes.AsMemory(Count);
    }

    /// <inheritdoc/>
    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Ensure(sizeHint);
        return _bytes.AsSpan(Count);
    }

    /// <summary>Empties it.</summary>
    public void Clear()
    {
        Count = 0;
        if (_bytes.Length > BytesKept)
        {
            _bytes = [];
        }
    }

    private void Ensure(int sizeHint)
    {
        int needed = checked(Count + Math.Max(1, sizeHint));
        if (needed > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Max(Math.Max(BytesFirst, needed), (int)Math.Min((long)_bytes.Length * 2, Array.MaxLength)));
        }
    }
}
