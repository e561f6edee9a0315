using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Tests.Anchor;

namespace DePIN.Gateway.Tests.Registry;

/// <summary>Which gateways rule an epoch, read from a real chain: changes take effect at the next border, whatever block they are in, and go with a reorganisation.</summary>
internal sealed class MembershipTests
{
    [Test]
    public async Task A_change_takes_effect_at_the_next_border_without_a_restart()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using ChainSide side = new(network);
        using GatewaySigner second = network.Node.CreateSigner(3);
        await network.NextEpochAsync();
        await side.ReadAsync();
        Assert.That(side.Registry.Snapshot()!.Network.Active.Count, Is.EqualTo(1));

        await ChangeAsync(network, 1, new GatewaySet([network.Gateway.Address]), [network.Gateway], [new GatewayRegistry.Gateway(second.Address, Hash(1), "https://one.example:8700")], []);
        await side.ReadAsync();
        ChainSnapshot within = side.Registry.Snapshot()!;
        await network.NextEpochAsync();
        await side.ReadAsync();
        ChainSnapshot after = side.Registry.Snapshot()!;

        Assert.Multiple(() =>
        {
            Assert.That(within.Network.Version, Is.EqualTo(1), "this epoch goes on as it began");
            Assert.That(within.Latest.Count, Is.EqualTo(1), "and so does the ledger");
            Assert.That(after.Latest.Count, Is.EqualTo(2));
            Assert.That(after.Network.Version, Is.EqualTo(2));
            Assert.That(after.Network.Find(second.Address), Is.EqualTo(new Member(second.Address, Hash(1), "https://one.example:8700")));
            Assert.That(after.Network.Members.Select(m => m.Gateway), Is.EqualTo(new[] { network.Gateway.Address, second.Address }), "in the contract's order");
        });

        TransactionSender own = new(network.Client, second, TimeProvider.System);
        await network.SetBalanceAsync(second.Address, 1_000_000_000_000_000_000);
        await own.SendAsync(network.Deployment.GatewayRegistry, GatewayRegistry.EncodeUpdate(Hash(2), "https://two.example:8700"));
        await side.ReadAsync();
        Assert.That(side.Registry.Snapshot()!.Network.Find(second.Address)!.Endpoint, Does.Contain("one"), "a new key and endpoint wait for the border, too");
        await network.NextEpochAsync();
        await side.ReadAsync();
        Assert.That(side.Registry.Snapshot()!.Network.Find(second.Address), Is.EqualTo(new Member(second.Address, Hash(2), "https://two.example:8700")));

        await ChangeAsync(network, 2, new GatewaySet([network.Gateway.Address, second.Address]), [network.Gateway, second], [], [second.Address]);
        await network.NextEpochAsync();
        await side.ReadAsync();
        Assert.That(side.Registry.Snapshot()!.Network.Members.Select(m => m.Gateway), Is.EqualTo(new[] { network.Gateway.Address }));
    }

    [Test]
    public async Task A_restart_and_a_late_reader_see_the_same_network()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using GatewaySigner second = network.Node.CreateSigner(3);
        ulong timeS;
        using (ChainSide side = new(network))
        {
            await network.NextEpochAsync();
            await side.ReadAsync();
            await ChangeAsync(network, 1, new GatewaySet([network.Gateway.Address]), [network.Gateway], [new GatewayRegistry.Gateway(second.Address, Hash(1), "")], []);
            await side.ReadAsync();
            timeS = side.Registry.Snapshot()!.TimeS;
            Assert.That(side.Registry.Snapshot()!.Network.Version, Is.EqualTo(1));
        }

        await network.Node.MineAsync(3);
        using (ChainSide again = new(network))
        {
            await again.ReadAsync();
            Assert.That(again.RegistryLog.MembershipBefore(timeS / TestNetwork.EpochSeconds * TestNetwork.EpochSeconds)!.Version, Is.EqualTo(1));
        }

        File.Delete(Path.Combine(network.Folder, DePIN.Gateway.Operate.ChainDatabase.FileName));
        using ChainSide late = new(network);
        await late.ReadAsync();
        Assert.That(late.RegistryLog.MembershipBefore(timeS / TestNetwork.EpochSeconds * TestNetwork.EpochSeconds)!.Version, Is.EqualTo(1), "read long after");
        Assert.That(late.RegistryLog.MembershipBefore(timeS + 2 * TestNetwork.EpochSeconds)!.Version, Is.EqualTo(2));
        Assert.That(late.RegistryLog.MembershipBefore(1)!.Version, Is.EqualTo(1), "before the chain: the first");
    }

    [Test]
    public async Task A_reorganisation_takes_a_change_back()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using ChainSide side = new(network);
        using GatewaySigner second = network.Node.CreateSigner(3);
        await network.Node.MineAsync(5);
        await side.ReadAsync();
        await ChangeAsync(network, 1, new GatewaySet([network.Gateway.Address]), [network.Gateway], [new GatewayRegistry.Gateway(second.Address, Hash(1), "https://one.example")], []);
        await side.ReadAsync();
        Assert.That(side.RegistryLog.ActiveSet()!.Value.Set.Count, Is.EqualTo(2));

        await network.Node.ReorganiseAsync(3);
        await network.DropPoolAsync();
        await network.NextEpochAsync();
        await side.ReadAsync();
        await side.ReadAsync();

        Assert.That(side.RegistryLog.ActiveSet()!.Value.Set.Count, Is.EqualTo(1));
        Assert.That(side.Registry.Snapshot()!.Network.Version, Is.EqualTo(1));
    }

    private static Task ChangeAsync(TestNetwork network, ulong version, GatewaySet active, GatewaySigner[] signers, GatewayRegistry.Gateway[] added, Address[] removed)
    {
        GatewayChange change = new(version, added, removed);
        Hash32 digest = change.Digest(new Eip712Domain(network.Deployment.ChainId, network.Deployment.GatewayRegistry));
        return network.Sender.SendAsync(network.Deployment.GatewayRegistry, change.Encode(active, signers.Select(s => Attestation.Sign(s, digest))));
    }

    private static Hash32 Hash(int n) => EthereumCrypto.Keccak256([(byte)n]);
}
