// The DePIN Edge gateway, in the order of the data. Exit codes: Operate/ExitCodes.cs.
using DePIN.Gateway;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Web;

CommandLine line;
GatewaySettings settings;
try
{
    line = CommandLine.Parse(args);
    if (line.Help) return Say(CommandLine.Usage);
    if (line.PrintConfig) return Say(SettingsTemplate.Write(new GatewaySettings().Sections()));
    settings = GatewaySettings.Load(line.ConfigFile, line.DataFolder, GatewaySettings.ProcessEnvironment());
    if (line.Check) return Say("The settings are valid.");
}
catch (SettingsException wrong)
{
    await Console.Error.WriteLineAsync(wrong.Message);
    return ExitCodes.Settings;
}

TimeProvider time = TimeProvider.System;
using ILoggerFactory logs = GatewayLog.Create(settings.Log);
using StopSignals stopping = new(logs.CreateLogger("DePIN.Gateway"));
WebServer web = new(settings.Web, logs);
await Stages.RunAsync(time, logs.CreateLogger("DePIN.Gateway"), stopping.Token,
    new Stage("web", web.RunAsync));
return ExitCodes.Stopped;

static int Say(string text)
{
    Console.Out.WriteLine(text);
    return ExitCodes.Stopped;
}
