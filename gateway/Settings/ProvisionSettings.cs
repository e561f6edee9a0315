namespace DePIN.Gateway.Settings;

/// <summary>Section <c>provision</c>.</summary>
public sealed class ProvisionSettings
{
    [Setting("Address and port of the page (HTTPS with the gateway's server certificate); empty = off. Port 0 = any free one. Everything on it but the page itself wants the token in operator.token.")]
    public string Listen { get; set; } = "";

    [Setting("The job's template, the file that 'depin provision --template' takes. What it says of rpc, deployment, gatewayApi and authority is passed over, the gateway's own hold; the gateway adds gateway-host (the name in the browser's address line), gateway-port and tls where its settings lack them.")]
    public string Template { get; set; } = "";

    [Setting("Names and places for the boards: CSV with the columns device,name,location; empty = none.")]
    public string Manifest { get; set; } = "";
}
