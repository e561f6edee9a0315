namespace DePIN.Cli.Up;

/// <summary>The settings a local board gets over its serial line, and the files deployed onto its flash as `nanoff` would.</summary>
public static class BoardSettings
{
    /// <summary>The file name that the firmware's setting tls-ca names by default.</summary>
    public const string AuthorityName = "ca.pem";

    public static string For(LocalGateway gateway) => $"""
        gateway-host=127.0.0.1
        gateway-port={gateway.MqttTlsPort}
        tls=on
        interval-ms=500
        samples-per-frame=4
        sntp-server=
        """.ReplaceLineEndings("\n");

    /// <summary>Puts the gateway's authority onto the board's flash.</summary>
    public static void DeployAuthority(LocalGateway gateway, string boardFolder) =>
        File.Copy(gateway.AuthorityFile, Path.Combine(Directory.CreateDirectory(Path.Combine(boardFolder, "flash")).FullName, AuthorityName), overwrite: true);
}
