// Retained messages (section 3.3.1.3), bounded by count and bytes. A new topic beyond the bounds is refused, an update that fits is not.
// A subscription scans all of them: their number is bounded and subscribing is rare. Not thread-safe: the broker holds its lock.

using DePIN.Mqtt;

namespace DePIN.Gateway.Ingest;

internal sealed class RetainedMessages(int countMax, long bytesMax)
{
    private readonly Dictionary<byte[], Message> _messages = new(Utf8Comparer.Instance);
    private long _bytes;

    /// <summary>How many there are.</summary>
    public int Count => _messages.Count;

    /// <summary>Keeps a message for its topic, or forgets the topic's when the payload is empty. False when there is no room.</summary>
    public bool Set(Message message)
    {
        bool known = _messages.TryGetValue(message.Topic, out Message? former);
        if (message.Payload.Length == 0)
        {
            if (known)
            {
                Forget(former!);
            }

            return true;
        }

        long bytes = _bytes - (former?.Bytes ?? 0) + message.Bytes;
        if (bytes > bytesMax || (!known && _messages.Count >= countMax))
        {
            return false;
        }

        _bytes = bytes;
        _messages[message.Topic] = message;
        return true;
    }

    /// <summary>Adds what matches a filter and has not expired to <paramref name="matches"/>; expired ones are forgotten.</summary>
    public void Match(ReadOnlySpan<byte> filter, long now, List<Message> matches)
    {
        List<Message>? expired = null;
        foreach (Message message in _messages.Values)
        {
            if (message.ExpiresAt != 0 && message.ExpiresAt <= now)
            {
                (expired ??= []).Add(message);
            }
            else if (TopicRules.Matches(filter, message.Topic))
            {
                matches.Add(message);
            }
        }

        foreach (Message message in expired ?? [])
        {
            Forget(message);
        }
    }

    private void Forget(Message message)
    {
        _messages.Remove(message.Topic);
        _bytes -= message.Bytes;
    }
}
