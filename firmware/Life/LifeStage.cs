namespace DePIN.Firmware.Life
{
    /// <summary>What a node does at a time; which follows which is in <see cref="LifePlan"/>.</summary>
    public enum LifeStage
    {
        /// <summary>Settings, key, ring and sensors are opened.</summary>
        Boot = 0,

        /// <summary>It may not sign: it answers over serial and waits.</summary>
        Provision = 1,

        /// <summary>One round of measurements.</summary>
        Sample = 2,

        /// <summary>The samples become a frame, on flash first.</summary>
        Sign = 3,

        /// <summary>Wi-Fi and gateway, for a while.</summary>
        Connect = 4,

        /// <summary>What is owed goes out, and the time comes in.</summary>
        Publish = 5,

        /// <summary>Awake until the next round; a node that does not sleep publishes meanwhile, by its own thread.</summary>
        Rest = 6,

        /// <summary>State and samples go to flash; then the chip's memory may be lost.</summary>
        Sleep = 7,

        /// <summary>The main thread ends: the chip sleeps, or starts again.</summary>
        End = 8,
    }
}
