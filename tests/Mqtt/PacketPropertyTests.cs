// Seeded properties of the codec: what is written reads back, and one million broken packets end in a counted result.

using System.Text;

namespace DePIN.Mqtt.Tests;

[TestFixture]
public sealed class PacketPropertyTests
{
    private const int Seed = 20_260_601;

    [Test]
    public void Any_variable_integer_reads_back()
    {
        Span<byte> bytes = stackalloc byte[4];
        Random random = new(Seed);
        for (int i = 0; i < 100_000; i++)
        {
            uint value = i < 70_000 ? (uint)i : (uint)random.NextInt64(VariableInteger.ValueMax + 1L);
            int count = VariableInteger.Write(value, bytes);
            if (VariableInteger.TryRead(bytes, out uint read, out int used) != MqttResult.Ok || read != value || used != count)
            {
                Assert.Fail($"{value} read back as {read}");
            }
        }
    }

    [Test]
    public void Any_packet_reads_back([Values] MqttVersion version)
    {
        Random random = new(Seed);
        byte[] properties = new byte[512];
        for (int i = 0; i < 20_000; i++)
        {
            PacketBuffer output = new();
            byte[] name = Encoding.UTF8.GetBytes(Text(random));
            byte[] payload = new byte[random.Next(64)];
            random.NextBytes(payload);
            ushort id = (ushort)random.Next(1, 65_536);
            PropertyWriter writer = new(properties);
            if (version == MqttVersion.V5)
            {
                writer.Add(MqttPropertyId.MessageExpirySeconds, (uint)random.Next());
                writer.Add(MqttPropertyId.ContentType, name);
                writer.AddUser(name, name);
            }

            PublishPacket publish = new()
            {
                Qos = (MqttQos)random.Next(3),
                Retain = random.Next(2) == 1,
                Topic = name,
                Payload = payload,
                Properties = writer.Written,
            };
            publish.PacketId = publish.Qos == MqttQos.AtMostOnce ? (ushort)0 : id;
            publish.Write(version, output);
            Assert.That(PacketFraming.TryReadPacket(output.Written.Span, 1 << 20, out MqttHeader header, out ReadOnlySpan<byte> body), Is.EqualTo(MqttResult.Ok));
            MqttResult result = PublishPacket.Read(version, header.Flags, body, out PublishPacket read);
            bool same = result == MqttResult.Ok && read.Topic.SequenceEqual(name) && read.Payload.SequenceEqual(payload) && read.Qos == publish.Qos
                && read.Retain == publish.Retain && read.PacketId == publish.PacketId && read.Properties.Raw.SequenceEqual(writer.Written.Raw);
            if (!same)
            {
                Assert.Fail($"Seed {Seed}, case {i}: {result}, {Convert.ToHexStringLower(output.Written.Span)}");
            }
        }
    }

    [Test]
    public void A_million_broken_packets_end_in_a_result_and_allocate_nothing()
    {
        List<byte[]> seeds = SeedPackets();
        Random random = new(Seed);
        long[] results = new long[(int)MqttResult.ConnectFlagsInvalid + 1];
        byte[] packet = new byte[2048];
        Run(10_000);
        Array.Clear(results);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run(1_000_000);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        TestContext.Out.WriteLine(string.Join(", ", results.Select((count, i) => $"{(MqttResult)i} {count}")));
        Assert.That(results.Sum(), Is.EqualTo(1_000_000));
        Assert.That(allocated, Is.LessThan(64 * 1024), "Decoding hostile input must not allocate.");
        foreach (MqttResult result in Enum.GetValues<MqttResult>())
        {
            Assert.That(results[(int)result], Is.Positive, $"{result} was never reached: the mutations are too tame.");
        }

        void Run(int count)
        {
            for (int i = 0; i < count; i++)
            {
                byte[] seed = seeds[random.Next(seeds.Count)];
                seed.CopyTo(packet, 0);
                int length = Mutate(packet, seed.Length, random);
                results[(int)Decode(packet.AsSpan(0, length), (i & 1) == 0 ? MqttVersion.V311 : MqttVersion.V5)]++;
            }
        }
    }

    private static int Mutate(byte[] packet, int length, Random random)
    {
        for (int changes = random.Next(1, 4); changes > 0; changes--)
        {
            switch (random.Next(5))
            {
                case 0:
                    packet[random.Next(length)] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    packet[random.Next(length)] = (byte)random.Next(256);
                    break;
                case 2:
                    length = random.Next(1, length + 1);
                    break;
                case 3:
                    packet[random.Next(length)] = random.Next(3) switch { 0 => 0, 1 => 0xFF, _ => (byte)'#' };
                    break;
                default:
                    int at = random.Next(length);
                    packet.AsSpan(at, length - at).CopyTo(packet.AsSpan(at + 1));
                    length++;
                    if (packet[1] < 0x7F)
                    {
                        packet[1]++; // The packet stays whole, its inside has shifted.
                    }

                    break;
            }
        }

        return length;
    }

    private static MqttResult Decode(ReadOnlySpan<byte> bytes, MqttVersion version)
    {
        MqttResult result = PacketFraming.TryReadPacket(bytes, 64 * 1024, out MqttHeader header, out ReadOnlySpan<byte> body);
        if (result != MqttResult.Ok)
        {
            return result;
        }

        switch (header.Type)
        {
            case MqttPacketType.Connect:
                return ConnectPacket.Read(body, out _);
            case MqttPacketType.ConnAck:
                return ConnAckPacket.Read(version, body, out _);
            case MqttPacketType.Publish:
                result = PublishPacket.Read(version, header.Flags, body, out PublishPacket publish);
                Walk(result, publish.Properties);
                return result;
            case MqttPacketType.PubAck or MqttPacketType.PubRec or MqttPacketType.PubRel or MqttPacketType.PubComp:
                return AckPacket.Read(version, header.Type, body, out _);
            case MqttPacketType.Subscribe:
                result = SubscribePacket.Read(version, body, out SubscribePacket subscribe);
                int count = 0;
                foreach (SubscriptionRequest request in subscribe)
                {
                    count += TopicRules.IsFilter(request.Filter) ? 1 : 1;
                }

                return result == MqttResult.Ok && count != subscribe.Count ? throw new InvalidOperationException() : result;
            case MqttPacketType.Unsubscribe:
                return UnsubscribePacket.Read(version, body, out _);
            case MqttPacketType.SubAck or MqttPacketType.UnsubAck:
                return SubAckPacket.Read(version, header.Type, body, out _);
            case MqttPacketType.PingReq or MqttPacketType.PingResp:
                return PingPacket.Read(body);
            default:
                return DisconnectPacket.Read(version, header.Type, body, out _);
        }
    }

    private static void Walk(MqttResult result, MqttProperties properties)
    {
        if (result == MqttResult.Ok)
        {
            foreach (MqttProperty property in properties)
            {
                _ = property.Bytes.Length;
            }
        }
    }

    private static List<byte[]> SeedPackets()
    {
        List<byte[]> seeds =
        [
            .. new[]
            {
                "30ffffff7f", "c000", "d000", "e000", "e0020000", "f0021800", "f00918071500016116000161", "20020000", "2003000000",
                "10190004" + "4d51545404ee003c000163000177" + "00016d0001750001" + "70",
                "101d00044d5154540502003c0f110000000a2100142600016100016200" + "0163",
                "102100044d5154540506003c0d2a00" + "0163", "40020001", "4004000110" + "00", "50020001", "62020001", "70020001",
                "82060001000161" + "01", "8207000100000161" + "2d", "820c00010000085473686172652f61" + "00", "a206000100000161", "a2050001000161",
                "90030001" + "01", "9004000100" + "01", "b0020001", "b004000100" + "11",
                "8210000100000a2473686172652f612f6204", // no-local on a shared subscription
            }.Select(Convert.FromHexString),
        ];
        byte[] properties = new byte[256];
        foreach (MqttVersion version in Enum.GetValues<MqttVersion>())
        {
            PropertyWriter writer = new(properties);
            if (version == MqttVersion.V5)
            {
                writer.Add(MqttPropertyId.PayloadFormat, 1);
                writer.Add(MqttPropertyId.TopicAlias, 3);
                writer.Add(MqttPropertyId.SubscriptionId, 300);
                writer.Add(MqttPropertyId.ResponseTopic, "r"u8);
                writer.AddUser("k"u8, "v"u8);
            }

            PacketBuffer output = new();
            new PublishPacket { Qos = MqttQos.AtLeastOnce, PacketId = 7, Topic = "depin/1/x/frame"u8, Payload = "payload"u8, Properties = writer.Written }.Write(version, output);
            seeds.Add(output.Written.ToArray());
            output = new PacketBuffer();
            new ConnectPacket
            {
                Version = version,
                ClientId = "client"u8,
                HasWill = true,
                WillTopic = "will"u8,
                WillPayload = "gone"u8,
                WillQos = MqttQos.ExactlyOnce,
                HasUserName = true,
                UserName = "user"u8,
                HasPassword = true,
                Password = "pass"u8,
            }.Write(output);
            seeds.Add(output.Written.ToArray());
        }

        return seeds;
    }

    private static string Text(Random random)
    {
        const string Alphabet = "abc/€𝄞ä 0";
        StringBuilder text = new("t");
        for (int i = random.Next(20); i > 0; i--)
        {
            int at = random.Next(Alphabet.Length);
            if (!char.IsSurrogate(Alphabet[at]))
            {
                text.Append(Alphabet[at]);
            }
            else
            {
                text.Append("𝄞");
            }
        }

        return text.ToString();
    }
}
