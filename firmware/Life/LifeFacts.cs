namespace DePIN.Firmware.Life
{
    /// <summary>What <see cref="LifePlan"/> looks at.</summary>
    public sealed class LifeFacts
    {
        /// <summary>The state lets the node sign.</summary>
        public bool MaySign;

        /// <summary>sleep=deep, and no release is on trial.</summary>
        public bool Sleeps;

        /// <summary>The samples are to become a frame now.</summary>
        public bool FrameDue;

        /// <summary>There is something to send or no good time, and the last failure is long enough ago.</summary>
        public bool ConnectDue;

        /// <summary>The gateway took the connection.</summary>
        public bool Connected;

        /// <summary>The next round is too near to sleep.</summary>
        public bool NapTooShort;

        /// <summary>Flash took state and samples.</summary>
        public bool Kept;
    }
}
