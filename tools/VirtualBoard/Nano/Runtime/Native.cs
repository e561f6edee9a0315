// nanoFramework.Runtime.Native: reboot, RTC, system information.

using DePIN.VirtualBoard.Hardware;

namespace nanoFramework.Runtime.Native;

public enum RebootOption
{
    NormalReboot = 0,
    EnterNanoBooter = 1,
    ClrOnly = 2,
    EnterProprietaryBooter = 8,
}

public delegate void RebootEventHandler();

/// <summary>A virtual board reboots by leaving the firmware: its main thread ends here and the board starts it again.</summary>
public class Power
{
    public static event RebootEventHandler? OnRebootEvent;

    public static void RebootDevice(RebootOption rebootOption = RebootOption.NormalReboot)
    {
        OnRebootEvent?.Invoke();
        throw new VirtualRebootException();
    }

    public static void RebootDevice(int exeConstraintTimeout, RebootOption rebootOption = RebootOption.NormalReboot) => RebootDevice(rebootOption);
}

/// <summary>The collector. A virtual board's heap is the host's, of an assumed size.</summary>
public static class GC
{
    private const long HeapBytes = 1L << 30;

    /// <summary>Bytes free after a collection.</summary>
    public static uint Run(bool compactHeap) => (uint)Math.Clamp(HeapBytes - System.GC.GetTotalMemory(compactHeap), 0, HeapBytes);
}

/// <summary>The RTC of a virtual board is the host's clock: setting it succeeds and changes nothing.</summary>
public static class Rtc
{
    public static bool SetSystemTime(DateTime time) => true;
}

public static class SystemInfo
{
    public static Version Version { get; } = new(1, 17, 0, 0);

    public static string OEMString => "DePIN Edge virtual board";

    public static string TargetName => "VIRTUAL_ESP32";

    public static string Platform => "ESP32";
}
