// PUBACK is a promise: only after the intake's verdict, in the order of arrival, and never for a refused frame.

using System.Collections.Concurrent;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Gateway.Tests.Ingest;

[TestFixture]
internal sealed class FrameAcknowledgementTests
{
    private static byte[] Frame(ulong sequence)
    {
        byte[] frame = new byte[200];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(frame.AsSpan(FrameFormat.SequenceOffset), sequence);
        return frame;
    }

    [Test]
    public async Task A_frame_is_acknowledged_only_after_the_intake_has_taken_it([Values] MqttVersion version)
    {
        TaskCompletionSource<FrameVerdict> commit = new();
        await using IngestHost host = await IngestHost.StartAsync();
        host.Intake.Decide = (_, _) => new ValueTask<FrameVerdict>(commit.Task);
        using RawClient client = await RawClient.ConnectAsync(host, version);
        await client.SendAsync(RawClient.Publish(version, IngestHost.FrameTopic, Frame(1), MqttQos.AtLeastOnce, 7));
        await Until.TrueAsync(() => host.Intake.Submitted == 1, "the frame in the intake");
        await client.SendAsync("c000"); // A ping is answered, the frame is not.
        Assert.That((await client.ReadPacketAsync()).First, Is.EqualTo(0xD0));
        commit.SetResult(FrameVerdict.Accepted);
        (byte first, byte[] body) = await client.ReadPacketAsync();
        Assert.That(first, Is.EqualTo(0x40));
        Assert.That(Convert.ToHexStringLower(body), Is.EqualTo("0007"));
        Assert.That(host.Intake.Frames.Single(), Is.EqualTo(Frame(1)));
        Assert.That(host.Ingest.Metrics.Frames(FrameVerdict.Accepted), Is.EqualTo(1));
    }

    [Test]
    public async Task Frames_are_pipelined_and_acknowledged_in_their_order_of_arrival()
    {
        const int Count = 40;
        ConcurrentDictionary<ulong, TaskCompletionSource<FrameVerdict>> commits = new();
        await using IngestHost host = await IngestHost.StartAsync();
        host.Intake.Decide = (_, frame) =>
            new ValueTask<FrameVerdict>(commits.GetOrAdd(System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(frame.Span[FrameFormat.SequenceOffset..]), _ => new()).Task);
        using RawClient client = await RawClient.ConnectAsync(host, MqttVersion.V5);
        for (ushort i = 1; i <= Count; i++)
        {
            await client.SendAsync(RawClient.Publish(MqttVersion.V5, IngestHost.FrameTopic, Frame(i), MqttQos.AtLeastOnce, i));
        }

        await Until.TrueAsync(() => commits.Count == Count, "all frames in the intake at once");
        foreach (ulong sequence in commits.Keys.OrderByDescending(s => s))
        {
            commits[sequence].SetResult(sequence % 2 == 0 ? FrameVerdict.Duplicate : FrameVerdict.Accepted);
        }

        for (int i = 1; i <= Count; i++)
        {
            (byte first, byte[] body) = await client.ReadPacketAsync();
            Assert.That(first, Is.EqualTo(0x40));
            Assert.That(body, Is.EqualTo(new byte[] { 0, (byte)i }));
        }

        await Until.TrueAsync(() => host.Ingest.IntakeBytes == 0, "no bytes left in the intake");
    }

    [TestCase(FrameVerdict.Malformed, 0x99)]
    [TestCase(FrameVerdict.TooLarge, 0x99)]
    [TestCase(FrameVerdict.TopicMismatch, 0x90)]
    [TestCase(FrameVerdict.UnknownDevice, 0x87)]
    [TestCase(FrameVerdict.Revoked, 0x87)]
    [TestCase(FrameVerdict.BadSignature, 0x87)]
    [TestCase(FrameVerdict.Replayed, 0x83)]
    [TestCase(FrameVerdict.Equivocation, 0x83)]
    [TestCase(FrameVerdict.StoreFull, 0x97)]
    [TestCase(FrameVerdict.Busy, 0x97)]
    [TestCase(FrameVerdict.Unavailable, 0x97)]
    public async Task A_refusal_in_version_5_is_a_four_byte_PUBACK_with_its_reason(FrameVerdict verdict, int reason)
    {
        await using IngestHost host = await IngestHost.StartAsync();
        host.Intake.Decide = (_, _) => new ValueTask<FrameVerdict>(verdict);
        using RawClient client = await RawClient.ConnectAsync(host, MqttVersion.V5);
        await client.SendAsync(RawClient.Publish(MqttVersion.V5, IngestHost.FrameTopic, Frame(1), MqttQos.AtLeastOnce, 9));
        (byte first, byte[] body) = await client.ReadPacketAsync();
        Assert.That(first, Is.EqualTo(0x40));
        Assert.That(body, Is.EqualTo(new byte[] { 0, 9, (byte)reason, 0 }));
        await client.SendAsync("c000");
        Assert.That((await client.ReadPacketAsync()).First, Is.EqualTo(0xD0), "The connection goes on.");
        Assert.That(host.Ingest.Metrics.Frames(verdict), Is.EqualTo(1));
    }

    [TestCase(FrameVerdict.BadSignature, 0)]
    [TestCase(FrameVerdict.Replayed, 0)]
    [TestCase(FrameVerdict.UnknownDevice, 1)]
    [TestCase(FrameVerdict.StoreFull, 1)]
    [TestCase(FrameVerdict.Busy, 1)]
    [TestCase(FrameVerdict.Unavailable, 1)]
    public async Task A_refusal_in_3_1_1_is_a_verdict_message_and_a_closed_connection(FrameVerdict verdict, int flags)
    {
        await using IngestHost host = await IngestHost.StartAsync();
        host.Intake.Decide = (_, frame) => new ValueTask<FrameVerdict>(frame.Span[FrameFormat.SequenceOffset + 7] == 2 ? verdict : FrameVerdict.Accepted);
        using RawClient client = await RawClient.ConnectAsync(host, MqttVersion.V311);
        await client.SendAsync(RawClient.Subscribe(MqttVersion.V311, $"depin/1/{IngestHost.Device}/verdict", 0));
        Assert.That((await client.ReadPacketAsync()).First, Is.EqualTo(0x90));
        for (ushort i = 1; i <= 3; i++)
        {
            await client.SendAsync(RawClient.Publish(MqttVersion.V311, IngestHost.FrameTopic, Frame(i), MqttQos.AtLeastOnce, i));
        }

        List<(byte First, byte[] Body)> packets = await client.ReadToEndAsync();
        Assert.That(packets, Has.Count.EqualTo(2), "The frame before the refused one is acknowledged, the one behind it is not.");
        Assert.That(packets[0].Body, Is.EqualTo(new byte[] { 0, 1 }));
        Assert.That(packets[1].First, Is.EqualTo(0x30));
        byte[] message = packets[1].Body[^VerdictMessage.Bytes..];
        Assert.That(VerdictMessage.Sequence(message, 0), Is.EqualTo(2));
        Assert.That(VerdictMessage.Verdict(message, 0), Is.EqualTo((byte)verdict));
        Assert.That(VerdictMessage.Flags(message, 0), Is.EqualTo(flags));
    }

    [Test]
    public async Task A_refused_frame_in_3_1_1_without_subscription_just_ends_the_connection()
    {
        await using IngestHost host = await IngestHost.StartAsync();
        host.Intake.Decide = (_, _) => new ValueTask<FrameVerdict>(FrameVerdict.BadSignature);
        using RawClient client = await RawClient.ConnectAsync(host, MqttVersion.V311);
        await client.SendAsync(RawClient.Publish(MqttVersion.V311, IngestHost.FrameTopic, Frame(1), MqttQos.AtLeastOnce, 1));
        Assert.That(await client.ReadToEndAsync(), Is.Empty);
    }

    [Test]
    public async Task An_intake_that_throws_makes_the_device_keep_its_frame()
    {
        IngestHost host = await IngestHost.StartAsync();
        host.Intake.Decide = (_, _) => throw new InvalidOperationException("disk on fire");
        using (RawClient client = await RawClient.ConnectAsync(host, MqttVersion.V5))
        {
            await client.SendAsync(RawClient.Publish(MqttVersion.V5, IngestHost.FrameTopic, Frame(1), MqttQos.AtLeastOnce, 1));
            Assert.That((await client.ReadPacketAsync()).Body, Is.EqualTo(new byte[] { 0, 1, 0x97, 0 }));
            host.Intake.Decide = async (_, _) =>
            {
                await Task.Yield();
                throw new IOException("and again");
            };
            await client.SendAsync(RawClient.Publish(MqttVersion.V5, IngestHost.FrameTopic, Frame(1), MqttQos.AtLeastOnce, 2));
            Assert.That((await client.ReadPacketAsync()).Body, Is.EqualTo(new byte[] { 0, 2, 0x97, 0 }));
        }

        Assert.That(host.Ingest.Metrics.Faults, Is.EqualTo(2));
        await host.StopAsync();
    }

    [Test]
    public async Task A_frame_with_QoS_2_goes_to_the_intake_once_and_gets_its_handshake()
    {
        await using IngestHost host = await IngestHost.StartAsync();
        using RawClient client = await RawClient.ConnectAsync(host, MqttVersion.V311);
        await client.SendAsync(RawClient.Publish(MqttVersion.V311, IngestHost.FrameTopic, Frame(1), MqttQos.ExactlyOnce, 5));
        Assert.That((await client.ReadPacketAsync()).First, Is.EqualTo(0x50));
        await client.SendAsync(RawClient.Publish(MqttVersion.V311, IngestHost.FrameTopic, Frame(1), MqttQos.ExactlyOnce, 5, duplicate: true));
        Assert.That((await client.ReadPacketAsync()).First, Is.EqualTo(0x50));
        await client.SendAsync("62020005");
        (byte first, byte[] body) = await client.ReadPacketAsync();
        Assert.That(first, Is.EqualTo(0x70));
        Assert.That(body, Is.EqualTo(new byte[] { 0, 5 }));
        Assert.That(host.Intake.Submitted, Is.EqualTo(1));
    }

    [Test]
    public async Task A_refused_frame_with_QoS_2_gets_its_reason_in_PUBREC_and_frees_its_identifier()
    {
        await using IngestHost host = await IngestHost.StartAsync();
        host.Intake.Decide = (_, _) => new ValueTask<FrameVerdict>(FrameVerdict.Busy);
        using RawClient client = await RawClient.ConnectAsync(host, MqttVersion.V5);
        for (int i = 1; i <= 2; i++)
        {
            await client.SendAsync(RawClient.Publish(MqttVersion.V5, IngestHost.FrameTopic, Frame(1), MqttQos.ExactlyOnce, 5));
            (byte first, byte[] body) = await client.ReadPacketAsync();
            Assert.That(first, Is.EqualTo(0x50));
            Assert.That(body, Is.EqualTo(new byte[] { 0, 5, 0x97, 0 }));
            Assert.That(host.Intake.Submitted, Is.EqualTo(i));
        }
    }

    [Test]
    public async Task A_frame_with_QoS_0_is_taken_and_a_refused_one_does_not_end_the_connection([Values] MqttVersion version)
    {
        await using IngestHost host = await IngestHost.StartAsync();
        host.Intake.Decide = (_, _) => new ValueTask<FrameVerdict>(FrameVerdict.BadSignature);
        using RawClient client = await RawClient.ConnectAsync(host, version);
        await client.SendAsync(RawClient.Publish(version, IngestHost.FrameTopic, Frame(1), MqttQos.AtMostOnce, 0));
        await client.SendAsync("c000");
        Assert.That((await client.ReadPacketAsync()).First, Is.EqualTo(0xD0));
        Assert.That(host.Intake.Submitted, Is.EqualTo(1));
    }

    [Test]
    public async Task A_frame_above_the_frame_limit_is_refused_without_the_intake()
    {
        await using IngestHost host = await IngestHost.StartAsync();
        using RawClient client = await RawClient.ConnectAsync(host, MqttVersion.V5);
        await client.SendAsync(RawClient.Publish(MqttVersion.V5, IngestHost.FrameTopic, new byte[FrameFormat.FrameBytesMax + 1], MqttQos.AtLeastOnce, 1));
        Assert.That((await client.ReadPacketAsync()).Body, Is.EqualTo(new byte[] { 0, 1, 0x99, 0 }));
        Assert.That(host.Intake.Submitted, Is.Zero);
        Assert.That(host.Ingest.Metrics.Frames(FrameVerdict.TooLarge), Is.EqualTo(1));
    }

    [Test]
    public async Task Beyond_the_intake_budget_frames_are_refused_as_busy()
    {
        TaskCompletionSource<FrameVerdict> commit = new();
        await using IngestHost host = await IngestHost.StartAsync(s => s with { IntakeBytesMax = 300 });
        host.Intake.Decide = (_, _) => new ValueTask<FrameVerdict>(commit.Task);
        using RawClient client = await RawClient.ConnectAsync(host, MqttVersion.V5);
        await client.SendAsync(RawClient.Publish(MqttVersion.V5, IngestHost.FrameTopic, Frame(1), MqttQos.AtLeastOnce, 1));
        await client.SendAsync(RawClient.Publish(MqttVersion.V5, IngestHost.FrameTopic, Frame(2), MqttQos.AtLeastOnce, 2));
        await Until.TrueAsync(() => host.Ingest.Metrics.Publishes == 2, "both frames read");
        commit.SetResult(FrameVerdict.Accepted);
        Assert.That((await client.ReadPacketAsync()).Body, Is.EqualTo(new byte[] { 0, 1 }));
        Assert.That((await client.ReadPacketAsync()).Body, Is.EqualTo(new byte[] { 0, 2, 0x97, 0 }));
        Assert.That(host.Intake.Submitted, Is.EqualTo(1));
    }

    [Test]
    public async Task A_3_1_1_client_with_more_frames_than_the_window_waits_and_loses_none()
    {
        const int Count = 100;
        TaskCompletionSource gate = new();
        await using IngestHost host = await IngestHost.StartAsync(s => s with { ReceiveMaximum = 8 });
        host.Intake.Decide = async (_, _) =>
        {
            await gate.Task;
            return FrameVerdict.Accepted;
        };
        using RawClient client = await RawClient.ConnectAsync(host, MqttVersion.V311);
        for (ushort i = 1; i <= Count; i++)
        {
            await client.SendAsync(RawClient.Publish(MqttVersion.V311, IngestHost.FrameTopic, Frame(i), MqttQos.AtLeastOnce, i));
        }

        await Until.TrueAsync(() => host.Intake.Submitted == 8, "a full window");
        gate.SetResult();
        for (int i = 1; i <= Count; i++)
        {
            Assert.That((await client.ReadPacketAsync()).Body, Is.EqualTo(new byte[] { 0, (byte)i }));
        }
    }

    [Test]
    public async Task Stopping_answers_the_frames_in_the_intake_before_it_disconnects()
    {
        TaskCompletionSource<FrameVerdict> commit = new();
        IngestHost host = await IngestHost.StartAsync();
        host.Intake.Decide = (_, _) => new ValueTask<FrameVerdict>(commit.Task);
        using RawClient client = await RawClient.ConnectAsync(host, MqttVersion.V5);
        await client.SendAsync(RawClient.Publish(MqttVersion.V5, IngestHost.FrameTopic, Frame(1), MqttQos.AtLeastOnce, 1));
        await Until.TrueAsync(() => host.Intake.Submitted == 1, "the frame in the intake");
        Task stopped = host.StopAsync();
        commit.SetResult(FrameVerdict.Accepted);
        Assert.That((await client.ReadPacketAsync()).Body, Is.EqualTo(new byte[] { 0, 1 }));
        Assert.That(await client.ReadPacketAsync(), Is.EqualTo(((byte)0xE0, new byte[] { 0x8B, 0 })).Using<(byte First, byte[] Body)>((a, b) => a.First == b.First && a.Body.AsSpan().SequenceEqual(b.Body)));
        client.Dispose();
        await stopped;
    }
}
