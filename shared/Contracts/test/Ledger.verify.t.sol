// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FrameFault} from "../src/FrameFormat.sol";
import {Ledger} from "../src/Ledger.sol";
import {Network} from "./Network.sol";

/// @notice Every rule of `verify`, with the precompile at 0x100 (osaka). The fallback's tests inherit these.
contract LedgerVerifyTest is Network {
    function setUp() public virtual {
        startNetwork(1);
    }

    function precompileIsHere() internal pure virtual returns (bool) {
        return true;
    }

    /// @dev A good signature: an empty answer then means that nobody is at 0x100 (EIP-7951).
    function test_the_chain_has_the_precompile_this_suite_is_for() public view {
        (uint256 x, uint256 y) = vm.publicKeyP256(DEVICE_KEY);
        (bytes32 r, bytes32 s) = vm.signP256(DEVICE_KEY, sha256("message"));
        (, bytes memory answer) = address(0x100).staticcall(abi.encode(sha256("message"), r, s, x, y));
        vm.assertEq(answer.length, precompileIsHere() ? 32 : 0);
    }

    function test_a_frame_of_a_single_leaf_is_proven() public {
        Ledger.FrameProof memory proof = prove(buildFrame(DEVICE_KEY, 1, 1));
        (bytes20 device, uint64 sequence) = ledger.verify(proof);
        vm.assertEq(bytes32(device), bytes32(deviceOf(DEVICE_KEY)));
        vm.assertEq(sequence, 1);
    }

    function testFuzz_a_frame_of_any_size_and_number_is_proven(uint64 sequence, uint8 samples, uint64 key) public {
        uint64 number = uint64(bound(sequence, 1, type(uint64).max));
        uint256 device = uint256(key) + 1;
        Ledger.FrameProof memory proof = prove(buildFrame(device, number, bound(samples, 0, 64)));
        setKey(proof, device);
        (bytes20 id, uint64 proven) = ledger.verify(proof);
        vm.assertEq(bytes32(id), bytes32(deviceOf(device)));
        vm.assertEq(proven, number);
    }

    function test_every_anchor_stays_provable_as_the_ledger_grows() public {
        Ledger.FrameProof[] memory proofs = new Ledger.FrameProof[](9);
        bytes32[] memory hashes = new bytes32[](9);
        for (uint256 i = 0; i < 9; ++i) {
            proofs[i] = prove(buildFrame(DEVICE_KEY, uint64(i + 2), 1));
            hashes[i] = hashOf(proofs[i].anchor);
        }
        // Nine anchors: a mountain of eight and one of one.
        for (uint256 i = 0; i < 8; ++i) {
            proofs[i].ledgerPath = new bytes32[](3);
            proofs[i].ledgerPath[0] = hashes[i ^ 1];
            proofs[i].ledgerPath[1] = pair(hashes[(i & ~uint256(1)) ^ 2], hashes[(i | 1) ^ 2]);
            uint256 other = i < 4 ? 4 : 0;
            proofs[i].ledgerPath[2] = pair(pair(hashes[other], hashes[other + 1]), pair(hashes[other + 2], hashes[other + 3]));
        }
        for (uint256 i = 0; i < 9; ++i) {
            (, uint64 sequence) = ledger.verify(proofs[i]);
            vm.assertEq(sequence, i + 2);
        }
    }

    function test_a_sealed_payload_may_have_any_length() public {
        bytes memory unsigned = abi.encodePacked(headerOf(DEVICE_KEY, 5, 21), new bytes(21));
        unsigned[3] = 0x03;
        ledger.verify(prove(signFrame(DEVICE_KEY, unsigned)));
    }

    function test_too_short_and_too_long_are_malformed() public {
        bytes memory frame = buildFrame(DEVICE_KEY, 2, 0);
        expectFault(cut(frame, 143), FrameFault.TooShort);
        expectFault("", FrameFault.TooShort);
        expectFault(bytes.concat(buildFrame(DEVICE_KEY, 2, 64), hex"00"), FrameFault.TooLong);
    }

    function test_bad_magic_version_and_flags_are_malformed() public {
        expectFault(altered(0, 0x45), FrameFault.BadMagic);
        expectFault(altered(1, 0x44), FrameFault.BadMagic);
        expectFault(altered(2, 0x00), FrameFault.UnknownVersion);
        expectFault(altered(2, 0x02), FrameFault.UnknownVersion);
        expectFault(altered(3, 0x05), FrameFault.ReservedFlags);
        expectFault(altered(3, 0x81), FrameFault.ReservedFlags);
    }

    function test_a_length_that_disagrees_is_malformed() public {
        expectFault(altered(7, 0x20), FrameFault.LengthMismatch);
        expectFault(bytes.concat(buildFrame(DEVICE_KEY, 2, 1), hex"00"), FrameFault.LengthMismatch);
        expectFault(cut(buildFrame(DEVICE_KEY, 2, 1), 159), FrameFault.LengthMismatch);
    }

    function test_an_unsealed_payload_is_whole_samples() public {
        bytes memory unsigned = abi.encodePacked(headerOf(DEVICE_KEY, 5, 17), new bytes(17));
        expectFault(signFrame(DEVICE_KEY, unsigned), FrameFault.PayloadNotSamples);
    }

    function test_sequence_zero_and_a_first_frame_with_a_previous_are_malformed() public {
        expectFault(signFrame(DEVICE_KEY, headerOf(DEVICE_KEY, 0, 0)), FrameFault.SequenceZero);
        bytes memory first = headerOf(DEVICE_KEY, 1, 0);
        first[48] = 0x01;
        expectFault(signFrame(DEVICE_KEY, first), FrameFault.PreviousNotZero);
    }

    function test_a_signature_out_of_range_is_malformed() public {
        bytes memory unsigned = headerOf(DEVICE_KEY, 2, 0);
        (bytes32 r, bytes32 s) = signLow(DEVICE_KEY, sha256(unsigned));
        expectFault(abi.encodePacked(unsigned, bytes32(0), s), FrameFault.SignatureOutOfRange);
        expectFault(abi.encodePacked(unsigned, P256_ORDER, s), FrameFault.SignatureOutOfRange);
        expectFault(abi.encodePacked(unsigned, r, bytes32(0)), FrameFault.SignatureOutOfRange);
        expectFault(abi.encodePacked(unsigned, r, P256_ORDER), FrameFault.SignatureOutOfRange);
        expectFault(abi.encodePacked(unsigned, r, type(uint256).max), FrameFault.SignatureOutOfRange);
    }

    function test_a_high_s_is_malformed() public {
        bytes memory unsigned = headerOf(DEVICE_KEY, 2, 0);
        (bytes32 r, bytes32 s) = signLow(DEVICE_KEY, sha256(unsigned));
        expectFault(abi.encodePacked(unsigned, r, P256_ORDER - uint256(s)), FrameFault.HighS);
        expectFault(abi.encodePacked(unsigned, r, P256_ORDER / 2 + 1), FrameFault.HighS);
    }

    function testFuzz_any_changed_bit_of_a_signed_frame_is_refused(uint256 position, uint8 bit) public {
        bytes memory frame = buildFrame(DEVICE_KEY, 2, 2);
        uint256 at = bound(position, 0, frame.length - 1);
        frame[at] = bytes1(uint8(frame[at]) ^ uint8(1 << bound(bit, 0, 7)));
        // Even with honest paths over the changed bytes.
        Ledger.FrameProof memory proof = prove(frame);
        vm.expectRevert();
        ledger.verify(proof);
    }

    function test_another_devices_signature_is_refused() public {
        bytes memory unsigned = headerOf(DEVICE_KEY, 2, 0);
        Ledger.FrameProof memory proof = prove(signFrame(DEVICE_KEY + 1, unsigned));
        setKey(proof, DEVICE_KEY + 1);
        bytes20 other = deviceOf(DEVICE_KEY + 1);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_WrongKey.selector, deviceOf(DEVICE_KEY), other));
        ledger.verify(proof);
        setKey(proof, DEVICE_KEY);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_BadDeviceSignature.selector, deviceOf(DEVICE_KEY)));
        ledger.verify(proof);
    }

    /// @dev A device id is a hash, so a key off the curve has one too: it must still not verify.
    function test_a_key_off_the_curve_is_refused() public {
        bytes32 x = bytes32(uint256(5));
        bytes32 y = bytes32(uint256(6));
        bytes20 device = bytes20(uint160(uint256(sha256(abi.encodePacked(x, y)))));
        bytes memory frame = buildFrame(DEVICE_KEY, 2, 0);
        for (uint256 i = 0; i < 20; ++i) {
            frame[8 + i] = device[i];
        }
        Ledger.FrameProof memory proof = prove(frame);
        (proof.x, proof.y) = (x, y);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_BadDeviceSignature.selector, device));
        ledger.verify(proof);
    }

    function testFuzz_a_wrong_path_is_refused_by_the_level_it_breaks(uint8 level, bytes32 stray) public {
        Ledger.FrameProof memory proof = prove(buildFrame(DEVICE_KEY, 2, 1));
        vm.assume(stray != proof.batchPath[0] && stray != proof.anchorPath[0]);
        bytes32[] memory path = new bytes32[](1);
        path[0] = stray;
        uint256 which = bound(level, 0, 2);
        if (which == 0) proof.batchPath = path;
        if (which == 1) proof.anchorPath = path;
        if (which == 2) proof.ledgerPath = path;
        bytes4 selector = which == 0
            ? Ledger.Ledger_NotInBatch.selector
            : which == 1 ? Ledger.Ledger_NotInAnchor.selector : Ledger.Ledger_NotInLedger.selector;
        expectSelector(proof, selector);
    }

    function testFuzz_a_changed_header_is_refused(uint8 field) public {
        Ledger.FrameProof memory proof = prove(buildFrame(DEVICE_KEY, 2, 1));
        uint256 which = bound(field, 0, 12);
        bytes4 selector = Ledger.Ledger_NotInAnchor.selector;
        if (which == 0) proof.batch.gateway = makeAddr("else");
        if (which == 1) proof.batch.number += 1;
        if (which == 2) proof.batch.previous = "else";
        if (which == 3) (proof.batch.root, selector) = ("else", Ledger.Ledger_NotInBatch.selector);
        if (which == 4) proof.batch.frames += 1;
        if (which == 5) proof.batch.samples += 1;
        if (which == 6) proof.batch.firstReceivedMs += 1;
        if (which == 7) proof.batch.lastReceivedMs += 1;
        if (which == 8) proof.batch.body = "else";
        if (which > 8) selector = Ledger.Ledger_NotInLedger.selector;
        if (which == 9) proof.anchor.epoch += 1;
        if (which == 10) proof.anchor.previous = "else";
        if (which == 11) proof.anchor.batches += 1;
        if (which == 12) proof.anchor.frames += 1;
        expectSelector(proof, selector);
    }

    function test_a_peak_that_was_merged_no_longer_proves() public {
        Ledger.FrameProof memory proof = prove(buildFrame(DEVICE_KEY, 2, 1));
        ledger.verify(proof);
        anchorNext("another");
        expectSelector(proof, Ledger.Ledger_NotInLedger.selector);
        proof.ledgerPath = new bytes32[](1);
        proof.ledgerPath[0] = ledger.head();
        ledger.verify(proof);
        anchorNext("a third");
        // The head is in slot 0 again, as a peak of its own: it is not the first anchor's.
        proof.ledgerPath = new bytes32[](0);
        expectSelector(proof, Ledger.Ledger_NotInLedger.selector);
    }

    function test_a_path_longer_than_any_mountain_is_refused() public {
        Ledger.FrameProof memory proof = prove(buildFrame(DEVICE_KEY, 2, 1));
        proof.ledgerPath = new bytes32[](64);
        expectSelector(proof, Ledger.Ledger_NotInLedger.selector);
        proof.ledgerPath = new bytes32[](300);
        expectSelector(proof, Ledger.Ledger_NotInLedger.selector);
    }

    function test_nothing_is_proven_by_an_empty_ledger() public {
        Ledger.FrameProof memory proof = prove(buildFrame(DEVICE_KEY, 2, 1));
        ledger = new Ledger(registry, devices, address(timelock), EPOCH_SECONDS);
        expectSelector(proof, Ledger.Ledger_NotInLedger.selector);
    }

    /// @dev A batch of two frames, an anchor of two batches; the last anchor of the ledger, so its path is empty when the count is odd.
    function prove(bytes memory frame) internal returns (Ledger.FrameProof memory proof) {
        proof.frame = frame;
        setKey(proof, DEVICE_KEY);
        proof.batchPath = new bytes32[](1);
        proof.batchPath[0] = keccak256("the other frame");
        bytes32 root = pair(keccak256(bytes.concat(keccak256(frame))), proof.batchPath[0]);
        proof.batch = Ledger.Batch(vm.addr(keyOf(0)), 1, 0, root, 2, 3, 1_800_000_000_000, 1_800_000_001_000, keccak256("body"));
        proof.anchorPath = new bytes32[](1);
        proof.anchorPath[0] = keccak256("the other batch");
        proof.anchor = anchorNext(pair(hashOf(proof.batch), proof.anchorPath[0]));
        proof.ledgerPath = new bytes32[](0);
    }

    function setKey(Ledger.FrameProof memory proof, uint256 key) internal pure {
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        (proof.x, proof.y) = (bytes32(x), bytes32(y));
    }

    function expectFault(bytes memory frame, FrameFault fault) private {
        Ledger.FrameProof memory proof = prove(frame);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_MalformedFrame.selector, fault));
        ledger.verify(proof);
    }

    function expectSelector(Ledger.FrameProof memory proof, bytes4 selector) private {
        (bool ok, bytes memory reason) = address(ledger).staticcall(abi.encodeCall(Ledger.verify, (proof)));
        vm.assertFalse(ok);
        vm.assertEq(bytes32(bytes4(reason)), bytes32(selector));
    }

    // A good frame with one byte replaced.
    function altered(uint256 at, uint8 value) private pure returns (bytes memory frame) {
        frame = buildFrame(DEVICE_KEY, 2, 1);
        frame[at] = bytes1(value);
    }

    function cut(bytes memory frame, uint256 length) private pure returns (bytes memory) {
        assembly ("memory-safe") {
            mstore(frame, length)
        }
        return frame;
    }
}

/// @notice The same on a chain without the precompile: OpenZeppelin's Solidity does the curve.
/// @dev Fewer runs: the fallback interprets a thousand times more opcodes.
/// forge-config: default.evm_version = "prague"
/// forge-config: default.fuzz.runs = 24
contract LedgerVerifyFallbackTest is LedgerVerifyTest {
    function precompileIsHere() internal pure override returns (bool) {
        return false;
    }
}
