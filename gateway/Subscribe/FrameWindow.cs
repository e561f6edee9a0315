// Frames of one broker connection between their arrival and their PUBACK. Handed to the intake at once and in the order of arrival; answered in
// that order too (MQTT-4.6.0-2), each when its verdict is final. A verdict "later" keeps the frame, and all that came after it, until
// HandInAgain. Bounded by the client's receive maximum (QoS 1 and 2) and by QoS0Max.

using System.Buffers.Binary;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Gateway.Subscribe;

/// <summary>One frame that the broker handed over.</summary>
internal sealed class HeldFrame(byte[] deviceId, byte[] frame, MqttQos qos, ushort packetId, long since)
{
    public byte[] DeviceId { get; } = deviceId;

    public byte[] Frame { get; } = frame;

    public MqttQos Qos { get; } = qos;

    public ushort PacketId { get; } = packetId;

    /// <summary>Timestamp of its arrival.</summary>
    public long Since { get; } = since;

    public FrameVerdict Verdict { get; set; }

    /// <summary>The intake has it.</summary>
    public bool IsDeciding { get; set; }

    /// <summary>The verdict is final.</summary>
    public bool IsDone { get; set; }

    /// <summary>As far as it is known without trusting the frame; 0 when it is too short.</summary>
    public ulong Sequence => Frame.Length >= FrameFormat.SequenceOffset + sizeof(ulong) ? BinaryPrimitives.ReadUInt64BigEndian(Frame.AsSpan(FrameFormat.SequenceOffset)) : 0;
}

/// <summary>What the window tells its owner.</summary>
internal interface IFrameWindowOwner
{
    /// <summary>Whether this verdict ends the matter; otherwise the frame is handed in again later.</summary>
    bool IsFinal(HeldFrame held);

    /// <summary>A frame's turn has come: its verdict is final, and so are those of all before it.</summary>
    void Answer(HeldFrame held);

    /// <summary>The intake threw.</summary>
    void Failed(Exception fault);
}

internal sealed class FrameWindow(IFrameIntake intake, IFrameWindowOwner owner, TimeProvider time, CancellationToken stopping)
{
    /// <summary>Frames with QoS 0 that may wait; nobody holds such frames back, so more are dropped.</summary>
    public const int QoS0Max = 256;

    private readonly Lock _gate = new();
    private readonly LinkedList<HeldFrame> _frames = new();
    private int _qos0;

    /// <summary>Frames without their answer.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _frames.Count;
            }
        }
    }

    /// <summary>How long the frame at the head has waited, if any, and what it was told last.</summary>
    public (TimeSpan Age, FrameVerdict Verdict) Oldest()
    {
        lock (_gate)
        {
            return _frames.First is { } first ? (time.GetElapsedTime(first.Value.Since), first.Value.Verdict) : default;
        }
    }

    /// <summary>Takes a frame; false when it has QoS 0 and too many of those wait.</summary>
    public bool Take(ReadOnlySpan<byte> deviceId, ReadOnlySpan<byte> frame, MqttQos qos, ushort packetId)
    {
        HeldFrame held = new(deviceId.ToArray(), frame.ToArray(), qos, packetId, time.GetTimestamp());
        lock (_gate)
        {
            if (qos == MqttQos.AtMostOnce && ++_qos0 > QoS0Max)
            {
                _qos0--;
                return false;
            }

            _frames.AddLast(held);
            HandIn(held);
        }

        return true;
    }

    /// <summary>Takes a message (QoS 1 or 2) that is no frame; it waits for its turn only.</summary>
    public void TakeDecided(MqttQos qos, ushort packetId)
    {
        lock (_gate)
        {
            _frames.AddLast(new HeldFrame([], [], qos, packetId, time.GetTimestamp()) { IsDone = true });
            AnswerHead();
        }
    }

    /// <summary>Hands in again what was told "later", in the order of arrival.</summary>
    public void HandInAgain()
    {
        lock (_gate)
        {
            foreach (HeldFrame held in _frames.ToArray()) // a verdict known at once takes frames off the list
            {
                if (!held.IsDone && !held.IsDeciding)
                {
                    HandIn(held);
                }
            }
        }
    }

    // Under _gate, because the calls have to come in the order of arrival; a verdict known at once enters it again on this thread.
    private void HandIn(HeldFrame held)
    {
        held.IsDeciding = true;
        ValueTask<FrameVerdict> verdict;
        try
        {
            verdict = intake.SubmitAsync(held.DeviceId, held.Frame, stopping);
        }
#pragma warning disable CA1031 // Whatever broke behind the seam: the broker keeps the frame, the fault is counted and logged.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            verdict = ValueTask.FromException<FrameVerdict>(fault);
        }

        _ = DecideAsync(held, verdict);
    }

    private async Task DecideAsync(HeldFrame held, ValueTask<FrameVerdict> deciding)
    {
        FrameVerdict verdict;
        try
        {
            verdict = await deciding.ConfigureAwait(false);
        }
#pragma warning disable CA1031 // As above.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            owner.Failed(fault);
            verdict = FrameVerdict.Unavailable;
        }

        lock (_gate)
        {
            (held.Verdict, held.IsDeciding) = (verdict, false);
            held.IsDone = owner.IsFinal(held);
            AnswerHead();
        }
    }

    private void AnswerHead()
    {
        while (_frames.First is { Value.IsDone: true } first)
        {
            _frames.RemoveFirst();
            if (first.Value.Qos == MqttQos.AtMostOnce)
            {
                _qos0--;
            }

            owner.Answer(first.Value);
        }
    }
}
