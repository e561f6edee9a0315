using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Peer;

/// <summary>Bodies on the disk, over the streams and over GET.</summary>
internal sealed class BodyTests
{
    private TempFolder _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    [Test]
    public async Task A_body_is_fetched_in_parts_over_the_stream_and_is_the_same()
    {
        MemoryBodies source = new();
        Hash32 hash = source.Add(Bytes(1_000_000, compressible: true));
        await using TransportNode a = new(1), b = new(2);
        a.WithBodies(_folder.Sub("a"));
        b.WithBodies(_folder.Sub("b"), source);
        await TransportNode.FollowAllAsync(a, b);
        await TransportNode.ConnectedAsync(a, b);
        Assert.That(await a.Transfer!.FetchAsync(b.Self, hash, 2_000_000, CancellationToken.None), Is.EqualTo(FetchOutcome.Complete));
        a.Store!.Keep(hash);
        Assert.That(a.Store.Has(hash), Is.True);
        Assert.That(a.Store.Read(hash), Is.EqualTo(source.Bodies[hash]));
        Assert.That(a.StateOf(b)!.BytesReceived, Is.LessThan(900_000), "deflated");
        Assert.That(a.Messages, Is.Empty, "the core sees nothing of it");
        Assert.That(await a.Transfer.FetchAsync(b.Self, Hash32.Parse("0x" + new string('7', 64)), 1_000, CancellationToken.None), Is.EqualTo(FetchOutcome.Unavailable));
        Assert.That(source.Opened, Is.EqualTo(new long[] { 0 }), "the source is read forward once");
    }

    [Test]
    public async Task A_transfer_goes_on_at_its_offset_after_the_connection_broke_and_after_a_restart()
    {
        MemoryBodies source = new();
        Hash32 hash = source.Add(Bytes(5 * BodyTransfer.PartBytes, compressible: false));
        await using TransportNode b = new(2);
        b.WithBodies(_folder.Sub("b"), source);
        await using (TransportNode a = new(1))
        {
            a.WithBodies(_folder.Sub("a"));
            await TransportNode.FollowAllAsync(a, b);
            await TransportNode.ConnectedAsync(a, b);
            source.BreakAt = 2 * BodyTransfer.PartBytes;
            source.Break = () => b.Transport.Blame(a.Self, 100, "the test breaks it");
            Assert.That(await a.Transfer!.FetchAsync(b.Self, hash, long.MaxValue, CancellationToken.None), Is.EqualTo(FetchOutcome.Unavailable));
            Assert.That(a.Store!.PartLength(hash), Is.EqualTo(2 * BodyTransfer.PartBytes));
        }

        // Restarted, and another peer has it.
        source.Break = null;
        await using TransportNode c = new(3), again = new(1);
        c.WithBodies(_folder.Sub("c"), source);
        again.WithBodies(_folder.Sub("a"));
        await TransportNode.FollowAllAsync(again, c);
        await TransportNode.ConnectedAsync(again, c);
        source.Opened.Clear();
        Assert.That(await again.Transfer!.FetchAsync(c.Self, hash, long.MaxValue, CancellationToken.None), Is.EqualTo(FetchOutcome.Complete));
        Assert.That(source.Opened, Is.EqualTo(new long[] { 2 * BodyTransfer.PartBytes }), "from the offset on");
        Assert.That(again.Store!.Read(hash), Is.EqualTo(source.Bodies[hash]));
    }

    [TestCase(0)]
    [TestCase(4_000_000)]
    public async Task A_part_that_was_tampered_with_is_discarded_and_the_body_fetched_anew(int garbageBytes)
    {
        MemoryBodies source = new();
        Hash32 hash = source.Add(Bytes(600_000, compressible: true));
        await using TransportNode a = new(1), b = new(2);
        a.WithBodies(_folder.Sub("a"));
        b.WithBodies(_folder.Sub("b"), source);
        await TransportNode.FollowAllAsync(a, b);
        await TransportNode.ConnectedAsync(a, b);
        a.Store!.Append(hash, 0, garbageBytes > 0 ? new byte[garbageBytes] : Bytes(BodyTransfer.PartBytes, compressible: false));
        Assert.That(await a.Transfer!.FetchAsync(b.Self, hash, long.MaxValue, CancellationToken.None), Is.EqualTo(FetchOutcome.Complete));
        Assert.That(a.Store.Read(hash), Is.EqualTo(source.Bodies[hash]));
    }

    [Test]
    public async Task A_peer_that_sends_other_bytes_or_more_than_there_can_be_is_found_out()
    {
        MemoryBodies source = new();
        Hash32 hash = source.Add(Bytes(600_000, compressible: true));
        source.Bodies[hash] = Bytes(600_000, compressible: false);
        await using TransportNode a = new(1), b = new(2);
        a.WithBodies(_folder.Sub("a"));
        b.WithBodies(_folder.Sub("b"), source);
        await TransportNode.FollowAllAsync(a, b);
        await TransportNode.ConnectedAsync(a, b);
        Assert.That(await a.Transfer!.FetchAsync(b.Self, hash, 599_999, CancellationToken.None), Is.EqualTo(FetchOutcome.NotTheBody), "too long");
        Assert.That(await a.Transfer.FetchAsync(b.Self, hash, 600_000, CancellationToken.None), Is.EqualTo(FetchOutcome.NotTheBody), "other bytes");
        Assert.That(a.Store!.PartLength(hash), Is.Zero, "nothing is left of it");
    }

    [Test]
    public async Task Get_gives_a_body_whole_in_ranges_and_compressed_to_pinned_peers_only()
    {
        MemoryBodies source = new();
        byte[] body = Bytes(300_000, compressible: true);
        Hash32 hash = source.Add(body);
        await using TransportNode b = new(2);
        b.WithBodies(_folder.Sub("b"), source);
        using PeerKey key = PeerKey.Create(), stranger = PeerKey.Create();
        b.Transport.Follow(TransportNode.Of(new Member(TransportNode.AddressOf(1), key.Hash, ""), await b.MemberAsync()));
        string at = $"https://{await b.EndPointAsync()}{PeerPaths.Bodies}";
        using HttpClient http = PeerDialerByHand.Client(key.Certificate), other = PeerDialerByHand.Client(stranger.Certificate);
        Uri uri = new(at + hash.ToString()[2..]);

        Assert.That(await http.GetByteArrayAsync(uri), Is.EqualTo(body));
        Assert.That(await RangeAsync(http, uri, "bytes=100-199"), Is.EqualTo((HttpStatusCode.PartialContent, "bytes 100-199/300000", Convert.ToHexString(body[100..200]))));
        Assert.That(await RangeAsync(http, uri, "bytes=299990-"), Is.EqualTo((HttpStatusCode.PartialContent, "bytes 299990-299999/300000", Convert.ToHexString(body[299990..]))));
        Assert.That(await RangeAsync(http, uri, "bytes=-10"), Is.EqualTo((HttpStatusCode.PartialContent, "bytes 299990-299999/300000", Convert.ToHexString(body[299990..]))));
        Assert.That(await RangeAsync(http, uri, "bytes=300000-"), Is.EqualTo((HttpStatusCode.RequestedRangeNotSatisfiable, "bytes */300000", "")));
        Assert.That((await http.GetAsync(new Uri(at + new string('1', 64)))).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That((await http.GetAsync(new Uri(at + "11"))).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        foreach (string coding in new[] { "br", "deflate" })
        {
            using HttpRequestMessage request = new(HttpMethod.Get, uri) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue(coding));
            using HttpResponseMessage answer = await http.SendAsync(request);
            Assert.That(answer.Content.Headers.ContentEncoding, Is.EqualTo(new[] { coding }));
            byte[] coded = await answer.Content.ReadAsByteArrayAsync();
            Assert.That(coded, Has.Length.LessThan(body.Length));
            using MemoryStream plain = new();
            using (Stream decoder = coding == "br" ? new BrotliStream(new MemoryStream(coded), CompressionMode.Decompress) : new ZLibStream(new MemoryStream(coded), CompressionMode.Decompress))
                await decoder.CopyToAsync(plain);
            Assert.That(plain.ToArray(), Is.EqualTo(body));
        }

        Assert.CatchAsync<HttpRequestException>(() => other.GetByteArrayAsync(uri));
    }

    [Test]
    public void A_kept_body_is_there_after_a_restart_and_a_part_is_not_taken_for_one()
    {
        byte[] body = Bytes(1_000, compressible: true);
        Hash32 hash = BatchBody.HashOf(body);
        BodyStore store = Open();
        store.Append(hash, 0, body.AsSpan(0, 400));
        Assert.That(store.Has(hash), Is.False);
        store = Open();
        Assert.That(store.PartLength(hash), Is.EqualTo(400));
        store.Append(hash, 400, body.AsSpan(400));
        store.Keep(hash);
        Assert.That(Open().Has(hash), Is.True);
        using BodyReading reading = Open().Open(hash, 900)!;
        Assert.That(reading.Length, Is.EqualTo(1_000));
        Assert.That(reading.Rest.ReadByte(), Is.EqualTo(body[900]));
    }

    [Test]
    public void A_body_is_flushed_before_it_is_renamed_and_the_folder_after_that()
    {
        FaultyDisk disk = new();
        BodyStore store = Open(disk);
        Hash32 hash = Part(store);
        disk.Steps.Clear();
        store.Keep(hash);
        Assert.That(disk.Steps, Is.EqualTo(new[] { "flush", "rename", "flush folder" }));
    }

    [TestCase("flush", false)]
    [TestCase("flush", true)]
    [TestCase("rename", false)]
    [TestCase("rename", true)]
    [TestCase("flush folder", false)]
    [TestCase("flush folder", true)]
    public void A_step_that_fails_leaves_no_body_that_is_not_durable_whether_it_happened_or_not(string step, bool happened)
    {
        FaultyDisk disk = new();
        BodyStore store = Open(disk);
        Hash32 hash = Part(store);
        (disk.FailAt, disk.AfterAll) = (step, happened);
        Assert.That(() => store.Keep(hash), Throws.InstanceOf<IOException>());
        Assert.That(store.Has(hash), Is.False, "not before the last step succeeded");
        Assert.That(store.Open(hash, 0), Is.Null);
        disk.FailAt = "";
        store.Keep(hash);
        Assert.That(store.Has(hash), Is.True, "asked again, it is");
        Assert.That(BatchBody.HashOf(store.Read(hash)), Is.EqualTo(hash));
    }

    [Test]
    public void A_full_disk_takes_nothing_and_says_so()
    {
        FaultyDisk disk = new() { Free = (256L << 20) + 100 };
        BodyStore store = Open(disk);
        Hash32 hash = BatchBody.HashOf([1]);
        Assert.That(store.Append(hash, 0, new byte[101]), Is.False);
        Assert.That(store.PartLength(hash), Is.Zero);
        Assert.That(store.Append(hash, 0, new byte[100]), Is.True);
    }

    [Test]
    public void Age_and_budget_remove_the_oldest_and_a_clock_that_was_not_set_removes_nothing()
    {
        ManualTimeProvider clock = new();
        BodyStoreOptions options = new(_folder.Sub("bodies")) { AgeMax = TimeSpan.FromDays(30), BudgetBytes = 3_500 };
        TestLogs logs = new();
        BodyStore store = BodyStore.Open(options, clock, logs, new FaultyDisk());
        Hash32 old = Kept(store, 1);
        clock.Advance(TimeSpan.FromDays(29));
        Hash32 second = Kept(store, 2), third = Kept(store, 3);
        store.Sweep();
        Assert.That(store.Has(old), Is.True, "not yet");
        clock.Advance(TimeSpan.FromDays(2));
        store.Sweep();
        Assert.That((store.Has(old), store.Has(second)), Is.EqualTo((false, true)));
        Hash32 fourth = Kept(store, 4);
        clock.Advance(TimeSpan.FromSeconds(1));
        Hash32 fifth = Kept(store, 5); // 4,000 bytes: above the budget
        Assert.That(new[] { second, third, fourth, fifth }.Count(store.Has), Is.EqualTo(3));
        Assert.That(store.Has(fifth), Is.True, "the oldest went");
        Assert.That(logs.Count("younger than a day"), Is.Zero);
        Assert.That(store.Bytes, Is.EqualTo(3_000));

        ManualTimeProvider unset = new(new DateTimeOffset(2000, 1, 1, 0, 0, 0, TimeSpan.Zero));
        TempFolder other = new();
        BodyStore early = BodyStore.Open(options with { Folder = other.Path }, unset, logs, new FaultyDisk());
        Hash32 kept = Kept(early, 6);
        unset.Advance(TimeSpan.FromDays(365 * 30));
        early.Sweep();
        Assert.That(early.Has(kept), Is.True, "its age is not known");
        other.Dispose();
    }

    [Test]
    public void Chunks_read_from_any_offset_are_the_body()
    {
        byte[] body = Bytes(1_000, compressible: false);
        ReadOnlyMemory<byte>[] chunks = [body.AsMemory(0, 300), body.AsMemory(300, 0), body.AsMemory(300, 699), body.AsMemory(999, 1)];
        foreach (int offset in new[] { 0, 1, 299, 300, 301, 998, 999, 1_000 })
        {
            using ChunkStream stream = new(chunks, offset);
            using MemoryStream read = new();
            stream.CopyTo(read);
            Assert.That(read.ToArray(), Is.EqualTo(body[offset..]), $"from {offset}");
        }
    }

    private BodyStore Open(IBodyDisk? disk = null) => BodyStore.Open(new BodyStoreOptions(_folder.Sub("bodies")), TimeProvider.System, new TestLogs(), disk);

    private static Hash32 Part(BodyStore store)
    {
        byte[] body = Bytes(1_000, compressible: true);
        Hash32 hash = BatchBody.HashOf(body);
        store.Append(hash, 0, body);
        return hash;
    }

    private static Hash32 Kept(BodyStore store, byte fill)
    {
        byte[] body = new byte[1_000];
        body[0] = fill;
        Hash32 hash = BatchBody.HashOf(body);
        store.Append(hash, 0, body);
        store.Keep(hash);
        return hash;
    }

    private static byte[] Bytes(int count, bool compressible)
    {
        byte[] bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        if (compressible)
            for (int i = 0; i < count; i++) bytes[i] &= 15;
        return bytes;
    }

    private static async Task<(HttpStatusCode, string, string)> RangeAsync(HttpClient http, Uri uri, string range)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, uri) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.TryAddWithoutValidation("Range", range);
        request.Headers.AcceptEncoding.ParseAdd("br");
        using HttpResponseMessage answer = await http.SendAsync(request);
        return (answer.StatusCode, answer.Content.Headers.ContentRange!.ToString(), Convert.ToHexString(await answer.Content.ReadAsByteArrayAsync()));
    }

    /// <summary>Bodies in memory; can break something when a reader comes to an offset.</summary>
    private sealed class MemoryBodies : IBodySource
    {
        public Dictionary<Hash32, byte[]> Bodies { get; } = [];

        public List<long> Opened { get; } = [];

        public Action? Break { get; set; }

        public long BreakAt { get; set; }

        public Hash32 Add(byte[] body)
        {
            Hash32 hash = new(SHA256.HashData(body));
            Bodies[hash] = body;
            return hash;
        }

        public bool Has(Hash32 framesHash) => Bodies.ContainsKey(framesHash);

        public BodyReading? Open(Hash32 framesHash, long offset)
        {
            if (!Bodies.TryGetValue(framesHash, out byte[]? body)) return null;
            Opened.Add(offset);
            return new BodyReading(body.Length, new ChunkStream(Chunks(body), offset));
        }

        private IEnumerable<ReadOnlyMemory<byte>> Chunks(byte[] body)
        {
            for (int at = 0; at < body.Length; at += 64 * 1024)
            {
                if (at == BreakAt) Break?.Invoke();
                yield return body.AsMemory(at, Math.Min(64 * 1024, body.Length - at));
            }
        }
    }

    private sealed class FaultyDisk : IBodyDisk
    {
        private readonly SystemBodyDisk _real = new();

        public List<string> Steps { get; } = [];

        public string FailAt { get; set; } = "";

        /// <summary>Whether the failing step is done all the same.</summary>
        public bool AfterAll { get; set; }

        public long Free { get; set; } = long.MaxValue;

        public long FreeBytes(string folder) => Free;

        public void Append(string path, long offset, ReadOnlySpan<byte> bytes) => _real.Append(path, offset, bytes);

        public void Flush(string path) => Step("flush", () => _real.Flush(path));

        public void Rename(string from, string to) => Step("rename", () => _real.Rename(from, to));

        public void FlushFolder(string folder) => Step("flush folder", () => _real.FlushFolder(folder));

        private void Step(string name, Action step)
        {
            Steps.Add(name);
            if (name != FailAt || AfterAll) step();
            if (name == FailAt) throw new IOException(name);
        }
    }
}
