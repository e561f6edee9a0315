// Bytes written down from the standards (MQTT 3.1.1 and 5.0), decoded and encoded again.

using System.Text;

namespace DePIN.Mqtt.Tests;

[TestFixture]
public sealed class PacketGoldenTests
{
    private static byte[] Bytes(string hex) => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));

    private static byte[] Body(string hex, out MqttHeader header)
    {
        byte[] packet = Bytes(hex);
        Assert.That(PacketFraming.TryReadPacket(packet, 1 << 20, out header, out ReadOnlySpan<byte> body), Is.EqualTo(MqttResult.Ok));
        Assert.That(header.PacketBytes, Is.EqualTo(packet.Length));
        return body.ToArray();
    }

    [Test]
    public void A_connect_of_3_1_1_with_everything_reads_and_writes_back()
    {
        // user name "u", password "p", will "w"/"m" QoS 1 retained, clean session, keep alive 60, client id "c"
        const string Hex = "10 19 0004 4d515454 04 ee 003c 0001 63 0001 77 0001 6d 0001 75 0001 70";
        byte[] body = Body(Hex, out _);
        Assert.That(ConnectPacket.Read(body, out ConnectPacket packet), Is.EqualTo(MqttResult.Ok));
        Assert.That(packet.Version, Is.EqualTo(MqttVersion.V311));
        Assert.That(packet.CleanStart);
        Assert.That(packet.KeepAliveSeconds, Is.EqualTo(60));
        Assert.That(Encoding.UTF8.GetString(packet.ClientId), Is.EqualTo("c"));
        Assert.That(packet.HasWill);
        Assert.That(packet.WillQos, Is.EqualTo(MqttQos.AtLeastOnce));
        Assert.That(packet.WillRetain);
        Assert.That(Encoding.UTF8.GetString(packet.WillTopic), Is.EqualTo("w"));
        Assert.That(Encoding.UTF8.GetString(packet.WillPayload), Is.EqualTo("m"));
        Assert.That(Encoding.UTF8.GetString(packet.UserName), Is.EqualTo("u"));
        Assert.That(Encoding.UTF8.GetString(packet.Password), Is.EqualTo("p"));
        PacketBuffer output = new();
        packet.Write(output);
        Assert.That(Convert.ToHexStringLower(output.Written.Span), Is.EqualTo(Hex.Replace(" ", "", StringComparison.Ordinal)));
    }

    [Test]
    public void A_connect_of_5_carries_properties()
    {
        // session expiry 10 (0x11), receive maximum 20 (0x21), user property a=b (0x26)
        byte[] body = Body("10 1d 0004 4d515454 05 02 003c 0f 11 0000000a 21 0014 26 0001 61 0001 62 0001 63", out _);
        Assert.That(ConnectPacket.Read(body, out ConnectPacket packet), Is.EqualTo(MqttResult.Ok));
        Assert.That(packet.Properties.Number(MqttPropertyId.SessionExpirySeconds), Is.EqualTo(10));
        Assert.That(packet.Properties.Number(MqttPropertyId.ReceiveMaximum), Is.EqualTo(20));
        Assert.That(packet.Properties.Number(MqttPropertyId.TopicAliasMaximum), Is.Null);
        Assert.That(packet.Properties.TryBytes(MqttPropertyId.UserProperty, out ReadOnlySpan<byte> name));
        Assert.That(Encoding.UTF8.GetString(name), Is.EqualTo("a"));
    }

    [Test]
    public void A_publish_of_each_version_reads_and_writes_back()
    {
        foreach ((MqttVersion version, string hex) in new[]
        {
            (MqttVersion.V311, "3b 07 0003 612f62 000a"),             // DUP, QoS 1, RETAIN, "a/b", id 10, no payload
            (MqttVersion.V5, "32 0c 0003 612f62 000a 02 01 01 6869"), // payload format indicator 1, payload "hi"
        })
        {
            byte[] body = Body(hex, out MqttHeader header);
            Assert.That(PublishPacket.Read(version, header.Flags, body, out PublishPacket packet), Is.EqualTo(MqttResult.Ok));
            Assert.That(Encoding.UTF8.GetString(packet.Topic), Is.EqualTo("a/b"));
            Assert.That(packet.PacketId, Is.EqualTo(10));
            PacketBuffer output = new();
            packet.Write(version, output);
            Assert.That(output.Written.ToArray(), Is.EqualTo(Bytes(hex)));
            Assert.That(packet.Measure(version), Is.EqualTo(output.Count));
        }
    }

    [Test]
    public void An_acknowledgement_is_two_bytes_on_success_and_has_a_property_length_with_a_reason()
    {
        PacketBuffer output = new();
        new AckPacket { PacketId = 258 }.Write(MqttVersion.V5, MqttPacketType.PubAck, output);
        new AckPacket { PacketId = 258, Reason = MqttReason.QuotaExceeded }.Write(MqttVersion.V5, MqttPacketType.PubAck, output);
        new AckPacket { PacketId = 258, Reason = MqttReason.QuotaExceeded }.Write(MqttVersion.V311, MqttPacketType.PubRel, output);
        Assert.That(Convert.ToHexStringLower(output.Written.Span), Is.EqualTo("40020102" + "400401029700" + "62020102"));
    }

    [Test]
    public void Small_packets_are_as_the_standard_shows_them()
    {
        PacketBuffer output = new();
        PingPacket.Write(MqttPacketType.PingReq, output);
        PingPacket.Write(MqttPacketType.PingResp, output);
        new DisconnectPacket().Write(MqttVersion.V311, MqttPacketType.Disconnect, output);
        new DisconnectPacket { Reason = MqttReason.SessionTakenOver }.Write(MqttVersion.V5, MqttPacketType.Disconnect, output);
        new ConnAckPacket { SessionPresent = true }.Write(MqttVersion.V311, output);
        new ConnAckPacket { Code = 0x87 }.Write(MqttVersion.V5, output);
        SubscribePacket.Write(MqttVersion.V5, 1, "#"u8, new SubscriptionOptions(MqttQos.AtLeastOnce, noLocal: true, retainAsPublished: true, RetainHandling.DoNotSend), default, output);
        SubscribePacket.Write(MqttVersion.V311, 1, "#"u8, new SubscriptionOptions(0x2D), default, output);
        UnsubscribePacket.Write(MqttVersion.V5, 1, "#"u8, output);
        Assert.That(Convert.ToHexStringLower(output.Written.Span), Is.EqualTo(
            "c000" + "d000" + "e000" + "e0028e00" + "20020100" + "2003008700" + "8207000100000123" + "2d" + "82060001000123" + "01" + "a206000100000123"));
    }

    [TestCase("00 00", MqttResult.UnknownPacketType)]
    [TestCase("11 00", MqttResult.ReservedBits)]
    [TestCase("36 00", MqttResult.QosInvalid)]
    [TestCase("38 00", MqttResult.DuplicateFlagInvalid)]
    [TestCase("60 02", MqttResult.ReservedBits)]
    [TestCase("80 02", MqttResult.ReservedBits)]
    [TestCase("a3 02", MqttResult.ReservedBits)]
    [TestCase("c1 00", MqttResult.ReservedBits)]
    [TestCase("30 8000", MqttResult.LengthNotMinimal)]
    [TestCase("30 ff8000", MqttResult.LengthNotMinimal)]
    [TestCase("30 ffffffff", MqttResult.LengthTooLong)]
    [TestCase("30 ff7f", MqttResult.PacketTooLarge)]
    [TestCase("30", MqttResult.NeedMore)]
    [TestCase("30 80", MqttResult.NeedMore)]
    [TestCase("", MqttResult.NeedMore)]
    [TestCase("30 03 00", MqttResult.NeedMore)]
    public void A_fixed_header_is_judged_before_its_body(string hex, MqttResult expected) =>
        Assert.That(PacketFraming.TryReadPacket(Bytes(hex), 1000, out _, out ReadOnlySpan<byte> _), Is.EqualTo(expected));

    [TestCase("0004 4d515454 06 02 003c 0001 63", MqttResult.VersionUnsupported)]
    [TestCase("0006 4d5149736470 03 02 003c 0001 63", MqttResult.VersionUnsupported)]
    [TestCase("0004 4d515455 04 02 003c 0001 63", MqttResult.ProtocolNameInvalid)]
    [TestCase("0004 4d515454 04 03 003c 0001 63", MqttResult.ReservedBits)]
    [TestCase("0004 4d515454 04 1e 003c 0001 63 0001 77 0000", MqttResult.QosInvalid)]
    [TestCase("0004 4d515454 04 0a 003c 0001 63", MqttResult.ConnectFlagsInvalid)]
    [TestCase("0004 4d515454 04 22 003c 0001 63", MqttResult.ConnectFlagsInvalid)]
    [TestCase("0004 4d515454 04 42 003c 0001 63 0000", MqttResult.ConnectFlagsInvalid)]
    [TestCase("0004 4d515454 05 42 003c 00 0001 63 0000", MqttResult.Ok)]
    [TestCase("0004 4d515454 04 02 003c 0001 00", MqttResult.StringHasNull)]
    [TestCase("0004 4d515454 04 02 003c 0001 ff", MqttResult.StringNotUtf8)]
    [TestCase("0004 4d515454 04 02 003c 0003 eda080", MqttResult.StringNotUtf8)]
    [TestCase("0004 4d515454 04 02 003c 0001 63 00", MqttResult.TrailingBytes)]
    [TestCase("0004 4d515454 04 02 003c 0002 63", MqttResult.Truncated)]
    [TestCase("0004 4d515454 04 06 003c 0001 63 0001 23 0000", MqttResult.TopicNameInvalid)]
    [TestCase("0004 4d515454 05 02 003c 0a 1100000001 1100000001 0001 63", MqttResult.PropertyDuplicate)]
    [TestCase("0004 4d515454 05 02 003c 03 210000 0001 63", MqttResult.PropertyValueInvalid)]
    [TestCase("0004 4d515454 05 02 003c 02 1702 0001 63", MqttResult.PropertyValueInvalid)]
    [TestCase("0004 4d515454 05 02 003c 03 230001 0001 63", MqttResult.PropertyNotAllowed)]
    [TestCase("0004 4d515454 05 02 003c 02 7f00 0001 63", MqttResult.PropertyUnknown)]
    [TestCase("0004 4d515454 05 02 003c 03 160000 0001 63", MqttResult.PropertyValueInvalid)]
    public void A_broken_connect_is_refused_for_its_reason(string hex, MqttResult expected) =>
        Assert.That(ConnectPacket.Read(Bytes(hex), out _), Is.EqualTo(expected));

    [TestCase(MqttVersion.V311, 2, "0001 61 0000", MqttResult.PacketIdZero)]
    [TestCase(MqttVersion.V311, 6, "0001 61 0001", MqttResult.QosInvalid)]
    [TestCase(MqttVersion.V311, 0, "0000", MqttResult.TopicNameInvalid)]
    [TestCase(MqttVersion.V311, 0, "0001 2b", MqttResult.TopicNameInvalid)]
    [TestCase(MqttVersion.V311, 0, "0003 612f23", MqttResult.TopicNameInvalid)]
    [TestCase(MqttVersion.V5, 0, "0000 00", MqttResult.TopicNameInvalid)]
    [TestCase(MqttVersion.V5, 0, "0000 03 230001", MqttResult.Ok)]
    [TestCase(MqttVersion.V5, 0, "0001 61 03 230000", MqttResult.TopicAliasInvalid)]
    [TestCase(MqttVersion.V5, 0, "0001 61 06 230001 230002", MqttResult.PropertyDuplicate)]
    [TestCase(MqttVersion.V5, 0, "0001 61 04 0b01 0b02", MqttResult.Ok)]
    [TestCase(MqttVersion.V5, 0, "0001 61 02 0b00", MqttResult.PropertyValueInvalid)]
    [TestCase(MqttVersion.V5, 0, "0001 61 04 08 0001 23", MqttResult.PropertyValueInvalid)]
    [TestCase(MqttVersion.V5, 0, "0001 61 05 01", MqttResult.Truncated)]
    public void A_broken_publish_is_refused_for_its_reason(MqttVersion version, int flags, string hex, MqttResult expected) =>
        Assert.That(PublishPacket.Read(version, (byte)flags, Bytes(hex), out _), Is.EqualTo(expected));

    [TestCase(MqttVersion.V311, "0001", MqttResult.EmptyList)]
    [TestCase(MqttVersion.V311, "0000 0001 61 00", MqttResult.PacketIdZero)]
    [TestCase(MqttVersion.V311, "0001 0001 61 03", MqttResult.QosInvalid)]
    [TestCase(MqttVersion.V311, "0001 0001 61 04", MqttResult.ReservedBits)]
    [TestCase(MqttVersion.V5, "0001 00 0001 61 40", MqttResult.ReservedBits)]
    [TestCase(MqttVersion.V5, "0001 00 0001 61 30", MqttResult.SubscriptionOptionsInvalid)]
    [TestCase(MqttVersion.V5, "0001 00 000a 2473686172652f612f62 04", MqttResult.SubscriptionOptionsInvalid)]
    [TestCase(MqttVersion.V5, "0001 04 0b01 0b02 0001 61 00", MqttResult.PropertyDuplicate)]
    [TestCase(MqttVersion.V5, "0001 00 0001 61 2d", MqttResult.Ok)]
    public void A_broken_subscribe_is_refused_for_its_reason(MqttVersion version, string hex, MqttResult expected) =>
        Assert.That(SubscribePacket.Read(version, Bytes(hex), out _), Is.EqualTo(expected));

    [TestCase(MqttVersion.V311, MqttPacketType.PubAck, "0001 00", MqttResult.TrailingBytes)]
    [TestCase(MqttVersion.V311, MqttPacketType.PubAck, "0000", MqttResult.PacketIdZero)]
    [TestCase(MqttVersion.V5, MqttPacketType.PubAck, "0001 92", MqttResult.ReasonInvalid)]
    [TestCase(MqttVersion.V5, MqttPacketType.PubRel, "0001 92", MqttResult.Ok)]
    [TestCase(MqttVersion.V5, MqttPacketType.PubAck, "0001 10 00", MqttResult.Ok)]
    [TestCase(MqttVersion.V5, MqttPacketType.PubAck, "0001 10 00 00", MqttResult.TrailingBytes)]
    public void A_broken_acknowledgement_is_refused_for_its_reason(MqttVersion version, MqttPacketType type, string hex, MqttResult expected) =>
        Assert.That(AckPacket.Read(version, type, Bytes(hex), out _), Is.EqualTo(expected));

    [Test]
    public void Auth_does_not_exist_in_3_1_1() =>
        Assert.That(DisconnectPacket.Read(MqttVersion.V311, MqttPacketType.Auth, [], out _), Is.EqualTo(MqttResult.UnknownPacketType));

    [Test]
    public void A_packet_across_segments_reads_like_one_in_a_piece()
    {
        byte[] packet = Bytes("32 0c 0003 612f62 000a 02 01 01 6869");
        for (int cut = 1; cut < packet.Length; cut++)
        {
            Segment first = new(packet.AsMemory(0, cut), null);
            Segment last = new(packet.AsMemory(cut), first);
            System.Buffers.ReadOnlySequence<byte> sequence = new(first, 0, last, last.Memory.Length);
            Assert.That(PacketFraming.TryReadPacket(sequence, 1000, out MqttHeader header, out System.Buffers.ReadOnlySequence<byte> body), Is.EqualTo(MqttResult.Ok));
            Assert.That(header.BodyBytes, Is.EqualTo(12));
            Assert.That(body.Length, Is.EqualTo(12));
            Assert.That(PacketFraming.TryReadPacket(new System.Buffers.ReadOnlySequence<byte>(packet, 0, cut), 1000, out _, out body), Is.EqualTo(MqttResult.NeedMore));
        }
    }

    private sealed class Segment : System.Buffers.ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? before)
        {
            Memory = memory;
            if (before is not null)
            {
                RunningIndex = before.RunningIndex + before.Memory.Length;
                before.Next = this;
            }
        }
    }
}
