// System.Device.Wifi, as far as it starts the radio.

using DePIN.VirtualBoard.Hardware;

namespace System.Device.Wifi;

public sealed class WifiAdapter : IDisposable
{
    private WifiAdapter()
    {
    }

    public static WifiAdapter[] FindAllAdapters() => [new()];

    /// <exception cref="InvalidOperationException">The virtual hardware's radio does not work.</exception>
    public void ScanAsync()
    {
        if (!VirtualHardware.Current.RadioWorks)
        {
            throw new InvalidOperationException("the radio does not start");
        }
    }

    public void Dispose()
    {
    }
}
