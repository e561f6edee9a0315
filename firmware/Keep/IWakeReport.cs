namespace DePIN.Firmware.Keep
{
    /// <summary>Who knows whether the chip woke from the sleep that a record announces, or was started by power or reset.</summary>
    public interface IWakeReport
    {
        bool IsWake(SleepState slept);
    }
}
