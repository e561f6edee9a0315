// A meter's S0 output (DIN 43864, IEC 62053-31): a contact to ground that closes for an impulse and bounces. It knows nothing of the
// node's pull-up: open means that the level is what the pin's pull-up makes it, high.

namespace DePIN.VirtualBoard.Hardware;

/// <summary>The contact. Whoever owns the time moves it between the edges.</summary>
public sealed class SimulatedS0Output(VirtualHardware hardware, int pin)
{
    /// <summary>Shortest impulse and shortest pause.</summary>
    public static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(30);

    /// <summary>The contact closes: low.</summary>
    public void Close() => hardware.DriveGpio(pin, false);

    /// <summary>The contact opens: the pull-up makes it high.</summary>
    public void Open() => hardware.DriveGpio(pin, true);

    /// <summary>One impulse and its pause.</summary>
    /// <param name="wait">Lets time pass.</param>
    /// <param name="bounces">How often the contact opens and closes again within <paramref name="bouncing"/>, at both of its edges.</param>
    public void Impulse(Action<TimeSpan> wait, TimeSpan closed, TimeSpan open, int bounces = 0, TimeSpan bouncing = default)
    {
        ArgumentNullException.ThrowIfNull(wait);
        Edge(Close, Open, wait, closed, bounces, bouncing);
        Edge(Open, Close, wait, open, bounces, bouncing);
    }

    private static void Edge(Action there, Action back, Action<TimeSpan> wait, TimeSpan length, int bounces, TimeSpan bouncing)
    {
        there();
        for (int i = 0; i < bounces; i++)
        {
            wait(bouncing / (2 * bounces));
            back();
            wait(bouncing / (2 * bounces));
            there();
        }

        wait(length - bouncing);
    }
}
