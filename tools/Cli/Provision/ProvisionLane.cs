using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DePIN.Cli.Gateway;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Protocol;

namespace DePIN.Cli.Provision;

/// <summary>What all lanes of a run share.</summary>
/// <param name="Job">The template.</param>
/// <param name="Manifest">Names and places.</param>
/// <param name="Report">Where the results go.</param>
/// <param name="Desk">Where claims go.</param>
/// <param name="Gateway">Who says that a frame is verified.</param>
/// <param name="Labels">Writes labels; null: none are asked for.</param>
/// <param name="Clock">Waits and time-outs.</param>
public sealed record ProvisionRun(
    ProvisionJob Job, DeviceManifest Manifest, ProvisionReport Report, IClaimDesk Desk, GatewayApi Gateway, IDeviceLabels? Labels, TimeProvider Clock)
{
    /// <summary>Of the template's network; zeroed by who made it when the run ends.</summary>
    public byte[] WifiPassword { get; init; } = [];

    private readonly Dictionary<string, string> _ports = new(StringComparer.Ordinal);

    /// <summary>Takes a device for a port; false when another lane has it: the same board on two ports.</summary>
    public bool TryTake(string device, string port, out string other)
    {
        lock (_ports)
        {
            if (_ports.TryAdd(device, port))
            {
                other = port;
                return true;
            }

            other = _ports[device];
            return other == port;
        }
    }

    /// <summary>What the gateway has of a device; null: it does not know it (yet).</summary>
    public async Task<DeviceView?> ReadDeviceAsync(string device, CancellationToken cancel)
    {
        try
        {
            return await Gateway.TryGetAsync($"/api/devices/{device}", cancel).ConfigureAwait(false) is { } found ? DeviceView.Read(found) : null;
        }
        catch (CliError error)
        {
            throw new ProvisionException(ProvisionCode.GatewayAway, error.Message, error);
        }
    }

    /// <summary>Whether an earlier run finished a device and its frames still arrive.</summary>
    public async Task<bool> IsDoneAsync(string device, CancellationToken cancel) =>
        Report.DoneLine(device) is not null && await ReadDeviceAsync(device, cancel).ConfigureAwait(false) is { Revoked: false, LastReceivedMs: { } received }
            && Clock.GetUtcNow().ToUnixTimeMilliseconds() - received < Job.ConfirmSeconds * 1000L;

    /// <summary>The label, when labels are asked for.</summary>
    public void WriteLabel(BoardIdentity board, ManifestRow row)
    {
        try
        {
            Labels?.Write(board, row);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ProvisionException(ProvisionCode.LabelFailed, error.Message, error);
        }
    }

    /// <summary>The claim's signature is by the key that the board named. The chain would refuse it too, but for a fee and with a worse message.</summary>
    public void CheckClaim(BoardIdentity board, byte[] signature)
    {
        byte[] message = DeviceClaim.Message(board.KeyKind, Job.Contracts.ChainId, Job.Contracts.DeviceRegistry, Job.OwnerAddress);
        try
        {
            using ECDsa key = ECDsa.Create(new ECParameters
            {
                Curve = ECCurve.NamedCurves.nistP256,
                Q = new ECPoint { X = board.PublicKey[..32], Y = board.PublicKey[32..] },
            });
            if (key.VerifyData(message, signature, HashAlgorithmName.SHA256)) return;
        }
        catch (CryptographicException)
        {
            // not a point of the curve
        }

        throw new ProvisionException(ProvisionCode.ClaimWrong, $"device {board.DeviceId} signed the claim with another key than the one it named");
    }

    /// <summary>A line of the report, as of now.</summary>
    /// <param name="port">What a person calls it.</param>
    /// <param name="board">Null: it did not say who it is.</param>
    /// <param name="row">Its name and place.</param>
    /// <param name="step">Where it ended.</param>
    /// <param name="code">What came out.</param>
    /// <param name="message">Empty: the code's meaning.</param>
    public ReportLine Line(string port, BoardIdentity? board, ManifestRow row, ProvisionStep step, ProvisionCode code, string message) => new()
    {
        Time = Clock.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture),
        Job = Job.Name, Port = port, Device = board?.DeviceId ?? "", Board = board?.Board ?? "", Firmware = board?.Firmware ?? "",
        KeyKind = board?.KeyKind switch { null => "", KeyKinds.Software => "software", KeyKinds.SecureElement => "secureElement", _ => "unknown" },
        Name = row.Name, Location = row.Location, Owner = Job.OwnerAddress.ToString(), Step = step.ToString().ToLowerInvariant(),
        Code = code.Code, Message = message.Length > 0 ? message : code.Meaning, Next = code.Next,
    };
}

/// <summary>Writes a device's label.</summary>
public interface IDeviceLabels
{
    /// <exception cref="IOException">It cannot be written.</exception>
    void Write(BoardIdentity board, ManifestRow row);
}

/// <summary>How a lane gets at its board.</summary>
public interface IBoardPort
{
    /// <summary>What a person calls it.</summary>
    string Name { get; }

    /// <exception cref="IOException">The port cannot be opened.</exception>
    IBoardLine Open();
}

/// <summary>A board on a serial port of this machine.</summary>
public sealed class SerialBoardPort(string path) : IBoardPort
{
    public string Name => path;

    public IBoardLine Open() => new BoardLine(SerialLine.Open(path), path);
}

/// <summary>
/// One board's way, in the order of <see cref="ProvisionStep"/>. Every step may be repeated, and each run begins with the first: what was done already
/// is found done. Ends with one line in the report, whatever happens.
/// </summary>
public sealed class ProvisionLane(ProvisionRun run, IBoardPort port)
{
    private static readonly TimeSpan ConfirmPoll = TimeSpan.FromMilliseconds(200);

    private readonly Stopwatch _all = new();
    private readonly Stopwatch _waiting = new();
    private BoardIdentity? _board;
    private ManifestRow _row = new("", "", "");
    private ulong _sequence;

    public string Port => port.Name;

    public ProvisionStep Step { get; private set; }

    /// <summary>Null while it runs.</summary>
    public ReportLine? Result { get; private set; }

    public string Device => _board?.DeviceId ?? "";

    public string Name => _row.Name;

    public TimeSpan Elapsed => _all.Elapsed;

    public async Task<ReportLine> RunAsync(CancellationToken cancel)
    {
        _all.Restart();
        ReportLine result;
        try
        {
            result = Line(await ProvisionAsync(cancel).ConfigureAwait(false), "");
        }
        catch (ProvisionException error)
        {
            result = Line(error.Code, error.Message);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            result = Line(ProvisionCode.Interrupted, "");
        }

        run.Report.Add(result);
        Step = ProvisionStep.Done;
        return Result = result;
    }

    private async Task<ProvisionCode> ProvisionAsync(CancellationToken cancel)
    {
        using (IBoardLine line = Open())
        {
            Step = ProvisionStep.Identify;
            _board = await OnBoardAsync(line.IdentifyAsync, ProvisionCode.BadIdentity, cancel).ConfigureAwait(false);
            if (!run.TryTake(_board.DeviceId, port.Name, out string other)) throw new ProvisionException(ProvisionCode.SameBoardTwice, $"device {_board.DeviceId} is on {other} too");
            _row = run.Manifest.Take(_board.DeviceId);
            if (await run.IsDoneAsync(_board.DeviceId, cancel).ConfigureAwait(false)) return ProvisionCode.AlreadyDone;

            Step = ProvisionStep.Claim;
            byte[] signature = await OnBoardAsync(
                token => line.ClaimAsync(DeviceClaim.ChainIdWord(run.Job.Contracts.ChainId), run.Job.Contracts.DeviceRegistry.ToArray(), run.Job.OwnerAddress.ToArray(), token),
                ProvisionCode.ClaimRefused, cancel).ConfigureAwait(false);
            run.CheckClaim(_board, signature);

            Step = ProvisionStep.Register;
            await run.Desk.FileAsync(_board, signature, cancel).ConfigureAwait(false);

            if (run.Job.Wifi.Length > 0)
            {
                Step = ProvisionStep.Wifi;
                await OnBoardAsync(token => Done(line.JoinWifiAsync(Encoding.UTF8.GetBytes(run.Job.Wifi), run.WifiPassword, token)), ProvisionCode.SettingsRefused, cancel).ConfigureAwait(false);
            }

            Step = ProvisionStep.Enrol;
            ulong before = run.Desk.Registers ? (await run.ReadDeviceAsync(_board.DeviceId, cancel).ConfigureAwait(false))?.LastSequence ?? 0 : 0;
            await OnBoardAsync(token => Done(line.EnrolAsync(run.Job.EnrolmentFor(_row), token)), ProvisionCode.SettingsRefused, cancel).ConfigureAwait(false);
            Step = ProvisionStep.Restart;
            await OnBoardAsync(token => Done(line.RestartAsync(token)), ProvisionCode.SettingsRefused, cancel).ConfigureAwait(false);
            if (run.Desk.Registers)
            {
                Step = ProvisionStep.Confirm;
                _sequence = await ConfirmAsync(before, cancel).ConfigureAwait(false);
            }
        }

        Step = ProvisionStep.Label;
        run.WriteLabel(_board, _row);
        return run.Desk.Registers ? ProvisionCode.Done : ProvisionCode.Collected;
    }

    private IBoardLine Open()
    {
        Step = ProvisionStep.Open;
        try
        {
            return port.Open();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CliError)
        {
            throw new ProvisionException(ProvisionCode.PortUnusable, error.Message, error);
        }
    }

    /// <summary>A question to the board: the time counts as waiting, its errors get this step's code.</summary>
    private async Task<T> OnBoardAsync<T>(Func<CancellationToken, Task<T>> ask, ProvisionCode refused, CancellationToken cancel)
    {
        _waiting.Start();
        try
        {
            return await ask(cancel).ConfigureAwait(false);
        }
        catch (BoardError error)
        {
            ProvisionCode code = error.Kind switch
            {
                BoardErrorKind.NoAnswer => ProvisionCode.NoAnswer,
                BoardErrorKind.HungUp => ProvisionCode.HungUp,
                BoardErrorKind.NoKey => ProvisionCode.KeyUnusable,
                BoardErrorKind.Locked => ProvisionCode.Locked,
                BoardErrorKind.NoNetwork => ProvisionCode.NoNetwork,
                BoardErrorKind.NotDeployed => ProvisionCode.NotDeployed,
                BoardErrorKind.Garbled => ProvisionCode.Garbled,
                _ => refused,
            };
            throw new ProvisionException(code, error.Message, error);
        }
        finally
        {
            _waiting.Stop();
        }
    }

    private static async Task<bool> Done(Task work)
    {
        await work.ConfigureAwait(false);
        return true;
    }

    /// <summary>Waits for a frame that was not there before: the gateway has verified and stored it.</summary>
    private async Task<ulong> ConfirmAsync(ulong before, CancellationToken cancel)
    {
        _waiting.Start();
        try
        {
            long began = run.Clock.GetTimestamp();
            while (true)
            {
                DeviceView? device = await run.ReadDeviceAsync(_board!.DeviceId, cancel).ConfigureAwait(false);
                if (device is { Revoked: true }) throw new ProvisionException(ProvisionCode.Revoked, $"the gateway says device {device.Id} was revoked");
                if (device?.LastSequence > before) return device.LastSequence;
                if (run.Clock.GetElapsedTime(began).TotalSeconds >= run.Job.ConfirmSeconds)
                {
                    throw new ProvisionException(ProvisionCode.NoFrame, device is null
                        ? $"the gateway did not learn of the registration within {run.Job.ConfirmSeconds} s"
                        : $"no new frame in {run.Job.ConfirmSeconds} s; the last one is {(device.LastSequence == 0 ? "none" : device.LastSequence.ToString(CultureInfo.InvariantCulture))}");
                }

                await Task.Delay(ConfirmPoll, run.Clock, cancel).ConfigureAwait(false);
            }
        }
        finally
        {
            _waiting.Stop();
        }
    }

    private ReportLine Line(ProvisionCode code, string message) => run.Line(port.Name, _board, _row, Step, code, message) with
    {
        Seconds = _all.Elapsed.TotalSeconds, WaitSeconds = _waiting.Elapsed.TotalSeconds, Sequence = _sequence,
    };
}
