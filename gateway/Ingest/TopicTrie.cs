// Subscriptions as a tree of topic levels, so that publishing costs the topic's levels and not the number of subscriptions.
// Not thread-safe: the broker holds its lock. Empty branches are cut off. Depth is bounded by the listener's limit on levels.

using DePIN.Mqtt;

namespace DePIN.Gateway.Ingest;

internal sealed class TopicTrie
{
    private readonly Node _root = new();

    /// <summary>Subscriptions that could match some device's readings.</summary>
    public int ReadingsCount { get; private set; }

    /// <summary>Adds a subscription; the session's former one with this filter has to be removed before.</summary>
    public void Add(Subscription subscription)
    {
        ReadingsCount += FrameTopic.MayMatchReadings(subscription.Filter) ? 1 : 0;
        Node node = _root;
        ReadOnlySpan<byte> rest = subscription.Filter;
        bool more = true;
        while (more)
        {
            ReadOnlySpan<byte> level = TopicRules.NextLevel(ref rest, out more);
            if (level.SequenceEqual("#"u8))
            {
                (node.Below ??= []).Add(subscription);
                return;
            }

            node = node.Child(level);
        }

        (node.Here ??= []).Add(subscription);
    }

    /// <summary>Removes a subscription that was added.</summary>
    public void Remove(Subscription subscription)
    {
        ReadingsCount -= FrameTopic.MayMatchReadings(subscription.Filter) ? 1 : 0;
        Remove(_root, subscription.Filter, more: true, subscription);
    }

    /// <summary>Adds every subscription that matches a valid topic name to <paramref name="matches"/>.</summary>
    public void Match(ReadOnlySpan<byte> topic, List<Subscription> matches)
    {
        // Section 4.7.2: a wildcard first does not match a topic that begins with '$'.
        Match(_root, topic, more: true, wildcards: topic[0] != (byte)'$', matches);
    }

    private static void Match(Node node, ReadOnlySpan<byte> rest, bool more, bool wildcards, List<Subscription> matches)
    {
        if (wildcards && node.Below is { } below)
        {
            matches.AddRange(below);
        }

        if (!more)
        {
            if (node.Here is { } here)
            {
                matches.AddRange(here);
            }

            return;
        }

        ReadOnlySpan<byte> level = TopicRules.NextLevel(ref rest, out more);
        if (node.Find(level) is { } exact)
        {
            Match(exact, rest, more, wildcards: true, matches);
        }

        if (wildcards && node.Plus is { } plus)
        {
            Match(plus, rest, more, wildcards: true, matches);
        }
    }

    private static bool Remove(Node node, ReadOnlySpan<byte> rest, bool more, Subscription subscription)
    {
        if (!more)
        {
            node.Here?.Remove(subscription);
        }
        else
        {
            ReadOnlySpan<byte> level = TopicRules.NextLevel(ref rest, out more);
            if (level.SequenceEqual("#"u8))
            {
                node.Below?.Remove(subscription);
            }
            else if (node.Find(level, wildcard: true) is { } child && Remove(child, rest, more, subscription))
            {
                node.Cut(level);
            }
        }

        return node.IsEmpty;
    }

    private sealed class Node
    {
        private Dictionary<byte[], Node>? _children;

        public List<Subscription>? Here { get; set; }

        public List<Subscription>? Below { get; set; }

        public Node? Plus { get; private set; }

        public bool IsEmpty => Plus is null && (_children?.Count ?? 0) == 0 && (Here?.Count ?? 0) == 0 && (Below?.Count ?? 0) == 0;

        public Node? Find(ReadOnlySpan<byte> level, bool wildcard = false)
        {
            if (wildcard && level.SequenceEqual("+"u8))
            {
                return Plus;
            }

            return _children is not null && _children.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(level, out Node? child) ? child : null;
        }

        public Node Child(ReadOnlySpan<byte> level)
        {
            if (level.SequenceEqual("+"u8))
            {
                return Plus ??= new Node();
            }

            _children ??= new Dictionary<byte[], Node>(Utf8Comparer.Instance);
            Node? child = Find(level);
            if (child is null)
            {
                _children.Add(level.ToArray(), child = new Node());
            }

            return child;
        }

        public void Cut(ReadOnlySpan<byte> level)
        {
            if (level.SequenceEqual("+"u8))
            {
                Plus = null;
            }
            else
            {
                _children?.GetAlternateLookup<ReadOnlySpan<byte>>().Remove(level);
            }
        }
    }
}
