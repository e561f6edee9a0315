using System.Globalization;
using System.Security.Cryptography;
using DePIN.Contracts;
using DePIN.Protocol;

namespace DePIN.Provision;

/// <summary>What all boards of a run share, whoever speaks to them: lanes, or a page.</summary>
/// <param name="Job">The template.</param>
/// <param name="Manifest">Names and places.</param>
/// <param name="Report">Where the results go.</param>
/// <param name="Desk">Where claims go.</param>
/// <param name="Gateway">Who says that a frame is verified: what the gateway has of a device; null: it does not know it (yet).</param>
/// <param name="Labels">Writes labels; null: none are asked for.</param>
/// <param name="Clock">Waits and time-outs.</param>
public sealed record ProvisionRun(
    ProvisionJob Job, DeviceManifest Manifest, ProvisionReport Report, IClaimDesk Desk, Func<string, CancellationToken, Task<SeenDevice?>> Gateway, IDeviceLabels? Labels, TimeProvider Clock)
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

    /// <summary>Whether an earlier run finished a device and its frames still arrive.</summary>
    public async Task<bool> IsDoneAsync(string device, CancellationToken cancel) =>
        Report.DoneLine(device) is not null && await Gateway(device, cancel).ConfigureAwait(false) is { IsRevoked: false, LastReceivedMs: { } received }
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
        byte[] message = DeviceClaim.Message(board.KeyKind, Job.ChainId, Job.DeviceRegistry, Job.OwnerAddress);
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

/// <summary>What a gateway has of a device.</summary>
/// <param name="LastSequence">Of its verified and stored frames; 0: none.</param>
/// <param name="LastReceivedMs">When that came, Unix ms.</param>
/// <param name="IsRevoked">Its owner has revoked it.</param>
public sealed record SeenDevice(ulong LastSequence, long? LastReceivedMs, bool IsRevoked);
