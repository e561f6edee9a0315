namespace DePIN.Firmware
{
    /// <summary>The version this source is: in the identity answer, at boot, and in the state of updates. At most 15 characters.</summary>
    public static class FirmwareVersion
    {
        public const string Text = "0.1.0";
    }
}
