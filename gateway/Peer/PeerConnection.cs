using System.Buffers.Binary;
using System.Threading.Channels;
using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>
/// One open stream to a peer: a bounded queue, a loop that writes it and a loop that reads. On the wire each message is u32 big-endian
/// length | <see cref="PeerCodec"/> bytes. Owned by <see cref="PeerTransport"/>.
/// </summary>
internal sealed class PeerConnection : IDisposable
{
    private const int BufferBytes = 32 * 1024;

    private readonly PeerOptions _options;
    private readonly Channel<byte[]> _queue = Channel.CreateUnbounded<byte[]>(new UnboundedChannelOptions { SingleReader = true }); // bounded by TrySend
    private readonly CancellationTokenSource _end;
    private readonly Lock _gate = new();
    private int _queued;
    private long _queuedBytes;
    private bool _ended;
    private string _why = "";

    public PeerConnection(Address peer, Hash32 key, bool isInbound, string endpoint, PeerOptions options, TimeProvider time, CancellationToken stopping)
    {
        (Peer, Key, IsInbound, Endpoint, _options) = (peer, key, isInbound, endpoint, options);
        Opened = time.GetTimestamp();
        SinceMs = time.GetUtcNow().ToUnixTimeMilliseconds();
        _end = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        Ended = _end.Token;
    }

    public Address Peer { get; }

    /// <summary>The key it showed.</summary>
    public Hash32 Key { get; }

    public bool IsInbound { get; }

    public string Endpoint { get; }

    public long SinceMs { get; }

    public long Opened { get; }

    public long BytesSent;
    public long BytesReceived;

    /// <summary>Cancelled when it is to end.</summary>
    public CancellationToken Ended { get; }

    /// <summary>Messages waiting.</summary>
    public int Queued { get { lock (_gate) return _queued; } }

    /// <summary>Why it ended; empty while it lives or when the peer ended it.</summary>
    public string Why { get { lock (_gate) return _why; } }

    /// <summary>Queues a message; false when the queue is full or the connection ended.</summary>
    public bool TrySend(byte[] message)
    {
        lock (_gate)
        {
            if (_ended || _queued >= _options.QueueMessagesMax || _queuedBytes + message.Length > _options.QueueBytesMax) return false;
            _queued++;
            _queuedBytes += message.Length;
            return _queue.Writer.TryWrite(message);
        }
    }

    /// <summary>Ends it; the first reason stays.</summary>
    public void Close(string why)
    {
        lock (_gate)
        {
            if (_ended) return;
            _ended = true;
            _why = why;
            _queue.Writer.TryComplete();
        }

        _end.Cancel();
    }

    /// <summary>Writes what is queued until the connection ends.</summary>
    public async Task WriteAsync(Stream to)
    {
        byte[] buffer = new byte[BufferBytes];
        while (await _queue.Reader.WaitToReadAsync(Ended).ConfigureAwait(false))
        {
            int filled = 0, messages = 0, bytes = 0;
            while (bytes < BufferBytes && _queue.Reader.TryRead(out byte[]? message))
            {
                if (filled + 4 + message.Length > buffer.Length && filled > 0)
                {
                    await to.WriteAsync(buffer.AsMemory(0, filled), Ended).ConfigureAwait(false);
                    filled = 0;
                }

                BinaryPrimitives.WriteUInt32BigEndian(buffer.AsSpan(filled), (uint)message.Length);
                filled += 4;
                if (message.Length <= buffer.Length - filled)
                {
                    message.CopyTo(buffer, filled);
                    filled += message.Length;
                }
                else
                {
                    await to.WriteAsync(buffer.AsMemory(0, filled), Ended).ConfigureAwait(false);
                    await to.WriteAsync(message, Ended).ConfigureAwait(false);
                    filled = 0;
                }

                messages++;
                bytes += message.Length;
                Interlocked.Add(ref BytesSent, 4 + message.Length);
            }

            if (filled > 0) await to.WriteAsync(buffer.AsMemory(0, filled), Ended).ConfigureAwait(false);
            await to.FlushAsync(Ended).ConfigureAwait(false);
            lock (_gate)
            {
                _queued -= messages;
                _queuedBytes -= bytes;
            }
        }
    }

    /// <summary>
    /// Reads messages until the stream ends or <paramref name="take"/> says no. A length above the bound is given to it as null.
    /// A buffer grows with the bytes that came, never with the length that was announced.
    /// </summary>
    public async Task ReadAsync(Stream from, Func<PeerConnection, ReadOnlyMemory<byte>?, ValueTask<bool>> take)
    {
        byte[] buffer = new byte[BufferBytes];
        int begin = 0, end = 0;
        while (true)
        {
            while (end - begin >= 4)
            {
                uint length = BinaryPrimitives.ReadUInt32BigEndian(buffer.AsSpan(begin));
                if (length is 0 or > PeerLimits.MessageBytesMax)
                {
                    await take(this, null).ConfigureAwait(false);
                    return;
                }

                if (end - begin - 4 < length) break;
                if (!await take(this, buffer.AsMemory(begin + 4, (int)length)).ConfigureAwait(false)) return;
                begin += 4 + (int)length;
            }

            if (begin == end)
            {
                (begin, end) = (0, 0);
                if (buffer.Length > 8 * BufferBytes) buffer = new byte[BufferBytes]; // a large one has passed
            }
            else if (begin > 0 && end == buffer.Length)
            {
                buffer.AsSpan(begin, end - begin).CopyTo(buffer);
                (begin, end) = (0, end - begin);
            }

            if (end == buffer.Length) Array.Resize(ref buffer, 2 * buffer.Length);
            int read = await from.ReadAsync(buffer.AsMemory(end), Ended).ConfigureAwait(false);
            if (read == 0) return;
            end += read;
            Interlocked.Add(ref BytesReceived, read);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _end.Dispose();
}
