using System.Security.Cryptography;
using DePIN.Cli.Terminal;
using DePIN.Evidence;
using DePIN.Gateway;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Sign;

namespace DePIN.Cli.Gateway.Host;

/// <summary>`depin gateway seal`: from a plain key file to the place of key.uri. The plain file goes only after the key opened there.</summary>
public static class GatewaySeal
{
    public static int Run(string config, string? data, string? from)
    {
        GatewaySettings settings = GatewayCommand.Load(config, data);
        string plain = from is null ? Path.Combine(settings.Data.Folder, GatewayKey.FileName) : Path.GetFullPath(from);
        KeySecret secret = settings.SecretOfKey(Environment.GetEnvironmentVariable);
        KeyPlace place = settings.PlaceOfKey(Environment.GetEnvironmentVariable);
        try
        {
            if (!File.Exists(plain)) throw new CliError(ExitCode.BadInput, $"there is no key file {plain}", "name it with --from", "seal.no-key");
            if (KeyFile.IsSealed(plain)) throw new CliError(ExitCode.BadInput, $"{plain} is sealed already", "nothing is to be done; to move it elsewhere, restore the gateway's backup", "seal.is-sealed");
            using RandomNumberGenerator random = RandomNumberGenerator.Create();
            using GatewaySigner key = KeyFile.Read(plain, secret);
            if (settings.KeyUri == new FileKeyUri(plain))
            {
                new KeyFile(plain, secret).SealInPlace(random);
            }
            else
            {
                place.Put(key, random);
                using IEthereumSigner? there = place.TryOpen();
                if (there?.Address != key.Address) throw new CliError(ExitCode.Failed, $"{place.Name} does not open as {key.Address.ToChecksumString()}", $"{plain} is as it was; look at the place, and run the command again", "seal.does-not-open");
                File.Delete(plain);
            }

            Console.WriteLine($"gateway {key.Address.ToChecksumString()}: {place.Name} opens; {(File.Exists(plain) ? "no plain key is in it any more" : plain + " is removed")}");
            Console.WriteLine("The disk's old blocks may keep a plain key until they are written over: on a memory card a new key, made sealed, is the only sure one.");
            return ExitCode.Ok;
        }
        catch (Exception wrong) when (wrong is SettingsException or KeyAwayException)
        {
            throw new CliError(wrong is KeyAwayException ? ExitCode.Unreachable : ExitCode.BadInput, wrong.Message, "mend it and run the command again; the plain key is as it was", "seal.not-sealed");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"the key cannot be read or written: {error.Message}", "run the command as the gateway's user", "seal.not-written");
        }
    }
}
