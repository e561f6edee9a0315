using System.Security.Cryptography;
using DePIN.Evidence;
using DePIN.Gateway.Operate;

namespace DePIN.Gateway.Peer;

/// <summary>Where bodies are kept, and how much of them.</summary>
/// <param name="Folder">The folder <c>bodies</c> in the data folder.</param>
public sealed record BodyStoreOptions(string Folder)
{
    /// <summary>Older bodies are removed.</summary>
    public TimeSpan AgeMax { get; init; } = TimeSpan.FromDays(30);

    /// <summary>All together.</summary>
    public long BudgetBytes { get; init; } = 4L << 30;

    /// <summary>Space that stays free on the disk.</summary>
    public long FreeFloorBytes { get; init; } = 256L << 20;
}

/// <summary>What the body store does to the disk; tests answer for it. Every method may throw <see cref="IOException"/>, having done its work or not.</summary>
public interface IBodyDisk
{
    /// <summary>Bytes a normal user may still write.</summary>
    long FreeBytes(string folder);

    /// <summary>Writes at the end of a file that has <paramref name="offset"/> bytes; creates it.</summary>
    void Append(string path, long offset, ReadOnlySpan<byte> bytes);

    /// <summary>fsync(2) of a file.</summary>
    void Flush(string path);

    /// <summary>rename(2).</summary>
    void Rename(string from, string to);

    /// <summary>fsync(2) of a folder.</summary>
    void FlushFolder(string folder);
}

/// <summary>The machine's disk.</summary>
public sealed class SystemBodyDisk : IBodyDisk
{
    /// <inheritdoc/>
    public long FreeBytes(string folder) => new DriveInfo(folder).AvailableFreeSpace;

    /// <inheritdoc/>
    public void Append(string path, long offset, ReadOnlySpan<byte> bytes)
    {
        using FileStream file = new(path, FileMode.OpenOrCreate, FileAccess.Write);
        file.SetLength(offset);
        file.Position = offset;
        file.Write(bytes);
    }

    /// <inheritdoc/>
    public void Flush(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite);
        file.Flush(flushToDisk: true);
    }

    /// <inheritdoc/>
    public void Rename(string from, string to) => File.Move(from, to, overwrite: true);

    /// <inheritdoc/>
    public void FlushFolder(string folder)
    {
        if (!OperatingSystem.IsWindows()) SecretFile.FlushFolder(folder);
    }
}

/// <summary>
/// Bodies of peers' batches by their SHA-256, a file each in one of 256 folders. A body is kept by fsync, rename, fsync of the folder; only then
/// <see cref="Has"/> says so. What was fetched so far lies in a <c>.part</c> file, also over a restart; it is not trusted: the hash over the whole
/// decides. The oldest go when the age or the budget says so, however young: a body can be fetched again, a full disk stops the gateway.
/// Below the free-space floor nothing is taken.
/// </summary>
public sealed class BodyStore : IBodySource
{
    /// <summary>How often age and budget are looked at.</summary>
    public static readonly TimeSpan SweepInterval = TimeSpan.FromMinutes(10);

    /// <summary>A part that nobody went on with for so long is removed.</summary>
    public static readonly TimeSpan PartAgeMax = TimeSpan.FromDays(1);

    private const string PartSuffix = ".part";
    private static readonly DateTimeOffset ClockIsSet = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly BodyStoreOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly IBodyDisk _disk;
    private readonly Lock _gate = new();
    private readonly HashSet<Hash32> _inDoubt = [];
    private readonly HashSet<Hash32> _keeping = [];
    private long _bytes;

    private BodyStore(BodyStoreOptions options, TimeProvider time, ILogger log, IBodyDisk disk) => (_options, _time, _log, _disk) = (options, time, log, disk);

    /// <summary>Bytes of all files, as of the last sweep and what came since.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>
    /// Opens or creates the folder. Every folder is flushed once: a process that was killed between rename and fsync leaves a file that is there
    /// and perhaps not on the disk yet.
    /// </summary>
    public static BodyStore Open(BodyStoreOptions options, TimeProvider time, ILogger log, IBodyDisk? disk = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        BodyStore store = new(options, time, log, disk ?? new SystemBodyDisk());
        Directory.CreateDirectory(options.Folder);
        for (int i = 0; i < 256; i++)
        {
            string folder = Path.Combine(options.Folder, i.ToString("x2", System.Globalization.CultureInfo.InvariantCulture));
            Directory.CreateDirectory(folder);
            store._disk.FlushFolder(folder);
        }

        store._disk.FlushFolder(options.Folder);
        store.Sweep();
        return store;
    }

    /// <summary>Removes what is too old or too much, until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        while (true)
        {
            await Task.Delay(SweepInterval, _time, stopping).ConfigureAwait(false);
            try
            {
                Sweep();
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                _log.LogError(fault, "old bodies could not be removed from {Folder}", _options.Folder);
            }
        }
    }

    /// <inheritdoc/>
    public bool Has(Hash32 framesHash)
    {
        lock (_gate)
            if (_inDoubt.Contains(framesHash)) return false;
        return File.Exists(FileOf(framesHash));
    }

    /// <summary>True when it is here and it is not known whether it is durable: <see cref="Keep"/> decides.</summary>
    public bool IsInDoubt(Hash32 framesHash)
    {
        lock (_gate)
            if (!_inDoubt.Contains(framesHash)) return false;
        return File.Exists(FileOf(framesHash));
    }

    /// <inheritdoc/>
    public BodyReading? Open(Hash32 framesHash, long offset)
    {
        if (!Has(framesHash)) return null;
        try
        {
            FileStream file = new(FileOf(framesHash), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            long length = file.Length;
            file.Position = Math.Min(offset, length);
            return new BodyReading(length, file);
        }
        catch (Exception gone) when (gone is FileNotFoundException or DirectoryNotFoundException)
        {
            return null; // swept in between
        }
    }

    /// <summary>Bytes fetched so far; 0 when none.</summary>
    public long PartLength(Hash32 framesHash)
    {
        FileInfo part = new(PartOf(framesHash));
        return part.Exists ? part.Length : 0;
    }

    /// <summary>Appends to the part; false when the disk has no room for it.</summary>
    public bool Append(Hash32 framesHash, long offset, ReadOnlySpan<byte> bytes)
    {
        if (_disk.FreeBytes(_options.Folder) - bytes.Length < _options.FreeFloorBytes) return false;
        _disk.Append(PartOf(framesHash), offset, bytes);
        Interlocked.Add(ref _bytes, bytes.Length);
        return true;
    }

    /// <summary>Forgets the part.</summary>
    public void DiscardPart(Hash32 framesHash)
    {
        Interlocked.Add(ref _bytes, -PartLength(framesHash));
        File.Delete(PartOf(framesHash));
    }

    /// <summary>SHA-256 of the part.</summary>
    public Hash32 HashPart(Hash32 framesHash)
    {
        using FileStream part = File.OpenRead(PartOf(framesHash));
        return new Hash32(SHA256.HashData(part));
    }

    /// <summary>The part, or the kept body when there is no part; null when there is neither. Up to 76 MB.</summary>
    public byte[]? Read(Hash32 framesHash)
    {
        string part = PartOf(framesHash), file = FileOf(framesHash);
        return File.Exists(part) ? File.ReadAllBytes(part) : File.Exists(file) ? File.ReadAllBytes(file) : null;
    }

    /// <summary>The body of a batch, or null when it is not here or is none.</summary>
    public BatchBody? ReadBody(BatchSummary batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return Read(batch.FramesHash) is { } bytes && BatchBody.TryParse(bytes, out BatchBody? body) == BatchBodyFault.None ? body : null;
    }

    /// <summary>
    /// Makes the checked part (or a body that was in doubt) durable. Throws <see cref="IOException"/> when that failed: it may then have happened or
    /// not, <see cref="Has"/> says no, and calling it again decides.
    /// </summary>
    public void Keep(Hash32 framesHash)
    {
        string part = PartOf(framesHash), file = FileOf(framesHash);
        lock (_gate)
        {
            _inDoubt.Add(framesHash);
            _keeping.Add(framesHash);
        }

        try
        {
            if (File.Exists(part))
            {
                File.SetLastWriteTimeUtc(part, _time.GetUtcNow().UtcDateTime);
                _disk.Flush(part);
                _disk.Rename(part, file);
            }

            _disk.FlushFolder(Path.GetDirectoryName(file)!);
            lock (_gate) _inDoubt.Remove(framesHash);
        }
        finally
        {
            lock (_gate) _keeping.Remove(framesHash);
        }

        if (Bytes > _options.BudgetBytes) Sweep();
    }

    /// <summary>Removes a body: its bytes are not what its name says.</summary>
    public void Remove(Hash32 framesHash) => File.Delete(FileOf(framesHash));

    /// <summary>Removes what is too old, then the oldest until the rest is within the budget.</summary>
    public void Sweep()
    {
        DateTimeOffset now = _time.GetUtcNow();
        List<FileInfo> bodies = [];
        long total = 0;
        foreach (string path in Directory.EnumerateFiles(_options.Folder, "*", SearchOption.AllDirectories))
        {
            FileInfo file = new(path);
            if (!file.Exists) continue;
            bool part = path.EndsWith(PartSuffix, StringComparison.Ordinal);
            if (now >= ClockIsSet && file.LastWriteTimeUtc < ClockIsSet.UtcDateTime) Touch(file, now); // written before the clock was set: age unknown
            else if (now - file.LastWriteTimeUtc > (part ? PartAgeMax : _options.AgeMax))
            {
                Delete(file);
                continue;
            }

            total += file.Length;
            bodies.Add(file);
        }

        int early = 0;
        foreach (FileInfo file in bodies.OrderBy(f => f.LastWriteTimeUtc))
        {
            if (total <= _options.BudgetBytes) break;
            lock (_gate)
                if (Hash32.TryParse("0x" + Path.GetFileName(file.Name)[..Math.Min(64, file.Name.Length)], out Hash32 hash) && _keeping.Contains(hash)) continue;
            total -= file.Length;
            if (now - file.LastWriteTimeUtc < TimeSpan.FromDays(1)) early++;
            Delete(file);
        }

        if (early > 0) _log.LogWarning("{Count} bodies younger than a day were removed: peer.bodyBudgetMib is too small for this network", early);
        Interlocked.Exchange(ref _bytes, total);
    }

    private static void Touch(FileInfo file, DateTimeOffset now) => file.LastWriteTimeUtc = now.UtcDateTime;

    private static void Delete(FileInfo file) => File.Delete(file.FullName);

    private string FileOf(Hash32 framesHash)
    {
        string name = framesHash.ToString()[2..];
        return Path.Combine(_options.Folder, name[..2], name);
    }

    private string PartOf(Hash32 framesHash) => FileOf(framesHash) + PartSuffix;
}
