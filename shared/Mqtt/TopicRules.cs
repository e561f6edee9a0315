// Topic names and filters (section 4.7) on UTF-8 bytes: what is valid and what matches what.
// '/' separates levels, '+' is one whole level, '#' is the rest and only last; wildcards do not match topics that begin with '$'.

namespace DePIN.Mqtt;

/// <summary>The rules of topic names and topic filters.</summary>
public static class TopicRules
{
    private static ReadOnlySpan<byte> SharePrefix => "$share/"u8;

    /// <summary>Whether this may be published to: not empty, no wildcard, no U+0000.</summary>
    public static bool IsName(ReadOnlySpan<byte> topic) => !topic.IsEmpty && topic.IndexOfAny((byte)'+', (byte)'#', (byte)0) < 0;

    /// <summary>Whether this may be subscribed to. A shared subscription is judged by its filter.</summary>
    public static bool IsFilter(ReadOnlySpan<byte> filter)
    {
        if (IsShared(filter))
        {
            filter = filter[SharePrefix.Length..];
            int slash = filter.IndexOf((byte)'/');
            if (slash <= 0 || filter[..slash].IndexOfAny((byte)'+', (byte)'#') >= 0)
            {
                return false;
            }

            filter = filter[(slash + 1)..];
        }

        if (filter.IsEmpty || filter.Contains((byte)0))
        {
            return false;
        }

        for (int i = 0; i < filter.Length; i++)
        {
            byte c = filter[i];
            bool alone = (i == 0 || filter[i - 1] == '/') && (i + 1 == filter.Length || filter[i + 1] == '/');
            if ((c == '+' && !alone) || (c == '#' && (!alone || i + 1 != filter.Length)))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether this asks for a shared subscription (section 4.8.2).</summary>
    public static bool IsShared(ReadOnlySpan<byte> filter) => filter.StartsWith(SharePrefix);

    /// <summary>Whether a valid filter matches a valid name.</summary>
    public static bool Matches(ReadOnlySpan<byte> filter, ReadOnlySpan<byte> topic)
    {
        if (!topic.IsEmpty && topic[0] == (byte)'$' && !filter.IsEmpty && filter[0] is (byte)'+' or (byte)'#')
        {
            return false;
        }

        while (true)
        {
            ReadOnlySpan<byte> want = NextLevel(ref filter, out bool moreFilter);
            if (want.SequenceEqual("#"u8))
            {
                return true;
            }

            ReadOnlySpan<byte> have = NextLevel(ref topic, out bool moreTopic);
            if (!want.SequenceEqual("+"u8) && !want.SequenceEqual(have))
            {
                return false;
            }

            if (!moreTopic)
            {
                // "a/#" matches "a" too (section 4.7.1.2).
                return !moreFilter || filter.SequenceEqual("#"u8);
            }

            if (!moreFilter)
            {
                return false;
            }
        }
    }

    /// <summary>How many levels a topic has.</summary>
    public static int Levels(ReadOnlySpan<byte> topic) => topic.Count((byte)'/') + 1;

    /// <summary>Cuts the first level off <paramref name="rest"/>.</summary>
    /// <param name="rest">What is left of the topic; afterwards what follows the level's slash.</param>
    /// <param name="more">Whether another level follows (it may be empty).</param>
    public static ReadOnlySpan<byte> NextLevel(ref ReadOnlySpan<byte> rest, out bool more)
    {
        int slash = rest.IndexOf((byte)'/');
        more = slash >= 0;
        ReadOnlySpan<byte> level = more ? rest[..slash] : rest;
        rest = more ? rest[(slash + 1)..] : default;
        return level;
    }
}
