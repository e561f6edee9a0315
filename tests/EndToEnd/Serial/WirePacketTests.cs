using DePIN.Cli.Serial;

namespace DePIN.EndToEnd.Tests.Serial;

/// <summary>Packets of the runtime's debug protocol.</summary>
public sealed class WirePacketTests
{
    /// <summary>Made by nf-interpreter's own SUPPORT_ComputeCRC and WP_Packet, compiled on a computer.</summary>
    private const string Golden = "4e46504b545631007c830cf316f7cd5b0100000007000000012000001500000073746174652073746174653d72756e6e696e670d0a";

    private static readonly byte[] Text = "state state=running\r\n"u8.ToArray();

    [Test]
    public void What_the_runtime_writes_is_read_and_written_alike()
    {
        byte[] golden = Convert.FromHexString(Golden);
        Assert.Multiple(() =>
        {
            Assert.That(WirePacket.Crc("123456789"u8), Is.EqualTo(0x89A1897F));
            Assert.That(WirePacket.Write(WirePacket.Message, 7, WirePacket.NonCritical | WirePacket.NoCaching, Text), Is.EqualTo(golden));
            Assert.That(new WireReader().Take(golden).Single(), Has.Property("Command").EqualTo(WirePacket.Message).And.Property("Payload").EqualTo(Text).And.Property("Flags").EqualTo(0x2001));
        });
    }

    [Test]
    public void A_runtime_without_checksums_has_zeros_in_their_place()
    {
        byte[] packet = Convert.FromHexString(Golden);
        packet.AsSpan(8, 8).Clear();
        Assert.That(new WireReader().Take(packet).Single().Payload, Is.EqualTo(Text));
    }

    [Test]
    public void Every_flipped_bit_loses_its_packet_and_not_the_next()
    {
        byte[] packet = Convert.FromHexString(Golden);
        for (int bit = 0; bit < packet.Length * 8; bit++)
        {
            WireReader reader = new();
            byte[] damaged = [.. packet];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            IReadOnlyList<WireMessage> found = reader.Take([.. damaged, .. Enumerable.Repeat(packet, 50).SelectMany(bytes => bytes)]);
            Assert.That(found, Has.Count.EqualTo(50), $"bit {bit}");
            Assert.That(found.Select(message => message.Payload), Is.All.EqualTo(Text));
        }
    }

    [Test]
    public void A_million_mutated_bytes_give_no_packet_that_was_not_sent()
    {
        byte[] packet = Convert.FromHexString(Golden);
        Random random = new(11);
        WireReader reader = new();
        int found = 0;
        for (int sent = 0; sent < 1_000_000; sent += packet.Length)
        {
            byte[] piece = [.. packet];
            for (int flips = random.Next(4); flips > 0; flips--) piece[random.Next(piece.Length)] ^= (byte)random.Next(1, 256);
            int cut = random.Next(8) == 0 ? random.Next(piece.Length) : piece.Length;
            foreach (WireMessage message in reader.Take(piece.AsSpan(0, cut)))
            {
                found++;
                Assert.That(message.Payload, Is.EqualTo(Text));
            }
        }

        Assert.That(found, Is.Positive);
        Assert.That(reader.Broken, Is.Positive);
    }
}
