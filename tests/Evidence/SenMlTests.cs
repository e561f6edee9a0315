using System.Buffers;
using System.Text;
using System.Text.Json;
using DePIN.Protocol;
using DePIN.Tests.Harness;

namespace DePIN.Evidence.Tests;

/// <summary>The SenML export: RFC 8428 records with exact decimals.</summary>
[TestFixture]
public sealed class SenMlTests
{
    [TestCase(2150L, -2, "21.5")]
    [TestCase(-5L, -1, "-0.5")]
    [TestCase(-5L, -3, "-0.005")]
    [TestCase(0L, -9, "0")]
    [TestCase(7L, 3, "7000")]
    [TestCase(120L, 0, "120")]
    [TestCase(120L, -1, "12")]
    [TestCase(120L, -3, "0.12")]
    [TestCase(long.MaxValue, -18, "9.223372036854775807")]
    [TestCase(long.MinValue, 0, "-9223372036854775808")]
    [TestCase(long.MinValue, -128, "-9223372036854775808e-128")]
    [TestCase(1L, 127, "1e127")]
    [TestCase(1L, -18, "0.000000000000000001")]
    [TestCase(1L, -40, "1e-40")]
    public void A_value_is_written_exactly(long value, int exponent, string text)
    {
        Assert.That(SenMl.Decimal(value, exponent), Is.EqualTo(text));
        Assert.That(double.IsFinite(JsonDocument.Parse(text).RootElement.GetDouble()), Is.True);
    }

    [Test]
    public void A_frame_becomes_a_pack_with_names_units_and_times()
    {
        using SampleDevice device = new();
        byte[] frame = device.Frame(1, builder =>
        {
            builder.TryAdd(Channels.Temperature, -2, 0, 0, 2150);
            builder.TryAdd(Channels.RelativeHumidity, -1, 3, 1_500, 455);
            builder.TryAdd(4711, 0, 0, 0, -7);
        });
        string id = Convert.ToHexStringLower(device.Id);
        Assert.That(Write(frame, null, out int count), Is.EqualTo(
            $$"""[{"bn":"urn:depin:{{id}}:","bt":1800000000.123,"n":"temperature","u":"Cel","v":21.5},"""
            + """{"n":"humidity","u":"%RH","v":45.5,"t":1.5,"quality":3},{"n":"channel_4711","v":-7}]"""));
        Assert.That(count, Is.EqualTo(3));
    }

    [Test]
    public void Without_a_set_clock_the_time_is_that_of_arrival_or_none()
    {
        using SampleDevice device = new();
        byte[] frame = device.Frame(1, builder => builder.TryAdd(Channels.Pressure, 0, 0, 20, 101_325), clock: false, timeMs: 5_000);
        string id = Convert.ToHexStringLower(device.Id);
        Assert.That(Write(frame, null, out _), Is.EqualTo($$"""[{"bn":"urn:depin:{{id}}:","n":"pressure","u":"Pa","v":101325}]"""));
        Assert.That(Write(frame, 1_800_000_000_500, out _), Is.EqualTo(
            $$"""[{"bn":"urn:depin:{{id}}:","bt":1800000000.5,"n":"pressure","u":"Pa","v":101325}]"""));
    }

    [Test]
    public void A_sealed_frame_stays_sealed_and_an_empty_one_is_an_empty_pack()
    {
        using SampleDevice device = new();
        byte[] sealedFrame = device.Frame(1, builder => builder.SetSealedPayload([0xfb, 0xff, 0xfe], 0, 3));
        Assert.That(Write(sealedFrame, null, out int count), Does.EndWith("""
            "n":"sealed","vd":"-__-"}]
            """));
        Assert.That(count, Is.EqualTo(1));
        Assert.That(Write(device.Frame(1, _ => { }), null, out count), Is.EqualTo("[]"));
        Assert.That(count, Is.Zero);
        Assert.That(() => SenMl.Write(new byte[200], new ArrayBufferWriter<byte>()), Throws.ArgumentException);
    }

    private static string Write(byte[] frame, ulong? receivedMs, out int count)
    {
        ArrayBufferWriter<byte> output = new();
        count = SenMl.Write(frame, output, receivedMs);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }
}
