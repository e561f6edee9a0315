// Sessions, subscriptions and retained messages of all clients: who takes over whom, whose will is due, who gets a message.
// Pure state with a clock; connections call it and it calls their sessions. One lock for the maps; messages are handed to sessions
// outside of it.

using System.Diagnostics;
using DePIN.Mqtt;

namespace DePIN.Gateway.Ingest;

/// <summary>What a client asked for in CONNECT.</summary>
internal readonly record struct SessionRequest(string ClientId, bool CleanStart, uint ExpirySeconds, Will? Will, string Owner);

internal sealed class Broker(IngestSettings settings, IngestMetrics metrics, TimeProvider time)
{
    [ThreadStatic]
    private static List<Subscription>? t_matches;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Session> _sessions = new(StringComparer.Ordinal);
    private readonly LinkedList<Session> _detached = new();
    private readonly TopicTrie _trie = new();
    private readonly RetainedMessages _retained = new(settings.RetainedMax, settings.RetainedBytesMax);
    private long _queuedBytes;

    public IngestSettings Settings => settings;

    public IngestMetrics Metrics => metrics;

    /// <summary>Bytes in the queues of all sessions.</summary>
    public long QueuedBytes => Interlocked.Read(ref _queuedBytes);

    public int SessionCount
    {
        get
        {
            lock (_gate)
            {
                return _sessions.Count;
            }
        }
    }

    public int RetainedCount
    {
        get
        {
            lock (_gate)
            {
                return _retained.Count;
            }
        }
    }

    /// <summary>The timestamp this much later than now.</summary>
    public long After(TimeSpan span) => time.GetTimestamp() + (long)(span.TotalSeconds * time.TimestampFrequency);

    public long Now => time.GetTimestamp();

    /// <summary>Gives a connection its session, new or resumed, and ends the connection that had it (section 3.1.4).</summary>
    /// <param name="connection">The new connection.</param>
    /// <param name="request">What it asked for.</param>
    /// <param name="isForeign">The session is of another who logged in: it stays his.</param>
    /// <returns>The session; null when it is foreign or there are too many.</returns>
    public Session? Attach(MqttConnection connection, in SessionRequest request, out bool isForeign)
    {
        isForeign = false;
        List<Message> wills = [];
        Session? session;
        lock (_gate)
        {
            bool present = _sessions.TryGetValue(request.ClientId, out session);
            if (present && session!.Owner != request.Owner && session.Owner.Length > 0)
            {
                isForeign = true;
                return null;
            }

            if (present)
            {
                // Who logs in inherits nothing from somebody who did not.
                TakeOver(session!, request.CleanStart || session!.Owner != request.Owner, wills);
                present = !session!.HasEnded;
            }

            if (!present)
            {
                session = Create(request.ClientId, request.Owner, wills);
            }

            if (session is not null)
            {
                session.Will = request.Will;
                session.ExpirySeconds = request.ExpirySeconds;
                session.Attach(connection, present);
            }
        }

        PublishAll(wills);
        return session;
    }

    /// <summary>Ends a connection's hold on its session; <paramref name="sendWill"/> false after a normal DISCONNECT.</summary>
    public void Detach(MqttConnection connection, Session session, bool sendWill)
    {
        List<Message> wills = [];
        lock (_gate)
        {
            if (!session.Detach(connection))
            {
                return;
            }

            if (!sendWill)
            {
                session.Will = null;
            }

            if (session.ExpirySeconds == 0)
            {
                End(session, wills);
            }
            else
            {
                TimeSpan expiry = TimeSpan.FromSeconds(session.ExpirySeconds);
                session.ExpiresAt = After(expiry);
                session.Detached = _detached.AddLast(session);
                ScheduleWill(session, expiry, wills);
            }
        }

        PublishAll(wills);
    }

    /// <summary>Adds or replaces a subscription.</summary>
    /// <returns>Null when the session has too many; otherwise the retained messages to send.</returns>
    public List<Message>? Subscribe(Session session, ReadOnlySpan<byte> filter, SubscriptionOptions options, uint id)
    {
        Subscription subscription = new(session, filter.ToArray(), options, id);
        lock (_gate)
        {
            bool isNew;
            lock (session.Gate)
            {
                if (session.HasEnded)
                {
                    return [];
                }

                isNew = !session.Subscriptions.TryGetValue(subscription.Filter, out Subscription? former);
                if (isNew && session.Subscriptions.Count >= settings.SubscriptionsMax)
                {
                    return null;
                }

                if (former is not null)
                {
                    _trie.Remove(former);
                }

                session.Subscriptions[subscription.Filter] = subscription;
            }

            _trie.Add(subscription);
            List<Message> retained = [];
            if (options.RetainHandling == RetainHandling.Send || (options.RetainHandling == RetainHandling.SendIfNew && isNew))
            {
                _retained.Match(filter, Now, retained);
            }

            return retained;
        }
    }

    /// <summary>Removes a subscription; false when there was none.</summary>
    public bool Unsubscribe(Session session, ReadOnlySpan<byte> filter)
    {
        lock (_gate)
        {
            Subscription? subscription;
            lock (session.Gate)
            {
                if (!session.Subscriptions.Remove(filter.ToArray(), out subscription))
                {
                    return false;
                }
            }

            _trie.Remove(subscription);
            return true;
        }
    }

    /// <summary>Whether any subscription could match some device's readings: the cheap question before those about one topic.</summary>
    public bool HasReadingsSubscribers()
    {
        lock (_gate)
        {
            return _trie.ReadingsCount > 0;
        }
    }

    /// <summary>Whether any subscription matches.</summary>
    public bool HasSubscribers(ReadOnlySpan<byte> topic)
    {
        List<Subscription> matches = t_matches ??= [];
        lock (_gate)
        {
            _trie.Match(topic, matches);
        }

        bool any = matches.Count > 0;
        matches.Clear();
        return any;
    }

    /// <summary>Sends a message to everyone who subscribed, and keeps it when it is retained.</summary>
    /// <returns>False when it should have been retained and there was no room; it was delivered all the same.</returns>
    public bool Publish(Message message)
    {
        List<Subscription> matches = t_matches ??= [];
        t_matches = null; // Delivering may publish again on this thread.
        bool kept = true;
        lock (_gate)
        {
            if (message.Retain)
            {
                kept = _retained.Set(message with { Publisher = null });
            }

            _trie.Match(message.Topic, matches);
        }

        if (!kept)
        {
            metrics.Count(DropReason.RetainedFull);
        }

        DeliverAll(message, matches);
        matches.Clear();
        t_matches = matches;
        return kept;
    }

    /// <summary>Publishes due wills and forgets expired sessions.</summary>
    public void Sweep()
    {
        List<Message> wills = [];
        lock (_gate)
        {
            long now = Now;
            for (LinkedListNode<Session>? node = _detached.First; node is not null;)
            {
                Session session = node.Value;
                node = node.Next;
                if (session.ExpiresAt <= now)
                {
                    End(session, wills);
                }
                else if (session.WillDueAt != 0 && session.WillDueAt <= now)
                {
                    TakeWill(session, wills);
                }
            }
        }

        PublishAll(wills);
    }

    /// <summary>Counts a queued message against the bound of all queues; false when it is reached.</summary>
    public bool TryQueue(Message message)
    {
        if (Interlocked.Add(ref _queuedBytes, message.Bytes) <= settings.QueueBytesMax)
        {
            return true;
        }

        Interlocked.Add(ref _queuedBytes, -message.Bytes);
        return false;
    }

    public void Dequeued(Message message) => Interlocked.Add(ref _queuedBytes, -message.Bytes);

    // Matches of one session are neighbours only by luck, so equal sessions are merged: one copy with the highest QoS and all identifiers
    // (section 3.3.4 allows it).
    private static void DeliverAll(Message message, List<Subscription> matches)
    {
        for (int i = 0; i < matches.Count; i++)
        {
            Session session = matches[i].Session;
            bool done = false;
            for (int j = 0; j < i && !done; j++)
            {
                done = matches[j].Session == session;
            }

            if (!done)
            {
                DeliverTo(session, message, matches, i);
            }
        }
    }

    private static void DeliverTo(Session session, Message message, List<Subscription> matches, int first)
    {
        int qos = -1;
        bool retain = false;
        int ids = 0;
        for (int i = first; i < matches.Count; i++)
        {
            Subscription match = matches[i];
            if (match.Session == session && !(match.Options.NoLocal && message.Publisher == session))
            {
                qos = Math.Max(qos, (int)match.Options.Qos);
                retain |= match.Options.RetainAsPublished && message.Retain;
                ids += match.Id != 0 ? 1 : 0;
            }
        }

        if (qos < 0)
        {
            return;
        }

        uint[] identifiers = ids == 0 ? [] : new uint[ids];
        for (int i = first; i < matches.Count && ids > 0; i++)
        {
            Subscription match = matches[i];
            if (match.Session == session && match.Id != 0 && !(match.Options.NoLocal && message.Publisher == session))
            {
                identifiers[--ids] = match.Id;
            }
        }

        session.Deliver(new Delivery(message, (MqttQos)Math.Min(qos, (int)message.Qos), retain, identifiers));
    }

    private void PublishAll(List<Message> messages)
    {
        foreach (Message message in messages)
        {
            Publish(message);
        }
    }

    private void TakeOver(Session session, bool cleanStart, List<Message> wills)
    {
        if (session.Detached is { } node)
        {
            _detached.Remove(node);
            session.Detached = null;
        }

        MqttConnection? former;
        lock (session.Gate)
        {
            former = session.Connection;
        }

        if (former is not null)
        {
            session.Detach(former);
            former.Close(MqttReason.SessionTakenOver);
            if (session.ExpirySeconds == 0)
            {
                cleanStart = true; // The former connection's session ended with it (MQTT-3.1.2-23).
            }
            else if (session.Will is { Delay.Ticks: 0 })
            {
                TakeWill(session, wills);
            }
        }

        if (cleanStart)
        {
            End(session, wills);
        }
        else
        {
            session.Will = null; // Delayed, and the session goes on in time (MQTT-3.1.3-9).
            session.WillDueAt = 0;
        }
    }

    private Session? Create(string clientId, string owner, List<Message> wills)
    {
        if (_sessions.Count >= settings.SessionsMax)
        {
            if (_detached.First is not { } oldest)
            {
                return null;
            }

            End(oldest.Value, wills);
        }

        Session session = new(clientId, owner, this);
        _sessions.Add(clientId, session);
        return session;
    }

    private void End(Session session, List<Message> wills)
    {
        TakeWill(session, wills);
        if (session.Detached is { } node)
        {
            _detached.Remove(node);
            session.Detached = null;
        }

        foreach (Subscription subscription in session.Subscriptions.Values)
        {
            _trie.Remove(subscription);
        }

        lock (session.Gate)
        {
            session.Subscriptions.Clear();
        }

        session.End();
        bool removed = _sessions.Remove(session.ClientId);
        Debug.Assert(removed, "A session ends once.");
    }

    private void ScheduleWill(Session session, TimeSpan expiry, List<Message> wills)
    {
        if (session.Will is not { } will)
        {
            return;
        }

        TimeSpan delay = will.Delay < expiry ? will.Delay : expiry;
        if (delay == TimeSpan.Zero)
        {
            TakeWill(session, wills);
        }
        else
        {
            session.WillDueAt = After(delay);
        }
    }

    private void TakeWill(Session session, List<Message> wills)
    {
        if (session.Will is { } will)
        {
            wills.Add(will.ExpirySeconds is { } seconds ? will.Message with { ExpiresAt = After(TimeSpan.FromSeconds(seconds)) } : will.Message);
        }

        session.Will = null;
        session.WillDueAt = 0;
    }
}
