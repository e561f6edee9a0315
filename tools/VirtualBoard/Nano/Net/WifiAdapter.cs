// System.Device.Wifi, as far as it tells whether the radio is on.

using DePIN.VirtualBoard.Hardware;

namespace System.Device.Wifi;

public sealed class WifiAdapter : IDisposable
{
    private WifiAdapter()
    {
    }

    public static WifiAdapter[] FindAllAdapters() => [new()];

    /// <exception cref="InvalidOperationException">The virtual hardware's radio is off.</exception>
    public void ScanAsync()
    {
        if (!VirtualHardware.Current.RadioWorks)
        {
            throw new InvalidOperationException("the radio is off");
        }
    }

    public void Dispose()
    {
    }
}
