using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Registry;

/// <summary>
/// Reads the chain from several endpoints and believes what a given number of them say alike (<c>chain.rpcAgree</c>): an endpoint alone
/// could make up a registered device, or keep a revocation back, and nothing in an event log proves the opposite. One that says
/// otherwise is named in the health part "endpoints"; without enough that agree nothing new is read, and everything known stays usable.
/// Epochs go by a time that as many endpoints say has come.
/// </summary>
/// <param name="endpoints">2 to 8, the preferred first; the name is what people may see.</param>
/// <param name="needed">How many must agree, 2 to the number of endpoints.</param>
/// <param name="health">Where an endpoint that differs is told.</param>
/// <param name="time">For how long it is told.</param>
public sealed class AgreeingChainReader(IReadOnlyList<(string Name, IChainReader Reader)> endpoints, int needed, HealthBoard health, TimeProvider time) : IChainReader
{
    /// <summary>How long an endpoint that said otherwise is named after it did so last.</summary>
    public static readonly TimeSpan DissentShown = TimeSpan.FromHours(1);

    /// <summary>The part of /health.</summary>
    public const string Part = "endpoints";

    private long? _dissentAt; // timestamp of the last one

    /// <summary>One reader with fail-over where one endpoint is believed, else one that compares.</summary>
    /// <param name="chain">All endpoints with fail-over.</param>
    /// <param name="single">A client of one endpoint alone.</param>
    /// <param name="settings">Endpoints, and how many must agree.</param>
    /// <param name="at">Our contracts.</param>
    /// <param name="health">Where an endpoint that differs is told.</param>
    /// <param name="time">For how long it is told.</param>
    public static IChainReader Over(EthereumClient chain, Func<string, EthereumClient> single, ChainSettings settings, ChainAddresses at, HealthBoard health, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(single);
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.RpcAgree < 2) return new ChainReader(chain, at);
        return new AgreeingChainReader([.. settings.RpcUrls.Select(url => (GatewaySettings.Redacted(url), (IChainReader)new ChainReader(single(url), at)))], settings.RpcAgree, health, time);
    }

    /// <inheritdoc/>
    public async Task CheckAsync(CancellationToken stopping)
    {
        Answer<bool>[] answers = await AskAllAsync(async reader =>
        {
            await reader.CheckAsync(stopping).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
        if (answers.Count(answer => answer.Fault is null) < needed) throw TooFew(answers);
    }

    /// <inheritdoc/>
    public async Task<BlockMark> HeadAsync(CancellationToken stopping)
    {
        Answer<BlockMark>[] heads = await AskAllAsync(reader => reader.HeadAsync(stopping)).ConfigureAwait(false);
        ulong[] numbers = [.. heads.Where(head => head.Fault is null).Select(head => head.Value!.Number).OrderDescending()];
        if (numbers.Length < needed) throw TooFew(heads);
        ulong number = numbers[needed - 1]; // the newest block that so many have
        return await BlockAsync(number, stopping).ConfigureAwait(false) ?? throw Disagreement($"block {number}");
    }

    /// <inheritdoc/>
    public async Task<BlockMark?> BlockAsync(ulong number, CancellationToken stopping)
    {
        Answer<BlockMark?>[] answers = await AskAllAsync(reader => reader.BlockAsync(number, stopping)).ConfigureAwait(false);
        if (answers.Count(answer => answer.Fault is null) < needed) throw TooFew(answers);
        List<IGrouping<BlockMark, Answer<BlockMark?>>> said = [.. answers.Where(answer => answer.Value is not null).GroupBy(answer => answer.Value!).OrderByDescending(group => group.Count())];
        if (said.Count > 0 && said[0].Count() >= needed) return said[0].Key;
        return said.Count > 1 ? throw Disagreement($"block {number}") : null; // too few have it yet: the chain is taken to end before it
    }

    /// <inheritdoc/>
    public async Task<ulong> TimeAsync(BlockMark head, CancellationToken stopping)
    {
        Answer<ulong>[] answers = await AskAllAsync(reader => reader.TimeAsync(head, stopping)).ConfigureAwait(false);
        ulong[] times = [.. answers.Where(answer => answer.Fault is null).Select(answer => answer.Value).OrderDescending()];
        return times.Length < needed ? throw TooFew(answers) : times[needed - 1];
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<ChainEvent>> EventsAsync(ulong from, ulong to, CancellationToken stopping) => AgreeAsync(
        async reader =>
        {
            // The events of an endpoint that is behind would look like withheld ones.
            if (await reader.BlockAsync(to, stopping).ConfigureAwait(false) is null) throw new RpcAnswerException("", $"it does not have block {to} yet");
            return await reader.EventsAsync(from, to, stopping).ConfigureAwait(false);
        },
        events => string.Join('\n', events.Select(Text)), $"the events of blocks {from} to {to}");

    /// <inheritdoc/>
    public Task<RegisteredDevice?> DeviceAsync(DeviceIdValue device, CancellationToken stopping) => AgreeAsync(
        reader => reader.DeviceAsync(device, stopping),
        found => found is null ? "unknown" : $"{Convert.ToHexString(found.PublicKey.Span)} {found.KeyKind} {found.RegisteredAt} {found.RevokedAt} {string.Join(' ', found.FormerKeys.Select(key => Convert.ToHexString(key.Span)))}", $"device {device}");

    /// <summary>Asks as many as are needed, then one more at a time until enough say the same.</summary>
    private async Task<T> AgreeAsync<T>(Func<IChainReader, Task<T>> ask, Func<T, string> text, string what)
    {
        List<(string Name, string Text, T Value)> said = [];
        List<Answer<T>> faults = [];
        int asked = 0;
        while (asked < endpoints.Count)
        {
            int missing = needed - said.GroupBy(one => one.Text).Select(group => group.Count()).DefaultIfEmpty(0).Max();
            Answer<T>[] answers = await Task.WhenAll(endpoints.Skip(asked).Take(missing).Select(endpoint => AskAsync(endpoint, ask))).ConfigureAwait(false);
            asked += answers.Length;
            faults.AddRange(answers.Where(answer => answer.Fault is not null));
            said.AddRange(answers.Where(answer => answer.Fault is null).Select(answer => (answer.Name, text(answer.Value!), answer.Value!)));
            if (said.GroupBy(one => one.Text).FirstOrDefault(group => group.Count() >= needed) is not { } agreed) continue;
            TellDissent([.. said.Where(one => one.Text != agreed.Key).Select(one => one.Name)], what);
            return agreed.First().Value;
        }

        throw said.Count >= needed ? Disagreement(what) : TooFew(faults);
    }

    private void TellDissent(IReadOnlyList<string> names, string what)
    {
        if (names.Count > 0)
        {
            _dissentAt = time.GetTimestamp();
            health.Report(Part, PartState.Degraded, $"{string.Join(", ", names)} says otherwise about {what} than {needed} others, and is not believed",
                "Ask its operator, or take it out of chain.rpcUrls: it lies, or follows another branch.");
        }
        else if (_dissentAt is not { } at || time.GetElapsedTime(at) >= DissentShown)
        {
            health.Report(Part, PartState.Ok, $"{needed} of {endpoints.Count} endpoints say the same");
        }
    }

    private Task<Answer<T>[]> AskAllAsync<T>(Func<IChainReader, Task<T>> ask) => Task.WhenAll(endpoints.Select(endpoint => AskAsync(endpoint, ask)));

    private static async Task<Answer<T>> AskAsync<T>((string Name, IChainReader Reader) endpoint, Func<IChainReader, Task<T>> ask)
    {
        try
        {
            return new Answer<T>(endpoint.Name, await ask(endpoint.Reader).ConfigureAwait(false), null);
        }
        catch (Exception fault) when (fault is RpcException or ChainMismatchException)
        {
            return new Answer<T>(endpoint.Name, default, fault);
        }
    }

    private static string Text(ChainEvent happened) => happened switch
    {
        DeviceRegistered e => $"{e with { PublicKey = [] }} {Convert.ToHexString(e.PublicKey)}",
        DeviceKeyRotated e => $"{e with { PublicKey = [] }} {Convert.ToHexString(e.PublicKey)}",
        GatewaySetChanged e => $"{e with { Signers = [] }} {string.Join(' ', e.Signers)}",
        _ => happened.ToString(),
    };

    private RpcAnswerException Disagreement(string what) => new("",
        $"fewer than {needed} of {endpoints.Count} RPC endpoints say the same about {what}: one of them lies or follows another branch. Add an endpoint to chain.rpcUrls, or take the wrong one out");

    private Exception TooFew<T>(IEnumerable<Answer<T>> answers)
    {
        Answer<T>[] failed = [.. answers.Where(answer => answer.Fault is not null)];
        if (failed.Select(answer => answer.Fault).OfType<ChainMismatchException>().FirstOrDefault() is { } mismatch && failed.Length == endpoints.Count) return mismatch;
        return new RpcUnreachableException(
            $"{needed} of {endpoints.Count} RPC endpoints must agree (chain.rpcAgree) and too few answered. {string.Join(" ", failed.Select(answer => answer.Fault!.Message))}", failed.FirstOrDefault().Fault);
    }

    private readonly record struct Answer<T>(string Name, T? Value, Exception? Fault);
}
