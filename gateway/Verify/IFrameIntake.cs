namespace DePIN.Gateway.Verify;

/// <summary>Where ingest hands frames in. Implemented by <see cref="FrameVerifier"/>; safe to call from any number of threads.</summary>
public interface IFrameIntake
{
    /// <summary>
    /// Verifies and stores one frame. Completes only when the frame is durable or refused.
    /// Frames of one device are decided in the order of the calls, so call in the order of arrival and await afterwards.
    /// </summary>
    /// <param name="topicDeviceId">The device id the topic names, 20 bytes; read before the call returns.</param>
    /// <param name="frame">The frame as received, 144 to 1,168 bytes; must stay unchanged until completion.</param>
    /// <param name="cancellationToken">Observed on entry only: a frame in the pipeline is decided, not abandoned.</param>
    /// <returns>The verdict. Hostile input never throws. Await it once, at once or later.</returns>
    ValueTask<FrameVerdict> SubmitAsync(ReadOnlyMemory<byte> topicDeviceId, ReadOnlyMemory<byte> frame, CancellationToken cancellationToken);
}
