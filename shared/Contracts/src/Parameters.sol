// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What governance may set. The numbers are part of the ABI: only append.
enum Parameter {
    StakeMin,
    GatewaysMax,
    UnbondingSeconds,
    JailSeconds,
    EquivocationSlash,
    BadFrameSlash,
    ReporterShare,
    DisputeBond,
    ResponseSeconds,
    DeviceBounty,
    KeyDelaySeconds,
    EmissionPerDay,
    EscrowSeconds,
    ClaimWindowSeconds,
    DeviceShare,
    FramesPerDeviceMax,
    ApplicationFee,
    DoubtfulShare
}

/// @title Parameters
/// @notice Every number of the network that governance may change, each within bounds that this code fixes for ever.
/// @dev Only the timelock sets them. The length of an epoch is not here but in the Ledger, which reads it with every anchor; votes
/// have theirs in the NetworkGovernor, the delay of execution in the NetworkTimelock.
///
/// Bounds are absolute, and for times also relative: a time never falls below a quarter of what it was at deployment. So a network
/// that began with a week of unbonding can never vote it down to seconds, and a development network may be quick.
contract Parameters {
    /// @dev Shares and slashes are of 10,000.
    uint256 internal constant WHOLE = 10_000;
    uint256 internal constant COUNT = 18;
    uint256 private constant TOKEN = 1e18;

    /// @notice Greatest weight of a profile, of 10,000: a device says its profile itself, so that one must not be worth ten.
    uint256 public constant PROFILE_WEIGHT_MAX = 30_000;

    /// @notice Who may set: the timelock.
    address public immutable governance;

    uint256[COUNT] private _values;
    uint256[COUNT] private _initial;
    /// @dev By profile: weight + 1, so that zero is "never set".
    mapping(uint16 profile => uint256) private _profileWeights;

    event ParameterChanged(Parameter indexed parameter, uint256 before, uint256 value);
    event ProfileWeightChanged(uint16 indexed profile, uint256 before, uint256 weight);

    error Parameters_NotGovernance(address caller);
    error Parameters_OutOfBounds(Parameter parameter, uint256 value, uint256 min, uint256 max);
    error Parameters_WeightOutOfBounds(uint16 profile, uint256 weight, uint256 max);
    error Parameters_GovernanceZero();
    error Parameters_Count(uint256 given, uint256 expected);

    /// @param governance_ The timelock
    /// @param values One for each `Parameter`, in order, within its bounds
    constructor(address governance_, uint256[] memory values) {
        if (governance_ == address(0)) revert Parameters_GovernanceZero();
        if (values.length != COUNT) revert Parameters_Count(values.length, COUNT);
        governance = governance_;
        for (uint256 i = 0; i < COUNT; ++i) {
            (uint256 min, uint256 max) = _absolute(Parameter(i));
            if (values[i] < min || values[i] > max) revert Parameters_OutOfBounds(Parameter(i), values[i], min, max);
            _initial[i] = values[i];
            _values[i] = values[i];
            emit ParameterChanged(Parameter(i), 0, values[i]);
        }
    }

    /// @notice Changes one parameter; it holds from this transaction on.
    /// @param parameter Which
    /// @param value Within `boundsOf(parameter)`
    function set(Parameter parameter, uint256 value) external {
        if (msg.sender != governance) revert Parameters_NotGovernance(msg.sender);
        (uint256 min, uint256 max) = boundsOf(parameter);
        if (value < min || value > max) revert Parameters_OutOfBounds(parameter, value, min, max);
        uint256 before = _values[uint256(parameter)];
        _values[uint256(parameter)] = value;
        emit ParameterChanged(parameter, before, value);
    }

    /// @notice Changes what a frame of a profile counts for rewards, of 10,000; it holds from this transaction on.
    /// @param profile Profile number of frames
    /// @param weight At most `PROFILE_WEIGHT_MAX`; 0 pays nothing
    function setProfileWeight(uint16 profile, uint256 weight) external {
        if (msg.sender != governance) revert Parameters_NotGovernance(msg.sender);
        if (weight > PROFILE_WEIGHT_MAX) revert Parameters_WeightOutOfBounds(profile, weight, PROFILE_WEIGHT_MAX);
        uint256 before = profileWeightOf(profile);
        _profileWeights[profile] = weight + 1;
        emit ProfileWeightChanged(profile, before, weight);
    }

    /// @notice What a frame of a profile counts, of 10,000; 10,000 until governance says otherwise.
    /// @param profile Profile number of frames
    function profileWeightOf(uint16 profile) public view returns (uint256) {
        uint256 stored = _profileWeights[profile];
        return stored == 0 ? WHOLE : stored - 1;
    }

    /// @notice A parameter's value now.
    /// @param parameter Which
    function valueOf(Parameter parameter) external view returns (uint256) {
        return _values[uint256(parameter)];
    }

    /// @notice All values, in the order of `Parameter`.
    function all() external view returns (uint256[] memory values) {
        values = new uint256[](COUNT);
        for (uint256 i = 0; i < COUNT; ++i) {
            values[i] = _values[i];
        }
    }

    /// @notice The least and the greatest value governance may set.
    /// @param parameter Which
    function boundsOf(Parameter parameter) public view returns (uint256 min, uint256 max) {
        (min, max) = _absolute(parameter);
        uint256 quarter = _initial[uint256(parameter)] / 4;
        if (_isTime(parameter) && quarter > min) min = quarter;
    }

    function _isTime(Parameter p) private pure returns (bool) {
        return p == Parameter.UnbondingSeconds || p == Parameter.JailSeconds || p == Parameter.ResponseSeconds
            || p == Parameter.KeyDelaySeconds || p == Parameter.EscrowSeconds || p == Parameter.ClaimWindowSeconds;
    }

    function _absolute(Parameter p) private pure returns (uint256 min, uint256 max) {
        if (p == Parameter.StakeMin) return (1 * TOKEN, 1_000_000 * TOKEN);
        if (p == Parameter.GatewaysMax) return (4, 256);
        if (p == Parameter.UnbondingSeconds) return (1, 90 days);
        if (p == Parameter.JailSeconds) return (1, 90 days);
        if (p == Parameter.EquivocationSlash) return (500, WHOLE);
        if (p == Parameter.BadFrameSlash) return (100, WHOLE);
        // Never so much that an offender who reports himself first loses less than half.
        if (p == Parameter.ReporterShare) return (100, WHOLE / 2);
        if (p == Parameter.DisputeBond) return (0, 10_000 * TOKEN);
        if (p == Parameter.ResponseSeconds) return (1, 30 days);
        if (p == Parameter.DeviceBounty) return (0, 10 * TOKEN);
        if (p == Parameter.KeyDelaySeconds) return (1, 30 days);
        if (p == Parameter.EmissionPerDay) return (0, 1_000_000 * TOKEN);
        if (p == Parameter.EscrowSeconds) return (1, 30 days);
        if (p == Parameter.ClaimWindowSeconds) return (1, 3650 days);
        if (p == Parameter.DeviceShare) return (1_000, 9_000);
        if (p == Parameter.FramesPerDeviceMax) return (1, 1_000_000);
        if (p == Parameter.ApplicationFee) return (0, 1_000 * TOKEN);
        return (0, WHOLE); // DoubtfulShare
    }
}
