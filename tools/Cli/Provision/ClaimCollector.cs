using System.Text.Json;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Cli.Provision;

/// <summary>Keeps claims in a file instead of registering them: for places without a network. Each is on disk before the board goes on.</summary>
public sealed class ClaimCollector(string path, ulong chainId, Address registry, Address owner) : IClaimDesk, IDisposable
{
    private readonly AppendOnlyFile _file = AppendOnlyFile.Open(path);
    private readonly HashSet<string> _kept = [.. Read(path).Select(claim => claim.Device + claim.Owner)];
    private readonly Lock _gate = new();

    public bool Registers => false;

    public Task FileAsync(BoardIdentity board, ReadOnlyMemory<byte> signature, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(board);
        CollectedClaim claim = new()
        {
            ChainId = chainId, Registry = registry.ToString(), Owner = owner.ToString(), Device = board.DeviceId, KeyKind = board.KeyKind,
            PublicKey = Convert.ToHexStringLower(board.PublicKey), Signature = Convert.ToHexStringLower(signature.Span),
        };
        lock (_gate)
        {
            if (_kept.Contains(claim.Device + claim.Owner)) return Task.CompletedTask;
            _file.Append(JsonSerializer.Serialize(claim, ProvisionJsonContext.Default.CollectedClaim));
            _kept.Add(claim.Device + claim.Owner);
        }

        return Task.CompletedTask;
    }

    public void Dispose() => _file.Dispose();

    /// <summary>The claims of a file, each once. A line that a power cut tore is passed over; anything else that is no claim is an error.</summary>
    public static List<CollectedClaim> Read(string path)
    {
        List<CollectedClaim> claims = [];
        HashSet<string> seen = [];
        List<string> lines = [.. AppendOnlyFile.ReadLines(path)];
        for (int i = 0; i < lines.Count; i++)
        {
            CollectedClaim? claim;
            try
            {
                claim = JsonSerializer.Deserialize(lines[i], ProvisionJsonContext.Default.CollectedClaim);
            }
            catch (JsonException) when (!lines[i].EndsWith('}'))
            {
                continue; // torn by a power cut: its board was not told that it is done
            }
            catch (JsonException error)
            {
                throw Wrong(path, i + 1, error.Message);
            }

            if (claim is null || !IsSound(claim)) throw Wrong(path, i + 1, "key, signature or device id have the wrong size");
            if (seen.Add(claim.Device + claim.Owner)) claims.Add(claim);
        }

        return claims;
    }

    private static CliError Wrong(string path, int line, string what) =>
        new(ExitCode.BadInput, $"{path}, line {line} is no claim: {what}", "take the line out, or provision that board again");

    private static bool IsSound(CollectedClaim claim) => claim.PublicKey.Length == 2 * DeviceId.PublicKeyBytes && claim.Signature.Length == 2 * FrameFormat.SignatureBytes
        && (claim.PublicKey + claim.Signature).All(char.IsAsciiHexDigit) && DeviceId.TryParse(claim.Device, new byte[DeviceId.Bytes]);
}
