using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>
/// Messages as bytes. Reading never throws for contents and never allocates more than the bytes justify; every list has a bound
/// (<see cref="PeerLimits"/>), trailing bytes are refused, so a message has one encoding.
/// </summary>
public static class PeerCodec
{
    private const byte Status = 1, Offer = 2, Attested = 3, Refused = 4, Certificates = 5, GetBatches = 6, GetMine = 7, Yours = 8, Proposal = 9, Vote = 10,
        AnchorRefused = 11, GetEntry = 12, Entry = 13, MisconductKind = 14, GetBody = 15, BodyPart = 16, GetProposal = 17, Payout = 18;

    /// <summary>The bytes of a message.</summary>
    public static byte[] Write(PeerMessage message)
    {
        ArrayBufferWriter<byte> to = new(256);
        switch (message)
        {
            case StatusMessage m:
                U8(to, Status);
                U64(to, m.KnownEntries);
                U64(to, m.YourHighest);
                U64(to, m.Epoch);
                U64(to, m.Block);
                List(to, m.Pending, static (w, run) => Run(w, run));
                break;
            case OfferMessage m:
                U8(to, Offer);
                Summary(to, m.Batch);
                to.Write(m.Author.ToArray());
                break;
            case AttestedMessage m:
                U8(to, Attested);
                U64(to, m.Number);
                to.Write(m.Attestation.ToArray());
                break;
            case RefusedMessage m:
                U8(to, Refused);
                U64(to, m.Number);
                U8(to, (byte)m.Reason);
                break;
            case CertificatesMessage m:
                U8(to, Certificates);
                List(to, m.Batches, Certified);
                break;
            case GetBatchesMessage m:
                U8(to, GetBatches);
                Run(to, m.Run);
                break;
            case GetMineMessage m:
                U8(to, GetMine);
                U64(to, m.From);
                break;
            case YoursMessage m:
                U8(to, Yours);
                List(to, m.Batches, Certified);
                break;
            case ProposalMessage m:
                U8(to, Proposal);
                to.Write(m.Anchor.ToArray());
                List(to, m.Attestations, static (w, a) => w.Write(a.ToArray()));
                List(to, m.Contents, static (w, leaf) =>
                {
                    w.Write(leaf.Batch.Gateway.ToArray());
                    U64(w, leaf.Batch.Number);
                    Hash(w, leaf.Hash);
                });
                break;
            case VoteMessage m:
                U8(to, Vote);
                to.Write(m.Anchor.ToArray());
                to.Write(m.Attestation.ToArray());
                break;
            case AnchorRefusedMessage m:
                U8(to, AnchorRefused);
                U64(to, m.Epoch);
                Hash(to, m.Anchor);
                U8(to, (byte)m.Reason);
                break;
            case GetProposalMessage m:
                U8(to, GetProposal);
                U64(to, m.Epoch);
                Hash(to, m.Anchor);
                break;
            case GetEntryMessage m:
                U8(to, GetEntry);
                U64(to, m.Ordinal);
                Hash(to, m.Anchor);
                U32(to, m.FromLeaf);
                break;
            case EntryMessage m:
                U8(to, Entry);
                U64(to, m.Ordinal);
                Hash(to, m.Anchor);
                U32(to, m.FromLeaf);
                U32(to, m.Total);
                List(to, m.Batches, Certified);
                break;
            case MisconductMessage { Misconduct: var x }:
                U8(to, MisconductKind);
                U8(to, (byte)x.Kind);
                to.Write(x.Accused.ToArray());
                U64(to, x.Height);
                Blob(to, x.First);
                Blob(to, x.Second);
                Blob(to, Encoding.UTF8.GetBytes(x.Text));
                break;
            case GetBodyMessage m:
                U8(to, GetBody);
                Hash(to, m.FramesHash);
                U32(to, m.Offset);
                break;
            case BodyPartMessage m:
                U8(to, BodyPart);
                Hash(to, m.FramesHash);
                U32(to, m.Offset);
                U32(to, m.Total);
                U8(to, m.Compressed ? (byte)1 : (byte)0);
                Blob(to, m.Part.Span);
                break;
            case PayoutMessage m:
                U8(to, Payout);
                U64(to, m.Payout.Epoch);
                Hash(to, m.Payout.Previous);
                Hash(to, m.Payout.Root);
                to.Write(new AbiEncoder().UInt(m.Payout.Total).ToArray()); // a word of 32 bytes
                to.Write(m.Attestation.ToArray());
                break;
            default:
                throw new ArgumentException($"No encoding of {message.GetType().Name}.", nameof(message));
        }

        return to.WrittenSpan.ToArray();
    }

    /// <summary>Reads a message; null when the bytes are none.</summary>
    public static PeerMessage? TryRead(ReadOnlySpan<byte> bytes)
    {
        Reader r = new(bytes);
        PeerMessage? message = r.U8() switch
        {
            Status => ReadStatus(ref r),
            Offer => r.Summary() is { } batch ? new OfferMessage(batch, r.Attestation()) : null,
            Attested => new AttestedMessage(r.U64(), r.Attestation()),
            Refused => new RefusedMessage(r.U64(), (Refusal)r.U8()),
            Certificates => r.Certified(PeerLimits.BatchesMax) is { } batches ? new CertificatesMessage(batches) : null,
            GetBatches => new GetBatchesMessage(r.Run()),
            GetMine => new GetMineMessage(r.U64()),
            Yours => r.Certified(PeerLimits.BatchesMax) is { } batches ? new YoursMessage(batches) : null,
            Proposal => ReadProposal(ref r),
            Vote => new VoteMessage(r.Anchor(), r.Attestation()),
            AnchorRefused => new AnchorRefusedMessage(r.U64(), r.Hash(), (Refusal)r.U8()),
            GetProposal => new GetProposalMessage(r.U64(), r.Hash()),
            GetEntry => new GetEntryMessage(r.U64(), r.Hash(), r.U32()),
            Entry => ReadEntry(ref r),
            MisconductKind => new MisconductMessage(new Misconduct((EvidenceKind)r.U8(), r.Address(), r.U64(), r.Blob(PeerLimits.EvidenceBytesMax), r.Blob(PeerLimits.EvidenceBytesMax),
                Encoding.UTF8.GetString(r.Blob(PeerLimits.EvidenceTextMax)))),
            GetBody => new GetBodyMessage(r.Hash(), r.U32()),
            BodyPart => new BodyPartMessage(r.Hash(), r.U32(), r.U32(), r.U8() == 1, r.Blob(PeerLimits.MessageBytesMax)),
            Payout => new PayoutMessage(new DePIN.Contracts.Rewards.Payout(r.U64(), r.Hash(), r.Hash(), new System.Numerics.BigInteger(r.Hash().ToArray(), isUnsigned: true, isBigEndian: true)), r.Attestation()),
            _ => null,
        };
        return r.IsDone ? message : null;
    }

    private static StatusMessage? ReadStatus(ref Reader r)
    {
        ulong entries = r.U64(), yours = r.U64(), epoch = r.U64(), block = r.U64();
        int count = r.Count(PeerLimits.RunsMax, 36);
        BatchRun[] runs = new BatchRun[count];
        for (int i = 0; i < count; i++) runs[i] = r.Run();
        return new StatusMessage(entries, runs, yours, epoch, block);
    }

    private static ProposalMessage? ReadProposal(ref Reader r)
    {
        AnchorHeader anchor = r.Anchor();
        if (r.Attestations() is not { } attestations) return null;
        int count = r.Count(PeerLimits.LeavesMax, 60);
        AnchorLeaf[] leaves = new AnchorLeaf[count];
        for (int i = 0; i < count; i++) leaves[i] = new AnchorLeaf(new BatchId(r.Address(), r.U64()), r.Hash());
        return new ProposalMessage(anchor, leaves, attestations);
    }

    private static EntryMessage? ReadEntry(ref Reader r)
    {
        ulong ordinal = r.U64();
        Hash32 anchor = r.Hash();
        uint from = r.U32(), total = r.U32();
        return r.Certified(PeerLimits.BatchesMax) is { } batches ? new EntryMessage(ordinal, anchor, from, total, batches) : null;
    }

    private static void U8(ArrayBufferWriter<byte> to, byte value) => to.Write([value]);

    private static void U32(ArrayBufferWriter<byte> to, uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(to.GetSpan(4), value);
        to.Advance(4);
    }

    private static void U64(ArrayBufferWriter<byte> to, ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(to.GetSpan(8), value);
        to.Advance(8);
    }

    private static void Hash(ArrayBufferWriter<byte> to, Hash32 value)
    {
        value.CopyTo(to.GetSpan(Hash32.Bytes));
        to.Advance(Hash32.Bytes);
    }

    private static void Blob(ArrayBufferWriter<byte> to, ReadOnlySpan<byte> value)
    {
        U32(to, (uint)value.Length);
        to.Write(value);
    }

    private static void Run(ArrayBufferWriter<byte> to, BatchRun run)
    {
        to.Write(run.Gateway.ToArray());
        U64(to, run.First);
        U64(to, run.Last);
    }

    private static void Summary(ArrayBufferWriter<byte> to, BatchSummary batch)
    {
        to.Write(batch.Header.ToArray());
        Hash(to, batch.FramesHash);
        Blob(to, batch.Spans.ToArray());
    }

    private static void Certified(ArrayBufferWriter<byte> to, CertifiedBatch batch)
    {
        Summary(to, batch.Batch);
        List(to, batch.Attestations, static (w, a) => w.Write(a.ToArray()));
    }

    private static void List<T>(ArrayBufferWriter<byte> to, IReadOnlyList<T> items, Action<ArrayBufferWriter<byte>, T> write)
    {
        U32(to, (uint)items.Count);
        foreach (T item in items) write(to, item);
    }

    /// <summary>Reads fields; after the first fault everything is zero and <see cref="IsDone"/> is false.</summary>
    private ref struct Reader(ReadOnlySpan<byte> bytes)
    {
        private ReadOnlySpan<byte> _rest = bytes;
        private bool _failed;

        public readonly bool IsDone => !_failed && _rest.IsEmpty;

        public byte U8() => Take(1) is { Length: 1 } b ? b[0] : (byte)0;

        public uint U32() => Take(4) is { Length: 4 } b ? BinaryPrimitives.ReadUInt32BigEndian(b) : 0;

        public ulong U64() => Take(8) is { Length: 8 } b ? BinaryPrimitives.ReadUInt64BigEndian(b) : 0;

        public Hash32 Hash() => Take(Hash32.Bytes) is { Length: Hash32.Bytes } b ? new Hash32(b) : Hash32.Zero;

        public Address Address() => Take(Evidence.Address.Bytes) is { Length: Evidence.Address.Bytes } b ? new Address(b) : default;

        public Attestation Attestation() => Take(Evidence.Attestation.Bytes) is { Length: Evidence.Attestation.Bytes } b ? Evidence.Attestation.Read(b) : default;

        public AnchorHeader Anchor() => Take(AnchorHeader.Bytes) is { Length: AnchorHeader.Bytes } b ? AnchorHeader.Read(b) : AnchorHeader.Read(new byte[AnchorHeader.Bytes]);

        public BatchRun Run() => new(Address(), U64(), U64());

        public byte[] Blob(int max)
        {
            uint length = U32();
            if (length > (uint)max)
            {
                _failed = true;
                return [];
            }

            return Take((int)length).ToArray();
        }

        /// <summary>A list's count: refused when above the bound or when the rest cannot hold it.</summary>
        public int Count(int max, int itemBytesMin)
        {
            uint count = U32();
            if (count <= (uint)max && (long)count * itemBytesMin <= _rest.Length) return (int)count;
            _failed = true;
            return 0;
        }

        public BatchSummary? Summary()
        {
            ReadOnlySpan<byte> header = Take(BatchHeader.Bytes);
            Hash32 frames = Hash();
            uint length = U32();
            ReadOnlySpan<byte> spans = length <= int.MaxValue ? Take((int)length) : Fail();
            if (_failed || FrameSpans.TryRead(spans, out FrameSpans? read) != FrameSpansFault.None)
            {
                _failed = true;
                return null;
            }

            return new BatchSummary(BatchHeader.Read(header), frames, read!);
        }

        public Attestation[]? Attestations()
        {
            int count = Count(EvidenceLimits.GatewaysMax * PeerLimits.SimulatedScale, Evidence.Attestation.Bytes);
            Attestation[] attestations = new Attestation[count];
            for (int i = 0; i < count; i++)
            {
                attestations[i] = Attestation();
                if (i > 0 && attestations[i - 1].Gateway >= attestations[i].Gateway) _failed = true; // one encoding
            }

            return _failed ? null : attestations;
        }

        public CertifiedBatch[]? Certified(int max)
        {
            int count = Count(max, BatchHeader.Bytes + Hash32.Bytes + 4 + FrameSpan.Bytes + 4);
            CertifiedBatch[] batches = new CertifiedBatch[count];
            for (int i = 0; i < count; i++)
            {
                if (Summary() is not { } summary || Attestations() is not { } attestations) return null;
                batches[i] = new CertifiedBatch(summary, attestations);
            }

            return batches;
        }

        private ReadOnlySpan<byte> Take(int count)
        {
            if (_failed || count > _rest.Length) return Fail();
            ReadOnlySpan<byte> taken = _rest[..count];
            _rest = _rest[count..];
            return taken;
        }

        private ReadOnlySpan<byte> Fail()
        {
            _failed = true;
            return default;
        }
    }
}

/// <summary>Bounds of what peers send. A message above one is refused and its sender blamed.</summary>
public static class PeerLimits
{
    /// <summary>Bytes of one message. The largest is a batch of 65,536 devices with one frame each: 2.4 MB of spans.</summary>
    public const int MessageBytesMax = 4 * 1024 * 1024;

    /// <summary>Batches in one message.</summary>
    public const int BatchesMax = 256;

    /// <summary>Bytes of batches put into one message, beyond the first batch.</summary>
    public const int BatchesBytes = 512 * 1024;

    /// <summary>Runs in a status.</summary>
    public const int RunsMax = 4_096;

    /// <summary>Batches in an anchor.</summary>
    public const int LeavesMax = 65_536;

    /// <summary>Bytes of one side of a piece of evidence: header, signature, frame.</summary>
    public const int EvidenceBytesMax = 2_048;

    /// <summary>Bytes of its text.</summary>
    public const int EvidenceTextMax = 512;

    /// <summary>The simulator looks at networks four times as large as the contract's signer mask allows.</summary>
    internal const int SimulatedScale = 4;
}
