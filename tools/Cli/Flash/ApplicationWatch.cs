using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Channels;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;
using DePIN.Protocol;
using DePIN.Provision;

namespace DePIN.Cli.Flash;

/// <summary>An application that was seen running: by its answer to an identity request, or by its boot line.</summary>
public sealed record RunningApplication(string Device, string Board, string Version, string By);

/// <summary>
/// Waits until the firmware itself says that it runs: it answers an identity request (provisioning port), or its boot line comes out of the
/// runtime's debug stream, where the socket of a classic ESP32 has nothing else to say. Anything else, however lively, is not the firmware.
/// The port may go away and come back under another name while the board starts. On the debug port half the patience is for the runtime, which
/// prints only for who pings it, and half for the chip's boot loader, which speaks more slowly.
/// </summary>
public sealed partial class ApplicationWatch(PortFinder finder, bool nativeUsb, bool isDebugPort, TimeProvider time)
{
    private const int TextCharsMax = 16 * 1024;

    private static readonly TimeSpan AskInterval = TimeSpan.FromSeconds(1);

    private readonly StringBuilder text = new();
    private readonly StringBuilder printed = new();
    private ushort packets;
    private long received;

    /// <param name="reset">Reset the board first, through the control lines of its port.</param>
    /// <param name="within">Patience, all in all.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="CliError">Nothing that is the firmware was heard; the code says what was.</exception>
    public async Task<RunningApplication> WaitAsync(bool reset, TimeSpan within, CancellationToken cancel)
    {
        long begun = time.GetTimestamp();
        bool? resetAs = null;
        while (true)
        {
            TimeSpan left = within - time.GetElapsedTime(begun);
            if (left <= TimeSpan.Zero)
            {
                throw NotRunning(within);
            }

            bool asDebugger = isDebugPort && left > within / 2;
            try
            {
                string path = await finder.FindAsync(left, time, cancel).ConfigureAwait(false);
                using SerialLine line = SerialLine.Open(path, asDebugger ? SerialLine.BaudDebug : SerialLine.BaudDefault, nativeUsb);
                if (reset && resetAs != asDebugger)
                {
                    resetAs = asDebugger;
                    await line.ResetBoardAsync(cancel).ConfigureAwait(false);
                    if (asDebugger)
                    {
                        line.Write(WirePacket.WriteReboot(packets++)); // for a bridge that does not reset the board; lost on one that starts already
                    }
                }

                if (await ListenAsync(line, begun, asDebugger ? within / 2 : within, asDebugger, cancel).ConfigureAwait(false) is { } found)
                {
                    return found;
                }
            }
            catch (Exception gone) when (gone is SerialException { Fault: SerialFault.Unplugged or SerialFault.NoPort } or ChannelClosedException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200), time, cancel).ConfigureAwait(false); // it starts: wait for it to come back
            }
            catch (SerialException fault) when (fault.Fault is SerialFault.NoPermission or SerialFault.InUse && time.GetElapsedTime(begun) < within / 2)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200), time, cancel).ConfigureAwait(false); // the system may still be setting the node's rights up
            }
        }
    }

    private async Task<RunningApplication?> ListenAsync(SerialLine line, long begun, TimeSpan within, bool asDebugger, CancellationToken cancel)
    {
        SerialDecoder decoder = new();
        WireReader packetsIn = new();
        byte[] frame = new byte[SerialFrame.FrameBytesMin];
        byte first = (byte)RandomNumberGenerator.GetInt32(256), sequence = first; // an answer from before this flash is not taken for one of now
        long asked = 0;
        while (time.GetElapsedTime(begun) < within)
        {
            if (sequence == first || time.GetElapsedTime(asked) >= AskInterval)
            {
                asked = time.GetTimestamp();
                sequence++;
                if (asDebugger)
                {
                    line.Write(WirePacket.WritePing(packets++));
                }

                line.Write(frame.AsSpan(0, SerialFrame.Write(SerialTypes.IdentityRequest, sequence, [], 0, 0, frame, 0)));
            }

            byte[] bytes;
            try
            {
                bytes = await line.ReadAsync(AskInterval, cancel).ConfigureAwait(false);
            }
            catch (SerialException silent) when (silent.Fault == SerialFault.TimedOut)
            {
                continue;
            }

            foreach (byte value in packetsIn.Take(bytes).Where(packet => packet.Command == WirePacket.Message).SelectMany(packet => packet.Payload))
            {
                printed.Append(value is >= 0x20 and < 0x7F ? (char)value : '\n');
            }

            foreach (byte value in bytes)
            {
                received++;
                text.Append(value is >= 0x20 and < 0x7F ? (char)value : '\n');
                decoder.Push(value);
                while (decoder.TryRead())
                {
                    if (decoder.Type == SerialTypes.IdentityResponse && (byte)(decoder.Sequence - first - 1) < (byte)(sequence - first) && BoardIdentity.TryParse(decoder.Buffer.AsSpan(decoder.DataOffset, decoder.DataCount).ToArray()) is { } identity)
                    {
                        return new RunningApplication(identity.DeviceId, identity.Board, identity.Firmware, "identity");
                    }
                }
            }

            foreach (StringBuilder heard in (StringBuilder[])[text, printed])
            {
                if (heard.Length > TextCharsMax)
                {
                    heard.Remove(0, heard.Length - TextCharsMax);
                }

                if (BootLine().Match(heard.ToString()) is { Success: true } boot)
                {
                    return new RunningApplication(boot.Groups["device"].Value, boot.Groups["board"].Value, boot.Groups["version"].Value, "boot line");
                }
            }
        }

        return null;
    }

    private CliError NotRunning(TimeSpan within)
    {
        string heard = text.ToString();
        if (heard.Contains("waiting for download", StringComparison.OrdinalIgnoreCase))
        {
            return new(ExitCode.Failed, "the board is written, but waits in download mode", "press its EN (reset) button without holding BOOT, then run the command again with --skip-runtime", "flash.download-mode");
        }

        if (heard.Contains("invalid header: 0xffffffff", StringComparison.Ordinal))
        {
            return new(ExitCode.Failed, "nanoff says that the board is written, but its flash is empty where the chip starts", "run the command again; when it stays so, name another --target ('depin board show' has them)", "flash.empty");
        }

        string last = heard.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).LastOrDefault(said => said.Length > 3) ?? "";
        return new(
            ExitCode.Failed, $"nanoff says that the board is written, but the application did not answer within {within.TotalSeconds:0} s: {(received == 0 ? "the port is silent" : $"{received} bytes came, the last words are '{last}'")}",
            "press the board's reset button and run the command again with --skip-runtime; with a cable at the provisioning pins name it as --provisioning-port", "flash.not-running");
    }

    [GeneratedRegex(@"\bboot device=(?<device>[0-9a-f]{40}) board=(?<board>\S+) [^\n]*version=(?<version>\S+)[ \n]", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex BootLine();
}
