using System.CommandLine;
using DePIN.Cli.Key;
using DePIN.Cli.Terminal;
using DePIN.Gateway;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;

namespace DePIN.Cli.Gateway.Host;

/// <summary>`depin gateway`: the gateway of this machine, set up, run, examined, saved and brought back.</summary>
public static class GatewayCommand
{
    private const string ConfigDefault = "gateway.jsonc";

    public static Command Create() => new("gateway", "The gateway of this machine: set up, run, examined, saved and brought back.")
    {
        CreateInit(), CreateRun(), CreateCheck(), CreateSeal(), CreateBackup(), CreateRestore(), CreateConfig(), CreateMqtt(), CreateUser(), CreateAuthority(),
    };

    private static Command CreateInit()
    {
        Option<string?> deployment = new("--deployment") { Description = "The network's record, as 'depin contracts deploy' wrote it; asked for at a terminal.", HelpName = "FILE" };
        Option<string[]> rpc = new("--rpc") { Description = "A chain endpoint; several give fail-over. Asked for at a terminal.", HelpName = "URL" };
        Option<string[]> names = new("--name") { Description = "A host name or address by which boards reach this gateway, besides its own.", HelpName = "HOST" };
        Option<string> data = new("--data") { Description = "Folder for keys, certificates and databases.", HelpName = "DIR", DefaultValueFactory = _ => "depin-data" };
        Option<string> config = Config();
        Option<string?> key = new("--key") { Description = "Where the key is, or is to be made: file:PATH, pkcs11:..., tpm2:PATH. Without it: file:gateway.key.", HelpName = "URI" };
        Option<string?> keyPassphrase = new("--key-passphrase-file") { Description = "File of mode 0600 with the passphrase under which the key is sealed, or the token's PIN; the gateway reads it at every start.", HelpName = "FILE" };
        Option<bool> json = new("--json") { Description = "What was made, as one JSON line." };
        Command command = new("init", "Makes a settings file, the gateway's keys and its certificate authority, and says what to do next. Nothing that is there is replaced.") { deployment, rpc, names, data, config, key, keyPassphrase, json };
        command.SetAction(parsed => GatewayInit.RunAsync(parsed.GetValue(deployment), parsed.GetValue(rpc) ?? [], parsed.GetValue(names) ?? [], parsed.GetValue(data)!, parsed.GetValue(config)!, parsed.GetValue(key), parsed.GetValue(keyPassphrase), parsed.GetValue(json)));
        return command;
    }

    private static Command CreateRun()
    {
        Option<string> config = Config();
        Option<string?> data = Data();
        Command command = new("run", "Runs the gateway until SIGTERM or Ctrl-C.") { config, data };
        command.SetAction((parsed, cancel) => GatewayRun.RunAsync(parsed.GetValue(config)!, parsed.GetValue(data), cancel));
        return command;
    }

    private static Command CreateCheck()
    {
        Option<string> config = Config();
        Option<string?> data = Data();
        Option<bool> json = new("--json") { Description = "One JSON line a finding." };
        Command command = new("check", "Examines the gateway and all it depends on; each finding with a code that never changes and the next step. Ends with 1 when something fails.") { config, data, json };
        command.SetAction(async (parsed, cancel) =>
        {
            IReadOnlyList<Finding> findings = await GatewayDoctor.ExamineAsync(parsed.GetValue(config)!, parsed.GetValue(data), TimeProvider.System, cancel).ConfigureAwait(false);
            foreach (Finding finding in findings) Console.WriteLine(parsed.GetValue(json) ? finding.ToJson() : finding.ToText());
            return findings.Any(finding => finding.Level == FindingLevel.Fail) ? ExitCode.Failed : ExitCode.Ok;
        });
        return command;
    }

    private static Command CreateSeal()
    {
        Option<string> config = Config();
        Option<string?> data = Data();
        Option<string?> from = new("--from") { Description = "The plain key file. Without it: gateway.key in the data folder.", HelpName = "FILE" };
        Command command = new("seal", "Puts a plain key file to where key.uri says: under the passphrase, into the token or the TPM; proves that it opens there, then removes the plain file.") { config, data, from };
        command.SetAction(parsed => GatewaySeal.Run(parsed.GetValue(config)!, parsed.GetValue(data), parsed.GetValue(from)));
        return command;
    }

    private static Command CreateBackup()
    {
        Option<string> config = Config();
        Option<string?> data = Data(), passphrase = KeyCommand.PassphraseOption();
        Option<string> output = new("--out") { Description = "The backup to write; an existing file is not replaced.", HelpName = "FILE", Required = true };
        Command command = new("backup", "Writes keys, certificate authority, settings and identity into one file under a passphrase. Databases are not in it: peers and the chain have them.") { config, data, output, passphrase };
        command.SetAction(parsed => GatewayBackup.Write(parsed.GetValue(config)!, parsed.GetValue(data), parsed.GetValue(output)!, parsed.GetValue(passphrase)));
        return command;
    }

    private static Command CreateRestore()
    {
        Argument<string> file = new("file") { Description = "What 'depin gateway backup' wrote.", HelpName = "FILE" };
        Option<string> config = Config();
        Option<string> data = new("--data") { Description = "Folder for keys, certificates and databases; without any of them.", HelpName = "DIR", DefaultValueFactory = _ => "depin-data" };
        Option<string?> passphrase = KeyCommand.PassphraseOption();
        Command command = new("restore", "Brings a gateway back from a backup, onto a machine that has nothing of it. The old machine must never start again.") { file, config, data, passphrase };
        command.SetAction(parsed => GatewayBackup.Restore(parsed.GetValue(file)!, parsed.GetValue(config)!, parsed.GetValue(data)!, parsed.GetValue(passphrase)));
        return command;
    }

    private static Command CreateConfig()
    {
        Command command = new("config", "Prints every setting with its meaning, unit, range, environment variable and default: a settings file.");
        command.SetAction(_ => Console.Out.Write(SettingsTemplate.Write(new GatewaySettings().Sections())));
        return command;
    }

    private static Command CreateMqtt()
    {
        Argument<string> user = new("user") { Description = "The user name; a device's is its id.", HelpName = "USER" };
        Option<string> file = CredentialsFile("mqtt.credentials");
        Option<string> role = new("--role") { Description = "device (its own topics), application (reads), bridge (forwards any device's frames).", HelpName = "ROLE", DefaultValueFactory = _ => "device" };
        Option<bool> input = new("--stdin") { Description = "Takes the password from the first line of standard input; otherwise one is made and printed once." };
        Command add = new("add", "Adds a user, or gives one another password.") { user, role, file, input };
        add.SetAction(parsed => LoginUsers.AddClient(parsed.GetValue(file)!, parsed.GetValue(user)!, parsed.GetValue(role)!, parsed.GetValue(input)));
        return new("mqtt", "The users of the gateway's MQTT listener (mqtt.login, mqtt.credentials).") { add, CreateRemove("mqtt.credentials"), CreateList("mqtt.credentials") };
    }

    private static Command CreateUser()
    {
        Argument<string> user = new("user") { Description = "The person's name.", HelpName = "USER" };
        Option<string> file = CredentialsFile("web.credentials");
        Command add = new("add", "Adds a person who may log into the page, or gives one another password: asked for at a terminal, otherwise the first line of standard input.") { user, file };
        add.SetAction(parsed => LoginUsers.AddPerson(parsed.GetValue(file)!, parsed.GetValue(user)!));
        return new("user", "The people who log into the gateway's web page (web.credentials).") { add, CreateRemove("web.credentials"), CreateList("web.credentials") };
    }

    private static Command CreateRemove(string setting)
    {
        Argument<string> user = new("user") { Description = "The user name.", HelpName = "USER" };
        Option<string> file = CredentialsFile(setting);
        Command remove = new("remove", "Removes a user.") { user, file };
        remove.SetAction(parsed => LoginUsers.Remove(parsed.GetValue(file)!, parsed.GetValue(user)!));
        return remove;
    }

    private static Command CreateList(string setting)
    {
        Option<string> file = CredentialsFile(setting);
        Command list = new("list", "Prints users and roles.") { file };
        list.SetAction(parsed => LoginUsers.List(parsed.GetValue(file)!));
        return list;
    }

    private static Command CreateAuthority()
    {
        Option<string> config = Config();
        Option<string?> data = Data();
        Option<int> days = new("--days") { Description = "How long boards that trust the old authority are served; 0 = not at all, after a theft of its key.", HelpName = "DAYS", DefaultValueFactory = _ => CertificateAuthority.OverlapDays };
        Command rotate = new("rotate", "Makes another key and certificate for the authority; killed in between, run it again.") { config, data, days };
        rotate.SetAction(parsed => GatewayAuthority.Rotate(parsed.GetValue(config)!, parsed.GetValue(data), parsed.GetValue(days), TimeProvider.System));
        return new("ca", "The certificate authority that boards trust (ca.pem).") { rotate };
    }

    private static Option<string> CredentialsFile(string setting) => new("--file") { Description = $"What {setting} names.", HelpName = "FILE", Required = true };

    private static Option<string> Config() => new("--config") { Description = "The settings file.", HelpName = "FILE", DefaultValueFactory = _ => ConfigDefault };

    private static Option<string?> Data() => new("--data") { Description = "Overrides data.folder of the settings.", HelpName = "DIR" };

    /// <summary>The checked settings; what is wrong is an error that names line and remedy.</summary>
    internal static GatewaySettings Load(string config, string? data)
    {
        if (!File.Exists(config)) throw new CliError(ExitCode.BadInput, $"there is no settings file {config}", "name it with --config, or make one with 'depin gateway init'", "gateway.no-settings");
        try
        {
            return GatewaySettings.Load(config, data, GatewaySettings.ProcessEnvironment());
        }
        catch (SettingsException wrong)
        {
            throw new CliError(ExitCode.BadInput, wrong.Message, "'depin gateway config' prints every setting and its range", "gateway.settings-wrong");
        }
    }
}
