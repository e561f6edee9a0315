using System.Net;
using System.Net.Sockets;

namespace DePIN.Gateway.Tests.Store;

/// <summary>Between a store and its PostgreSQL: cuts a connection at a COMMIT, before the server gets it or after it has answered. The sessions then end at both sides.</summary>
internal sealed class CuttingProxy : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly int _server;
    private readonly CancellationTokenSource _end = new();
    private int _cuts;

    public CuttingProxy(int server)
    {
        _server = server;
        _listener.Start();
        _ = AcceptAsync();
    }

    public enum At { Never, BeforeTheServerGotIt, AfterTheServerAnswered }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Where the next COMMIT that ends a transaction with frames is cut; once.</summary>
    public volatile At Cut;

    public int Cuts => Volatile.Read(ref _cuts);

    public void Dispose()
    {
        _end.Cancel();
        _listener.Dispose();
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptTcpClientAsync(_end.Token));
        }
        catch (Exception fault) when (fault is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // disposed
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using TcpClient _ = client;
        using TcpClient server = new();
        try
        {
            await server.ConnectAsync(IPAddress.Loopback, _server, _end.Token);
            (client.NoDelay, server.NoDelay) = (true, true);
            NetworkStream up = server.GetStream(), down = client.GetStream();
            bool hasFrames = false, swallow = false;
            Task back = Task.Run(async () =>
            {
                byte[] answer = new byte[64 * 1024];
                while (await up.ReadAsync(answer, _end.Token) is > 0 and int got)
                {
                    if (Volatile.Read(ref swallow)) break;
                    await down.WriteAsync(answer.AsMemory(0, got), _end.Token);
                }

                client.Close();
            });
            byte[] buffer = new byte[64 * 1024];
            while (await down.ReadAsync(buffer, _end.Token) is > 0 and int read)
            {
                hasFrames |= buffer.AsSpan(0, read).IndexOf("INSERT INTO frames"u8) >= 0;
                // With its end: BEGIN names READ COMMITTED.
                if (hasFrames && buffer.AsSpan(0, read).IndexOf("COMMIT\0"u8) >= 0)
                {
                    At cut = Cut;
                    Cut = At.Never;
                    hasFrames = false;
                    if (cut == At.BeforeTheServerGotIt)
                    {
                        Interlocked.Increment(ref _cuts);
                        break;
                    }

                    if (cut == At.AfterTheServerAnswered)
                    {
                        Volatile.Write(ref swallow, true);
                        Interlocked.Increment(ref _cuts);
                    }
                }

                await up.WriteAsync(buffer.AsMemory(0, read), _end.Token);
            }

            server.Close();
            await back;
        }
        catch (Exception fault) when (fault is IOException or OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // one side went away
        }
    }
}
