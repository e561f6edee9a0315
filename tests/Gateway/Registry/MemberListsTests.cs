using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Tests.Anchor;
using DePIN.Gateway.Tests.Peer;
using DePIN.Gateway.Verify;
using DePIN.Tests.Harness;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Registry;

/// <summary>Devices registered by one root: the list's format, which list counts, on a real registry and back with a reorganisation, and from peer to peer.</summary>
internal sealed class MemberListsTests
{
    private static readonly MemberLists.Fetch Nobody = (_, _) => Task.FromResult<byte[]?>(null);

    private TempFolder _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    [Test]
    public async Task A_list_is_read_as_it_was_written_and_the_contract_confirms_each_member()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice[] devices = [.. Enumerable.Range(1, 5).Select(seed => new TestDevice(seed))];
        MemberList written = network.ListOf(devices);
        Assert.That(MemberList.TryParse(written.Bytes, out MemberList? list, out string problem), Is.True, problem);
        Assert.That((list!.Count, list.Root), Is.EqualTo((5, written.Root)));
        await network.RegisterBatchAsync(list);
        MerkleTree tree = list.BuildTree();
        for (int i = 0; i < devices.Length; i++)
        {
            Assert.That(list.Device(i), Is.EqualTo(new Address(devices[i].Id)));
            Assert.That(list.IndexOf(list.Device(i)), Is.EqualTo(i));
            Assert.That(await CheckMemberAsync(network, list[i], tree.Proof(i)), Is.True);
            Assert.That(list.IsSigned(i, network.Deployment.ChainId, network.Deployment.DeviceRegistry, network.Owner.Address), Is.True);
            Assert.That(list.IsSigned(i, network.Deployment.ChainId, network.Deployment.DeviceRegistry, network.Gateway.Address), Is.False, "another owner");
            Assert.That(list.IsSigned(i, network.Deployment.ChainId + 1, network.Deployment.DeviceRegistry, network.Owner.Address), Is.False, "another chain");
        }

        Assert.That(list.IndexOf(network.Owner.Address), Is.EqualTo(-1));
    }

    [Test]
    public void What_is_no_list_is_refused_with_a_reason()
    {
        byte[] good = [(byte)'D', (byte)'M', 1, 0, 0, 0, 1, .. new byte[MemberList.ClaimBytes]];
        Assert.That(MemberList.TryParse(good, out _, out _), Is.True);
        Assert.That(Problem([]), Does.Contain("no list"));
        Assert.That(Problem([.. good[..6]]), Does.Contain("no list"));
        Assert.That(Problem(With(good, 0, 0)), Does.Contain("no list"));
        Assert.That(Problem(With(good, 2, 2)), Does.Contain("version 2"));
        Assert.That(Problem(With(good, 6, 0)), Does.Contain("0 claims"));
        Assert.That(Problem(With(good, 4, 1)), Does.Contain("65537 claims"));
        Assert.That(Problem(good[..^1]), Does.Contain("bytes"));
        Assert.That(Problem([.. good, 0]), Does.Contain("bytes"));

        static string Problem(byte[] bytes)
        {
            Assert.That(MemberList.TryParse(bytes, out _, out string problem), Is.False);
            return problem;
        }

        static byte[] With(byte[] bytes, int at, byte value)
        {
            byte[] changed = [.. bytes];
            changed[at] = value;
            return changed;
        }
    }

    [Test]
    public void A_signature_with_a_high_s_is_no_claim_for_the_registry_takes_none()
    {
        using SampleDevice device = new();
        Address registry = Made(1), owner = Made(2);
        byte[] signature = device.Sign(DeviceClaim.Message(device.KeyKind, 1, registry, owner));
        Assert.That(MemberList.Of([(device.KeyKind, device.PublicKey, signature)]).IsSigned(0, 1, registry, owner), Is.True);
        Assert.That(MemberList.Of([(device.KeyKind, device.PublicKey, SampleDevice.WithHighS(signature))]).IsSigned(0, 1, registry, owner), Is.False);
        Assert.That(MemberList.Of([(4, device.PublicKey, device.Sign(DeviceClaim.Message(4, 1, registry, owner)))]).IsSigned(0, 1, registry, owner), Is.False, "no such key kind");
        Assert.That(MemberList.Of([(1, new byte[64], signature)]).IsSigned(0, 1, registry, owner), Is.False, "no point of the curve");
    }

    [Test]
    public async Task A_member_is_known_as_soon_as_batch_and_list_are_and_gone_with_a_reorganisation()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice member = new(1), other = new(2), stranger = new(3);
        MemberList list = network.ListOf([member, other]);
        using ChainSide side = new(network);
        MemberLists members = Members(side, network);
        Put("fleet.members", list);
        await network.Node.MineAsync(3);
        await side.ReadAsync();
        await members.LookAsync(Nobody, CancellationToken.None);
        Assert.That(members.Find(Id(member)), Is.Null, "the list alone says nothing");

        await network.RegisterBatchAsync(list);
        await side.ReadAsync();
        await members.LookAsync(Nobody, CancellationToken.None);
        RegisteredDevice found = members.Find(Id(member))!;
        DeviceBatch batch = side.RegistryLog.DeviceBatches(9).Single();
        Assert.That((found.PublicKey.ToArray(), found.Owner.ToArray(), found.KeyKind, found.RegisteredAt, found.IsRevoked),
            Is.EqualTo((member.PublicKey, network.Owner.Address.ToArray(), (byte)1, batch.AtS, false)));
        Assert.That(members.Find(Id(stranger)), Is.Null);
        Assert.That((members.Count, members.Missing, side.Health.Find(MemberLists.Part)!.State), Is.EqualTo((2, 0, PartState.Ok)));
        MemberProof proof = members.Proof(Id(other))!;
        Assert.That(await CheckMemberAsync(network, proof.Claim, [.. proof.Path]), Is.True, "with its path anyone registers it");

        await network.Node.ReorganiseAsync(1);
        await network.DropPoolAsync();
        await side.ReadAsync();
        await side.ReadAsync();
        await members.LookAsync(Nobody, CancellationToken.None);
        Assert.That(side.RegistryLog.DeviceBatches(9), Is.Empty);
        Assert.That(members.Find(Id(member)), Is.Null);

        await network.RegisterBatchAsync(list);
        await side.ReadAsync();
        await members.LookAsync(Nobody, CancellationToken.None);
        Assert.That(members.Find(Id(member)), Is.Not.Null, "registered again");
    }

    [Test]
    public async Task A_wrong_list_is_refused_by_name_and_breaks_nothing_else()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice good = new(1), miscounted = new(2), foreign = new(3), alien = new(4);
        MemberList right = network.ListOf([good]), counted = network.ListOf([miscounted]), signed = MemberList.Of(
            [.. Claims(network.ListOf([foreign])), .. Claims(network.ListOf([alien], owner: network.Gateway.Address))]);
        await network.RegisterBatchAsync(right);
        await network.RegisterBatchAsync(counted, count: 2);
        await network.RegisterBatchAsync(signed);
        using ChainSide side = new(network);
        MemberLists members = Members(side, network);
        Put("a.members", right);
        Put("b.members", counted);
        Put("c.members", signed);
        File.WriteAllBytes(Path.Combine(_folder.Path, "d.members"), right.Bytes[..^1].ToArray());
        await side.ReadAsync();
        await members.LookAsync(Nobody, CancellationToken.None);
        Assert.That(members.Find(Id(good)), Is.Not.Null);
        Assert.That(new[] { miscounted, foreign, alien }.Select(device => members.Find(Id(device))), Is.All.Null);
        Assert.That(members.Missing, Is.EqualTo(2), "whose members these are nobody can say");
        PartStatus told = side.Health.Find(MemberLists.Part)!;
        Assert.That((told.State, told.Reason), Is.EqualTo((PartState.Degraded, told.Reason)));
        Assert.That(told.Reason, Does.Contain("d.members").And.Contain("and 2 more"), told.Reason);

        foreach (string name in (string[])["b", "c", "d"]) File.Delete(Path.Combine(_folder.Path, $"{name}.members"));
        await members.LookAsync(Nobody, CancellationToken.None);
        Assert.That(side.Health.Find(MemberLists.Part)!.State, Is.EqualTo(PartState.Waiting), "taken out");
        Assert.That(members.Find(Id(good)), Is.Not.Null);
    }

    [Test]
    public async Task Bytes_that_are_no_text_in_a_batchs_address_do_not_stop_the_follower()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        MemberList list = network.ListOf([new TestDevice(1)]);
        byte[] call = DeviceRegistry.EncodeRegisterBatch(list.Root, 1, network.Owner.Address, 7, "ABAB");
        call.AsSpan(call.AsSpan().IndexOf("ABAB"u8), 4).Fill(0xff);
        await network.Sender.SendAsync(network.Deployment.DeviceRegistry, call);
        using ChainSide side = new(network);
        await side.ReadAsync();
        Assert.That(side.Registry.IsCurrent, Is.True, side.Health.Find("registry")!.Reason);
        Assert.That(side.RegistryLog.DeviceBatches(9).Select(batch => (batch.Number, batch.Root, batch.Count, batch.Profile)), Is.EqualTo(new[] { (0ul, list.Root, 1u, (ushort)7) }));
    }

    [Test]
    public async Task A_members_frame_is_taken_once_its_list_is_here_and_its_peers_judge_it_by_the_same_list()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice member = new(1);
        MemberList list = network.ListOf([member]);
        await network.RegisterBatchAsync(list);
        using ChainSide side = new(network);
        MemberLists members = Members(side, network);
        await side.ReadAsync();
        await members.LookAsync(Nobody, CancellationToken.None);
        using DePIN.Gateway.Store.FrameLog frames = DePIN.Gateway.Store.FrameLog.Open(new() { Path = Path.Combine(_folder.Sub("frames"), "frames.db") });
        DeviceTable table = new(frames) { Members = members.Find };
        using ChainRegistry source = new(new DePIN.Gateway.Settings.ChainSettings(), 0, side.Reader, side.RegistryLog, side.Ledger, table.PutAsync, side.Health, side.Clock, members.Find);
        using FrameVerifier verifier = new(new VerifierOptions { UnknownDeviceMs = 0 }, table, frames, source, side.Clock);
        byte[] frame = member.NextFrame();
        BatchBody body = BatchBody.Encode([frame]);
        BatchSummary batch = new(body.ToHeader(network.Gateway.Address, 1, Hash32.Zero, 1, 2), body.FramesHash(), FrameSpans.Of(body)!);
        using BodyCheck check = new();

        Assert.That(await verifier.SubmitAsync(member.Id, frame, default), Is.EqualTo(FrameVerdict.UnknownDevice));
        BodyFinding before = await check.CheckAsync(batch, body.Bytes, table.KeysOf, CancellationToken.None);
        Assert.That((before.Verdict, before.BadFrame.ToArray()), Is.EqualTo((BodyVerdict.DeviceUnknown, frame)), "not bad: not known");
        Assert.That(MerkleTree.Verify(batch.Header.Root, FrameLeaf.Hash(frame), [.. before.Path!]), Is.True, "with what an accusation needs");

        Put("fleet.members", list);
        await members.LookAsync(Nobody, CancellationToken.None);
        Assert.That((await check.CheckAsync(batch, body.Bytes, table.KeysOf, CancellationToken.None)).Verdict, Is.EqualTo(BodyVerdict.Good));
        Assert.That(await verifier.SubmitAsync(member.Id, frame, default), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(table.Find(Id(member)), Is.Not.Null, "it is in the table as any device");
    }

    [Test]
    public async Task A_list_that_is_not_here_comes_from_a_peer_that_is_believed_as_little_as_a_file()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        MemberList list = network.ListOf([new TestDevice(1), new TestDevice(2)]), other = network.ListOf([new TestDevice(3)]);
        await network.RegisterBatchAsync(list);
        using ChainSide side = new(network);
        MemberLists members = Members(side, network);
        await side.ReadAsync();
        await using TransportNode a = new(1), b = new(2);
        Lists source = new();
        a.WithBodies(_folder.Sub("a"));
        b.WithBodies(_folder.Sub("b"), source);
        await TransportNode.FollowAllAsync(a, b);
        await TransportNode.ConnectedAsync(a, b);
        MemberListFetch fetch = new(a.Store!, a.Transfer!, a.Transport);

        await members.LookAsync(fetch.FetchAsync, CancellationToken.None);
        Assert.That((members.Count, members.Missing), Is.EqualTo((0, 1)), "it has none");
        source.All[list.Root] = other.Bytes.ToArray();
        side.Clock.Advance(TimeSpan.FromMinutes(10));
        await members.LookAsync(fetch.FetchAsync, CancellationToken.None);
        Assert.That((members.Count, members.Missing), Is.EqualTo((0, 1)), "it gave another");
        source.All[list.Root] = list.Bytes.ToArray();
        side.Clock.Advance(TimeSpan.FromMinutes(10));
        await members.LookAsync(fetch.FetchAsync, CancellationToken.None);
        Assert.That((members.Count, members.Missing), Is.EqualTo((2, 0)));
        Assert.That(members.Has(list.Root), Is.True, "and is passed on from here");
        Assert.That(File.ReadAllBytes(Path.Combine(_folder.Path, list.Root.ToString()[2..] + MemberList.FileSuffix)), Is.EqualTo(list.Bytes.ToArray()));
        Assert.That(a.Store!.PartLength(list.Root), Is.Zero, "nothing is left among the bodies");
    }

    private MemberLists Members(ChainSide side, TestNetwork network) => new(
        new MemberOptions(_folder.Path, network.Deployment.ChainId, network.Deployment.DeviceRegistry, TimeSpan.FromSeconds(1)), side.RegistryLog, side.Health, side.Clock, NullLogger.Instance);

    private void Put(string name, MemberList list) => File.WriteAllBytes(Path.Combine(_folder.Path, name), list.Bytes.ToArray());

    private static IEnumerable<(byte, byte[], byte[])> Claims(MemberList list) =>
        Enumerable.Range(0, list.Count).Select(i => (list.KeyKind(i), list.PublicKey(i).ToArray(), (byte[])[.. list[i].R.ToArray(), .. list[i].S.ToArray()]));

    private static async Task<bool> CheckMemberAsync(TestNetwork network, DeviceRegistry.Claim claim, Hash32[] path) => await ContractCall.ReadAsync<bool>(
        network.Client, network.Deployment.DeviceRegistry, "checkMember()", DeviceRegistry.EncodeCheckMember(0, claim, path), DeviceRegistry.TryDecodeCheckMember, default, default);

    private static Address Made(byte value) => new([.. Enumerable.Repeat(value, Address.Bytes)]);

    private static DeviceIdValue Id(TestDevice device) => new(device.Id);

    private sealed class Lists : IBodySource
    {
        public Dictionary<Hash32, byte[]> All { get; } = [];

        public bool Has(Hash32 framesHash) => All.ContainsKey(framesHash);

        public BodyReading? Open(Hash32 framesHash, long offset) =>
            All.TryGetValue(framesHash, out byte[]? bytes) ? new BodyReading(bytes.Length, new MemoryStream(bytes) { Position = Math.Min(offset, bytes.Length) }) : null;
    }
}
