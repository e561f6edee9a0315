using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text.Json;
using DePIN.Protocol;

namespace DePIN.Evidence;

/// <summary>
/// A frame as SenML JSON (RFC 8428), for every application that does not read frames. Base name <c>urn:depin:&lt;device id&gt;:</c>,
/// names and units of the channels, values as exact decimals (value × 10^exponent is never a float on the way). A reading in
/// doubt carries the member "quality" (RFC 8428 section 4.4: readers ignore members they do not know). This is an export:
/// what proves anything is the frame.
/// </summary>
public static class SenMl
{
    /// <summary>Media type.</summary>
    public const string MediaType = "application/senml+json";

    // Beyond this many zeros an exponent is written instead.
    private const int ZerosMax = 18;

    /// <summary>Writes one pack.</summary>
    /// <param name="frame">A frame that passed <see cref="FrameParser.Check"/>.</param>
    /// <param name="output">Takes the JSON text.</param>
    /// <param name="receivedMs">When the gateway received it, ms since the Unix epoch: the time given when the device's clock was not set.</param>
    /// <returns>Number of records; 0 for a frame without samples.</returns>
    public static int Write(ReadOnlySpan<byte> frame, IBufferWriter<byte> output, ulong? receivedMs = null)
    {
        using Utf8JsonWriter writer = new(output);
        return Write(frame, writer, receivedMs);
    }

    /// <inheritdoc cref="Write(ReadOnlySpan{byte}, IBufferWriter{byte}, ulong?)"/>
    /// <param name="frame">A frame that passed <see cref="FrameParser.Check"/>.</param>
    /// <param name="writer">Takes one array.</param>
    /// <param name="receivedMs">When the gateway received it, ms since the Unix epoch: the time given when the device's clock was not set.</param>
    public static int Write(ReadOnlySpan<byte> frame, Utf8JsonWriter writer, ulong? receivedMs = null)
    {
        ArgumentNullException.ThrowIfNull(writer);
        byte[] bytes = frame.ToArray();
        FrameFault fault = FrameParser.Check(bytes, 0, bytes.Length);
        if (fault != FrameFault.None) throw new ArgumentException($"Not a frame: {fault}.", nameof(frame));

        bool synchronised = FrameParser.IsClockSynchronised(bytes, 0);
        ulong? baseMs = synchronised ? FrameParser.TimeMs(bytes, 0) : receivedMs;
        writer.WriteStartArray();
        int count = 0;
        if (FrameParser.IsSealed(bytes, 0))
        {
            Start(writer, bytes, baseMs, ref count, "sealed");
            writer.WriteString("vd", Base64Url.EncodeToString(bytes.AsSpan(FrameFormat.PayloadOffset, FrameParser.PayloadBytes(bytes, 0))));
            writer.WriteEndObject();
        }
        Sample sample = new();
        int samples = FrameParser.SampleCount(bytes, 0);
        for (int i = 0; i < samples; i++)
        {
            FrameParser.ReadSample(bytes, 0, i, sample);
            Start(writer, bytes, baseMs, ref count, Channels.Name(sample.Channel)
                ?? string.Create(CultureInfo.InvariantCulture, $"channel_{sample.Channel}"));
            if (Channels.Unit(sample.Channel) is { } unit) writer.WriteString("u", unit);
            writer.WritePropertyName("v");
            writer.WriteRawValue(Decimal(sample.Value, sample.Exponent));
            // Without a set clock the offsets count from an unknown moment before the arrival: they would only look exact.
            if (synchronised && sample.OffsetMs != 0)
            {
                writer.WritePropertyName("t");
                writer.WriteRawValue(Decimal(sample.OffsetMs, -3));
            }
            if (sample.Quality != 0) writer.WriteNumber("quality", sample.Quality);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.Flush();
        return count;
    }

    /// <summary>value × 10^exponent as a JSON number, exactly and without needless zeros.</summary>
    public static string Decimal(Int128 value, int exponent)
    {
        if (value == 0) return "0";
        string sign = value < 0 ? "-" : "";
        string digits = Int128.Abs(value).ToString(CultureInfo.InvariantCulture);
        string significant = digits.TrimEnd('0');
        exponent += digits.Length - significant.Length;
        if (exponent >= 0)
        {
            return exponent <= ZerosMax
                ? sign + significant + new string('0', exponent)
                : string.Create(CultureInfo.InvariantCulture, $"{sign}{significant}e{exponent}");
        }
        int whole = significant.Length + exponent; // digits before the point
        if (whole > 0) return $"{sign}{significant.AsSpan(0, whole)}.{significant.AsSpan(whole)}";
        return -whole <= ZerosMax
            ? $"{sign}0.{new string('0', -whole)}{significant}"
            : string.Create(CultureInfo.InvariantCulture, $"{sign}{significant}e{exponent}");
    }

    private static void Start(Utf8JsonWriter writer, byte[] frame, ulong? baseMs, ref int count, string name)
    {
        writer.WriteStartObject();
        if (count++ == 0)
        {
            writer.WriteString("bn", $"urn:depin:{DeviceId.ToText(frame, FrameFormat.DeviceIdOffset)}:");
            if (baseMs is { } ms)
            {
                writer.WritePropertyName("bt");
                writer.WriteRawValue(Decimal(ms, -3));
            }
        }
        writer.WriteString("n", name);
    }
}
