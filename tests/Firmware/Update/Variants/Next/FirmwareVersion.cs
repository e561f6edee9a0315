namespace DePIN.Firmware
{
    /// <summary>A later version.</summary>
    public static class FirmwareVersion
    {
        public const string Text = "0.2.0";
    }
}
