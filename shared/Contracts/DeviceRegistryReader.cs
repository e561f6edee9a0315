using System.Runtime.CompilerServices;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Contracts;

/// <summary>Something that happened to a device in the registry.</summary>
/// <param name="Device">Device id, 20 bytes.</param>
/// <param name="Registered">Set when it was registered.</param>
/// <param name="Revoked">Set when it was revoked.</param>
/// <param name="NewOwner">Set when its token changed hands (also at registration).</param>
/// <param name="BlockNumber">Where.</param>
/// <param name="BlockHash">That block's hash when it was read.</param>
/// <param name="LogIndex">Place in the block.</param>
public sealed record DeviceEvent(
    byte[] Device,
    DeviceRegistry.DeviceRegisteredEvent? Registered,
    DeviceRegistry.DeviceRevokedEvent? Revoked,
    Address? NewOwner,
    ulong BlockNumber,
    Hash32 BlockHash,
    ulong LogIndex);

/// <summary>Typed reads of one DeviceRegistry. Every method throws as <see cref="EthereumClient"/> does. Safe for concurrent use.</summary>
public sealed class DeviceRegistryReader
{
    private const int DeviceIdBytes = 20;

    private readonly EthereumClient _client;

    /// <param name="client">The chain. Its <see cref="EthereumClient.Reverts"/> learns the registry's errors.</param>
    /// <param name="registry">Address of the DeviceRegistry.</param>
    public DeviceRegistryReader(EthereumClient client, Address registry)
    {
        ArgumentNullException.ThrowIfNull(client);
        _client = client;
        Address = registry;
        DeviceRegistry.AddErrors(client.Reverts);
    }

    /// <summary>Address of the DeviceRegistry.</summary>
    public Address Address { get; }

    /// <summary>A device's key, kind and times; null when it is not registered.</summary>
    /// <param name="device">Device id, 20 bytes.</param>
    /// <param name="at">Block to read at.</param>
    /// <param name="ct">Ends the call.</param>
    public async Task<DeviceRegistry.Device?> ReadDeviceAsync(ReadOnlyMemory<byte> device, BlockTag at = default, CancellationToken ct = default)
    {
        DeviceRegistry.Device found = await ContractCall.ReadAsync<DeviceRegistry.Device>(
            _client, Address, "deviceOf()", DeviceRegistry.EncodeDeviceOf(device.Span), DeviceRegistry.TryDecodeDeviceOf, at, ct).ConfigureAwait(false);
        return found.RegisteredAt == 0 ? null : found;
    }

    /// <summary>Every key a device has or had, X ‖ Y, the present one first, then from the first one on; empty when it is not registered.</summary>
    /// <param name="device">Device id, 20 bytes.</param>
    /// <param name="at">Block to read at.</param>
    /// <param name="ct">Ends the call.</param>
    public async Task<IReadOnlyList<ReadOnlyMemory<byte>>> ReadKeysAsync(ReadOnlyMemory<byte> device, BlockTag at = default, CancellationToken ct = default)
    {
        DeviceRegistry.Key[] keys = await ContractCall.ReadAsync<DeviceRegistry.Key[]>(
            _client, Address, "keysOf()", DeviceRegistry.EncodeKeysOf(device.Span), DeviceRegistry.TryDecodeKeysOf, at, ct).ConfigureAwait(false);
        return [.. keys.Select(key => (ReadOnlyMemory<byte>)(byte[])[.. key.X.ToArray(), .. key.Y.ToArray()])];
    }

    /// <summary>The owner of a registered device.</summary>
    /// <param name="device">Device id, 20 bytes.</param>
    /// <param name="at">Block to read at.</param>
    /// <param name="ct">Ends the call.</param>
    /// <exception cref="ExecutionRevertedException">It is not registered.</exception>
    public Task<Address> ReadOwnerAsync(ReadOnlyMemory<byte> device, BlockTag at = default, CancellationToken ct = default) =>
        ContractCall.ReadAsync<Address>(
            _client, Address, "ownerOf()", DeviceRegistry.EncodeOwnerOf(TokenOf(device.Span)), DeviceRegistry.TryDecodeOwnerOf, at, ct);

    /// <summary>Registrations, revocations and changes of owner in a span of blocks, oldest first, asked for in bounded ranges.</summary>
    /// <exception cref="RpcAnswerException">An event is not what the registry emits.</exception>
    public async IAsyncEnumerable<DeviceEvent> ReadEventsAsync(ulong fromBlock, ulong toBlock, [EnumeratorCancellation] CancellationToken ct = default)
    {
        Hash32[] topics = [DeviceRegistry.DeviceRegisteredEvent.Topic, DeviceRegistry.DeviceRevokedEvent.Topic, DeviceRegistry.TransferEvent.Topic];
        LogFilter filter = new([Address], [topics], fromBlock, toBlock);
        await foreach (EventLog log in _client.GetLogsAsync(filter, ct).ConfigureAwait(false))
            yield return ToEvent(log);
    }

    /// <summary>A key kind in words: where the key is kept.</summary>
    public static string KeyKindName(byte kind) => kind switch
    {
        KeyKinds.Software => "software",
        KeyKinds.SecureElement => "secure element",
        KeyKinds.Attested => "attested",
        _ => "unknown",
    };

    /// <summary>The ERC-721 token id of a device: its id as a number.</summary>
    public static System.Numerics.BigInteger TokenOf(ReadOnlySpan<byte> device)
    {
        if (device.Length != DeviceIdBytes)
            throw new ArgumentException("A device id has 20 bytes.", nameof(device));
        return new System.Numerics.BigInteger(device, isUnsigned: true, isBigEndian: true);
    }

    private static DeviceEvent ToEvent(EventLog log)
    {
        if (DeviceRegistry.DeviceRegisteredEvent.TryDecode(log.Topics, log.Data, out DeviceRegistry.DeviceRegisteredEvent? registered))
            return new DeviceEvent(registered.Device, registered, null, registered.Owner, log.BlockNumber, log.BlockHash, log.LogIndex);
        if (DeviceRegistry.DeviceRevokedEvent.TryDecode(log.Topics, log.Data, out DeviceRegistry.DeviceRevokedEvent? revoked))
            return new DeviceEvent(revoked.Device, null, revoked, null, log.BlockNumber, log.BlockHash, log.LogIndex);
        if (DeviceRegistry.TransferEvent.TryDecode(log.Topics, log.Data, out DeviceRegistry.TransferEvent? transfer)
            && transfer.Id.GetBitLength() <= DeviceIdBytes * 8)
        {
            byte[] device = new byte[DeviceIdBytes];
            byte[] digits = transfer.Id.ToByteArray(isUnsigned: true, isBigEndian: true);
            digits.CopyTo(device, DeviceIdBytes - digits.Length);
            return new DeviceEvent(device, null, null, transfer.To, log.BlockNumber, log.BlockHash, log.LogIndex);
        }
        throw new RpcAnswerException("result", $"a log of block {log.BlockNumber} is no event of the device registry");
    }
}
