namespace DePIN.Gateway.Verify;

/// <summary>Follows a few frames through verification and store. Called on the hot path: <see cref="IsSampled"/> for every frame, the rest for those it picked.</summary>
public interface IFrameWatch
{
    /// <summary>Whether to follow this frame; must be quick and the same for the same bytes.</summary>
    bool IsSampled(ReadOnlySpan<byte> frame);

    /// <summary>A sampled frame is durable. Times are timestamps of the verifier's clock; must not block, it is the store's thread.</summary>
    /// <param name="frame">Its bytes, valid during the call.</param>
    /// <param name="submitted">When it came from the listener.</param>
    /// <param name="decided">When its signature had been checked.</param>
    /// <param name="committed">When its commit had returned.</param>
    void Committed(ReadOnlySpan<byte> frame, long submitted, long decided, long committed);
}
