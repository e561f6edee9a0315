// Updates over the air as a stage. Devices' words come from Ingest (IDeviceUpdates), a person's from Web; both end in a turn:
//   take what was reported, let RolloutCore decide, write the changes, and only then publish and serve what is offered.
// A turn that cannot be written takes no effect: the log is read again, the reports are kept, and it is tried again.

using System.Buffers.Binary;
using System.Security.Cryptography;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Verify;
using DePIN.Protocol;

namespace DePIN.Gateway.Update;

/// <summary>A command that is not carried out, with what to do instead.</summary>
public sealed class UpdateRefusedException(string message, string remedy) : Exception(message)
{
    public string Remedy { get; } = remedy;
}

/// <summary>Holds packages, serves them, follows devices and drives roll-outs.</summary>
public sealed class UpdateStage : IDeviceUpdates
{
    /// <summary>How often time is looked at; reports of that long share one transaction.</summary>
    public static readonly TimeSpan TurnInterval = TimeSpan.FromMilliseconds(500);

    private const string Part = "update";
    private const int ReportsMax = 4; // of one device in one turn; then the last gives way: a word about an end must not be lost to the next idle

    private readonly PackageStore _packages;
    private readonly IRolloutLog _log;
    private readonly Func<DeviceIdValue, bool> _isKnown;
    private readonly Action<string, ReadOnlyMemory<byte>> _publish;
    private readonly UpdateMetrics _metrics;
    private readonly HealthBoard _health;
    private readonly TimeProvider _time;
    private readonly ChunkServer _chunks;
    private readonly Lock _gate = new();

    // What came since the last turn, under itself: a few words a device, of the registry's devices.
    private readonly Dictionary<DeviceIdValue, List<DeviceReport>> _reported = [];

    // Under _gate.
    private readonly Dictionary<string, (UpdatePackage? Package, string Fault)> _loaded = new(StringComparer.Ordinal);
    private Dictionary<DeviceIdValue, UpdatePackage> _offered = [];
    private RolloutCore? _core;

    /// <param name="packages">Where packages are kept.</param>
    /// <param name="log">Where roll-outs are kept.</param>
    /// <param name="rates">How fast pieces are sent.</param>
    /// <param name="isKnown">Whether the registry has the device and it is not revoked.</param>
    /// <param name="publish">Publishes a manifest, or nothing, for a device.</param>
    /// <param name="metrics">Counts.</param>
    /// <param name="health">Told how the stage is.</param>
    /// <param name="time">The clock.</param>
    public UpdateStage(
        PackageStore packages, IRolloutLog log, ChunkRates rates, Func<DeviceIdValue, bool> isKnown, Action<string, ReadOnlyMemory<byte>> publish, UpdateMetrics metrics, HealthBoard health,
        TimeProvider time)
    {
        (_packages, _log, _isKnown, _publish, _metrics, _health, _time) = (packages, log, isKnown, publish, metrics, health, time);
        _chunks = new ChunkServer(rates, metrics, time);
    }

    /// <summary>Takes turns and sends pieces until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        Task serving = _chunks.RunAsync(stopping);
        while (!serving.IsCompleted)
        {
            Turn();
            await Task.Delay(TurnInterval, _time, stopping).ConfigureAwait(false);
        }

        await serving.ConfigureAwait(false);
    }

    /// <summary>One turn; <see cref="RunAsync"/> takes it, a test may. False when it could not be written.</summary>
    public bool Turn()
    {
        try
        {
            lock (_gate) Work(null);
            Tell();
            return true;
        }
        catch (Exception fault) when (IsDisk(fault))
        {
            _metrics.Fault();
            _health.Report(Part, PartState.Degraded, $"roll-outs cannot be written ({fault.Message}); nothing new is offered.", "Free disk space, or check the data folder's permissions.");
            return false;
        }
    }

    /// <summary>Takes a package and starts a roll-out. Durable when it returns.</summary>
    /// <exception cref="UpdateRefusedException">The package or the moment is wrong.</exception>
    /// <exception cref="IOException">Not known whether it has started: ask for the status.</exception>
    public Rollout Start(byte[] content, RolloutPlan plan)
    {
        UpdatePackage package = _packages.Check(content, out string fault)
            ?? throw new UpdateRefusedException($"The package is refused: {fault}.", "Pack it again with the key whose public half is update.operatorKey, and send it whole.");
        lock (_gate)
        {
            _packages.Keep(package);
            _loaded[Convert.ToHexStringLower(package.Hash)] = (package, "");
            try
            {
                return Do(core => core.Start(package, plan, RandomNumberGenerator.GetHexString(16, lowercase: true), NowMs, out fault), ref fault);
            }
            finally
            {
                if (_core is { } core) Sweep(core); // one that was refused is not kept
            }
        }
    }

    /// <summary>Pauses, resumes or aborts. Durable when it returns.</summary>
    /// <exception cref="UpdateRefusedException">There is no such roll-out, or it makes no sense now.</exception>
    /// <exception cref="IOException">Not known whether it counts: ask for the status.</exception>
    public Rollout Command(string id, string command)
    {
        lock (_gate)
        {
            string fault = "";
            return Do(core => core.Find(id) is null ? Missing(out fault) : core.Command(id, command, NowMs, out fault), ref fault);
        }

        Rollout? Missing(out string why)
        {
            why = $"there is no roll-out {id}";
            return null;
        }
    }

    /// <summary>Reads what is known, between two turns.</summary>
    public T Read<T>(Func<RolloutCore, long, T> read)
    {
        ArgumentNullException.ThrowIfNull(read);
        lock (_gate) return read(_core ??= new RolloutCore(_log.Read()), NowMs);
    }

    /// <summary>Why a roll-out's package cannot be served; empty when it can.</summary>
    public string PackageFault(Rollout rollout)
    {
        ArgumentNullException.ThrowIfNull(rollout);
        lock (_gate) return rollout.IsOpen ? Load(rollout.Hash).Fault : "";
    }

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> ManifestFor(ReadOnlySpan<byte> deviceId) => _chunks.OfferOf(new DeviceIdValue(deviceId))?.ManifestBytes ?? ReadOnlyMemory<byte>.Empty;

    /// <inheritdoc/>
    public void Get(ReadOnlySpan<byte> deviceId, ReadOnlySpan<byte> request, IUpdateReceiver receiver) => _chunks.Get(new DeviceIdValue(deviceId), request, receiver);

    /// <inheritdoc/>
    public void State(ReadOnlySpan<byte> deviceId, ReadOnlySpan<byte> state)
    {
        DeviceIdValue device = new(deviceId);
        byte[] copy = state.Length <= UpdateState.BytesMax ? state.ToArray() : [];
        if (!UpdateState.IsValid(copy, 0, copy.Length)) Refused(UpdateRefusal.Malformed);
        else if (!_isKnown(device)) Refused(UpdateRefusal.UnknownDevice); // also bounds what is kept: the registry's devices
        else
        {
            _metrics.Report();
            DeviceReport report = new(device, NowMs, UpdateState.Running(copy, 0), UpdateState.Offered(copy, 0), BinaryPrimitives.ReadUInt64BigEndian(copy.AsSpan(UpdateState.PrefixOffset)),
                UpdateState.State(copy, 0), UpdateState.Error(copy, 0), UpdateState.Done(copy, 0), UpdateState.Total(copy, 0), UpdateState.Version(copy, 0), UpdateState.Board(copy, 0, copy.Length));
            lock (_reported)
            {
                if (!_reported.TryGetValue(device, out List<DeviceReport>? words)) _reported[device] = words = [];
                if (words.Count == ReportsMax) words.RemoveAt(ReportsMax - 1);
                words.Add(report);
            }
        }
    }

    /// <inheritdoc/>
    public void Refused(UpdateRefusal reason) => _metrics.Count(reason);

    private long NowMs => _time.GetUtcNow().ToUnixTimeMilliseconds();

    private static bool IsDisk(Exception fault) => fault is IOException or UnauthorizedAccessException or Microsoft.Data.Sqlite.SqliteException;

    // A command is a turn of its own. Under _gate.
    private Rollout Do(Func<RolloutCore, Rollout?> command, ref string fault)
    {
        Rollout? told = null;
        try
        {
            Work(core => told = command(core));
        }
        catch (Exception error) when (error is UnauthorizedAccessException or Microsoft.Data.Sqlite.SqliteException)
        {
            _metrics.Fault();
            throw new IOException(error.Message, error);
        }

        return told is null ? throw new UpdateRefusedException(char.ToUpperInvariant(fault[0]) + fault[1..] + ".", "Run 'depin ota status' to see what goes on.") : _core!.Find(told.Id)!;
    }

    private void Work(Action<RolloutCore>? command)
    {
        RolloutCore core = _core ??= new RolloutCore(_log.Read());
        DeviceReport[] reports;
        lock (_reported) reports = [.. _reported.Values.SelectMany(words => words)];
        try
        {
            foreach (DeviceReport report in reports) core.Report(report);
            command?.Invoke(core);
            core.Step(NowMs);
            RolloutChanges changes = core.TakeChanges();
            if (!changes.IsEmpty) _log.Write(changes);
        }
        catch
        {
            _core = null; // what is in the log counts, and the reports come again
            throw;
        }

        lock (_reported)
        {
            foreach (DeviceReport report in reports)
                if (_reported.TryGetValue(report.Device, out List<DeviceReport>? words) && words.Remove(report) && words.Count == 0) _reported.Remove(report.Device);
        }

        Publish(core);
    }

    private void Publish(RolloutCore core)
    {
        Dictionary<DeviceIdValue, UpdatePackage> offers = [];
        foreach ((DeviceIdValue device, Rollout rollout) in core.Offers())
            if (Load(rollout.Hash).Package is { } package && _isKnown(device)) offers[device] = package;
        DeviceIdValue[] changed = [.. offers.Where(o => _offered.GetValueOrDefault(o.Key) != o.Value).Select(o => o.Key)];
        DeviceIdValue[] gone = [.. _offered.Keys.Where(d => !offers.ContainsKey(d))];
        if (changed.Length + gone.Length == 0) return;
        _offered = offers;
        _chunks.Use(offers);
        foreach (DeviceIdValue device in changed) _publish(device.ToString(), offers[device].ManifestBytes);
        foreach (DeviceIdValue device in gone) _publish(device.ToString(), ReadOnlyMemory<byte>.Empty);
        Sweep(core);
    }

    // Packages that no open roll-out needs, on disk and here.
    private void Sweep(RolloutCore core)
    {
        HashSet<string> needed = [.. core.Rollouts.Where(r => r.IsOpen).Select(r => r.Hash)];
        _packages.Sweep(needed);
        foreach (string hash in _loaded.Keys.Where(h => !needed.Contains(h)).ToArray()) _loaded.Remove(hash);
    }

    private (UpdatePackage? Package, string Fault) Load(string hash)
    {
        if (!_loaded.TryGetValue(hash, out (UpdatePackage?, string) loaded)) _loaded[hash] = loaded = (_packages.Load(Convert.FromHexString(hash), out string fault), fault);
        return loaded;
    }

    private void Tell()
    {
        (Rollout? Rollout, string Fault) trouble = Read((core, _) => core.Rollouts.Where(r => r.IsOffering).Select(r => ((Rollout?)r, Load(r.Hash).Fault)).FirstOrDefault(r => r.Fault.Length > 0));
        Rollout? halted = Read((core, _) => core.Rollouts.FirstOrDefault(r => r.State == RolloutState.Halted));
        if (trouble.Rollout is not null)
            _health.Report(Part, PartState.Degraded, $"the package of roll-out {trouble.Rollout.Id} cannot be served: {trouble.Fault}.", $"Run 'depin ota abort {trouble.Rollout.Id}' and start the package again.");
        else if (halted is not null)
            _health.Report(Part, PartState.Degraded, $"roll-out {halted.Id} of release {halted.Release} is halted: {halted.Reason}.", "Run 'depin ota status', then resume or abort it.");
        else _health.Report(Part, PartState.Ok);
    }
}
