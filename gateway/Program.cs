// The DePIN Edge gateway, in the order of the data. Exit codes: Operate/ExitCodes.cs.
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway;
using DePIN.Gateway.Anchor;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Dispute;
using DePIN.Gateway.HomeAssistant;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Provision;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Reward;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Sign;
using DePIN.Gateway.Store;
using DePIN.Gateway.Subscribe;
using DePIN.Gateway.Telemetry;
using DePIN.Gateway.Update;
using DePIN.Gateway.Verify;
using DePIN.Gateway.Web;
using DePIN.Gateway.Web.Page;

GatewaySettings settings;
Func<GatewaySettings> read;
try
{
    CommandLine line = CommandLine.Parse(args);
    if (line.Help) return Say(CommandLine.Usage);
    if (line.PrintConfig) return Say(SettingsTemplate.Write(new GatewaySettings().Sections()));
    read = () => GatewaySettings.Load(line.ConfigFile, line.DataFolder, GatewaySettings.ProcessEnvironment());
    settings = read();                                                                                        // checked, or exits saying how to fix it
    if (line.Check) return Say("The settings are valid.");
}
catch (UsageException wrong)
{
    return Complain(wrong.Message, ExitCodes.Usage);
}
catch (SettingsException wrong)
{
    return Complain(wrong.Message, ExitCodes.Settings);
}

TimeProvider time = TimeProvider.System;
using ILoggerFactory logs = GatewayLog.Create(settings.Log, time);
ILogger log = logs.CreateLogger("DePIN.Gateway");
using StopSignals stopping = new(log);
try
{
    DataFolder.Prepare(settings.Data.Folder);
    HealthBoard health = new(time, log);
    using Storage storage = Storage.Open(settings, health, time, log);                                        // files, one gateway per folder; or PostgreSQL for several processes
    (ChainDatabase database, Leadership leadership) = (storage.Chain, storage.Leadership);
    using IEthereumSigner key = GatewayKey.Open(settings.PlaceOfKey(Environment.GetEnvironmentVariable), Environment.GetEnvironmentVariable(GatewaySettings.SecretVariable), database, log);
    using GatewayTls tls = GatewayTls.Open(settings.Tls, settings.Data.Folder, time, log);
    using SettingsReload reload = new(settings, read, tls.Look, log);                                         // SIGHUP
    using IFrameStore frames = storage.OpenFrames(time);

    ChainAddresses contracts = settings.Contracts();
    AnchorRules rules = settings.AnchorRules(key.Address);
    using HttpClient http = JsonRpc.CreateHttpClient();
    JsonRpc rpc = new(http, settings.Rpc(), time, new Random());                                              // fail-over between endpoints
    ContractErrors.AddTo(rpc.Reverts);
    EthereumClient chain = new(rpc);

    DeviceTable devices = new(frames);
    RegistryLog registryLog = new(database);
    LedgerRange ledger = new(registryLog);
    NetworkLog networkLog = new(database);
    EthereumClient Single(string url) => new(new JsonRpc(http, settings.Rpc(url), time, new Random(), rpc.Reverts)); // one endpoint alone
    IChainReader reader = AgreeingChainReader.Over(chain, Single, settings.Chain, contracts, health, time);
    MemberLists members = new(settings.Members(), registryLog, health, time, log);                            // devices registered by one root, from lists
    devices.Members = members.Find;
    using ChainRegistry registry = new(settings.Chain, contracts.DeployedAtBlock, reader, registryLog, ledger, devices.PutAsync, health, time, members.Find);
    BatchReader batches = new(frames);
    LostBatches? lost = frames is not FrameLog local ? null : new(local, networkLog, key.Address, () => registryLog.ActiveSet()?.Set.Count ?? 0);
    if (lost is not null) await lost.ForgetAsync().ConfigureAwait(false);                                     // what a damaged disk lost comes back from peers
    Batcher batcher = new(settings.Batcher(key.Address, () => registryLog.ActiveSet()?.Set.Count ?? 0, () => registry.EpochSeconds), frames, batches, networkLog, time);
    using PeerKey peerKey = PeerKey.Open(settings.Data.Folder, database, log);
    PeerTransport transport = new(settings.Peer, peerKey, key.Address, time, logs);                           // TLS keys pinned by the registry
    BodyStore bodyStore = BodyStore.Open(settings.Bodies(), time, log);                                       // peers' batches, for as long as they may be asked for
    OwnBatches own = new(frames, batches, batcher, devices, bodyStore.ReadBody);
    IPeerTransport speaks = transport;
    IBodySource[] sources = [new OwnBodies(frames, batches), members];
#if BYZANTINE // the hostile gateway of tests/Byzantine
    (speaks, sources) = DePIN.Byzantine.Lies.Tell(transport, sources, key, rules.Domain, frames, batches);
#endif
    BodyTransfer transfer = new(bodyStore, sources, transport, settings.Peer, time, log);
    transport.Use(transfer);
    using BodyCheck check = new();
    using OtlpExport? telemetry = OtlpExport.Open(settings.Telemetry, key.Address, log);                       // null without telemetry.endpoint
    using FrameTracer? tracer = telemetry is null ? null : new(settings.Telemetry.SampleRatio, key.Address, time);
    PeerBodyKeeper bodies = new(bodyStore, transfer, check, devices.KeysOf, registry.KeysNowAsync, own.Has, log, tracer, time);
    using NetworkStage network = new(settings.Network(key.Address), key, networkLog, speaks, transport.Inbox, bodies, own, registry.Snapshot, registryLog.Entry, health, time);
    using FrameVerifier verifier = new(settings.Verifier(() => leadership.IsLeading && network.IsRestoring), devices, frames, registry, time, tracer); // one verdict per frame
    MqttIngest ingest = new(settings.Ingest(tls), verifier, time, logs);                                      // PUBACK only after the commit
    using BrokerSubscriber? broker = BrokerSubscriber.Open(settings.Subscription(key.Address), key.Address.ToString(), verifier, () => registryLog.Last is not null, health, time, logs); // frames of another broker; null without broker.url
    PublisherSet publishers = new(ingest, broker);
    using UpdatePart? updates = UpdatePart.Open(settings, devices, ingest, health, time);                      // nodes' software; null without update.operatorKey
    using ProvisionStage? provision = ProvisionStage.Open(settings, tls, devices, frames, ingest, time, logs);   // technicians' page; null without provision.listen
    AnchorLog anchors = new(database);
    Anchorer anchorer = new(rules, key, anchors, registryLog, registry, new AnchorChain(chain, contracts.Ledger), () => network.Task, health, time, settings.PollInterval());
    RewardLog payouts = new(database);
    IRewardChain rewarded = AgreeingRewardChain.Over(chain, Single, settings.Chain, health, time);
    using RewardStage rewards = new(settings.Rewards(key.Address), key, chain, rewarded, registry, networkLog, payouts, speaks, () => network.Task.Anchor is not null, health, time); // everybody's rewards, agreed with the peers
    network.Payouts = rewards.Received;
    DisputeLog disputes = new(database);
    CaseLog caseLog = new(database);
    DisputeChain court = new(chain, contracts.GatewayRegistry, contracts.DeviceRegistry, key, time);
    CaseDesk cases = new(settings.Disputes(key.Address), contracts.DeployedAtBlock, caseLog, court, members, time, log); // accusations that somebody must answer
    Suspicions suspicions = new();
    network.Suspected = (header, author, frame) => suspicions.Add(header, author, frame.Span, registry.Head?.Number ?? 0);
    using DisputeStage dispute = new(settings.Disputes(key.Address), disputes, cases, members, suspicions, court, networkLog, frames, registry, devices.KeysOf, () => network.Task.Anchor is not null, health, time); // evidence, to the contract
    using Retention? retention = frames is not FrameLog files ? null : new(settings.Retention(), files, new LedgerTimes(key.Address, networkLog, registryLog, registry, settings.Chain.Confirmations), () => lost!.MendAsync(batcher, network.OwnLostAsync), health, time); // drops what is on the ledger, by age and budget
    using BatchWatch way = new(key.Address, frames, networkLog, registryLog, anchors, () => registry.Head?.Number ?? 0, settings.Chain.Confirmations, tracer, time);
    ReadingExport export = new(frames, publishers, time);                                                     // SenML to MQTT subscribers
    HomeAssistantStage homeAssistant = new(settings.HomeAssistant, frames, publishers, settings.Availability(key.Address), devices.IsRevoked, time);
    using MetricsExporter metrics = new();
    using GatewayFacts facts = new(settings, key.Address, frames, verifier, networkLog, registryLog, registry, anchorer, ingest, transport, rpc, health, time);
    ReadApi api = new(settings.Web, contracts, settings.Chain.Confirmations, key.Address, frames, devices, batches, networkLog, anchors, registryLog, ledger, facts);
    NetworkApi networkApi = new(key.Address, network.StateAsync, transport, time, leadership);
    EvidenceApi evidence = new(settings.Web, networkLog, registryLog, disputes, caseLog, [bodyStore, .. sources]);       // for who is no member: `depin index`
    RewardApi rewardApi = new(settings.Web, payouts);                                                         // claims and their paths
    using WebPage page = WebPage.Open(settings, tls, api, networkApi, facts, devices, frames, disputes, caseLog, payouts, () => rewards.State, time, log); // for people
    WebServer web = new(settings.Web, api, networkApi, facts, metrics, logs, updates?.Api, evidence, page, rewardApi);
    RunningFile running = new(settings.Data.Folder, key.Address.ToString(), web, ingest, provision);          // tells local tools the ports
    using ServiceManager manager = new(Environment.GetEnvironmentVariable, log);
    Progress progress = new(frames,                                                                           // what a restart may mend, and nothing else
    [
        new("verify", () => verifier.InFlight, () => verifier.Counters.Total, () => TimeSpan.FromMinutes(1)),
        new("batch", () => batcher.IsRunning ? batcher.Waiting : 0, () => batcher.CutRow, () => 3 * batcher.WaitMax + TimeSpan.FromMinutes(1)),
    ], time);
    ServiceWatch service = new(manager, progress, running.WrittenAsync, () => $"{ingest.Metrics.Connections} clients, {frames.LastRow} frames stored, {batcher.Waiting} wait for a batch", stopping.Token, time, log);

    log.LogInformation("gateway {Gateway} on chain {Chain}, data in {Folder}", key.Address.ToChecksumString(), contracts.ChainId, settings.Data.Folder);
    await Stages.RunAsync(time, log, stopping.Token,
        new Stage("ingest", ingest.RunAsync),
        new Stage("broker", broker is null ? Stages.IdleAsync : broker.RunAsync),
        new Stage("batch", leadership.Leading(async stop =>
        {
            await batcher.ReloadAsync().ConfigureAwait(false);   // another process may have cut since this one started
            await network.SafeAsync(stop).ConfigureAwait(false); // a gateway that lost its disk gets its batches back before it cuts new ones
            await batcher.RunAsync(stop).ConfigureAwait(false);
        })),
        new Stage("network", leadership.Leading(network.RunAsync)),
        new Stage("peer", leadership.Leading(transport.RunAsync)),
        new Stage("transfer", transfer.RunAsync),
        new Stage("bodies", bodyStore.RunAsync),
        new Stage("anchor", settings.Anchor.Enabled ? leadership.Leading(anchorer.RunAsync) : Stages.IdleAsync),
        new Stage("reward", leadership.Leading(rewards.RunAsync)),
        new Stage("dispute", settings.Dispute.Enabled ? leadership.Leading(dispute.RunAsync) : Stages.IdleAsync),
        new Stage("registry", leadership.Leading(registry.RunAsync)),
        new Stage("members", stop => members.RunAsync(new MemberListFetch(bodyStore, transfer, transport).FetchAsync, stop)),
        new Stage("follow", stop => leadership.FollowAsync(() => { devices.Refresh(); ledger.Refresh(); }, stop)),
        new Stage("retention", retention is null ? Stages.IdleAsync : retention.RunAsync),
        new Stage("lead", leadership.RunAsync),                // given back after what needs it has ended
        new Stage("export", export.RunAsync),
        new Stage("way", way.RunAsync),
        new Stage("homeAssistant", homeAssistant.RunAsync),
        new Stage("update", updates is null ? Stages.IdleAsync : updates.Stage.RunAsync),
        new Stage("provision", provision is null ? Stages.IdleAsync : provision.RunAsync),
        new Stage("tls", stop => tls.RunAsync(health, stop)),
        new Stage("running", running.RunAsync),
        new Stage("web", web.RunAsync),
        new Stage("service", service.RunAsync));
    log.LogInformation("stopped");
    return ExitCodes.Stopped;
}
catch (SettingsException wrong)
{
    return Complain(wrong.Message, ExitCodes.Identity);
}
catch (KeyAwayException away)
{
    return Complain(away.Message, ExitCodes.Failed);
}
catch (StoreException fault)
{
    return Complain(fault.Message, fault.Fault is StoreFault.Full or StoreFault.Unavailable ? ExitCodes.Failed : ExitCodes.Identity);
}
catch (Exception fault)
{
    log.LogCritical(fault, "the gateway failed");
    return ExitCodes.Failed;
}

static int Say(string text)
{
    Console.Out.WriteLine(text);
    return ExitCodes.Stopped;
}

static int Complain(string message, int code)
{
    Console.Error.WriteLine(message);
    return code;
}
