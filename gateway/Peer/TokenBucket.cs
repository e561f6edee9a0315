namespace DePIN.Gateway.Peer;

/// <summary>So much at once, so much a second. Lets a debt happen (what came has come) and says how long it takes to pay. Not safe for concurrent use.</summary>
public sealed class TokenBucket
{
    private readonly double _perSecond, _burst;
    private readonly TimeProvider _time;
    private double _tokens;
    private long _at;

    /// <param name="perSecond">What comes back in a second.</param>
    /// <param name="burst">What there is at most, and at first.</param>
    /// <param name="time">The clock.</param>
    public TokenBucket(double perSecond, double burst, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        (_perSecond, _burst, _tokens, _time, _at) = (perSecond, burst, burst, time, time.GetTimestamp());
    }

    /// <summary>Takes that much, or nothing when it is not there.</summary>
    public bool TryTake(double amount)
    {
        if (Refill() < amount) return false;
        _tokens -= amount;
        return true;
    }

    /// <summary>Takes that much even when it is not there; returns how long to wait until the debt is paid (zero: no debt).</summary>
    public TimeSpan Charge(double amount)
    {
        _tokens = Refill() - amount;
        return _tokens >= 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(-_tokens / _perSecond);
    }

    /// <summary>Puts something back.</summary>
    public void Refund(double amount) => _tokens = Math.Min(_burst, Refill() + amount);

    private double Refill()
    {
        long now = _time.GetTimestamp();
        _tokens = Math.Min(_burst, _tokens + _time.GetElapsedTime(_at, now).TotalSeconds * _perSecond);
        _at = now;
        return _tokens;
    }
}
