using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.Evidence;
using DePIN.Gateway;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Sign;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Cli.Gateway.Host;

/// <summary>`depin gateway init`: two questions at most; everything else has a default that 'depin gateway config' explains.</summary>
public static class GatewayInit
{
    /// <summary>What an operator gives to the network: its registry must know these.</summary>
    internal sealed record Made(string Config, string Data, Address Gateway, Hash32 TlsKey, string Authority, ulong ChainId);

    public static async Task<int> RunAsync(string? deployment, string[] rpc, string[] names, string data, string config, string? key, string? keyPassphraseFile, bool json)
    {
        if (Path.Exists(config)) throw new CliError(ExitCode.BadInput, $"{config} is there already", "edit it, or name another file with --config; 'depin gateway check' examines it", "gateway.settings-there");
        deployment ??= Ask("deployment record of the network (file): ") ?? throw new CliError(ExitCode.BadInput, "which network?", "give --deployment FILE: what 'depin contracts deploy' wrote, or the network's operators publish", "gateway.no-deployment");
        if (rpc.Length == 0) rpc = Ask("chain endpoint (URL): ") is { Length: > 0 } url ? [url] : throw new CliError(ExitCode.BadInput, "which chain endpoint?", "give --rpc URL, several for fail-over", "gateway.no-rpc");
        DeploymentRecord record = await ReadDeploymentAsync(deployment).ConfigureAwait(false);
        Made made;
        try
        {
            made = Make(deployment, rpc, names, data, config, key, keyPassphraseFile, record);
        }
        catch (Exception wrong) when (wrong is SettingsException or KeyAwayException)
        {
            File.Delete(config);
            throw new CliError(wrong is KeyAwayException ? ExitCode.Unreachable : ExitCode.BadInput, wrong.Message, "mend it and run the command again: keys that were made stay", "gateway.settings-wrong");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"{config} or {data} cannot be written: {error.Message}", "choose folders that this user may write, or run the command as the gateway's user", "gateway.not-writable");
        }

        Console.WriteLine(json ? Json(made) : Text(made));
        return ExitCode.Ok;
    }

    private static Made Make(string deployment, string[] rpc, string[] names, string data, string config, string? keyUri, string? keyPassphraseFile, DeploymentRecord record)
    {
        JsonObject settings = new()
        {
            ["data"] = new JsonObject { ["folder"] = Path.GetFullPath(data) },
            ["chain"] = new JsonObject { ["rpcUrls"] = new JsonArray([.. rpc.Select(url => JsonValue.Create(url))]), ["deployment"] = Path.GetFullPath(deployment) },
        };
        if (names.Length > 0) settings["tls"] = new JsonObject { ["names"] = new JsonArray([.. names.Select(name => JsonValue.Create(name))]) };
        JsonObject place = [];
        if (keyUri is not null) place["uri"] = keyUri;
        if (keyPassphraseFile is not null) place["passphraseFile"] = Path.GetFullPath(keyPassphraseFile);
        if (place.Count > 0) settings["key"] = place;
        string text = "// Written by 'depin gateway init'. Every setting with its meaning and default: depin gateway config\n" + settings.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n";
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(config))!);
        SecretFile.Write(config, System.Text.Encoding.UTF8.GetBytes(text)); // endpoints may carry a provider's key
        GatewaySettings checkedSettings = GatewaySettings.Load(config, null, GatewaySettings.ProcessEnvironment());

        // The same calls as at a start, so what is made is what a start finds.
        DataFolder.Prepare(checkedSettings.Data.Folder);
        using ChainDatabase database = ChainDatabase.Open(checkedSettings.Data.Folder);
        using IEthereumSigner key = GatewayKey.Open(checkedSettings.PlaceOfKey(Environment.GetEnvironmentVariable), Environment.GetEnvironmentVariable(GatewaySettings.SecretVariable), database, NullLogger.Instance);
        using PeerKey peer = PeerKey.Open(checkedSettings.Data.Folder, database, NullLogger.Instance);
        using GatewayTls tls = GatewayTls.Open(checkedSettings.Tls, checkedSettings.Data.Folder, TimeProvider.System, NullLogger.Instance);
        return new Made(Path.GetFullPath(config), checkedSettings.Data.Folder, key.Address, peer.Hash, Path.Combine(checkedSettings.Data.Folder, CertificateAuthority.FileName), record.ChainId);
    }

    private static async Task<DeploymentRecord> ReadDeploymentAsync(string file)
    {
        try
        {
            return await Devnet.Deployment.ReadAsync(file).ConfigureAwait(false);
        }
        catch (Exception error) when (error is DevnetException or IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, error.Message, "name the file that 'depin contracts deploy' wrote", "gateway.no-deployment");
        }
    }

    private static string? Ask(string question)
    {
        if (Console.IsInputRedirected) return null;
        Console.Error.Write(question);
        return Console.ReadLine()?.Trim();
    }

    private static string Json(Made made) => new JsonObject
    {
        ["config"] = made.Config, ["data"] = made.Data, ["gateway"] = made.Gateway.ToChecksumString(), ["tlsKey"] = made.TlsKey.ToString(), ["authority"] = made.Authority, ["chainId"] = made.ChainId,
    }.ToJsonString();

    private static string Text(Made made) => $"""
        gateway    {made.Gateway.ToChecksumString()} (chain {made.ChainId})
        TLS key    {made.TlsKey}
        settings   {made.Config}
        data       {made.Data} (keys that are files are in it: back them up)

        Next:
          1. Fund the gateway's address: it pays for its anchors.
          2. Give address, TLS key and the endpoint https://HOST:PORT of peer.listen to the network: a quorum of its gateways adds this one to the registry.
          3. depin gateway check --config {made.Config}
          4. depin gateway backup --config {made.Config} --out gateway.backup, and keep it elsewhere
          5. depin gateway run --config {made.Config}
        Boards trust {made.Authority}.
        """;
}
