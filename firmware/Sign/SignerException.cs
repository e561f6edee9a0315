using System;

namespace DePIN.Firmware.Sign
{
    /// <summary>The key could not be used, or none could be made. The message says why and what to do; it never holds key material.</summary>
    public class SignerException : Exception
    {
        public SignerException(string message)
            : base(message)
        {
        }
    }
}
