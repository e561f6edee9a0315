namespace DePIN.Gateway.Store;

/// <summary>Why the store did not do what was asked.</summary>
public enum StoreFault
{
    /// <summary>It did.</summary>
    None = 0,

    /// <summary>Disk budget, free-space floor or the disk itself.</summary>
    Full,

    /// <summary>The commit failed or is in doubt; the store reopens by itself. Ask again later.</summary>
    Unavailable,

    /// <summary>The file is damaged.</summary>
    Corrupt,

    /// <summary>What was asked for is dropped, by age or budget, after it was anchored.</summary>
    Dropped,

    /// <summary>Written by a newer version.</summary>
    Version,

    /// <summary>Another process has it open.</summary>
    Locked,

    /// <summary>Not permitted, or no such folder.</summary>
    Access,
}

/// <summary>A failure of the store, with a message that says what happened and what to do next.</summary>
public sealed class StoreException : Exception
{
    /// <summary>Makes one; <see cref="Fault"/> is Unavailable.</summary>
    public StoreException() : this(StoreFault.Unavailable, "The store is not available.") { }

    /// <summary>Makes one; <see cref="Fault"/> is Unavailable.</summary>
    public StoreException(string message) : this(StoreFault.Unavailable, message) { }

    /// <summary>Makes one; <see cref="Fault"/> is Unavailable.</summary>
    public StoreException(string message, Exception inner) : this(StoreFault.Unavailable, message, inner) { }

    /// <summary>Makes one.</summary>
    public StoreException(StoreFault fault, string message, Exception? inner = null) : base(message, inner) => Fault = fault;

    /// <summary>The kind of failure.</summary>
    public StoreFault Fault { get; }
}
