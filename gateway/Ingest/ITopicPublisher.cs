using DePIN.Mqtt;

namespace DePIN.Gateway.Ingest;

/// <summary>Where other stages publish for applications: the built-in listener, an external broker, or both. Never waits; what finds no room is dropped and counted.</summary>
public interface ITopicPublisher
{
    /// <summary>Publishes; topic and payload are copied or never changed again.</summary>
    void Publish(string topic, ReadOnlyMemory<byte> payload, MqttQos qos, bool retain);

    /// <summary>Hears what applications publish on a topic that is not the gateway's own (which lets them); before the stages run. Any thread.</summary>
    void Hear(string topic, Action<ReadOnlyMemory<byte>> heard);

    /// <summary>Called when a broker is (again) there that may have none of the retained messages; before the stages run. Any thread.</summary>
    void OnFresh(Action fresh);
}
