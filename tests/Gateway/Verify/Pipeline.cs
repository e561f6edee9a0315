using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;
using DePIN.Gateway.Store.Postgres;
using DePIN.Gateway.Tests.Store;
using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Tests.Verify;

/// <summary>Verifier, table and store on a real SQLite file in a folder of its own, or on a real PostgreSQL; can be stopped and started again on the same one.</summary>
internal sealed class Pipeline : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("depin-pipeline-").FullName;

    public Pipeline(VerifierOptions? verify = null, FrameLogOptions? store = null, IDisk? disk = null, ICommitStep? commit = null, IDeviceSource? source = null, TimeProvider? time = null, PostgresOptions? postgres = null)
    {
        Postgres = postgres;
        (Verify, Disk, Commit, Source, Time) = (verify ?? new VerifierOptions { Workers = 2 }, disk, commit, source, time);
        Store = (store ?? new FrameLogOptions { Path = "" }) with { Path = Path.Combine(folder, "frames.db"), ReopenIntervalMs = 20 };
        Start();
    }

    public VerifierOptions Verify { get; }

    public FrameLogOptions Store { get; }

    public IDisk? Disk { get; }

    public ICommitStep? Commit { get; }

    public IDeviceSource? Source { get; }

    public TimeProvider? Time { get; }

    /// <summary>Where the store is, when it is no file.</summary>
    public PostgresOptions? Postgres { get; }

    public PostgresDatabase? Database { get; private set; }

    public IFrameStore Frames { get; private set; } = null!;

    public FrameLog Log => (FrameLog)Frames;

    public DeviceTable Devices { get; private set; } = null!;

    public FrameVerifier Verifier { get; private set; } = null!;

    public VerifyCounters Counters => Verifier.Counters;

    public void Start()
    {
        Database = Postgres is null ? null : PostgresDatabase.Open(Postgres, PostgresChain.Schema);
        Frames = Database is null ? FrameLog.Open(Store, Disk, Time, Commit) : PostgresFrameStore.Open(Database, time: Time);
        Devices = new DeviceTable(Frames);
        Verifier = new FrameVerifier(Verify, Devices, Frames, Source, Time);
    }

    public void Stop()
    {
        Verifier.Dispose();
        Frames.Dispose();
        Database?.Dispose();
    }

    public void Restart()
    {
        Stop();
        Start();
    }

    public async Task<SigningDevice> AddDeviceAsync()
    {
        SigningDevice device = new();
        Assert.That(await Devices.PutAsync(device.Registration), Is.True);
        return device;
    }

    public Task<FrameVerdict> SubmitAsync(SigningDevice device, byte[] frame) => Verifier.SubmitAsync(device.IdBytes, frame, default).AsTask();

    public int DeviceNumber(SigningDevice device) => Devices.Find(device.Id)!.Log.Device;

    public long Rows() => Log.Frames(1, Log.LastRow).Count();

    public void Dispose()
    {
        Stop();
        SqliteConnection.ClearAllPools();
        Directory.Delete(folder, recursive: true);
    }
}
