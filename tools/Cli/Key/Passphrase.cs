using System.Security.Cryptography;
using System.Text;
using DePIN.Cli.Terminal;

namespace DePIN.Cli.Key;

/// <summary>
/// Where a keystore's passphrase comes from: a file, a file descriptor (/dev/fd/3 is a file), the environment, or the keyboard without
/// echo. Never an argument, which every user of the machine can read in the list of processes. UTF-8 in one pinned array, zeroed on dispose.
/// </summary>
public sealed class Passphrase : IDisposable
{
    public const string Variable = "DEPIN_PASSPHRASE";

    private const int BytesMax = 1024;

    private readonly byte[] bytes;
    private readonly int count;

    private Passphrase(byte[] bytes, int count)
    {
        this.bytes = bytes;
        this.count = count;
    }

    public ReadOnlySpan<byte> Bytes => bytes.AsSpan(0, count);

    /// <param name="file">--passphrase-file, or null.</param>
    /// <param name="confirm">Ask twice at the keyboard, for a new keystore.</param>
    public static Passphrase Take(string? file, bool confirm = false)
    {
        if (file is not null)
        {
            return FromFile(file);
        }

        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } text)
        {
            return FromText(text.AsSpan());
        }

        if (Console.IsInputRedirected)
        {
            throw new CliError(ExitCode.BadInput, "the keystore needs a passphrase, and there is no keyboard to ask at", $"give --passphrase-file FILE (also /dev/fd/N) or set {Variable}", "key.no-passphrase");
        }

        Passphrase first = Ask("passphrase: ");
        if (confirm)
        {
            using Passphrase second = Ask("again: ");
            if (!CryptographicOperations.FixedTimeEquals(first.Bytes, second.Bytes))
            {
                first.Dispose();
                throw new CliError(ExitCode.BadInput, "the two passphrases differ", "run the command again", "key.passphrases-differ");
            }
        }

        return first;
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(bytes);

    private static Passphrase FromText(ReadOnlySpan<char> text)
    {
        byte[] bytes = GC.AllocateArray<byte>(BytesMax, pinned: true);
        return Encoding.UTF8.TryGetBytes(text, bytes, out int count) ? new Passphrase(bytes, count) : throw TooLong();
    }

    /// <summary>The first line of a file, without its end. A file of others than its owner is refused; a pipe is not.</summary>
    private static Passphrase FromFile(string path)
    {
        byte[] bytes = GC.AllocateArray<byte>(BytesMax + 2, pinned: true);
        try
        {
            PrivateKeyMode.Check(path, "--passphrase-file");
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            int total = 0;
            for (int read = file.Read(bytes, total, bytes.Length - total); read > 0; read = file.Read(bytes, total, bytes.Length - total))
            {
                total += read;
            }

            int end = bytes.AsSpan(0, total).IndexOf((byte)'\n');
            end = end < 0 ? total : end;
            end -= end > 0 && bytes[end - 1] == '\r' ? 1 : 0;
            return end <= BytesMax ? new Passphrase(bytes, end) : throw TooLong();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"--passphrase-file: {path} cannot be read: {error.Message}", "name a file with the passphrase in its first line and mode 0600", "key.no-passphrase");
        }
    }

    /// <summary>A line from the keyboard, without echo.</summary>
    internal static Passphrase Ask(string prompt)
    {
        if (!OperatingSystem.IsWindows())
        {
            byte[] line = GC.AllocateArray<byte>(BytesMax, pinned: true);
            int bytes = HiddenInput.ReadLine(prompt, line);
            return bytes >= 0 ? new Passphrase(line, bytes) : throw TooLong();
        }

        char[] typed = GC.AllocateArray<char>(BytesMax, pinned: true);
        int count = 0;
        Console.Error.Write(prompt);
        try
        {
            while (Console.ReadKey(intercept: true) is { Key: not ConsoleKey.Enter } key)
            {
                if (key.Key == ConsoleKey.Backspace)
                {
                    count = Math.Max(0, count - 1);
                }
                else if (key.KeyChar != 0)
                {
                    typed[count] = count < typed.Length - 1 ? key.KeyChar : throw TooLong();
                    count++;
                }
            }

            return FromText(typed.AsSpan(0, count));
        }
        finally
        {
            Console.Error.WriteLine();
            Array.Clear(typed);
        }
    }

    private static CliError TooLong() => new(ExitCode.BadInput, $"a passphrase has at most {BytesMax} bytes", "take a shorter one", "key.no-passphrase");
}
