using System.Security.Cryptography;

namespace DePIN.Gateway.Verify;

/// <summary>
/// One imported P-256 key per recently heard device: checking with it is three times as fast as importing it each time. Bounded; the least
/// recently used goes first. A key is used by one worker at a time, the one that holds the device's lane.
/// </summary>
internal sealed class KeyCache(int keysMax) : IDisposable
{
    private readonly Lock gate = new();
    private readonly LinkedList<KeyHolder> byUse = new();

    public int Count { get { lock (gate) return byUse.Count; } }

    /// <summary>Takes the lane's key for use; null when the registered key is not a point of the curve.</summary>
    public ECDsa? Take(KeyHolder lane)
    {
        lock (gate)
        {
            // A device that changed its key: the old one is of no use any more. Nobody uses it, for who does holds the lane.
            if (lane.Key is not null && !lane.Imported.Span.SequenceEqual(lane.PublicKey.Span))
            {
                byUse.Remove(lane.KeyNode!);
                lane.Key.Dispose();
                lane.Key = null;
            }

            if (lane.Key is not null)
            {
                lane.KeyInUse = true;
                if (byUse.First != lane.KeyNode)
                {
                    byUse.Remove(lane.KeyNode!);
                    byUse.AddFirst(lane.KeyNode!);
                }
                return lane.Key;
            }
        }

        ECDsa key;
        ReadOnlyMemory<byte> imported = lane.PublicKey;
        try
        {
            ReadOnlySpan<byte> point = imported.Span;
            key = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = point[..32].ToArray(), Y = point[32..].ToArray() } });
        }
        catch (CryptographicException)
        {
            return null;
        }
        ECDsa? evicted = null;
        lock (gate)
        {
            (lane.Key, lane.Imported, lane.KeyInUse) = (key, imported, true);
            lane.KeyNode ??= new LinkedListNode<KeyHolder>(lane);
            byUse.AddFirst(lane.KeyNode);
            if (byUse.Count > keysMax)
            {
                LinkedListNode<KeyHolder>? last = byUse.Last;
                while (last is not null && last.Value.KeyInUse)
                    last = last.Previous;
                if (last is not null)
                {
                    byUse.Remove(last);
                    (evicted, last.Value.Key) = (last.Value.Key, null);
                }
            }
        }
        evicted?.Dispose();
        return key;
    }

    /// <summary>Ends the use that <see cref="Take"/> began.</summary>
    public void Release(KeyHolder lane)
    {
        lock (gate)
            lane.KeyInUse = false;
    }

    public void Dispose() => Clear();

    /// <summary>Forgets all keys; none may be in use.</summary>
    public void Clear()
    {
        lock (gate)
        {
            foreach (KeyHolder lane in byUse)
            {
                lane.Key?.Dispose();
                lane.Key = null;
            }
            byUse.Clear();
        }
    }
}

/// <summary>A device's key and its place in a <see cref="KeyCache"/>, whose fields they are.</summary>
internal class KeyHolder(ReadOnlyMemory<byte> publicKey)
{
    public ECDsa? Key;
    public bool KeyInUse;
    public LinkedListNode<KeyHolder>? KeyNode;

    /// <summary>What <see cref="Key"/> was made of.</summary>
    public ReadOnlyMemory<byte> Imported;

    /// <summary>X ‖ Y, 64 bytes.</summary>
    public virtual ReadOnlyMemory<byte> PublicKey => publicKey;
}
