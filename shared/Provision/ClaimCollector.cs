using System.Text.Json;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Provision;

/// <summary>Where a device's claim goes. Called by many lanes at once.</summary>
public interface IClaimDesk
{
    /// <summary>The device is registered for the owner, or its claim is kept, when this returns. Repeatable.</summary>
    /// <exception cref="ProvisionException">It is not; its code says why.</exception>
    Task FileAsync(BoardIdentity board, ReadOnlyMemory<byte> signature, CancellationToken cancel);

    /// <summary>Whether boards are on chain after it, so that the gateway will take their frames.</summary>
    bool Registers { get; }
}

/// <summary>Keeps claims in a file instead of registering them: for places without a network. Each is on disk before the board goes on.</summary>
public sealed class ClaimCollector(string path, ulong chainId, Address registry, Address owner) : IClaimDesk, IDisposable
{
    /// <summary>Of the file: some 35,000 claims.</summary>
    public const int BytesMax = 16 << 20;

    private readonly AppendOnlyFile _file = AppendOnlyFile.Open(path, BytesMax);
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
    public static List<CollectedClaim> Read(string path) => Read(AppendOnlyFile.ReadLines(path), path);

    /// <summary>The same of lines that came from elsewhere.</summary>
    /// <param name="text">The lines.</param>
    /// <param name="source">What messages call it.</param>
    public static List<CollectedClaim> Read(IEnumerable<string> text, string source)
    {
        List<CollectedClaim> claims = [];
        HashSet<string> seen = [];
        List<string> lines = [.. text];
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
                throw Wrong(source, i + 1, error.Message);
            }

            if (claim is null || !IsSound(claim)) throw Wrong(source, i + 1, "key, signature or device id have the wrong size");
            if (seen.Add(claim.Device + claim.Owner)) claims.Add(claim);
        }

        return claims;
    }

    private static ProvisionFileException Wrong(string source, int line, string what) =>
        new($"{source}, line {line} is no claim: {what}", "take the line out, or provision that board again");

    private static bool IsSound(CollectedClaim claim) => claim.PublicKey.Length == 2 * DeviceId.PublicKeyBytes && claim.Signature.Length == 2 * FrameFormat.SignatureBytes
        && (claim.PublicKey + claim.Signature).All(char.IsAsciiHexDigit) && DeviceId.TryParse(claim.Device, new byte[DeviceId.Bytes]);
}

/// <summary>A device's own claim, kept to be registered later. Anyone may send it; it is no secret.</summary>
public sealed record CollectedClaim
{
    public required ulong ChainId { get; init; }

    public required string Registry { get; init; }

    public required string Owner { get; init; }

    public required string Device { get; init; }

    public required byte KeyKind { get; init; }

    /// <summary>X ‖ Y, hex.</summary>
    public required string PublicKey { get; init; }

    /// <summary>r ‖ s, hex.</summary>
    public required string Signature { get; init; }
}
