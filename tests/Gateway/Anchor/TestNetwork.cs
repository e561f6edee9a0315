using System.Numerics;
using System.Text.Json.Nodes;
using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Gateway.Tests.Anchor;

/// <summary>A real chain with the real contracts, one active gateway, and a folder: what the chain side's tests run on.</summary>
internal sealed class TestNetwork : IAsyncDisposable
{
    public const ulong EpochSeconds = 60;

    private TestNetwork(AnvilNode node, GatewaySigner gateway, string folder)
    {
        (Node, Gateway, Folder) = (node, gateway, folder);
        Client = node.CreateClient();
        Owner = node.CreateSigner(2);
        Sender = new TransactionSender(Client, Owner, TimeProvider.System);
    }

    public AnvilNode Node { get; }

    public GatewaySigner Gateway { get; }

    public GatewaySigner Owner { get; }

    public string Folder { get; }

    /// <summary>The gateway's own batches, as its frame store would have them.</summary>
    public SortedDictionary<ulong, DePIN.Gateway.Peer.BatchSummary> Batches { get; } = [];

    public EthereumClient Client { get; }

    public TransactionSender Sender { get; }

    public DeploymentRecord Deployment { get; private set; } = null!;

    public Eip712Domain Domain => new(Deployment.ChainId, Deployment.Ledger);

    public static async Task<TestNetwork> StartAsync(AnvilOptions? options = null, bool gatewayIsActive = true)
    {
        AnvilNode node = await AnvilNode.StartAsync(options ?? new AnvilOptions());
        TestNetwork network = new(node, node.CreateSigner(1), Directory.CreateTempSubdirectory("depin-").FullName);
        await network.DeployAsync(gatewayIsActive);
        return network;
    }

    /// <summary>On a fresh node the contracts get the same addresses again: they follow from the deployer and its nonce.</summary>
    public async Task DeployAsync(bool gatewayIsActive = true)
    {
        using GatewaySigner deployer = Node.CreateSigner(0);
        Address signer = gatewayIsActive ? Gateway.Address : deployer.Address;
        Deployment = await Devnet.Deployment.DeployAsync(Client, deployer, [new GatewayRegistry.Gateway(signer, Hash32.Zero, "")], EpochSeconds, TimeProvider.System);
    }

    public Task NextEpochAsync() => Node.AdvanceAsync(TimeSpan.FromSeconds(EpochSeconds));

    public Task SetBalanceAsync(Address account, BigInteger wei) =>
        Node.CallAsync("anvil_setBalance", [account.ToString(), "0x" + wei.ToString("x").TrimStart('0').PadLeft(1, '0')]);

    public Task SetAutomineAsync(bool on) => Node.CallAsync("evm_setAutomine", [on]);

    public Task DropPoolAsync() => Node.CallAsync("anvil_dropAllTransactions", new JsonArray());

    /// <summary>Registers a device with a key of its own; the owner pays.</summary>
    public async Task RegisterAsync(TestDevice device)
    {
        byte[] claim = new byte[ClaimMessage.Bytes], chainId = new byte[32], signature = new byte[64];
        new BigInteger(Deployment.ChainId).TryWriteBytes(chainId.AsSpan(32 - new BigInteger(Deployment.ChainId).GetByteCount(true)), out _, isUnsigned: true, isBigEndian: true);
        ClaimMessage.Write(KeyKinds.Software, chainId, Deployment.DeviceRegistry.ToArray(), Owner.Address.ToArray(), claim, 0);
        device.Signer.Sign(claim, 0, claim.Length, signature, 0);
        await Sender.SendAsync(Deployment.DeviceRegistry, DeviceRegistry.EncodeRegister(KeyKinds.Software, new Hash32(device.PublicKey.AsSpan(0, 32)),
            new Hash32(device.PublicKey.AsSpan(32)), new Hash32(signature.AsSpan(0, 32)), new Hash32(signature.AsSpan(32)), Owner.Address));
    }

    /// <summary>The devices' claims of an owner (this network's when not given), as a list.</summary>
    public MemberList ListOf(IEnumerable<TestDevice> devices, Address? owner = null) => MemberList.Of([.. devices.Select(device =>
    {
        byte[] claim = DeviceClaim.Message(KeyKinds.Software, Deployment.ChainId, Deployment.DeviceRegistry, owner ?? Owner.Address), signature = new byte[64];
        device.Signer.Sign(claim, 0, claim.Length, signature, 0);
        return (KeyKinds.Software, device.PublicKey, signature);
    })]);

    /// <summary>Registers a list by its root for this network's owner.</summary>
    public Task RegisterBatchAsync(MemberList list, uint? count = null) =>
        Sender.SendAsync(Deployment.DeviceRegistry, DeviceRegistry.EncodeRegisterBatch(list.Root, count ?? (uint)list.Count, Owner.Address, 0, ""));

    /// <summary>What a vote would carry out: a call by the timelock, mined at once.</summary>
    public async Task GovernAsync(Address to, byte[] call)
    {
        await SetBalanceAsync(Deployment.Community!.Timelock, BigInteger.Pow(10, 18));
        await Node.SendAsAsync(Deployment.Community!.Timelock, to, call);
    }

    /// <summary>Gives a device another key, signed by the one it has.</summary>
    /// <param name="device">The device.</param>
    /// <param name="present">Signs: the key it has.</param>
    /// <param name="next">The key it gets.</param>
    /// <param name="rotations">How often it changed before.</param>
    public Task RotateAsync(TestDevice device, TestDevice present, TestDevice next, uint rotations = 0)
    {
        byte[] message = DeviceKeyChange.Message(Deployment.ChainId, Deployment.DeviceRegistry, device.Id, next.PublicKey, rotations), signature = new byte[64];
        present.Signer.Sign(message, 0, message.Length, signature, 0);
        return Sender.SendAsync(Deployment.DeviceRegistry, DeviceKeyChange.EncodeRotate(device.Id, next.PublicKey, signature));
    }

    public Task RevokeAsync(TestDevice device) => Sender.SendAsync(Deployment.DeviceRegistry, DeviceRegistry.EncodeRevoke(device.Id));

    public async ValueTask DisposeAsync()
    {
        await Node.DisposeAsync();
        Gateway.Dispose();
        Owner.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}

/// <summary>A device: a software key and its chain of frames.</summary>
internal sealed class TestDevice
{
    private readonly byte[] _previous = new byte[32];
    private readonly FrameBuilder _builder;
    private ulong _sequence;

    public TestDevice(int seed)
    {
        byte[] key = System.Security.Cryptography.SHA256.HashData(BitConverter.GetBytes(seed));
        Signer = new P256Signer(key);
        Signer.ReadPublicKey(PublicKey, 0);
        DeviceId.FromPublicKey(PublicKey, 0, Id, 0);
        _builder = new FrameBuilder(Id);
    }

    public P256Signer Signer { get; }

    public byte[] PublicKey { get; } = new byte[64];

    public byte[] Id { get; } = new byte[20];

    public string Text => DeviceId.ToText(Id, 0);

    public byte[] NextFrame() => NextFrame(Signer);

    /// <summary>The next frame, signed with a key that the device changed to.</summary>
    public byte[] NextFrame(P256Signer signer)
    {
        _sequence++;
        _builder.Begin(1, true, 1, _sequence, 1_700_000_000_000 + _sequence * 1000, _sequence == 1 ? null : _previous);
        _builder.TryAdd(Channels.Temperature, -2, 0, 0, 2150);
        _builder.TryAdd(Channels.RelativeHumidity, -1, 0, 0, 455);
        _builder.Sign(signer);
        _builder.CopyDigest(_previous, 0);
        return _builder.Buffer.AsSpan(0, _builder.Count).ToArray();
    }
}

/// <summary>A clock that a test sets; the chain side's tests call the parts directly, so no timers are needed.</summary>
internal sealed class TestClock : TimeProvider
{
    private DateTimeOffset _now = new(2026, 6, 1, 0, 0, 0, TimeSpan.Zero);

    public override DateTimeOffset GetUtcNow() => _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => _now.Ticks;

    public void Advance(TimeSpan by) => _now += by;
}
