using DePIN.Cli.Up;

namespace DePIN.Cli.Key;

/// <summary>Writes a keystore so that there is either all of it or nothing, mode 0600, and never over another file.</summary>
public static class KeystoreFile
{
    /// <exception cref="IOException">There is a file of that name, or the disk refused.</exception>
    public static void Write(string path, ReadOnlySpan<byte> text)
    {
        string temporary = $"{path}.{Guid.NewGuid():N}.new";
        try
        {
            PrivateFile.Write(temporary, text); // fsynced
            File.Move(temporary, path, overwrite: false);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
