// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Disputes} from "../src/Disputes.sol";
import {GatewayRegistry} from "../src/GatewayRegistry.sol";
import {Ledger} from "../src/Ledger.sol";
import {Network} from "./Network.sol";

/// @notice Evidence that counts, evidence that does not, and who is paid.
contract DisputesTest is Network {
    bytes32 private constant SALT = "salt";
    address private _reporter = makeAddr("reporter");

    function setUp() public {
        startNetwork(4);
        stake(1, uint96(2_000 * ONE));
    }

    function test_two_headers_under_one_number_cost_half_the_stake_and_a_tenth_goes_to_the_reporter() public {
        Disputes.BatchPair memory evidence = batchPair(1, 7, 7);
        commit(batchEvidence(evidence), _reporter);
        uint256 supply = token.totalSupply();
        vm.prank(_reporter);
        vm.assertEq(disputes.reportBatches(evidence, SALT), 100 * ONE);
        vm.assertEq(token.balanceOf(_reporter), 100 * ONE);
        vm.assertEq(token.totalSupply(), supply - 900 * ONE, "the rest is burnt");
        vm.assertEq(registry.stakeOf(vm.addr(keyOf(1))).amount, 1_000 * ONE);
        vm.assertFalse(registry.isActive(vm.addr(keyOf(1))));
        vm.assertEq(token.balanceOf(address(disputes)), 0);

        commit(batchEvidence(evidence), _reporter);
        vm.prank(_reporter);
        vm.expectRevert();
        disputes.reportBatches(evidence, SALT);
    }

    function test_a_copied_report_has_no_commitment() public {
        Disputes.BatchPair memory evidence = batchPair(1, 7, 7);
        commit(batchEvidence(evidence), _reporter);
        address copier = makeAddr("copier");
        vm.startPrank(copier);
        bytes32 own = keccak256(abi.encode(copier, batchEvidence(evidence), SALT));
        vm.expectRevert(abi.encodeWithSelector(Disputes.Disputes_NotCommitted.selector, own));
        disputes.reportBatches(evidence, SALT);
        // In the same block a commitment of his own does not help him.
        disputes.commit(own);
        vm.expectRevert(abi.encodeWithSelector(Disputes.Disputes_NotCommitted.selector, own));
        disputes.reportBatches(evidence, SALT);
        vm.stopPrank();
    }

    function test_headers_of_two_numbers_two_gateways_or_one_header_twice_are_no_offence() public {
        expectNoBatchOffence(batchPair(1, 7, 8));
        Disputes.BatchPair memory pairOf = batchPair(1, 7, 7);
        pairOf.second = pairOf.first;
        pairOf.secondSignature = pairOf.firstSignature;
        expectNoBatchOffence(pairOf);
        pairOf = batchPair(1, 7, 7);
        pairOf.second.gateway = vm.addr(keyOf(2));
        expectNoBatchOffence(pairOf);
    }

    function test_headers_that_somebody_else_signed_do_not_slash_the_gateway() public {
        Disputes.BatchPair memory evidence = batchPair(1, 7, 7);
        evidence.secondSignature = signOne(keyOf(2), digestOf(address(ledger), hashOf(evidence.second)));
        commit(batchEvidence(evidence), _reporter);
        vm.prank(_reporter);
        vm.expectRevert(
            abi.encodeWithSelector(Disputes.Disputes_NotTheAuthor.selector, vm.addr(keyOf(2)), vm.addr(keyOf(1)))
        );
        disputes.reportBatches(evidence, SALT);
    }

    function test_a_signature_for_another_ledger_or_with_a_high_s_is_no_evidence() public {
        Disputes.BatchPair memory evidence = batchPair(1, 7, 7);
        commit(batchEvidence(evidence), _reporter);
        evidence.secondSignature = signOne(keyOf(1), digestOf(address(registry), hashOf(evidence.second)));
        vm.prank(_reporter);
        vm.expectRevert();
        disputes.reportBatches(evidence, SALT);
        (, bytes32 r, bytes32 s) = vm.sign(keyOf(1), digestOf(address(ledger), hashOf(evidence.second)));
        evidence.secondSignature = abi.encodePacked(r, SECP256K1_ORDER - uint256(s));
        vm.prank(_reporter);
        vm.expectRevert();
        disputes.reportBatches(evidence, SALT);
        vm.assertEq(registry.stakeOf(vm.addr(keyOf(1))).amount, 2_000 * ONE);
    }

    function test_two_anchors_for_one_epoch_slash_their_signer() public {
        Disputes.AnchorPair memory evidence;
        evidence.first = Ledger.Anchor(9, 0, "one", 1, 1);
        evidence.second = Ledger.Anchor(9, 0, "two", 1, 1);
        evidence.firstSignature = signOne(keyOf(1), digestOf(address(ledger), hashOf(evidence.first)));
        evidence.secondSignature = signOne(keyOf(1), digestOf(address(ledger), hashOf(evidence.second)));
        commit(keccak256(abi.encode(hashOf(evidence.first), hashOf(evidence.second))), _reporter);
        vm.prank(_reporter);
        vm.assertEq(disputes.reportAnchors(evidence, SALT), 100 * ONE);

        evidence.second.epoch = 10;
        commit(keccak256(abi.encode(hashOf(evidence.first), hashOf(evidence.second))), _reporter);
        vm.prank(_reporter);
        vm.expectRevert(Disputes.Disputes_NoOffence.selector);
        disputes.reportAnchors(evidence, SALT);
    }

    function test_an_unbonding_stake_is_slashed_and_a_withdrawn_one_is_gone() public {
        address signer = vm.addr(keyOf(1));
        vm.prank(signer);
        registry.exit(signer);
        Disputes.BatchPair memory evidence = batchPair(1, 7, 7);
        commit(batchEvidence(evidence), _reporter);
        vm.prank(_reporter);
        vm.assertEq(disputes.reportBatches(evidence, SALT), 100 * ONE);
        vm.warp(block.timestamp + 14 days);
        registry.withdraw(signer);
        evidence = batchPair(1, 8, 8);
        commit(batchEvidence(evidence), _reporter);
        vm.prank(_reporter);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_NotKnown.selector, signer));
        disputes.reportBatches(evidence, SALT);
    }

    function test_a_frame_that_the_device_never_signed_slashes_who_signed_its_batch() public {
        register(DEVICE_KEY);
        bytes memory frame = buildFrame(DEVICE_KEY, 2, 1);
        frame[90] = bytes1(uint8(frame[90]) ^ 1);
        Disputes.BadFrame memory evidence = badFrame(frame, 1);
        commit(frameEvidence(evidence, 1), _reporter);
        vm.prank(_reporter);
        vm.assertEq(disputes.reportFrame(evidence, SALT), 20 * ONE);
    }

    function test_a_good_frame_or_one_outside_the_batch_slashes_nobody() public {
        register(DEVICE_KEY);
        Disputes.BadFrame memory evidence = badFrame(buildFrame(DEVICE_KEY, 2, 1), 1);
        commit(frameEvidence(evidence, 1), _reporter);
        vm.prank(_reporter);
        vm.expectRevert(Disputes.Disputes_NoOffence.selector);
        disputes.reportFrame(evidence, SALT);

        evidence.frame = buildFrame(DEVICE_KEY, 3, 1);
        commit(frameEvidence(evidence, 1), _reporter);
        vm.prank(_reporter);
        vm.expectRevert();
        disputes.reportFrame(evidence, SALT);
    }

    function test_an_accusation_that_nobody_refutes_is_upheld_and_one_that_is_refuted_costs_the_bond() public {
        Disputes.BadFrame memory evidence = badFrame(buildFrame(DEVICE_KEY, 2, 1), 1);
        bytes32 id = accuse(evidence);
        vm.expectRevert(
            abi.encodeWithSelector(Disputes.Disputes_CaseOpen.selector, id, uint64(block.timestamp + 1 days))
        );
        disputes.uphold(id);
        vm.warp(block.timestamp + 1 days + 1);
        vm.assertEq(disputes.uphold(id), 20 * ONE);
        vm.assertEq(token.balanceOf(_reporter), 30 * ONE, "share and bond");

        evidence = badFrame(buildFrame(DEVICE_KEY + 1, 2, 1), 1);
        id = accuse(evidence);
        register(DEVICE_KEY + 1);
        vm.prank(makeAddr("defender"));
        disputes.refute(id);
        vm.assertEq(token.balanceOf(makeAddr("defender")), 10 * ONE);
        vm.assertEq(disputes.totalBonds(), 0);
        vm.expectRevert(abi.encodeWithSelector(Disputes.Disputes_NoCase.selector, id));
        disputes.uphold(id);
    }

    function test_two_frames_under_one_sequence_suspend_the_device_once() public {
        bytes20 device = register(DEVICE_KEY);
        Disputes.FramePair memory evidence = framePair(buildFrame(DEVICE_KEY, 2, 1), buildFrame(DEVICE_KEY, 2, 2));
        commit(frameEvidence(evidence), _reporter);
        vm.prank(_reporter);
        vm.assertEq(disputes.reportDevice(evidence, SALT), 0, "nothing is free in Rewards");
        vm.assertTrue(devices.detailsOf(device).suspended);
        vm.assertEq(devices.deviceOf(device).revokedAt, block.timestamp);
    }

    function test_one_frame_under_two_signatures_or_two_sequences_are_no_offence() public {
        register(DEVICE_KEY);
        bytes memory frame = buildFrame(DEVICE_KEY, 2, 1);
        Disputes.FramePair memory evidence = framePair(frame, frame);
        commit(frameEvidence(evidence), _reporter);
        vm.prank(_reporter);
        vm.expectRevert(Disputes.Disputes_NoOffence.selector);
        disputes.reportDevice(evidence, SALT);
        evidence = framePair(frame, buildFrame(DEVICE_KEY, 3, 1));
        commit(frameEvidence(evidence), _reporter);
        vm.prank(_reporter);
        vm.expectRevert(Disputes.Disputes_NoOffence.selector);
        disputes.reportDevice(evidence, SALT);
    }

    function accuse(Disputes.BadFrame memory evidence) private returns (bytes32 id) {
        vm.prank(treasury);
        token.transfer(_reporter, 10 * ONE);
        commit(frameEvidence(evidence, 1), _reporter);
        vm.startPrank(_reporter);
        token.approve(address(disputes), 10 * ONE);
        id = disputes.accuse(evidence, SALT);
        vm.stopPrank();
    }

    function commit(bytes32 evidence, address reporter) private {
        vm.prank(reporter);
        disputes.commit(keccak256(abi.encode(reporter, evidence, SALT)));
        vm.roll(block.number + 1);
    }

    function expectNoBatchOffence(Disputes.BatchPair memory evidence) private {
        commit(batchEvidence(evidence), _reporter);
        vm.prank(_reporter);
        vm.expectRevert(Disputes.Disputes_NoOffence.selector);
        disputes.reportBatches(evidence, SALT);
    }

    function batchPair(uint256 index, uint64 firstNumber, uint64 secondNumber) private view returns (Disputes.BatchPair memory evidence) {
        evidence.first = Ledger.Batch(vm.addr(keyOf(index)), firstNumber, 0, "one", 2, 3, 1, 2, "body");
        evidence.second = Ledger.Batch(vm.addr(keyOf(index)), secondNumber, 0, "two", 2, 3, 1, 2, "body");
        evidence.firstSignature = signOne(keyOf(index), digestOf(address(ledger), hashOf(evidence.first)));
        evidence.secondSignature = signOne(keyOf(index), digestOf(address(ledger), hashOf(evidence.second)));
    }

    function batchEvidence(Disputes.BatchPair memory evidence) private pure returns (bytes32) {
        return keccak256(abi.encode(hashOf(evidence.first), hashOf(evidence.second)));
    }

    function badFrame(bytes memory frame, uint256 index) private view returns (Disputes.BadFrame memory evidence) {
        evidence.frame = frame;
        evidence.path = new bytes32[](1);
        evidence.path[0] = keccak256("the other frame");
        bytes32 root = pair(keccak256(bytes.concat(keccak256(frame))), evidence.path[0]);
        evidence.batch = Ledger.Batch(vm.addr(keyOf(0)), 1, 0, root, 2, 3, 1, 2, "body");
        evidence.signature = signOne(keyOf(index), digestOf(address(ledger), hashOf(evidence.batch)));
    }

    function frameEvidence(Disputes.BadFrame memory evidence, uint256 index) private pure returns (bytes32) {
        bytes32 leaf = keccak256(bytes.concat(keccak256(evidence.frame)));
        return keccak256(abi.encode(hashOf(evidence.batch), leaf, vm.addr(keyOf(index))));
    }

    function framePair(bytes memory first, bytes memory second) private pure returns (Disputes.FramePair memory) {
        (uint256 x, uint256 y) = vm.publicKeyP256(DEVICE_KEY);
        return Disputes.FramePair(first, second, bytes32(x), bytes32(y));
    }

    function frameEvidence(Disputes.FramePair memory evidence) private pure returns (bytes32) {
        return keccak256(abi.encode(sha256(cut(evidence.first)), sha256(cut(evidence.second))));
    }

    function cut(bytes memory frame) private pure returns (bytes memory unsigned) {
        unsigned = new bytes(frame.length - 64);
        for (uint256 i = 0; i < unsigned.length; ++i) {
            unsigned[i] = frame[i];
        }
    }

    function register(uint256 key) private returns (bytes20) {
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        bytes32 claim = sha256(abi.encodePacked("DC", uint8(1), uint8(1), block.chainid, address(devices), treasury));
        (bytes32 r, bytes32 s) = signLow(key, claim);
        return devices.register(1, bytes32(x), bytes32(y), r, s, treasury);
    }
}
