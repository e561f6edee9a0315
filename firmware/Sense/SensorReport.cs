namespace DePIN.Firmware.Sense
{
    /// <summary>What one sensor did when it was tested.</summary>
    public sealed class SensorReport
    {
        /// <summary>It answered when it was looked for.</summary>
        public bool IsPresent;

        /// <summary>It measured. A sensor that has nothing new yet measures without a value.</summary>
        public bool HasRead;

        /// <summary>How long it took.</summary>
        public int Milliseconds;

        /// <summary>Lines: its name, then channel=value (value × 10^exponent as digits and "e"), or what went wrong.</summary>
        public string Text = "";
    }
}
