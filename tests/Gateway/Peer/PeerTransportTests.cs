using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Settings;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Peer;

/// <summary>Transports in one process, on loopback sockets with real TLS.</summary>
internal sealed class PeerTransportTests
{
    private static readonly PeerMessage Hello = new GetMineMessage(7);

    [Test]
    public async Task Pinned_gateways_connect_and_messages_arrive_in_order()
    {
        await using TransportNode a = new(1), b = new(2);
        await TransportNode.FollowAllAsync(a, b);
        await TransportNode.ConnectedAsync(a, b);
        for (ulong i = 0; i < 400; i++) Assert.That(a.Transport.Send(b.Self, new GetMineMessage(i)), Is.True);
        Assert.That(b.Transport.Send(a.Self, Hello), Is.True);
        await Eventually.TrueAsync(() => b.Messages.Count == 400 && a.Messages.Count == 1, "everything arrived", b.Words);
        Assert.That(b.Messages.Select(m => ((GetMineMessage)m.Message).From), Is.Ordered.And.Unique);
        Assert.That(b.Told, Is.EqualTo(new[] { "+1" }));
        await Eventually.TrueAsync(() => a.StateOf(b)!.Queued == 0, "the queue is empty");
        PeerState state = a.StateOf(b)!;
        Assert.Multiple(() =>
        {
            Assert.That(state.BytesSent, Is.EqualTo(400 * (4 + 9)));
            Assert.That(state.BytesReceived, Is.EqualTo(13));
            Assert.That(state.Trouble, Is.Empty);
            Assert.That(state.LastMessageMs, Is.GreaterThan(0));
        });
    }

    [Test]
    public async Task The_largest_message_arrives()
    {
        await using TransportNode a = new(1), b = new(2);
        await TransportNode.FollowAllAsync(a, b);
        await TransportNode.ConnectedAsync(a, b);
        AnchorLeaf[] leaves = [.. Enumerable.Range(1, 65_536).Select(i => new AnchorLeaf(new BatchId(a.Self, (ulong)i), new Hash32(new byte[32])))];
        AnchorHeader header = AnchorHeader.Read(new byte[AnchorHeader.Bytes]);
        Assert.That(a.Transport.Send(b.Self, new ProposalMessage(header, leaves, [])), Is.True);
        await Eventually.TrueAsync(() => b.Messages.Count == 1, "it arrived", b.Words);
        b.Messages.TryPeek(out (int From, PeerMessage Message) got);
        Assert.That(((ProposalMessage)got.Message).Contents, Is.EqualTo(leaves));
    }

    [Test]
    public async Task A_gateway_behind_nat_dials_out_and_everything_flows_over_that_stream()
    {
        await using TransportNode open = new(1), behind = new(2, listens: false);
        await TransportNode.FollowAllAsync(open, behind);
        await TransportNode.ConnectedAsync(open, behind);
        Assert.That(await behind.Transport.Listening, Is.Null);
        Assert.That(open.StateOf(behind)!.IsInbound, Is.True);
        Assert.That(open.Transport.Send(behind.Self, Hello), Is.True);
        Assert.That(behind.Transport.Send(open.Self, Hello), Is.True);
        await Eventually.TrueAsync(() => behind.Messages.Count == 1 && open.Messages.Count == 1, "both heard");
    }

    [Test]
    public async Task A_key_that_the_registry_does_not_record_is_refused_on_both_sides()
    {
        await using TransportNode a = new(1), b = new(2);
        using PeerKey other = PeerKey.Create();
        Member honest = await a.MemberAsync(), wrong = (await b.MemberAsync()) with { TlsKeyHash = other.Hash };
        a.Transport.Follow(TransportNode.Of(honest, wrong)); // a knows another key for b: b's server is refused, and b's certificate too
        await Eventually.TrueAsync(() => a.StateOf(b)!.Trouble.Contains("the registry records", StringComparison.Ordinal), "a says which key it saw", a.Words);
        Assert.That(a.StateOf(b)!.Trouble, Does.Contain(b.Key.Hash.ToString()).And.Contain(other.Hash.ToString()));
        b.Transport.Follow(TransportNode.Of(honest, wrong));
        Assert.That(b.Transport.OwnTrouble, Does.Contain(b.Key.Hash.ToString()), "and b says that its own record is wrong");
        await Eventually.TrueAsync(() => b.StateOf(a)!.Trouble.Length > 0 && b.StateOf(a)!.Trouble.Contains("https://", StringComparison.Ordinal), "b is refused", b.Words);
        Assert.That(a.Told, Is.Empty);
        Assert.That(b.Told, Is.Empty);
        Assert.That(a.Logs.Count("is away"), Is.EqualTo(1), "logged once, not at every attempt");
    }

    [Test]
    public async Task A_key_change_in_the_registry_closes_the_old_connection_and_lets_the_new_key_in()
    {
        await using TransportNode a = new(1), b = new(2);
        await TransportNode.FollowAllAsync(a, b);
        await TransportNode.ConnectedAsync(a, b);
        await using TransportNode renewed = new(2);
        Membership now = TransportNode.Of(await a.MemberAsync(), await renewed.MemberAsync());
        a.Transport.Follow(now);
        renewed.Transport.Follow(now);
        await Eventually.TrueAsync(() => a.Told.Count >= 3 && a.IsConnectedTo(renewed), "the new one is connected", a.Words);
        Assert.That(a.Told.Take(3), Is.EqualTo(new[] { "+2", "-2", "+2" }));
        await Eventually.TrueAsync(() => !b.IsConnectedTo(a), "the old one is out", b.Words);
    }

    [Test]
    public async Task A_gateway_that_leaves_the_set_is_disconnected_and_one_that_joins_is_dialled()
    {
        await using TransportNode a = new(1), b = new(2), c = new(3);
        Member ma = await a.MemberAsync(), mb = await b.MemberAsync(), mc = await c.MemberAsync();
        a.Transport.Follow(TransportNode.Of(ma, mb));
        b.Transport.Follow(TransportNode.Of(ma, mb));
        await TransportNode.ConnectedAsync(a, b);
        foreach (TransportNode node in new[] { a, c }) node.Transport.Follow(TransportNode.Of(ma, mc));
        await TransportNode.ConnectedAsync(a, c);
        await Eventually.TrueAsync(() => a.Told.Contains("-2"), "b is gone", a.Words);
        Assert.That(a.StateOf(b), Is.Null);
        Assert.That(a.Transport.Send(b.Self, Hello), Is.False);
    }

    [Test]
    public async Task Follow_at_any_time_moves_a_peer_to_its_new_endpoint()
    {
        await using TransportNode a = new(1), b = new(2, listens: false);
        await using TransportNode elsewhere = new(3);
        // b's record first names a port where another gateway answers: that one says it is not meant.
        Member ma = await a.MemberAsync(false), mb = await elsewhere.MemberAsync();
        a.Transport.Follow(TransportNode.Of(ma, mb with { Gateway = b.Self }));
        elsewhere.Transport.Follow(TransportNode.Of(ma, mb));
        await Eventually.TrueAsync(() => a.StateOf(b)!.Trouble.Contains("this is gateway", StringComparison.Ordinal), "it is told who answered", a.Words);
        await using TransportNode real = new(2);
        Membership now = TransportNode.Of(ma, await real.MemberAsync());
        real.Transport.Follow(now);
        a.Transport.Follow(now);
        await TransportNode.ConnectedAsync(a, real);
    }

    [Test]
    public async Task One_tls_key_recorded_for_two_gateways_lets_nobody_speak_for_the_other()
    {
        await using TransportNode a = new(1), b = new(2);
        Member mb = await b.MemberAsync();
        Member copycat = new(TransportNode.AddressOf(9), mb.TlsKeyHash, mb.Endpoint); // recorded b's key and endpoint as its own
        Membership all = TransportNode.Of(await a.MemberAsync(), mb, copycat);
        a.Transport.Follow(all);
        b.Transport.Follow(all);
        await TransportNode.ConnectedAsync(a, b);
        await Eventually.TrueAsync(() => a.Transport.Peers().Single(p => p.Gateway == copycat.Gateway).Trouble.Contains("this is gateway", StringComparison.Ordinal), "b does not answer for it", a.Words);
        Assert.That(a.Told, Is.EqualTo(new[] { "+2" }));
    }

    [Test]
    public async Task After_one_side_was_stopped_and_started_again_they_are_connected_again()
    {
        await using TransportNode a = new(1);
        TransportNode b = new(2);
        await TransportNode.FollowAllAsync(a, b);
        await TransportNode.ConnectedAsync(a, b);
        await b.StopAsync();
        await Eventually.TrueAsync(() => a.Told.Contains("-2"), "a noticed", a.Words);
        PeerSettings same = new();
        await using TransportNode again = new(2, b.Key, settings: same);
        await TransportNode.FollowAllAsync(a, again);
        await TransportNode.ConnectedAsync(a, again);
        await Eventually.TrueAsync(() => a.Told.Count(t => t == "+2") == 2, "told again", a.Words);
        Assert.That(a.Told.Select(t => t[0]), Is.EqualTo(Enumerable.Range(0, a.Told.Count).Select(i => i % 2 == 0 ? '+' : '-')), "exactly balanced");
    }

    [Test]
    public async Task Events_stay_balanced_while_both_dial_and_connections_break()
    {
        await using TransportNode a = new(1), b = new(2);
        Membership all = await TransportNode.FollowAllAsync(a, b);
        for (int i = 0; i < 10; i++)
        {
            await TransportNode.ConnectedAsync(a, b);
            Member mb = all.Find(b.Self)!;
            a.Transport.Follow(TransportNode.Of(all.Find(a.Self)!, mb with { TlsKeyHash = Hash32.Zero }));
            await Eventually.TrueAsync(() => a.Told.Count(t => t == "-2") == i + 1, "a told the end", a.Words);
            a.Transport.Follow(all);
        }

        await TransportNode.ConnectedAsync(a, b);
        foreach (TransportNode node in new[] { a, b })
            Assert.That(node.Told.Select(t => t[0]), Is.EqualTo(Enumerable.Range(0, node.Told.Count).Select(i => i % 2 == 0 ? '+' : '-')));
    }

    [Test]
    public async Task A_slow_reader_fills_a_bounded_queue_and_nothing_more()
    {
        PeerOptions small = TransportNode.Quick with { QueueMessagesMax = 64, QueueBytesMax = 8 * 1024 * 1024 };
        PeerSettings lenient = new() { MessagesPerS = 100_000, MibPerS = 1_024 };
        await using TransportNode a = new(1, options: small), b = new(2, hears: false, settings: lenient);
        await TransportNode.FollowAllAsync(a, b);
        await TransportNode.ConnectedAsync(a, b);
        PeerMessage large = new MisconductMessage(new Misconduct(EvidenceKind.BadBatch, a.Self, 1, new byte[2_048], new byte[2_048], ""));
        await Eventually.TrueAsync(() =>
        {
            for (int i = 0; i < 500; i++) _ = a.Transport.Send(b.Self, large);
            return a.StateOf(b)!.Queued == 64 && a.StateOf(b)!.Dropped > 5_000;
        }, "the queue is full and what is above it is dropped and counted", a.Words);
        Assert.That(a.IsConnectedTo(b), Is.True, "slow is no offence");
        long dropped = a.StateOf(b)!.Dropped;
        Assert.That(a.Transport.Send(b.Self, large), Is.False);
        Assert.That(a.StateOf(b)!.Dropped, Is.EqualTo(dropped + 1));
        b.Hear();
        await Eventually.TrueAsync(() => a.StateOf(b)!.Queued == 0, "it flows again");
    }

    [Test]
    public async Task A_peer_that_sends_too_fast_is_slowed_down_blamed_and_in_the_end_dropped()
    {
        PeerSettings strict = new() { MessagesPerS = 10 };
        ManualTimeProvider clock = new();
        await using TransportNode a = new(1), b = new(2, settings: strict, time: clock, options: TransportNode.Quick with { TooFastInterval = TimeSpan.FromMilliseconds(1) });
        await TransportNode.FollowAllAsync(a, b);
        await TransportNode.ConnectedAsync(a, b);
        for (int i = 0; i < 100; i++) a.Transport.Send(b.Self, Hello);
        await Eventually.TrueAsync(() => b.Messages.Count == 40 && b.StateOf(a)!.Score == PeerScores.TooFast, "the burst came, then it waits", b.Words);
        Assert.That(b.StateOf(a)!.Trouble, Does.Contain("more than 10 messages"));
        await Eventually.TrueAsync(() =>
        {
            clock.Advance(TimeSpan.FromMilliseconds(100));
            return b.StateOf(a)!.Trouble.StartsWith("dropped", StringComparison.Ordinal);
        }, "it goes on and is dropped", b.Words);
        Assert.That(b.Messages, Has.Count.LessThan(60), "at the allowed rate");
    }

    [TestCase("garbage")]
    [TestCase("oversized")]
    [TestCase("empty")]
    public async Task Bytes_that_are_no_message_end_the_connection_with_a_visible_reason(string what)
    {
        await using TransportNode b = new(2);
        using PeerKey key = PeerKey.Create();
        b.Transport.Follow(TransportNode.Of(new Member(TransportNode.AddressOf(1), key.Hash, ""), await b.MemberAsync()));
        IPEndPoint at = await b.EndPointAsync();
        for (int time = 1; time <= 2; time++)
        {
            using PeerDialerByHand hand = await PeerDialerByHand.OpenAsync(key, at, TransportNode.AddressOf(1), b.Self);
            await hand.WriteAsync(what switch { "garbage" => [0, 0, 0, 3, 99, 1, 2], "oversized" => [0xff, 0, 0, 0, 1], _ => [0, 0, 0, 0] });
            await hand.EndedAsync();
            int now = time;
            await Eventually.TrueAsync(() => b.Told.Count == 2 * now, "it is closed", b.Words);
        }

        PeerState state = b.Transport.Peers().Single();
        Assert.That(state.Trouble, Does.StartWith("dropped: it sent a message"));
        Assert.That(state.Score, Is.EqualTo(100));
        Assert.That(b.Logs.Count("is dropped for 10 minutes"), Is.EqualTo(1), b.Words());
        HttpRequestException refused = Assert.ThrowsAsync<HttpRequestException>(() => PeerDialerByHand.OpenAsync(key, at, TransportNode.AddressOf(1), b.Self))!;
        Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.TooManyRequests));
    }

    [Test]
    public async Task A_dropped_peer_is_refused_until_its_score_has_halved()
    {
        ManualTimeProvider clock = new();
        await using TransportNode a = new(1), b = new(2, time: clock);
        await TransportNode.FollowAllAsync(a, b);
        await TransportNode.ConnectedAsync(a, b);
        b.Transport.Blame(a.Self, 33, "a broken rule");
        Assert.That(b.IsConnectedTo(a), Is.True);
        clock.Advance(TimeSpan.FromMinutes(10));
        Assert.That(b.StateOf(a)!.Score, Is.EqualTo(16).Or.EqualTo(17), "halved in ten minutes");
        b.Transport.Blame(a.Self, 100, "another broken rule");
        await Eventually.TrueAsync(() => b.Told.Contains("-1"), "dropped", b.Words);
        Assert.That(b.StateOf(a)!.Trouble, Is.EqualTo("dropped: another broken rule"));
        await Eventually.TrueAsync(() => a.StateOf(b)!.Trouble.Contains("another broken rule", StringComparison.Ordinal), "and the other side is told why", a.Words);
        clock.Advance(TimeSpan.FromMinutes(12));
        Assert.That(b.StateOf(a)!.Trouble, Does.StartWith("dropped"), "116 points need 12 minutes and 13 seconds");
        clock.Advance(TimeSpan.FromMinutes(1));
        await TransportNode.ConnectedAsync(a, b);
        Assert.That(b.Logs.Count("is dropped"), Is.EqualTo(1), "logged once");
    }

    [Test]
    public async Task A_gateway_with_a_wrong_clock_connects_all_the_same()
    {
        // The certificate says 1970 to 2060; the test's clock is irrelevant to TLS, so the certificate itself is what is looked at.
        await using TransportNode a = new(1);
        Assert.That(a.Key.Certificate.NotBefore.ToUniversalTime().Year, Is.EqualTo(1970));
        Assert.That(a.Key.Certificate.NotAfter.ToUniversalTime().Year, Is.EqualTo(2060));
        using ExpiredKey expired = new();
        a.Transport.Follow(TransportNode.Of(await a.MemberAsync(), new Member(TransportNode.AddressOf(2), PeerKey.HashOf(expired.Certificate), "")));
        using PeerDialerByHand hand = await PeerDialerByHand.OpenAsync(expired.Certificate, await a.EndPointAsync(), TransportNode.AddressOf(2), a.Self);
        await Eventually.TrueAsync(() => a.Told.Contains("+2"), "an expired certificate with the right key is let in", a.Words);
    }

    [Test]
    public async Task A_stranger_ends_in_the_handshake_and_is_limited_per_address()
    {
        await using TransportNode a = new(1);
        a.Transport.Follow(TransportNode.Of(await a.MemberAsync()));
        IPEndPoint at = await a.EndPointAsync();
        using PeerKey stranger = PeerKey.Create();
        await Eventually.TrueAsync(async () =>
        {
            Assert.CatchAsync<Exception>(() => PeerDialerByHand.OpenAsync(stranger, at, TransportNode.AddressOf(2), a.Self));
            await Task.CompletedTask;
            return a.Transport.StrangersRefused > 0;
        }, "after some attempts its connections are refused before TLS");
        Assert.That(a.Told, Is.Empty);
        Assert.That(a.Transport.Peers(), Is.Empty);
    }

    [Test]
    public async Task A_stranger_without_a_certificate_and_one_who_says_nothing_do_not_hinder_a_peer()
    {
        await using TransportNode a = new(1), b = new(2);
        IPEndPoint at = await a.EndPointAsync();
        List<TcpClient> silent = [];
        for (int i = 0; i < 7; i++)
        {
            TcpClient client = new();
            await client.ConnectAsync(at);
            silent.Add(client);
        }

        await TransportNode.FollowAllAsync(a, b);
        await TransportNode.ConnectedAsync(a, b);
        foreach (TcpClient client in silent) client.Dispose();
        using TcpClient bare = new();
        await bare.ConnectAsync(at);
        using SslStream tls = new(bare.GetStream(), false, (_, _, _, _) => true);
        Assert.CatchAsync<Exception>(async () =>
        {
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "x", ApplicationProtocols = [SslApplicationProtocol.Http2] });
            await tls.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray());
            if (await tls.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: true) > 0) throw new IOException("it answered, but did it serve?");
        });
    }

    [Test]
    public async Task A_peer_that_opens_a_second_stream_replaces_its_first_and_both_ends_are_told()
    {
        await using TransportNode b = new(2);
        using PeerKey key = PeerKey.Create();
        b.Transport.Follow(TransportNode.Of(new Member(TransportNode.AddressOf(1), key.Hash, ""), await b.MemberAsync()));
        IPEndPoint at = await b.EndPointAsync();
        using PeerDialerByHand first = await PeerDialerByHand.OpenAsync(key, at, TransportNode.AddressOf(1), b.Self);
        await Eventually.TrueAsync(() => b.Told.Count == 1, "connected");
        using PeerDialerByHand second = await PeerDialerByHand.OpenAsync(key, at, TransportNode.AddressOf(1), b.Self);
        await first.EndedAsync();
        await Eventually.TrueAsync(() => b.Told.Count == 3, "replaced", b.Words);
        Assert.That(b.Told, Is.EqualTo(new[] { "+1", "-1", "+1" }));
        await second.WriteAsync([0, 0, 0, 9, 7, 0, 0, 0, 0, 0, 0, 0, 5]);
        await Eventually.TrueAsync(() => b.Messages.Count == 1, "the new one is heard", b.Words);
    }

    [TestCase("depin-wire", "2", HttpStatusCode.BadRequest)]
    [TestCase("depin-to", "0x0000000000000000000000000000000000000009", HttpStatusCode.MisdirectedRequest)]
    [TestCase("depin-from", "0x0000000000000000000000000000000000000009", HttpStatusCode.Forbidden)]
    [TestCase("depin-from", "nobody", HttpStatusCode.Forbidden)]
    public async Task A_stream_with_a_wrong_header_is_refused(string header, string value, HttpStatusCode status)
    {
        await using TransportNode b = new(2);
        using PeerKey key = PeerKey.Create();
        b.Transport.Follow(TransportNode.Of(new Member(TransportNode.AddressOf(1), key.Hash, ""), await b.MemberAsync()));
        IPEndPoint at = await b.EndPointAsync();
        HttpRequestException refused = Assert.ThrowsAsync<HttpRequestException>(() => PeerDialerByHand.OpenAsync(key.Certificate, at, TransportNode.AddressOf(1), b.Self, (header, value)))!;
        Assert.That(refused.StatusCode, Is.EqualTo(status));
    }

    [Test]
    public async Task A_static_endpoint_overrides_the_registry_and_one_found_on_the_lan_is_tried_in_turn()
    {
        await using TransportNode b = new(2), c = new(3);
        Member mb = await b.MemberAsync(), mc = await c.MemberAsync();
        PeerSettings settings = new() { Endpoints = [$"{b.Self}={mb.Endpoint}"] };
        await using TransportNode a = new(1, settings: settings, listens: false);
        Membership all = TransportNode.Of(await a.MemberAsync(), mb with { Endpoint = "https://127.0.0.1:1" }, mc with { Endpoint = "https://127.0.0.1:1" });
        foreach (TransportNode node in new[] { a, b, c }) node.Transport.Follow(all);
        await TransportNode.ConnectedAsync(a, b);
        await Eventually.TrueAsync(() => a.StateOf(c)!.Trouble.Contains("127.0.0.1:1", StringComparison.Ordinal), "the registry's endpoint of c does not answer", a.Words);
        a.Transport.Found(c.Self, new Uri(mc.Endpoint));
        await TransportNode.ConnectedAsync(a, c);
    }

    [Test]
    public async Task A_port_in_use_is_a_settings_fault_with_a_remedy()
    {
        await using TransportNode a = new(1);
        PeerSettings taken = new() { Listen = (await a.EndPointAsync()).ToString() };
        using PeerKey key = PeerKey.Create();
        PeerTransport second = new(taken, key, TransportNode.AddressOf(2), TimeProvider.System, new TestLogs());
        Assert.That(() => second.RunAsync(CancellationToken.None), Throws.TypeOf<DePIN.Gateway.Settings.SettingsException>().With.Message.Contains("peer.listen"));
        Assert.That(async () => await second.Listening, Throws.Exception);
    }

    /// <summary>A certificate that ended in 2021.</summary>
    private sealed class ExpiredKey : IDisposable
    {
        public ExpiredKey()
        {
            using System.Security.Cryptography.ECDsa pair = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
            CertificateRequest request = new("CN=old", pair, System.Security.Cryptography.HashAlgorithmName.SHA256);
            using X509Certificate2 made = request.CreateSelfSigned(new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2021, 1, 1, 0, 0, 0, TimeSpan.Zero));
            Certificate = X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
        }

        public X509Certificate2 Certificate { get; }

        public void Dispose() => Certificate.Dispose();
    }
}
