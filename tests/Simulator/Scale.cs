namespace DePIN.Simulator;
internal static class Scale
{
    public static readonly int[] Sizes = [16, 64, 256, 1_024];
    public static int Run(int[] sizes, bool json, TextWriter output) => 0;
}
