// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title NetworkTimelock
/// @notice What the community decided, carried out after a delay that lets who disagrees leave first.
/// @dev OpenZeppelin's TimelockController. Its only proposer and canceller is the governor, anyone executes, and nobody is its
/// admin but itself. The delay is governable between a quarter of the first one and thirty days.
contract NetworkTimelock is TimelockController {
    uint256 public constant DELAY_MAX = 30 days;

    /// @notice The least delay governance may set, seconds.
    uint256 public immutable delayMin;

    error NetworkTimelock_DelayOutOfBounds(uint256 delay, uint256 min, uint256 max);

    /// @param delay Seconds from a decision to its execution
    /// @param governor The only proposer
    constructor(uint256 delay, address governor) TimelockController(delay, _only(governor), _only(address(0)), address(0)) {
        if (delay == 0 || delay > DELAY_MAX) revert NetworkTimelock_DelayOutOfBounds(delay, 1, DELAY_MAX);
        delayMin = (delay + 3) / 4;
    }

    /// @notice Changes the delay; only the timelock itself, by a decision.
    /// @param delay From `delayMin` to `DELAY_MAX`, seconds
    function updateDelay(uint256 delay) public override {
        if (delay < delayMin || delay > DELAY_MAX) revert NetworkTimelock_DelayOutOfBounds(delay, delayMin, DELAY_MAX);
        super.updateDelay(delay);
    }

    function _only(address one) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = one;
    }
}
