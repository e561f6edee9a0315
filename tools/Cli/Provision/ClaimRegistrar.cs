using DePIN.Cli.Serial;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Provision;

namespace DePIN.Cli.Provision;

/// <summary>
/// Registers claims on chain, a transaction each. The registry is asked before each one is sent, and again when sending failed: a
/// transaction that was sent and whose answer was lost is found, so nothing is registered or paid for twice.
/// </summary>
public sealed class ClaimRegistrar : IClaimDesk, IDisposable
{
    private const int MinedLooksMax = 120;
    private static readonly TimeSpan MinedPoll = TimeSpan.FromMilliseconds(500);

    private readonly DeviceRegistryReader _registry;
    private readonly TransactionSender _sender;
    private readonly Address _owner;
    private readonly TimeProvider _clock;
    private readonly SemaphoreSlim _turn = new(1); // one nonce at a time

    public ClaimRegistrar(EthereumClient client, Address registry, GatewaySigner payer, Address owner, TimeProvider clock)
    {
        _registry = new DeviceRegistryReader(client, registry);
        _sender = new TransactionSender(client, payer, clock);
        _owner = owner;
        _clock = clock;
    }

    public bool Registers => true;

    public async Task FileAsync(BoardIdentity board, ReadOnlyMemory<byte> signature, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(board);
        byte[] device = Convert.FromHexString(board.DeviceId);
        try
        {
            if (await IsOursAsync(device, cancel).ConfigureAwait(false)) return;
            try
            {
                Hash32 sent = await SubmitAsync(DeviceClaim.EncodeRegister(board.KeyKind, board.PublicKey, signature.Span, _owner), cancel).ConfigureAwait(false);
                await _sender.WaitAsync(sent, cancel).ConfigureAwait(false);
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                if (await IsOursAsync(device, cancel).ConfigureAwait(false) || (IsRegistered(error) && await IsMinedAsync(device, cancel).ConfigureAwait(false))) return;
                throw Failed(error);
            }
        }
        catch (Exception error) when (error is not (OperationCanceledException or ProvisionException))
        {
            throw Failed(error);
        }
    }

    public void Dispose() => _turn.Dispose();

    /// <summary>One nonce at a time, but without waiting for the blocks: the lanes' registrations may be mined together.</summary>
    private async Task<Hash32> SubmitAsync(byte[] call, CancellationToken cancel)
    {
        await _turn.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            return await _sender.SubmitAsync(_registry.Address, call, cancel).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>The chain would refuse it because a transaction that waits for its block registers it: one that an earlier run sent and lost sight of.</summary>
    private static bool IsRegistered(Exception error) => error is ExecutionRevertedException { Revert.Selector: DeviceRegistry.Errors.AlreadyRegistered };

    private async Task<bool> IsMinedAsync(byte[] device, CancellationToken cancel)
    {
        for (int looks = 0; looks < MinedLooksMax; looks++)
        {
            if (await IsOursAsync(device, cancel).ConfigureAwait(false)) return true;
            await Task.Delay(MinedPoll, _clock, cancel).ConfigureAwait(false);
        }

        return false;
    }

    private async Task<bool> IsOursAsync(byte[] device, CancellationToken cancel)
    {
        if (await _registry.ReadDeviceAsync(device, BlockTag.Latest, cancel).ConfigureAwait(false) is not { } known) return false;
        if (known.RevokedAt != 0) throw new ProvisionException(ProvisionCode.Revoked, $"device {Convert.ToHexStringLower(device)} was revoked");
        Address owner = await _registry.ReadOwnerAsync(device, BlockTag.Latest, cancel).ConfigureAwait(false);
        if (owner != _owner) throw new ProvisionException(ProvisionCode.OwnedByAnother, $"device {Convert.ToHexStringLower(device)} belongs to {owner.ToChecksumString()}");
        return true;
    }

    private static ProvisionException Failed(Exception error) =>
        new(error is ExecutionRevertedException or TransactionFailedException ? ProvisionCode.RegistrationRefused : ProvisionCode.ChainAway, error.Message, error);
}
