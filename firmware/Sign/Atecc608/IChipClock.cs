namespace DePIN.Firmware.Sign.Atecc608
{
    /// <summary>The driver's time: waiting while the chip works, and the age of its wake. A test's clock moves when somebody waits.</summary>
    public interface IChipClock
    {
        /// <summary>Milliseconds that only go forward.</summary>
        long NowMs();

        /// <summary>Waits at least that long.</summary>
        void Wait(int milliseconds);
    }
}
