using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Subscribe;
using DePIN.Mqtt;

namespace DePIN.Cli.Gateway.Host;

/// <summary>
/// Looks at the external broker as the gateway would: reach, TLS, login, subscribing. With a client id of its own and QoS 0 outside of a share
/// group, so that it neither ends the gateway's connection nor takes a frame from it.
/// </summary>
internal static class BrokerLook
{
    /// <summary>The first thing that is wrong, or all as they should be.</summary>
    public static async Task<IReadOnlyList<Finding>> ExamineAsync(BrokerOptions options, TimeProvider time, CancellationToken cancel)
    {
        MqttConnectResult? result = null;
        foreach (MqttVersion version in (MqttVersion[])[MqttVersion.V5, MqttVersion.V311])
        {
            try
            {
                await using MqttClient client = new(options.Client(version, time) with
                {
                    ClientId = "depin-check-" + RandomNumberGenerator.GetHexString(8, lowercase: true), CleanStart = true, SessionExpirySeconds = 0, Will = null, ManualAcknowledgement = false,
                });
                result = await client.ConnectAsync(cancel).ConfigureAwait(false);
                if (result.IsConnected) return await SubscribeAsync(client, options, version, cancel).ConfigureAwait(false);
                if (version == MqttVersion.V311 || (MqttReason)result.Code != MqttReason.UnsupportedProtocolVersion) break;
            }
            catch (SettingsException wrong)
            {
                return [new("broker.login", FindingLevel.Fail, wrong.Message, "correct the file, or run this as the gateway's user")];
            }
            catch (SocketException error)
            {
                return [new("broker.reach", FindingLevel.Fail, $"{options.Shown} cannot be reached: {error.Message}", "check broker.url, the broker, and the network between")];
            }
            catch (AuthenticationException error)
            {
                return [new("broker.tls", FindingLevel.Fail, $"{options.Shown}: {error.InnerException?.Message ?? error.Message}", "set broker.authorityFile to the authority that signed the broker's certificate, and use a name that is in it")];
            }
            catch (Exception error) when (error is IOException or TimeoutException)
            {
                // Perhaps a broker of 3.1.1 that closes instead of answering: the second turn tells.
                if (version == MqttVersion.V311) return [new("broker.reach", FindingLevel.Fail, error.Message, "is this the broker's MQTT port, with TLS exactly where the broker has it?")];
            }
        }

        return [new("broker.login", FindingLevel.Fail, $"{options.Shown} refuses the connection (code {result?.Code}{(result?.ReasonText.Length > 0 ? ": " + result.ReasonText : "")})", "check broker.user and broker.passwordFile; if the broker lets only one client id in, allow depin-check- too, or trust the gateway's own health")];
    }

    private static async Task<IReadOnlyList<Finding>> SubscribeAsync(MqttClient client, BrokerOptions options, MqttVersion version, CancellationToken cancel)
    {
        MqttAnswer granted = await client.SubscribeAsync(options.Filter, MqttQos.AtMostOnce, cancel).ConfigureAwait(false);
        List<Finding> findings =
        [
            new("broker.reach", FindingLevel.Ok, $"{options.Shown} answers (MQTT {(version == MqttVersion.V5 ? "5" : "3.1.1")}{(options.IsSecure ? ", TLS" : "")})"),
            new("broker.login", FindingLevel.Ok, options.User.Length == 0 ? "without a user name" : $"as {options.User}"),
            granted.IsSuccess
                ? new("broker.subscribe", FindingLevel.Ok, $"grants {options.Filter} (mosquitto does so to everyone and withholds what its acl_file does not let the user read)")
                : new("broker.subscribe", FindingLevel.Fail, $"{options.Shown} does not grant {options.Filter} ({granted.Reason})", "allow the user to read it in the broker's access rules"),
        ];
        await client.DisconnectAsync(cancellation: cancel).ConfigureAwait(false);
        return findings;
    }
}
