// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeviceRegistry} from "../src/DeviceRegistry.sol";
import {Network} from "./Network.sol";

/// @notice Registration and revocation, with the precompile. The fallback's tests inherit these.
contract DeviceRegistryTest is Network {
    address internal owner = makeAddr("owner");

    struct Claim {
        uint8 keyKind;
        bytes32 x;
        bytes32 y;
        bytes32 r;
        bytes32 s;
        address owner;
    }

    function setUp() public {
        startNetwork(1);
    }

    function test_a_devices_own_signature_registers_it_for_the_owner_it_names() public {
        Claim memory claim = claimOf(DEVICE_KEY, 1, owner);
        bytes20 device = deviceOf(DEVICE_KEY);
        vm.expectEmit(true, true, true, true);
        emit DeviceRegistry.DeviceRegistered(device, owner, claim.x, claim.y, 1);
        vm.prank(makeAddr("anyone may pay"));
        vm.assertEq(bytes32(register(claim)), bytes32(device));

        vm.assertEq(devices.ownerOf(tokenOf(device)), owner);
        vm.assertEq(devices.balanceOf(owner), 1);
        DeviceRegistry.Device memory found = devices.deviceOf(device);
        vm.assertEq(found.x, claim.x);
        vm.assertEq(found.y, claim.y);
        vm.assertEq(found.keyKind, 1);
        vm.assertEq(found.registeredAt, FIRST_TIME);
        vm.assertEq(found.revokedAt, 0);
    }

    function test_an_unknown_device_is_all_zero() public view {
        DeviceRegistry.Device memory found = devices.deviceOf(deviceOf(DEVICE_KEY));
        vm.assertEq(found.x, 0);
        vm.assertEq(found.y, 0);
        vm.assertEq(found.keyKind, 0);
        vm.assertEq(found.registeredAt, 0);
        vm.assertEq(found.revokedAt, 0);
    }

    function testFuzz_a_device_is_registered_once(uint8 kind, address second) public {
        vm.assume(second != address(0));
        register(claimOf(DEVICE_KEY, 1, owner));
        Claim memory again = claimOf(DEVICE_KEY, uint8(bound(kind, 1, 3)), second);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_AlreadyRegistered.selector, deviceOf(DEVICE_KEY)));
        register(again);
    }

    function test_a_claim_seen_in_the_pool_cannot_be_taken_for_another_owner() public {
        Claim memory claim = claimOf(DEVICE_KEY, 1, owner);
        claim.owner = makeAddr("thief");
        expectBadSignature(claim);
    }

    function test_a_claim_for_another_registry_chain_or_kind_is_refused() public {
        DeviceRegistry other = new DeviceRegistry(parameters, address(disputes));
        expectBadSignature(signClaim(DEVICE_KEY, messageOf(1, block.chainid, address(other), owner), 1, owner));
        expectBadSignature(signClaim(DEVICE_KEY, messageOf(1, block.chainid + 1, address(devices), owner), 1, owner));
        expectBadSignature(signClaim(DEVICE_KEY, messageOf(2, block.chainid, address(devices), owner), 1, owner));
    }

    function testFuzz_another_keys_signature_is_refused(uint64 key) public {
        uint256 stranger = uint256(key) + 1;
        vm.assume(stranger != DEVICE_KEY);
        Claim memory claim = claimOf(stranger, 1, owner);
        (uint256 x, uint256 y) = vm.publicKeyP256(DEVICE_KEY);
        (claim.x, claim.y) = (bytes32(x), bytes32(y));
        expectBadSignature(claim);
    }

    function test_a_high_s_is_refused() public {
        Claim memory claim = claimOf(DEVICE_KEY, 1, owner);
        claim.s = bytes32(P256_ORDER - uint256(claim.s));
        expectBadSignature(claim);
    }

    function test_a_frames_signature_is_no_claim() public {
        // The magic differs ("DF", "DC"), so what a device signs as a frame can never register it.
        expectBadSignature(signClaim(DEVICE_KEY, headerOf(DEVICE_KEY, 1, 0), 1, owner));
    }

    function test_a_key_off_the_curve_is_refused() public {
        Claim memory claim = claimOf(DEVICE_KEY, 1, owner);
        claim.y = bytes32(uint256(claim.y) ^ 1);
        bytes20 id = bytes20(uint160(uint256(sha256(abi.encodePacked(claim.x, claim.y)))));
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_BadSignature.selector, id));
        register(claim);
    }

    function testFuzz_an_unknown_key_kind_is_refused(uint8 kind) public {
        vm.assume(kind == 0 || kind > 3);
        Claim memory claim = claimOf(DEVICE_KEY, kind, owner);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_UnknownKeyKind.selector, kind));
        register(claim);
    }

    function test_no_owner_is_refused() public {
        Claim memory claim = claimOf(DEVICE_KEY, 1, address(0));
        vm.expectRevert(DeviceRegistry.DeviceRegistry_OwnerZero.selector);
        register(claim);
    }

    function test_the_owner_revokes_for_good() public {
        register(claimOf(DEVICE_KEY, 2, owner));
        bytes20 device = deviceOf(DEVICE_KEY);
        vm.warp(FIRST_TIME + 100);
        vm.expectEmit(true, true, true, true);
        emit DeviceRegistry.DeviceRevoked(device, uint64(FIRST_TIME + 100));
        vm.prank(owner);
        devices.revoke(device);
        DeviceRegistry.Device memory found = devices.deviceOf(device);
        vm.assertEq(found.revokedAt, FIRST_TIME + 100);
        vm.assertEq(found.registeredAt, FIRST_TIME);
        vm.assertEq(found.keyKind, 2);

        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_AlreadyRevoked.selector, device));
        devices.revoke(device);
        Claim memory again = claimOf(DEVICE_KEY, 1, owner);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_AlreadyRegistered.selector, device));
        register(again);
    }

    function test_a_transfer_carries_kind_and_times_and_a_revocation() public {
        register(claimOf(DEVICE_KEY, 2, owner));
        bytes20 device = deviceOf(DEVICE_KEY);
        vm.prank(owner);
        devices.revoke(device);
        vm.prank(owner);
        devices.transferFrom(owner, makeAddr("buyer"), tokenOf(device));
        DeviceRegistry.Device memory found = devices.deviceOf(device);
        vm.assertEq(devices.ownerOf(tokenOf(device)), makeAddr("buyer"));
        vm.assertEq(found.keyKind, 2);
        vm.assertEq(found.registeredAt, FIRST_TIME);
        vm.assertEq(found.revokedAt, FIRST_TIME);
    }

    function testFuzz_a_stranger_cannot_revoke(address stranger) public {
        // The zero address sends no transaction; to ERC-721 it is "nobody is approved".
        vm.assume(stranger != owner && stranger != address(0));
        register(claimOf(DEVICE_KEY, 1, owner));
        bytes20 device = deviceOf(DEVICE_KEY);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_NotOwner.selector, device, stranger));
        devices.revoke(device);
    }

    function test_who_is_approved_may_revoke_and_a_former_owner_may_not() public {
        register(claimOf(DEVICE_KEY, 1, owner));
        register(claimOf(DEVICE_KEY + 1, 1, owner));
        bytes20 device = deviceOf(DEVICE_KEY);
        vm.prank(owner);
        devices.approve(makeAddr("operator"), tokenOf(device));
        vm.prank(makeAddr("operator"));
        devices.revoke(device);

        bytes20 sold = deviceOf(DEVICE_KEY + 1);
        vm.prank(owner);
        devices.transferFrom(owner, makeAddr("buyer"), tokenOf(sold));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_NotOwner.selector, sold, owner));
        devices.revoke(sold);
    }

    function test_an_unknown_device_cannot_be_revoked() public {
        bytes20 device = deviceOf(DEVICE_KEY);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_NotRegistered.selector, device));
        devices.revoke(device);
    }

    function test_it_is_an_erc721_with_metadata() public {
        register(claimOf(DEVICE_KEY, 1, owner));
        vm.assertTrue(devices.supportsInterface(0x80ac58cd));
        vm.assertTrue(devices.supportsInterface(0x5b5e139f));
        vm.assertEq(devices.name(), "DePIN Edge Device");
        vm.assertEq(devices.symbol(), "DEPIN");
        vm.assertEq(bytes(devices.tokenURI(tokenOf(deviceOf(DEVICE_KEY)))).length, 96);
    }

    function messageOf(uint8 kind, uint256 chain, address registry_, address owner_) internal pure returns (bytes memory message) {
        message = abi.encodePacked("DC", uint8(1), kind, chain, registry_, owner_);
        vm.assertEq(message.length, 76);
    }

    function claimOf(uint256 key, uint8 kind, address owner_) internal view returns (Claim memory) {
        return signClaim(key, messageOf(kind, block.chainid, address(devices), owner_), kind, owner_);
    }

    function signClaim(uint256 key, bytes memory message, uint8 kind, address owner_) internal pure returns (Claim memory) {
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        (bytes32 r, bytes32 s) = signLow(key, sha256(message));
        return Claim(kind, bytes32(x), bytes32(y), r, s, owner_);
    }

    function register(Claim memory c) internal returns (bytes20) {
        return devices.register(c.keyKind, c.x, c.y, c.r, c.s, c.owner);
    }

    function expectBadSignature(Claim memory claim) internal {
        bytes20 id = bytes20(uint160(uint256(sha256(abi.encodePacked(claim.x, claim.y)))));
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_BadSignature.selector, id));
        register(claim);
    }

    function tokenOf(bytes20 device) internal pure returns (uint256) {
        return uint256(uint160(device));
    }
}

/// @notice The same on a chain without the precompile.
/// @dev Fewer runs: the fallback interprets a thousand times more opcodes.
/// forge-config: default.evm_version = "prague"
/// forge-config: default.fuzz.runs = 24
contract DeviceRegistryFallbackTest is DeviceRegistryTest {}
