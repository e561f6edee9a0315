// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "solady/tokens/ERC721.sol";
import {DeviceRegistry} from "../src/DeviceRegistry.sol";
import {Ledger} from "../src/Ledger.sol";
import {Network} from "./Network.sol";

/// @notice Changes of a key, batches of devices, sponsored registrations.
contract DeviceKeysTest is Network {
    uint256 private constant OWNER_KEY = 0x0111;
    address private _owner = vm.addr(OWNER_KEY);

    function setUp() public {
        startNetwork(4);
    }

    function test_the_old_key_names_the_next_once_and_a_frame_of_the_new_key_is_proven() public {
        bytes20 device = register(DEVICE_KEY);
        (bytes32 r, bytes32 s) = signRotation(DEVICE_KEY, device, DEVICE_KEY + 1, 0);
        (bytes32 x, bytes32 y) = keyOfDevice(DEVICE_KEY + 1);
        devices.rotate(device, x, y, r, s);
        vm.assertEq(devices.deviceOf(device).x, x);
        vm.assertEq(devices.keysOf(device).length, 2);
        vm.assertTrue(devices.isKeyOf(device, x, y));
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_BadSignature.selector, device));
        devices.rotate(device, x, y, r, s);

        Ledger.FrameProof memory proof;
        // The header still names the device; the new key signs.
        proof.frame = signFrame(DEVICE_KEY + 1, headerOf(DEVICE_KEY, 2, 0));
        (proof.x, proof.y) = (x, y);
        proof.batch.root = keccak256(bytes.concat(keccak256(proof.frame)));
        proof.anchor = anchorNext(hashOf(proof.batch));
        (bytes20 proven,) = ledger.verify(proof);
        vm.assertEq(bytes32(proven), bytes32(device));
        (proof.x, proof.y) = keyOfDevice(DEVICE_KEY + 2);
        vm.expectRevert();
        ledger.verify(proof);
    }

    function test_a_rotation_for_another_chain_or_by_another_key_is_refused() public {
        bytes20 device = register(DEVICE_KEY);
        (bytes32 x, bytes32 y) = keyOfDevice(DEVICE_KEY + 1);
        (bytes32 r, bytes32 s) = signRotation(DEVICE_KEY + 1, device, DEVICE_KEY + 1, 0);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_BadSignature.selector, device));
        devices.rotate(device, x, y, r, s);
        (r, s) = signRotation(DEVICE_KEY, device, DEVICE_KEY + 1, 0);
        vm.chainId(99);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_BadSignature.selector, device));
        devices.rotate(device, x, y, r, s);
    }

    function test_the_owner_changes_a_lost_key_after_a_delay_and_a_buyer_is_safe_from_it() public {
        bytes20 device = register(DEVICE_KEY);
        (bytes32 x, bytes32 y) = keyOfDevice(DEVICE_KEY + 1);
        vm.startPrank(_owner);
        devices.proposeKey(device, x, y);
        uint64 from = uint64(block.timestamp + 7 days);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_KeyNotDue.selector, device, from));
        devices.acceptKey(device);
        address buyer = makeAddr("buyer");
        devices.transferFrom(_owner, buyer, uint256(uint160(device)));
        vm.warp(from);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_NotOwner.selector, device, _owner));
        devices.acceptKey(device);
        vm.stopPrank();
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_NoKeyPending.selector, device));
        devices.acceptKey(device);
        devices.proposeKey(device, x, y);
        vm.warp(block.timestamp + 7 days);
        devices.acceptKey(device);
        vm.stopPrank();
        vm.assertEq(devices.deviceOf(device).x, x);
    }

    function test_a_proposed_key_is_withdrawn_by_its_owner_only_and_once() public {
        bytes20 device = register(DEVICE_KEY);
        (bytes32 x, bytes32 y) = keyOfDevice(DEVICE_KEY + 1);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_NotOwner.selector, device, address(this)));
        devices.proposeKey(device, x, y);
        vm.startPrank(_owner);
        devices.proposeKey(device, x, y);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_NotOwner.selector, device, address(this)));
        devices.withdrawKey(device);
        vm.startPrank(_owner);
        devices.withdrawKey(device);
        vm.assertEq(devices.detailsOf(device).pendingAt, 0);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_NoKeyPending.selector, device));
        devices.withdrawKey(device);
        vm.warp(block.timestamp + 7 days);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_NoKeyPending.selector, device));
        devices.acceptKey(device);
        vm.stopPrank();
    }

    function test_nothing_is_done_with_a_device_that_nobody_registered_or_that_is_revoked() public {
        bytes20 nobody = bytes20(address(0xdead));
        (bytes32 x, bytes32 y) = keyOfDevice(DEVICE_KEY + 1);
        bytes memory notRegistered = abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_NotRegistered.selector, nobody);
        vm.expectRevert(notRegistered);
        devices.rotate(nobody, x, y, x, y);
        vm.expectRevert(notRegistered);
        devices.proposeKey(nobody, x, y);
        vm.expectRevert(notRegistered);
        devices.describe(nobody, 1, 0);
        vm.prank(address(disputes));
        vm.expectRevert(notRegistered);
        devices.suspend(nobody);
        vm.assertEq(devices.keysOf(nobody).length, 0);
        vm.assertTrue(!devices.isKeyOf(nobody, x, y));
        vm.expectRevert(ERC721.TokenDoesNotExist.selector);
        devices.tokenURI(uint256(uint160(nobody)));

        bytes20 device = register(DEVICE_KEY);
        vm.startPrank(_owner);
        devices.revoke(device);
        bytes memory revoked = abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_AlreadyRevoked.selector, device);
        vm.expectRevert(revoked);
        devices.rotate(device, x, y, x, y);
        vm.expectRevert(revoked);
        devices.proposeKey(device, x, y);
        vm.expectRevert(revoked);
        devices.acceptKey(device);
        vm.stopPrank();
    }

    function test_a_rotation_keeps_every_former_key() public {
        bytes20 device = register(DEVICE_KEY);
        for (uint256 i = 0; i < 3; ++i) {
            (bytes32 r, bytes32 s) = signRotation(DEVICE_KEY + i, device, DEVICE_KEY + i + 1, uint32(i));
            (bytes32 x, bytes32 y) = keyOfDevice(DEVICE_KEY + i + 1);
            devices.rotate(device, x, y, r, s);
        }
        for (uint256 i = 0; i < 4; ++i) {
            (bytes32 x, bytes32 y) = keyOfDevice(DEVICE_KEY + i);
            vm.assertTrue(devices.isKeyOf(device, x, y));
        }
        (bytes32 other, bytes32 otherY) = keyOfDevice(DEVICE_KEY + 4);
        vm.assertTrue(!devices.isKeyOf(device, other, otherY));
    }

    function test_a_key_off_the_curve_is_never_put_in_force() public {
        bytes20 device = register(DEVICE_KEY);
        vm.prank(_owner);
        vm.expectRevert(
            abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_BadKey.selector, bytes32(uint256(5)), bytes32(uint256(6)))
        );
        devices.proposeKey(device, bytes32(uint256(5)), bytes32(uint256(6)));
    }

    function test_a_thousand_devices_cost_under_a_hundred_gas_each_and_a_member_shows_itself_later() public {
        DeviceRegistry.Claim memory claim = claimOf(DEVICE_KEY);
        bytes32[] memory path = new bytes32[](10);
        bytes32 root = leafOf(claim);
        for (uint256 i = 0; i < 10; ++i) {
            path[i] = keccak256(abi.encode(i));
            root = pair(root, path[i]);
        }
        devices.registerBatch("the first", 1, _owner, 1, "ipfs://list");
        vm.cool(address(devices));
        uint256 before = gasleft();
        uint256 batch = devices.registerBatch(root, 1_000, _owner, 1, "ipfs://list");
        vm.assertLt(before - gasleft() + 21_000 + 6_000, 100_000);
        vm.assertTrue(devices.checkMember(batch, claim, path));
        vm.warp(block.timestamp + 1 days);
        bytes20 device = devices.registerMember(batch, claim, path);
        vm.assertEq(devices.ownerOf(uint256(uint160(device))), _owner);
        vm.assertEq(devices.deviceOf(device).registeredAt, FIRST_TIME);
        vm.assertEq(devices.detailsOf(device).profile, 1);
    }

    function test_a_device_outside_the_root_or_with_anothers_claim_is_no_member() public {
        DeviceRegistry.Claim memory claim = claimOf(DEVICE_KEY);
        uint256 batch = devices.registerBatch(leafOf(claim), 1, _owner, 0, "");
        DeviceRegistry.Claim memory other = claimOf(DEVICE_KEY + 1);
        vm.assertFalse(devices.checkMember(batch, other, new bytes32[](0)));
        vm.expectRevert(
            abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_NotInBatch.selector, batch, deviceOf(DEVICE_KEY + 1))
        );
        devices.registerMember(batch, other, new bytes32[](0));
        // Under a thief's root the device's claim is of another owner.
        uint256 stolen = devices.registerBatch(leafOf(claim), 1, makeAddr("thief"), 0, "");
        vm.assertFalse(devices.checkMember(stolen, claim, new bytes32[](0)));
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_BadSignature.selector, deviceOf(DEVICE_KEY)));
        devices.registerMember(stolen, claim, new bytes32[](0));
    }

    /// @dev A pair of nodes is 64 bytes hashed once, a leaf 32 bytes hashed of 160: neither poses as the other.
    function test_an_inner_node_is_no_leaf() public {
        DeviceRegistry.Claim memory claim = claimOf(DEVICE_KEY);
        bytes32 once = keccak256(abi.encode(claim.keyKind, claim.x, claim.y, claim.r, claim.s));
        uint256 batch = devices.registerBatch(once, 1, _owner, 0, "");
        vm.assertFalse(devices.checkMember(batch, claim, new bytes32[](0)));
    }

    function test_an_owner_only_signs_and_anyone_pays_once() public {
        DeviceRegistry.Claim memory claim = claimOf(DEVICE_KEY);
        uint64 deadline = uint64(block.timestamp + 1 hours);
        bytes memory consent = signOne(OWNER_KEY, consentDigest(deviceOf(DEVICE_KEY), 3, 77, 0, deadline));
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_BadConsent.selector, _owner));
        devices.registerSponsored(claim, _owner, 4, 77, deadline, consent);
        vm.prank(makeAddr("sponsor"));
        bytes20 device = devices.registerSponsored(claim, _owner, 3, 77, deadline, consent);
        vm.assertEq(devices.detailsOf(device).location, 77);
        vm.assertEq(devices.detailsOf(device).profile, 3);
        vm.assertEq(devices.nonces(_owner), 1);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_ConsentExpired.selector, deadline));
        devices.registerSponsored(claim, _owner, 3, 77, deadline, consent);
    }

    function test_only_disputes_suspend_and_a_finer_place_is_refused() public {
        bytes20 device = register(DEVICE_KEY);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_NotDisputes.selector, address(this)));
        devices.suspend(device);
        vm.prank(_owner);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_BadLocation.selector, 1 << 25));
        devices.describe(device, 1, 1 << 25);
    }

    function register(uint256 key) private returns (bytes20) {
        DeviceRegistry.Claim memory c = claimOf(key);
        return devices.register(c.keyKind, c.x, c.y, c.r, c.s, _owner);
    }

    function claimOf(uint256 key) private view returns (DeviceRegistry.Claim memory) {
        bytes32 message = sha256(abi.encodePacked("DC", uint8(1), uint8(3), block.chainid, address(devices), _owner));
        (bytes32 r, bytes32 s) = signLow(key, message);
        (bytes32 x, bytes32 y) = keyOfDevice(key);
        return DeviceRegistry.Claim(3, x, y, r, s);
    }

    function leafOf(DeviceRegistry.Claim memory c) private pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(c.keyKind, c.x, c.y, c.r, c.s))));
    }

    function signRotation(uint256 signer, bytes20 device, uint256 next, uint32 count) private view returns (bytes32 r, bytes32 s) {
        (bytes32 x, bytes32 y) = keyOfDevice(next);
        bytes memory message = abi.encodePacked("DK", uint8(1), block.chainid, address(devices), device, x, y, count);
        vm.assertEq(message.length, 143);
        return signLow(signer, sha256(message));
    }

    function keyOfDevice(uint256 key) private pure returns (bytes32, bytes32) {
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        return (bytes32(x), bytes32(y));
    }

    function consentDigest(bytes20 device, uint16 profile, uint32 location, uint256 nonce, uint64 deadline)
        private
        view
        returns (bytes32)
    {
        bytes32 typehash = keccak256("Sponsored(bytes20 device,uint16 profile,uint32 location,uint256 nonce,uint64 deadline)");
        return digestOf(address(devices), keccak256(abi.encode(typehash, device, profile, location, nonce, deadline)));
    }
}