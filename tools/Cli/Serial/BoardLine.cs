using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using DePIN.Cli.Terminal;
using DePIN.Protocol;
using DePIN.Provision;

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

    /// <summary>The board could not join the Wi-Fi network.</summary>
    NoNetwork,

    /// <summary>The board is locked: only its owner or operator changes anything.</summary>
    Locked,

    /// <summary>The board refused, or answered something else.</summary>
    Refused,

    /// <summary>nanoff could not give the board its files.</summary>
    NotDeployed,

    /// <summary>It answers, and every answer is damaged.</summary>
    Garbled,
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
        BoardErrorKind.NotDeployed => "board.not-deployed",
        BoardErrorKind.Garbled => "board.garbled",
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
/// <param name="answerWithin">After this it is sent again; null: 3 s.</param>
public sealed class BoardLine(SerialLine line, string name, int tries = BoardLine.TriesDefault, TimeSpan? answerWithin = null) : IBoardLine
{
    private const int TriesDefault = 20;

    private const int JoinTriesMax = 2;

    // A board gives a join up after 25 s (firmware/Provision/WifiStation.cs).
    private const int SettleTriesMax = 40;
    private static readonly TimeSpan SettlePoll = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan JoinTimeout = TimeSpan.FromSeconds(60);

    private readonly TimeSpan answerTimeout = answerWithin ?? TimeSpan.FromSeconds(3);

    private readonly SerialDecoder decoder = new(findsImprov: true);
    private readonly Queue<byte> waiting = new();
    private byte sequence;

    public async Task<BoardIdentity> IdentifyAsync(CancellationToken cancel) =>
        ReadIdentity(await AskAsync(SerialTypes.IdentityRequest, SerialTypes.IdentityResponse, [], cancel).ConfigureAwait(false), name);

    /// <summary>The device's signature r ‖ s (64 bytes) over its claim for this chain, registry and owner.</summary>
    public async Task<byte[]> ClaimAsync(byte[] chainId32, byte[] registry20, byte[] owner20, CancellationToken cancel) =>
        ReadSignature(await AskAsync(SerialTypes.ClaimRequest, SerialTypes.ClaimResponse, [.. chainId32, .. registry20, .. owner20], cancel).ConfigureAwait(false), name);

    /// <summary>Gives the board its settings, lines of key=value.</summary>
    public Task ConfigureAsync(string settings, CancellationToken cancel) =>
        AskAsync(SerialTypes.ConfigureRequest, SerialTypes.ConfigureResponse, Encoding.UTF8.GetBytes(settings), cancel);

    /// <summary>
    /// Gives the board all it needs to belong to a network (shared/Protocol/SerialEnrolment.cs), in pieces. The board says how far it is, so one that
    /// was cut off goes on where it was; it takes effect as a whole at the next start, or not at all.
    /// </summary>
    public async Task EnrolAsync(ReadOnlyMemory<byte> enrolment, CancellationToken cancel)
    {
        byte[] all = enrolment.ToArray();
        byte[] mark = EnrolmentMark(all);
        int at = Next(await AskAsync(SerialTypes.EnrolBeginRequest, SerialTypes.EnrolBeginResponse, mark, cancel).ConfigureAwait(false), all.Length);
        while (at < all.Length)
        {
            int next = Next(await AskAsync(SerialTypes.EnrolDataRequest, SerialTypes.EnrolDataResponse, EnrolmentPiece(all, at), cancel).ConfigureAwait(false), all.Length);
            at = next > at ? next : throw Wrong(BoardErrorKind.Refused, $"it took no byte of the enrolment from {at} on", "restart the board and run the command again");
        }

        await AskAsync(SerialTypes.EnrolCommitRequest, SerialTypes.EnrolCommitResponse, [.. mark, .. SHA256.HashData(all)], cancel).ConfigureAwait(false);
    }

    /// <summary>Gives the board its Wi-Fi (Improv) and waits until it has joined.</summary>
    /// <param name="ssid">Network name, 1 to 32 bytes.</param>
    /// <param name="password">At most 64 bytes; stays the caller's, who zeroes it. What this makes of it is zeroed.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task JoinWifiAsync(byte[] ssid, byte[] password, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(ssid);
        ArgumentNullException.ThrowIfNull(password);
        byte[] data = new byte[ImprovFrame.DataBytesMax], frame = new byte[ImprovFrame.WireBytesMax];
        try
        {
            await SettleAsync(cancel).ConfigureAwait(false);
            int count = ImprovRpc.WriteWifiSettings(ssid, password, data, 0);
            int size = ImprovFrame.Write(ImprovTypes.Rpc, data, 0, count, frame, 0);
            for (int tries = 0; tries < JoinTriesMax; tries++)
            {
                using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
                patience.CancelAfter(JoinTimeout);
                try
                {
                    Write(frame.AsSpan(0, size));
                    await JoinedAsync(patience.Token).ConfigureAwait(false);
                    return;
                }
                catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
                {
                    // no word: ask again
                }
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(data);
            CryptographicOperations.ZeroMemory(frame);
        }

        throw Wrong(BoardErrorKind.NoAnswer, $"it said nothing of its Wi-Fi in {JoinTriesMax * JoinTimeout.TotalSeconds:0} s", "check the network's name and its range");
    }

    public Task RestartAsync(CancellationToken cancel) => AskAsync(SerialTypes.RestartRequest, SerialTypes.RestartResponse, [], cancel);

    public void Dispose() => line.Dispose();

    internal static BoardIdentity ReadIdentity(byte[] data, string name) => BoardIdentity.TryParse(data)
        ?? throw Wrong(name, BoardErrorKind.Refused, "its identity is malformed or its device id is not that of its public key", "flash the firmware of this version onto the board");

    internal static byte[] ReadSignature(byte[] data, string name) => data.Length == SerialTypes.SignatureBytes ? data
        : throw Wrong(name, BoardErrorKind.Refused, $"its claim has {data.Length} bytes and not 64", "flash the firmware of this version onto the board");

    /// <summary>Length and CRC-32 of an enrolment.</summary>
    internal static byte[] EnrolmentMark(byte[] all)
    {
        byte[] mark = new byte[SerialTypes.EnrolBeginBytes];
        BinaryPrimitives.WriteInt32BigEndian(mark, all.Length);
        BinaryPrimitives.WriteUInt32BigEndian(mark.AsSpan(4), Crc32.Compute(all, 0, all.Length));
        return mark;
    }

    /// <summary>As much of an enrolment as a frame holds, with its offset.</summary>
    internal static byte[] EnrolmentPiece(byte[] all, int at)
    {
        int count = Math.Min(SerialTypes.EnrolPieceBytesMax, all.Length - at);
        byte[] piece = new byte[SerialTypes.EnrolDataOffset + count];
        BinaryPrimitives.WriteInt32BigEndian(piece, at);
        all.AsSpan(at, count).CopyTo(piece.AsSpan(SerialTypes.EnrolDataOffset));
        return piece;
    }

    /// <summary>What an error answer means.</summary>
    internal static BoardError Refusal(byte[] data, string name) => Wrong(
        name, data is [SerialErrors.NoKey, ..] ? BoardErrorKind.NoKey : data is [SerialErrors.Locked, ..] ? BoardErrorKind.Locked : BoardErrorKind.Refused,
        $"it refused with code {(data.Length > 0 ? data[0] : 0)}: {Encoding.UTF8.GetString(data.AsSpan(Math.Min(1, data.Length)))}", "mend what it names and run the command again");

    internal static BoardError Wrong(string name, BoardErrorKind kind, string what, string remedy) => new(kind, $"board {name}: {what}", remedy);

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
            patience.CancelAfter(answerTimeout);
            try
            {
                Write(frame.AsSpan(0, count));
                return await AnswerAsync(response, patience.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                // no answer in time: ask again
            }
        }

        throw Wrong(BoardErrorKind.NoAnswer, $"no answer to request 0x{request:x2} in {tries} tries of {answerTimeout.TotalSeconds:0.#} s", "check that the firmware runs on this board and that this is its provisioning port");
    }

    private async Task<byte[]> AnswerAsync(byte response, CancellationToken patience)
    {
        while (true)
        {
            byte[] data = await FrameAsync(patience).ConfigureAwait(false);
            if (decoder.IsImprov || decoder.Sequence != sequence) continue;
            if (decoder.Type == response) return data;
            if (decoder.Type == SerialTypes.Error) throw Refusal(data, name);
        }
    }

    /// <summary>A board that still joins, for a run that was cut off, refuses to join again: it is left to finish. One that tells no state is asked to join.</summary>
    private async Task SettleAsync(CancellationToken cancel)
    {
        byte[] data = new byte[ImprovFrame.DataBytesMax], frame = new byte[ImprovFrame.WireBytesMax];
        int size = ImprovFrame.Write(ImprovTypes.Rpc, data, 0, ImprovRpc.Write(ImprovCommands.CurrentState, [], 0, 0, data, 0), frame, 0);
        for (int tried = 0; tried < SettleTriesMax; tried++)
        {
            using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            patience.CancelAfter(answerTimeout);
            try
            {
                Write(frame.AsSpan(0, size));
                byte[] state;
                do
                {
                    state = await FrameAsync(patience.Token).ConfigureAwait(false);
                }
                while (!decoder.IsImprov || decoder.Type != ImprovTypes.CurrentState || state.Length == 0);
                if (state[0] != ImprovStates.Provisioning) return;
                await Task.Delay(SettlePoll, cancel).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                if (tried > 1) return;
            }
        }
    }

    /// <summary>The board joined, or said why not.</summary>
    private async Task JoinedAsync(CancellationToken patience)
    {
        while (true)
        {
            byte[] data = await FrameAsync(patience).ConfigureAwait(false);
            if (!decoder.IsImprov) continue;
            if (decoder.Type == ImprovTypes.RpcResult && data is [ImprovCommands.WifiSettings, ..]) return;
            if (decoder.Type == ImprovTypes.ErrorState && data is [not ImprovErrors.None, ..])
            {
                throw data[0] == ImprovErrors.UnableToConnect
                    ? Wrong(BoardErrorKind.NoNetwork, "it cannot join the network", "check the network's name, its password and its range")
                    : Wrong(BoardErrorKind.Refused, $"it refused the Wi-Fi settings with code {data[0]}", "check the network's name and password");
            }
        }
    }

    /// <summary>Data of the next frame, of which the decoder has the rest.</summary>
    private async Task<byte[]> FrameAsync(CancellationToken patience)
    {
        while (!decoder.TryRead())
        {
            if (waiting.TryDequeue(out byte value))
            {
                decoder.Push(value);
                continue;
            }

            try
            {
                foreach (byte read in await line.ReadAsync(patience).ConfigureAwait(false)) waiting.Enqueue(read);
            }
            catch (Exception error) when (error is ChannelClosedException or IOException or ObjectDisposedException)
            {
                throw HungUp(error);
            }
        }

        return decoder.Buffer.AsSpan(decoder.DataOffset, decoder.DataCount).ToArray();
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            line.Write(bytes);
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException)
        {
            throw HungUp(error);
        }
    }

    private int Next(byte[] answer, int length) => answer.Length == sizeof(uint) && BinaryPrimitives.ReadUInt32BigEndian(answer) is var next && next <= (uint)length ? (int)next
        : throw Wrong(BoardErrorKind.Refused, "it named no place in the enrolment", "flash the firmware of this version onto the board");

    private BoardError HungUp(Exception error) => Wrong(BoardErrorKind.HungUp, "its serial line hung up: " + (error.InnerException ?? error).Message,
        (error as SerialException ?? error.InnerException as SerialException)?.Remedy ?? "check the cable and that the board is powered, then run the command again");

    private BoardError Wrong(BoardErrorKind kind, string what, string remedy) => Wrong(name, kind, what, remedy);
}
