using DePIN.Evidence;
using DePIN.Gateway.Verify;
using DePIN.Provision;

namespace DePIN.Gateway.Provision;

/// <summary>
/// Claims at the gateway. It has no key that pays for registrations, so claims are kept until somebody registers them; what the registry says of a
/// device already is told at once.
/// </summary>
public sealed class ClaimKeeper(DeviceTable devices, ClaimCollector collector, Address owner) : IClaimDesk
{
    public bool Registers => false;

    public Task FileAsync(BoardIdentity board, ReadOnlyMemory<byte> signature, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(board);
        if (DeviceIdValue.TryParse(board.DeviceId, out DeviceIdValue id) && devices.Find(id)?.Registration is { } known)
        {
            if (known.IsRevoked) throw new ProvisionException(ProvisionCode.Revoked, $"device {board.DeviceId} was revoked");
            if (!known.Owner.IsEmpty)
            {
                return known.Owner.Span.SequenceEqual(owner.ToArray()) ? Task.CompletedTask
                    : throw new ProvisionException(ProvisionCode.OwnedByAnother, $"device {board.DeviceId} belongs to {HexText.Encode(known.Owner.Span)}");
            }
        }

        return collector.FileAsync(board, signature, cancel);
    }
}
