namespace DePIN.Firmware.Sense
{
    /// <summary>
    /// One sensor, one folder. Open finds it or says no; Read adds its samples or says no and adds none. Neither throws for a sensor
    /// that is absent, unplugged or silent: that is ordinary, it is counted by <see cref="SensorSet"/>.
    /// </summary>
    public interface ISensor
    {
        /// <summary>One word for the log.</summary>
        string Name { get; }

        /// <summary>The profile its channels belong to, for profile=auto.</summary>
        ushort Profile { get; }

        /// <summary>Finds and prepares the sensor. Called at boot and again while it is absent.</summary>
        bool Open();

        /// <summary>Measures now. False: nothing was added and the sensor must be opened again.</summary>
        bool Read(SampleSet samples, long uptimeMs);
    }
}
