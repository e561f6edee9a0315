using System.Numerics;
using DePIN.Cli.Up;
using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.EndToEnd.Tests.Peers;

/// <summary>Gateways join, change key and endpoint, and leave while the network runs; only who changes its own key is restarted.</summary>
public sealed class MembershipLiveTests
{
    [Test]
    public async Task A_gateway_joins_another_changes_its_key_and_endpoint_and_a_third_leaves()
    {
        await using GatewayNetwork network = await GatewayNetwork.StartAsync(4, active: 3);
        Task<Attestation[]> SignAsync(Hash32 digest, params int[] gateways) => Task.WhenAll(gateways.Select(async i =>
        {
            string text = await File.ReadAllTextAsync(Path.Combine(network.Folder(i), "gateway.key"));
            using GatewaySigner signer = new(Hash32.Parse("0x" + text.Trim().Replace("0x", "", StringComparison.Ordinal)).ToArray());
            return Attestation.Sign(signer, digest);
        }));
        network.StartLoad();
        await network.UntilAnchorsAsync(1, "three anchor");

        // The fourth joins. It was running, and takes frames from the border on.
        await ChangeAsync(1, [0, 1, 2], [network.Gateways[3].Identity.Record], []);
        await network.UntilAsync(async () => await network.ConnectedAsync(3) == 3 && await network.ConnectedAsync(0) == 3, "the fourth is connected with all");
        await network.UntilAsync(() => Task.FromResult(network.Devices[3].Acknowledged > 20), "it takes frames");
        await network.UntilAnchorsAsync(2, "four anchor");

        // The first changes its TLS key and endpoint; nobody else is restarted.
        await network.Gateways[0].KillAsync();
        File.Delete(Path.Combine(network.Folder(0), "peer.key"));
        GatewayIdentity changed = network.Gateways[0].Identity with { TlsKeyHash = PrivateFile.CreateTlsKey(Path.Combine(network.Folder(0), "peer.key")), PeerPort = Programs.FreePort() };
        string text = await File.ReadAllTextAsync(Path.Combine(network.Folder(0), "gateway.key"));
        using (GatewaySigner own = new(Hash32.Parse("0x" + text.Trim().Replace("0x", "", StringComparison.Ordinal)).ToArray()))
            await new TransactionSender(network.Chain.Client, own, TimeProvider.System).SendAsync(network.Chain.Deployment.GatewayRegistry, GatewayRegistry.EncodeUpdate(changed.TlsKeyHash, changed.Record.Endpoint));
        await network.ReplaceAsync(0, changed);
        await network.UntilAsync(async () => await network.ConnectedAsync(0) == 3 && await network.ConnectedAsync(2) == 3, "all know its new key and endpoint");

        // The second leaves, after what it acknowledged is on the ledger.
        await network.StopLoadAsync();
        await network.UntilAnchoredAsync();
        await ChangeAsync(2, [0, 1, 2, 3], [], [network.Gateways[1].Identity.Address], 0, 2, 3);
        await network.UntilAsync(async () => await network.ConnectedAsync(0) == 2 && await network.ConnectedAsync(1) == 0, "it is no longer connected");
        long before = network.Devices[0].Acknowledged;
        network.Devices[1].Dispose();
        network.StartLoad(0, 2, 3);
        await network.UntilAnchorsAsync(2, "the other three go on");
        await network.StopLoadAsync();
        await network.UntilAnchoredAsync([0, 2, 3]);
        Assert.That(network.Devices[0].Acknowledged, Is.GreaterThan(before));
        await network.AssertNothingLostNothingDoubledAsync();

        async Task ChangeAsync(ulong version, int[] active, GatewayRegistry.Gateway[] added, Address[] removed, params int[] signers)
        {
            GatewayChange change = new(version, added, removed);
            GatewaySet set = new(active.Select(i => network.Gateways[i].Identity.Address));
            Attestation[] signatures = await SignAsync(change.Digest(new Eip712Domain(network.Chain.Deployment.ChainId, network.Chain.Deployment.GatewayRegistry)), signers.Length == 0 ? active : signers);
            await network.Chain.SendAsync(network.Chain.Deployment.GatewayRegistry, change.Encode(set, signatures));
            foreach (GatewayRegistry.Gateway gateway in added) await network.Chain.FundAsync(gateway.Signer);
        }
    }
}
