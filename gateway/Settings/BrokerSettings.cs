namespace DePIN.Gateway.Settings;

/// <summary>Section <c>broker</c>.</summary>
public sealed class BrokerSettings
{
    [Setting("Another MQTT broker (mosquitto, EMQX and so on) whose frames this gateway takes, besides its own listener: mqtts://host[:8883], or mqtt://host[:1883]; empty = none. The broker has to keep its sessions on disk: boards free a frame when it answers.")]
    public string Url { get; set; } = "";

    [Setting("Allows mqtt:// to a host other than this one: password and readings then cross the network in the clear.")]
    public bool AllowPlain { get; set; }

    [Setting("User name at the broker; empty = none.")]
    public string User { get; set; } = "";

    [Setting("File with the password, mode 0600; read anew at each connection.")]
    public string PasswordFile { get; set; } = "";

    [Setting("PEM file with the authorities that sign the broker's certificate; empty = those of the system.")]
    public string AuthorityFile { get; set; } = "";

    [Setting("PEM file with a certificate that this gateway presents to the broker; empty = none.")]
    public string CertificateFile { get; set; } = "";

    [Setting("PEM file with its private key, mode 0600.")]
    public string CertificateKeyFile { get; set; } = "";

    [Setting("Client id, one for each gateway: the broker keeps what is not yet taken under it. Empty = depin-gateway- and the gateway's address.")]
    public string ClientId { get; set; } = "";

    [Setting("Name of a shared subscription: gateways that give the same one split the frames among them; empty = this gateway takes all.")]
    public string ShareGroup { get; set; } = "";

    [Setting("Topic filter of the frames; the topics it matches have to end as the boards' do, depin/1/<device id>/frame.")]
    public string Filter { get; set; } = Protocol.Topics.FrameFilter;

    [Setting("Frames taken and not yet answered; the broker sends no more before.", Min = 1, Max = 4_096)]
    public int WindowFrames { get; set; } = 256;

    [Setting("How long the broker keeps what comes while this gateway is away (MQTT 5).", Unit = "hours", Min = 1, Max = 8_760)]
    public int SessionHours { get; set; } = 168;

    [Setting("Publishes verified readings (SenML) and the time at the broker.")]
    public bool PublishReadings { get; set; } = true;

    [Setting("How often the highest stored sequence of a device is published at the broker (retained, depin/1/<device id>/stored) while it changes; 0 = never.", Unit = "s", Min = 0, Max = 86_400)]
    public int StoredIntervalS { get; set; } = 10;
}
