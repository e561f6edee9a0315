// A message on its way to subscribers, shared by all of them and never changed; what differs for each of them is a Delivery.

using DePIN.Mqtt;

namespace DePIN.Gateway.Ingest;

/// <summary>A published message.</summary>
/// <param name="Topic">UTF-8.</param>
/// <param name="Payload">The bytes as published.</param>
/// <param name="Properties">Properties to forward, encoded: format, content type, response topic, correlation data, user properties.</param>
/// <param name="Qos">As published.</param>
/// <param name="Retain">As published.</param>
/// <param name="ExpiresAt">Timestamp of the time provider after which it is worthless; 0 is never.</param>
/// <param name="Publisher">The session that published it, for no-local; null for the gateway.</param>
internal sealed record Message(byte[] Topic, byte[] Payload, byte[] Properties, MqttQos Qos, bool Retain, long ExpiresAt, Session? Publisher)
{
    private const int OverheadBytes = 128;

    /// <summary>What it counts against byte limits.</summary>
    public int Bytes => Topic.Length + Payload.Length + Properties.Length + OverheadBytes;
}

/// <summary>A message for one subscriber.</summary>
/// <param name="Message">What.</param>
/// <param name="Qos">The lower of the message's and the subscription's.</param>
/// <param name="Retain">The RETAIN flag to send.</param>
/// <param name="SubscriptionIds">Identifiers of all matching subscriptions that have one.</param>
internal readonly record struct Delivery(Message Message, MqttQos Qos, bool Retain, uint[] SubscriptionIds);

/// <summary>One filter of one session.</summary>
internal sealed class Subscription(Session session, byte[] filter, SubscriptionOptions options, uint id)
{
    public Session Session { get; } = session;

    public byte[] Filter { get; } = filter;

    public SubscriptionOptions Options { get; } = options;

    /// <summary>0 when the client gave none.</summary>
    public uint Id { get; } = id;
}
