using System.Diagnostics;
using System.Net.Sockets;

namespace DePIN.Tests.Harness;

/// <summary>A TPM 2.0: swtpm at a Unix socket, with its state in a folder of its own.</summary>
public sealed class SoftTpm : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private Process? _process;

    private SoftTpm()
    {
    }

    public string Socket => Path.Combine(_folder.Path, "tpm");

    public static async Task<SoftTpm> StartAsync()
    {
        SoftTpm tpm = new();
        tpm._folder.Sub("state");
        await tpm.PowerOnAsync();
        return tpm;
    }

    public async Task PowerOnAsync()
    {
        File.Delete(Socket);
        string program = File.Exists("/usr/bin/swtpm") ? "/usr/bin/swtpm" : "swtpm";
        _process = Process.Start(new ProcessStartInfo(program, ["socket", "--tpm2", "--server", $"type=unixio,path={Socket}", "--tpmstate", $"dir={Path.Combine(_folder.Path, "state")}", "--flags", "not-need-init,startup-clear"]))
            ?? throw new InvalidOperationException("swtpm does not start; tests/run installs it");
        await Eventually.TrueAsync(() => !_process.HasExited ? File.Exists(Socket) : throw new InvalidOperationException($"swtpm ended with {_process.ExitCode}"), "swtpm listens");
    }

    public async Task PowerOffAsync()
    {
        if (_process is not { HasExited: false }) return;
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _process = null;
    }

    /// <summary>Another TPM in its place, as after a clear of all its seeds.</summary>
    public async Task ReplaceAsync()
    {
        await PowerOffAsync();
        Directory.Delete(Path.Combine(_folder.Path, "state"), recursive: true);
        _folder.Sub("state");
        await PowerOnAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await PowerOffAsync();
        _folder.Dispose();
    }
}

/// <summary>Somebody on the bus to the TPM: hears everything, and may change an answer.</summary>
public sealed class TpmBus : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly MemoryStream _heard = new();
    private readonly Task _running;

    /// <param name="tpm">The TPM's socket.</param>
    /// <param name="answer">Number of the answer on its connection, from 0, and its bytes, which it may change.</param>
    public TpmBus(string tpm, Action<int, byte[]>? answer = null)
    {
        _listener.Bind(new UnixDomainSocketEndPoint(Socket));
        _listener.Listen();
        _running = RunAsync(tpm, answer);
    }

    public string Socket => Path.Combine(_folder.Path, "bus");

    public byte[] Heard()
    {
        lock (_heard) return _heard.ToArray();
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _running;
        _folder.Dispose();
    }

    private async Task RunAsync(string tpm, Action<int, byte[]>? answer)
    {
        byte[] buffer = new byte[4096];
        try
        {
            while (true)
            {
                using Socket host = await _listener.AcceptAsync(), chip = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await chip.ConnectAsync(new UnixDomainSocketEndPoint(tpm));
                for (int number = 0; ; number++)
                {
                    int count = await host.ReceiveAsync(buffer); // one command, one answer: each fits one write
                    if (count == 0) break;
                    await PassAsync(chip, buffer[..count]);
                    byte[] said = buffer[..await chip.ReceiveAsync(buffer)];
                    answer?.Invoke(number, said);
                    await PassAsync(host, said);
                }
            }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // The listener is closed: the test is over.
        }
    }

    private async Task PassAsync(Socket to, byte[] bytes)
    {
        lock (_heard) _heard.Write(bytes);
        await to.SendAsync(bytes);
    }
}
