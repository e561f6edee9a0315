// The first values of a network: what its community may later change within the bounds that Parameters.sol writes down.
using System.Numerics;
using DePIN.Contracts;

namespace DePIN.Devnet;

/// <summary>What a deployment gives the contracts of stake, rewards and votes. Amounts are in the token's smallest unit, 10^-18.</summary>
public sealed record NetworkPlan
{
    private const ulong Hour = 3600;
    private const ulong Day = 24 * Hour;
    private static readonly BigInteger Token = BigInteger.Pow(10, 18);

    /// <summary>For a network that is meant to last.</summary>
    public static readonly NetworkPlan Default = new();

    /// <summary>From a decision to its execution, seconds.</summary>
    public BigInteger TimelockSeconds { get; init; } = 2 * Day;

    /// <summary>From a proposal to its vote, seconds.</summary>
    public BigInteger VotingDelaySeconds { get; init; } = Day;

    /// <summary>How long a vote lasts, seconds.</summary>
    public uint VotingPeriodSeconds { get; init; } = (uint)(5 * Day);

    /// <summary>Weight that may propose.</summary>
    public BigInteger ProposalThreshold { get; init; } = 100_000 * Token;

    /// <summary>Part of the supply that must take part in a vote, per cent.</summary>
    public BigInteger QuorumPercent { get; init; } = 4;

    /// <summary>The first tokens, for the first gateways in equal parts.</summary>
    public BigInteger FirstSupply { get; init; } = 100_000_000 * Token;

    /// <summary>How long a quorum of gateways may change the set without stake, seconds.</summary>
    public ulong BootstrapSeconds { get; init; } = 90 * Day;

    /// <summary>The same with another value of one of <see cref="Values"/>, in the contract's unit.</summary>
    public NetworkPlan With(Parameter parameter, BigInteger value) => this with { Values = [.. Values.Select((old, i) => i == (int)parameter ? value : old)] };

    /// <summary>The values of Parameters.sol, in the order of its enumeration.</summary>
    public IReadOnlyList<BigInteger> Values { get; init; } =
    [
        1_000 * Token, // StakeMin
        64, // GatewaysMax
        14 * Day, // UnbondingSeconds
        7 * Day, // JailSeconds
        5_000, // EquivocationSlash
        1_000, // BadFrameSlash
        1_000, // ReporterShare
        10 * Token, // DisputeBond
        Day, // ResponseSeconds
        Token / 100, // DeviceBounty
        7 * Day, // KeyDelaySeconds
        10_000 * Token, // EmissionPerDay
        Hour, // EscrowSeconds
        365 * Day, // ClaimWindowSeconds
        7_000, // DeviceShare
        60, // FramesPerDeviceMax
        0, // ApplicationFee
        5_000, // DoubtfulShare
    ];
}
