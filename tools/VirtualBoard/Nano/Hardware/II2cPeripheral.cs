namespace DePIN.VirtualBoard.Hardware;

/// <summary>A device on a simulated I2C bus, as its own registers see the bus. Called by one thread at a time per transfer.</summary>
public interface II2cPeripheral
{
    /// <summary>Whether it acknowledges its address now: one that sleeps or works does not.</summary>
    bool Acknowledges(bool isRead) => true;

    /// <summary>Zeros were clocked to address 0, which is how some chips are woken.</summary>
    /// <param name="lowUs">How long that held the data line low.</param>
    void GeneralCall(int lowUs)
    {
    }

    /// <summary>Bytes of a write transfer. Returns how many were acknowledged.</summary>
    int Write(ReadOnlySpan<byte> bytes);

    /// <summary>Fills a read transfer from where the last write pointed to.</summary>
    void Read(Span<byte> bytes);
}

/// <summary>
/// A peripheral with up to 256 byte registers and an address pointer that moves on while reading, which is what most sensors are.
/// </summary>
public abstract class RegisterPeripheral : II2cPeripheral
{
    private readonly Lock _gate = new();
    private byte _pointer;

    /// <summary>The register file.</summary>
    protected byte[] Registers { get; } = new byte[256];

    /// <inheritdoc/>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            if (bytes.Length > 0)
            {
                _pointer = bytes[0];
            }

            WriteRegisters(bytes);
            return bytes.Length;
        }
    }

    /// <inheritdoc/>
    public void Read(Span<byte> bytes)
    {
        lock (_gate)
        {
            for (int i = 0; i < bytes.Length; i++)
            {
                bytes[i] = OnRead(_pointer);
                _pointer++;
            }
        }
    }

    /// <summary>What the bytes of a write mean; the default is one address, then values for it and the following registers.</summary>
    protected virtual void WriteRegisters(ReadOnlySpan<byte> bytes)
    {
        for (int i = 1; i < bytes.Length; i++)
        {
            OnWrite((byte)(bytes[0] + i - 1), bytes[i]);
        }
    }

    /// <summary>A register is written.</summary>
    protected abstract void OnWrite(byte register, byte value);

    /// <summary>A register is read.</summary>
    protected virtual byte OnRead(byte register) => Registers[register];
}
