using System.Security.Cryptography;
using System.Text;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Reward;

/// <summary>
/// Reads what rewards are computed from with several endpoints, and believes what <c>chain.rpcAgree</c> of them say alike: one alone could withhold an event or make up who sent an anchor, and have
/// this gateway sign a wrong root. One that says otherwise is named in the health part "rewardEndpoints"; without enough that agree nothing is computed.
/// </summary>
/// <param name="endpoints">The preferred first; the name is what people may see.</param>
/// <param name="needed">How many must agree, 2 to the number of endpoints.</param>
/// <param name="health">Where an endpoint that differs is told.</param>
/// <param name="time">For how long it is told.</param>
public sealed class AgreeingRewardChain(IReadOnlyList<(string Name, IRewardChain Chain)> endpoints, int needed, HealthBoard health, TimeProvider time) : IRewardChain
{
    /// <summary>How long an endpoint that said otherwise is named after it did so last.</summary>
    public static readonly TimeSpan DissentShown = TimeSpan.FromHours(1);

    /// <summary>The part of /health.</summary>
    public const string Part = "rewardEndpoints";

    private long? _dissentAt; // timestamp of the last one

    /// <summary>One client with fail-over where one endpoint is believed, else several that are compared.</summary>
    /// <param name="chain">All endpoints with fail-over.</param>
    /// <param name="single">A client of one endpoint alone.</param>
    /// <param name="settings">Endpoints, and how many must agree.</param>
    /// <param name="health">Where an endpoint that differs is told.</param>
    /// <param name="time">For how long it is told.</param>
    public static IRewardChain Over(EthereumClient chain, Func<string, EthereumClient> single, ChainSettings settings, HealthBoard health, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(single);
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.RpcAgree < 2) return new RewardChain(chain);
        return new AgreeingRewardChain([.. settings.RpcUrls.Select(url => (GatewaySettings.Redacted(url), (IRewardChain)new RewardChain(single(url))))], settings.RpcAgree, health, time);
    }

    /// <inheritdoc/>
    public Task<RewardContracts?> ContractsAsync(Address devices, Address gateways, Address ledger, CancellationToken ct = default) =>
        AgreeAsync(chain => chain.ContractsAsync(devices, gateways, ledger, ct), found => found?.ToString() ?? "none", "the contracts of rewards");

    /// <inheritdoc/>
    public Task<Block?> BlockAsync(ulong number, CancellationToken ct = default) =>
        AgreeAsync(chain => chain.BlockAsync(number, ct), block => block is null ? null : $"{block.Hash} {block.Timestamp}", $"block {number}");

    /// <summary>Compared in ranges, so that what is held twice stays small.</summary>
    public async Task<IReadOnlyList<EventLog>> LogsAsync(LogFilter filter, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        List<EventLog> all = [];
        for (ulong from = filter.FromBlock; from <= filter.ToBlock; from += EthereumClient.LogRangeBlocksMax)
        {
            LogFilter range = filter with { FromBlock = from, ToBlock = Math.Min(filter.ToBlock, from + EthereumClient.LogRangeBlocksMax - 1) };
            all.AddRange(await AgreeAsync(
                async chain =>
                {
                    // The events of an endpoint that is behind would look like withheld ones.
                    if (await chain.BlockAsync(range.ToBlock, ct).ConfigureAwait(false) is null) throw new RpcAnswerException("", $"it does not have block {range.ToBlock} yet");
                    return await chain.LogsAsync(range, ct).ConfigureAwait(false);
                },
                Text, $"the events of blocks {range.FromBlock} to {range.ToBlock}").ConfigureAwait(false));
        }

        return all;
    }

    /// <inheritdoc/>
    public Task<TransactionInfo?> TransactionAsync(Hash32 hash, CancellationToken ct = default) =>
        AgreeAsync(chain => chain.TransactionAsync(hash, ct), sent => sent is null ? null : $"{sent.From} {sent.To} {Convert.ToHexString(SHA256.HashData(sent.Input.Span))}", $"transaction {hash}");

    /// <inheritdoc/>
    public Task<GatewaySet> SetAsync(Address registry, ulong version, CancellationToken ct = default) =>
        AgreeAsync(chain => chain.SetAsync(registry, version, ct), set => string.Join(' ', set.Signers.ToArray()), $"version {version} of the set");

    /// <summary>Asks as many as are needed, then one more at a time until enough say the same.</summary>
    /// <param name="ask">The question.</param>
    /// <param name="text">What is compared; null: this one does not have it (yet), which is no lie.</param>
    /// <param name="what">For people.</param>
    private async Task<T> AgreeAsync<T>(Func<IRewardChain, Task<T>> ask, Func<T, string?> text, string what)
    {
        List<(string Name, string Text, T Value)> said = [];
        List<RpcException> faults = [];
        List<T> absent = [];
        for (int asked = 0; asked < endpoints.Count;)
        {
            int missing = needed - said.GroupBy(one => one.Text).Select(group => group.Count()).DefaultIfEmpty(0).Max();
            List<(string Name, IRewardChain Chain)> next = [.. endpoints.Skip(asked).Take(missing)];
            asked += next.Count;
            foreach ((string name, Task<T> answer) in next.Select(one => (one.Name, ask(one.Chain))).ToList())
            {
                try
                {
                    T value = await answer.ConfigureAwait(false);
                    if (text(value) is { } words) said.Add((name, words, value));
                    else absent.Add(value);
                }
                catch (RpcException fault)
                {
                    faults.Add(fault);
                }
            }

            if (said.GroupBy(one => one.Text).FirstOrDefault(group => group.Count() >= needed) is not { } agreed) continue;
            TellDissent([.. said.Where(one => one.Text != agreed.Key).Select(one => one.Name)], what);
            return agreed.First().Value;
        }

        if (said.Count < needed && said.Count + absent.Count >= needed) return absent[0];
        throw said.Count >= needed
            ? new RpcAnswerException("", $"fewer than {needed} of {endpoints.Count} RPC endpoints (chain.rpcAgree) say the same about {what}: one of them lies or follows another branch. Add an endpoint to chain.rpcUrls, or take the wrong one out")
            : new RpcUnreachableException($"{needed} of {endpoints.Count} RPC endpoints must agree (chain.rpcAgree) about {what} and too few answered. {string.Join(" ", faults.Select(fault => fault.Message))}", faults[0]);
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

    private static string Text(IReadOnlyList<EventLog> logs)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (EventLog log in logs)
            hash.AppendData(Encoding.UTF8.GetBytes($"{log.Address} {string.Join(',', log.Topics)} {Convert.ToHexString(log.Data.Span)} {log.BlockNumber} {log.BlockHash} {log.TransactionHash} {log.LogIndex}\n"));
        return Convert.ToHexString(hash.GetHashAndReset());
    }
}
