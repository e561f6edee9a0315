using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Gateway.Tests.Peer;

/// <summary>A peer that writes bytes as a test wants them.</summary>
internal sealed class PeerDialerByHand : IDisposable
{
    private readonly HttpClient _http;
    private readonly Body _body = new();
    private HttpResponseMessage? _answer;
    private Stream _in = Stream.Null;

    private PeerDialerByHand(X509Certificate2 certificate) => _http = Client(certificate);

    public static HttpClient Client(X509Certificate2 certificate) => new(new SocketsHttpHandler
    {
        SslOptions = new SslClientAuthenticationOptions { ClientCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true), RemoteCertificateValidationCallback = (_, _, _, _) => true },
    }) { Timeout = Timeout.InfiniteTimeSpan, DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };

    public static Task<PeerDialerByHand> OpenAsync(PeerKey key, IPEndPoint at, Address self, Address peer) => OpenAsync(key.Certificate, at, self, peer);

    public static async Task<PeerDialerByHand> OpenAsync(X509Certificate2 certificate, IPEndPoint at, Address self, Address peer, (string Name, string Value)? instead = null)
    {
        PeerDialerByHand made = new(certificate);
        try
        {
            using HttpRequestMessage request = new(HttpMethod.Post, $"https://{at}{PeerPaths.Stream}") { Content = made._body, Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            foreach ((string name, string value) in new[] { (PeerPaths.WireHeader, PeerPaths.Wire), (PeerPaths.FromHeader, self.ToString()), (PeerPaths.ToHeader, peer.ToString()) })
                request.Headers.Add(name, instead is { } other && other.Name == name ? other.Value : value);
            made._answer = await made._http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            made._answer.EnsureSuccessStatusCode();
            made._in = await made._answer.Content.ReadAsStreamAsync();
            await made._body.Opened.Task;
            return made;
        }
        catch
        {
            made.Dispose();
            throw;
        }
    }

    public async Task WriteAsync(byte[] bytes)
    {
        Stream to = await _body.Opened.Task;
        await to.WriteAsync(bytes);
        await to.FlushAsync();
    }

    public async Task<byte[]> ReadAsync(int count)
    {
        byte[] bytes = new byte[count];
        await _in.ReadExactlyAsync(bytes);
        return bytes;
    }

    /// <summary>Completes when the other side ends the stream.</summary>
    public async Task EndedAsync()
    {
        try
        {
            byte[] rest = new byte[4096];
            while (await _in.ReadAsync(rest) > 0)
            {
                // What was under way.
            }
        }
        catch (Exception fault) when (fault is IOException or HttpRequestException)
        {
            // Reset: also an end.
        }
    }

    public void Dispose()
    {
        _body.Ended.TrySetResult();
        _answer?.Dispose();
        _http.Dispose();
    }

    private sealed class Body : HttpContent
    {
        public TaskCompletionSource<Stream> Opened { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.FlushAsync();
            Opened.TrySetResult(stream);
            await Ended.Task;
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
