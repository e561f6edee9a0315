// System.Device.I2c of nanoFramework 1.x over the simulated bus.

using DePIN.VirtualBoard.Hardware;

namespace System.Device.I2c;

public enum I2cBusSpeed
{
    StandardMode = 0,
    FastMode = 1,
    FastModePlus = 2,
}

public enum I2cTransferStatus
{
    UnknownError = 0,
    FullTransfer = 1,
    ClockStretchTimeout = 2,
    PartialTransfer = 3,
    SlaveAddressNotAcknowledged = 4,
}

public readonly struct I2cTransferResult
{
    internal I2cTransferResult(I2cTransferStatus status, int bytes)
    {
        Status = status;
        BytesTransferred = (uint)bytes;
    }

    public uint BytesTransferred { get; }

    public I2cTransferStatus Status { get; }
}

public sealed class I2cConnectionSettings(int busId, int deviceAddress, I2cBusSpeed busSpeed)
{
    public I2cConnectionSettings(int busId, int deviceAddress)
        : this(busId, deviceAddress, I2cBusSpeed.FastMode)
    {
    }

    public int BusId { get; } = busId;

    public int DeviceAddress { get; } = deviceAddress;

    public I2cBusSpeed BusSpeed { get; } = busSpeed;
}

public class I2cDevice : IDisposable
{
    private const int GeneralCallAddress = 0;
    private const int AddressBits = 8;

    private static readonly I2cTransferResult Nobody = new(I2cTransferStatus.SlaveAddressNotAcknowledged, 0);
    private static readonly I2cTransferResult TimedOut = new(I2cTransferStatus.ClockStretchTimeout, 0);

    private readonly VirtualHardware _hardware = VirtualHardware.Current;

    public I2cDevice(I2cConnectionSettings settings)
    {
        ConnectionSettings = settings;

        // As on the ESP32: the device that was made last has set the speed of the whole bus.
        _hardware.SetI2cSpeed(settings.BusId, settings.BusSpeed switch
        {
            I2cBusSpeed.FastModePlus => 1_000_000,
            I2cBusSpeed.FastMode => 400_000,
            _ => 100_000,
        });
    }

    public I2cConnectionSettings ConnectionSettings { get; }

    public static I2cDevice Create(I2cConnectionSettings settings) => new(settings);

    public byte ReadByte()
    {
        byte[] one = new byte[1];
        Read(one);
        return one[0];
    }

    public I2cTransferResult Read(SpanByte buffer) => _hardware.BeginI2c(ConnectionSettings.BusId) ? DoRead(buffer) : TimedOut;

    public I2cTransferResult WriteByte(byte value) => Write(new byte[] { value });

    public I2cTransferResult Write(SpanByte buffer) => _hardware.BeginI2c(ConnectionSettings.BusId) ? DoWrite(buffer) : TimedOut;

    public I2cTransferResult WriteRead(SpanByte writeBuffer, SpanByte readBuffer)
    {
        if (!_hardware.BeginI2c(ConnectionSettings.BusId))
        {
            return TimedOut;
        }

        I2cTransferResult written = DoWrite(writeBuffer);
        if (written.Status != I2cTransferStatus.FullTransfer)
        {
            return written;
        }

        I2cTransferResult read = DoRead(readBuffer);
        return new I2cTransferResult(read.Status, (int)(written.BytesTransferred + read.BytesTransferred));
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
    }

    private I2cTransferResult DoRead(SpanByte buffer)
    {
        if (Find() is not { } peripheral || !peripheral.Acknowledges(isRead: true))
        {
            return Nobody;
        }

        byte[] bytes = new byte[buffer.Length];
        peripheral.Read(bytes);
        new SpanByte(bytes).CopyTo(buffer);
        return new I2cTransferResult(I2cTransferStatus.FullTransfer, bytes.Length);
    }

    private I2cTransferResult DoWrite(SpanByte buffer)
    {
        // The ESP32 sends no address for an empty write, and so nobody refuses it.
        if (buffer.IsEmpty)
        {
            return new I2cTransferResult(I2cTransferStatus.FullTransfer, 0);
        }

        if (Find() is not { } peripheral || !peripheral.Acknowledges(isRead: false))
        {
            return Nobody;
        }

        // A byte that is not acknowledged looks to the ESP32's driver like an address that is not.
        int taken = peripheral.Write(buffer.ToArray());
        return taken == buffer.Length ? new I2cTransferResult(I2cTransferStatus.FullTransfer, taken) : Nobody;
    }

    private II2cPeripheral? Find()
    {
        if (ConnectionSettings.DeviceAddress == GeneralCallAddress)
        {
            _hardware.CallAllOnI2c(ConnectionSettings.BusId, AddressBits);
            return null;
        }

        return _hardware.FindI2c(ConnectionSettings.BusId, ConnectionSettings.DeviceAddress);
    }
}
