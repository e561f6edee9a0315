using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>One gateway as the GatewayRegistry contract records it.</summary>
/// <param name="Gateway">Address of the key that signs attestations: its name.</param>
/// <param name="TlsKeyHash">SHA-256 of its TLS public key (SubjectPublicKeyInfo, DER): what a peer's connection is pinned to. Zero: none recorded, nobody can connect as this gateway.</param>
/// <param name="Endpoint">Where its peers reach it, for example https://gateway.example:8700; empty: it only dials out.</param>
public sealed record Member(Address Gateway, Hash32 TlsKeyHash, string Endpoint);

/// <summary>The gateways of one version of the active set.</summary>
/// <param name="Version">The registry's version, from 1.</param>
/// <param name="Active">The set, in the contract's order.</param>
/// <param name="Members">The same gateways with keys and endpoints, in the same order.</param>
public sealed record Membership(ulong Version, GatewaySet Active, IReadOnlyList<Member> Members)
{
    /// <summary>The record of a gateway, or null when it is not active.</summary>
    public Member? Find(Address gateway) => Active.IndexOf(gateway) is var index and >= 0 ? Members[index] : null;
}

/// <summary>The chain as of one followed block: everything in it belongs to that block.</summary>
/// <param name="Block">The block's number.</param>
/// <param name="TimeS">Chain time, seconds since the Unix epoch.</param>
/// <param name="Epochs">When epochs begin, as of that block.</param>
/// <param name="Network">The membership that rules the present epoch: that of the last block before the epoch began, so that a change takes effect at a border.</param>
/// <param name="Latest">The set the ledger judges by in the present epoch: that of <paramref name="Network"/>, for a change is in force from the border after it.</param>
/// <param name="Entries">Entries of the ledger.</param>
/// <param name="Head">Hash of the last one; zero when there is none.</param>
/// <param name="LastEpoch">Epoch of the last one; null when there is none.</param>
public sealed record ChainSnapshot(ulong Block, ulong TimeS, EpochSchedule Epochs, Membership Network, GatewaySet Latest, ulong Entries, Hash32 Head, ulong? LastEpoch);
