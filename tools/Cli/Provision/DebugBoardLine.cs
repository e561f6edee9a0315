using System.Buffers;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Text.Unicode;
using System.Threading.Channels;
using DePIN.Cli.Flash;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.Protocol;
using DePIN.Provision;

namespace DePIN.Cli.Provision;

/// <summary>How a board is reached whose USB socket belongs to the runtime's debug protocol.</summary>
/// <param name="Board">What is plugged in.</param>
/// <param name="Nanoff">The program.</param>
/// <param name="LogFile">Where its output goes; one a port.</param>
public sealed record DebugBoardSettings(DePIN.Boards.Board Board, string Nanoff, string LogFile)
{
    /// <summary>From the restart to the last answer: a first start makes a key.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(45);

    /// <summary>How long nanoff may say nothing.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromMinutes(2);
}

/// <summary>A board by its own USB socket.</summary>
public sealed class DebugBoardPort(string path, DebugBoardSettings settings) : IBoardPort
{
    public string Name => path;

    public IBoardLine Open()
    {
        SerialLine.Open(path, SerialLine.BaudDebug).Dispose(); // not in use, allowed, a serial port: said before anything is written
        return new DebugBoardLine(path, settings, TimeProvider.System);
    }
}

/// <summary>
/// The requests of a serial line where there is none: as a file that nanoff puts on the board's drive (<see cref="SerialFile"/>), done by the firmware
/// at its next start, the answers read from what it prints into the debug stream. A round is a file, a restart and the answers; it is repeated once
/// when answers are missing, because each request may be. Secrets are in files that only their owner reads, in a folder of their own, gone afterwards.
/// </summary>
public sealed partial class DebugBoardLine(string path, DebugBoardSettings settings, TimeProvider time) : IBoardLine
{
    private const int RoundsMax = 2;
    private const int LineCharsMax = 2048;

    private static readonly TimeSpan PingInterval = TimeSpan.FromMilliseconds(200);

    private byte sequence = (byte)RandomNumberGenerator.GetInt32(256); // an answer to an earlier run is none to this one
    private ushort packets;

    public async Task<BoardIdentity> IdentifyAsync(CancellationToken cancel)
    {
        byte[][] answers = await AskAsync([new(SerialTypes.IdentityRequest, SerialTypes.IdentityResponse, [])], cancel).ConfigureAwait(false);
        BoardIdentity identity = BoardLine.ReadIdentity(answers[0], path);
        return identity.Board == settings.Board.Name ? identity
            : throw Wrong(BoardErrorKind.Refused, $"its firmware was built for {identity.Board}, the template says {settings.Board.Name}", "name the right board in the template, or flash the right firmware");
    }

    public async Task<byte[]> ClaimAsync(byte[] chainId32, byte[] registry20, byte[] owner20, CancellationToken cancel)
    {
        byte[][] answers = await AskAsync([new(SerialTypes.ClaimRequest, SerialTypes.ClaimResponse, [.. chainId32, .. registry20, .. owner20])], cancel).ConfigureAwait(false);
        return BoardLine.ReadSignature(answers[0], path);
    }

    /// <summary>Writes the network into the runtime's configuration. Whether the board joins it shows at its first frame.</summary>
    public async Task JoinWifiAsync(byte[] ssid, byte[] password, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(ssid);
        ArgumentNullException.ThrowIfNull(password);
        if (!Utf8.IsValid(password)) throw Wrong(BoardErrorKind.Refused, "nanoff takes the network's password as text, and it is no UTF-8", "give the network another password");
        ArrayBufferWriter<byte> buffer = new(4096);
        try
        {
            using (Utf8JsonWriter json = new(buffer))
            {
                json.WriteStartObject();
                json.WriteStartObject("WirelessClient");
                json.WriteString("Ssid"u8, ssid);
                json.WriteString("Password"u8, password);
                json.WriteString("ConfigurationOption", "AutoConnect");
                json.WriteEndObject();
                json.WriteEndObject();
            }

            await WithFolderAsync(folder => DeployAsync("--networkdeployment", Put(folder, "network.json", buffer.WrittenSpan), cancel)).ConfigureAwait(false);
        }
        finally
        {
            buffer.Clear(); // with zeros
        }
    }

    /// <summary>The file ends with a restart: the board starts with its enrolment by itself.</summary>
    public async Task EnrolAsync(ReadOnlyMemory<byte> enrolment, CancellationToken cancel)
    {
        byte[] all = enrolment.ToArray();
        byte[] mark = BoardLine.EnrolmentMark(all);
        List<Request> requests = [new(SerialTypes.EnrolBeginRequest, SerialTypes.EnrolBeginResponse, mark)];
        for (int at = 0; at < all.Length; at += SerialTypes.EnrolPieceBytesMax)
            requests.Add(new(SerialTypes.EnrolDataRequest, SerialTypes.EnrolDataResponse, BoardLine.EnrolmentPiece(all, at)));
        requests.Add(new(SerialTypes.EnrolCommitRequest, SerialTypes.EnrolCommitResponse, [.. mark, .. SHA256.HashData(all)]));
        requests.Add(new(SerialTypes.RestartRequest, SerialTypes.RestartResponse, []));
        await AskAsync(requests, cancel).ConfigureAwait(false);
    }

    /// <summary>Asked for at the end of the enrolment's file: another file would be another restart.</summary>
    public Task RestartAsync(CancellationToken cancel) => Task.CompletedTask;

    public void Dispose()
    {
        // the port is open only while answers are awaited
    }

    private async Task<byte[][]> AskAsync(IReadOnlyList<Request> requests, CancellationToken cancel)
    {
        int damaged = 0;
        for (int round = 0; round < RoundsMax; round++)
        {
            byte first = sequence;
            byte[] file = [.. requests.SelectMany(request => Frame(request, sequence++))];
            await WithFolderAsync(folder => DeployAsync("--filedeployment", Put(folder, "files.json", FileList(Put(folder, SerialFile.Name, file))), cancel)).ConfigureAwait(false);
            Answers answers = new(requests, first, path);
            await ListenAsync(answers, cancel).ConfigureAwait(false);
            if (answers.Whole is { } whole) return whole;
            damaged += answers.Damaged;
        }

        throw damaged > 0
            ? Wrong(BoardErrorKind.Garbled, $"{damaged} pieces of its debug stream came damaged, and not every answer whole", "take a shorter cable or another USB socket and run the command again")
            : Wrong(BoardErrorKind.NoAnswer, $"nanoff put the requests on its drive, but no answer came within {settings.AnswerTimeout.TotalSeconds:0} s of its restart, {RoundsMax} times",
                "flash this version's firmware (depin flash); when it stays silent, use a cable at the provisioning pins");
    }

    /// <summary>Restarts the board and listens. The runtime prints nothing for itself: it must hear that somebody is there, and forgets it with each restart.</summary>
    private async Task ListenAsync(Answers answers, CancellationToken cancel)
    {
        try
        {
            using SerialLine line = SerialLine.Open(path, SerialLine.BaudDebug);
            await line.ResetBoardAsync(cancel).ConfigureAwait(false);
            line.Write(WirePacket.WriteReboot(packets++)); // for a board whose bridge does not reset it; lost on one that is starting already
            long begun = time.GetTimestamp(), pinged = begun - Stopwatch.Frequency;
            while (!answers.AreOver && time.GetElapsedTime(begun) < settings.AnswerTimeout)
            {
                if (time.GetElapsedTime(pinged) >= PingInterval)
                {
                    pinged = time.GetTimestamp();
                    line.Write(WirePacket.WritePing(packets++));
                }

                try
                {
                    answers.Take(await line.ReadAsync(PingInterval, cancel).ConfigureAwait(false));
                }
                catch (SerialException silent) when (silent.Fault == SerialFault.TimedOut)
                {
                    // it starts
                }
            }
        }
        catch (Exception error) when (error is ChannelClosedException or IOException or ObjectDisposedException)
        {
            throw Wrong(BoardErrorKind.HungUp, "its port is gone: " + error.Message, (error as SerialException)?.Remedy ?? "check the cable and that the board is powered, then run the command again");
        }
    }

    /// <summary>Runs nanoff; it leaves 0 although files did not arrive, and its own code tells why.</summary>
    private async Task DeployAsync(string option, string list, CancellationToken cancel)
    {
        int code;
        NanoffOutput output;
        try
        {
            (code, output) = await new Nanoff(settings.Nanoff, settings.LogFile, settings.StallTimeout, time)
                .RunAsync([option, list, "--serialport", path, "--suppressnanoffversioncheck"], null, cancel).ConfigureAwait(false);
        }
        catch (Exception error) when (error is CliError or IOException)
        {
            throw Wrong(BoardErrorKind.NotDeployed, error.Message, (error as CliError)?.Remedy ?? "free space and run the command again");
        }

        if (code != 0 || output.Error is not null || output.FilesFailed > 0)
        {
            throw Wrong(BoardErrorKind.NotDeployed, $"nanoff {option} ended with {code}{(output.Error is { } own ? $" ({own})" : "")}: {output.Tail}", $"press the board's reset button and run the command again; all of nanoff's output is in {settings.LogFile}");
        }
    }

    private byte[] FileList(string source)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("files");
            json.WriteStartObject();
            json.WriteString("DestinationFilePath", settings.Board.DriveRoot + SerialFile.Name);
            json.WriteString("SourceFilePath", source);
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static byte[] Frame(Request request, byte sequence)
    {
        byte[] frame = new byte[SerialFrame.FrameBytesMax];
        return frame[..SerialFrame.Write(request.Type, sequence, request.Data, 0, request.Data.Length, frame, 0)];
    }

    private static string Put(string folder, string name, ReadOnlySpan<byte> content)
    {
        string file = Path.Combine(folder, name);
        PrivateFile.Write(file, content);
        return file;
    }

    private async Task WithFolderAsync(Func<string, Task> work)
    {
        string folder;
        try
        {
            folder = Directory.CreateTempSubdirectory("depin-").FullName; // 0700
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Wrong(BoardErrorKind.NotDeployed, $"no temporary folder can be made: {error.Message}", "free space and run the command again");
        }

        try
        {
            await work(folder).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Wrong(BoardErrorKind.NotDeployed, error.Message, "free space and run the command again");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private BoardError Wrong(BoardErrorKind kind, string what, string remedy) => BoardLine.Wrong(path, kind, what, remedy);

    private sealed record Request(byte Type, byte Response, byte[] Data);

    /// <summary>Puts answers together: packets to text, lines to frames, frames to requests. What is damaged anywhere on the way is counted and is no answer.</summary>
    private sealed class Answers(IReadOnlyList<Request> requests, byte first, string name)
    {
        private readonly WireReader reader = new();
        private readonly StringBuilder text = new();
        private readonly byte[]?[] data = new byte[]?[requests.Count];
        private int lines;

        public int Damaged => reader.Broken + lines;

        /// <summary>Null while one is missing.</summary>
        public byte[][]? Whole => data.All(answer => answer is not null) ? [.. data.Select(answer => answer!)] : null;

        /// <summary>As many lines came as were asked for, whole or damaged: no more will.</summary>
        public bool AreOver => data.Count(answer => answer is not null) + lines >= data.Length;

        /// <exception cref="BoardError">The board refused a request.</exception>
        public void Take(ReadOnlySpan<byte> bytes)
        {
            foreach (WireMessage message in reader.Take(bytes).Where(message => message.Command == WirePacket.Message && (message.Flags & WirePacket.Reply) == 0))
            {
                foreach (byte value in message.Payload)
                {
                    if (value == '\n')
                    {
                        TakeLine(text.ToString());
                        text.Clear();
                    }
                    else if (value != '\r' && text.Length < LineCharsMax)
                    {
                        text.Append((char)value);
                    }
                }
            }
        }

        private void TakeLine(string line)
        {
            if (!line.StartsWith(SerialFile.AnswerEvent + " ", StringComparison.Ordinal)) return;
            byte[] frame = new byte[SerialFrame.FrameBytesMax];
            SerialDecoder decoder = new();
            if (AnswerLine().Match(line) is { Success: true } match && Convert.TryFromBase64String(match.Groups["frame"].Value, frame, out int count))
            {
                foreach (byte value in frame.AsSpan(0, count)) decoder.Push(value);
            }

            if (!decoder.TryRead())
            {
                lines++;
                return;
            }

            int index = (byte)(decoder.Sequence - first);
            if (index >= requests.Count) return;
            byte[] content = decoder.Buffer.AsSpan(decoder.DataOffset, decoder.DataCount).ToArray();
            if (decoder.Type == SerialTypes.Error) throw BoardLine.Refusal(content, name);
            if (decoder.Type == requests[index].Response) data[index] = content;
        }
    }

    [GeneratedRegex("^" + SerialFile.AnswerEvent + " frame=(?<frame>[A-Za-z0-9+/=]+)$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex AnswerLine();
}
