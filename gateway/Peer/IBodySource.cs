using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>A place that has bodies: the folder of peers' bodies, or the frame store with own ones. Called by several threads.</summary>
public interface IBodySource
{
    /// <summary>True when the body is here, whole.</summary>
    bool Has(Hash32 framesHash);

    /// <summary>Opens it from an offset on, to be read forward; null when it is not here. Dispose it.</summary>
    BodyReading? Open(Hash32 framesHash, long offset);
}

/// <summary>A body being read.</summary>
/// <param name="Length">Bytes of the whole body.</param>
/// <param name="Rest">Its bytes from the offset on.</param>
public sealed record BodyReading(long Length, Stream Rest) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Rest.Dispose();
}

/// <summary>Chunks as a stream that is read forward once, from an offset on: for sources that derive a body piece by piece.</summary>
public sealed class ChunkStream : Stream
{
    private readonly IEnumerator<ReadOnlyMemory<byte>> _chunks;
    private ReadOnlyMemory<byte> _chunk;
    private long _skip;

    /// <param name="chunks">The body's bytes in order.</param>
    /// <param name="offset">Bytes passed over first.</param>
    public ChunkStream(IEnumerable<ReadOnlyMemory<byte>> chunks, long offset)
    {
        ArgumentNullException.ThrowIfNull(chunks);
        (_chunks, _skip) = (chunks.GetEnumerator(), offset);
    }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        while (_chunk.IsEmpty || _skip > 0)
        {
            if (_chunk.IsEmpty)
            {
                if (!_chunks.MoveNext()) return 0;
                _chunk = _chunks.Current;
            }

            int passed = (int)Math.Min(_skip, _chunk.Length);
            _chunk = _chunk[passed..];
            _skip -= passed;
        }

        int count = Math.Min(buffer.Length, _chunk.Length);
        _chunk.Span[..count].CopyTo(buffer);
        _chunk = _chunk[count..];
        return count;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Flush() { }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _chunks.Dispose();
        base.Dispose(disposing);
    }
}
