// LED, button, display and BME280 of a Raspberry Pi, beside its gateway and over the gateway's own interfaces.
using System.Diagnostics;
using DePIN.Gateway.RaspberryPi;
using DePIN.Gateway.RaspberryPi.Panel;
using DePIN.Gateway.Settings;
using DePIN.Mqtt;

if (PiOptions.Parse(args) is not { } options)
{
    Console.Error.WriteLine(PiOptions.Usage);
    return 64;
}

try
{
    OwnDevice device = OwnDevice.Open(options.Data, TimeProvider.System);
    if (options.Claim is { } claim)
    {
        Console.WriteLine(device.Claim(claim.ChainId, claim.Registry, claim.Owner));
        return 0;
    }

    using CancellationTokenSource stopping = new();
    Console.CancelKeyPress += (_, pressed) => (pressed.Cancel, _) = (true, stopping.CancelAsync());
    using var terminated = System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGTERM, signal => (signal.Cancel, _) = (true, stopping.CancelAsync()));
    using PiPanel panel = new(options);
    using HttpClient http = new() { BaseAddress = options.Gateway, Timeout = TimeSpan.FromSeconds(5) };
    MqttClientOptions mqtt = new() { Host = options.MqttHost, Port = options.MqttPort, ClientId = device.Id };
    Console.Error.WriteLine($"device {device.Id}, gateway {options.Gateway}");
    await new PanelLoop(panel, device, http, mqtt, TimeSpan.FromSeconds(options.IntervalS), LongPress, TimeProvider.System).RunAsync(stopping.Token);
    return 0;
}
catch (SettingsException wrong)
{
    Console.Error.WriteLine(wrong.Message);
    return 77;
}

void LongPress()
{
    if (options.Shutdown) Process.Start("systemctl", ["poweroff"]).Dispose(); // systemd stops the gateway in order
}
