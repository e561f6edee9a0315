// The settings of section broker, resolved: what one connection is opened with. Secrets are read from their files at each connection.

using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using DePIN.Mqtt;

namespace DePIN.Gateway.Subscribe;

/// <summary>Where and how to subscribe.</summary>
public sealed record BrokerOptions
{
    private const int KeepAliveSeconds = 30;
    private const int InFlightMax = 64;

    // A broker of version 5 drops what is larger. One of 3.1.1 cannot be told, and would send the same message for ever: so there it is read.
    private const int MessageBytesMax = 16 * 1024;
    private const int MessageBytesMaxV311 = 4 * 1024 * 1024;

    internal static readonly byte[] Offline = [.. "offline"u8];

    public required string Host { get; init; }

    public required int Port { get; init; }

    public bool IsSecure { get; init; }

    public string User { get; init; } = "";

    public string PasswordFile { get; init; } = "";

    public string AuthorityFile { get; init; } = "";

    public string CertificateFile { get; init; } = "";

    public string CertificateKeyFile { get; init; } = "";

    public required string ClientId { get; init; }

    public string ShareGroup { get; init; } = "";

    public string Filter { get; init; } = Protocol.Topics.FrameFilter;

    public int WindowFrames { get; init; } = 256;

    public TimeSpan SessionExpiry { get; init; } = TimeSpan.FromHours(168);

    public bool PublishReadings { get; init; } = true;

    /// <summary>Zero: never.</summary>
    public TimeSpan StoredInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Retained topic that says "online" while this gateway is connected, and "offline" by its will; null for none.</summary>
    public string? AvailabilityTopic { get; init; }

    /// <summary>How long a frame may wait for its verdict before the connection is given up, so that the broker keeps it.</summary>
    public TimeSpan HoldMax { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often frames that were told "later" are handed in again.</summary>
    public TimeSpan RetryInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The first wait before another connection; doubled up to <see cref="BackOffMax"/>, and half of each is chance.</summary>
    public TimeSpan BackOffFirst { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan BackOffMax { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>What is subscribed to: the filter, or the group's share of it (section 4.8.2).</summary>
    public string Subscription => ShareGroup.Length == 0 ? Filter : $"$share/{ShareGroup}/{Filter}";

    /// <summary>The address as logs and findings show it.</summary>
    public string Shown => $"{(IsSecure ? "mqtts" : "mqtt")}://{Host}:{Port}";

    /// <summary>What a connection takes. Reads password and certificates.</summary>
    /// <exception cref="SettingsException">A file is missing, damaged or readable by others.</exception>
    public MqttClientOptions Client(MqttVersion version, TimeProvider time) => new()
    {
        Host = Host,
        Port = Port,
        Version = version,
        ClientId = ClientId,
        CleanStart = false,
        SessionExpirySeconds = (uint)SessionExpiry.TotalSeconds,
        KeepAliveSeconds = KeepAliveSeconds,
        UserName = User.Length == 0 ? null : User,
        Password = PasswordFile.Length == 0 ? null : Password(),
        Tls = IsSecure ? Tls() : null,
        Will = AvailabilityTopic is null ? null : new MqttWill(AvailabilityTopic, Offline, MqttQos.AtLeastOnce, Retain: true),
        InFlightMax = InFlightMax,
        PacketBytesMax = version == MqttVersion.V5 ? MessageBytesMax : MessageBytesMaxV311,
        ReceiveMaximum = (ushort)WindowFrames,
        ManualAcknowledgement = true,
        Time = time,
    };

    private ReadOnlyMemory<byte> Password()
    {
        try
        {
            byte[] content = SecretFile.Read(PasswordFile);
            return content.AsMemory(0, content.AsSpan().TrimEnd("\r\n"u8).Length);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new SettingsException($"broker.passwordFile: {PasswordFile} cannot be read ({fault.Message}). Write the password there, mode 0600.");
        }
    }

    private MqttTls Tls()
    {
        try
        {
            X509Certificate2Collection? roots = null;
            if (AuthorityFile.Length > 0)
            {
                roots = [];
                roots.ImportFromPemFile(AuthorityFile);
                if (roots.Count == 0)
                {
                    throw new SettingsException($"broker.authorityFile: {AuthorityFile} has no certificate in PEM. Name the file with the broker's authority.");
                }
            }

            return new MqttTls { TrustedRoots = roots, ClientCertificate = CertificateFile.Length == 0 ? null : Own() };
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new SettingsException($"broker: certificates cannot be read ({fault.Message}). See broker.authorityFile, broker.certificateFile and broker.certificateKeyFile.");
        }
    }

    private X509Certificate2 Own()
    {
        byte[] key = SecretFile.Read(CertificateKeyFile);
        try
        {
            using X509Certificate2 pem = X509Certificate2.CreateFromPem(File.ReadAllText(CertificateFile), Encoding.ASCII.GetString(key));
            // Through PKCS#12, so that the private key lives as long as the certificate on every platform.
            return X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }
}
