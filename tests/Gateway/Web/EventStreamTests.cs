using System.Net;
using System.Net.Sockets;
using System.Text;
using DePIN.Gateway.Web.Page;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace DePIN.Gateway.Tests.Web;

/// <summary>Server-sent events to readers on real sockets, one of which never reads.</summary>
internal sealed class EventStreamTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Test]
    public async Task A_reader_that_never_reads_is_bounded_and_dropped_and_one_that_may_not_read_any_more_is_ended()
    {
        TaskCompletionSource<EventStream> came = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        bool mayRead = true;
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        await using WebApplication host = builder.Build();
        host.Run(async context =>
        {
            using EventStream stream = new(context);
            came.SetResult(stream);
            try
            {
                await stream.SendAsync(() => Volatile.Read(ref mayRead));
            }
            finally
            {
                ended.SetResult();
            }
        });
        await host.StartAsync();
        Uri url = new(host.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

        using Socket stalled = await AskAsync(url, receiveBytes: 4_096);
        EventStream reader = await came.Task.WaitAsync(Patience);
        byte[] message = Encoding.ASCII.GetBytes("data: " + new string('x', 16_000) + "\n\n");
        int told = 0;
        // Each message is given time to leave, as a second gives it; what cannot leave is what counts.
        for (; !ended.Task.IsCompleted && told < 10_000; told++)
        {
            reader.Tell(message);
            await Task.WhenAny(ended.Task, Task.Delay(TimeSpan.FromMilliseconds(10)));
        }

        await ended.Task.WaitAsync(Patience);
        Assert.That(told, Is.LessThan(100), "kernel, server and queue hold little of what is not read");
        Assert.That(() => ReadToEnd(stalled), Throws.InstanceOf<SocketException>().Or.Property("Length").LessThan(1 << 20), "the connection is over");

        came = new(TaskCreationOptions.RunContinuationsAsynchronously);
        ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using Socket reading = await AskAsync(url, receiveBytes: 65_536);
        reader = await came.Task.WaitAsync(Patience);
        reader.Tell("data: one\n\n"u8.ToArray());
        StringBuilder got = new();
        byte[] buffer = new byte[4_096];
        while (!got.ToString().Contains("data: one", StringComparison.Ordinal)) got.Append(Encoding.ASCII.GetString(buffer.AsSpan(0, await reading.ReceiveAsync(buffer))));
        Volatile.Write(ref mayRead, false);
        reader.Tell("data: two\n\n"u8.ToArray());
        await ended.Task.WaitAsync(Patience);
        Assert.That(Encoding.ASCII.GetString(ReadToEnd(reading)), Does.Not.Contain("two"));
    }

    private static async Task<Socket> AskAsync(Uri url, int receiveBytes)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = receiveBytes, ReceiveTimeout = (int)Patience.TotalMilliseconds };
        await socket.ConnectAsync(IPAddress.Loopback, url.Port);
        await socket.SendAsync(Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        return socket;
    }

    private static byte[] ReadToEnd(Socket socket)
    {
        using MemoryStream all = new();
        byte[] buffer = new byte[65_536];
        while (true)
        {
            int count = socket.Receive(buffer);
            all.Write(buffer, 0, count);
            // The last chunk of a response that ended in order; the connection is kept.
            if (count == 0 || Encoding.ASCII.GetString(all.ToArray()).EndsWith("0\r\n\r\n", StringComparison.Ordinal)) return all.ToArray();
        }
    }
}
