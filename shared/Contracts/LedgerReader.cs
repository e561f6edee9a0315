// Reads the Ledger contract: its state, its anchors, and whether it confirms a proof. The gateway and the CLI read through this.
using System.Runtime.CompilerServices;
using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>An anchor as the ledger recorded it.</summary>
/// <param name="Ordinal">Its place among all anchors, from 0.</param>
/// <param name="Header">What the quorum signed.</param>
/// <param name="Hash">Its hash, which equals <c>Header.Hash()</c>.</param>
/// <param name="BlockNumber">Block it was mined in.</param>
/// <param name="BlockHash">That block's hash when it was read.</param>
/// <param name="TransactionHash">Transaction that recorded it.</param>
public sealed record LedgerEntry(ulong Ordinal, AnchorHeader Header, Hash32 Hash, ulong BlockNumber, Hash32 BlockHash, Hash32 TransactionHash);

/// <summary>What the ledger said of a proof.</summary>
/// <param name="Device">The device id, 20 bytes, when proven; else empty.</param>
/// <param name="Sequence">The frame's sequence when proven.</param>
/// <param name="Refusal">Why it is not proven, null when it is. Its selector is one of <see cref="Ledger.Errors"/>.</param>
public sealed record ProofVerdict(byte[] Device, ulong Sequence, Revert? Refusal)
{
    /// <summary>True when the ledger confirms the frame.</summary>
    public bool IsProven => Refusal is null;
}

/// <summary>Typed reads of one Ledger. Every method throws as <see cref="EthereumClient"/> does. Safe for concurrent use.</summary>
public sealed class LedgerReader
{
    private readonly EthereumClient _client;

    /// <param name="client">The chain. Its <see cref="EthereumClient.Reverts"/> learns the ledger's errors.</param>
    /// <param name="ledger">Address of the Ledger.</param>
    public LedgerReader(EthereumClient client, Address ledger)
    {
        ArgumentNullException.ThrowIfNull(client);
        _client = client;
        Address = ledger;
        Ledger.AddErrors(client.Reverts);
    }

    /// <summary>Address of the Ledger.</summary>
    public Address Address { get; }

    /// <summary>Count, last and current epoch, version of the active set, head: all at one block.</summary>
    public Task<Ledger.StateResult> ReadStateAsync(BlockTag at = default, CancellationToken ct = default) =>
        ContractCall.ReadAsync<Ledger.StateResult>(_client, Address, "state()", Ledger.EncodeState(), Ledger.TryDecodeState, at, ct);

    /// <summary>Every length epochs had or will have, as the contract keeps it.</summary>
    /// <exception cref="RpcAnswerException">They are not what the contract can have.</exception>
    public async Task<EpochSchedule> ReadEpochsAsync(BlockTag at = default, CancellationToken ct = default)
    {
        Ledger.Segment[] segments = await ContractCall.ReadAsync<Ledger.Segment[]>(_client, Address, "segments()", Ledger.EncodeSegments(), Ledger.TryDecodeSegments, at, ct).ConfigureAwait(false);
        try
        {
            return new EpochSchedule(segments.Select(segment => new EpochSegment(segment.FirstEpoch, segment.StartTime, segment.EpochSeconds)));
        }
        catch (ArgumentException impossible)
        {
            throw new RpcAnswerException("result", $"{Address.ToChecksumString()} gives epochs that the contract cannot have: {impossible.Message}");
        }
    }

    /// <summary>Length of an epoch now, seconds.</summary>
    public Task<ulong> ReadEpochSecondsAsync(CancellationToken ct = default) =>
        ContractCall.ReadAsync<ulong>(_client, Address, "epochSeconds()", Ledger.EncodeEpochSeconds(), Ledger.TryDecodeEpochSeconds, default, ct);

    /// <summary>Address of the GatewayRegistry whose active set signs; fixed at deployment.</summary>
    public Task<Address> ReadRegistryAsync(CancellationToken ct = default) =>
        ContractCall.ReadAsync<Address>(_client, Address, "registry()", Ledger.EncodeRegistry(), Ledger.TryDecodeRegistry, default, ct);

    /// <summary>Root of the mountain of a height; zero where none stands.</summary>
    public Task<Hash32> ReadPeakAsync(int height, BlockTag at = default, CancellationToken ct = default) =>
        ContractCall.ReadAsync<Hash32>(_client, Address, "peak()", Ledger.EncodePeak(height), Ledger.TryDecodePeak, at, ct);

    /// <summary>The anchors of a span of blocks, oldest first, asked for in bounded ranges.</summary>
    /// <exception cref="RpcAnswerException">An event is not what the Ledger emits, or its hash is not its anchor's.</exception>
    public async IAsyncEnumerable<LedgerEntry> ReadAnchorsAsync(ulong fromBlock, ulong toBlock, [EnumeratorCancellation] CancellationToken ct = default)
    {
        LogFilter filter = new([Address], [[Ledger.AnchoredEvent.Topic]], fromBlock, toBlock);
        await foreach (EventLog log in _client.GetLogsAsync(filter, ct).ConfigureAwait(false))
            yield return ToEntry(log);
    }

    /// <summary>The anchor that a transaction recorded, out of its receipt; null when it recorded none here.</summary>
    public LedgerEntry? FindAnchor(TransactionReceipt receipt)
    {
        ArgumentNullException.ThrowIfNull(receipt);
        EventLog? log = receipt.Logs.FirstOrDefault(log => log.Address == Address && log.Topics.Count > 0 && log.Topics[0] == Ledger.AnchoredEvent.Topic);
        return log is null ? null : ToEntry(log);
    }

    /// <summary>
    /// Brings a history up to a block. What a reorganisation took back is dropped and read anew, so afterwards the history
    /// equals the contract at that block: same count, same head.
    /// </summary>
    /// <param name="history">Extended in place.</param>
    /// <param name="toBlock">A block the node still has the state of.</param>
    /// <param name="ct">Ends the reading; the history is then valid, if short.</param>
    /// <returns>True when the history only grew; false when it was rebuilt because the chain had changed.</returns>
    /// <exception cref="RpcAnswerException">The node's events and the contract's state disagree.</exception>
    public async Task<bool> FollowAsync(LedgerHistory history, ulong toBlock, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(history);
        Ledger.StateResult state = await ReadStateAsync(BlockTag.At(toBlock), ct).ConfigureAwait(false);
        if (await TryExtendAsync(history, toBlock, state, ct).ConfigureAwait(false))
            return true;
        history.Clear();
        if (!await TryExtendAsync(history, toBlock, state, ct).ConfigureAwait(false))
            throw new RpcAnswerException("result", $"the Anchored events up to block {toBlock} are not those of the ledger's {state.Anchors} anchors: the node's log index is incomplete");
        return false;
    }

    /// <summary>Asks the contract to verify a proof at a block.</summary>
    public async Task<ProofVerdict> VerifyAsync(Ledger.FrameProof proof, BlockTag at = default, CancellationToken ct = default)
    {
        try
        {
            Ledger.VerifyResult result = await ContractCall.ReadAsync<Ledger.VerifyResult>(
                _client, Address, "verify()", Ledger.EncodeVerify(proof), Ledger.TryDecodeVerify, at, ct).ConfigureAwait(false);
            return new ProofVerdict(result.Device, result.Sequence, null);
        }
        catch (ExecutionRevertedException refused)
        {
            return new ProofVerdict([], 0, refused.Revert);
        }
    }

    /// <summary>
    /// Asks the contract to verify a proof at a block. Its ledger path must be of that block's ledger size:
    /// <see cref="LedgerHistory.TryRefresh"/> renews it.
    /// </summary>
    public Task<ProofVerdict> VerifyAsync(Proof proof, BlockTag at = default, CancellationToken ct = default) => VerifyAsync(ToFrameProof(proof), at, ct);

    /// <summary>A proof as the contract takes it.</summary>
    public static Ledger.FrameProof ToFrameProof(Proof proof)
    {
        ArgumentNullException.ThrowIfNull(proof);
        ReadOnlySpan<byte> key = proof.PublicKey.Span;
        return new Ledger.FrameProof(
            proof.Frame.ToArray(), new Hash32(key[..32]), new Hash32(key[32..]), [.. proof.BatchPath], proof.Batch, [.. proof.AnchorPath], proof.Anchor,
            [.. proof.LedgerPath]);
    }

    private async Task<bool> TryExtendAsync(LedgerHistory history, ulong toBlock, Ledger.StateResult state, CancellationToken ct)
    {
        if (history.NextBlock <= toBlock)
        {
            await foreach (LedgerEntry entry in ReadAnchorsAsync(history.NextBlock, toBlock, ct).ConfigureAwait(false))
            {
                if (!history.TryAppend(entry))
                    return false;
            }
        }
        if (history.Count != state.Anchors || history.Head != state.LastHash)
            return false;
        history.NextBlock = Math.Max(history.NextBlock, toBlock + 1);
        return true;
    }

    internal static LedgerEntry ToEntry(EventLog log)
    {
        if (!Ledger.AnchoredEvent.TryDecode(log.Topics, log.Data, out Ledger.AnchoredEvent? anchored))
            throw new RpcAnswerException("result.data", $"a log of block {log.BlockNumber} is no Anchored event");
        AnchorHeader header = new(anchored.Epoch, anchored.Previous, anchored.Root, anchored.Batches, anchored.Frames);
        if (header.Hash() != anchored.Hash)
            throw new RpcAnswerException("result.topics", $"the Anchored event of block {log.BlockNumber} has another hash than its anchor");
        return new LedgerEntry(anchored.Ordinal, header, anchored.Hash, log.BlockNumber, log.BlockHash, log.TransactionHash);
    }
}
