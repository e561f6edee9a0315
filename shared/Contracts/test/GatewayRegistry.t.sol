// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ActiveSet} from "../src/ActiveSet.sol";
import {GatewayRegistry} from "../src/GatewayRegistry.sol";
import {Quorum} from "../src/Quorum.sol";
import {Network} from "./Network.sol";

/// @notice What the registry's tests share: how a change is hashed and signed.
abstract contract Changes is Network {
    GatewayRegistry.Gateway[] internal none;
    address[] internal nobody;

    function changeHash(uint64 version, GatewayRegistry.Gateway[] memory added, address[] memory removed) internal pure returns (bytes32) {
        bytes memory hashes;
        for (uint256 i = 0; i < added.length; ++i) {
            hashes = bytes.concat(
                hashes,
                keccak256(
                    abi.encode(
                        keccak256("Gateway(address signer,bytes32 tlsKeyHash,string endpoint)"),
                        added[i].signer,
                        added[i].tlsKeyHash,
                        keccak256(bytes(added[i].endpoint))
                    )
                )
            );
        }
        return keccak256(
            abi.encode(
                keccak256(
                    "Change(uint64 version,Gateway[] added,address[] removed)Gateway(address signer,bytes32 tlsKeyHash,string endpoint)"
                ),
                version,
                keccak256(hashes),
                keccak256(abi.encodePacked(removed))
            )
        );
    }

    function change(GatewayRegistry.Gateway[] memory added, address[] memory removed, uint256 signers) internal {
        bytes32 digest = digestOf(address(registry), changeHash(registry.version(), added, removed));
        registry.change(added, removed, signers, signAll(digest, signers));
    }

    /// @dev External, so that vm.expectRevert sees a call.
    function create(GatewayRegistry.Gateway[] memory initial) public returns (GatewayRegistry) {
        return new GatewayRegistry(initial, wiring(address(ledger), address(disputes)));
    }

    function only(GatewayRegistry.Gateway memory one) internal pure returns (GatewayRegistry.Gateway[] memory list) {
        list = new GatewayRegistry.Gateway[](1);
        list[0] = one;
    }
}

contract GatewayRegistryTest is Changes {
    function setUp() public {
        startNetwork(4);
    }

    function test_the_first_set_is_as_given() public view {
        address[] memory signers = registry.active();
        vm.assertEq(signers.length, 4);
        GatewayRegistry.Gateway[] memory all = registry.gateways();
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(signers[i], gateway(i).signer);
            vm.assertEq(all[i].signer, gateway(i).signer);
            vm.assertEq(all[i].tlsKeyHash, gateway(i).tlsKeyHash);
            vm.assertEq(all[i].endpoint, gateway(i).endpoint);
            vm.assertTrue(registry.isActive(signers[i]));
        }
        vm.assertEq(registry.version(), 1);
        vm.assertEq(registry.quorum(), 3);
    }

    function test_a_first_set_without_gateways_with_zero_or_with_one_twice_is_refused() public {
        vm.expectRevert(GatewayRegistry.GatewayRegistry_SetEmpty.selector);
        create(new GatewayRegistry.Gateway[](0));
        vm.expectRevert(GatewayRegistry.GatewayRegistry_SignerZero.selector);
        create(new GatewayRegistry.Gateway[](1));
        GatewayRegistry.Gateway[] memory twice = firstGateways(2);
        twice[1] = twice[0];
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_AlreadyActive.selector, twice[0].signer));
        create(twice);
    }

    function test_257_gateways_are_too_many() public {
        GatewayRegistry.Gateway[] memory many = firstGateways(257);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_SetTooLarge.selector, 257, 256));
        create(many);
    }

    function test_a_quorum_adds_and_removes_and_the_rest_keeps_its_order() public {
        vm.expectEmit(true, true, true, true);
        emit GatewayRegistry.GatewayRemoved(gateway(1).signer);
        vm.expectEmit(true, true, true, true);
        emit GatewayRegistry.GatewayAdded(gateway(4).signer, gateway(4).tlsKeyHash, gateway(4).endpoint);
        vm.expectEmit(true, true, true, true);
        emit GatewayRegistry.ActiveSetChanged(2, ActiveSet.addressOf(address(registry), 2), 4);
        change(only(gateway(4)), only(gateway(1).signer), 0xd);

        address[] memory signers = registry.active();
        vm.assertEq(signers.length, 4);
        vm.assertEq(signers[0], gateway(0).signer);
        vm.assertEq(signers[1], gateway(2).signer);
        vm.assertEq(signers[2], gateway(3).signer);
        vm.assertEq(signers[3], gateway(4).signer);
        vm.assertFalse(registry.isActive(gateway(1).signer));
        vm.assertEq(registry.activeAt(1)[1], gateway(1).signer);
    }

    function test_a_gateway_may_come_back_with_new_particulars_in_one_change() public {
        GatewayRegistry.Gateway memory renewed = gateway(0);
        renewed.endpoint = "https://moved.example";
        change(only(renewed), only(renewed.signer), 0x7);
        GatewayRegistry.Gateway[] memory all = registry.gateways();
        vm.assertEq(all[3].signer, renewed.signer);
        vm.assertEq(all[3].endpoint, "https://moved.example");
    }

    function test_a_change_without_quorum_is_refused() public {
        bytes32 digest = digestOf(address(registry), changeHash(1, only(gateway(4)), nobody));
        bytes memory two = signAll(digest, 0x3);
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_TooFewSigners.selector, 2, 3));
        registry.change(only(gateway(4)), nobody, 0x3, two);
    }

    function test_a_change_is_not_replayed() public {
        bytes32 digest = digestOf(address(registry), changeHash(1, only(gateway(4)), nobody));
        bytes memory signatures = signAll(digest, 0x7);
        registry.change(only(gateway(4)), nobody, 0x7, signatures);
        change(none, only(gateway(4).signer), 0xf);
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 0, gateway(0).signer));
        registry.change(only(gateway(4)), nobody, 0x7, signatures);
    }

    function test_a_change_for_another_registry_or_chain_is_refused() public {
        GatewayRegistry other = create(firstGateways(4));
        bytes32 hash = changeHash(1, only(gateway(4)), nobody);
        bytes memory signatures = signAll(digestOf(address(other), hash), 0x7);
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 0, gateway(0).signer));
        registry.change(only(gateway(4)), nobody, 0x7, signatures);
        signatures = signAll(digestOf(address(registry), hash), 0x7);
        vm.chainId(99);
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 0, gateway(0).signer));
        registry.change(only(gateway(4)), nobody, 0x7, signatures);
    }

    function test_the_set_never_becomes_empty() public {
        address[] memory all = registry.active();
        bytes memory signatures = signAll(digestOf(address(registry), changeHash(1, none, all)), 0x7);
        vm.expectRevert(GatewayRegistry.GatewayRegistry_SetEmpty.selector);
        registry.change(none, all, 0x7, signatures);
    }

    function test_who_is_active_is_not_added_and_who_is_not_is_not_removed() public {
        bytes memory signatures = signAll(digestOf(address(registry), changeHash(1, only(gateway(2)), nobody)), 0x7);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_AlreadyActive.selector, gateway(2).signer));
        registry.change(only(gateway(2)), nobody, 0x7, signatures);

        address[] memory twice = new address[](2);
        twice[0] = gateway(2).signer;
        twice[1] = gateway(2).signer;
        signatures = signAll(digestOf(address(registry), changeHash(1, none, twice)), 0x7);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_NotActive.selector, gateway(2).signer));
        registry.change(none, twice, 0x7, signatures);
    }

    function test_a_change_of_nothing_is_refused() public {
        vm.expectRevert(GatewayRegistry.GatewayRegistry_NothingChanged.selector);
        registry.change(none, nobody, 0, "");
    }

    function test_a_member_updates_itself_and_nobody_else_does() public {
        vm.prank(gateway(1).signer);
        vm.expectEmit(true, true, true, true);
        emit GatewayRegistry.GatewayUpdated(gateway(1).signer, "key", "https://new.example");
        registry.update("key", "https://new.example");
        vm.assertEq(registry.gateways()[1].endpoint, "https://new.example");
        vm.assertEq(registry.gateways()[1].tlsKeyHash, "key");
        vm.assertEq(registry.version(), 1);

        vm.prank(makeAddr("stranger"));
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_NotActive.selector, makeAddr("stranger")));
        registry.update("key", "https://new.example");
    }

    function test_an_endpoint_of_257_bytes_is_too_long() public {
        string memory longest = string(new bytes(256));
        string memory tooLong = string(new bytes(257));
        vm.prank(gateway(1).signer);
        registry.update("key", longest);
        vm.prank(gateway(1).signer);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_EndpointTooLong.selector, 257, 256));
        registry.update("key", tooLong);
    }

    function testFuzz_an_unknown_version_is_refused(uint64 version) public {
        vm.assume(version != 1);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_UnknownVersion.selector, version));
        registry.activeAt(version);
    }
}
