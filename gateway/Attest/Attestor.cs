using DePIN.Evidence;
using DePIN.Gateway.Operate;

namespace DePIN.Gateway.Attest;

/// <summary>Where own batches come from: the store, in the order of their numbers.</summary>
public interface IBatchSource
{
    /// <summary>The batch of that number, or null while there is none.</summary>
    BatchHeader? Batch(ulong number);

    /// <summary>The header that its stored frames give, derived from them and not from what was saved about the batch.</summary>
    BatchHeader FromFrames(ulong number);
}

/// <summary>
/// Turns own batches into certificates, in order: checks the batch against its frames and its predecessor, signs it, collects
/// a quorum, and saves the certificate before anyone uses it. A number is signed once, whatever happens: signing is
/// deterministic (RFC 6979), so doing it again after a crash gives the same bytes.
/// </summary>
public sealed class Attestor(
    GatewaySigner signer, Eip712Domain domain, IBatchSource batches, ICertificateLog certificates,
    Func<GatewaySet?> active, IPeers peers, HealthBoard health, TimeProvider time)
{
    /// <summary>How often the store is asked for a new batch when nobody wakes the attestor.</summary>
    public static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    /// <summary>The longest pause while something is wrong or a quorum is missing.</summary>
    public static readonly TimeSpan BackoffMax = TimeSpan.FromSeconds(30);

    private const string Part = "attest";
    private readonly Signal _certified = new();

    /// <summary>Completes when a certificate was saved.</summary>
    public Task CertifiedAsync(CancellationToken stopping) => _certified.WaitAsync(stopping);

    /// <summary>Works until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        TimeSpan pause = PollInterval;
        while (true)
        {
            bool progress = false;
            try
            {
                progress = await StepAsync(stopping).ConfigureAwait(false);
            }
            catch (Exception fault) when (fault is Microsoft.Data.Sqlite.SqliteException or Store.StoreException or IOException)
            {
                health.Report(Part, PartState.Degraded, $"a certificate could not be saved ({fault.Message}).", "Check the disk of the data folder: free space, mode, mount.");
            }

            if (progress)
            {
                pause = PollInterval;
                continue;
            }

            pause = health.Find(Part)?.State is PartState.Ok ? PollInterval : TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, BackoffMax.Ticks));
            await Task.Delay(pause, time, stopping).ConfigureAwait(false);
        }
    }

    /// <summary>Certifies the next batch. True when it did; false when there is nothing to do or something is in the way (see the health board).</summary>
    public async Task<bool> StepAsync(CancellationToken stopping)
    {
        ulong last = certificates.LastNumber;
        if (batches.Batch(last + 1) is not { } header)
        {
            health.Report(Part, PartState.Ok, last == 0 ? "no batch yet" : $"batch {last} is certified");
            return false;
        }

        OwnCertificate? before = last == 0 ? null : certificates.Find(last);
        BatchRefusal refusal = AttestRules.Judge(header, signer.Address, before, certificates.Find(header.Number), batches.FromFrames(header.Number));
        if (refusal != BatchRefusal.None)
        {
            health.Report(Part, PartState.Failed, $"batch {header.Number} is not signed: {Text(refusal)}.",
                "Frames are kept and still acknowledged. The frame store and chain.db do not belong together or one is damaged: restore both from the same backup.");
            return false;
        }

        if (active() is not { } set)
        {
            health.Report(Part, PartState.Waiting, "the active set was not read from the chain yet");
            return false;
        }

        if (!set.Contains(signer.Address))
        {
            health.Report(Part, PartState.Degraded, $"gateway {signer.Address.ToChecksumString()} is not in the active set, so its batches cannot be certified.",
                "Ask the network's gateways to add it (GatewayRegistry.change); frames are kept until then.");
            return false;
        }

        Hash32 digest = header.Digest(domain);
        IReadOnlyList<Attestation> attestations = [Attestation.Sign(signer, digest)];
        if (set.Quorum > 1)
            attestations = AttestRules.Sound(attestations.Concat(await peers.AttestAsync(header, stopping).ConfigureAwait(false)), digest, set);
        if (attestations.Count < set.Quorum)
        {
            health.Report(Part, PartState.Waiting, $"batch {header.Number} has {attestations.Count} of {set.Quorum} attestations");
            return false;
        }

        certificates.Save(header, attestations);
        health.Report(Part, PartState.Ok, $"batch {header.Number} is certified");
        _certified.Raise();
        return true;
    }

    private static string Text(BatchRefusal refusal) => refusal switch
    {
        BatchRefusal.NotOurs => "it names another gateway",
        BatchRefusal.BadHeader => "its header contradicts itself",
        BatchRefusal.NotNext => "its number does not follow the last certificate",
        BatchRefusal.WrongPrevious => "it does not name the batch before it",
        BatchRefusal.SignedOtherwise => "this number was signed before with other content",
        BatchRefusal.NotTheFrames => "its root, body hash or count is not that of the stored frames",
        _ => refusal.ToString(),
    };
}
