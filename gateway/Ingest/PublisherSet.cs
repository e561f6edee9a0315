using DePIN.Mqtt;

namespace DePIN.Gateway.Ingest;

/// <summary>The listener and the external broker as one: what is published goes to each.</summary>
public sealed class PublisherSet(MqttIngest ingest, Subscribe.BrokerSubscriber? broker) : IReadingPublisher, ITopicPublisher
{
    /// <inheritdoc/>
    public bool HasAnyReader => ingest.HasAnyReader || broker is { HasAnyReader: true };

    /// <inheritdoc/>
    public bool HasReaders(string deviceIdText) => broker is { HasAnyReader: true } || ingest.HasReaders(deviceIdText);

    /// <inheritdoc/>
    public void PublishReadings(string deviceIdText, ReadOnlySpan<byte> senml)
    {
        ingest.PublishReadings(deviceIdText, senml);
        broker?.PublishReadings(deviceIdText, senml);
    }

    /// <inheritdoc/>
    public void PublishTime()
    {
        ingest.PublishTime();
        broker?.PublishTime();
    }

    /// <inheritdoc/>
    public void Publish(string topic, ReadOnlyMemory<byte> payload, MqttQos qos, bool retain)
    {
        ingest.Publish(topic, payload, qos, retain);
        broker?.Publish(topic, payload, qos, retain);
    }

    /// <inheritdoc/>
    public void Hear(string topic, Action<ReadOnlyMemory<byte>> heard)
    {
        ingest.Hear(topic, heard);
        broker?.Hear(topic, heard);
    }

    /// <inheritdoc/>
    public void OnFresh(Action fresh)
    {
        ingest.OnFresh(fresh);
        broker?.OnFresh(fresh);
    }
}
