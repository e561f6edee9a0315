namespace DePIN.Gateway.RaspberryPi.Panel;

/// <summary>The status LED: flashes of 150 ms in a period of 3 s. One: healthy. Two: degraded. Four: failed. On without a pause: the gateway is silent.</summary>
public static class StatusLight
{
    private const int PeriodMs = 3_000;
    private const int StepMs = 150;

    /// <summary>Whether the light is on now.</summary>
    /// <param name="standing">How the gateway stands.</param>
    /// <param name="ms">Any clock that runs evenly.</param>
    public static bool IsOn(Standing standing, long ms)
    {
        int flashes = standing switch
        {
            Standing.Healthy => 1, Standing.Degraded => 2, Standing.Failed => 4, _ => int.MaxValue,
        };
        long step = ms % PeriodMs / StepMs;
        return flashes == int.MaxValue || (step % 2 == 0 && step / 2 < flashes);
    }
}
