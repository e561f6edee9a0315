using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Dispute;

/// <summary>
/// Follows the cases of the Disputes contract and does what is this gateway's turn: answers one whose device is a member of a list that is here (registerMember, then refute, which earns the
/// accuser's bond), and upholds one that nobody answered in time. What is due is asked of the chain each time; a crash anywhere is a pause.
/// </summary>
/// <param name="options">As of the stage.</param>
/// <param name="deployedAtBlock">Where the contracts begin.</param>
/// <param name="log">What is saved.</param>
/// <param name="chain">The contracts.</param>
/// <param name="members">Whose lists are here.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Told how each case ended.</param>
public sealed class CaseDesk(DisputeOptions options, ulong deployedAtBlock, CaseLog log, IDisputeChain chain, MemberLists members, TimeProvider time, ILogger logger)
{
    /// <summary>Cases looked at in one turn, the earliest deadlines first.</summary>
    public const int CasesPerTurnMax = 64;

    /// <summary>Blocks looked at in one turn.</summary>
    public const ulong BlocksPerTurnMax = 10_000;

    /// <summary>Blocks looked at again each time: a case that a reorganisation moved is found in its new block.</summary>
    private const ulong OverlapMin = 12;

    private ulong? _cursor;

    /// <summary>Takes new cases up. Returns how many are open.</summary>
    public async Task<int> FollowAsync(ChainSnapshot now, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(now);
        ulong overlap = Math.Max(OverlapMin, (ulong)options.Confirmations);
        _cursor ??= log.Cursor;
        ulong from = _cursor is { } last ? Math.Max(deployedAtBlock, last - Math.Min(last, overlap) + 1) : deployedAtBlock;
        if (_cursor != now.Block && from <= now.Block)
        {
            ulong to = Math.Min(now.Block, from + BlocksPerTurnMax - 1);
            IReadOnlyList<CaseRecord> found = await chain.CasesAsync(from, to, Now(), stopping).ConfigureAwait(false);
            log.Save(found, to);
            _cursor = to;
        }

        return log.Open(CasesPerTurnMax).Count;
    }

    /// <summary>Whether a gateway waits for the end of a case: another would put down another bond.</summary>
    public bool IsOpenAgainst(Address gateway) => log.Open(CaseLog.CasesMax).Any(one => one.Accused == gateway);

    /// <summary>Does what is due. False when something is in the way, which <paramref name="trouble"/> is told.</summary>
    public async Task<bool> TurnAsync(ChainSnapshot now, ulong settled, Action<string, string> trouble, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(now);
        ArgumentNullException.ThrowIfNull(trouble);
        bool calm = true;
        foreach (CaseRecord record in log.Open(CasesPerTurnMax))
        {
            CaseView view = await chain.CaseAsync(record, settled, stopping).ConfigureAwait(false);
            DeviceIdValue device = new(record.Device.ToArray());
            CaseAction action = CaseCore.Decide(record, view, members.Find(device) is not null, now.TimeS, Now(), TurnMs(record, now, record.Accused), TurnMs(record, now, record.Reporter));
            switch (action)
            {
                case CaseAction.Register when members.Proof(device) is { } proof:
                    calm &= await SendAsync(record, action, DisputeTarget.Devices, DeviceRegistry.EncodeRegisterMember(proof.Batch, proof.Claim, proof.Path), trouble, stopping).ConfigureAwait(false);
                    break;
                case CaseAction.Refute:
                    calm &= await SendAsync(record, action, DisputeTarget.Disputes, Disputes.EncodeRefute(record.Id), trouble, stopping).ConfigureAwait(false);
                    break;
                case CaseAction.Uphold:
                    calm &= await SendAsync(record, action, DisputeTarget.Disputes, Disputes.EncodeUphold(record.Id), trouble, stopping).ConfigureAwait(false);
                    break;
                case CaseAction.Close:
                    log.Update(record with { State = view.IsRegistered ? CaseState.Refuted : CaseState.Upheld });
                    logger.LogInformation("the case against {Gateway} for device {Device} is {End}", record.Accused.ToChecksumString(), record.Device, view.IsRegistered ? "refuted: the device is registered" : "upheld");
                    break;
                case CaseAction.GiveUp:
                    log.Update(record with { State = CaseState.Refused });
                    logger.LogError("the case against {Gateway} for device {Device} is left to others: {Why}", record.Accused.ToChecksumString(), record.Device, record.Text);
                    break;
            }
        }

        return calm;
    }

    private async Task<bool> SendAsync(CaseRecord record, CaseAction action, DisputeTarget to, byte[] call, Action<string, string> trouble, CancellationToken stopping)
    {
        if (2 * await chain.BaseFeeAsync(stopping).ConfigureAwait(false) > options.FeeCap)
        {
            trouble("the base fee is above anchor.feeCapGwei; a case waits.", "Raise anchor.feeCapGwei: a case that is not answered in time is upheld.");
            return false;
        }

        try
        {
            await chain.SendAsync(to, call, stopping).ConfigureAwait(false);
            log.Update(record with { Sent = action, SentMs = Now(), Attempts = record.Attempts + 1 });
            return true;
        }
        catch (ExecutionRevertedException refused)
        {
            log.Update(record with { Sent = action, SentMs = Now(), Refusals = record.Refusals + 1, Text = refused.Revert.Text });
            return true;
        }
        catch (TransactionFailedException failed)
        {
            log.Update(record with { Sent = action, SentMs = Now() });
            trouble($"the case against {record.Accused.ToChecksumString()} could not be answered: {failed.Message}", $"It is tried again. {options.Self.ToChecksumString()} needs funds for gas.");
            return false;
        }
    }

    /// <summary>One acts: who has most to win, then the others by the order that the case draws.</summary>
    private long TurnMs(CaseRecord record, ChainSnapshot now, Address first)
    {
        if (first == options.Self) return 0;
        ulong seed = System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(record.Id.ToArray());
        Address[] order = [.. now.Network.Active.LeadersOf(seed).Where(gateway => gateway != first)];
        int place = Array.IndexOf(order, options.Self);
        return (1 + (place < 0 ? order.Length : place)) * (long)options.Turn.TotalMilliseconds;
    }

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
