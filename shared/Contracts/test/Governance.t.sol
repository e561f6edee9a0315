// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ledger} from "../src/Ledger.sol";
import {NetworkToken} from "../src/NetworkToken.sol";
import {Parameter, Parameters} from "../src/Parameters.sol";
import {Network} from "./Network.sol";

/// @notice What the community decides and what it cannot.
contract GovernanceTest is Network {
    function setUp() public {
        startNetwork(4);
        vm.prank(treasury);
        token.delegate(treasury);
        vm.warp(block.timestamp + 1);
    }

    function test_a_vote_changes_the_length_of_an_epoch_two_borders_ahead() public {
        decide(address(ledger), abi.encodeCall(Ledger.setEpochSeconds, (120)));
        uint64 now_ = ledger.epochNow();
        Ledger.Segment[] memory all = ledger.segments();
        vm.assertEq(all.length, 2);
        vm.assertEq(all[1].firstEpoch, now_ + 2);
        vm.assertEq(all[1].startTime, ledger.timeOf(now_ + 2));
        vm.assertEq(ledger.epochSeconds(), 60);
        vm.warp(all[1].startTime - 1);
        vm.assertEq(ledger.epochNow(), now_ + 1);
        vm.warp(all[1].startTime);
        vm.assertEq(ledger.epochNow(), now_ + 2);
        vm.assertEq(ledger.epochSeconds(), 120);
        vm.warp(all[1].startTime + 120);
        vm.assertEq(ledger.epochNow(), now_ + 3);
        vm.assertEq(ledger.timeOf(now_ + 3), block.timestamp);
        vm.assertEq(ledger.timeOf(now_), all[1].startTime - 120, "earlier epochs are where they were");
    }

    function testFuzz_epochs_only_grow_over_any_changes(uint16[6] calldata lengths, uint16[6] calldata waits) public {
        uint64 last = ledger.epochNow();
        for (uint256 i = 0; i < 6; ++i) {
            vm.prank(address(timelock));
            try ledger.setEpochSeconds(uint64(bound(lengths[i], 15, 3600))) {} catch {}
            vm.warp(block.timestamp + waits[i]);
            uint64 now_ = ledger.epochNow();
            vm.assertTrue(now_ >= last);
            vm.assertTrue(ledger.timeOf(now_) <= block.timestamp && ledger.timeOf(now_ + 1) > block.timestamp);
            last = now_;
        }
    }

    function test_new_anchors_stop_for_a_bounded_time_and_proofs_do_not() public {
        vm.startPrank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_PauseOutOfBounds.selector, 3 days + 1, 3 days));
        ledger.pause(3 days + 1);
        ledger.pause(3 days);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_PausedLately.selector, uint64(block.timestamp + 3 days)));
        ledger.pause(1);
        vm.stopPrank();
        Ledger.Anchor memory a = nextAnchor("root");
        bytes memory signatures = signAll(digestOf(address(ledger), hashOf(a)), 0x7);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_Paused.selector, uint64(block.timestamp + 3 days)));
        ledger.anchor(a, 0x7, signatures);
        vm.warp(block.timestamp + 3 days);
        ledger.anchor(a, 0x7, signatures);
    }

    function test_nobody_but_the_timelock_sets_anything() public {
        vm.expectRevert(abi.encodeWithSelector(Parameters.Parameters_NotGovernance.selector, address(this)));
        parameters.set(Parameter.StakeMin, 2 * ONE);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_NotGovernance.selector, address(this)));
        ledger.setEpochSeconds(60);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_NotGovernance.selector, address(this)));
        ledger.pause(1);
        vm.expectRevert(abi.encodeWithSelector(NetworkToken.NetworkToken_NotMinter.selector, address(this)));
        token.mint(address(this), 1);
        bytes32 admin = timelock.DEFAULT_ADMIN_ROLE();
        vm.assertFalse(timelock.hasRole(admin, address(this)));
        vm.assertTrue(timelock.hasRole(timelock.PROPOSER_ROLE(), address(governor)));
        vm.assertFalse(timelock.hasRole(timelock.PROPOSER_ROLE(), address(this)));
    }

    function testFuzz_parameters_stay_inside_their_bounds(uint8 index, uint256 value) public {
        Parameter parameter = Parameter(bound(index, 0, 16));
        (uint256 min, uint256 max) = parameters.boundsOf(parameter);
        vm.startPrank(address(timelock));
        if (value < min || value > max) {
            vm.expectRevert(abi.encodeWithSelector(Parameters.Parameters_OutOfBounds.selector, parameter, value, min, max));
        }
        parameters.set(parameter, value);
        vm.stopPrank();
        uint256 now_ = parameters.valueOf(parameter);
        vm.assertTrue(now_ >= min && now_ <= max);
    }

    function test_a_time_never_falls_below_a_quarter_of_the_first() public {
        (uint256 min,) = parameters.boundsOf(Parameter.UnbondingSeconds);
        vm.assertEq(min, 14 days / 4);
        vm.prank(address(timelock));
        vm.expectRevert();
        timelock.updateDelay(TIMELOCK_DELAY / 4 - 1);
        vm.prank(address(timelock));
        timelock.updateDelay(TIMELOCK_DELAY / 4);
    }

    /// @dev A loan is over in one transaction; weight is what was held when the vote opened, a second ago at least.
    function test_tokens_borrowed_after_the_vote_opened_weigh_nothing() public {
        uint256 id = propose(address(ledger), abi.encodeCall(Ledger.pause, (1)));
        vm.warp(block.timestamp + VOTING_DELAY + 1);
        address borrower = makeAddr("borrower");
        vm.prank(treasury);
        token.transfer(borrower, 90_000_000 * ONE);
        vm.startPrank(borrower);
        token.delegate(borrower);
        vm.assertEq(governor.castVote(id, 1), 0);
        vm.stopPrank();
    }

    function test_who_has_little_cannot_propose() public {
        vm.prank(makeAddr("poor"));
        vm.expectRevert();
        governor.propose(only(address(ledger)), only(uint256(0)), calls(abi.encodeCall(Ledger.pause, (1))), "pause");
    }

    function test_the_supply_has_an_end() public {
        uint256 room = token.SUPPLY_MAX() - token.totalSupply();
        vm.startPrank(address(rewards));
        token.mint(address(this), room);
        vm.expectRevert();
        token.mint(address(this), 1);
        vm.stopPrank();
    }

    function decide(address target, bytes memory call) private {
        uint256 id = propose(target, call);
        vm.warp(block.timestamp + VOTING_DELAY + 1);
        vm.prank(treasury);
        governor.castVote(id, 1);
        vm.warp(block.timestamp + VOTING_PERIOD + 1);
        governor.queue(only(target), only(uint256(0)), calls(call), keccak256("why"));
        vm.warp(block.timestamp + TIMELOCK_DELAY);
        governor.execute(only(target), only(uint256(0)), calls(call), keccak256("why"));
    }

    function propose(address target, bytes memory call) private returns (uint256) {
        vm.prank(treasury);
        return governor.propose(only(target), only(uint256(0)), calls(call), "why");
    }

    function calls(bytes memory one) private pure returns (bytes[] memory list) {
        list = new bytes[](1);
        list[0] = one;
    }

    function testFuzz_a_profiles_weight_is_set_by_a_vote_within_its_bounds(uint16 profile, uint256 weight) public {
        vm.assertEq(parameters.profileWeightOf(profile), 10_000);
        vm.expectRevert(abi.encodeWithSelector(Parameters.Parameters_NotGovernance.selector, address(this)));
        parameters.setProfileWeight(profile, weight);
        vm.startPrank(address(timelock));
        if (weight > 30_000) {
            vm.expectRevert(abi.encodeWithSelector(Parameters.Parameters_WeightOutOfBounds.selector, profile, weight, 30_000));
            parameters.setProfileWeight(profile, weight);
            weight %= 30_001;
        }
        parameters.setProfileWeight(profile, weight);
        vm.assertEq(parameters.profileWeightOf(profile), weight);
        vm.assertEq(parameters.profileWeightOf(profile ^ 1), 10_000, "and no other one");
        parameters.setProfileWeight(profile, 0);
        vm.assertEq(parameters.profileWeightOf(profile), 0);
    }
}
