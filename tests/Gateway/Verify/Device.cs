using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Tests.Verify;

/// <summary>A device as the firmware is: keeps what is not acknowledged and sends the oldest first, with a window.</summary>
internal static class Device
{
    /// <summary>Sends until every frame is acknowledged. A permanent refusal fails the test.</summary>
    public static async Task SendAllAsync(Pipeline pipeline, SigningDevice device, byte[][] frames, int window)
    {
        int acknowledged = 0;
        while (acknowledged < frames.Length)
        {
            Task<FrameVerdict>[] sent = [.. frames.Skip(acknowledged).Take(window).Select(frame => pipeline.SubmitAsync(device, frame))];
            FrameVerdict[] verdicts = await Task.WhenAll(sent);
            int durable = 0;
            while (durable < verdicts.Length && verdicts[durable].IsDurable())
                durable++;
            foreach (FrameVerdict verdict in verdicts)
                Assert.That(verdict.IsDurable() || verdict.IsRetryLater(), Is.True, $"{verdict}");
            Assert.That(verdicts.Skip(durable).Any(one => one == FrameVerdict.Accepted), Is.False, "nothing behind a refused frame is accepted");
            acknowledged += durable;
            if (durable == 0)
                await Task.Delay(1);
        }
    }
}
