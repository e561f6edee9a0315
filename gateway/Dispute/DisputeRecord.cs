using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.Gateway.Dispute;

/// <summary>What the Disputes contract judges; the numbers are those of its enumeration.</summary>
public enum Offence : byte
{
    /// <summary>Two batch headers of one gateway under one number.</summary>
    TwoBatches = 0,

    /// <summary>Two anchors signed for one epoch.</summary>
    TwoAnchors = 1,

    /// <summary>A signature under a batch with a frame that is malformed or that no key of its device signed.</summary>
    BadFrame = 2,

    /// <summary>A signature under a batch with a frame of a device that is not registered. Opens a case that is judged after an answer's time: <see cref="CaseDesk"/>.</summary>
    UnregisteredDevice = 3,

    /// <summary>Two frames of one device under one sequence.</summary>
    TwoFrames = 4,
}

/// <summary>How far a dispute has come.</summary>
public enum DisputeState
{
    /// <summary>Nothing is on the chain yet, as far as this gateway knows.</summary>
    Open = 1,

    /// <summary>A transaction with the commitment was sent.</summary>
    Committed = 2,

    /// <summary>A transaction with the evidence was sent.</summary>
    Reported = 3,

    /// <summary>Judged, deep enough in the chain; <see cref="DisputeRecord.Reporter"/> says on whose evidence.</summary>
    Judged = 4,

    /// <summary>The contract does not take the evidence; <see cref="DisputeRecord.Text"/> says why.</summary>
    Refused = 5,
}

/// <summary>Evidence on its way to the Disputes contract. All of it is saved before the first transaction, so a crash anywhere is the same as asking the chain again.</summary>
/// <param name="Kind">What was done.</param>
/// <param name="Accused">The gateway, or the device id.</param>
/// <param name="Subject">Batch number or epoch as a word, batch hash, or zero: with kind and accused what makes an offence one and the same.</param>
/// <param name="Commitment">What is committed to: keccak256(reporter ‖ evidence hash ‖ salt), each a word.</param>
/// <param name="Report">Call data that shows the evidence; it holds the salt, and is nobody's business before the commitment is in a block.</param>
/// <param name="Reporter">Who reports: this gateway, or once it is judged whose evidence it was; null when that is not known.</param>
/// <param name="State">How far it has come.</param>
/// <param name="MadeMs">When it was made, ms since the Unix epoch.</param>
/// <param name="MadeBlock">The newest block then.</param>
/// <param name="SentMs">When a transaction was sent last; 0 never.</param>
/// <param name="Attempts">Transactions sent.</param>
/// <param name="Refusals">How often the contract said it would refuse.</param>
/// <param name="Text">For a person.</param>
public sealed record DisputeRecord(
    Offence Kind, Address Accused, Hash32 Subject, Hash32 Commitment, byte[] Report, Address? Reporter, DisputeState State, long MadeMs, ulong MadeBlock, long SentMs, int Attempts, int Refusals, string Text)
{
    /// <summary>The contract's name for the offence: keccak256(abi.encode(kind, accused, subject)).</summary>
    public Hash32 Id { get; } = OffenceOf(Kind, Accused, Subject);

    /// <summary>True when nothing more is to be done.</summary>
    public bool IsClosed => State is DisputeState.Judged or DisputeState.Refused;

    /// <summary>As <see cref="Id"/>.</summary>
    public static Hash32 OffenceOf(Offence kind, Address accused, Hash32 subject)
    {
        Span<byte> words = stackalloc byte[3 * Hash32.Bytes];
        words.Clear();
        words[Hash32.Bytes - 1] = (byte)kind;
        accused.CopyTo(words[(2 * Hash32.Bytes - Address.Bytes)..]);
        subject.CopyTo(words[(2 * Hash32.Bytes)..]);
        return EthereumCrypto.Keccak256(words);
    }
}
