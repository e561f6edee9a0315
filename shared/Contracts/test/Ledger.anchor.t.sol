// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GatewayRegistry} from "../src/GatewayRegistry.sol";
import {Ledger} from "../src/Ledger.sol";
import {Quorum} from "../src/Quorum.sol";
import {Network} from "./Network.sol";

contract LedgerAnchorTest is Network {
    function setUp() public {
        startNetwork(4);
    }

    function test_an_anchor_with_a_quorum_becomes_the_head() public {
        Ledger.Anchor memory a = nextAnchor("root");
        bytes memory signatures = signAll(digestOf(address(ledger), hashOf(a)), 0x7);
        vm.expectEmit(true, true, true, true);
        emit Ledger.Anchored(a.epoch, 0, hashOf(a), 0, "root", 1, 1);
        ledger.anchor(a, 0x7, signatures);
        vm.assertEq(ledger.head(), hashOf(a));
        vm.assertEq(ledger.count(), 1);
        vm.assertEq(ledger.peak(0), hashOf(a));
        (uint64 anchors, uint64 lastEpoch, uint64 currentEpoch, uint64 setVersion, bytes32 last) = ledger.state();
        vm.assertEq(anchors, 1);
        vm.assertEq(lastEpoch, a.epoch);
        vm.assertEq(currentEpoch, a.epoch);
        vm.assertEq(setVersion, 1);
        vm.assertEq(last, hashOf(a));
    }

    function test_any_three_of_four_are_a_quorum() public {
        uint256[4] memory masks = [uint256(0x7), 0xb, 0xd, 0xe];
        for (uint256 i = 0; i < 4; ++i) {
            vm.warp(block.timestamp + EPOCH_SECONDS);
            Ledger.Anchor memory a = nextAnchor(bytes32(i + 1));
            ledger.anchor(a, masks[i], signAll(digestOf(address(ledger), hashOf(a)), masks[i]));
        }
        vm.assertEq(ledger.count(), 4);
    }

    function testFuzz_fewer_signers_than_a_quorum_are_refused(uint8 gateways, uint8 signed) public {
        uint256 n = bound(gateways, 1, 20);
        startNetwork(n);
        uint256 needed = (2 * n) / 3 + 1;
        vm.assertEq(ledger.quorum(), needed);
        uint256 have = bound(signed, 0, needed - 1);
        Ledger.Anchor memory a = nextAnchor("root");
        bytes memory signatures = signAll(digestOf(address(ledger), hashOf(a)), firstSigners(have));
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_TooFewSigners.selector, have, needed));
        ledger.anchor(a, firstSigners(have), signatures);
    }

    function test_one_signature_given_for_two_signers_is_refused() public {
        Ledger.Anchor memory a = nextAnchor("root");
        bytes32 digest = digestOf(address(ledger), hashOf(a));
        bytes memory one = signOne(keyOf(0), digest);
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 1, vm.addr(keyOf(1))));
        ledger.anchor(a, 0x7, bytes.concat(one, one, one));
    }

    function test_signatures_out_of_order_are_refused() public {
        Ledger.Anchor memory a = nextAnchor("root");
        bytes32 digest = digestOf(address(ledger), hashOf(a));
        bytes memory swapped = bytes.concat(signOne(keyOf(1), digest), signOne(keyOf(0), digest), signOne(keyOf(2), digest));
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 0, vm.addr(keyOf(0))));
        ledger.anchor(a, 0x7, swapped);
    }

    function test_a_signer_beyond_the_set_is_refused() public {
        Ledger.Anchor memory a = nextAnchor("root");
        bytes memory signatures = signAll(digestOf(address(ledger), hashOf(a)), 0x13);
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_UnknownSigner.selector, 4, 4));
        ledger.anchor(a, 0x13, signatures);
    }

    function test_missing_and_trailing_signature_bytes_are_refused() public {
        Ledger.Anchor memory a = nextAnchor("root");
        bytes32 digest = digestOf(address(ledger), hashOf(a));
        bytes memory two = signAll(digest, 0x3);
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_SignatureBytes.selector, 128, 192));
        ledger.anchor(a, 0x7, two);
        bytes memory trailing = bytes.concat(signAll(digest, 0x7), hex"00");
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_SignatureBytes.selector, 193, 192));
        ledger.anchor(a, 0x7, trailing);
    }

    function test_a_signature_with_its_parity_turned_is_refused() public {
        startNetwork(1);
        Ledger.Anchor memory a = nextAnchor("root");
        bytes memory signature = signOne(keyOf(0), digestOf(address(ledger), hashOf(a)));
        signature[32] = bytes1(uint8(signature[32]) ^ 0x80);
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 0, vm.addr(keyOf(0))));
        ledger.anchor(a, 1, signature);
    }

    /// @dev The twin (n - s, other parity) recovers to the same signer; above 2^255 EIP-2098 cannot even write it, and the few
    /// high values below are refused by name.
    function test_a_high_s_is_refused() public {
        startNetwork(1);
        Ledger.Anchor memory a = nextAnchor("root");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf(0), digestOf(address(ledger), hashOf(a)));
        bytes32 high = bytes32(SECP256K1_ORDER - uint256(s));
        bytes memory twin = abi.encodePacked(r, bytes32(uint256(high) | (uint256(28 - v) << 255)));
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 0, vm.addr(keyOf(0))));
        ledger.anchor(a, 1, twin);
        bytes memory justAbove = abi.encodePacked(r, bytes32(SECP256K1_ORDER / 2 + 1));
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 0, vm.addr(keyOf(0))));
        ledger.anchor(a, 1, justAbove);
    }

    function test_an_epoch_takes_one_anchor() public {
        anchorNext("first");
        Ledger.Anchor memory a = nextAnchor("second");
        bytes memory signatures = signAll(digestOf(address(ledger), hashOf(a)), 0x7);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_EpochTaken.selector, a.epoch, a.epoch));
        ledger.anchor(a, 0x7, signatures);
    }

    function testFuzz_an_epoch_to_come_is_refused(uint64 ahead) public {
        Ledger.Anchor memory a = nextAnchor("root");
        uint64 current = a.epoch;
        a.epoch += uint64(bound(ahead, 1, type(uint64).max - current));
        bytes memory signatures = signAll(digestOf(address(ledger), hashOf(a)), 0x7);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_EpochInFuture.selector, a.epoch, current));
        ledger.anchor(a, 0x7, signatures);
    }

    function test_a_missed_epoch_may_be_anchored_late_but_in_order() public {
        vm.warp(block.timestamp + 10 * EPOCH_SECONDS);
        Ledger.Anchor memory a = nextAnchor("late");
        a.epoch -= 5;
        ledger.anchor(a, 0x7, signAll(digestOf(address(ledger), hashOf(a)), 0x7));
        Ledger.Anchor memory earlier = nextAnchor("earlier");
        earlier.epoch = a.epoch - 1;
        bytes memory signatures = signAll(digestOf(address(ledger), hashOf(earlier)), 0x7);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_EpochTaken.selector, earlier.epoch, a.epoch));
        ledger.anchor(earlier, 0x7, signatures);
    }

    function testFuzz_an_anchor_must_name_the_head(bytes32 previous) public {
        anchorNext("first");
        bytes32 head = ledger.head();
        vm.assume(previous != head);
        vm.warp(block.timestamp + EPOCH_SECONDS);
        Ledger.Anchor memory a = nextAnchor("second");
        a.previous = previous;
        bytes memory signatures = signAll(digestOf(address(ledger), hashOf(a)), 0x7);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_WrongPrevious.selector, previous, head));
        ledger.anchor(a, 0x7, signatures);
    }

    function testFuzz_a_changed_field_breaks_the_quorum(uint8 field, uint64 by) public {
        vm.warp(block.timestamp + EPOCH_SECONDS);
        Ledger.Anchor memory a = nextAnchor("root");
        bytes memory signatures = signAll(digestOf(address(ledger), hashOf(a)), 0x7);
        uint256 which = bound(field, 0, 3);
        uint64 step = uint64(bound(by, 1, 1_000_000));
        if (which == 0) a.root = bytes32(uint256(a.root) ^ step);
        if (which == 1) a.batches += uint32(step);
        if (which == 2) a.frames += step;
        if (which == 3) a.epoch -= step % a.epoch == 0 ? 1 : step % a.epoch;
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 0, vm.addr(keyOf(0))));
        ledger.anchor(a, 0x7, signatures);
    }

    function test_signatures_for_another_ledger_are_refused() public {
        Ledger other = new Ledger(registry, devices, address(timelock), EPOCH_SECONDS);
        Ledger.Anchor memory a = nextAnchor("root");
        bytes memory signatures = signAll(digestOf(address(other), hashOf(a)), 0x7);
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 0, vm.addr(keyOf(0))));
        ledger.anchor(a, 0x7, signatures);
    }

    function testFuzz_signatures_for_another_chain_are_refused(uint64 chain) public {
        vm.assume(chain != block.chainid && chain != 0);
        Ledger.Anchor memory a = nextAnchor("root");
        bytes memory signatures = signAll(digestOf(address(ledger), hashOf(a)), 0x7);
        vm.chainId(chain);
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 0, vm.addr(keyOf(0))));
        ledger.anchor(a, 0x7, signatures);
    }

    function test_the_domain_follows_the_chain_id() public {
        vm.chainId(10);
        Ledger.Anchor memory a = nextAnchor("root");
        ledger.anchor(a, 0x7, signAll(digestOf(address(ledger), hashOf(a)), 0x7));
        vm.assertEq(ledger.count(), 1);
    }

    function test_a_full_set_of_256_gateways_can_anchor() public {
        startNetwork(256);
        vm.assertEq(ledger.quorum(), 171);
        Ledger.Anchor memory a = nextAnchor("root");
        uint256 signers = firstSigners(171) << 85;
        ledger.anchor(a, signers, signAll(digestOf(address(ledger), hashOf(a)), signers));
        vm.assertEq(ledger.count(), 1);
    }

    function test_a_changed_set_signs_from_its_change_on() public {
        anchorNext("by four");
        GatewayRegistry.Gateway[] memory added = new GatewayRegistry.Gateway[](0);
        address[] memory removed = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            removed[i] = vm.addr(keyOf(i));
        }
        bytes32 digest = digestOf(address(registry), changeHash(1, added, removed));
        registry.change(added, removed, 0x7, signAll(digest, 0x7));
        vm.assertEq(ledger.quorum(), 3, "this epoch is still the old set's");

        vm.warp(block.timestamp + EPOCH_SECONDS);
        vm.assertEq(ledger.quorum(), 1);
        Ledger.Anchor memory a = nextAnchor("by one");
        bytes32 anchorDigest = digestOf(address(ledger), hashOf(a));
        bytes memory oldQuorum = signAll(anchorDigest, 0x7);
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_UnknownSigner.selector, 2, 1));
        ledger.anchor(a, 0x7, oldQuorum);
        ledger.anchor(a, 0x1, signOne(keyOf(3), anchorDigest));
        vm.assertEq(ledger.count(), 2);
    }

    function test_a_ledger_needs_an_epoch_and_a_registry() public {
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_EpochSecondsOutOfBounds.selector, 0, 1, 1 days));
        new Ledger(registry, devices, address(timelock), 0);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_RegistryEmpty.selector, address(0x1234)));
        new Ledger(GatewayRegistry(address(0x1234)), devices, address(timelock), 60);
    }

    function changeHash(uint64 version, GatewayRegistry.Gateway[] memory, address[] memory removed) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "Change(uint64 version,Gateway[] added,address[] removed)Gateway(address signer,bytes32 tlsKeyHash,string endpoint)"
                ),
                version,
                keccak256(""),
                keccak256(abi.encodePacked(removed))
            )
        );
    }
}
