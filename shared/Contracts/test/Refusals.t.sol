// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeviceRegistry} from "../src/DeviceRegistry.sol";
import {Disputes} from "../src/Disputes.sol";
import {GatewayRegistry} from "../src/GatewayRegistry.sol";
import {Ledger} from "../src/Ledger.sol";
import {NetworkGovernor} from "../src/NetworkGovernor.sol";
import {NetworkTimelock} from "../src/NetworkTimelock.sol";
import {NetworkToken} from "../src/NetworkToken.sol";
import {Parameter, Parameters} from "../src/Parameters.sol";
import {Rewards} from "../src/Rewards.sol";
import {Network} from "./Network.sol";

/// @notice What is refused and no other suite asks for: wrong wiring, bounds of governance's own settings, answers that come out of turn.
contract RefusalsTest is Network {
    bytes32 private constant SALT = "salt";
    address private _reporter = makeAddr("reporter");

    function setUp() public {
        startNetwork(4);
        stake(1, uint96(2_000 * ONE));
    }

    // Deployment.

    function test_a_token_without_minter_or_with_holders_and_amounts_apart_is_not_deployed() public {
        vm.expectRevert(NetworkToken.NetworkToken_MinterZero.selector);
        new NetworkToken(address(0), only(treasury), only(ONE));
        vm.expectRevert(abi.encodeWithSelector(NetworkToken.NetworkToken_Allocation.selector, 1, 0));
        new NetworkToken(address(1), only(treasury), new uint256[](0));
        uint256 most = token.SUPPLY_MAX();
        vm.expectRevert(abi.encodeWithSelector(NetworkToken.NetworkToken_SupplyExceeded.selector, most + 1, most));
        new NetworkToken(address(1), only(treasury), only(most + 1));
    }

    function test_parameters_without_governance_too_few_or_out_of_bounds_are_not_deployed() public {
        uint256[] memory values = firstParameters();
        vm.expectRevert(Parameters.Parameters_GovernanceZero.selector);
        new Parameters(address(0), values);
        vm.expectRevert(abi.encodeWithSelector(Parameters.Parameters_Count.selector, 1, 18));
        new Parameters(address(timelock), only(ONE));
        values[uint256(Parameter.GatewaysMax)] = 3;
        vm.expectRevert(abi.encodeWithSelector(Parameters.Parameters_OutOfBounds.selector, Parameter.GatewaysMax, 3, 4, 256));
        new Parameters(address(timelock), values);
        values[uint256(Parameter.GatewaysMax)] = 257;
        vm.expectRevert(abi.encodeWithSelector(Parameters.Parameters_OutOfBounds.selector, Parameter.GatewaysMax, 257, 4, 256));
        new Parameters(address(timelock), values);
    }

    function test_a_timelock_or_governor_out_of_bounds_is_not_deployed() public {
        vm.expectRevert(abi.encodeWithSelector(NetworkTimelock.NetworkTimelock_DelayOutOfBounds.selector, 0, 1, 30 days));
        new NetworkTimelock(0, address(governor));
        vm.expectRevert(abi.encodeWithSelector(NetworkTimelock.NetworkTimelock_DelayOutOfBounds.selector, 30 days + 1, 1, 30 days));
        new NetworkTimelock(30 days + 1, address(governor));
        vm.expectRevert(abi.encodeWithSelector(NetworkGovernor.NetworkGovernor_OutOfBounds.selector, 0, 1, 30 days));
        new NetworkGovernor(token, timelock, 0, VOTING_PERIOD, ONE, 4);
    }

    function test_a_bootstrap_of_more_than_a_year_is_not_deployed() public {
        GatewayRegistry.Wiring memory w = wiring(address(ledger), address(disputes));
        w.bootstrapUntil = uint64(block.timestamp + 366 days + 1);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_BootstrapTooLong.selector, w.bootstrapUntil));
        new GatewayRegistry(firstGateways(4), w);
    }

    function test_contracts_that_do_not_know_each_other_are_not_deployed() public {
        vm.expectRevert(Disputes.Disputes_Wiring.selector);
        new Disputes(ledger, parameters, token, rewards);
        vm.expectRevert(Rewards.Rewards_Wiring.selector);
        new Rewards(ledger, parameters, token, address(disputes));
        // The registries know this one, but not this token, or not this ledger.
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 3);
        GatewayRegistry g = new GatewayRegistry(firstGateways(4), wiring(address(ledger), next));
        DeviceRegistry d = new DeviceRegistry(parameters, next);
        Ledger l = new Ledger(g, d, address(timelock), EPOCH_SECONDS);
        vm.expectRevert(Disputes.Disputes_Wiring.selector);
        new Disputes(l, parameters, token, rewards);
    }

    // Governance's own settings.

    function test_the_governors_settings_stay_inside_their_bounds() public {
        delegate();
        refuse(abi.encodeCall(governor.setVotingDelay, (uint48(VOTING_DELAY / 4 - 1))), VOTING_DELAY / 4 - 1, VOTING_DELAY / 4, 30 days);
        refuse(abi.encodeCall(governor.setVotingPeriod, (30 days + 1)), 30 days + 1, VOTING_PERIOD / 4, 30 days);
        refuse(abi.encodeCall(governor.setProposalThreshold, (1_000_000 * ONE + 1)), 1_000_000 * ONE + 1, 0, 1_000_000 * ONE);
        refuse(abi.encodeCall(governor.updateQuorumNumerator, (0)), 0, 1, 50);
        refuse(abi.encodeCall(governor.updateQuorumNumerator, (51)), 51, 1, 50);
        bytes memory call = abi.encodeCall(governor.setProposalThreshold, (0));
        pass(call);
        governor.execute(only(address(governor)), only(uint256(0)), calls(call), keccak256(call));
        vm.assertEq(governor.proposalThreshold(), 0);
        vm.expectRevert(NetworkGovernor.NetworkGovernor_TimelockIsFixed.selector);
        governor.updateTimelock(timelock);
    }

    function test_a_proposer_takes_a_proposal_back_before_its_vote() public {
        delegate();
        bytes memory call = abi.encodeCall(Ledger.pause, (1));
        vm.startPrank(treasury);
        uint256 id = governor.propose(only(address(ledger)), only(uint256(0)), calls(call), "why");
        vm.assertTrue(governor.proposalNeedsQueuing(id));
        governor.cancel(only(address(ledger)), only(uint256(0)), calls(call), keccak256("why"));
        vm.stopPrank();
        vm.assertEq(uint256(governor.state(id)), 2, "cancelled");
    }

    function test_the_timelock_waits_from_a_quarter_of_the_first_delay_to_thirty_days() public {
        vm.startPrank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(NetworkTimelock.NetworkTimelock_DelayOutOfBounds.selector, 30 days + 1, 12 hours, 30 days));
        timelock.updateDelay(30 days + 1);
        timelock.updateDelay(30 days);
        vm.stopPrank();
    }

    function test_one_change_of_epochs_at_a_time_and_a_stop_that_was_ended_early() public {
        vm.startPrank(address(timelock));
        ledger.setEpochSeconds(120);
        uint64 start = ledger.segments()[1].startTime;
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_EpochChangePending.selector, start));
        ledger.setEpochSeconds(60);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_PauseOutOfBounds.selector, 0, 3 days));
        ledger.pause(0);
        ledger.resume();
        vm.assertEq(ledger.pausedUntil(), 0, "nothing to end");
        ledger.pause(1 days);
        ledger.resume();
        vm.assertEq(ledger.pausedUntil(), block.timestamp);
        vm.warp(block.timestamp + 7 days);
        ledger.pause(1);
        vm.stopPrank();
    }

    // Gateways.

    function test_a_gateway_is_staked_once_moved_by_its_own_and_not_removed_with_enough() public {
        address signer = vm.addr(keyOf(1));
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_NotOperator.selector, signer, address(this)));
        registry.exit(signer);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_NotKnown.selector, vm.addr(keyOf(0))));
        registry.addStake(vm.addr(keyOf(0)), 1);
        vm.startPrank(signer);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_AlreadyStaked.selector, signer));
        registry.join(gateway(1), uint96(1_000 * ONE), "");
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_AlreadyActive.selector, signer));
        registry.rejoin(signer);
        registry.exit(signer);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_NotActive.selector, signer));
        registry.exit(signer);
        registry.rejoin(signer);
        vm.stopPrank();
        vm.prank(vm.addr(keyOf(0)));
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_NotKnown.selector, vm.addr(keyOf(0))));
        registry.exit(vm.addr(keyOf(0)));
        vm.expectRevert(GatewayRegistry.GatewayRegistry_SignerZero.selector);
        registry.join(GatewayRegistry.Gateway(address(0), 0, ""), uint96(1_000 * ONE), "");
        vm.warp(registry.bootstrapUntil());
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_StakeEnough.selector, signer));
        registry.removeUnderstaked(signer);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_NotActive.selector, vm.addr(keyOf(9))));
        registry.removeUnderstaked(vm.addr(keyOf(9)));
    }

    function test_a_raised_stake_removes_who_has_less_and_its_tokens_unbond() public {
        address signer = vm.addr(keyOf(1));
        govern(Parameter.StakeMin, 3_000 * ONE);
        vm.warp(registry.bootstrapUntil());
        registry.removeUnderstaked(signer);
        vm.assertEq(registry.stakeOf(signer).withdrawableAt, block.timestamp + 14 days);
        vm.prank(signer);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_StakeTooLow.selector, 2_000 * ONE, 3_000 * ONE));
        registry.rejoin(signer);
    }

    function test_a_quorum_removes_a_staked_gateway_and_does_not_take_it_back() public {
        address signer = vm.addr(keyOf(1));
        GatewayRegistry.Gateway[] memory added = new GatewayRegistry.Gateway[](0);
        registry.change(added, only(signer), 7, signAll(changeDigest("", only(signer)), 7));
        vm.assertEq(registry.stakeOf(signer).withdrawableAt, block.timestamp + 14 days);
        added = new GatewayRegistry.Gateway[](1);
        added[0] = gateway(1);
        bytes32 hash = keccak256(
            abi.encode(
                keccak256("Gateway(address signer,bytes32 tlsKeyHash,string endpoint)"), signer, added[0].tlsKeyHash, keccak256(bytes(added[0].endpoint))
            )
        );
        bytes32 digest = changeDigest(abi.encodePacked(hash), new address[](0));
        bytes memory signatures = bytes.concat(signOne(keyOf(0), digest), signOne(keyOf(2), digest), signOne(keyOf(3), digest));
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_AlreadyStaked.selector, signer));
        registry.change(added, new address[](0), 7, signatures);
    }

    // Devices.

    function test_batches_that_are_empty_or_unknown_are_refused() public {
        vm.expectRevert(DeviceRegistry.DeviceRegistry_BatchEmpty.selector);
        devices.registerBatch(0, 1, treasury, 1, "");
        vm.expectRevert(DeviceRegistry.DeviceRegistry_BatchEmpty.selector);
        devices.registerBatch("root", 0, treasury, 1, "");
        vm.expectRevert(DeviceRegistry.DeviceRegistry_OwnerZero.selector);
        devices.registerBatch("root", 1, address(0), 1, "");
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_UnknownBatch.selector, 0));
        devices.batchOf(0);
    }

    function test_a_device_changes_its_key_so_often_and_no_more() public {
        bytes20 device = register(DEVICE_KEY);
        uint256 most = devices.ROTATIONS_MAX();
        for (uint256 i = 0; i <= most; ++i) {
            (uint256 x, uint256 y) = vm.publicKeyP256(DEVICE_KEY + i + 1);
            bytes memory message = abi.encodePacked("DK", uint8(1), block.chainid, address(devices), device, x, y, uint32(i));
            (bytes32 r, bytes32 s) = signLow(DEVICE_KEY + i, sha256(message));
            if (i == most) vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_TooManyRotations.selector, device));
            devices.rotate(device, bytes32(x), bytes32(y), r, s);
        }
        vm.assertEq(devices.keysOf(device).length, most + 1);
    }

    // Disputes.

    function test_a_commitment_is_made_once_and_two_gateways_anchors_are_no_pair() public {
        disputes.commit(SALT);
        vm.expectRevert(abi.encodeWithSelector(Disputes.Disputes_CommitmentTaken.selector, SALT));
        disputes.commit(SALT);

        Disputes.AnchorPair memory e;
        e.first = Ledger.Anchor(7, 0, "one", 1, 1);
        e.second = Ledger.Anchor(7, 0, "two", 1, 1);
        e.firstSignature = signOne(keyOf(1), digestOf(address(ledger), hashOf(e.first)));
        e.secondSignature = signOne(keyOf(2), digestOf(address(ledger), hashOf(e.second)));
        commit(keccak256(abi.encode(hashOf(e.first), hashOf(e.second))));
        vm.prank(_reporter);
        vm.expectRevert(abi.encodeWithSelector(Disputes.Disputes_DifferentSigners.selector, vm.addr(keyOf(1)), vm.addr(keyOf(2))));
        disputes.reportAnchors(e, SALT);
        e.second = e.first;
        commit(keccak256(abi.encode(hashOf(e.first), hashOf(e.second))));
        vm.prank(_reporter);
        vm.expectRevert(Disputes.Disputes_NoOffence.selector);
        disputes.reportAnchors(e, SALT);
    }

    /// @dev A frame of an unregistered device is not judged at once; one of a registered device, or a malformed one, is no case.
    function test_what_is_a_case_is_not_judged_and_what_is_judged_is_no_case() public {
        bytes20 device = deviceOf(DEVICE_KEY);
        Disputes.BadFrame memory e = badFrame(buildFrame(DEVICE_KEY, 2, 1));
        commit(evidenceOf(e));
        vm.prank(_reporter);
        vm.expectRevert(abi.encodeWithSelector(Disputes.Disputes_DeviceNotRegistered.selector, device));
        disputes.reportFrame(e, SALT);

        bytes32 id = accuse(e);
        vm.expectRevert(abi.encodeWithSelector(Disputes.Disputes_DeviceNotRegistered.selector, device));
        disputes.refute(id);
        vm.roll(block.number + 1);
        commit(evidenceOf(e));
        vm.prank(_reporter);
        vm.expectRevert(abi.encodeWithSelector(Disputes.Disputes_AlreadyJudged.selector, id));
        disputes.accuse(e, SALT);

        register(DEVICE_KEY);
        vm.prank(_reporter);
        vm.expectRevert(abi.encodeWithSelector(Disputes.Disputes_DeviceRegistered.selector, device));
        disputes.accuse(e, SALT);
        vm.warp(block.timestamp + 1 days + 1);
        vm.expectRevert(abi.encodeWithSelector(Disputes.Disputes_DeviceRegistered.selector, device));
        disputes.uphold(id);

        e = badFrame("no frame");
        commit(evidenceOf(e));
        vm.prank(_reporter);
        vm.expectRevert(Disputes.Disputes_NoOffence.selector);
        disputes.accuse(e, SALT);
        vm.prank(_reporter);
        vm.assertEq(disputes.reportFrame(e, SALT), 20 * ONE, "a malformed frame is judged at once");
    }

    function test_frames_of_a_strange_key_or_another_device_suspend_nothing() public {
        bytes20 device = register(DEVICE_KEY);
        (uint256 x, uint256 y) = vm.publicKeyP256(DEVICE_KEY + 1);
        Disputes.FramePair memory e = Disputes.FramePair(buildFrame(DEVICE_KEY, 2, 1), buildFrame(DEVICE_KEY, 2, 2), bytes32(x), bytes32(y));
        refuseDevice(e, abi.encodeWithSelector(Disputes.Disputes_DeviceNotRegistered.selector, device));
        (x, y) = vm.publicKeyP256(DEVICE_KEY);
        (e.x, e.y) = (bytes32(x), bytes32(y));
        e.second = signFrame(DEVICE_KEY + 1, headerOf(DEVICE_KEY, 2, 0));
        refuseDevice(e, abi.encodeWithSelector(Disputes.Disputes_BadSignature.selector));
        e.second = buildFrame(DEVICE_KEY + 1, 2, 1);
        refuseDevice(e, abi.encodeWithSelector(Disputes.Disputes_NoOffence.selector));
        vm.assertEq(devices.deviceOf(device).revokedAt, 0);
    }

    // Rewards.

    function test_a_payout_without_root_out_of_order_too_early_or_below_the_last_is_refused() public {
        vm.warp(block.timestamp + 1 days);
        uint64 epoch = ledger.epochNow();
        refuse(Rewards.Payout(epoch, 0, "root", 1), abi.encodeWithSelector(Rewards.Rewards_EpochNotOver.selector, epoch, epoch));
        refuse(Rewards.Payout(epoch - 1, SALT, "root", 1), abi.encodeWithSelector(Rewards.Rewards_WrongPrevious.selector, SALT, bytes32(0)));
        refuse(Rewards.Payout(epoch - 1, 0, 0, 1), abi.encodeWithSelector(Rewards.Rewards_RootZero.selector));
        publish(Rewards.Payout(epoch - 2, 0, "root", 2));
        refuse(Rewards.Payout(epoch - 1, "root", "next", 1), abi.encodeWithSelector(Rewards.Rewards_TotalTooLow.selector, 1, 2));
        vm.assertEq(rewards.inForce().root, bytes32("root"));
        vm.assertEq(rewards.pending().root, bytes32(0));
    }

    function test_a_bounty_is_paid_out_of_what_nobody_is_owed_by_disputes_only() public {
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_NotDisputes.selector, address(this)));
        rewards.payBounty(_reporter);
        vm.startPrank(treasury);
        token.transfer(address(rewards), ONE / 100 + 7);
        vm.stopPrank();
        vm.startPrank(address(disputes));
        vm.assertEq(rewards.payBounty(_reporter), ONE / 100, "the most there is for a device");
        vm.assertEq(rewards.payBounty(_reporter), 7, "what is left");
        vm.assertEq(rewards.payBounty(_reporter), 0);
        vm.stopPrank();
        vm.assertEq(token.balanceOf(_reporter), ONE / 100 + 7);
    }

    function refuse(bytes memory call, uint256 value, uint256 min, uint256 max) private {
        pass(call);
        vm.expectRevert(abi.encodeWithSelector(NetworkGovernor.NetworkGovernor_OutOfBounds.selector, value, min, max));
        governor.execute(only(address(governor)), only(uint256(0)), calls(call), keccak256(call));
    }

    /// @dev Decided and due: the governor changes its own settings only on its own decision.
    function pass(bytes memory call) private {
        vm.prank(treasury);
        uint256 id = governor.propose(only(address(governor)), only(uint256(0)), calls(call), string(call));
        vm.warp(block.timestamp + VOTING_DELAY + 1);
        vm.prank(treasury);
        governor.castVote(id, 1);
        vm.warp(block.timestamp + VOTING_PERIOD + 1);
        governor.queue(only(address(governor)), only(uint256(0)), calls(call), keccak256(call));
        vm.warp(block.timestamp + TIMELOCK_DELAY);
    }

    function delegate() private {
        vm.prank(treasury);
        token.delegate(treasury);
        vm.warp(block.timestamp + 1);
    }

    function calls(bytes memory one) private pure returns (bytes[] memory list) {
        list = new bytes[](1);
        list[0] = one;
    }

    function refuse(Rewards.Payout memory p, bytes memory reason) private {
        bytes memory signatures = sign(p);
        vm.expectRevert(reason);
        rewards.publish(p, 7, signatures);
    }

    function publish(Rewards.Payout memory p) private {
        rewards.publish(p, 7, sign(p));
        vm.warp(block.timestamp + 1 hours);
    }

    function sign(Rewards.Payout memory p) private view returns (bytes memory) {
        bytes32 typehash = keccak256("Payout(uint64 epoch,bytes32 previous,bytes32 root,uint256 total)");
        return signAll(digestOf(address(rewards), keccak256(abi.encode(typehash, p.epoch, p.previous, p.root, p.total))), 7);
    }

    function refuseDevice(Disputes.FramePair memory e, bytes memory reason) private {
        commit(keccak256(abi.encode(sha256(cut(e.first)), sha256(cut(e.second)))));
        vm.prank(_reporter);
        vm.expectRevert(reason);
        disputes.reportDevice(e, SALT);
    }

    function accuse(Disputes.BadFrame memory e) private returns (bytes32 id) {
        vm.prank(treasury);
        token.transfer(_reporter, 10 * ONE);
        vm.startPrank(_reporter);
        token.approve(address(disputes), 10 * ONE);
        id = disputes.accuse(e, SALT);
        vm.stopPrank();
    }

    function badFrame(bytes memory frame) private view returns (Disputes.BadFrame memory e) {
        e.frame = frame;
        e.batch = Ledger.Batch(vm.addr(keyOf(1)), 1, 0, keccak256(bytes.concat(keccak256(frame))), 1, 1, 1, 2, "body");
        e.signature = signOne(keyOf(1), digestOf(address(ledger), hashOf(e.batch)));
    }

    function evidenceOf(Disputes.BadFrame memory e) private pure returns (bytes32) {
        return keccak256(abi.encode(hashOf(e.batch), keccak256(bytes.concat(keccak256(e.frame))), vm.addr(keyOf(1))));
    }

    /// @dev The same again when it is there: a refused report leaves it.
    function commit(bytes32 evidence) private {
        bytes32 commitment = keccak256(abi.encode(_reporter, evidence, SALT));
        if (disputes.commitments(commitment) == 0) disputes.commit(commitment);
        vm.roll(block.number + 1);
    }

    function register(uint256 key) private returns (bytes20) {
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        bytes32 claim = sha256(abi.encodePacked("DC", uint8(1), uint8(1), block.chainid, address(devices), treasury));
        (bytes32 r, bytes32 s) = signLow(key, claim);
        return devices.register(1, bytes32(x), bytes32(y), r, s, treasury);
    }

    function changeDigest(bytes memory addedHashes, address[] memory removed) private view returns (bytes32) {
        bytes32 typehash = keccak256(
            "Change(uint64 version,Gateway[] added,address[] removed)Gateway(address signer,bytes32 tlsKeyHash,string endpoint)"
        );
        bytes32 hash = keccak256(abi.encode(typehash, registry.version(), keccak256(addedHashes), keccak256(abi.encodePacked(removed))));
        return digestOf(address(registry), hash);
    }

    function govern(Parameter parameter, uint256 value) private {
        vm.prank(address(timelock));
        parameters.set(parameter, value);
    }

    function cut(bytes memory frame) private pure returns (bytes memory unsigned) {
        unsigned = new bytes(frame.length - 64);
        for (uint256 i = 0; i < unsigned.length; ++i) {
            unsigned[i] = frame[i];
        }
    }
}
