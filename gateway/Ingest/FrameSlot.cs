// One place in a connection's window of received messages: the packet identifier to answer, a copy of the frame that stays valid
// while the intake has it, and the continuation that takes the verdict. Slots are reused, so a frame costs no allocation.

using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Gateway.Ingest;

internal sealed class FrameSlot
{
    private readonly MqttConnection _connection;
    private readonly Action _continuation;
    private readonly byte[] _deviceId = new byte[DeviceId.Bytes];
    private ConfiguredValueTaskAwaitable<FrameVerdict>.ConfiguredValueTaskAwaiter _awaiter;
    private byte[]? _frame;

    public FrameSlot(MqttConnection connection)
    {
        _connection = connection;
        _continuation = Complete;
    }

    public MqttQos Qos { get; private set; }

    public ushort PacketId { get; private set; }

    /// <summary>False: another message of a broker with open topics, answered with <see cref="Reason"/>.</summary>
    public bool IsFrame { get; private set; }

    public FrameVerdict Verdict { get; private set; }

    public MqttReason Reason { get; private set; }

    /// <summary>The frame's sequence as far as it is known without trusting the frame; 0 when it is too short.</summary>
    public ulong Sequence { get; private set; }

    public ReadOnlyMemory<byte> DeviceIdBytes => _deviceId;

    /// <summary>Set under the window's lock.</summary>
    public bool IsDone { get; set; }

    public int FrameBytes { get; private set; }

    public void BeginFrame(in PublishPacket packet, ReadOnlySpan<byte> deviceId)
    {
        Begin(packet);
        IsFrame = true;
        deviceId.CopyTo(_deviceId);
        Sequence = packet.Payload.Length >= FrameFormat.SequenceOffset + sizeof(ulong)
            ? BinaryPrimitives.ReadUInt64BigEndian(packet.Payload[FrameFormat.SequenceOffset..])
            : 0;
    }

    public void BeginOther(in PublishPacket packet, MqttReason reason)
    {
        Begin(packet);
        IsFrame = false;
        Reason = reason;
    }

    /// <summary>Ends with a verdict that did not need the intake.</summary>
    public void Decide(FrameVerdict verdict) => Verdict = verdict;

    /// <summary>Copies the frame and hands it to the intake; the connection hears of the verdict, perhaps before this returns.</summary>
    public void Submit(IFrameIntake intake, ReadOnlySpan<byte> frame, CancellationToken cancellation)
    {
        FrameBytes = frame.Length;
        _frame = ArrayPool<byte>.Shared.Rent(frame.Length);
        frame.CopyTo(_frame);
        try
        {
            _awaiter = intake.SubmitAsync(_deviceId, _frame.AsMemory(0, frame.Length), cancellation).ConfigureAwait(false).GetAwaiter();
        }
#pragma warning disable CA1031 // Whatever broke behind the seam: the device keeps its frame, the fault is counted and logged.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            Finish(FrameVerdict.Unavailable, fault);
            return;
        }

        if (_awaiter.IsCompleted)
        {
            Complete();
        }
        else
        {
            _awaiter.UnsafeOnCompleted(_continuation);
        }
    }

    private void Begin(in PublishPacket packet)
    {
        Qos = packet.Qos;
        PacketId = packet.PacketId;
        Verdict = FrameVerdict.Accepted;
        Reason = MqttReason.Success;
        FrameBytes = 0;
        IsDone = false;
    }

    private void Complete()
    {
        FrameVerdict verdict;
        try
        {
            verdict = _awaiter.GetResult();
        }
#pragma warning disable CA1031 // As above.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            Finish(FrameVerdict.Unavailable, fault);
            return;
        }

        Finish(verdict, null);
    }

    private void Finish(FrameVerdict verdict, Exception? fault)
    {
        _awaiter = default;
        ArrayPool<byte>.Shared.Return(_frame!);
        _frame = null;
        Verdict = verdict;
        _connection.Completed(this, fault);
    }
}
