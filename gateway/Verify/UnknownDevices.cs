namespace DePIN.Gateway.Verify;

/// <summary>
/// Devices the registry did not know, remembered for a while, and the frames that wait while it is asked. Both bounded: a stranger
/// who makes up ids costs at most LookupsMax questions at a time. The oldest memory goes first.
/// </summary>
internal sealed class UnknownDevices(VerifierOptions options, TimeProvider time)
{
    private readonly Lock gate = new();
    private readonly Dictionary<DeviceIdValue, (long Until, ulong Lowest)> remembered = [];
    private readonly Queue<DeviceIdValue> order = new();
    private readonly Dictionary<DeviceIdValue, Lookup> lookups = [];
    private int lookupCount;
    private int rememberedCount;

    /// <summary>Frames of one device that wait for one answer. Guarded by itself.</summary>
    internal sealed class Lookup
    {
        public readonly List<Submission> Waiting = [];
        public bool Done;
    }

    public bool AnyLookup => Volatile.Read(ref lookupCount) > 0;

    public bool AnyRemembered => Volatile.Read(ref rememberedCount) > 0;

    public int Remembered => Volatile.Read(ref rememberedCount);

    public Lookup? Running(DeviceIdValue id)
    {
        lock (gate)
            return lookups.GetValueOrDefault(id);
    }

    /// <summary>Begins to ask for a device, or gives the question already under way. Null: it is known to be unknown, or too many are asked.</summary>
    public Lookup? Begin(DeviceIdValue id, ulong sequence, out bool started)
    {
        started = false;
        lock (gate)
        {
            if (lookups.TryGetValue(id, out Lookup? running))
                return running;
            bool known = remembered.TryGetValue(id, out (long Until, ulong Lowest) entry);
            if ((known && time.GetTimestamp() < entry.Until) || lookups.Count >= options.LookupsMax)
            {
                Remember(id, known ? entry.Until : 0, sequence);
                return null;
            }
            started = true;
            Lookup lookup = new();
            lookups.Add(id, lookup);
            Volatile.Write(ref lookupCount, lookups.Count);
            return lookup;
        }
    }

    public void End(DeviceIdValue id)
    {
        lock (gate)
        {
            lookups.Remove(id);
            Volatile.Write(ref lookupCount, lookups.Count);
        }
    }

    /// <summary>The registry said no: not asked again for a while.</summary>
    public void RememberNo(DeviceIdValue id, ulong lowest) => RememberUntil(id, time.GetTimestamp() + (options.UnknownDeviceMs * time.TimestampFrequency / 1000), lowest);

    /// <summary>Refused without an answer: only the sequence is remembered.</summary>
    public void RememberRefused(DeviceIdValue id, ulong lowest) => RememberUntil(id, 0, lowest);

    /// <summary>The lowest sequence refused while the device was unknown; 0 none. Forgotten with the answer.</summary>
    public ulong TakeRefused(DeviceIdValue id)
    {
        lock (gate)
        {
            // The id stays in the order: its turn to go then finds nothing.
            if (!remembered.Remove(id, out (long Until, ulong Lowest) entry))
                return 0;
            Volatile.Write(ref rememberedCount, remembered.Count);
            return entry.Lowest;
        }
    }

    private void RememberUntil(DeviceIdValue id, long until, ulong lowest)
    {
        lock (gate)
            Remember(id, until, lowest);
    }

    private void Remember(DeviceIdValue id, long until, ulong lowest)
    {
        if (remembered.TryGetValue(id, out (long Until, ulong Lowest) entry))
        {
            remembered[id] = (Math.Max(until, entry.Until), Math.Min(entry.Lowest, lowest));
            return;
        }
        while (order.Count >= options.UnknownDevicesMax)
            remembered.Remove(order.Dequeue());
        remembered[id] = (until, lowest);
        order.Enqueue(id);
        Volatile.Write(ref rememberedCount, remembered.Count);
    }
}
