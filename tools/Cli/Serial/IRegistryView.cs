namespace DePIN.Cli.Serial;

/// <summary>What enumeration reads of the Windows registry below HKEY_LOCAL_MACHINE; missing keys are empty.</summary>
public interface IRegistryView
{
    IReadOnlyList<string> Keys(string path);

    /// <summary>The values that are text.</summary>
    IReadOnlyDictionary<string, string> Values(string path);
}
