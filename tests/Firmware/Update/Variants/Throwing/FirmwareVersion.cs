using System;

namespace DePIN.Firmware
{
    /// <summary>A later version that ends as soon as it says which one it is.</summary>
    public static class FirmwareVersion
    {
        public static string Text
        {
            get { throw new InvalidOperationException("this version throws"); }
        }
    }
}
