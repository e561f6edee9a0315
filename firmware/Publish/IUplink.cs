using DePIN.Firmware.Board;

namespace DePIN.Firmware.Publish
{
    /// <summary>Work that a connection is kept open for.</summary>
    public interface ISideWork
    {
        bool IsBusy { get; }
    }

    /// <summary>The way to the gateway of a node that sleeps: opened for a while, emptied, closed. Both calls end in bounded time.</summary>
    public interface IUplink
    {
        /// <summary>Turns it on and waits for the connection. False: there is none, and it is closed again.</summary>
        bool Open(StopSignal stop);

        /// <summary>Sends what is owed, takes the time, closes. Returns whether nothing is owed any more.</summary>
        bool Drain(StopSignal stop);
    }
}
