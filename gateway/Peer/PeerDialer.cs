using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>
/// One dialled stream: a POST whose request and response bodies both stay open. The server's key is pinned to the gateway that is dialled.
/// It has a connection of its own, so that it ends when it is disposed.
/// </summary>
internal sealed class PeerDialer : IDisposable
{
    private readonly SocketsHttpHandler _handler;
    private readonly HttpClient _http;
    private readonly StreamContent _content = new();
    private readonly TimeProvider _time;
    private readonly PeerOptions _options;
    private HttpResponseMessage? _response;
    private string _keyTrouble = "";

    public PeerDialer(PeerKey key, Hash32 pinned, PeerOptions options, TimeProvider time)
    {
        (_options, _time) = (options, time);
        _handler = new SocketsHttpHandler
        {
            UseProxy = false, AllowAutoRedirect = false, UseCookies = false, AutomaticDecompression = DecompressionMethods.None, ActivityHeadersPropagator = null,
            MaxResponseHeadersLength = 8, MaxResponseDrainSize = 0, ConnectTimeout = options.ConnectTimeout, InitialHttp2StreamWindowSize = 512 * 1024,
            KeepAlivePingDelay = options.PingDelay, KeepAlivePingTimeout = options.PingTimeout, KeepAlivePingPolicy = HttpKeepAlivePingPolicy.Always,
            SslOptions = new SslClientAuthenticationOptions
            {
                ClientCertificateContext = key.Context,
                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                AllowRenegotiation = false,
                AllowTlsResume = false,
                CertificateChainPolicy = PeerTls.NoChain(),
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                {
                    Hash32 shown = PeerKey.HashOf(certificate);
                    if (shown == pinned) return true;
                    _keyTrouble = $"it shows the TLS key {shown}, but the registry records {pinned}";
                    return false;
                },
            },
        };
        _http = new HttpClient(_handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>What is written here the peer reads.</summary>
    public Stream Out => _content.Out;

    /// <summary>What the peer writes.</summary>
    public Stream In { get; private set; } = Stream.Null;

    /// <summary>Opens the stream. Throws <see cref="PeerDialException"/> that says why not.</summary>
    public async Task OpenAsync(Uri endpoint, Address self, Address peer, CancellationToken stopping)
    {
        using CancellationTokenSource patience = new(_options.ConnectTimeout + _options.AnswerTimeout, _time);
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(stopping, patience.Token);
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri(endpoint, PeerPaths.Stream))
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = _content,
        };
        request.Headers.Add(PeerPaths.WireHeader, PeerPaths.Wire);
        request.Headers.Add(PeerPaths.FromHeader, self.ToString());
        request.Headers.Add(PeerPaths.ToHeader, peer.ToString());
        try
        {
            Task<HttpResponseMessage> answering = _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, both.Token);
            _response = await answering.ConfigureAwait(false);
            if (_response.StatusCode != HttpStatusCode.OK)
            {
                byte[] text = new byte[256];
                int length = await (await _response.Content.ReadAsStreamAsync(both.Token).ConfigureAwait(false)).ReadAtLeastAsync(text, text.Length, false, both.Token).ConfigureAwait(false);
                throw new PeerDialException($"it refused the stream ({(int)_response.StatusCode}): {PeerPaths.Printable(text.AsSpan(0, length))}");
            }

            In = await _response.Content.ReadAsStreamAsync(both.Token).ConfigureAwait(false);
            await _content.Opened.WaitAsync(both.Token).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException or OperationCanceledException or AuthenticationException && !stopping.IsCancellationRequested)
        {
            if (_keyTrouble.Length > 0) throw new PeerDialException(_keyTrouble, fault);
            throw new PeerDialException(fault is OperationCanceledException ? "no answer in time" : Innermost(fault), fault);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _content.End();
        _response?.Dispose();
        _http.Dispose();
        _handler.Dispose();
        _content.Dispose();
    }

    private static string Innermost(Exception fault)
    {
        while (fault.InnerException is { } inner) fault = inner;
        return fault.Message;
    }

    /// <summary>A request body that stays open until told to end.</summary>
    private sealed class StreamContent : HttpContent
    {
        private readonly TaskCompletionSource<Stream> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Opened => _opened.Task;

        public Stream Out => _opened.Task.Result; // after Opened

        public void End() => _ended.TrySetResult();

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            await stream.FlushAsync(cancellationToken).ConfigureAwait(false); // the headers go out now
            _opened.TrySetResult(stream);
            await _ended.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}

/// <summary>Why a peer could not be dialled; the message is for people.</summary>
internal sealed class PeerDialException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Paths and headers between gateways.</summary>
public static class PeerPaths
{
    /// <summary>POST: both bodies are streams of messages, each u32 big-endian length | <see cref="PeerCodec"/> bytes.</summary>
    public const string Stream = "/peer/stream";

    /// <summary>GET, followed by 64 hex digits: the body of that SHA-256.</summary>
    public const string Bodies = "/peer/bodies/";

    /// <summary>Version of what is said on the stream.</summary>
    public const string WireHeader = "depin-wire";

    /// <summary>The only one so far.</summary>
    public const string Wire = "1";

    /// <summary>The dialling gateway: a registry may record one TLS key for two gateways, so the key alone does not say who it is.</summary>
    public const string FromHeader = "depin-from";

    /// <summary>The gateway that is meant: for the same reason.</summary>
    public const string ToHeader = "depin-to";

    /// <summary>A peer's words as a log may show them.</summary>
    internal static string Printable(ReadOnlySpan<byte> text)
    {
        System.Text.StringBuilder shown = new(text.Length);
        foreach (byte b in text) shown.Append(b is >= 0x20 and < 0x7f ? (char)b : '.');
        return shown.ToString();
    }
}
