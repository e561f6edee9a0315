using System.Diagnostics;
using System.Globalization;
using System.Text;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Protocol;
using DePIN.Provision;

namespace DePIN.Cli.Provision;

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
                token => line.ClaimAsync(DeviceClaim.ChainIdWord(run.Job.ChainId), run.Job.DeviceRegistry.ToArray(), run.Job.OwnerAddress.ToArray(), token),
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
            ulong before = run.Desk.Registers ? (await run.Gateway(_board.DeviceId, cancel).ConfigureAwait(false))?.LastSequence ?? 0 : 0;
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
                SeenDevice? device = await run.Gateway(_board!.DeviceId, cancel).ConfigureAwait(false);
                if (device is { IsRevoked: true }) throw new ProvisionException(ProvisionCode.Revoked, $"the gateway says device {_board.DeviceId} was revoked");
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
