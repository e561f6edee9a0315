namespace DePIN.Gateway.Settings;

/// <summary>Section <c>mqtt</c>.</summary>
public sealed class MqttSettings
{
    [Setting("Address and port for MQTT over TLS; empty = off (with broker.url set both may be).")]
    public string Listen { get; set; } = "0.0.0.0:8883";

    [Setting("Address and port for MQTT without TLS; empty = off. Frames are signed, so integrity does not need TLS, but anyone on the way can read and drop them.")]
    public string ListenPlain { get; set; } = "127.0.0.1:1883";

    [Setting("Allows mqtt.listenPlain on an address other than loopback. Passwords then cross the network in the clear, and anyone there can read and drop frames.")]
    public bool AllowPlainRemote { get; set; }

    [Setting("PEM file with the authorities that sign clients' certificates; when set, a client over TLS has to present one. Empty = none is asked for; frames are signed either way.", IsReloaded = true)]
    public string ClientAuthorities { get; set; } = "";

    [Setting("Whether clients log in with a user name: none (names are not looked at), optional (who gives one needs its password), or required (a login, or a certificate of mqtt.clientAuthorities).")]
    public string Login { get; set; } = "none";

    [Setting("File with users and hashed passwords, mode 0600; 'depin gateway mqtt add' writes it.", IsReloaded = true)]
    public string Credentials { get; set; } = "";

    [Setting("Lets a client without login read everything; otherwise it has the time and the topics of the device that its client id names.")]
    public bool AnonymousRead { get; set; } = true;

    [Setting("Connections at the same time; more are refused. The last eighth is kept for addresses with few of them, so that no few addresses fill it.", Min = 1, Max = 100_000)]
    public int ClientsMax { get; set; } = 2_000;
}
