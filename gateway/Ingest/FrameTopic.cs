// depin/1/<40 lower-case hex digits>/frame, read from the topic's bytes without allocating. Upper-case digits are another topic.

using System.Buffers;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Gateway.Ingest;

/// <summary>Recognises the topics of depin/1.</summary>
internal static class FrameTopic
{
    private static readonly SearchValues<byte> LowerHex = SearchValues.Create("0123456789abcdef"u8);

    private static ReadOnlySpan<byte> Prefix => "depin/1/"u8;

    private static ReadOnlySpan<byte> Suffix => "/frame"u8;

    /// <summary>Whether only the gateway, or a device with a frame, may publish here.</summary>
    public static bool IsReserved(ReadOnlySpan<byte> topic) => topic.StartsWith("depin/"u8);

    /// <summary>Whether a filter matches the readings' topic (depin/1/&lt;id&gt;/senml) of any device.</summary>
    public static bool MayMatchReadings(ReadOnlySpan<byte> filter)
    {
        bool more = true;
        for (int level = 0; more; level++)
        {
            ReadOnlySpan<byte> name = TopicRules.NextLevel(ref filter, out more);
            if (name.SequenceEqual("#"u8))
            {
                return true;
            }

            bool matches = level switch
            {
                0 => name.SequenceEqual("depin"u8),
                1 => name.SequenceEqual("1"u8),
                2 => true,
                3 => name.SequenceEqual("senml"u8),
                _ => false,
            };
            if (!matches && (level > 3 || !name.SequenceEqual("+"u8)))
            {
                return false;
            }

            if (!more)
            {
                return level == 3;
            }
        }

        return false;
    }

    /// <summary>Reads the device id into 20 bytes; false when this is no frame topic.</summary>
    public static bool TryRead(ReadOnlySpan<byte> topic, Span<byte> deviceId) => TryRead(topic, Suffix, deviceId);

    /// <summary>depin/1/&lt;id&gt;/update/get.</summary>
    public static bool TryReadUpdateGet(ReadOnlySpan<byte> topic, Span<byte> deviceId) => TryRead(topic, "/update/get"u8, deviceId);

    /// <summary>depin/1/&lt;id&gt;/update/state.</summary>
    public static bool TryReadUpdateState(ReadOnlySpan<byte> topic, Span<byte> deviceId) => TryRead(topic, "/update/state"u8, deviceId);

    /// <summary>depin/1/&lt;id&gt;/update/manifest, as a topic or as a filter without wildcards.</summary>
    public static bool TryReadUpdateManifest(ReadOnlySpan<byte> topic, Span<byte> deviceId) => TryRead(topic, "/update/manifest"u8, deviceId);

    private static bool TryRead(ReadOnlySpan<byte> topic, ReadOnlySpan<byte> suffix, Span<byte> deviceId)
    {
        if (topic.Length != Prefix.Length + DeviceId.TextChars + suffix.Length || !topic.StartsWith(Prefix) || !topic.EndsWith(suffix))
        {
            return false;
        }

        ReadOnlySpan<byte> digits = topic.Slice(Prefix.Length, DeviceId.TextChars);
        return !digits.ContainsAnyExcept(LowerHex) && Convert.FromHexString(digits, deviceId, out _, out _) == OperationStatus.Done;
    }
}
