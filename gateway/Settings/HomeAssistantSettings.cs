namespace DePIN.Gateway.Settings;

/// <summary>Section <c>homeAssistant</c>.</summary>
public sealed class HomeAssistantSettings
{
    [Setting("Announces each device's sensors to Home Assistant (MQTT discovery) and publishes their verified values, on the own listener and at broker.url.")]
    public bool Enabled { get; set; }

    [Setting("Home Assistant's discovery prefix, as in its MQTT integration.")]
    public string Prefix { get; set; } = "homeassistant";

    [Setting("Devices announced at most; the first to send are.", Min = 1, Max = 2_000)]
    public int DevicesMax { get; set; } = 400;

    [Setting("A sensor without a new value for so long becomes unavailable; 0 = never.", Unit = "s", Min = 0, Max = 31_536_000)]
    public int ExpireAfterS { get; set; } = 3_600;
}
