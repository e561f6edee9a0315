using System.Diagnostics;
using System.Security.Cryptography;
using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Telemetry;
using DePIN.Protocol;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Peer;

/// <summary>Every verdict on a body, and a body as the stage asks for it.</summary>
internal sealed class BodyCheckTests
{
    private static readonly Address Author = TransportNode.AddressOf(9);

    private SampleDevice[] _devices = [];
    private List<byte[]> _frames = [];
    private BodyCheck _check = null!;

    [SetUp]
    public void Make()
    {
        _devices = [new(), new(), new()];
        _frames = [];
        for (int i = 0; i < 4; i++)
            foreach (SampleDevice device in _devices) _frames.Add(device.NextFrame());
        _check = new BodyCheck(keysMax: 2, workers: 2); // fewer keys than devices: they are evicted on the way
    }

    [TearDown]
    public void Free()
    {
        foreach (SampleDevice device in _devices) device.Dispose();
        _check.Dispose();
    }

    [Test]
    public async Task A_sound_body_is_good_every_time()
    {
        (BatchSummary batch, byte[] body) = Batch(_frames);
        for (int i = 0; i < 3; i++) Assert.That((await CheckAsync(batch, body)).Verdict, Is.EqualTo(BodyVerdict.Good));
    }

    [Test]
    public async Task Other_bytes_are_not_the_body()
    {
        (BatchSummary batch, byte[] body) = Batch(_frames);
        body[^1] ^= 1;
        Assert.That((await CheckAsync(batch, body)).Verdict, Is.EqualTo(BodyVerdict.NotTheBody));
        Assert.That((await CheckAsync(batch, [])).Verdict, Is.EqualTo(BodyVerdict.NotTheBody));
    }

    [Test]
    public async Task A_device_that_the_registry_does_not_know_is_told()
    {
        (BatchSummary batch, byte[] body) = Batch(_frames);
        BodyFinding found = await _check.CheckAsync(batch, body, id => id == new Address(_devices[1].Id) ? [] : KeysOf(id), CancellationToken.None);
        Assert.That(found.Verdict, Is.EqualTo(BodyVerdict.DeviceUnknown));
        Assert.That(found.Reason, Does.Contain(new Address(_devices[1].Id).ToString()));
        Assert.That((await CheckAsync(batch, body)).Verdict, Is.EqualTo(BodyVerdict.Good), "known later");
    }

    [Test]
    public async Task A_bad_signature_a_high_s_and_a_malformed_frame_are_the_authors_fault_and_named()
    {
        byte[] forged = [.. _frames[5]];
        forged[FrameFormat.PayloadOffset + 15] ^= 1;
        byte[] malformed = [.. _frames[5]];
        malformed[0] ^= 1;
        byte[] huge = _devices[2].Frame(ulong.MaxValue);
        foreach (byte[] bad in new[] { forged, malformed, SampleDevice.WithHighS(_frames[5]), huge })
        {
            List<byte[]> frames = [.. _frames];
            frames[5] = bad;
            (BatchSummary batch, byte[] body) = Batch(frames);
            BodyFinding found = await CheckAsync(batch, body);
            Assert.That(found.Verdict, Is.EqualTo(BodyVerdict.BadFrame), found.Reason);
            Assert.That(found.BadFrame.ToArray(), Is.EqualTo(bad));
            Assert.That(MerkleTree.Verify(batch.Header.Root, FrameLeaf.Hash(bad), [.. found.Path!]), Is.True, "with its path, as the contract asks for it");
        }
    }

    [Test]
    public async Task A_frame_of_another_device_under_a_registered_id_is_bad()
    {
        (BatchSummary batch, byte[] body) = Batch(_frames);
        BodyFinding found = await _check.CheckAsync(batch, body, id => KeysOf(new Address(_devices[0].Id)), CancellationToken.None);
        Assert.That(found.Verdict, Is.EqualTo(BodyVerdict.BadFrame));
        Assert.That((await new BodyCheck(workers: 1).CheckAsync(batch, body, _ => [new byte[64]], CancellationToken.None)).Verdict, Is.EqualTo(BodyVerdict.BadFrame), "a key that is no point");
    }

    [Test]
    public async Task Frames_of_every_key_that_a_device_had_are_good_and_nobody_is_accused_while_a_new_key_may_be_on_the_chain()
    {
        using TempFolder folder = new();
        using SampleDevice next = new();
        FrameBuilder builder = new(_devices[0].Id);
        builder.Begin(Profiles.Environment, true, 1, 100, 1_800_000_000_000, new byte[32]);
        builder.TryAdd(Channels.Temperature, -2, 0, 0, 2150);
        builder.Sign(next);
        _frames.Add(builder.Buffer[..builder.Count]);
        (BatchSummary batch, byte[] body) = Batch(_frames);
        IReadOnlyList<ReadOnlyMemory<byte>> Both(Address id) => id == new Address(_devices[0].Id) ? [next.PublicKey, _devices[0].PublicKey] : KeysOf(id);
        Assert.That((await CheckAsync(batch, body)).Verdict, Is.EqualTo(BodyVerdict.BadFrame), "before the change is followed");
        Assert.That((await _check.CheckAsync(batch, body, Both, CancellationToken.None)).Verdict, Is.EqualTo(BodyVerdict.Good));

        BodyStore store = BodyStore.Open(new BodyStoreOptions(folder.Sub("b")), TimeProvider.System, new TestLogs());
        store.Append(batch.FramesHash, 0, body);
        store.Keep(batch.FramesHash);
        await using TransportNode node = new(1);
        node.WithBodies(folder.Sub("a"));
        PeerBodyKeeper Keeper(Func<Address, CancellationToken, ValueTask<IReadOnlyList<ReadOnlyMemory<byte>>>> keysNow) => new(store, node.Transfer!, _check, KeysOf, keysNow, _ => false, node.Logs);
        Assert.That((await Keeper((device, _) => new(Both(device))).FetchAsync(Author, batch, CancellationToken.None)).Verdict, Is.EqualTo(BodyVerdict.DeviceUnknown), "the chain knows the key: later");
        Assert.That((await Keeper((_, _) => throw new RpcUnreachableException("away", null)).FetchAsync(Author, batch, CancellationToken.None)).Verdict, Is.EqualTo(BodyVerdict.DeviceUnknown), "it cannot be asked: later");
        (BodyVerdict verdict, ReadOnlyMemory<byte> evidence) = await Keeper((device, _) => new(KeysOf(device))).FetchAsync(Author, batch, CancellationToken.None);
        Assert.That(verdict, Is.EqualTo(BodyVerdict.BadFrame));
        Assert.That(DePIN.Gateway.Dispute.FrameInBatch.TryDecode(evidence.Span, out byte[] frame, out Hash32[] path), Is.True);
        Assert.That(frame, Is.EqualTo(_frames[^1]));
        Assert.That(MerkleTree.Verify(batch.Header.Root, FrameLeaf.Hash(frame), path), Is.True);
    }

    [Test]
    public async Task Wrong_counts_root_spans_and_a_repeated_frame_are_the_authors_fault()
    {
        (BatchSummary batch, byte[] body) = Batch(_frames);
        BatchHeader h = batch.Header;
        (BatchSummary fewer, _) = Batch(_frames.Take(11).ToList());
        Hash32 lie = BatchBody.Commitment(fewer.Spans.Hash(), batch.FramesHash);
        BatchSummary[] wrong =
        [
            batch with { Header = h with { Frames = h.Frames + 1 } },
            batch with { Header = h with { Samples = h.Samples + 1 } },
            batch with { Header = h with { Root = Hash32.Zero } },
            new(h with { Body = lie }, batch.FramesHash, fewer.Spans),
            new(h, batch.FramesHash, fewer.Spans),
        ];
        foreach (BatchSummary one in wrong)
        {
            BodyFinding found = await CheckAsync(one, body);
            Assert.That(found.Verdict, Is.EqualTo(BodyVerdict.BadFrame), found.Reason);
            Assert.That(found.BadFrame.IsEmpty, Is.True);
        }

        byte[] twice = BatchBody.Encode([.. _frames.Append(_frames[0]).Select(f => (ReadOnlyMemory<byte>)f)]).Bytes.ToArray();
        BatchSummary repeated = new(h with { Frames = h.Frames + 1 }, BatchBody.HashOf(twice), batch.Spans);
        Assert.That((await CheckAsync(repeated, twice)).Reason, Does.Contain("FrameRepeated"));
        byte[] noBody = [1, 2, 3];
        Assert.That((await CheckAsync(new BatchSummary(h, BatchBody.HashOf(noBody), batch.Spans), noBody)).Verdict, Is.EqualTo(BodyVerdict.BadFrame), "the author signed garbage");
    }

    [Test]
    public async Task The_keeper_fetches_checks_and_keeps_and_another_header_over_the_same_frames_is_checked_by_itself()
    {
        using TempFolder folder = new();
        (BatchSummary batch, byte[] body) = Batch(_frames);
        BodyStore theirs = BodyStore.Open(new BodyStoreOptions(folder.Sub("b")), TimeProvider.System, new TestLogs());
        theirs.Append(batch.FramesHash, 0, body);
        theirs.Keep(batch.FramesHash);
        await using TransportNode a = new(1), b = new(2);
        a.WithBodies(folder.Sub("a"));
        b.WithBodies(folder.Sub("b"));
        await TransportNode.FollowAllAsync(a, b);
        await TransportNode.ConnectedAsync(a, b);
        PeerBodyKeeper keeper = new(a.Store!, a.Transfer!, _check, KeysOf, (device, _) => new(KeysOf(device)), _ => false, a.Logs);
        Assert.That(keeper.Has(batch), Is.False);
        Assert.That((await keeper.FetchAsync(b.Self, batch, CancellationToken.None)).Verdict, Is.EqualTo(BodyVerdict.Good));
        Assert.That(keeper.Has(batch), Is.True);
        BatchSummary lie = new(batch.Header with { Samples = batch.Header.Samples + 1 }, batch.FramesHash, batch.Spans); // not "with": it would copy the cached hash
        Assert.That(keeper.Has(lie), Is.False, "the frames are here, but this header was not compared with them");
        Assert.That((await keeper.FetchAsync(b.Self, lie, CancellationToken.None)).Verdict, Is.EqualTo(BodyVerdict.BadFrame));
        Assert.That(keeper.Has(batch), Is.True, "the good one stays");

        PeerBodyKeeper restarted = new(a.Store!, a.Transfer!, _check, KeysOf, (device, _) => new(KeysOf(device)), _ => false, a.Logs);
        Assert.That(restarted.Has(batch), Is.False);
        await b.StopAsync();
        Assert.That((await restarted.FetchAsync(b.Self, batch, CancellationToken.None)).Verdict, Is.EqualTo(BodyVerdict.Good), "checked again from the disk, without the peer");
        BatchSummary away = Batch(_frames.Take(3).ToList()).Batch;
        Assert.That((await restarted.FetchAsync(b.Self, away, CancellationToken.None)).Verdict, Is.EqualTo(BodyVerdict.Unavailable));
    }

    [Test]
    public async Task A_peer_that_checked_a_batch_adds_its_span_to_the_traces_of_the_batch_and_of_its_frames()
    {
        using TempFolder folder = new();
        (BatchSummary batch, byte[] body) = Batch(_frames);
        using ActivityListener listener = new() { ShouldListenTo = source => source.Name == FrameTracer.SourceName, Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded };
        List<Activity> spans = [];
        listener.ActivityStopped = span =>
        {
            lock (spans)
                if (span.OperationName == FrameTracer.PeerCheck && (string?)span.GetTagItem("depin.batch.gateway") == Author.ToChecksumString()) spans.Add(span);
        };
        ActivitySource.AddActivityListener(listener);
        foreach (int peer in new[] { 3, 4 })
        {
            await using TransportNode node = new(peer);
            node.WithBodies(folder.Sub("n" + peer));
            node.Store!.Append(batch.FramesHash, 0, body);
            node.Store.Keep(batch.FramesHash);
            using FrameTracer tracer = new(1, node.Self, TimeProvider.System);
            PeerBodyKeeper keeper = new(node.Store, node.Transfer!, _check, KeysOf, (device, _) => new(KeysOf(device)), _ => false, node.Logs, tracer, TimeProvider.System);
            Assert.That((await keeper.FetchAsync(node.Self, batch, CancellationToken.None)).Verdict, Is.EqualTo(BodyVerdict.Good));
            await keeper.FetchAsync(node.Self, batch, CancellationToken.None); // known by now: no second span
        }

        Hash32[] hashes = [batch.Hash, .. _frames.Select(frame => FrameLeaf.Hash(frame))];
        Assert.That(spans, Has.Count.EqualTo(2 * hashes.Length));
        foreach (Hash32 hash in hashes)
        {
            Activity[] found = [.. spans.Where(span => span.TraceId == FrameTracer.TraceIdOf(hash))];
            Assert.That(found.Select(span => span.ParentSpanId), Is.EqualTo(Enumerable.Repeat(FrameTracer.SpanIdOf(hash, FrameTracer.Batch), 2)), "under the author's span of the batch");
            Assert.That(found.Select(span => span.SpanId), Is.Unique);
            Assert.That(found.Select(span => span.GetTagItem("depin.gateway")), Is.EquivalentTo(new[] { 3, 4 }.Select(peer => TransportNode.AddressOf(peer).ToChecksumString())));
        }
    }

    private static (BatchSummary Batch, byte[] Body) Batch(List<byte[]> frames)
    {
        BatchBody body = BatchBody.Encode([.. frames.Select(f => (ReadOnlyMemory<byte>)f)]);
        return (new BatchSummary(body.ToHeader(Author, 1, Hash32.Zero, 1, 2), body.FramesHash(), FrameSpans.Of(body)!), body.Bytes.ToArray());
    }

    private Task<BodyFinding> CheckAsync(BatchSummary batch, byte[] body) => _check.CheckAsync(batch, body, KeysOf, CancellationToken.None);

    private IReadOnlyList<ReadOnlyMemory<byte>> KeysOf(Address id) => _devices.FirstOrDefault(d => new Address(d.Id) == id) is { } device ? [device.PublicKey] : [];
}
