using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Numerics;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using DePIN.Evidence;
using DePIN.Gateway.Web;

namespace DePIN.Index;

/// <summary>What a gateway answered over time.</summary>
public readonly record struct SourceCounts(long Answered, long Missing, long Unreachable, long Lied)
{
    /// <summary>True when there is nothing in it.</summary>
    public bool IsZero => this == default;

    /// <summary>What came since.</summary>
    public static SourceCounts operator -(SourceCounts now, SourceCounts before) =>
        new(now.Answered - before.Answered, now.Missing - before.Missing, now.Unreachable - before.Unreachable, now.Lied - before.Lied);
}

/// <summary>
/// One gateway's read API, which is not trusted: what it says is checked by <see cref="EvidenceFetcher"/>, which also tells it here when it lied. A gateway that lied
/// or did not answer is left alone for a while, twice as long each time in a row; answers are bounded in size and time.
/// </summary>
public sealed class GatewaySource : IDisposable
{
    /// <summary>Batches asked for in one page.</summary>
    public const int PageBatches = 100;

    private const int PageBytesMax = 16 * 1024 * 1024;
    private const int ReadBytes = 64 * 1024;

    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    private static readonly (TimeSpan First, TimeSpan Max) AwayRest = (TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1));
    private static readonly (TimeSpan First, TimeSpan Max) LiarRest = (TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(10));

    private readonly HttpClient _http;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private SourceCounts _counts;
    private int _inARow;
    private DateTimeOffset _restUntil;

    /// <param name="url">http or https; https off this machine.</param>
    /// <param name="authorityPem">The only authority its certificate may be by; null: those of this computer.</param>
    /// <param name="token">Sent as bearer; null: none.</param>
    /// <param name="time">For its rests.</param>
    public GatewaySource(Uri url, string? authorityPem, string? token, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(url);
        _time = time;
        Name = url.GetLeftPart(UriPartial.Authority);
        SocketsHttpHandler handler = new() { ConnectTimeout = ConnectTimeout, AllowAutoRedirect = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) };
        if (authorityPem is not null)
        {
            handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            handler.SslOptions.CertificateChainPolicy.CustomTrustStore.ImportFromPem(authorityPem);
        }

        _http = new HttpClient(handler) { BaseAddress = url, Timeout = AnswerTimeout };
        if (token is not null) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    /// <summary>Scheme, host and port: what messages and the table of sources call it.</summary>
    public string Name { get; }

    /// <summary>What was last wrong with it; null when nothing ever was.</summary>
    public string? LastFault { get; private set; }

    /// <summary>Its counts since the start of this process.</summary>
    public SourceCounts Counts { get { lock (_gate) return _counts; } }

    /// <summary>What of them is in the database.</summary>
    internal SourceCounts Saved { get; set; }

    /// <summary>True while it is left alone.</summary>
    public bool IsResting { get { lock (_gate) return _time.GetUtcNow() < _restUntil; } }

    /// <summary>The batches of an anchor as this gateway says, not checked; null when it does not have them or did not answer.</summary>
    public async Task<SourceAnswer<List<AnchoredBatch>>> BatchesAsync(ulong ordinal, uint batches, CancellationToken stopping)
    {
        List<AnchoredBatch> all = [];
        for (int? from = 0; from is not null;)
        {
            SourceAnswer<byte[]> page = await GetAsync($"/api/anchors/{ordinal}/batches?from={from}&limit={PageBatches}", PageBytesMax, stopping).ConfigureAwait(false);
            if (page.Value is null) return new(null, page.IsMissing, page.Words, page.IsLie);
            try
            {
                AnchoredBatchesJson read = AnchoredBatchesJson.Read(page.Value);
                all.AddRange(read.Batches.Select(batch => new AnchoredBatch(
                    new BatchHeader(Address.Parse(batch.Gateway), batch.Number, Hash32.Parse(batch.Previous), Hash32.Parse(batch.Root), batch.Frames, batch.Samples,
                        batch.FirstReceivedMs, batch.LastReceivedMs, Hash32.Parse(batch.Body)), Hash32.Parse(batch.FramesHash), Hash32.Parse(batch.SpansHash))));
                from = read.Next > from && all.Count < batches ? read.Next : null;
            }
            catch (Exception wrong) when (wrong is JsonException or FormatException or ArgumentException or NullReferenceException)
            {
                return new(null, false, Away($"answered with what is no list of batches: {wrong.Message}"));
            }
        }

        return new(all, false, "");
    }

    /// <summary>A body as this gateway sends it, not checked.</summary>
    public Task<SourceAnswer<byte[]>> BodyAsync(Hash32 framesHash, int bytesMax, CancellationToken stopping) => GetAsync($"/api/bodies/{framesHash}", bytesMax, stopping);

    /// <summary>Which frames a batch of an anchor holds, as this gateway sends it, not checked.</summary>
    public Task<SourceAnswer<byte[]>> SpansAsync(ulong ordinal, int leaf, int bytesMax, CancellationToken stopping) => GetAsync($"/api/anchors/{ordinal}/spans/{leaf}", bytesMax, stopping);

    /// <summary>What every account earned up to an epoch, as this gateway says; null when it does not keep that or did not answer.</summary>
    public async Task<SourceAnswer<Dictionary<Address, BigInteger>>> EarnedAsync(ulong epoch, CancellationToken stopping)
    {
        Dictionary<Address, BigInteger> all = [];
        for (int? from = 0; from is not null;)
        {
            SourceAnswer<byte[]> page = await GetAsync($"/api/rewards/payouts/{epoch}?from={from}&limit={PageBatches}", PageBytesMax, stopping).ConfigureAwait(false);
            if (page.Value is null) return new(null, page.IsMissing, page.Words, page.IsLie);
            try
            {
                PayoutAccountsJson read = PayoutAccountsJson.Read(page.Value);
                foreach (EarnedJson one in read.Accounts) all[Address.Parse(one.Account)] = BigInteger.Parse(one.Cumulative, NumberStyles.None, CultureInfo.InvariantCulture);
                from = read.Next > from ? read.Next : null;
            }
            catch (Exception wrong) when (wrong is JsonException or FormatException or ArgumentException or NullReferenceException)
            {
                return new(null, false, Away($"answered with what is no list of accounts: {wrong.Message}"));
            }
        }

        return new(all, false, "");
    }

    /// <summary>What it sent was checked and holds.</summary>
    public void Praise()
    {
        lock (_gate)
        {
            _counts = _counts with { Answered = _counts.Answered + 1 };
            _inARow = 0;
        }
    }

    /// <summary>What it sent is not what the chain or the hash says.</summary>
    public string Blame(string what)
    {
        lock (_gate) _counts = _counts with { Lied = _counts.Lied + 1 };
        return Rest(what, LiarRest);
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task<SourceAnswer<byte[]>> GetAsync(string path, int bytesMax, CancellationToken stopping)
    {
        try
        {
            using HttpResponseMessage answer = await _http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, stopping).ConfigureAwait(false);
            if (answer.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Conflict)
            {
                lock (_gate) _counts = _counts with { Missing = _counts.Missing + 1 };
                return new(null, true, "does not have it");
            }

            if (answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden) return new(null, false, Away($"refused with {(int)answer.StatusCode}: it asks for a token (--token-file)"));
            if (!answer.IsSuccessStatusCode) return new(null, false, Away($"answered with {(int)answer.StatusCode}"));
            using Stream body = await answer.Content.ReadAsStreamAsync(stopping).ConfigureAwait(false);
            return await ReadAsync(body, answer.Content.Headers.ContentLength, bytesMax, stopping).ConfigureAwait(false) is { } bytes ? new(bytes, false, "")
                : new(null, false, Blame($"sent more than the {bytesMax} bytes that {path} can have"), IsLie: true);
        }
        catch (Exception away) when (away is HttpRequestException or IOException || (away is TaskCanceledException && !stopping.IsCancellationRequested))
        {
            return new(null, false, Away(away is TaskCanceledException ? $"did not answer within {AnswerTimeout.TotalSeconds:0} s" : away.InnerException is AuthenticationException untrusted ? untrusted.Message : away.Message));
        }
    }

    private static async Task<byte[]?> ReadAsync(Stream body, long? length, int bytesMax, CancellationToken stopping)
    {
        if (length > bytesMax) return null;
        byte[] buffer = new byte[length ?? ReadBytes];
        int count = 0;
        while (true)
        {
            if (count == buffer.Length)
            {
                if (length is not null) break;
                if (count > bytesMax) return null;
                Array.Resize(ref buffer, (int)Math.Min((long)count * 2, bytesMax + 1L));
            }

            int read = await body.ReadAsync(buffer.AsMemory(count), stopping).ConfigureAwait(false);
            if (read == 0) break;
            count += read;
        }

        return count > bytesMax ? null : count == buffer.Length ? buffer : buffer[..count];
    }

    private string Away(string why)
    {
        lock (_gate) _counts = _counts with { Unreachable = _counts.Unreachable + 1 };
        return Rest(why, AwayRest);
    }

    private string Rest(string why, (TimeSpan First, TimeSpan Max) rest)
    {
        lock (_gate)
        {
            double wait = Math.Min(rest.Max.TotalMilliseconds, rest.First.TotalMilliseconds * Math.Pow(2, Math.Min(_inARow++, 20)));
            DateTimeOffset until = _time.GetUtcNow() + TimeSpan.FromMilliseconds(wait);
            if (until > _restUntil) _restUntil = until;
            LastFault = why;
        }

        return why;
    }
}

/// <summary>What a gateway answered.</summary>
/// <param name="Value">Null when it gave none.</param>
/// <param name="IsMissing">It says that it does not have it.</param>
/// <param name="Words">Why it gave none.</param>
/// <param name="IsLie">It gave something that cannot be it.</param>
public sealed record SourceAnswer<T>(T? Value, bool IsMissing, string Words, bool IsLie = false) where T : class;
