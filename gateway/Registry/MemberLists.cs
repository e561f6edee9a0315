using System.Collections.Frozen;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Registry;

/// <summary>Where lists are, and for which registry.</summary>
/// <param name="Folder">Lists of device batches, put there by the operator or come from peers.</param>
/// <param name="ChainId">The chain.</param>
/// <param name="Registry">The DeviceRegistry.</param>
/// <param name="Interval">How often folder and chain are compared.</param>
public sealed record MemberOptions(string Folder, ulong ChainId, Address Registry, TimeSpan Interval);

/// <summary>A device of a batch, with what registerMember takes.</summary>
/// <param name="Batch">Number of the batch.</param>
/// <param name="Claim">The device's own claim.</param>
/// <param name="Path">From its leaf to the root.</param>
public sealed record MemberProof(ulong Batch, DeviceRegistry.Claim Claim, IReadOnlyCollection<Hash32> Path);

/// <summary>
/// The members of device batches (DeviceRegistry.registerBatch): the chain has a root, the claims behind it are in lists. A list counts for a batch when it gives its root, has its
/// count, and every claim is signed for its owner; then its devices are as good as registered ones, since the batch was. Which batches there are follows the chain, also backwards.
/// Lists come from a folder that is looked at again and again, and from peers, who are believed as little. One thread looks; anyone asks.
/// </summary>
/// <param name="options">Where.</param>
/// <param name="log">The batches that were followed.</param>
/// <param name="health">Told what lists are missing or bad.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Told of each list once.</param>
public sealed class MemberLists(MemberOptions options, RegistryLog log, HealthBoard health, TimeProvider time, ILogger logger) : IBodySource
{
    /// <summary>Batches of the chain that count, the newest ones.</summary>
    public const int BatchesMax = 4_096;

    /// <summary>Files looked at; the first ones by name.</summary>
    public const int FilesMax = 1_024;

    /// <summary>Members in memory, of all lists: some 50 MB.</summary>
    public const int MembersMax = 262_144;

    /// <summary>Lists asked of peers in one look.</summary>
    public const int FetchesPerLook = 4;

    /// <summary>The longest pause before a list is asked for again.</summary>
    public static readonly TimeSpan RetryMax = TimeSpan.FromMinutes(10);

    /// <summary>The part of /health.</summary>
    public const string Part = "members";

    private readonly Dictionary<string, Known> _files = [];
    private readonly Dictionary<(Hash32 Root, Address Owner, uint Count), string> _judged = []; // empty: good
    private readonly Dictionary<Hash32, (int Tries, long At)> _asked = [];
    private ulong _lookedAt;
    private volatile Index _index = Index.Empty;

    /// <summary>Gets the bytes of a list from some peer; null when none has it now.</summary>
    public delegate Task<byte[]?> Fetch(Hash32 root, CancellationToken stopping);

    /// <summary>Batches whose good list is not here: whether a device is a member of one of these nobody can say.</summary>
    public int Missing => _index.Missing;

    /// <summary>The block up to which batches were compared with the folder; 0 before the first time.</summary>
    public ulong LookedAt => Volatile.Read(ref _lookedAt);

    /// <summary>Members that are known.</summary>
    public int Count => _index.Members.Count;

    /// <summary>A member as the registry would have it after registerMember, or null.</summary>
    public RegisteredDevice? Find(DeviceIdValue device)
    {
        if (!_index.Members.TryGetValue(device, out Place place)) return null;
        return new RegisteredDevice(device, place.List.PublicKey(place.At), place.List.KeyKind(place.At), place.Batch.Owner.ToArray(), place.Batch.AtS, 0);
    }

    /// <summary>What registers a member, or null. Hashes the member's whole list.</summary>
    public MemberProof? Proof(DeviceIdValue device) =>
        _index.Members.TryGetValue(device, out Place place) ? new MemberProof(place.Batch.Number, place.List[place.At], place.List.BuildTree().Proof(place.At)) : null;

    /// <inheritdoc/>
    public bool Has(Hash32 framesHash) => _index.Lists.ContainsKey(framesHash);

    /// <summary>A list by its root: what peers are given.</summary>
    public BodyReading? Open(Hash32 framesHash, long offset) => _index.Lists.TryGetValue(framesHash, out MemberList? list)
        ? new BodyReading(list.Bytes.Length, new MemoryStream(list.Bytes.ToArray(), writable: false) { Position = Math.Min(offset, list.Bytes.Length) }) : null;

    /// <summary>Looks until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(Fetch fetch, CancellationToken stopping)
    {
        while (true)
        {
            try
            {
                await LookAsync(fetch, stopping).ConfigureAwait(false);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or System.Data.Common.DbException or Store.StoreException)
            {
                health.Report(Part, PartState.Degraded, $"lists of device batches cannot be read or kept ({fault.Message}).", $"Members already known keep working. Check {options.Folder}: owner, mode, free space.");
            }

            await Task.Delay(options.Interval, time, stopping).ConfigureAwait(false);
        }
    }

    /// <summary>Compares the folder with the chain once, and asks peers for what is missing. Public for tests; not to be called concurrently.</summary>
    public async Task LookAsync(Fetch fetch, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(fetch);
        if (log.Last is not var (block, _)) return;
        List<string> problems = ReadFolder();
        IReadOnlyList<DeviceBatch> batches = log.DeviceBatches(BatchesMax);
        await JudgeAsync(batches, problems, stopping).ConfigureAwait(false);
        Publish(batches);
        if (await FetchMissingAsync(batches, fetch, stopping).ConfigureAwait(false))
        {
            problems = ReadFolder();
            await JudgeAsync(batches, problems, stopping).ConfigureAwait(false);
            Publish(batches);
        }

        Volatile.Write(ref _lookedAt, block);
        Report(problems);
    }

    /// <summary>Files that are new or changed are read; what is gone is forgotten.</summary>
    private List<string> ReadFolder()
    {
        Directory.CreateDirectory(options.Folder);
        FileInfo[] files = [.. new DirectoryInfo(options.Folder).EnumerateFiles("*" + MemberList.FileSuffix).OrderBy(file => file.Name, StringComparer.Ordinal).Take(FilesMax + 1)];
        List<string> problems = [];
        if (files.Length > FilesMax) problems.Add($"more than {FilesMax} files; those behind {files[FilesMax - 1].Name} are not read");
        HashSet<string> there = [.. files.Take(FilesMax).Select(file => file.Name)];
        foreach (string gone in _files.Keys.Where(name => !there.Contains(name)).ToList()) _files.Remove(gone);
        int members = _files.Values.Sum(known => known.List?.Count ?? 0);
        foreach (FileInfo file in files.Take(FilesMax))
        {
            if (!_files.TryGetValue(file.Name, out Known? known) || known.Length != file.Length || known.Written != file.LastWriteTimeUtc)
            {
                members -= known?.List?.Count ?? 0;
                _files[file.Name] = known = Read(file, MembersMax - members);
                members += known.List?.Count ?? 0;
                if (known.Problem.Length > 0) logger.LogError("{File} is not used: {Problem}", file.FullName, known.Problem);
            }

            if (known.Problem.Length > 0) problems.Add($"{file.Name}: {known.Problem}");
        }

        return problems;
    }

    private static Known Read(FileInfo file, int membersLeft)
    {
        string problem;
        MemberList? list = null;
        if (file.Length > MemberList.BytesMax) problem = $"it has {file.Length} bytes, a list has at most {MemberList.BytesMax}";
        else if ((file.Length - MemberList.HeaderBytes) / MemberList.ClaimBytes > membersLeft) problem = $"the lists would have more than {MembersMax} members";
        else MemberList.TryParse(File.ReadAllBytes(file.FullName), out list, out problem);
        return new Known(file.Length, file.LastWriteTimeUtc, list, problem);
    }

    /// <summary>Each list is checked once for each batch with its root: the count, and every claim's signature, on one thread below normal priority.</summary>
    private async Task JudgeAsync(IReadOnlyList<DeviceBatch> batches, List<string> problems, CancellationToken stopping)
    {
        Dictionary<Hash32, MemberList> read = Lists();
        HashSet<(Hash32, Address, uint)> there = [.. batches.Select(Key)];
        foreach (var gone in _judged.Keys.Where(key => !there.Contains(key) || !read.ContainsKey(key.Root)).ToList()) _judged.Remove(gone);
        foreach (DeviceBatch batch in batches)
        {
            if (!read.TryGetValue(batch.Root, out MemberList? list)) continue;
            if (!_judged.TryGetValue(Key(batch), out string? problem))
            {
                _judged[Key(batch)] = problem = await CheckAsync(list, batch, stopping).ConfigureAwait(false);
                if (problem.Length > 0) logger.LogError("the list of device batch {Batch} is refused: {Problem}", batch.Number, problem);
                else logger.LogInformation("device batch {Batch} of {Owner}: {Count} members", batch.Number, batch.Owner.ToChecksumString(), list.Count);
            }

            if (problem.Length > 0) problems.Add($"device batch {batch.Number}: {problem}");
        }
    }

    private async Task<bool> IsGoodForOneAsync(MemberList list, IReadOnlyList<DeviceBatch> batches, CancellationToken stopping)
    {
        foreach (DeviceBatch batch in batches.Where(batch => batch.Root == list.Root))
        {
            if ((await CheckAsync(list, batch, stopping).ConfigureAwait(false)).Length > 0) continue;
            _judged[Key(batch)] = "";
            return true;
        }

        return false;
    }

    private Task<string> CheckAsync(MemberList list, DeviceBatch batch, CancellationToken stopping) =>
        Task.Factory.StartNew(() => ProblemOf(list, batch, stopping), stopping, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private string ProblemOf(MemberList list, DeviceBatch batch, CancellationToken stopping)
    {
        if (list.Count != batch.Count) return $"the list has {list.Count} claims, the chain says {batch.Count}";
        Thread.CurrentThread.Priority = ThreadPriority.BelowNormal; // a thread of its own
        for (int i = 0; i < list.Count; i++)
        {
            stopping.ThrowIfCancellationRequested();
            if (!list.IsSigned(i, options.ChainId, options.Registry, batch.Owner))
                return $"claim {i}, of device {list.Device(i)}, is not signed by it for {batch.Owner.ToChecksumString()}";
        }

        return "";
    }

    /// <summary>What is asked from now on. A device of several batches is of the first.</summary>
    private void Publish(IReadOnlyList<DeviceBatch> batches)
    {
        Dictionary<Hash32, MemberList> read = Lists();
        List<DeviceBatch> good = [.. batches.Where(batch => _judged.TryGetValue(Key(batch), out string? problem) && problem.Length == 0)];
        int missing = batches.Count - good.Count;
        if (_index != Index.Empty && _index.Missing == missing && _index.Good.SequenceEqual(good)) return;
        Dictionary<DeviceIdValue, Place> members = [];
        foreach (DeviceBatch batch in good)
        {
            MemberList list = read[batch.Root];
            for (int i = 0; i < list.Count; i++) members.TryAdd(new DeviceIdValue(list.Device(i).ToArray()), new Place(batch, list, i));
        }

        _index = new Index(good, missing, members, good.Select(batch => batch.Root).Distinct().ToDictionary(root => root, root => read[root]));
    }

    /// <summary>Asks peers for lists that are not here, some at a time and ever more seldom; what comes is a file like any other. True when one came.</summary>
    private async Task<bool> FetchMissingAsync(IReadOnlyList<DeviceBatch> batches, Fetch fetch, CancellationToken stopping)
    {
        Dictionary<Hash32, MemberList> read = Lists();
        HashSet<Hash32> wanted = [.. batches.Where(batch => !read.ContainsKey(batch.Root) && batch.Count is > 0 and <= MemberList.CountMax).Select(batch => batch.Root)];
        foreach (Hash32 had in _asked.Keys.Where(root => !wanted.Contains(root)).ToList()) _asked.Remove(had);
        int members = _files.Values.Sum(known => known.List?.Count ?? 0);
        bool came = false;
        foreach (Hash32 root in wanted.Where(IsDue).OrderBy(root => _asked.GetValueOrDefault(root).Tries).Take(FetchesPerLook).ToList())
        {
            byte[]? bytes = await fetch(root, stopping).ConfigureAwait(false);
            _asked[root] = (_asked.GetValueOrDefault(root).Tries + 1, time.GetTimestamp());
            if (bytes is null || !MemberList.TryParse(bytes, out MemberList? list, out _) || list.Root != root || members + list.Count > MembersMax || _files.Count >= FilesMax) continue;
            if (!await IsGoodForOneAsync(list, batches, stopping).ConfigureAwait(false)) continue; // nobody's trouble but the batch owner's
            members += list.Count;
            Keep(root, bytes);
            came = true;
        }

        return came;

        bool IsDue(Hash32 root) => !_asked.TryGetValue(root, out (int Tries, long At) last)
            || time.GetElapsedTime(last.At) >= TimeSpan.FromSeconds(Math.Min(Math.Pow(2, Math.Min(last.Tries, 16)), RetryMax.TotalSeconds));
    }

    private void Keep(Hash32 root, byte[] bytes)
    {
        string file = Path.Combine(options.Folder, root.ToString()[2..] + MemberList.FileSuffix), part = file + ".part";
        File.WriteAllBytes(part, bytes); // not flushed: what a power cut tears gives another root, and is fetched again
        File.Move(part, file, overwrite: true);
    }

    private void Report(List<string> problems)
    {
        Index now = _index;
        string known = $"{now.Members.Count} members of {now.Good.Count} device batches";
        if (problems.Count > 0)
            health.Report(Part, PartState.Degraded, $"{problems[0]}{(problems.Count > 1 ? $", and {problems.Count - 1} more" : "")}; {known}.", $"Ask the batch's owner for the right list and put it into {options.Folder}, or take the wrong file out.");
        else if (now.Missing > 0)
            health.Report(Part, PartState.Waiting, $"{known}; the lists of {now.Missing} others are not here: peers are asked; or put them into {options.Folder}");
        else
            health.Report(Part, PartState.Ok, known);
    }

    private Dictionary<Hash32, MemberList> Lists()
    {
        Dictionary<Hash32, MemberList> lists = [];
        foreach (Known known in _files.Values)
            if (known.List is { } list) lists.TryAdd(list.Root, list);
        return lists;
    }

    private static (Hash32 Root, Address Owner, uint Count) Key(DeviceBatch batch) => (batch.Root, batch.Owner, batch.Count);

    private sealed record Known(long Length, DateTime Written, MemberList? List, string Problem);

    private readonly record struct Place(DeviceBatch Batch, MemberList List, int At);

    private sealed record Index(IReadOnlyList<DeviceBatch> Good, int Missing, IReadOnlyDictionary<DeviceIdValue, Place> Members, IReadOnlyDictionary<Hash32, MemberList> Lists)
    {
        public static readonly Index Empty = new([], 0, FrozenDictionary<DeviceIdValue, Place>.Empty, FrozenDictionary<Hash32, MemberList>.Empty);
    }
}
