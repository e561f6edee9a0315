// System.Device.Adc of nanoFramework 1.x: a 12-bit converter whose channels see what the virtual hardware attaches to them.

using DePIN.VirtualBoard.Hardware;

namespace System.Device.Adc;

public enum AdcChannelMode
{
    SingleEnded = 0,
    Differential = 1,
}

public abstract class AdcControllerBase
{
    public abstract int ChannelCount { get; }

    public abstract AdcChannelMode ChannelMode { get; set; }

    public abstract int MaxValue { get; }

    public abstract int MinValue { get; }

    public abstract int ResolutionInBits { get; }

    public abstract bool IsChannelModeSupported(AdcChannelMode channelMode);

    public abstract AdcChannel OpenChannel(int channelNumber);
}

public class AdcController : AdcControllerBase
{
    public override int ChannelCount => 20;

    public override AdcChannelMode ChannelMode { get; set; }

    public override int MaxValue => 4095;

    public override int MinValue => 0;

    public override int ResolutionInBits => 12;

    public override bool IsChannelModeSupported(AdcChannelMode channelMode) => channelMode == AdcChannelMode.SingleEnded;

    public override AdcChannel OpenChannel(int channelNumber)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(channelNumber);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(channelNumber, ChannelCount);
        return new AdcChannel(this, channelNumber);
    }
}

public abstract class AdcChannelBase
{
    protected AdcChannelBase(AdcController controller) => Controller = controller;

    public AdcController Controller { get; }

    public abstract int ReadValue();

    public double ReadRatio() => ReadValue() / (double)Controller.MaxValue;
}

public class AdcChannel : AdcChannelBase, IDisposable
{
    private readonly VirtualHardware _hardware = VirtualHardware.Current;
    private readonly int _number;

    internal AdcChannel(AdcController controller, int number)
        : base(controller) => _number = number;

    public override int ReadValue() => _hardware.ReadAdc(_number);

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
    }
}
