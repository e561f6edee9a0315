// Flash in memory whose power can be cut at any byte of any operation, with what a real part may leave behind: a prefix, a prefix and
// garbage in the torn page, later pages without earlier ones. Deterministic: the same cut and seed leave the same bytes. For tests of
// what survives; also fails single writes without a cut, "not persisted" and "persisted all the same".

using DePIN.Firmware.Board;

namespace DePIN.VirtualBoard.Flash;

/// <summary>The power is gone. Not an IOException: no handler of the firmware may live through it.</summary>
public sealed class PowerCutException : Exception
{
    public PowerCutException()
        : base("the power was cut")
    {
    }

    public PowerCutException(string message)
        : base(message)
    {
    }

    public PowerCutException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>How the bytes of an operation that was cut are left.</summary>
public enum TornWrite
{
    /// <summary>Those written before the cut.</summary>
    Prefix,

    /// <summary>Those written before the cut, then random bytes to the end of the page.</summary>
    Garbage,

    /// <summary>The whole length, of which one page is erased: pages may reach the part out of order.</summary>
    ErasedPage,
}

/// <summary>One flash part between two power cuts.</summary>
public sealed class PowerCutFlash : IFlash
{
    public const int PageBytes = 256;

    private readonly SortedDictionary<string, byte[]> _files = new(StringComparer.Ordinal);
    private readonly TornWrite _torn;
    private readonly Random _random;
    private long _left;
    private bool _dead;
    private bool? _failNextPersisted;

    /// <param name="cutAfter">Steps until the power goes: a byte written is one, creating or emptying a file one, a delete one.</param>
    public PowerCutFlash(long cutAfter = long.MaxValue, TornWrite torn = TornWrite.Prefix, int seed = 0)
    {
        _left = cutAfter;
        _torn = torn;
        _random = new Random(seed);
    }

    /// <summary>Steps of each operation so far, in order: where cuts can be put.</summary>
    public List<int> Operations { get; } = [];

    /// <summary>Steps so far.</summary>
    public long Steps { get; private set; }

    /// <summary>What is left when the power comes back, with a new budget.</summary>
    public PowerCutFlash Survivor(long cutAfter = long.MaxValue, TornWrite torn = TornWrite.Prefix, int seed = 0)
    {
        PowerCutFlash next = new(cutAfter, torn, seed);
        foreach ((string name, byte[] content) in _files)
        {
            next._files[name] = content;
        }

        return next;
    }

    /// <summary>The next write throws IOException, having done all or nothing.</summary>
    public void FailNextWrite(bool persisted) => _failNextPersisted = persisted;

    /// <summary>Changes one bit of a file, as a dying cell does.</summary>
    public void FlipBit(string name, int bit)
    {
        byte[] content = [.. _files[name]];
        content[bit / 8] ^= (byte)(1 << (bit % 8));
        _files[name] = content;
    }

    public int Length(string name)
    {
        CheckAlive();
        return _files.TryGetValue(name, out byte[]? content) ? content.Length : -1;
    }

    public int Read(string name, int fileOffset, byte[] buffer, int offset, int count)
    {
        CheckAlive();
        if (!_files.TryGetValue(name, out byte[]? content) || fileOffset >= content.Length)
        {
            return 0;
        }

        int take = Math.Min(count, content.Length - fileOffset);
        Array.Copy(content, fileOffset, buffer, offset, take);
        return take;
    }

    public void Write(string name, byte[] buffer, int offset, int count) => Put(name, [], buffer.AsSpan(offset, count), 1);

    public void Append(string name, byte[] buffer, int offset, int count)
    {
        byte[] before = _files.GetValueOrDefault(name, []);
        Put(name, before, buffer.AsSpan(offset, count), _files.ContainsKey(name) ? 0 : 1);
    }

    public void Delete(string name)
    {
        CheckAlive();
        bool cut = Spend(1);
        if (!cut || _left == 0)
        {
            _files.Remove(name);
        }

        if (cut)
        {
            throw new PowerCutException();
        }
    }

    public string[] List()
    {
        CheckAlive();
        return [.. _files.Keys];
    }

    private void Put(string name, byte[] before, ReadOnlySpan<byte> added, int opening)
    {
        CheckAlive();
        if (_failNextPersisted is { } persisted)
        {
            _failNextPersisted = null;
            if (persisted)
            {
                _files[name] = [.. before, .. added];
            }

            throw new IOException("flash error");
        }

        long available = _left;
        int cost = opening + added.Length;
        if (!Spend(cost))
        {
            _files[name] = [.. before, .. added];
            return;
        }

        if (available >= cost)
        {
            // The last byte made it, the return did not.
            _files[name] = [.. before, .. added];
        }
        else if (available >= opening && available > 0)
        {
            _files[name] = [.. before, .. Torn(added, (int)(available - opening))];
        }

        throw new PowerCutException();
    }

    private byte[] Torn(ReadOnlySpan<byte> added, int written)
    {
        switch (_torn)
        {
            case TornWrite.Garbage:
                byte[] garbage = new byte[Math.Min(PageBytes - (written % PageBytes), added.Length - written)];
                _random.NextBytes(garbage);
                return [.. added[..written], .. garbage];
            case TornWrite.ErasedPage:
                byte[] whole = added.ToArray();
                int page = _random.Next((added.Length + PageBytes - 1) / PageBytes) * PageBytes;
                Array.Fill(whole, (byte)0xFF, page, Math.Min(PageBytes, whole.Length - page));
                return whole;
            default:
                return added[..written].ToArray();
        }
    }

    // True: the power goes during these steps (or right behind them).
    private bool Spend(int steps)
    {
        Operations.Add(steps);
        Steps += steps;
        if (_left > steps)
        {
            _left -= steps;
            return false;
        }

        _left -= steps;
        _dead = true;
        return true;
    }

    private void CheckAlive()
    {
        if (_dead)
        {
            throw new PowerCutException();
        }
    }
}
