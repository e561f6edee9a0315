// One device as Home Assistant is told it: which channels it has had, and the newest value of each. Makes the two messages: the discovery of all its
// sensors (home-assistant.io/integrations/mqtt, "device discovery payload") and their state.

using System.Buffers;
using System.Globalization;
using System.Text.Json;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Gateway.HomeAssistant;

internal sealed class SensorDevice(string device)
{
    /// <summary>Channels of one device that are announced.</summary>
    public const int ChannelsMax = 64;

    private readonly SortedDictionary<ushort, string> _values = [];
    private ulong _sequence;
    private DateTimeOffset _measured;

    /// <summary>No sample has come yet.</summary>
    public bool IsEmpty => _values.Count == 0;

    /// <summary>Takes a frame's samples over.</summary>
    /// <param name="frame">A stored frame.</param>
    /// <param name="receivedMs">When it came, for a device whose clock was not set; ms since the Unix epoch.</param>
    /// <param name="isNew">Whether a channel came that was not announced yet.</param>
    /// <returns>Whether there is anything to tell: not for a sealed frame, or one older than the last.</returns>
    public bool Take(byte[] frame, long receivedMs, out bool isNew)
    {
        isNew = false;
        ulong sequence = FrameParser.Sequence(frame, 0);
        int samples = FrameParser.SampleCount(frame, 0);
        if (FrameParser.IsSealed(frame, 0) || samples == 0 || sequence <= _sequence)
        {
            return false;
        }

        _sequence = sequence;
        Sample sample = new();
        uint newest = 0;
        for (int i = 0; i < samples; i++)
        {
            FrameParser.ReadSample(frame, 0, i, sample);
            newest = Math.Max(newest, (uint)sample.OffsetMs);
            bool isKnown = _values.ContainsKey(sample.Channel);
            if (isKnown || _values.Count < ChannelsMax)
            {
                isNew |= !isKnown;
                _values[sample.Channel] = SenMl.Decimal(sample.Value, sample.Exponent + SensorKind.Of(sample.Channel).Scale);
            }
        }

        bool isSet = FrameParser.IsClockSynchronised(frame, 0);
        _measured = DateTimeOffset.FromUnixTimeMilliseconds(isSet ? (long)Math.Min(FrameParser.TimeMs(frame, 0) + newest, (ulong)DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()) : receivedMs);
        return true;
    }

    /// <summary>The discovery message. <paramref name="availability"/> null: a topic that says whether the gateway is there is not known.</summary>
    public byte[] Discovery(string stateTopic, string? availability, int expireAfterS, string version)
    {
        ArrayBufferWriter<byte> text = new();
        using (Utf8JsonWriter json = new(text, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteStartObject("device");
            json.WriteStartArray("identifiers");
            json.WriteStringValue(Id);
            json.WriteEndArray();
            json.WriteString("name", "DePIN " + device[..8]);
            json.WriteString("manufacturer", "DePIN Edge");
            json.WriteString("serial_number", device);
            json.WriteEndObject();
            json.WriteStartObject("origin");
            json.WriteString("name", "depin-gateway");
            json.WriteString("sw_version", version);
            json.WriteEndObject();
            json.WriteStartObject("components");
            foreach (ushort channel in _values.Keys)
            {
                WriteSensor(json, channel, expireAfterS);
            }

            WriteMeasured(json);
            json.WriteEndObject();
            json.WriteString("state_topic", stateTopic);
            if (availability is not null)
            {
                json.WriteString("availability_topic", availability);
            }

            json.WriteNumber("qos", 1);
            json.WriteEndObject();
        }

        return text.WrittenSpan.ToArray();
    }

    /// <summary>The state message: {"temperature":21.5,…,"time":"2026-01-01T00:00:00.000Z","sequence":7}.</summary>
    public byte[] State()
    {
        ArrayBufferWriter<byte> text = new();
        using (Utf8JsonWriter json = new(text))
        {
            json.WriteStartObject();
            foreach ((ushort channel, string value) in _values)
            {
                json.WritePropertyName(NameOf(channel));
                json.WriteRawValue(value);
            }

            json.WriteString("time", _measured.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture));
            json.WriteNumber("sequence", _sequence);
            json.WriteEndObject();
        }

        return text.WrittenSpan.ToArray();
    }

    private string Id => "depin_" + device;

    private void WriteSensor(Utf8JsonWriter json, ushort channel, int expireAfterS)
    {
        SensorKind kind = SensorKind.Of(channel);
        string name = NameOf(channel);
        json.WriteStartObject(name);
        json.WriteString("platform", "sensor");
        json.WriteString("unique_id", $"{Id}_{name}");
        json.WriteString("name", char.ToUpperInvariant(name[0]) + name[1..].Replace('_', ' '));
        json.WriteString("value_template", "{{ value_json." + name + " }}");
        json.WriteString("state_class", kind.StateClass);
        if (kind.DeviceClass is not null)
        {
            json.WriteString("device_class", kind.DeviceClass);
        }

        if (kind.Unit is not null)
        {
            json.WriteString("unit_of_measurement", kind.Unit);
        }

        if (kind.IsDiagnostic)
        {
            json.WriteString("entity_category", "diagnostic");
        }

        if (expireAfterS > 0)
        {
            json.WriteNumber("expire_after", expireAfterS);
        }

        json.WriteEndObject();
    }

    private void WriteMeasured(Utf8JsonWriter json)
    {
        json.WriteStartObject("measured");
        json.WriteString("platform", "sensor");
        json.WriteString("unique_id", Id + "_measured");
        json.WriteString("name", "Measured");
        json.WriteString("value_template", "{{ value_json.time }}");
        json.WriteString("device_class", "timestamp");
        json.WriteString("entity_category", "diagnostic");
        json.WriteEndObject();
    }

    private static string NameOf(ushort channel) => Channels.Name(channel) ?? string.Create(CultureInfo.InvariantCulture, $"channel_{channel}");
}
