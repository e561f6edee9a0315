using System.Globalization;
using System.Numerics;
using System.Reflection;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Dispute;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Reward;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;
using DePIN.Protocol;

namespace DePIN.Gateway.Web.Page;

/// <summary>
/// The gateway's page for people: written here, whole, from the same records as the API's answers, so it works without JavaScript; the scripts of
/// assets/ add live values, plots and the proof's check. Strict Content-Security-Policy: no inline script or style, nothing from elsewhere.
/// </summary>
internal sealed class PageSite(
    ReadApi api, NetworkApi network, GatewayFacts facts, GatewaySettings settings, DeviceTable devices, IFrameStore frames, DisputeLog disputes, CaseLog cases, RewardLog payouts, Func<RewardState> rewards,
    PageDoor door, TimeProvider time, ILogger log)
{
    /// <summary>Rows of a table at most.</summary>
    public const int RowsMax = 100;

    // Sequences of a device that are looked through for gaps, and frames for battery and signal: a list of devices reads so many for each row.
    private const int LookBack = 32, FramesLookedAt = 4;

    // Plots read at once; others wait. Each may read Series.FramesMax frames.
    private const int SeriesAtOnce = 2;

    private static readonly (string Path, string Text)[] Rooms =
        [("/", "Overview"), ("/devices", "Devices"), ("/batches", "Batches"), ("/peers", "Peers"), ("/chain", "Chain"), ("/disputes", "Disputes"), ("/rewards", "Rewards"), ("/system", "System"), ("/settings", "Settings"), ("/verify", "Verify")];

    private static readonly Dictionary<string, string> Types = new(StringComparer.Ordinal) { [".js"] = "text/javascript; charset=utf-8", [".css"] = "text/css; charset=utf-8", [".svg"] = "image/svg+xml" };

    // Names of resources are fixed at build time: no path of the file system is ever made of a request's.
    private static readonly Dictionary<string, byte[]> Assets = Assembly.GetExecutingAssembly().GetManifestResourceNames().Where(name => name.StartsWith("page.", StringComparison.Ordinal)).ToDictionary(name => name["page.".Length..], Read);

    private readonly PageEvents _events = new(facts, after => api.DevicesAfter(after, RowsMax).Page, frames, door.MayRead, time, log);
    private readonly SemaphoreSlim _plotting = new(SeriesAtOnce);

    /// <summary>Makes events until <paramref name="stopping"/>.</summary>
    public Task RunAsync(CancellationToken stopping) => _events.RunAsync(stopping);

    /// <summary>Adds the paths.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        Get("/", Overview);
        Get("/devices", Devices);
        Get("/devices/{device}", Device);
        Get("/devices/{device}/frames/{sequence}", Frame);
        Get("/batches", Batches);
        Get("/batches/{number}", Batch);
        routes.MapGet("/peers", async context => await WriteAsync(context, Peers(context, await network.NowAsync(context.RequestAborted).ConfigureAwait(false))).ConfigureAwait(false));
        Get("/chain", Chain);
        routes.MapGet("/disputes", async context => await WriteAsync(context, Disputes(context, await network.NowAsync(context.RequestAborted).ConfigureAwait(false))).ConfigureAwait(false));
        Get("/rewards", Rewards);
        Get("/system", System);
        Get("/settings", Settings);
        Get("/verify", Verify);
        Get("/login", context => Login(context, wrong: false));
        routes.MapPost("/login", LogInAsync);
        routes.MapPost("/logout", LogOutAsync);
        routes.MapGet("/events", _events.ServeAsync);
        routes.MapGet("/api/devices/{device}/series", SeriesAsync);
        routes.MapGet("/assets/{name}", AssetAsync);

        void Get(string path, Func<HttpContext, Html> write) => routes.MapGet(path, context => WriteAsync(context, write(context)));
    }

    /// <summary>The overview's numbers as they stand in the page and in events.</summary>
    internal static IReadOnlyDictionary<string, string> Numbers(HealthJson health) => new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["lastFrame"] = health.LastFrameAgeMs is { } age ? Age(age) + " ago" : "none yet",
        ["connections"] = Number(health.MqttConnections),
        ["verifying"] = Number(health.Queues.VerifyInFlight),
        ["storing"] = Number(health.Queues.Store),
        ["unbatched"] = Number(health.Queues.FramesUnbatched),
        ["pending"] = Number(health.Queues.CertificatesPending),
        ["unanchored"] = health.OldestUnanchoredAgeMs is { } oldest ? Age(oldest) : "everything is on the ledger",
        ["clock"] = health.ClockErrorMs is { } error ? $"{Number(error)} ms" : "unknown",
        ["block"] = health.Chain.Read is { } block ? Number((long)block) : "none read",
    };

    private Html Overview(HttpContext context)
    {
        HealthJson health = facts.Health();
        StatusJson status = api.StatusNow();
        Html html = Begin(context, "Overview", "/");
        html.Add($"""<section aria-labelledby="verdict"><h2 id="verdict">This gateway is <span class="status {health.Status}" data-status>{health.Status}</span></h2>""");
        if (health.Problems.Count == 0) html.Add($"<p>{(health.LastFrameAgeMs is null ? "Nothing is wrong, and no frame has come yet." : "Frames move all the way to the ledger.")}</p>");
        else Problems(html, health.Problems);
        html.Add($"</section>");
        IReadOnlyDictionary<string, string> now = Numbers(health);
        html.Add($"""<section aria-labelledby="way"><h2 id="way">The way of a frame</h2><dl class="cards">""");
        Card("Last frame", "lastFrame");
        Card("MQTT connections", "connections");
        Card("Being verified", "verifying");
        Card("Waiting for the disk", "storing");
        Card("In no batch yet", "unbatched");
        Card("Certified, not on the ledger", "pending");
        Card("Oldest frame that waits for the ledger", "unanchored");
        Card("Block read", "block");
        html.Add($"""</dl></section><section aria-labelledby="all"><h2 id="all">In all</h2><dl class="cards">""");
        Fact(html, "Frames stored", Number(status.Frames));
        Fact(html, "Devices registered", Number(status.Devices));
        Fact(html, "Batches", Number((long)status.LastBatch));
        Fact(html, "Anchors on the ledger", Number((long)status.LedgerSize));
        Fact(html, "Gateways in the network", $"{status.Gateways}, {status.Quorum} make a quorum");
        Fact(html, "This one", status.Active ? "is active" : "is not in the active set");
        html.Add($"</dl></section>");
        return End(html);

        void Card(string name, string key) => html.Add($"""<div><dt>{name}</dt><dd data-value="{key}">{now[key]}</dd></div>""");
    }

    private Html Devices(HttpContext context)
    {
        ApiRequest.Allow(context, "after");
        long row = frames.LastRow; // before the rows are written: what changes meanwhile is told by the first event
        DeviceIdValue? after = context.Request.Query["after"] is { Count: 1 } given ? ApiRequest.Device("after", given) : null;
        (IReadOnlyList<KnownDevice> page, string? next) = api.DevicesAfter(after, RowsMax);
        Html html = Begin(context, "Devices", "/devices");
        html.Add($"""<div data-events="/events?after={after}&row={row}"></div>""");
        Table(html, $"Devices of the registry{(after is null ? "" : " after " + after)}", "Device", "Last seen", "Sequence", $"Missing of the last {LookBack}", "Battery", "Signal", "Refused since the start");
        foreach (KnownDevice device in page)
        {
            DeviceJson about = api.Json(device);
            (ulong missing, string battery, string signal) = Look(device);
            html.Add($"""<tr data-device="{about.Device}"><th scope="row" data-label="Device"><a class="id" href="/devices/{about.Device}">{Short(about.Device)}</a>{(about.RevokedAtS is null ? "" : " revoked")}</th><td data-label="Last seen">""");
            Moment(html, about.LastReceivedMs);
            html.Add($"""</td><td data-label="Sequence" data-sequence>{about.LastSequence}</td><td data-label="Missing">{missing}</td><td data-label="Battery">{battery}</td><td data-label="Signal">{signal}</td><td data-label="Refused">{Refused(device)}</td></tr>""");
        }

        EndTable(html, page.Count, "No device is registered: 'depin provision' or the registry contract does that.");
        if (next is not null) html.Add($"""<p><a href="/devices?after={next}">The next {RowsMax}</a></p>""");
        html.Add($"<p>Refused since the start, of all devices and of strangers: {Counts(facts.Refused())}.</p>");
        html.Add($"<p>Missing: sequences between the frames here that never came, or came to another gateway. Refused: frames that named this device and were whole; what names no device of the registry (UnknownDevice) or is no frame counts for all only.</p>");
        return End(html);
    }

    private Html Device(HttpContext context)
    {
        ApiRequest.Allow(context, "before");
        KnownDevice device = api.Known(context);
        DeviceJson about = api.Json(device);
        ulong before = ApiRequest.Number(context, "before", about.LastSequence + 1, 1);
        List<StoredFrame> page = frames.NewestOf(device.Log.Device, 1, before, 50);
        ulong first = frames.FramesOf(device.Log.Device, 1, 1) is [var oldestHere] ? FrameParser.Sequence(oldestHere.Frame, 0) : 1;
        Html html = Begin(context, "Device " + Short(about.Device), "/devices");
        html.Add($"""<dl class="facts">""");
        Fact(html, "Device id", about.Device);
        Fact(html, "Key", about.KeyKind);
        Fact(html, "Public key", about.PublicKey);
        Fact(html, "Owner", about.Owner ?? "unknown");
        Fact(html, "Registered", about.RegisteredAtS == 0 ? "unknown" : Instant((long)about.RegisteredAtS * 1000));
        if (about.RevokedAtS is { } revoked) Fact(html, "Revoked", Instant((long)revoked * 1000));
        Fact(html, "Last sequence", Number((long)about.LastSequence));
        Fact(html, "Refused since the start", Refused(device));
        html.Add($"</dl>");
        ushort[] channels = [.. page.SelectMany(ChannelsOf).Distinct().Order()];
        html.Add($"""<section aria-labelledby="readings"><h2 id="readings">Readings</h2>""");
        if (channels.Length > 0)
        {
            html.Add($"""<div class="plot" hidden data-device-id="{about.Device}" data-first="{first}" data-last="{about.LastSequence}"><label for="channel">Channel</label> <select id="channel">""");
            foreach (ushort channel in channels) html.Add($"""<option value="{channel}">{Name(channel)}</option>""");
            html.Add($"""</select> <button type="button" id="wider">Further back</button> <button type="button" id="closer">Closer</button> <button type="button" id="newest">Newest</button><div id="plot" role="img" aria-label="Readings over time; the table below has the values"></div><p class="hint" id="reach" role="status"></p><p class="hint">Drag over a stretch of time to see it larger. Where a point is many readings, the line is their mean and the band reaches from the least to the greatest.</p></div>""");
        }

        Table(html, "Newest frames", "Sequence", "Received", "Device's time", "Samples", "Boot");
        foreach (StoredFrame stored in page)
        {
            FrameJson frame = ReadApi.Json(device, stored);
            html.Add($"""<tr><th scope="row" data-label="Sequence"><a href="/devices/{about.Device}/frames/{frame.Sequence}">{frame.Sequence}</a></th><td data-label="Received">""");
            Moment(html, frame.ReceivedMs);
            html.Add($"""</td><td data-label="Device's time">{(frame.ClockSynchronised ? Instant((long)frame.TimeMs) : $"{frame.TimeMs} ms after boot, no clock")}</td><td data-label="Samples">{Samples(frame)}</td><td data-label="Boot">{frame.BootCount}</td></tr>""");
        }

        EndTable(html, page.Count, "No frame of this device is here.");
        if (page.Count > 0 && FrameParser.Sequence(page[^1].Frame, 0) is > 1 and var oldest) html.Add($"""<p><a href="/devices/{about.Device}?before={oldest}">Older frames</a></p>""");
        html.Add($"</section>");
        return End(html);
    }

    private Html Frame(HttpContext context)
    {
        ApiRequest.Allow(context);
        (KnownDevice device, StoredFrame stored) = api.Stored(context);
        FrameStateJson state = api.StateOf(device, stored);
        FrameJson frame = state.Frame;
        string path = $"/api/devices/{frame.Device}/frames/{frame.Sequence}/proof";
        Html html = Begin(context, $"Frame {frame.Sequence} of {Short(frame.Device)}", "/devices");
        html.Add($"""<p><a href="/devices/{frame.Device}">All frames of the device</a></p><section aria-labelledby="way"><h2 id="way">Its way</h2><ol class="way">""");
        Step(true, "Signed", $"by the device's key, {(frame.ClockSynchronised ? Instant((long)frame.TimeMs) : "without a clock")}");
        Step(true, "Stored", $"received {Instant(frame.ReceivedMs)}; its signature was checked before");
        Step(state.Batch is not null, "In a batch", state.Batch is { } batch ? (state.Gateway is null ? $"number {batch} of this gateway" : $"number {batch} of gateway {state.Gateway}") : "not yet");
        Step(state.State is "certified" or "anchored" or "anchored elsewhere", "Certified", state.State == "void" ? "the batch lost a frame to an earlier anchor; a new one comes" : state.State is "certified" or "anchored" ? "a quorum of gateways holds the batch and checked every frame of it" : state.State == "anchored elsewhere" ? "with another gateway's batch" : "not yet");
        Step(state.State.StartsWith("anchored", StringComparison.Ordinal), "On the ledger", state.Ordinal is { } ordinal && api.AnchorsFrom(ordinal, 1).Anchors is [var anchor] ? $"anchor {ordinal}, epoch {anchor.Epoch}, block {anchor.Block}, transaction {anchor.Transaction}, {anchor.Confirmations} blocks deep" : state.State == "anchored elsewhere" ? "through another gateway, which has the proof" : "not yet");
        html.Add($"</ol></section>");
        if (state.Ordinal is not null)
        {
            html.Add($"""<section aria-labelledby="proof"><h2 id="proof">Its proof</h2><p><a href="{path}" download="{frame.Device}-{frame.Sequence}.json">Download the proof</a>: it needs nobody's word, this gateway's included. 'depin verify FILE --rpc URL' checks it against the chain too.</p>""");
            html.Add($"""<div hidden data-proof="{path}"><button type="button" id="check">Check it here, in this browser</button></div><ol id="steps" class="way" aria-live="polite"></ol></section>""");
        }

        Table(html, "Samples", "Channel", "Value", "Unit", "Quality", "After the first, ms");
        foreach (SampleJson sample in frame.Samples)
            html.Add($"""<tr><th scope="row" data-label="Channel">{sample.Name ?? sample.Channel.ToString(CultureInfo.InvariantCulture)}</th><td data-label="Value">{sample.Value}</td><td data-label="Unit">{sample.Unit ?? ""}</td><td data-label="Quality">{(sample.Quality == 0 ? "good" : sample.Quality.ToString(CultureInfo.InvariantCulture))}</td><td data-label="After, ms">{sample.OffsetMs}</td></tr>""");
        EndTable(html, frame.Samples.Count, frame.Sealed ? "The payload is sealed for its reader." : "The frame has no samples.");
        html.Add($"""<details><summary>The bytes that the device signed, and its signature</summary><pre>{frame.Frame}</pre></details>""");
        return End(html);

        void Step(bool done, string what, string detail) => html.Add($"""<li class="{(done ? "good" : "open")}"><b>{what}</b>: {detail}</li>""");
    }

    private Html Batches(HttpContext context)
    {
        ApiRequest.Allow(context, "before");
        ulong last = api.StatusNow().LastBatch, before = ApiRequest.Number(context, "before", last + 1, 1);
        ulong from = before > RowsMax ? before - RowsMax : 1;
        List<BatchJson> page = before <= 1 ? [] : [.. api.BatchesFrom(from, (int)(before - from)).OrderByDescending(batch => batch.Number)];
        Html html = Begin(context, "Batches", "/batches");
        Table(html, "Batches of this gateway, the newest first", "Number", "Frames", "Samples", "Last received", "State", "Anchor");
        foreach (BatchJson batch in page)
        {
            html.Add($"""<tr><th scope="row" data-label="Number"><a href="/batches/{batch.Number}">{batch.Number}</a></th><td data-label="Frames">{batch.Frames}</td><td data-label="Samples">{batch.Samples}</td><td data-label="Last received">""");
            Moment(html, (long)batch.LastReceivedMs);
            html.Add($"""</td><td data-label="State">{batch.State}</td><td data-label="Anchor">{batch.Ordinal?.ToString(CultureInfo.InvariantCulture) ?? ""}</td></tr>""");
        }

        EndTable(html, page.Count, "No batch yet: the first one is cut when frames have waited batch.ageMaxS.");
        if (from > 1) html.Add($"""<p><a href="/batches?before={from}">Older ones</a></p>""");
        return End(html);
    }

    private Html Batch(HttpContext context)
    {
        ApiRequest.Allow(context);
        BatchJson batch = api.BatchAt(ApiRequest.PathNumber(context, "number"));
        Html html = Begin(context, $"Batch {batch.Number}", "/batches");
        html.Add($"""<dl class="facts">""");
        Fact(html, "State", batch.State);
        Fact(html, "Anchor", batch.Ordinal?.ToString(CultureInfo.InvariantCulture) ?? "none yet");
        Fact(html, "Frames", Number(batch.Frames));
        Fact(html, "Samples", Number(batch.Samples));
        Fact(html, "Received", $"{Instant((long)batch.FirstReceivedMs)} to {Instant((long)batch.LastReceivedMs)}");
        Fact(html, "Hash", batch.Hash);
        Fact(html, "Root", batch.Root);
        Fact(html, "Body", batch.Body);
        Fact(html, "Previous", batch.Previous);
        html.Add($"</dl>");
        Table(html, "Who attested to it", "Gateway", "Signature");
        foreach (AttestationJson attestation in batch.Attestations ?? [])
            html.Add($"""<tr><th scope="row" data-label="Gateway" class="id">{attestation.Gateway}</th><td data-label="Signature" class="id">{attestation.Signature}</td></tr>""");
        EndTable(html, batch.Attestations?.Count ?? 0, "Nobody yet.");
        return End(html);
    }

    private Html Peers(HttpContext context, NetworkJson now)
    {
        ApiRequest.Allow(context);
        Html html = Begin(context, "Peers", "/peers");
        html.Add($"""<dl class="facts">""");
        Fact(html, "Epoch", Number((long)now.Epoch));
        Fact(html, "Quorum", now.Quorum is { } quorum ? $"{quorum} of {now.Active.Count}" : "unknown: the chain is not followed");
        Fact(html, "Waits for", now.Waits.Length > 0 ? now.Waits : "nothing");
        Fact(html, "Certified, on no ledger entry", Number(now.Pending));
        html.Add($"</dl>");
        Table(html, "Gateways that rule this epoch", "Gateway", "Leads as", "Connected", "Last word", "Sent", "Received", "Score", "Trouble");
        foreach (MemberJson peer in now.Active)
        {
            html.Add($"""<tr><th scope="row" data-label="Gateway"><span><span class="id" title="{peer.Gateway}">{Short(peer.Gateway)}</span> {peer.Endpoint}</span></th><td data-label="Leads as">{peer.Place?.ToString(CultureInfo.InvariantCulture) ?? ""}</td><td data-label="Connected">{(peer.Connected is not { } connected ? "this gateway" : connected ? (peer.Inbound == true ? "it called" : "called by us") : "no")}</td><td data-label="Last word">""");
            Moment(html, peer.LastMessageMs);
            html.Add($"""</td><td data-label="Sent">{Bytes(peer.BytesSent)}</td><td data-label="Received">{Bytes(peer.BytesReceived)}</td><td data-label="Score">{peer.Score}</td><td data-label="Trouble">{peer.Refusal ?? peer.Trouble}</td></tr>""");
        }

        EndTable(html, now.Active.Count, "The registry is not read yet.");
        return End(html);
    }

    private Html Chain(HttpContext context)
    {
        ApiRequest.Allow(context, "before");
        StatusJson status = api.StatusNow();
        ulong before = ApiRequest.Number(context, "before", status.LedgerSize), from = before > RowsMax ? before - RowsMax : 0;
        AnchorsJson page = api.AnchorsFrom(from, RowsMax);
        Html html = Begin(context, "Chain", "/chain");
        html.Add($"""<dl class="facts">""");
        Fact(html, "Chain id", Number(status.ChainId));
        Fact(html, "Newest block", status.Chain.Head is { } head ? $"{Number((long)head)}, {Instant((long)(status.Chain.HeadTimeS ?? 0) * 1000)}" : "none seen");
        Fact(html, "Read up to", $"{status.Chain.Read?.ToString(CultureInfo.InvariantCulture) ?? "nothing"}{(status.Chain.Current ? "" : ", not current")}");
        Fact(html, "Endpoints", string.Join(", ", status.Chain.Endpoints));
        Fact(html, "Ledger", status.Ledger);
        Fact(html, "DeviceRegistry", status.DeviceRegistry);
        Fact(html, "GatewayRegistry", status.GatewayRegistry);
        Fact(html, "Epoch", $"{status.EpochSeconds} s");
        (double? balance, double spent) = facts.Gas();
        Fact(html, "Gas", !settings.Anchor.Enabled ? "this gateway sends no anchors (anchor.enabled)" : balance is { } ether
            ? string.Create(CultureInfo.InvariantCulture, $"{ether:0.######} ether when an anchor was last due, {spent:0.######} spent since the start") : "not looked at yet: the account is looked at when an anchor is due");
        if (page.Open is { } open) Fact(html, "Under way", $"epoch {open.Epoch}, {open.Batches} batches, {open.Frames} frames, {open.Transactions.Count} transactions sent by this gateway");
        html.Add($"</dl>");
        AnchorJson[] anchors = [.. page.Anchors.Where(anchor => anchor.Ordinal < before).Reverse()];
        Table(html, "Anchors, the newest first", "Ordinal", "Epoch", "Batches", "Frames", "Block", "Final", "Transaction");
        foreach (AnchorJson anchor in anchors)
            html.Add($"""<tr><th scope="row" data-label="Ordinal">{anchor.Ordinal}</th><td data-label="Epoch">{anchor.Epoch}</td><td data-label="Batches">{anchor.Batches}</td><td data-label="Frames">{anchor.Frames}</td><td data-label="Block">{anchor.Block}</td><td data-label="Final">{(anchor.Final ? "yes" : $"{anchor.Confirmations} blocks deep")}</td><td data-label="Transaction" class="id" title="{anchor.Transaction}">{Short(anchor.Transaction)}</td></tr>""");
        EndTable(html, anchors.Length, "The ledger is empty.");
        if (from > 0) html.Add($"""<p><a href="/chain?before={from}">Older ones</a></p>""");
        return End(html);
    }

    private Html Disputes(HttpContext context, NetworkJson now)
    {
        ApiRequest.Allow(context, "from");
        long from = (long)ApiRequest.Number(context, "from", 0);
        Html html = Begin(context, "Disputes", "/disputes");
        html.Add($"<p>What this gateway can prove by itself: statements signed twice, or over what is false, with both kept here, what it brought before the contract, and the cases against gateways, whoever opened them. All that the contract has judged is shown by <code>depin disputes --rpc</code>.</p>");
        Table(html, $"Gateways, the newest {RowsMax} at most", "Gateway", "What", "Height", "In words");
        foreach (EvidenceJson evidence in now.Evidence.Take(RowsMax))
            html.Add($"""<tr><th scope="row" data-label="Gateway" class="id">{evidence.Gateway}</th><td data-label="What">{evidence.Kind}</td><td data-label="Height">{evidence.Height}</td><td data-label="In words">{evidence.Text}</td></tr>""");
        EndTable(html, now.Evidence.Count, "None that this gateway has seen.");
        IReadOnlyList<DisputeRecord> brought = disputes.All(RowsMax);
        Table(html, $"Brought before the contract, the newest {RowsMax} at most", "Accused", "What", "State", "By", "In words");
        foreach (DisputeJson one in brought.Select(EvidenceApi.Json))
            html.Add($"""<tr><th scope="row" data-label="Accused" class="id">{one.Accused}</th><td data-label="What">{one.Kind}</td><td data-label="State">{one.State}</td><td data-label="By" class="id">{one.Reporter ?? "unknown"}</td><td data-label="In words">{one.Text}</td></tr>""");
        EndTable(html, brought.Count, "None.");
        IReadOnlyList<CaseRecord> accused = cases.All(RowsMax);
        Table(html, $"Cases: batches with frames of devices that are not registered, the newest {RowsMax} at most", "Accused", "Device", "State", "By", "Answer until", "In words");
        foreach (CaseJson one in accused.Select(EvidenceApi.Json))
            html.Add($"""<tr><th scope="row" data-label="Accused" class="id">{one.Accused}</th><td data-label="Device" class="id">{one.Device}</td><td data-label="State">{one.State}</td><td data-label="By" class="id">{one.Reporter}</td><td data-label="Answer until">{Instant((long)one.DeadlineS * 1000)}</td><td data-label="In words">{one.Text}</td></tr>""");
        EndTable(html, accused.Count, "None.");
        List<StoredEquivocation> twice = frames.Equivocations(from, RowsMax + 1);
        Dictionary<int, string> names = devices.All.ToDictionary(device => device.Log.Device, device => device.Registration.Id.ToString());
        Table(html, "Devices that signed two frames under one sequence, the oldest first", "Device", "Sequence", "Received");
        foreach (StoredEquivocation one in twice.Take(RowsMax))
        {
            html.Add($"""<tr><th scope="row" data-label="Device" class="id">{names.GetValueOrDefault(one.Device, "unknown")}</th><td data-label="Sequence">{one.Sequence}</td><td data-label="Received">""");
            Moment(html, one.ReceivedMs);
            html.Add($"</td></tr>");
        }

        EndTable(html, twice.Count, from == 0 ? "None that this gateway has received." : "No more.");
        if (twice.Count > RowsMax) html.Add($"""<p><a href="/disputes?from={twice[RowsMax].Id}">The next {RowsMax}</a></p>""");
        return End(html);
    }

    private Html Rewards(HttpContext context)
    {
        ApiRequest.Allow(context);
        RewardState seen = rewards();
        Html html = Begin(context, "Rewards", "/rewards");
        html.Add($"<p>What owners of devices and operators of gateways earned since the beginning: each gateway computes it alone, a quorum signs the root. <code>depin claim</code> pays an account, <code>depin audit</code> computes all of it again.</p>");
        if (facts.Health().Parts.FirstOrDefault(part => part.Name == RewardStage.Part) is { } part)
            html.Add($"""<p><span class="status {part.State}">{part.State}</span> {part.Reason} <i>{part.NextStep}</i></p>""");
        if (!seen.Agrees) html.Add($"""<p class="bad">The last root on the chain is not what this gateway computes.</p>""");
        if (seen.Against.Count > 0) html.Add($"""<p class="bad">Another root than this gateway's was signed by {string.Join(", ", seen.Against)}.</p>""");
        List<(ulong Epoch, Hash32 Root, BigInteger Total, string Accounts, string State)> rows = [];
        IReadOnlyList<ComputedPayout> computed = payouts.All();
        foreach (PublishedPayout one in seen.Published)
            rows.Add((one.Payout.Epoch, one.Payout.Root, one.Payout.Total, computed.FirstOrDefault(own => own.Payout == one.Payout) is { } kept ? Number(kept.Sums.Accounts.Count) : "not kept here",
                one.ClaimableFrom > seen.TimeS ? $"published, claimable from {Instant((long)one.ClaimableFrom * 1000)}" : "claimable"));
        foreach (ComputedPayout own in computed.Where(own => seen.Published.All(one => one.Payout != own.Payout)))
            rows.Add((own.Payout.Epoch, own.Payout.Root, own.Payout.Total, Number(own.Sums.Accounts.Count), "computed here"));
        Table(html, "Payouts, the newest first", "Up to epoch", "Root", "Tokens in all", "Accounts", "State");
        foreach ((ulong epoch, Hash32 root, BigInteger total, string accounts, string state) in rows.OrderByDescending(row => row.Epoch))
            html.Add($"""<tr><th scope="row" data-label="Up to epoch">{epoch}</th><td data-label="Root" class="id" title="{root}">{Short(root.ToString())}</td><td data-label="Tokens">{Tokens(total)}</td><td data-label="Accounts">{accounts}</td><td data-label="State">{state}</td></tr>""");
        EndTable(html, rows.Count, "None yet: the first one ends with the epoch after that of the first anchor.");
        return End(html);
    }

    private Html System(HttpContext context)
    {
        ApiRequest.Allow(context);
        HealthJson health = facts.Health();
        Html html = Begin(context, "System", "/system");
        html.Add($"""<dl class="facts">""");
        Fact(html, "Version", api.StatusNow().Version);
        Fact(html, "Gateway", health.Gateway);
        Fact(html, "Runs for", Age(health.UptimeMs));
        Fact(html, "Memory", Bytes(Environment.WorkingSet));
        Fact(html, "Clock", $"{Instant(health.NowMs)}; chain time minus it: {(health.ClockErrorMs is { } error ? $"{error} ms" : "unknown")}");
        Fact(html, "Disk", Disk());
        Fact(html, "Store", health.StoreWritable ? "takes frames" : "does not take frames: boards keep theirs");
        html.Add($"</dl>");
        Table(html, "Parts", "Part", "State", "Since", "Why", "What to do");
        foreach (PartJson part in health.Parts)
        {
            html.Add($"""<tr><th scope="row" data-label="Part">{part.Name}</th><td data-label="State"><span class="status {part.State}">{part.State}</span></td><td data-label="Since">""");
            Moment(html, part.SinceMs);
            html.Add($"""</td><td data-label="Why">{part.Reason}</td><td data-label="What to do">{part.NextStep}</td></tr>""");
        }

        EndTable(html, health.Parts.Count, "No part has spoken yet.");
        return End(html);
    }

    private Html Settings(HttpContext context)
    {
        ApiRequest.Allow(context);
        Html html = Begin(context, "Settings", "/settings");
        html.Add($"<p>As this process has them. They are changed in the settings file, never here; secrets are no settings and are not shown.</p>");
        foreach (SettingsSection section in settings.Sections())
        {
            Table(html, $"{section.Name}: {section.Text}", "Key", "Value", "Meaning");
            foreach (SettingsKey key in section.Keys)
                html.Add($"""<tr><th scope="row" data-label="Key">{key.Name}</th><td data-label="Value" class="id">{Shown(key)}</td><td data-label="Meaning">{key.About.Text}</td></tr>""");
            EndTable(html, section.Keys.Count, "");
        }

        return End(html);
    }

    private Html Verify(HttpContext context)
    {
        ApiRequest.Allow(context);
        Html html = Begin(context, "Verify a proof", "/verify");
        html.Add($"""<p>A proof (depin-proof/1) is checked in this browser: the device's signature, the batch, the anchor and the ledger's peak. What is left is one look at the chain: 'depin verify FILE --rpc URL'.</p><noscript><p>This needs JavaScript. Without it: depin verify FILE</p></noscript><p hidden data-proof-file><label for="file">Proof</label> <input type="file" id="file" accept="application/json,.json"></p><ol id="steps" class="way" aria-live="polite"></ol>""");
        return End(html);
    }

    /// <summary>An error for a person.</summary>
    public Task WriteAsync(HttpContext context, Problem problem)
    {
        Html html = Begin(context, problem.Title, "");
        html.Add($"<p>{problem.Detail}</p><p>{problem.Remedy}</p>");
        return WriteAsync(context, End(html), problem.Status);
    }

    private Html Login(HttpContext context, bool wrong)
    {
        Html html = Begin(context, "Log in", "");
        if (wrong) html.Add($"""<p class="bad" role="alert">The name or the password is wrong.</p>""");
        html.Add($"""<form method="post" action="/login"><label for="user">Name</label><input id="user" name="user" autocomplete="username" required maxlength="64"><label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required maxlength="256"><button>Log in</button></form>""");
        return End(html);
    }

    private async Task LogInAsync(HttpContext context)
    {
        if (!door.HasPasswords) throw ApiRequest.NotFound("This gateway has no login of its own.", "Set web.credentials.");
        if (await door.LogInAsync(context).ConfigureAwait(false)) await SeeOtherAsync(context, "/").ConfigureAwait(false);
        else await WriteAsync(context, Login(context, wrong: true), StatusCodes.Status401Unauthorized).ConfigureAwait(false);
    }

    private Task LogOutAsync(HttpContext context)
    {
        door.LogOut(context);
        return SeeOtherAsync(context, "/login");
    }

    private async Task SeriesAsync(HttpContext context)
    {
        ApiRequest.Allow(context, "channel", "from", "before", "every");
        KnownDevice device = api.Known(context);
        ushort channel = (ushort)ApiRequest.Number(context, "channel", 0, 1, ushort.MaxValue);
        ulong before = ApiRequest.Number(context, "before", device.Log.LastSequence + 1, 1), from = ApiRequest.Number(context, "from", 1, 1), every = ApiRequest.Number(context, "every", 1, 1);
        await _plotting.WaitAsync(context.RequestAborted).ConfigureAwait(false);
        SeriesJson series;
        try
        {
            series = Series.Read(frames, device.Log.Device, channel, from, before, every);
        }
        finally
        {
            _plotting.Release();
        }

        await ApiRequest.WriteAsync(context, series, PageJsonContext.Default.SeriesJson).ConfigureAwait(false);
    }

    private static Task AssetAsync(HttpContext context)
    {
        string name = context.Request.RouteValues["name"] as string ?? "";
        if (!Assets.TryGetValue(name, out byte[]? content)) throw ApiRequest.NotFound("There is no such file.", "Reload the page.");
        return ApiRequest.WriteAsync(context, content, Types.GetValueOrDefault(Path.GetExtension(name), "application/octet-stream"));
    }

    /// <summary>Gaps among the newest sequences, and the newest battery and signal that the last frames tell.</summary>
    private (ulong Missing, string Battery, string Signal) Look(KnownDevice device)
    {
        List<ulong> sequences = device.Log.LastSequence == 0 ? [] : frames.NewestSequences(device.Log.Device, LookBack);
        string battery = "", signal = "";
        for (ulong before = device.Log.LastSequence + 1, looked = 0; sequences.Count > 0 && looked < FramesLookedAt && (battery.Length == 0 || signal.Length == 0); looked++)
        {
            if (frames.NewestOf(device.Log.Device, 1, before, 1) is not [var stored]) break;
            before = FrameParser.Sequence(stored.Frame, 0);
            foreach (SampleJson sample in ReadApi.Json(device, stored).Samples)
            {
                if (battery.Length == 0 && sample.Channel == Channels.BatteryVoltage) battery = sample.Value + " V";
                if (signal.Length == 0 && sample.Channel == Channels.WifiOwnSignal) signal = $"{sample.Value} {Channels.Unit(sample.Channel)}";
            }
        }

        return (sequences.Count == 0 ? 0 : sequences[0] - sequences[^1] + 1 - (ulong)sequences.Count, battery, signal);
    }

    private string Disk()
    {
        DriveInfo drive = new(settings.Data.Folder);
        return $"{Bytes(drive.AvailableFreeSpace)} free of {Bytes(drive.TotalSize)}; the store may take {settings.Store.DiskBudgetMib} MiB and leaves {settings.Store.FreeFloorMib} MiB free";
    }

    private static string Shown(SettingsKey key) => key.Path == "chain.rpcUrls" && key.Value is string[] urls
        ? string.Join(", ", urls.Select(GatewaySettings.Redacted)) // an API key may stand in the path
        : SettingsTemplate.Value(key.Value);

    private static string Refused(KnownDevice device) => Counts(device.Refused ?? []);

    private static string Counts(IReadOnlyList<(FrameVerdict Verdict, long Frames)> refused) => refused.Count > 0 ? string.Join(", ", refused.Select(one => $"{Number(one.Frames)} {one.Verdict}")) : "none";

    private static IEnumerable<ushort> ChannelsOf(StoredFrame stored)
    {
        if (FrameParser.IsSealed(stored.Frame, 0)) yield break;
        Sample sample = new();
        for (int i = 0; i < FrameParser.SampleCount(stored.Frame, 0); i++)
        {
            FrameParser.ReadSample(stored.Frame, 0, i, sample);
            yield return sample.Channel;
        }
    }

    private static string Name(ushort channel) => Channels.Name(channel) ?? "channel " + channel.ToString(CultureInfo.InvariantCulture);

    private static string Samples(FrameJson frame) => frame.Sealed ? "sealed" : string.Join(", ", frame.Samples.Take(4).Select(s => $"{s.Name ?? s.Channel.ToString(CultureInfo.InvariantCulture)} {s.Value} {s.Unit}")) + (frame.Samples.Count > 4 ? $" and {frame.Samples.Count - 4} more" : "");

    private Html Begin(HttpContext context, string title, string room)
    {
        Html html = new();
        html.Add($"""<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{title} · DePIN Edge</title><link rel="stylesheet" href="/assets/style.css"><link rel="stylesheet" href="/assets/uPlot.min.css"><link rel="icon" href="data:,"><script type="module" src="/assets/page.js"></script></head><body><a class="skip" href="#main">To the content</a><header><p class="brand">DePIN Edge <span class="id">{Short(api.StatusNow().Gateway)}</span></p>""");
        if (!door.IsLocked || door.User(context) is not null)
        {
            html.Add($"""<nav aria-label="Pages"><ul>""");
            foreach ((string path, string text) in Rooms)
                if (path == room) html.Add($"""<li><a href="{path}" aria-current="page">{text}</a></li>""");
                else html.Add($"""<li><a href="{path}">{text}</a></li>""");
            html.Add($"</ul></nav>");
        }

        html.Add($"""<div class="tools"><button type="button" id="theme" hidden>Dark or light</button>""");
        if (door.User(context) is { } user) html.Add($"""<form method="post" action="/logout"><button>Log {user} out</button></form>""");
        html.Add($"""</div></header><p id="stale" class="bad" role="status" hidden></p><main id="main" tabindex="-1"><h1>{title}</h1>""");
        return html;
    }

    private static Html End(Html html) => html.Add($"</main></body></html>");

    private static void Problems(Html html, IReadOnlyList<PartJson> problems)
    {
        html.Add($"""<ul class="problems">""");
        foreach (PartJson problem in problems) html.Add($"<li><b>{problem.Name}</b>: {problem.Reason} <i>{problem.NextStep}</i></li>");
        html.Add($"</ul>");
    }

    private static void Fact(Html html, string name, string value) => html.Add($"<div><dt>{name}</dt><dd>{value}</dd></div>");

    private static void Table(Html html, string caption, params ReadOnlySpan<string> columns)
    {
        html.Add($"""<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table><caption>{caption}</caption><thead><tr>""");
        foreach (string column in columns) html.Add($"""<th scope="col">{column}</th>""");
        html.Add($"</tr></thead><tbody>");
    }

    private static void EndTable(Html html, int rows, string empty)
    {
        html.Add($"</tbody></table></div>");
        if (rows == 0) html.Add($"<p>{empty}</p>");
    }

    private static void Moment(Html html, long? ms)
    {
        if (ms is { } known) html.Add($"""<time data-ms="{known}" datetime="{DateTimeOffset.FromUnixTimeMilliseconds(known).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)}">{Instant(known)}</time>""");
        else html.Add($"<time>never</time>");
    }

    private static string Instant(long ms) => ms is < -62_135_596_800_000 or > 253_402_300_799_999 ? $"{ms} ms" // a device may claim any
        : DateTimeOffset.FromUnixTimeMilliseconds(ms).ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static string Age(long ms) => ms < 120_000 ? $"{ms / 1000} s" : ms < 7_200_000 ? $"{ms / 60_000} min" : ms < 172_800_000 ? $"{ms / 3_600_000} h" : $"{ms / 86_400_000} days";

    private static string Number(long value) => value.ToString("#,0", CultureInfo.InvariantCulture);

    private static string Bytes(long value) => value < 1 << 20 ? $"{value / 1024.0:0.#} KiB" : value < 1L << 30 ? $"{value / 1048576.0:0.#} MiB" : $"{value / 1073741824.0:0.#} GiB";

    /// <summary>Of 18 decimals, six are shown.</summary>
    private static string Tokens(BigInteger amount) => ((decimal)(amount / 1_000_000_000_000) / 1_000_000).ToString("#,0.######", CultureInfo.InvariantCulture);

    private static string Short(string hex) => hex.Length > 14 ? hex[..8] + "…" + hex[^4..] : hex;

    private static byte[] Read(string name)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!;
        byte[] content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }

    private static Task SeeOtherAsync(HttpContext context, string path)
    {
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = path;
        context.Response.ContentLength = 0;
        return Task.CompletedTask;
    }

    private static Task WriteAsync(HttpContext context, Html html, int status = StatusCodes.Status200OK) =>
        ApiRequest.WriteAsync(context, html.ToUtf8(), "text/html; charset=utf-8", status);
}
