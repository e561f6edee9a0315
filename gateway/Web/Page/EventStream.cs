using System.Threading.Channels;
using Microsoft.AspNetCore.Connections.Features;

namespace DePIN.Gateway.Web.Page;

/// <summary>
/// One reader of server-sent events (HTML standard, section 9.2) and what waits for it: at most <see cref="BehindMax"/> messages here and
/// <see cref="SocketBytes"/> in the system's socket. A reader that does not keep up is cut off, also in the middle of a write that its full window
/// holds; a browser comes again by itself.
/// </summary>
internal sealed class EventStream : IDisposable
{
    /// <summary>Messages that wait for one reader at most.</summary>
    public const int BehindMax = 8;

    /// <summary>The system's send buffer of a reader; by itself it would grow to megabytes before a stalled reader is noticed.</summary>
    public const int SocketBytes = 32 * 1024;

    private readonly HttpContext _context;
    private readonly Channel<byte[]> _messages = Channel.CreateBounded<byte[]>(new BoundedChannelOptions(BehindMax) { SingleReader = true, SingleWriter = true });
    private readonly CancellationTokenSource _cut;
    private readonly Lock _gate = new();
    private bool _isOver;

    public EventStream(HttpContext context)
    {
        _context = context;
        _cut = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        if (context.Features.Get<IConnectionSocketFeature>() is { } connection) connection.Socket.SendBufferSize = SocketBytes;
    }

    /// <summary>Queues a message. One writer at a time; a reader that has <see cref="BehindMax"/> waiting is cut off.</summary>
    public void Tell(byte[] message)
    {
        lock (_gate)
            if (!_isOver && !_messages.Writer.TryWrite(message)) _cut.Cancel();
    }

    /// <summary>No more messages: what waits is still sent.</summary>
    public void End() => _messages.Writer.TryComplete();

    /// <summary>Sends until the reader goes, falls behind, may not read any more (asked before each message), or <see cref="End"/>.</summary>
    public async Task SendAsync(Func<bool> mayRead)
    {
        HttpResponse response = _context.Response;
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-store";
        response.Headers["X-Accel-Buffering"] = "no";
        try
        {
            await WriteAsync("retry: 3000\n\n"u8.ToArray()).ConfigureAwait(false);
            await foreach (byte[] message in _messages.Reader.ReadAllAsync(_cut.Token).ConfigureAwait(false))
            {
                if (!mayRead()) return;
                await WriteAsync(message).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_cut.IsCancellationRequested)
        {
            _context.Abort(); // what it has not taken is thrown away with the connection
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate) _isOver = true;
        _cut.Dispose();
    }

    private async Task WriteAsync(byte[] message)
    {
        await _context.Response.Body.WriteAsync(message, _cut.Token).ConfigureAwait(false);
        await _context.Response.Body.FlushAsync(_cut.Token).ConfigureAwait(false);
    }
}
