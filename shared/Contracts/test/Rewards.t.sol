// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Quorum} from "../src/Quorum.sol";
import {Rewards} from "../src/Rewards.sol";
import {Network} from "./Network.sol";

/// @notice Roots a quorum agreed on, and what they pay. A tree of two accounts is enough: paths are OpenZeppelin's.
contract RewardsTest is Network {
    address private _alice = makeAddr("alice");
    address private _bob = makeAddr("bob");

    function setUp() public {
        startNetwork(4);
        vm.warp(block.timestamp + 1 days);
    }

    function test_one_claim_covers_every_epoch_and_the_escrow_covers_every_claim() public {
        publish(100 * ONE, 200 * ONE);
        vm.assertEq(token.balanceOf(address(rewards)), 300 * ONE);
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_NotInRoot.selector, _alice, 100 * ONE));
        claim(_alice, 100 * ONE, 200 * ONE);
        vm.warp(block.timestamp + 1 hours);
        claim(_alice, 100 * ONE, 200 * ONE);
        vm.assertEq(token.balanceOf(_alice), 100 * ONE);

        publish(150 * ONE, 500 * ONE);
        vm.warp(block.timestamp + 1 hours);
        claim(_alice, 150 * ONE, 500 * ONE);
        claim(_bob, 150 * ONE, 500 * ONE);
        vm.assertEq(token.balanceOf(_alice), 150 * ONE);
        vm.assertEq(token.balanceOf(_bob), 500 * ONE);
        vm.assertEq(token.balanceOf(address(rewards)), 0);
        vm.assertEq(rewards.owed(), 0);
    }

    function test_a_claim_is_not_paid_twice_nor_to_another() public {
        publish(100 * ONE, 200 * ONE);
        vm.warp(block.timestamp + 1 hours);
        claim(_alice, 100 * ONE, 200 * ONE);
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_NothingToClaim.selector, _alice, 100 * ONE));
        claim(_alice, 100 * ONE, 200 * ONE);
        bytes32[] memory path = only(leafOf(_bob, 200 * ONE));
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_NotInRoot.selector, address(this), 100 * ONE));
        rewards.claim(address(this), 100 * ONE, path);
    }

    function test_a_root_without_quorum_for_another_contract_or_replayed_is_refused() public {
        Rewards.Payout memory p = payout(100 * ONE, 200 * ONE);
        bytes32 digest = digestOf(address(rewards), hashOf(p));
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_TooFewSigners.selector, 2, 3));
        rewards.publish(p, 0x3, signAll(digest, 0x3));
        bytes memory foreign = signAll(digestOf(address(ledger), hashOf(p)), 0x7);
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 0, vm.addr(keyOf(0))));
        rewards.publish(p, 0x7, foreign);
        rewards.publish(p, 0x7, signAll(digest, 0x7));
        vm.warp(block.timestamp + 1 hours);
        bytes memory again = signAll(digest, 0x7);
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_EpochNotAfter.selector, p.epoch, p.epoch));
        rewards.publish(p, 0x7, again);
    }

    function testFuzz_no_quorum_mints_beyond_the_schedule(uint128 beyond) public {
        Rewards.Payout memory p = payout(1, 1);
        uint256 allowed = 10_000 * ONE * uint256(p.epoch - FIRST_TIME / EPOCH_SECONDS) * EPOCH_SECONDS / 1 days;
        p.total = allowed + bound(beyond, 1, type(uint128).max);
        bytes memory signatures = signAll(digestOf(address(rewards), hashOf(p)), 0x7);
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_TotalTooHigh.selector, p.total, allowed));
        rewards.publish(p, 0x7, signatures);
        p.total = allowed;
        rewards.publish(p, 0x7, signAll(digestOf(address(rewards), hashOf(p)), 0x7));
    }

    function test_fees_pay_before_anything_is_minted() public {
        vm.startPrank(treasury);
        token.approve(address(rewards), 50 * ONE);
        rewards.payFee("weather", 50 * ONE);
        vm.stopPrank();
        uint256 supply = token.totalSupply();
        publish(20 * ONE, 40 * ONE);
        vm.assertEq(token.totalSupply(), supply + 10 * ONE);
    }

    function test_a_waiting_root_is_replaced_and_never_pays() public {
        publish(100 * ONE, 200 * ONE);
        publish(90 * ONE, 200 * ONE);
        vm.warp(block.timestamp + 1 hours);
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_NotInRoot.selector, _alice, 100 * ONE));
        claim(_alice, 100 * ONE, 200 * ONE);
        claim(_alice, 90 * ONE, 200 * ONE);
    }

    function test_leaves_beyond_the_sum_are_not_paid() public {
        Rewards.Payout memory p = payout(100 * ONE, 200 * ONE);
        p.total = 150 * ONE;
        rewards.publish(p, 0x7, signAll(digestOf(address(rewards), hashOf(p)), 0x7));
        vm.warp(block.timestamp + 1 hours);
        claim(_alice, 100 * ONE, 200 * ONE);
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_TotalTooHigh.selector, 300 * ONE, 150 * ONE));
        claim(_bob, 100 * ONE, 200 * ONE);
    }

    function test_what_nobody_claims_in_the_window_lapses_and_pays_later_rewards() public {
        publish(100 * ONE, 200 * ONE);
        bytes32 root = rewards.pending().root;
        vm.warp(block.timestamp + 1 hours);
        claim(_alice, 100 * ONE, 200 * ONE);
        bytes32[] memory path = only(leafOf(_alice, 100 * ONE));
        uint64 at = uint64(block.timestamp + 365 days);
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_NotLapsed.selector, root, at));
        rewards.lapse(root, _bob, 200 * ONE, path);
        vm.warp(at);
        vm.assertEq(rewards.lapse(root, _bob, 200 * ONE, path), 200 * ONE);
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_NothingToClaim.selector, _bob, 200 * ONE));
        claim(_bob, 100 * ONE, 200 * ONE);
        uint256 supply = token.totalSupply();
        publish(300 * ONE, 200 * ONE);
        vm.assertEq(token.totalSupply(), supply, "the lapsed 200 pay");
    }

    function test_a_claim_in_steady_state_is_cheap() public {
        // The transaction's 21,000 and its call data come on top.
        vm.assertLt(secondClaim(), 40_000);
    }

    function test_delegated_votes_cost_a_claim_a_checkpoint_more() public {
        uint256 before = vm.snapshotState();
        uint256 without = secondClaim();
        vm.revertToState(before);
        vm.prank(_alice);
        token.delegate(_alice);
        uint256 more = secondClaim() - without;
        vm.assertGt(more, 25_000);
        vm.assertLt(more, 33_000);
    }

    /// @dev Gas of Alice's second claim; Bob's puts the root in force.
    function secondClaim() private returns (uint256 used) {
        publish(100 * ONE, 200 * ONE);
        vm.warp(block.timestamp + 1 hours);
        claim(_alice, 100 * ONE, 200 * ONE);
        publish(200 * ONE, 300 * ONE);
        vm.warp(block.timestamp + 1 hours);
        claim(_bob, 200 * ONE, 300 * ONE);
        bytes32[] memory path = only(leafOf(_bob, 300 * ONE));
        vm.cool(address(rewards));
        vm.cool(address(token));
        uint256 before = gasleft();
        rewards.claim(_alice, 200 * ONE, path);
        used = before - gasleft();
    }

    /// @dev The sums share a slot with each other: beyond its 104 bits nothing is published, however much is there.
    function test_a_sum_beyond_its_bits_is_refused() public {
        vm.mockCall(address(token), abi.encodeCall(token.balanceOf, (address(rewards))), abi.encode(uint256(type(uint112).max)));
        Rewards.Payout memory p = payout(1, 1);
        p.total = uint256(type(uint104).max) + 1;
        bytes memory signatures = signAll(digestOf(address(rewards), hashOf(p)), 0x7);
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_TotalTooHigh.selector, p.total, type(uint104).max));
        rewards.publish(p, 0x7, signatures);
        p.total = type(uint104).max;
        rewards.publish(p, 0x7, signAll(digestOf(address(rewards), hashOf(p)), 0x7));
        vm.assertEq(rewards.pending().total, type(uint104).max);
    }

    function publish(uint256 alice, uint256 bob) private {
        Rewards.Payout memory p = payout(alice, bob);
        rewards.publish(p, 0x7, signAll(digestOf(address(rewards), hashOf(p)), 0x7));
    }

    function payout(uint256 alice, uint256 bob) private view returns (Rewards.Payout memory) {
        bytes32 root = pair(leafOf(_alice, alice), leafOf(_bob, bob));
        return Rewards.Payout(ledger.epochNow() - 1, rewards.inForce().root, root, alice + bob);
    }

    function claim(address account, uint256 alice, uint256 bob) private {
        if (account == _alice) rewards.claim(_alice, alice, only(leafOf(_bob, bob)));
        else rewards.claim(_bob, bob, only(leafOf(_alice, alice)));
    }

    function leafOf(address account, uint256 cumulative) private pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(account, cumulative))));
    }

    function only(bytes32 one) private pure returns (bytes32[] memory list) {
        list = new bytes32[](1);
        list[0] = one;
    }

    function hashOf(Rewards.Payout memory p) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("Payout(uint64 epoch,bytes32 previous,bytes32 root,uint256 total)"), p.epoch, p.previous, p.root, p.total
            )
        );
    }
}
