using System.Diagnostics;
using System.Runtime.InteropServices;

namespace DePIN.Tests.Harness;

/// <summary>A PKCS#11 token of SoftHSM 2 in a folder of its own. One at a time: SoftHSM finds its folder by an environment variable of the process.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class SoftToken : IDisposable
{
    public const string Pin = "1234";

    private readonly TempFolder _folder = new();

    public SoftToken()
    {
        string settings = Path.Combine(_folder.Path, "softhsm2.conf");
        File.WriteAllText(settings, $"directories.tokendir = {_folder.Sub("tokens")}\nobjectstore.backend = file\nlog.level = ERROR\n");
        Environment.SetEnvironmentVariable("SOFTHSM2_CONF", settings); // for child processes
        if (SetEnvironment("SOFTHSM2_CONF", settings, 1) != 0) throw new InvalidOperationException("setenv failed"); // for the library in this one
        PinFile = Write("pin", Pin + "\n");
        Run("--init-token", "--free", "--label", "depin test", "--pin", Pin, "--so-pin", "5678");
    }

    /// <summary>The library, where Debian has it.</summary>
    public static string Library { get; } = new[] { "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so" }.FirstOrDefault(File.Exists)
        ?? "libsofthsm2.so";

    public string PinFile { get; }

    /// <summary>The token is not there while its folder has another name.</summary>
    public bool IsPulled
    {
        set
        {
            string here = Path.Combine(_folder.Path, "tokens"), away = Path.Combine(_folder.Path, "pulled");
            if (!value) Directory.Delete(here);
            Directory.Move(value ? here : away, value ? away : here);
            if (value) Directory.CreateDirectory(here);
        }
    }

    public string Uri(string key = "gateway", string? pinFile = null) => $"pkcs11:token=depin%20test;object={key}?module-path={Library}&pin-source=file:{pinFile ?? PinFile}";

    /// <summary>A private file.</summary>
    public string Write(string name, string content)
    {
        string path = Path.Combine(_folder.Path, name);
        File.WriteAllText(path, content);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return path;
    }

    /// <summary>softhsm2-util, to its end.</summary>
    public static void Run(params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("softhsm2-util", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })
            ?? throw new InvalidOperationException("softhsm2-util does not start; tests/run installs it");
        string output = process.StandardOutput.ReadToEnd() + process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException("softhsm2-util: " + output);
    }

    /// <summary>What a token does that is pulled: the library's sessions are gone, behind the back of who has them.</summary>
    public static void EndSessions() => _ = End(0);

    public void Dispose() => _folder.Dispose();

    [DllImport("libc", EntryPoint = "setenv")]
    private static extern int SetEnvironment([MarshalAs(UnmanagedType.LPUTF8Str)] string name, [MarshalAs(UnmanagedType.LPUTF8Str)] string value, int overwrite);

    private static nuint End(nint reserved) => Marshal.GetDelegateForFunctionPointer<Finalize>(NativeLibrary.GetExport(NativeLibrary.Load(Library), "C_Finalize"))(reserved);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate nuint Finalize(nint reserved);
}
