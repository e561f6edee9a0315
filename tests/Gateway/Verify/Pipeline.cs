using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;
using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Tests.Verify;

/// <summary>Verifier, table and store on a real SQLite file in a folder of its own; can be stopped and started again on the same file.</summary>
internal sealed class Pipeline : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("depin-pipeline-").FullName;

    public Pipeline(VerifierOptions? verify = null, FrameLogOptions? store = null, IDisk? disk = null, ICommitStep? commit = null, IDeviceSource? source = null, TimeProvider? time = null)
    {
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

    public FrameLog Log { get; private set; } = null!;

    public DeviceTable Devices { get; private set; } = null!;

    public FrameVerifier Verifier { get; private set; } = null!;

    public VerifyCounters Counters => Verifier.Counters;

    public void Start()
    {
        Log = FrameLog.Open(Store, Disk, Time, Commit);
        Devices = new DeviceTable(Log);
        Verifier = new FrameVerifier(Verify, Devices, Log, Source, Time);
    }

    public void Stop()
    {
        Verifier.Dispose();
        Log.Dispose();
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
