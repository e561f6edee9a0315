using System.Security.Cryptography;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Update;

namespace DePIN.Gateway.Tests.Update;

/// <summary>An operator with a key, and packages of it.</summary>
internal sealed class Operator : IDisposable
{
    public const string Board = "esp32-devkitc";

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public Operator() => Key = OperatorKey.TryParse(OperatorKey.TextOf(_key))!;

    public OperatorKey Key { get; }

    public UpdatePackage Pack(uint release, int bytes = 3_000, string board = Board, int seed = 1)
    {
        Random random = new(seed);
        byte[] library = new byte[bytes / 3], application = new byte[bytes - (bytes / 3)];
        random.NextBytes(library);
        random.NextBytes(application);
        return UpdatePackage.Create(board, release, $"1.0.{release}", [1, 9, 1, 0], [("DePIN.Protocol.pe", library), ("DePIN.Firmware.pe", application)], _key);
    }

    public void Dispose()
    {
        Key.Dispose();
        _key.Dispose();
    }
}

/// <summary>A disk that fails at a step, before or after it is done.</summary>
internal sealed class FailingDisk : IBodyDisk
{
    private readonly SystemBodyDisk _disk = new();

    public string? FailsAt { get; set; }

    public bool ButPersists { get; set; }

    public List<string> Steps { get; } = [];

    public long FreeBytes(string folder) => _disk.FreeBytes(folder);

    public void Append(string path, long offset, ReadOnlySpan<byte> bytes)
    {
        Before("append");
        _disk.Append(path, offset, bytes);
        After("append");
    }

    public void Flush(string path) => Do("flush", () => _disk.Flush(path));

    public void Rename(string from, string to) => Do("rename", () => _disk.Rename(from, to));

    public void FlushFolder(string folder) => Do("flush folder", () => _disk.FlushFolder(folder));

    private void Do(string step, Action act)
    {
        Before(step);
        act();
        After(step);
    }

    private void Before(string step)
    {
        Steps.Add(step);
        if (FailsAt == step && !ButPersists) throw new IOException($"{step} fails");
    }

    private void After(string step)
    {
        if (FailsAt == step) throw new IOException($"{step} fails, done");
    }
}
