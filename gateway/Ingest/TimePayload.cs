using System.Buffers.Binary;
using DePIN.Protocol;

namespace DePIN.Gateway.Ingest;

/// <summary>The gateway's clock as boards are told it.</summary>
internal static class TimePayload
{
    // A clock before this has not been set since power-on: boards are better off without it.
    private static readonly DateTimeOffset Earliest = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>The payload of <see cref="Topics.Time"/>; null while the clock is not set.</summary>
    public static byte[]? Now(TimeProvider time)
    {
        DateTimeOffset now = time.GetUtcNow();
        if (now < Earliest)
        {
            return null;
        }

        byte[] payload = new byte[TimeMessage.Bytes];
        BinaryPrimitives.WriteUInt64BigEndian(payload, (ulong)now.ToUnixTimeMilliseconds());
        return payload;
    }
}
