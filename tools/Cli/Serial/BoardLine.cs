using System.Text;
using System.Threading.Channels;
using DePIN.Cli.Terminal;
using DePIN.Protocol;

namespace DePIN.Cli.Serial;

/// <summary>Why a board's answer did not come.</summary>
public enum BoardErrorKind
{
    /// <summary>No answer in all tries.</summary>
    NoAnswer,

    /// <summary>The line hung up.</summary>
    HungUp,

    /// <summary>The board has no key that it may use.</summary>
    NoKey,

    /// <summary>The board refused, or answered something else.</summary>
    Refused,
}

/// <summary>A board did not do what it was asked.</summary>
public sealed class BoardError(BoardErrorKind kind, string message, string remedy) : CliError(Terminal.ExitCode.Unreachable, message, remedy, CodeOf(kind))
{
    public BoardErrorKind Kind { get; } = kind;

    private static string CodeOf(BoardErrorKind kind) => kind switch
    {
        BoardErrorKind.NoAnswer => "board.no-answer",
        BoardErrorKind.HungUp => "serial.unplugged",
        BoardErrorKind.NoKey => "board.no-key",
        _ => "board.refused",
    };
}

/// <summary>
/// Asks a board over its serial line, one request at a time: each is sent again while no answer comes (a board may still be
/// starting, and noise may eat a frame), an answer counts only with a good CRC and its request's sequence, and the number of tries is bounded.
/// </summary>
/// <param name="line">The board's serial line; closed with this.</param>
/// <param name="name">In messages.</param>
/// <param name="tries">How often a request is sent.</param>
public sealed class BoardLine(SerialLine line, string name, int tries = BoardLine.TriesDefault) : IDisposable
{
    private const int TriesDefault = 20;

    /// <summary>The firmware's SerialService.ErrorNoKey.</summary>
    private const byte NoKeyCode = 3;

    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(3);

    private readonly SerialDecoder decoder = new();
    private byte sequence;

    public async Task<BoardIdentity> IdentifyAsync(CancellationToken cancel)
    {
        byte[] data = await AskAsync(SerialTypes.IdentityRequest, SerialTypes.IdentityResponse, [], cancel).ConfigureAwait(false);
        return BoardIdentity.TryParse(data)
            ?? throw Wrong(BoardErrorKind.Refused, "its identity is malformed or its device id is not that of its public key", "flash the firmware of this version onto the board");
    }

    /// <summary>The device's signature r ‖ s (64 bytes) over its claim for this chain, registry and owner.</summary>
    public async Task<byte[]> ClaimAsync(byte[] chainId32, byte[] registry20, byte[] owner20, CancellationToken cancel)
    {
        byte[] data = await AskAsync(SerialTypes.ClaimRequest, SerialTypes.ClaimResponse, [.. chainId32, .. registry20, .. owner20], cancel).ConfigureAwait(false);
        return data.Length == 64 ? data : throw Wrong(BoardErrorKind.Refused, $"its claim has {data.Length} bytes and not 64", "flash the firmware of this version onto the board");
    }

    /// <summary>Gives the board its settings, lines of key=value.</summary>
    public Task ConfigureAsync(string settings, CancellationToken cancel) =>
        AskAsync(SerialTypes.ConfigureRequest, SerialTypes.ConfigureResponse, Encoding.UTF8.GetBytes(settings), cancel);

    public Task RestartAsync(CancellationToken cancel) => AskAsync(SerialTypes.RestartRequest, SerialTypes.RestartResponse, [], cancel);

    public void Dispose() => line.Dispose();

    private async Task<byte[]> AskAsync(byte request, byte response, byte[] data, CancellationToken cancel)
    {
        if (data.Length > SerialFrame.DataBytesMax)
        {
            throw Wrong(BoardErrorKind.Refused, $"the request has {data.Length} bytes of data, at most {SerialFrame.DataBytesMax} fit", "give shorter settings");
        }

        sequence++;
        byte[] frame = new byte[SerialFrame.FrameBytesMax];
        int count = SerialFrame.Write(request, sequence, data, 0, data.Length, frame, 0);
        for (int tried = 0; tried < tries; tried++)
        {
            using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            patience.CancelAfter(AnswerTimeout);
            try
            {
                line.Write(frame.AsSpan(0, count));
                return await AnswerAsync(response, patience.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                // no answer in time: ask again
            }
            catch (Exception error) when (error is ChannelClosedException or IOException or ObjectDisposedException)
            {
                SerialException? known = error as SerialException ?? error.InnerException as SerialException;
                throw Wrong(BoardErrorKind.HungUp, "its serial line hung up: " + (error.InnerException ?? error).Message, known?.Remedy ?? "check the cable and that the board is powered, then run the command again");
            }
        }

        throw Wrong(BoardErrorKind.NoAnswer, $"no answer to request 0x{request:x2} in {tries} tries of {AnswerTimeout.TotalSeconds:0} s", "check that the firmware runs on this board and that this is its provisioning port");
    }

    private async Task<byte[]> AnswerAsync(byte response, CancellationToken patience)
    {
        while (true)
        {
            foreach (byte value in await line.ReadAsync(patience).ConfigureAwait(false))
            {
                decoder.Push(value);
                while (decoder.TryRead())
                {
                    byte[] data = decoder.Buffer.AsSpan(decoder.DataOffset, decoder.DataCount).ToArray();
                    if (decoder.Sequence == sequence && decoder.Type == response)
                    {
                        return data;
                    }

                    if (decoder.Sequence == sequence && decoder.Type == SerialTypes.Error)
                    {
                        throw Wrong(data is [NoKeyCode, ..] ? BoardErrorKind.NoKey : BoardErrorKind.Refused, $"it refused with code {(data.Length > 0 ? data[0] : 0)}: {Encoding.UTF8.GetString(data.AsSpan(Math.Min(1, data.Length)))}", "mend what it names and run the command again");
                    }
                }
            }
        }
    }

    private BoardError Wrong(BoardErrorKind kind, string what, string remedy) => new(kind, $"board {name}: {what}", remedy);
}
