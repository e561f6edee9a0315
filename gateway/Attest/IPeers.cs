using DePIN.Evidence;

namespace DePIN.Gateway.Attest;

/// <summary>
/// The other gateways, as the attestor and the anchorer need them. What comes back is not trusted: the caller checks every
/// signature against the active set. Implementations are bounded in time and never throw for a peer that is away.
/// </summary>
public interface IPeers
{
    /// <summary>Attestations over a batch, as many as peers give now; they fetch the body and check it themselves.</summary>
    Task<IReadOnlyList<Attestation>> AttestAsync(BatchHeader batch, CancellationToken stopping);

    /// <summary>Attestations over an anchor; peers check its tree from the batches' certificates.</summary>
    Task<IReadOnlyList<Attestation>> AttestAsync(AnchorHeader anchor, IReadOnlyList<ulong> batchNumbers, CancellationToken stopping);
}

/// <summary>A network of one gateway: there is nobody to ask.</summary>
public sealed class NoPeers : IPeers
{
    private static readonly Task<IReadOnlyList<Attestation>> None = Task.FromResult<IReadOnlyList<Attestation>>([]);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Attestation>> AttestAsync(BatchHeader batch, CancellationToken stopping) => None;

    /// <inheritdoc/>
    public Task<IReadOnlyList<Attestation>> AttestAsync(AnchorHeader anchor, IReadOnlyList<ulong> batchNumbers, CancellationToken stopping) => None;
}
