using System.Globalization;
using System.Numerics;
using DePIN.Cli.Contracts;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Cli.Govern;

/// <summary>How people write a value.</summary>
public enum ValueUnit
{
    /// <summary>Whole tokens, decimal.</summary>
    Tokens,

    /// <summary>Seconds; m, h and d behind the number multiply.</summary>
    Seconds,

    /// <summary>Per cent of a share that the contract counts of 10,000.</summary>
    Share,

    /// <summary>Whole per cent.</summary>
    Percent,

    /// <summary>A whole number.</summary>
    Count,
}

/// <summary>One number that governance may set: what it is called, how it is written, where it is set and which bounds the code fixes.</summary>
public sealed class GovernedValue
{
    private static readonly BigInteger Token = BigInteger.Pow(10, 18);
    private static readonly BigInteger Month = 30 * 86_400;
    private const decimal PercentMax = 1_000; // the contract's bounds are narrower

    private readonly Func<NetworkAccess, CancellationToken, Task<(BigInteger Now, BigInteger Min, BigInteger Max)>> _read;
    private readonly Func<CommunityContracts, DeploymentRecord, Address> _target;
    private readonly Func<BigInteger, byte[]> _call;

    private GovernedValue(string name, ValueUnit unit, Func<CommunityContracts, DeploymentRecord, Address> target, Func<BigInteger, byte[]> call,
        Func<NetworkAccess, CancellationToken, Task<(BigInteger Now, BigInteger Min, BigInteger Max)>> read) => (Name, Unit, _target, _call, _read) = (name, unit, target, call, read);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<GovernedValue> All { get; } =
    [
        .. Enum.GetValues<Parameter>().Select(Of),
        .. Enumerable.Range(1, Profiles.Node).Select(profile => OfProfile((ushort)profile)),
        new("EpochSeconds", ValueUnit.Seconds, (_, record) => record.Ledger, value => Ledger.EncodeSetEpochSeconds((ulong)value), async (network, cancel) => (
            await network.ReadAsync<ulong>(network.Record.Ledger, "epochSeconds()", Ledger.EncodeEpochSeconds(), Ledger.TryDecodeEpochSeconds, cancel).ConfigureAwait(false),
            await network.ReadAsync<ulong>(network.Record.Ledger, "epochSecondsMin()", Ledger.EncodeEpochSecondsMin(), Ledger.TryDecodeEpochSecondsMin, cancel).ConfigureAwait(false), 86_400)),
        new("PauseSeconds", ValueUnit.Seconds, (_, record) => record.Ledger, value => Ledger.EncodePause((ulong)value), (_, _) => Task.FromResult((BigInteger.Zero, BigInteger.One, (BigInteger)3 * 86_400))),
        new("VotingDelaySeconds", ValueUnit.Seconds, (community, _) => community.Governor, NetworkGovernor.EncodeSetVotingDelay, async (network, cancel) => (
            await network.ReadAsync<BigInteger>(network.Contracts.Governor, "votingDelay()", NetworkGovernor.EncodeVotingDelay(), NetworkGovernor.TryDecodeVotingDelay, cancel).ConfigureAwait(false),
            await network.ReadAsync<BigInteger>(network.Contracts.Governor, "votingDelayMin()", NetworkGovernor.EncodeVotingDelayMin(), NetworkGovernor.TryDecodeVotingDelayMin, cancel).ConfigureAwait(false), Month)),
        new("VotingPeriodSeconds", ValueUnit.Seconds, (community, _) => community.Governor, value => NetworkGovernor.EncodeSetVotingPeriod((uint)value), async (network, cancel) => (
            await network.ReadAsync<BigInteger>(network.Contracts.Governor, "votingPeriod()", NetworkGovernor.EncodeVotingPeriod(), NetworkGovernor.TryDecodeVotingPeriod, cancel).ConfigureAwait(false),
            await network.ReadAsync<BigInteger>(network.Contracts.Governor, "votingPeriodMin()", NetworkGovernor.EncodeVotingPeriodMin(), NetworkGovernor.TryDecodeVotingPeriodMin, cancel).ConfigureAwait(false), Month)),
        new("ProposalThreshold", ValueUnit.Tokens, (community, _) => community.Governor, NetworkGovernor.EncodeSetProposalThreshold, async (network, cancel) => (
            await network.ReadAsync<BigInteger>(network.Contracts.Governor, "proposalThreshold()", NetworkGovernor.EncodeProposalThreshold(), NetworkGovernor.TryDecodeProposalThreshold, cancel).ConfigureAwait(false),
            0, 1_000_000 * Token)),
        new("QuorumPercent", ValueUnit.Percent, (community, _) => community.Governor, NetworkGovernor.EncodeUpdateQuorumNumerator, async (network, cancel) => (
            await network.ReadAsync<BigInteger>(network.Contracts.Governor, "quorumNumerator()", NetworkGovernor.EncodeQuorumNumeratorWith0(), NetworkGovernor.TryDecodeQuorumNumeratorWith0, cancel).ConfigureAwait(false), 1, 50)),
        new("TimelockSeconds", ValueUnit.Seconds, (community, _) => community.Timelock, NetworkTimelock.EncodeUpdateDelay, async (network, cancel) => (
            await network.ReadAsync<BigInteger>(network.Contracts.Timelock, "getMinDelay()", NetworkTimelock.EncodeGetMinDelay(), NetworkTimelock.TryDecodeGetMinDelay, cancel).ConfigureAwait(false),
            await network.ReadAsync<BigInteger>(network.Contracts.Timelock, "delayMin()", NetworkTimelock.EncodeDelayMin(), NetworkTimelock.TryDecodeDelayMin, cancel).ConfigureAwait(false), Month)),
    ];

    public string Name { get; }

    public ValueUnit Unit { get; }

    /// <summary>By name, in any case.</summary>
    public static GovernedValue Find(string name) => All.FirstOrDefault(value => value.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new CliError(ExitCode.BadInput, $"PARAMETER: '{name}' is none that governance sets", $"one of {string.Join(", ", All.Select(value => value.Name))}");

    /// <summary>A value as a person wrote it, in the contract's unit.</summary>
    public BigInteger Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text) ?? throw new CliError(ExitCode.BadInput, $"VALUE: '{text}' is no value of {Name}", Unit switch
        {
            ValueUnit.Tokens => "give whole tokens, such as 1000 or 0.25",
            ValueUnit.Seconds => "give seconds, or a number with m, h or d behind it, such as 14d",
            ValueUnit.Share => "give per cent, such as 10 or 12.5%",
            ValueUnit.Percent => "give whole per cent, such as 4",
            _ => "give a whole number",
        });
    }

    /// <summary>A value as people read it.</summary>
    public string Format(BigInteger value) => Unit switch
    {
        ValueUnit.Tokens => $"{TokenAmount.Format(value)} tokens",
        ValueUnit.Seconds => $"{value} s",
        ValueUnit.Share => $"{((decimal)value / 100).ToString("0.##", CultureInfo.InvariantCulture)} %",
        ValueUnit.Percent => $"{value} %",
        _ => value.ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>What it is now, and its bounds as the code fixes them.</summary>
    public Task<(BigInteger Now, BigInteger Min, BigInteger Max)> ReadAsync(NetworkAccess network, CancellationToken cancel) => _read(network, cancel);

    /// <summary>The contract that is called, and with what.</summary>
    public (Address Target, byte[] Call) CallOf(NetworkAccess network, BigInteger value)
    {
        ArgumentNullException.ThrowIfNull(network);
        return (_target(network.Contracts, network.Record), _call(value));
    }

    private static GovernedValue Of(Parameter parameter) => new(parameter.ToString(), parameter switch
    {
        Parameter.StakeMin or Parameter.DisputeBond or Parameter.DeviceBounty or Parameter.EmissionPerDay or Parameter.ApplicationFee => ValueUnit.Tokens,
        Parameter.EquivocationSlash or Parameter.BadFrameSlash or Parameter.ReporterShare or Parameter.DeviceShare or Parameter.DoubtfulShare => ValueUnit.Share,
        Parameter.GatewaysMax or Parameter.FramesPerDeviceMax => ValueUnit.Count,
        _ => ValueUnit.Seconds,
    }, (community, _) => community.Parameters, value => Parameters.EncodeSet((byte)parameter, value), async (network, cancel) =>
    {
        Address contract = network.Contracts.Parameters;
        BigInteger now = await network.ReadAsync<BigInteger>(contract, "valueOf()", Parameters.EncodeValueOf((byte)parameter), Parameters.TryDecodeValueOf, cancel).ConfigureAwait(false);
        Parameters.BoundsOfResult bounds = await network.ReadAsync<Parameters.BoundsOfResult>(contract, "boundsOf()", Parameters.EncodeBoundsOf((byte)parameter), Parameters.TryDecodeBoundsOf, cancel).ConfigureAwait(false);
        return (now, bounds.Min, bounds.Max);
    });

    /// <summary>What frames of a profile count for rewards.</summary>
    private static GovernedValue OfProfile(ushort profile) => new($"ProfileWeight.{Profiles.Name(profile)}", ValueUnit.Share, (community, _) => community.Parameters,
        value => Parameters.EncodeSetProfileWeight(profile, value), async (network, cancel) => (
            await network.ReadAsync<BigInteger>(network.Contracts.Parameters, "profileWeightOf()", Parameters.EncodeProfileWeightOf(profile), Parameters.TryDecodeProfileWeightOf, cancel).ConfigureAwait(false), 0,
            await network.ReadAsync<BigInteger>(network.Contracts.Parameters, "PROFILE_WEIGHT_MAX()", Parameters.EncodeProfileWeightMax(), Parameters.TryDecodeProfileWeightMax, cancel).ConfigureAwait(false)));

    private BigInteger? TryParse(string text)
    {
        switch (Unit)
        {
            case ValueUnit.Tokens:
                return TokenAmount.TryParse(text);
            case ValueUnit.Seconds:
                int factor = text.Length == 0 ? 0 : text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3_600, 'd' => 86_400, _ => 0 };
                return Whole(factor == 0 ? text : text[..^1]) * Math.Max(1, factor);
            case ValueUnit.Share:
                return decimal.TryParse(text.TrimEnd('%').TrimEnd(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal percent) && percent <= PercentMax && percent * 100 == decimal.Truncate(percent * 100)
                    ? new BigInteger(percent * 100) : null;
            case ValueUnit.Percent:
                return Whole(text.TrimEnd('%').TrimEnd());
            default:
                return Whole(text);
        }
    }

    private static BigInteger? Whole(string text) => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number) ? number : null;
}
