// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ActiveSet} from "../src/ActiveSet.sol";
import {GatewayRegistry} from "../src/GatewayRegistry.sol";
import {Ledger} from "../src/Ledger.sol";
import {Parameter} from "../src/Parameters.sol";
import {Network} from "./Network.sol";

/// @notice Joining by stake, leaving, and the epochs a set is in force.
contract StakeTest is Network {
    function setUp() public {
        startNetwork(4);
    }

    function test_who_stakes_is_in_force_from_the_next_epoch() public {
        stake(4, uint96(1_000 * ONE));
        vm.assertTrue(registry.isActive(vm.addr(keyOf(4))));
        vm.assertEq(registry.version(), 2);
        vm.assertEq(registry.epochOf(2), ledger.epochNow() + 1);
        vm.assertEq(ActiveSet.countAt(ledger.setInForce()), 4);
        vm.warp(block.timestamp + EPOCH_SECONDS);
        vm.assertEq(ActiveSet.countAt(ledger.setInForce()), 5);
        vm.expectEmit(true, true, true, true);
        emit Ledger.SetAdopted(2, 0, registry.configDigest(2));
        Ledger.Anchor memory a = nextAnchor("root");
        ledger.anchor(a, 0x1e, signAll(digestOf(address(ledger), hashOf(a)), 0x1e));
    }

    function test_a_founder_stakes_and_keeps_its_place() public {
        stake(1, uint96(2_000 * ONE));
        vm.assertEq(registry.version(), 1);
        vm.assertEq(registry.stakeOf(vm.addr(keyOf(1))).amount, 2_000 * ONE);
        vm.assertEq(registry.active()[1], vm.addr(keyOf(1)));
    }

    function testFuzz_less_than_the_least_stake_is_refused(uint96 amount) public {
        amount = uint96(bound(amount, 0, 1_000 * ONE - 1));
        address signer = vm.addr(keyOf(4));
        vm.prank(signer);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_StakeTooLow.selector, amount, 1_000 * ONE));
        registry.join(gateway(4), amount, "");
    }

    function test_an_operator_needs_the_signers_consent_for_this_time_and_for_itself() public {
        address operator = makeAddr("operator");
        vm.prank(treasury);
        token.transfer(operator, 3_000 * ONE);
        bytes memory consent = consentOf(4, operator, 0);
        vm.prank(operator);
        token.approve(address(registry), 3_000 * ONE);

        vm.prank(makeAddr("thief"));
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_BadConsent.selector, vm.addr(keyOf(4))));
        registry.join(gateway(4), uint96(1_000 * ONE), consent);

        vm.prank(operator);
        registry.join(gateway(4), uint96(1_000 * ONE), consent);
        vm.assertEq(registry.stakeOf(vm.addr(keyOf(4))).operator, operator);

        leave(4, operator);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_BadConsent.selector, vm.addr(keyOf(4))));
        registry.join(gateway(4), uint96(1_000 * ONE), consent);
    }

    function test_a_stake_comes_back_after_the_unbonding_delay_and_not_before() public {
        stake(4, uint96(1_500 * ONE));
        address signer = vm.addr(keyOf(4));
        vm.prank(signer);
        registry.exit(signer);
        vm.assertFalse(registry.isActive(signer));
        uint64 at = registry.stakeOf(signer).withdrawableAt;
        vm.assertEq(at, block.timestamp + 14 days);
        vm.warp(at - 1);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_NotWithdrawable.selector, signer, at));
        registry.withdraw(signer);
        vm.warp(at);
        registry.withdraw(signer);
        vm.assertEq(token.balanceOf(signer), 1_500 * ONE);
        vm.assertEq(registry.totalStake(), 0);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_NotKnown.selector, signer));
        registry.withdraw(signer);
    }

    function test_a_higher_stake_displaces_the_lowest_of_a_full_set() public {
        govern(Parameter.GatewaysMax, 4);
        for (uint256 i = 0; i < 4; ++i) {
            stake(i, uint96((1_001 + i) * ONE));
        }
        address signer = vm.addr(keyOf(4));
        vm.prank(treasury);
        token.transfer(signer, 5_000 * ONE);
        vm.startPrank(signer);
        token.approve(address(registry), 5_000 * ONE);
        vm.expectRevert(
            abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_SetFull.selector, vm.addr(keyOf(0)), 1_001 * ONE)
        );
        registry.join(gateway(4), uint96(1_001 * ONE), "");
        registry.join(gateway(4), uint96(1_002 * ONE), "");
        vm.stopPrank();
        vm.assertFalse(registry.isActive(vm.addr(keyOf(0))));
        vm.assertEq(registry.stakeOf(vm.addr(keyOf(0))).withdrawableAt, block.timestamp + 14 days);
        vm.assertEq(registry.active().length, 4);
    }

    function test_who_has_no_stake_goes_after_the_bootstrap_but_never_the_last() public {
        address founder = vm.addr(keyOf(0));
        vm.expectRevert(
            abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_BootstrapRuns.selector, registry.bootstrapUntil())
        );
        registry.removeUnderstaked(founder);
        vm.warp(registry.bootstrapUntil());
        for (uint256 i = 0; i < 3; ++i) {
            registry.removeUnderstaked(vm.addr(keyOf(i)));
        }
        vm.expectRevert(GatewayRegistry.GatewayRegistry_SetEmpty.selector);
        registry.removeUnderstaked(vm.addr(keyOf(3)));
        vm.expectRevert(
            abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_BootstrapOver.selector, registry.bootstrapUntil())
        );
        registry.change(firstGateways(0), only(vm.addr(keyOf(3))), 0, "");
    }

    function test_the_last_gateway_cannot_leave() public {
        startNetwork(1);
        stake(0, uint96(1_000 * ONE));
        vm.prank(vm.addr(keyOf(0)));
        vm.expectRevert(GatewayRegistry.GatewayRegistry_SetEmpty.selector);
        registry.exit(vm.addr(keyOf(0)));
    }

    function test_seventeen_joins_in_an_epoch_are_too_many() public {
        for (uint256 i = 4; i < 20; ++i) {
            stake(i, uint96(1_000 * ONE));
        }
        address signer = vm.addr(keyOf(20));
        vm.prank(treasury);
        token.transfer(signer, 1_000 * ONE);
        vm.startPrank(signer);
        token.approve(address(registry), 1_000 * ONE);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_TooManyJoins.selector, 16));
        registry.join(gateway(20), uint96(1_000 * ONE), "");
        vm.warp(block.timestamp + EPOCH_SECONDS);
        registry.join(gateway(20), uint96(1_000 * ONE), "");
        vm.stopPrank();
    }

    function test_only_disputes_slash_and_hold() public {
        stake(1, uint96(1_000 * ONE));
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_NotDisputes.selector, address(this)));
        registry.slash(vm.addr(keyOf(1)), 1);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_NotDisputes.selector, address(this)));
        registry.hold(vm.addr(keyOf(1)), 1);
    }

    function test_who_was_slashed_is_out_until_its_jail_ends() public {
        stake(1, uint96(3_000 * ONE));
        address signer = vm.addr(keyOf(1));
        vm.prank(address(disputes));
        vm.assertEq(registry.slash(signer, 5_000), 1_500 * ONE);
        vm.assertFalse(registry.isActive(signer));
        vm.startPrank(signer);
        vm.expectRevert(
            abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_Jailed.selector, signer, uint64(block.timestamp + 7 days))
        );
        registry.rejoin(signer);
        vm.warp(block.timestamp + 7 days);
        registry.rejoin(signer);
        vm.stopPrank();
        vm.assertTrue(registry.isActive(signer));
    }

    function test_a_jail_longer_than_the_unbonding_keeps_the_stake_too() public {
        govern(Parameter.JailSeconds, 30 days);
        stake(4, uint96(3_000 * ONE));
        stake(5, uint96(3_000 * ONE));
        (address first, address second) = (vm.addr(keyOf(4)), vm.addr(keyOf(5)));
        slash(first);
        vm.prank(first);
        registry.exit(first);
        vm.prank(second);
        registry.exit(second);
        vm.expectEmit(true, true, true, true);
        emit GatewayRegistry.Unbonding(second, uint64(block.timestamp + 30 days));
        slash(second);
        uint64 until = uint64(block.timestamp + 30 days);
        vm.assertEq(registry.stakeOf(first).withdrawableAt, until);
        vm.assertEq(registry.stakeOf(second).withdrawableAt, until);
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_NotWithdrawable.selector, first, until));
        registry.withdraw(first);
        vm.warp(until);
        registry.withdraw(first);
        registry.withdraw(second);
        vm.assertEq(registry.stakeOf(first).jailedUntil, 0, "nothing is left");
        vm.startPrank(first);
        token.approve(address(registry), 1_500 * ONE);
        registry.join(gateway(4), uint96(1_500 * ONE), "");
        vm.stopPrank();
    }

    function test_a_second_offence_never_shortens_the_jail_of_the_first() public {
        stake(1, uint96(3_000 * ONE));
        slash(vm.addr(keyOf(1)));
        uint64 until = registry.stakeOf(vm.addr(keyOf(1))).jailedUntil;
        govern(Parameter.JailSeconds, 2 days);
        slash(vm.addr(keyOf(1)));
        vm.assertEq(registry.stakeOf(vm.addr(keyOf(1))).jailedUntil, until);
    }

    function test_a_founder_without_stake_comes_back_out_of_jail_neither_by_stake_nor_by_a_quorum() public {
        slash(vm.addr(keyOf(3)));
        refuseOutOfJail(3);
        GatewayRegistry.Gateway[] memory added = new GatewayRegistry.Gateway[](1);
        added[0] = gateway(3);
        bytes memory signatures = signAll(digestOf(address(registry), changeHash(added[0])), 7);
        uint64 until = registry.stakeOf(vm.addr(keyOf(3))).jailedUntil;
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_Jailed.selector, vm.addr(keyOf(3)), until));
        registry.change(added, new address[](0), 7, signatures);
        vm.warp(until);
        registry.change(added, new address[](0), 7, signatures);
        vm.assertTrue(registry.isActive(vm.addr(keyOf(3))));
    }

    /// @dev The last of a set stays in it, jailed; once others are there it goes, and its jail is not forgotten with it.
    function test_a_jail_outlasts_a_removal() public {
        startNetwork(1);
        vm.warp(registry.bootstrapUntil());
        slash(vm.addr(keyOf(0)));
        vm.assertTrue(registry.isActive(vm.addr(keyOf(0))), "the last one stays");
        stake(1, uint96(1_000 * ONE));
        uint256 before = vm.snapshotState();
        registry.removeUnderstaked(vm.addr(keyOf(0)));
        refuseOutOfJail(0);
        vm.revertToState(before);
        govern(Parameter.GatewaysMax, 4);
        for (uint256 i = 2; i < 5; ++i) {
            stake(i, uint96(1_000 * ONE));
        }
        vm.assertFalse(registry.isActive(vm.addr(keyOf(0))), "displaced");
        refuseOutOfJail(0);
    }

    function slash(address signer) private {
        vm.prank(address(disputes));
        registry.slash(signer, 5_000);
    }

    function refuseOutOfJail(uint256 index) private {
        address signer = vm.addr(keyOf(index));
        uint64 until = registry.stakeOf(signer).jailedUntil;
        vm.assertGt(until, block.timestamp);
        vm.prank(signer);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_Jailed.selector, signer, until));
        registry.join(gateway(index), uint96(1_000 * ONE), "");
    }

    function changeHash(GatewayRegistry.Gateway memory added) private view returns (bytes32) {
        bytes32 endpoint = keccak256(bytes(added.endpoint));
        bytes32 one = keccak256(
            abi.encode(keccak256("Gateway(address signer,bytes32 tlsKeyHash,string endpoint)"), added.signer, added.tlsKeyHash, endpoint)
        );
        bytes32 typehash = keccak256(
            "Change(uint64 version,Gateway[] added,address[] removed)Gateway(address signer,bytes32 tlsKeyHash,string endpoint)"
        );
        return keccak256(abi.encode(typehash, registry.version(), keccak256(abi.encodePacked(one)), keccak256("")));
    }

    function leave(uint256 index, address operator) private {
        address signer = vm.addr(keyOf(index));
        vm.prank(operator);
        registry.exit(signer);
        vm.warp(block.timestamp + 14 days);
        registry.withdraw(signer);
        vm.prank(operator);
        token.approve(address(registry), 3_000 * ONE);
    }

    function govern(Parameter parameter, uint256 value) private {
        vm.prank(address(timelock));
        parameters.set(parameter, value);
    }

    function consentOf(uint256 index, address operator, uint256 nonce) private view returns (bytes memory) {
        bytes32 hash = keccak256(abi.encode(keccak256("Join(address operator,uint256 nonce)"), operator, nonce));
        return signOne(keyOf(index), digestOf(address(registry), hash));
    }

    function test_more_is_staked_for_a_gateway_by_its_operator() public {
        stake(0, uint96(1_000 * ONE));
        address signer = vm.addr(keyOf(0));
        uint256 before = registry.totalStake();
        vm.prank(treasury);
        token.transfer(signer, 5 * ONE);
        vm.startPrank(signer);
        token.approve(address(registry), 5 * ONE);
        registry.addStake(signer, uint96(5 * ONE));
        vm.stopPrank();
        vm.assertEq(registry.stakeOf(signer).amount, 1_005 * ONE);
        vm.assertEq(registry.totalStake(), before + 5 * ONE);
        vm.assertEq(token.balanceOf(address(registry)), registry.totalStake());
    }
}
