using DePIN.Cli.Terminal;
using DePIN.Evidence;

namespace DePIN.Cli.Verify;

/// <summary>A proof as a file: read strictly, written whole or not at all.</summary>
public static class ProofFile
{
    private const int BytesMax = 1024 * 1024;

    public static Proof Read(string path)
    {
        byte[] content;
        try
        {
            if (new FileInfo(path).Length > BytesMax)
            {
                throw new CliError(ExitCode.BadInput, $"{path} is larger than any proof ({BytesMax} bytes)", "name a file that 'depin prove' wrote");
            }

            content = File.ReadAllBytes(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"{path} cannot be read: {error.Message}", "name a file that 'depin prove' wrote");
        }

        return Parse(content, path);
    }

    public static Proof Parse(ReadOnlyMemory<byte> content, string source) => Proof.TryRead(content, out Proof? proof) is { } fault
        ? throw new CliError(ExitCode.NotProven, $"{source}: {fault.Message}", "get the proof again with 'depin prove DEVICE SEQUENCE -o FILE'")
        : proof!;

    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        string partial = path + ".new";
        try
        {
            using (FileStream file = new(partial, FileMode.Create, FileAccess.Write))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            File.Move(partial, path, overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"{path} cannot be written: {error.Message}", "name a file in a folder you may write to");
        }
    }
}
