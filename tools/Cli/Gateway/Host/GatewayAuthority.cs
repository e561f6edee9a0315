using DePIN.Cli.Terminal;
using DePIN.Gateway;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;

namespace DePIN.Cli.Gateway.Host;

/// <summary>`depin gateway ca rotate`: another authority for boards to trust; those that trust the old one are served meanwhile.</summary>
public static class GatewayAuthority
{
    public static int Rotate(string config, string? data, int days, TimeProvider time)
    {
        GatewaySettings settings = GatewayCommand.Load(config, data);
        if (days is < 0 or > 36_500) throw new CliError(ExitCode.BadInput, $"--days: {days} is not within 0 and 36500", "a year gives time to visit every board", "gateway.ca-days");
        string folder = settings.Data.Folder;
        try
        {
            DateTime end = CertificateAuthority.Rotate(folder, TimeSpan.FromDays(days), time);
            Console.WriteLine($"""
                {Path.Combine(folder, CertificateAuthority.FileName)} is the new authority. Boards that trust the old one are served until {end:u} (now with --days 0).

                Next:
                  1. Restart the gateway: systemctl restart depin-gateway. From then on its provisioning page gives out the new authority.
                  2. depin gateway backup: the one before has a key that boards provisioned from now on do not trust.
                  3. Provision every board again before {end:yyyy-MM-dd}. After a theft of {CertificateAuthority.KeyFileName} rotate with --days 0 and do so at once: until then who has it can pass for this gateway.
                """);
            return ExitCode.Ok;
        }
        catch (SettingsException wrong)
        {
            throw new CliError(ExitCode.BadInput, wrong.Message, "nothing was changed", "gateway.ca-not-rotated");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.Failed, $"the authority cannot be written: {error.Message}", "mend that and run the command again, as the gateway's user: it goes on where it stopped", "gateway.ca-not-written");
        }
    }
}
