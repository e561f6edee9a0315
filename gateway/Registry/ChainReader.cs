using System.Buffers.Binary;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Registry;

/// <summary>
/// Reads our three contracts through JSON-RPC. Everything an endpoint says is decoded strictly; a log that does not decode
/// is a fault of the endpoint (<see cref="RpcAnswerException"/>), not an event to skip.
/// </summary>
public sealed class ChainReader(EthereumClient client, ChainAddresses at) : IChainReader
{
    private readonly DeviceRegistryReader _devices = new(client, at.DeviceRegistry);
    private readonly GatewayRegistryReader _gateways = new(client, at.GatewayRegistry);
    private readonly LedgerReader _ledger = new(client, at.Ledger);

    private static readonly IReadOnlyList<Hash32> Topics =
    [
        DeviceRegistry.DeviceRegisteredEvent.Topic, DeviceRegistry.DeviceRevokedEvent.Topic, DeviceRegistry.TransferEvent.Topic, DeviceRegistry.KeyRotatedEvent.Topic, DeviceRegistry.BatchRegisteredEvent.Topic,
        GatewayRegistry.ActiveSetChangedEvent.Topic, GatewayRegistry.GatewayAddedEvent.Topic, GatewayRegistry.GatewayUpdatedEvent.Topic, Ledger.AnchoredEvent.Topic, Ledger.EpochLengthChangedEvent.Topic,
    ];

    /// <inheritdoc/>
    public async Task CheckAsync(CancellationToken stopping)
    {
        ulong chainId = await client.GetChainIdAsync(stopping).ConfigureAwait(false);
        if (chainId != at.ChainId)
            throw new ChainMismatchException($"the RPC endpoint serves chain {chainId}, not {at.ChainId}.", "Correct chain.rpcUrls or chain.chainId.");
        foreach ((string name, Address contract) in new[] { ("DeviceRegistry", at.DeviceRegistry), ("GatewayRegistry", at.GatewayRegistry), ("Ledger", at.Ledger) })
        {
            if ((await client.GetCodeAsync(contract, default, stopping).ConfigureAwait(false)).Length == 0)
                throw new ChainMismatchException($"there is no {name} contract at {contract.ToChecksumString()} on chain {chainId}.",
                    "Correct the addresses (chain.deployment); on a development chain that was started anew, deploy again.");
        }

        // Later lengths are governance's and are followed; the first one tells a record of another ledger.
        ulong epochSeconds = (await _ledger.ReadEpochsAsync(default, stopping).ConfigureAwait(false)).Segments[0].Seconds;
        if (epochSeconds != at.EpochSeconds)
            throw new ChainMismatchException($"the ledger's first epochs were {epochSeconds} s long, not {at.EpochSeconds}.", "Correct chain.epochSeconds, or use the deployment record of this ledger.");
    }

    /// <inheritdoc/>
    public async Task<BlockMark> HeadAsync(CancellationToken stopping) =>
        Mark(await client.GetBlockAsync(BlockTag.Latest, stopping).ConfigureAwait(false)) ?? throw Misshapen("latest block");

    /// <inheritdoc/>
    public async Task<BlockMark?> BlockAsync(ulong number, CancellationToken stopping) =>
        Mark(await client.GetBlockAsync(BlockTag.At(number), stopping).ConfigureAwait(false));

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ChainEvent>> EventsAsync(ulong from, ulong to, CancellationToken stopping)
    {
        List<ChainEvent> events = [];
        Dictionary<ulong, ulong> times = [];
        LogFilter filter = new([at.DeviceRegistry, at.GatewayRegistry, at.Ledger], [Topics], from, to);
        await foreach (EventLog log in client.GetLogsAsync(filter, stopping).ConfigureAwait(false))
        {
            if (log.Removed) continue;
            uint position = (uint)Math.Min(log.LogIndex, uint.MaxValue);
            if (log.Address == at.DeviceRegistry)
            {
                if (DeviceRegistry.DeviceRegisteredEvent.TryDecode(log.Topics, log.Data, out var registered))
                {
                    events.Add(new DeviceRegistered(log.BlockNumber, position, new DeviceIdValue(registered.Device),
                        [.. registered.X.ToArray(), .. registered.Y.ToArray()], registered.KeyKind, registered.Owner, await TimeAsync(log.BlockNumber).ConfigureAwait(false)));
                }
                else if (DeviceRegistry.DeviceRevokedEvent.TryDecode(log.Topics, log.Data, out var revoked))
                {
                    events.Add(new DeviceRevoked(log.BlockNumber, position, new DeviceIdValue(revoked.Device), revoked.At));
                }
                else if (DeviceRegistry.TransferEvent.TryDecode(log.Topics, log.Data, out var moved))
                {
                    events.Add(new DeviceTransferred(log.BlockNumber, position, DeviceOfToken(moved.Id), moved.To));
                }
                else if (DeviceRegistry.KeyRotatedEvent.TryDecode(log.Topics, log.Data, out var rotated))
                {
                    events.Add(new DeviceKeyRotated(log.BlockNumber, position, new DeviceIdValue(rotated.Device), [.. rotated.X.ToArray(), .. rotated.Y.ToArray()]));
                }
                else if (DeviceRegistry.BatchRegisteredEvent.TryDecode(log.Topics, log.Data, out var batch) && batch.Batch <= long.MaxValue)
                {
                    events.Add(new DeviceBatchRegistered(log.BlockNumber, position, (ulong)batch.Batch, batch.Owner, batch.Root, batch.Count, batch.Profile, await TimeAsync(log.BlockNumber).ConfigureAwait(false)));
                }
                else
                {
                    throw Misshapen("DeviceRegistry event");
                }
            }
            else if (log.Address == at.GatewayRegistry && GatewayRegistry.ActiveSetChangedEvent.TryDecode(log.Topics, log.Data, out var changed))
            {
                events.Add(new GatewaySetChanged(log.BlockNumber, position, changed.Version, (await _gateways.ReadActiveAtAsync(changed.Version, stopping).ConfigureAwait(false)).Signers.ToArray(),
                    await TimeAsync(log.BlockNumber).ConfigureAwait(false)));
            }
            else if (log.Address == at.GatewayRegistry && GatewayRegistry.GatewayAddedEvent.TryDecode(log.Topics, log.Data, out var added))
            {
                events.Add(new GatewayRecorded(log.BlockNumber, position, added.Signer, added.TlsKeyHash, added.Endpoint, await TimeAsync(log.BlockNumber).ConfigureAwait(false)));
            }
            else if (log.Address == at.GatewayRegistry && GatewayRegistry.GatewayUpdatedEvent.TryDecode(log.Topics, log.Data, out var updated))
            {
                events.Add(new GatewayRecorded(log.BlockNumber, position, updated.Signer, updated.TlsKeyHash, updated.Endpoint, await TimeAsync(log.BlockNumber).ConfigureAwait(false)));
            }
            else if (log.Address == at.Ledger && Ledger.AnchoredEvent.TryDecode(log.Topics, log.Data, out var anchored))
            {
                AnchorHeader header = new(anchored.Epoch, anchored.Previous, anchored.Root, anchored.Batches, anchored.Frames);
                if (header.Hash() != anchored.Hash) throw Misshapen("Anchored event");
                events.Add(new LedgerAppended(log.BlockNumber, position, anchored.Ordinal, header, log.TransactionHash));
            }
            else if (log.Address == at.Ledger && Ledger.EpochLengthChangedEvent.TryDecode(log.Topics, log.Data, out var length))
            {
                events.Add(new EpochLengthChanged(log.BlockNumber, position, length.FirstEpoch, length.StartTime, length.EpochSeconds));
            }
            else
            {
                throw Misshapen("event");
            }
        }

        return events;

        async Task<ulong> TimeAsync(ulong block)
        {
            if (!times.TryGetValue(block, out ulong time))
                times[block] = time = (await BlockAsync(block, stopping).ConfigureAwait(false))?.TimeS ?? throw Misshapen("block of an event");
            return time;
        }
    }

    /// <inheritdoc/>
    public Task<ulong> TimeAsync(BlockMark head, CancellationToken stopping) => ChainTime.ReadAsync(client, head.Number, head.TimeS, stopping);

    /// <inheritdoc/>
    public async Task<RegisteredDevice?> DeviceAsync(DeviceIdValue device, CancellationToken stopping) =>
        await _devices.ReadDeviceAsync(device.ToArray(), default, stopping).ConfigureAwait(false) is { } found
            ? new RegisteredDevice(device, (byte[])[.. found.X.ToArray(), .. found.Y.ToArray()], found.KeyKind, ReadOnlyMemory<byte>.Empty, found.RegisteredAt, found.RevokedAt)
            {
                // The present key comes first, then the others from the first one on.
                FormerKeys = [.. (await _devices.ReadKeysAsync(device.ToArray(), default, stopping).ConfigureAwait(false)).Skip(1)],
            }
            : null;

    /// <summary>tokenId = uint160(device id): the low 20 bytes.</summary>
    private static DeviceIdValue DeviceOfToken(System.Numerics.BigInteger token)
    {
        byte[] id = new byte[DeviceIdValue.Bytes];
        byte[] bytes = token.ToByteArray(isUnsigned: true, isBigEndian: true);
        if (bytes.Length > id.Length) throw Misshapen("token id");
        bytes.CopyTo(id, id.Length - bytes.Length);
        return new DeviceIdValue(id);
    }

    private static BlockMark? Mark(Block? block) => block is null ? null : new BlockMark(block.Number, block.Hash, block.Timestamp);

    private static RpcAnswerException Misshapen(string what) => new(what, $"the RPC endpoint's answer for {what} does not decode");
}
