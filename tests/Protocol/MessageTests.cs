// Ids, topics, claims, verdicts, time, channels and profiles.

using System.Reflection;
using System.Security.Cryptography;

namespace DePIN.Protocol.Tests;

public sealed class MessageTests
{
    private const string IdText = "00112233445566778899aabbccddeeff01234567";

    [Test]
    public void A_device_id_is_the_end_of_the_hash_of_the_public_key()
    {
        byte[] publicKey = new SeededRandom(1).Bytes(66);
        byte[] id = new byte[21];
        DeviceId.FromPublicKey(publicKey, 2, id, 1);
        Assert.That(id[1..], Is.EqualTo(SHA256.HashData(publicKey.AsSpan(2))[12..]));
    }

    [Test]
    public void A_device_id_is_read_in_either_case_with_or_without_0x_and_written_in_lower_case()
    {
        byte[] id = new byte[20];
        foreach (string text in new[] { IdText, IdText.ToUpperInvariant(), "0x" + IdText, "0X" + IdText.ToUpperInvariant() })
        {
            Array.Clear(id);
            Assert.That(DeviceId.TryParse(text, id), Is.True, text);
            Assert.That(DeviceId.ToText(id, 0), Is.EqualTo(IdText));
        }
    }

    [TestCase(null)]
    [TestCase("")]
    [TestCase("0x")]
    [TestCase("00112233445566778899aabbccddeeff0123456")]
    [TestCase("00112233445566778899aabbccddeeff012345678")]
    [TestCase("00112233445566778899aabbccddeeff0123456g")]
    [TestCase("00112233445566778899aabbccddeeff0123456/")]
    [TestCase("00112233445566778899aabbccddeeff0123456:")]
    [TestCase(" 0112233445566778899aabbccddeeff01234567")]
    [TestCase("0x0112233445566778899aabbccddeeff0123456")]
    [TestCase("00112233445566778899aabbccddeeff0123456\u0660")]
    public void Anything_else_is_no_device_id_and_leaves_the_bytes_alone(string? text)
    {
        byte[] id = [.. Enumerable.Repeat((byte)9, 20)];
        Assert.That(DeviceId.TryParse(text!, id), Is.False);
        Assert.That(id, Is.All.EqualTo(9));
    }

    [Test]
    public void Topics_are_what_the_design_says_and_only_the_exact_frame_topic_is_read()
    {
        byte[] id = new byte[20];
        Assert.Multiple(() =>
        {
            Assert.That(Topics.Frame(IdText), Is.EqualTo($"depin/1/{IdText}/frame"));
            Assert.That(Topics.Verdict(IdText), Is.EqualTo($"depin/1/{IdText}/verdict"));
            Assert.That(Topics.Senml(IdText), Is.EqualTo($"depin/1/{IdText}/senml"));
            Assert.That(Topics.Time, Is.EqualTo("depin/1/time"));
            Assert.That(Topics.TryReadFrameTopic(Topics.Frame(IdText), id), Is.True);
            Assert.That(DeviceId.ToText(id, 0), Is.EqualTo(IdText));
            foreach (string topic in new[]
            {
                null!, "", Topics.Verdict(IdText), Topics.Frame("0x" + IdText), Topics.Frame("0x" + IdText[2..]), Topics.Frame(IdText.ToUpperInvariant()),
                Topics.Frame(IdText) + "/", "/" + Topics.Frame(IdText), Topics.Frame(IdText).Replace('1', '2'), "Depin" + Topics.Frame(IdText)[5..],
            })
            {
                Assert.That(Topics.TryReadFrameTopic(topic, id), Is.False, topic);
            }
        });
    }

    [Test]
    public void A_claim_has_the_bytes_of_its_table()
    {
        byte[] chain = [.. Enumerable.Repeat((byte)0xC1, 32)];
        byte[] registry = [.. Enumerable.Repeat((byte)0xAB, 20)];
        byte[] owner = [.. Enumerable.Repeat((byte)0x0E, 20)];
        byte[] claim = new byte[78];
        ClaimMessage.Write(KeyKinds.Software, chain, registry, owner, claim, 1);
        Assert.Multiple(() =>
        {
            Assert.That(claim, Is.EqualTo((byte[])[0, .. "DC"u8, 1, 1, .. chain, .. registry, .. owner, 0]));
            Assert.That(() => ClaimMessage.Write(1, new byte[31], registry, owner, claim, 0), Throws.ArgumentException);
            Assert.That(() => ClaimMessage.Write(1, chain, owner, null!, claim, 0), Throws.ArgumentException);
            Assert.That(() => ClaimMessage.Write(1, chain, registry, owner, claim, 3), Throws.InstanceOf<ArgumentOutOfRangeException>());
        });
    }

    [Test]
    public void Verdicts_and_times_are_read_as_written()
    {
        byte[] verdict = new byte[VerdictMessage.Bytes + 1];
        VerdictMessage.Write(0x0102030405060708, 9, VerdictMessage.FlagKeep, verdict, 1);
        byte[] time = new byte[TimeMessage.Bytes];
        TimeMessage.Write(ulong.MaxValue - 1, time, 0);
        Assert.Multiple(() =>
        {
            Assert.That(Convert.ToHexStringLower(verdict), Is.EqualTo("00" + "0102030405060708" + "09" + "01"));
            Assert.That(VerdictMessage.IsValid(verdict, 1, 10), Is.True);
            Assert.That(VerdictMessage.IsValid(verdict, 0, 11), Is.False);
            Assert.That(VerdictMessage.Sequence(verdict, 1), Is.EqualTo(0x0102030405060708));
            Assert.That(VerdictMessage.Verdict(verdict, 1), Is.EqualTo(9));
            Assert.That(VerdictMessage.Keep(verdict, 1), Is.True);
            Assert.That(Convert.ToHexStringLower(time), Is.EqualTo("fffffffffffffffe"));
            Assert.That(TimeMessage.IsValid(time, 0, 8), Is.True);
            Assert.That(TimeMessage.IsValid(time, 0, 7), Is.False);
            Assert.That(TimeMessage.UnixMs(time, 0), Is.EqualTo(ulong.MaxValue - 1));
        });
    }

    [Test]
    public void Every_channel_has_its_own_id_and_name_and_a_unit_of_senml()
    {
        // IANA, SenML units registry.
        string[] registered = ["Cel", "%RH", "Pa", "V", "A", "W", "J", "B", "1", "/", "%", "s", "m", "kg", "lat", "lon", "m/s", "m/s2", "beat/min", "dBm", "count", "Hz", "kg/m3"];
        ushort[] ids = Constants(typeof(Channels));
        Assert.Multiple(() =>
        {
            Assert.That(ids, Is.Unique);
            Assert.That(ids.Select(Channels.Name), Is.Unique.And.All.Match("^[a-z][a-z0-9_]*$"));
            Assert.That(ids.Select(Channels.Unit), Is.All.Matches<string>(unit => registered.Contains(unit)));
            Assert.That(Channels.Name(0), Is.Null);
            Assert.That(Channels.Unit(0), Is.Null);
        });
    }

    [Test]
    public void Every_profile_has_its_own_id_and_name()
    {
        ushort[] ids = Constants(typeof(Profiles));
        Assert.Multiple(() =>
        {
            Assert.That(ids, Is.EqualTo(Enumerable.Range(1, 8)));
            Assert.That(ids.Select(Profiles.Name), Is.Unique.And.All.Match("^[a-z][a-z-]*$"));
            Assert.That(Profiles.Name(0), Is.Null);
        });
    }

    private static ushort[] Constants(Type type) =>
        [.. type.GetFields(BindingFlags.Public | BindingFlags.Static).Where(field => field.IsLiteral && field.FieldType == typeof(ushort)).Select(field => (ushort)field.GetRawConstantValue()!)];
}
