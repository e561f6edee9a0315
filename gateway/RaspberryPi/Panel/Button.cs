namespace DePIN.Gateway.RaspberryPi.Panel;

/// <summary>What a press meant.</summary>
public enum Press
{
    /// <summary>Nothing, or not over yet.</summary>
    None,

    /// <summary>Held 30 ms to 5 s and let go: the next page.</summary>
    Short,

    /// <summary>Held 5 s: told once, while it is still held.</summary>
    Long,
}

/// <summary>Tells presses from bounces. Asked often, with a clock in ms.</summary>
public sealed class Button
{
    /// <summary>Shorter ones are bounces of the contact.</summary>
    public const long LeastMs = 30;

    /// <summary>From here on it is a long one.</summary>
    public const long LongMs = 5_000;

    private long? _since;
    private bool _told;

    /// <summary>What is known now.</summary>
    public Press Next(bool pressed, long ms)
    {
        if (pressed)
        {
            _since ??= ms;
            if (_told || ms - _since < LongMs) return Press.None;
            _told = true;
            return Press.Long;
        }

        long held = _since is { } since && !_told ? ms - since : 0;
        (_since, _told) = (null, false);
        return held >= LeastMs ? Press.Short : Press.None;
    }
}
