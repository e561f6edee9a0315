using System.CommandLine;
using System.Security.Cryptography;
using DePIN.Cli.Contracts;
using DePIN.Cli.Terminal;
using DePIN.Evidence;

namespace DePIN.Cli.Key;

/// <summary>`depin key`: the owner's key in a keystore, under a passphrase.</summary>
public static class KeyCommand
{
    public static Command Create() => new("key", "The owner's key, kept in an Ethereum keystore under a passphrase.") { CreateNew(), CreateImport(), CreateShow(), CreateAddress() };

    public static Option<string?> PassphraseOption() => new("--passphrase-file")
    {
        Description = $"File with the keystore's passphrase in its first line, mode 0600; /dev/fd/N too. Without it ${Passphrase.Variable}, else it is asked for.", HelpName = "FILE",
    };

    private static Command CreateNew()
    {
        Argument<string> file = FileArgument();
        Option<string?> passphrase = PassphraseOption();
        Command command = new("new", "Makes a key and writes it as a keystore. Never overwrites.") { file, passphrase };
        command.SetAction(parsed =>
        {
            RefuseExisting(parsed.GetValue(file)!);
            using RandomNumberGenerator random = RandomNumberGenerator.Create();
            using GatewaySigner key = GatewaySigner.Create(random);
            return Save(key, parsed.GetValue(file)!, parsed.GetValue(passphrase), random);
        });
        return command;
    }

    private static Command CreateImport()
    {
        Argument<string> file = FileArgument();
        Option<string> from = new("--from") { Description = "The key to take: a file with 64 hex digits, mode 0600.", HelpName = "FILE", Required = true };
        Option<string?> passphrase = PassphraseOption();
        Command command = new("import", "Writes a key of a file as a keystore. Never overwrites; the old file stays.") { file, from, passphrase };
        command.SetAction(parsed =>
        {
            RefuseExisting(parsed.GetValue(file)!);
            string source = parsed.GetValue(from)!;
            byte[] content = PrivateKeyFile.ReadBytes(source);
            bool sealedAlready = PrivateKeyFile.IsKeystore(content);
            CryptographicOperations.ZeroMemory(content);
            if (sealedAlready)
            {
                throw new CliError(ExitCode.BadInput, $"{source} is a keystore already", "use it as it is: every --key takes a keystore", "key.is-keystore");
            }

            using RandomNumberGenerator random = RandomNumberGenerator.Create();
            using GatewaySigner key = PrivateKeyFile.Read(source);
            return Save(key, parsed.GetValue(file)!, parsed.GetValue(passphrase), random);
        });
        return command;
    }

    private static Command CreateShow()
    {
        Argument<string> file = FileArgument();
        Option<string?> passphrase = PassphraseOption();
        Command command = new("show", "Opens a key with its passphrase and prints its address: proves that the passphrase is known. The key is never printed.") { file, passphrase };
        command.SetAction(parsed =>
        {
            using GatewaySigner key = PrivateKeyFile.Read(parsed.GetValue(file)!, parsed.GetValue(passphrase));
            Console.WriteLine(key.Address.ToChecksumString());
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command CreateAddress()
    {
        Argument<string> file = FileArgument();
        Command command = new("address", "The address that a keystore names; needs no passphrase and proves nothing.") { file };
        command.SetAction(parsed =>
        {
            string path = parsed.GetValue(file)!;
            byte[] content = PrivateKeyFile.ReadBytes(path);
            try
            {
                Console.WriteLine(Keystore.AddressOf(content)?.ToChecksumString()
                    ?? throw new CliError(ExitCode.BadInput, $"{path} names no address", "run 'depin key show' with its passphrase", "key.no-address"));
                return ExitCode.Ok;
            }
            catch (KeystoreException error)
            {
                throw new CliError(ExitCode.BadInput, $"{path}: {error.Message}", error.Remedy, error.Code);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(content);
            }
        });
        return command;
    }

    private static Argument<string> FileArgument() => new("file") { Description = "The keystore.", HelpName = "FILE" };

    private static int Save(GatewaySigner key, string path, string? passphraseFile, RandomNumberGenerator random)
    {
        using Passphrase passphrase = Passphrase.Take(passphraseFile, confirm: true);
        if (passphrase.Bytes.IsEmpty)
        {
            throw new CliError(ExitCode.BadInput, "the passphrase is empty", "give one: whoever has the file has the key otherwise", "key.no-passphrase");
        }

        byte[] text = Keystore.Seal(key, passphrase.Bytes, random);
        using (GatewaySigner again = Keystore.Open(text, passphrase.Bytes)) // believed only when it opens
        {
            if (again.Address != key.Address)
            {
                throw new InvalidOperationException("a keystore that was just written has another key");
            }
        }

        try
        {
            KeystoreFile.Write(path, text);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"{path} cannot be written: {error.Message}", "name a file that is not there in a folder you may write to", "key.not-written");
        }

        Console.WriteLine(key.Address.ToChecksumString());
        Console.Error.WriteLine($"written to {path}; keep a copy and the passphrase apart: nobody can restore either");
        return ExitCode.Ok;
    }

    private static void RefuseExisting(string path)
    {
        if (Path.Exists(path))
        {
            throw new CliError(ExitCode.BadInput, $"{path} is there already", "name another file: a key is never overwritten", "key.exists");
        }
    }
}
