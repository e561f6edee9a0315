// The seam to updates over the air: what a device publishes on depin/1/<id>/update/get and …/state, and what it gets on …/update/manifest and …/chunk.

namespace DePIN.Gateway.Ingest;

/// <summary>Where a chunk goes: the connection that asked for it.</summary>
public interface IUpdateReceiver
{
    /// <summary>Sends a chunk with QoS 0 to the client if it subscribed to the topic; dropped when its buffer is full. Any thread.</summary>
    void SendChunk(string deviceIdText, byte[] chunk);
}

/// <summary>Answers for updates. Called on connections' reading loops: never blocks, never throws on what a client sent.</summary>
public interface IDeviceUpdates
{
    /// <summary>The manifest offered to this device (20 bytes); empty for none.</summary>
    ReadOnlyMemory<byte> ManifestFor(ReadOnlySpan<byte> deviceId);

    /// <summary>A request for a piece, from a connection whose client id or accepted frames are the device's.</summary>
    void Get(ReadOnlySpan<byte> deviceId, ReadOnlySpan<byte> request, IUpdateReceiver receiver);

    /// <summary>What the device says of itself, from a connection that delivered a fresh signed frame of it.</summary>
    void State(ReadOnlySpan<byte> deviceId, ReadOnlySpan<byte> state);

    /// <summary>A message on an update topic that the connection has no right to, or that frames go before.</summary>
    void Refused(UpdateRefusal reason);
}

/// <summary>Why a message on an update topic was not taken.</summary>
public enum UpdateRefusal
{
    /// <summary>Neither the connection's client id nor an accepted frame of it is the topic's device.</summary>
    Foreign,

    /// <summary>The intake is busy with frames: they go first.</summary>
    FramesFirst,

    /// <summary>No message of this protocol.</summary>
    Malformed,

    /// <summary>The device is offered nothing.</summary>
    NoOffer,

    /// <summary>It asks for another manifest than it is offered.</summary>
    OtherManifest,

    /// <summary>It asks beyond the files.</summary>
    OutOfRange,

    /// <summary>Too much is asked for by all devices together.</summary>
    Busy,

    /// <summary>The registry does not know the device, or it is revoked.</summary>
    UnknownDevice,
}
