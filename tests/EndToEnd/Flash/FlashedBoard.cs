using DePIN.Protocol;
using DePIN.Tests.Harness;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.EndToEnd.Tests.Flash;

/// <summary>A board at a pseudo terminal: says what a test lets it say, and answers identity requests while its application "runs".</summary>
internal sealed class FlashedBoard : IDisposable
{
    private readonly PseudoTerminal terminal = PseudoTerminal.Open();
    private readonly CancellationTokenSource stop = new();
    private readonly Func<bool> runs;
    private readonly Thread thread;
    private readonly SampleDevice device = new();
    private readonly string board;

    /// <param name="runs">Asked at each request: whether an application is there to answer.</param>
    /// <param name="board">What its application was built for.</param>
    public FlashedBoard(Func<bool> runs, string board = "esp32-devkitc")
    {
        this.runs = runs;
        this.board = board;
        thread = new Thread(Serve) { IsBackground = true };
        thread.Start();
    }

    public string Path => terminal.Path;

    public string Device => device.Text;

    /// <summary>Said on each request while no application runs: a boot loader's words, a debug stream.</summary>
    public string Says { get; init; } = "";

    public void Dispose()
    {
        stop.Cancel();
        thread.Join();
        terminal.Dispose();
        device.Dispose();
        stop.Dispose();
    }

    private void Serve()
    {
        SerialDecoder decoder = new();
        byte[] input = new byte[256], data = new byte[SerialIdentity.BytesMax], frame = new byte[SerialFrame.FrameBytesMax];
        int count = SerialIdentity.Write(1, device.PublicKey, 0, "0.1.0"u8.ToArray(), System.Text.Encoding.UTF8.GetBytes(board), data, 0);
        while (!stop.IsCancellationRequested)
        {
            int taken = terminal.Read(input);
            for (int at = 0; at < taken; at++)
            {
                decoder.Push(input[at]);
                while (decoder.TryRead())
                {
                    if (runs())
                    {
                        terminal.Write(frame.AsSpan(0, SerialFrame.Write(SerialTypes.IdentityResponse, decoder.Sequence, data, 0, count, frame, 0)));
                    }
                    else
                    {
                        terminal.Write(System.Text.Encoding.UTF8.GetBytes(Says));
                    }
                }
            }

            if (taken == 0)
            {
                stop.Token.WaitHandle.WaitOne(2);
            }
        }
    }
}
