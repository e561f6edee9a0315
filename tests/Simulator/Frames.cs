using System.Buffers.Binary;
using System.Security.Cryptography;
using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Simulator;

/// <summary>A frame without its bytes: who, which, a number that stands for its contents, and whether its device signed it.</summary>
internal sealed record Frame(Address Device, ulong Sequence, ulong Content, bool IsSigned)
{
    public FrameKey Key => new(Device, Sequence);
}

/// <summary>Names a frame.</summary>
internal readonly record struct FrameKey(Address Device, ulong Sequence);

/// <summary>The frames of a batch, with hashes that stand for SHA-256 of the bytes and for the Merkle root.</summary>
internal sealed class Body
{
    public Body(IReadOnlyList<Frame> frames)
    {
        Frames = frames;
        byte[] bytes = new byte[frames.Count * 40];
        for (int i = 0; i < frames.Count; i++)
        {
            Span<byte> at = bytes.AsSpan(i * 40);
            frames[i].Device.CopyTo(at);
            BinaryPrimitives.WriteUInt64BigEndian(at[20..], frames[i].Sequence);
            BinaryPrimitives.WriteUInt64BigEndian(at[28..], frames[i].Content);
            at[36] = frames[i].IsSigned ? (byte)1 : (byte)0;
        }

        Span<byte> digest = stackalloc byte[Hash32.Bytes + 1];
        SHA256.HashData(bytes, digest);
        FramesHash = new Hash32(digest[..Hash32.Bytes]);
        digest[Hash32.Bytes] = (byte)'r';
        Span<byte> root = stackalloc byte[Hash32.Bytes];
        SHA256.HashData(digest, root);
        Root = new Hash32(root);
    }

    public IReadOnlyList<Frame> Frames { get; }

    public Hash32 FramesHash { get; }

    public Hash32 Root { get; }

    /// <summary>What a gateway finds when it checks this body against a header: all that BatchBody.Compare and the verifier look at.</summary>
    public BodyVerdict Check(BatchSummary batch)
    {
        if (FramesHash != batch.FramesHash) return BodyVerdict.NotTheBody;
        if (batch.Header.Root != Root || batch.Header.Frames != Frames.Count || batch.Header.Samples != Frames.Count) return BodyVerdict.BadFrame;
        if (FrameSpans.From(Frames.Select(f => new Evidence.FrameKey(f.Device, f.Sequence))) is not { } spans || spans.Hash() != batch.Spans.Hash()) return BodyVerdict.BadFrame;
        return Frames.All(f => f.IsSigned) ? BodyVerdict.Good : BodyVerdict.BadFrame;
    }

    /// <summary>The batch with this body.</summary>
    public BatchSummary ToBatch(Address gateway, ulong number, Hash32 previous, ulong firstMs, ulong lastMs, Hash32? root = null)
    {
        FrameSpans spans = FrameSpans.From(Frames.Select(f => new Evidence.FrameKey(f.Device, f.Sequence)))!;
        return new BatchSummary(new BatchHeader(gateway, number, previous, root ?? Root, (uint)Frames.Count, (uint)Frames.Count, firstMs, lastMs,
            BatchBody.Commitment(spans.Hash(), FramesHash)), FramesHash, spans);
    }
}

/// <summary>A device: holds its frames until they are acknowledged, sends to the gateway it is connected to, in order.</summary>
internal sealed class Device(Simulation simulation, Address address, int index)
{
    private const int InFlightMax = 8;
    private const int ResendMs = 4_000;

    private readonly SortedDictionary<ulong, Frame> _held = [];
    private ulong _sequence;
    private ulong _sentTo; // highest sequence sent on this connection
    private long _resendMs;
    private bool _isScheduled;

    public Address Address => address;

    public int Index => index;

    /// <summary>Block from which the registry knows it.</summary>
    public ulong RegisteredAt { get; set; }

    /// <summary>The gateway it is connected to; -1: cut off.</summary>
    public int Gateway { get; private set; } = -1;

    public int Held => _held.Count;

    public void Connect(int gateway)
    {
        Gateway = gateway;
        _sentTo = 0;
        Send();
    }

    /// <summary>Makes a frame; a hostile device makes two of one sequence and shows the other to another gateway.</summary>
    public void Sense(bool equivocates)
    {
        ulong content = simulation.World.Random.Next();
        Frame frame = new(address, ++_sequence, content, true);
        _held[_sequence] = frame;
        if (equivocates)
        {
            simulation.Count(FaultKind.DeviceEquivocates);
            simulation.DeliverFrame(this, simulation.World.Random.Below(simulation.Nodes.Count), frame with { Content = content ^ 1 });
        }

        Send();
    }

    public void Acknowledged(int gateway, ulong sequence)
    {
        if (gateway != Gateway) return;
        _held.Remove(sequence);
        Send();
    }

    private void Send()
    {
        if (Gateway < 0 || _held.Count == 0) return;
        long now = simulation.World.NowMs;
        if (now >= _resendMs) _sentTo = 0;
        int inFlight = 0;
        foreach ((ulong sequence, Frame frame) in _held)
        {
            if (inFlight++ == InFlightMax) break;
            if (sequence <= _sentTo) continue;
            _sentTo = sequence;
            _resendMs = now + ResendMs;
            simulation.DeliverFrame(this, Gateway, frame);
        }

        if (_isScheduled) return;
        _isScheduled = true;
        simulation.World.After(ResendMs, () =>
        {
            _isScheduled = false;
            Send();
        });
    }
}
