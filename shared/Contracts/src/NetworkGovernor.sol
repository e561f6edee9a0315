// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorCountingSimple} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorSettings} from "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import {GovernorTimelockControl} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {GovernorVotesQuorumFraction} from "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";

/// @title NetworkGovernor
/// @notice Where the community proposes and votes; the timelock carries out.
/// @dev OpenZeppelin's Governor. Weight is what was delegated when the vote opened, which is after the proposal: tokens borrowed
/// for a transaction weigh nothing. Its own settings are governable within bounds: delay and period never below a quarter of the
/// first ones nor above thirty days, the quorum from 1 to 50 % of the supply. The timelock is fixed: all contracts obey that one.
contract NetworkGovernor is
    Governor,
    GovernorSettings,
    GovernorCountingSimple,
    GovernorVotes,
    GovernorVotesQuorumFraction,
    GovernorTimelockControl
{
    uint256 public constant TIME_MAX = 30 days;
    uint256 public constant THRESHOLD_MAX = 1_000_000e18;
    uint256 public constant QUORUM_PERCENT_MAX = 50;

    /// @notice The least voting delay governance may set, seconds.
    uint256 public immutable votingDelayMin;
    /// @notice The least voting period governance may set, seconds.
    uint256 public immutable votingPeriodMin;

    error NetworkGovernor_OutOfBounds(uint256 value, uint256 min, uint256 max);
    error NetworkGovernor_TimelockIsFixed();

    /// @param token Whose delegated weight votes
    /// @param timelock_ Who carries out
    /// @param delay Seconds from a proposal to its vote
    /// @param period Seconds a vote lasts
    /// @param threshold Weight that may propose
    /// @param quorumPercent Of the supply that must take part
    constructor(IVotes token, TimelockController timelock_, uint48 delay, uint32 period, uint256 threshold, uint256 quorumPercent)
        Governor("DePIN Edge")
        GovernorSettings(delay, period, threshold)
        GovernorVotes(token)
        GovernorVotesQuorumFraction(quorumPercent)
        GovernorTimelockControl(timelock_)
    {
        _check(delay, 1, TIME_MAX);
        votingDelayMin = (uint256(delay) + 3) / 4;
        votingPeriodMin = (uint256(period) + 3) / 4;
    }

    /// @notice Refused: what the contracts obey is fixed.
    function updateTimelock(TimelockController) public pure override {
        revert NetworkGovernor_TimelockIsFixed();
    }

    /// @notice State of a proposal.
    /// @param proposalId Its number
    function state(uint256 proposalId) public view override(Governor, GovernorTimelockControl) returns (ProposalState) {
        return super.state(proposalId);
    }

    /// @notice Whether a proposal waits in the timelock once it has won: always.
    /// @param proposalId Its number
    function proposalNeedsQueuing(uint256 proposalId) public view override(Governor, GovernorTimelockControl) returns (bool) {
        return super.proposalNeedsQueuing(proposalId);
    }

    /// @notice Weight that may propose.
    function proposalThreshold() public view override(Governor, GovernorSettings) returns (uint256) {
        return super.proposalThreshold();
    }

    function _setVotingDelay(uint48 delay) internal override {
        _check(delay, votingDelayMin, TIME_MAX);
        super._setVotingDelay(delay);
    }

    function _setVotingPeriod(uint32 period) internal override {
        _check(period, votingPeriodMin, TIME_MAX);
        super._setVotingPeriod(period);
    }

    function _setProposalThreshold(uint256 threshold) internal override {
        _check(threshold, 0, THRESHOLD_MAX);
        super._setProposalThreshold(threshold);
    }

    function _updateQuorumNumerator(uint256 percent) internal override {
        _check(percent, 1, QUORUM_PERCENT_MAX);
        super._updateQuorumNumerator(percent);
    }

    function _queueOperations(uint256 id, address[] memory targets, uint256[] memory values, bytes[] memory calls, bytes32 description)
        internal
        override(Governor, GovernorTimelockControl)
        returns (uint48)
    {
        return super._queueOperations(id, targets, values, calls, description);
    }

    function _executeOperations(uint256 id, address[] memory targets, uint256[] memory values, bytes[] memory calls, bytes32 description)
        internal
        override(Governor, GovernorTimelockControl)
    {
        super._executeOperations(id, targets, values, calls, description);
    }

    function _cancel(address[] memory targets, uint256[] memory values, bytes[] memory calls, bytes32 description)
        internal
        override(Governor, GovernorTimelockControl)
        returns (uint256)
    {
        return super._cancel(targets, values, calls, description);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }

    function _check(uint256 value, uint256 min, uint256 max) private pure {
        if (value < min || value > max) revert NetworkGovernor_OutOfBounds(value, min, max);
    }
}
