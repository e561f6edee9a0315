namespace DePIN.Firmware.Provision
{
    /// <summary>Where the serial line's answers go. Called by one thread, the line's own.</summary>
    public interface ILineOutput
    {
        /// <summary>Sends bytes; those nobody takes are lost, as on a wire.</summary>
        void Write(byte[] buffer, int offset, int count);
    }
}
