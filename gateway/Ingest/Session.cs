// One client's state (section 4.1): subscriptions, the queue of QoS 1 and 2 messages towards it, what it has not acknowledged, and
// the QoS 2 identifiers received from it. It may outlive connections. Everything is under Gate; lock order is
// broker, connection's window, session, connection's output.

using DePIN.Mqtt;

namespace DePIN.Gateway.Ingest;

/// <summary>A will, with its delay (section 3.1.3.2.2) and its expiry, which counts from its publication (section 3.1.3.2.4).</summary>
internal sealed record Will(Message Message, TimeSpan Delay, uint? ExpirySeconds);

internal sealed class Session(string clientId, string owner, Broker broker)
{
    private readonly Queue<Delivery> _queue = new();
    private readonly List<InFlight> _inFlight = [];
    private readonly HashSet<ushort> _received = [];
    private ushort _lastId;

    public Lock Gate { get; } = new();

    public string ClientId { get; } = clientId;

    /// <summary>Who logged in for it; empty for nobody. Only the same one may take it over.</summary>
    public string Owner { get; } = owner;

    /// <summary>By filter.</summary>
    public Dictionary<byte[], Subscription> Subscriptions { get; } = new(Utf8Comparer.Instance);

    /// <summary>Null while disconnected.</summary>
    public MqttConnection? Connection { get; private set; }

    public uint ExpirySeconds { get; set; }

    /// <summary>Timestamp after which a disconnected session is forgotten.</summary>
    public long ExpiresAt { get; set; }

    public Will? Will { get; set; }

    /// <summary>Timestamp at which a disconnected session's will is published; 0 when there is none to wait for.</summary>
    public long WillDueAt { get; set; }

    /// <summary>Place in the list of disconnected sessions; null while connected.</summary>
    public LinkedListNode<Session>? Detached { get; set; }

    /// <summary>Forgotten: nothing is queued any more.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>How many QoS 2 identifiers await PUBREL.</summary>
    public int ReceivedCount
    {
        get
        {
            lock (Gate)
            {
                return _received.Count;
            }
        }
    }

    /// <summary>Takes a connection: CONNACK first, then what the former connection left unacknowledged, then the queue.</summary>
    public void Attach(MqttConnection connection, bool present)
    {
        lock (Gate)
        {
            Connection = connection;
            connection.SendConnAck(present);
            foreach (InFlight message in _inFlight)
            {
                message.IsSent = false;
            }

            Pump();
        }
    }

    /// <summary>Lets the connection go; false when another one has taken over.</summary>
    public bool Detach(MqttConnection connection)
    {
        lock (Gate)
        {
            if (Connection != connection)
            {
                return false;
            }

            Connection = null;
            return true;
        }
    }

    /// <summary>Forgets everything.</summary>
    public void End()
    {
        lock (Gate)
        {
            HasEnded = true;
            Connection = null;
            foreach (Delivery delivery in _queue)
            {
                broker.Dequeued(delivery.Message);
            }

            _queue.Clear();
            _inFlight.Clear();
            _received.Clear();
        }
    }

    /// <summary>Sends or queues a message. QoS 0 for a client that is away or does not keep up is dropped.</summary>
    public void Deliver(in Delivery delivery)
    {
        lock (Gate)
        {
            if (HasEnded)
            {
                return;
            }

            if (delivery.Qos == MqttQos.AtMostOnce)
            {
                Connection?.SendPublish(delivery, 0, duplicate: false);
                return;
            }

            if (_queue.Count >= broker.Settings.QueueMessagesMax)
            {
                broker.Dequeued(_queue.Dequeue().Message); // The oldest: of readings the newest are worth most.
                broker.Metrics.Count(DropReason.QueueFull);
            }

            if (!broker.TryQueue(delivery.Message))
            {
                broker.Metrics.Count(DropReason.QueueFull);
                return;
            }

            _queue.Enqueue(delivery);
            Pump();
        }
    }

    /// <summary>Sends what the window and the connection's buffer have room for.</summary>
    public void Continue()
    {
        lock (Gate)
        {
            Pump();
        }
    }

    /// <summary>Handles PUBACK, PUBREC or PUBCOMP of the client.</summary>
    public void Acknowledge(MqttPacketType type, ushort packetId, MqttReason reason)
    {
        lock (Gate)
        {
            int index = _inFlight.FindIndex(m => m.PacketId == packetId && m.IsSent);
            InFlight? message = index < 0 ? null : _inFlight[index];
            if (type == MqttPacketType.PubRec && (message is null || message.Awaited == MqttPacketType.PubComp))
            {
                // A repeated or unknown PUBREC is answered so that the client can finish (section 4.3.3).
                Connection?.SendAck(MqttPacketType.PubRel, packetId, message is null ? MqttReason.PacketIdentifierNotFound : MqttReason.Success);
                return;
            }

            if (message is null || message.Awaited != type)
            {
                return;
            }

            if (type == MqttPacketType.PubRec && !reason.IsFailure())
            {
                message.Awaited = MqttPacketType.PubComp;
                Connection?.SendAck(MqttPacketType.PubRel, packetId, MqttReason.Success);
                return;
            }

            _inFlight.RemoveAt(index);
            Pump();
        }
    }

    /// <summary>Whether a QoS 2 identifier awaits PUBREL.</summary>
    public bool HasReceived(ushort packetId)
    {
        lock (Gate)
        {
            return _received.Contains(packetId);
        }
    }

    public void AddReceived(ushort packetId)
    {
        lock (Gate)
        {
            _received.Add(packetId);
        }
    }

    public bool RemoveReceived(ushort packetId)
    {
        lock (Gate)
        {
            return _received.Remove(packetId);
        }
    }

    /// <summary>Whether this client subscribed to a topic.</summary>
    public bool IsSubscribed(ReadOnlySpan<byte> topic)
    {
        lock (Gate)
        {
            foreach (byte[] filter in Subscriptions.Keys)
            {
                if (TopicRules.Matches(filter, topic))
                {
                    return true;
                }
            }

            return false;
        }
    }

    private void Pump()
    {
        if (Connection is not { } connection)
        {
            return;
        }

        int sent = 0;
        for (int i = 0; i < _inFlight.Count && sent < connection.OutboundWindow; i++)
        {
            InFlight message = _inFlight[i];
            if (!message.IsSent && !Resend(connection, message))
            {
                return;
            }

            sent++;
        }

        while (_inFlight.Count < connection.OutboundWindow && _queue.TryPeek(out Delivery delivery))
        {
            ushort packetId = NextId();
            SendResult result = connection.SendPublish(delivery, packetId, duplicate: false);
            if (result is SendResult.Full or SendResult.Closed)
            {
                return;
            }

            broker.Dequeued(_queue.Dequeue().Message);
            if (result == SendResult.Sent)
            {
                _inFlight.Add(new InFlight(packetId, delivery));
            }
        }
    }

    private static bool Resend(MqttConnection connection, InFlight message)
    {
        if (message.Awaited == MqttPacketType.PubComp)
        {
            connection.SendAck(MqttPacketType.PubRel, message.PacketId, MqttReason.Success);
            return message.IsSent = true;
        }

        // A message that expired or is too large for the new connection keeps its place until it is acknowledged: it was sent before.
        SendResult result = connection.SendPublish(message.Delivery, message.PacketId, duplicate: true, evenExpired: true);
        message.IsSent = result is not (SendResult.Full or SendResult.Closed);
        return message.IsSent;
    }

    private ushort NextId()
    {
        do
        {
            _lastId = (ushort)(_lastId == ushort.MaxValue ? 1 : _lastId + 1);
        }
        while (_inFlight.Exists(m => m.PacketId == _lastId));

        return _lastId;
    }

    private sealed class InFlight(ushort packetId, Delivery delivery)
    {
        public ushort PacketId { get; } = packetId;

        public Delivery Delivery { get; } = delivery;

        public MqttPacketType Awaited { get; set; } = delivery.Qos == MqttQos.ExactlyOnce ? MqttPacketType.PubRec : MqttPacketType.PubAck;

        /// <summary>On the current connection.</summary>
        public bool IsSent { get; set; } = true;
    }
}
