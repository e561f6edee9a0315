using DePIN.Devnet;
using DePIN.Evidence;
using DePIN.Gateway.Attest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Tests.Anchor;
using DePIN.Gateway.Verify;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Registry;

/// <summary>Following the contracts on a real node: registrations, revocations, owners, reorganisations, restarts.</summary>
internal sealed class ChainRegistryTests
{
    [Test]
    public async Task Registrations_owners_and_revocations_are_followed_across_a_restart()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice first = new(1), second = new(2);
        using (ChainSide side = new(network))
        {
            await network.RegisterAsync(first);
            await side.Registry.PollAsync(CancellationToken.None);
            RegisteredDevice known = side.Fed[Id(first)];
            Assert.That(known.PublicKey.ToArray(), Is.EqualTo(first.PublicKey));
            Assert.That(known.Owner.ToArray(), Is.EqualTo(network.Owner.Address.ToArray()));
            Assert.That(known.RegisteredAt, Is.Not.Zero);
            Assert.That(side.RegistryLog.ActiveSet()!.Value.Set.Signers.ToArray(), Is.EqualTo(new[] { network.Gateway.Address }));
        }

        await network.RegisterAsync(second);
        await network.RevokeAsync(first);
        using (GatewaySigner buyer = network.Node.CreateSigner(5))
        {
            await network.Sender.SendAsync(network.Deployment.DeviceRegistry, Contracts.DeviceRegistry.EncodeTransferFrom(
                network.Owner.Address, buyer.Address, Contracts.DeviceRegistryReader.TokenOf(second.Id)));
            using ChainSide again = new(network);
            Assert.That(again.RegistryLog.Device(Id(first)), Is.Not.Null, "known before the first poll");
            await again.Registry.PollAsync(CancellationToken.None);
            Assert.That(again.Fed[Id(first)].IsRevoked, Is.True);
            Assert.That(again.Fed[Id(second)].Owner.ToArray(), Is.EqualTo(buyer.Address.ToArray()));
            Assert.That(again.RegistryLog.Devices(), Has.Count.EqualTo(2));
        }
    }

    [Test]
    public async Task A_reorganisation_takes_back_exactly_what_the_chain_no_longer_has()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using ChainSide side = new(network);
        TestDevice kept = new(1), dropped = new(2);
        await network.RegisterAsync(kept);
        await side.Registry.PollAsync(CancellationToken.None);
        await network.Node.MineAsync(3);
        await network.RegisterAsync(dropped);
        await network.RevokeAsync(kept);
        await side.Registry.PollAsync(CancellationToken.None);
        Assert.That(side.RegistryLog.Device(Id(kept))!.IsRevoked, Is.True);

        await network.Node.ReorganiseAsync(2);
        await side.Registry.PollAsync(CancellationToken.None);

        Assert.That(side.RegistryLog.Device(Id(dropped)), Is.Null);
        Assert.That(side.RegistryLog.Device(Id(kept))!.IsRevoked, Is.False);
        Assert.That(side.RegistryLog.Last!.Value.Number, Is.EqualTo(await network.Client.GetBlockNumberAsync()));
        await network.DropPoolAsync(); // the node put the dropped transactions back in its pool
        await network.RevokeAsync(kept);
        await side.Registry.PollAsync(CancellationToken.None);
        Assert.That(side.RegistryLog.Device(Id(kept))!.IsRevoked, Is.True);
    }

    [Test]
    public async Task A_device_registered_a_moment_ago_is_found_before_its_block_was_read()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using ChainSide side = new(network);
        TestDevice device = new(1);
        Assert.That(await side.Registry.FindAsync(Id(device), CancellationToken.None), Is.Null);
        await network.RegisterAsync(device);
        RegisteredDevice? found = await side.Registry.FindAsync(Id(device), CancellationToken.None);
        Assert.That(found!.PublicKey.ToArray(), Is.EqualTo(device.PublicKey));
    }

    [Test]
    public async Task Lookups_of_unknown_devices_are_limited()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        using ChainSide side = new(network);
        FakeChain chain = new();
        using ChainRegistry limited = new(new ChainSettings(), 0, chain, side.RegistryLog, side.Ledger, _ => new(true), side.Health, side.Clock);
        Assert.That(() => Parallel.For(0, 1000, i => limited.FindAsync(new DeviceIdValue(System.Security.Cryptography.SHA256.HashData(BitConverter.GetBytes(-i - 1))), CancellationToken.None).AsTask().Wait()),
            Throws.InstanceOf<AggregateException>());
    }

    [Test]
    public async Task Another_chain_is_refused_with_the_setting_to_change()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        ChainReader reader = new(network.Client, new ChainAddresses(1, network.Deployment.DeviceRegistry, network.Deployment.GatewayRegistry, network.Deployment.Ledger, TestNetwork.EpochSeconds, 0));
        Assert.That(async () => await reader.CheckAsync(CancellationToken.None), Throws.TypeOf<ChainMismatchException>().With.Property("NextStep").Contains("chain.rpcUrls"));
        reader = new(network.Client, new ChainAddresses(31337, network.Owner.Address, network.Deployment.GatewayRegistry, network.Deployment.Ledger, TestNetwork.EpochSeconds, 0));
        Assert.That(async () => await reader.CheckAsync(CancellationToken.None), Throws.TypeOf<ChainMismatchException>().With.Message.Contains("no DeviceRegistry"));
        reader = new(network.Client, new ChainAddresses(31337, network.Deployment.DeviceRegistry, network.Deployment.GatewayRegistry, network.Deployment.Ledger, 7, 0));
        Assert.That(async () => await reader.CheckAsync(CancellationToken.None), Throws.TypeOf<ChainMismatchException>().With.Message.Contains("epochs"));
    }

    [Test]
    public async Task An_endpoint_that_lags_is_not_believed_at_once()
    {
        string folder = Directory.CreateTempSubdirectory("depin-").FullName;
        using (ChainDatabase database = ChainDatabase.Open(folder))
        {
            FakeChain chain = new();
            TestClock clock = new();
            RegistryLog log = new(database);
            using ChainRegistry registry = new(new ChainSettings { LogRangeBlocks = 2, EpochSeconds = 60 }, 0, chain, log, new LedgerRange(log), _ => new(true), new HealthBoard(clock, NullLogger.Instance), clock);
            chain.Blocks = 10;
            await registry.PollAsync(CancellationToken.None);
            Assert.That(log.Last!.Value.Number, Is.EqualTo(9UL));

            chain.Blocks = 6;
            await registry.PollAsync(CancellationToken.None);
            Assert.That(log.Last!.Value.Number, Is.EqualTo(9UL), "only shorter: it may be another, slower endpoint");
            Assert.That(registry.IsCurrent, Is.False);
            for (int i = 1; i < ChainRegistry.BehindPollsMax; i++) await registry.PollAsync(CancellationToken.None);
            Assert.That(log.Last!.Value.Number, Is.EqualTo(5UL), "it stays so: the chain went back");

            chain.Branch = 3; // blocks from 3 on are others
            await registry.PollAsync(CancellationToken.None);
            Assert.That(log.RecentCheckpoints().All(c => c.Hash == chain.HashOf(c.Number)), Is.True);
            Assert.That(registry.IsCurrent, Is.True);
        }

        Directory.Delete(folder, recursive: true);
    }

    private static DeviceIdValue Id(TestDevice device) => new(device.Id);

    /// <summary>A chain of empty blocks that a test shortens and forks.</summary>
    private sealed class FakeChain : IChainReader
    {
        public ulong Blocks { get; set; } = 1;

        public ulong Branch { get; set; } = ulong.MaxValue;

        public Hash32 HashOf(ulong number) => EthereumCrypto.Keccak256(BitConverter.GetBytes(number >= Branch ? number + 1_000 : number));

        public Task CheckAsync(CancellationToken stopping) => Task.CompletedTask;

        public Task<BlockMark> HeadAsync(CancellationToken stopping) => Task.FromResult(new BlockMark(Blocks - 1, HashOf(Blocks - 1), Blocks));

        public Task<ulong> TimeAsync(BlockMark head, CancellationToken stopping) => Task.FromResult(head.TimeS);

        public Task<BlockMark?> BlockAsync(ulong number, CancellationToken stopping) => Task.FromResult(number < Blocks ? new BlockMark(number, HashOf(number), number) : null);

        public Task<IReadOnlyList<ChainEvent>> EventsAsync(ulong from, ulong to, CancellationToken stopping) => Task.FromResult<IReadOnlyList<ChainEvent>>([]);

        public Task<RegisteredDevice?> DeviceAsync(DeviceIdValue device, CancellationToken stopping) => Task.FromResult<RegisteredDevice?>(null);
    }
}
