namespace DePIN.Firmware.Sign.Atecc608
{
    /// <summary>The chip was given up on, after all tries; the message names what was asked and what came.</summary>
    public sealed class Atecc608Exception : SignerException
    {
        public readonly Atecc608Fault Fault;

        /// <summary>The chip's status byte, when it refused.</summary>
        public readonly byte Status;

        public Atecc608Exception(Atecc608Fault fault, byte status, string message)
            : base(message)
        {
            Fault = fault;
            Status = status;
        }
    }
}
