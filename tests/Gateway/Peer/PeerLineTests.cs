using System.Net;
using System.Net.Sockets;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Settings;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Peer;

/// <summary>What is between two gateways breaks or falls silent.</summary>
internal sealed class PeerLineTests
{
    [Test]
    public async Task A_line_that_falls_silent_is_noticed_on_both_ends_and_they_connect_again()
    {
        PeerOptions quick = TransportNode.Quick with { PingDelay = TimeSpan.FromSeconds(1), PingTimeout = TimeSpan.FromSeconds(1) };
        await using TransportNode b = new(2, options: quick);
        await using Line line = new(await b.EndPointAsync());
        await using TransportNode a = new(1, listens: false, options: quick, settings: new PeerSettings { Endpoints = [$"{b.Self}=https://{line.EndPoint}"] });
        await TransportNode.FollowAllAsync(a, b);
        await TransportNode.ConnectedAsync(a, b);
        line.Silence();
        await Eventually.TrueAsync(() => a.Told.Contains("-2") && b.Told.Contains("-1"), "both noticed", () => a.Words() + b.Words());
        line.Speak();
        await TransportNode.ConnectedAsync(a, b);
    }

    [Test]
    public async Task A_line_that_breaks_again_and_again_is_dialled_again_and_messages_flow()
    {
        await using TransportNode b = new(2);
        await using Line line = new(await b.EndPointAsync());
        await using TransportNode a = new(1, listens: false, settings: new PeerSettings { Endpoints = [$"{b.Self}=https://{line.EndPoint}"] });
        await TransportNode.FollowAllAsync(a, b);
        for (int i = 1; i <= 5; i++)
        {
            await TransportNode.ConnectedAsync(a, b);
            Assert.That(a.Transport.Send(b.Self, new GetMineMessage((ulong)i)), Is.True);
            int now = i;
            await Eventually.TrueAsync(() => b.Messages.Count == now, "it arrived", b.Words);
            line.Break();
            await Eventually.TrueAsync(() => a.Told.Count(t => t == "-2") == now && b.Told.Count(t => t == "-1") == now, "both were told", () => a.Words() + b.Words());
        }

        Assert.That(a.Told.Select(t => t[0]).Take(10), Is.EqualTo("+-+-+-+-+-"));
    }

    /// <summary>Forwards TCP, until told not to.</summary>
    private sealed class Line : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _stop = new();
        private readonly List<TcpClient> _open = [];
        private readonly Task _accepting;
        private volatile bool _silent;

        public Line(IPEndPoint to)
        {
            _listener.Start();
            _accepting = AcceptAsync(to);
        }

        public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndpoint;

        /// <summary>Nothing passes any more, and nobody is told.</summary>
        public void Silence() => _silent = true;

        /// <summary>New connections pass again; what was silent stays so.</summary>
        public void Speak()
        {
            lock (_open) _open.Clear(); // kept open by their tasks
            _silent = false;
        }

        public void Break()
        {
            lock (_open)
            {
                foreach (TcpClient client in _open) client.Dispose();
                _open.Clear();
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            _listener.Stop();
            Break();
            await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _listener.Dispose();
            _stop.Dispose();
        }

        private async Task AcceptAsync(IPEndPoint to)
        {
            while (true)
            {
                TcpClient from = await _listener.AcceptTcpClientAsync(_stop.Token);
                TcpClient onward = new();
                await onward.ConnectAsync(to, _stop.Token);
                lock (_open) _open.AddRange([from, onward]);
                _ = CopyAsync(from, onward);
                _ = CopyAsync(onward, from);
            }
        }

        private async Task CopyAsync(TcpClient from, TcpClient to)
        {
            byte[] buffer = new byte[16 * 1024];
            bool mute = false;
            try
            {
                int read;
                while ((read = await from.GetStream().ReadAsync(buffer, _stop.Token)) > 0)
                {
                    mute |= _silent;
                    if (!mute) await to.GetStream().WriteAsync(buffer.AsMemory(0, read), _stop.Token);
                }

                if (!mute) to.Client.Shutdown(SocketShutdown.Send);
            }
            catch (Exception fault) when (fault is IOException or ObjectDisposedException or SocketException or OperationCanceledException or InvalidOperationException)
            {
                from.Dispose();
                to.Dispose();
            }
        }
    }
}
