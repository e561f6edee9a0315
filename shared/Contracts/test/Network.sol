// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {ActiveSet} from "../src/ActiveSet.sol";
import {GatewayRegistry} from "../src/GatewayRegistry.sol";
import {Ledger} from "../src/Ledger.sol";

/// @notice A network for the tests: gateways with keys, their registry, a ledger, and what they and devices sign.
abstract contract Network is Test {
    uint64 internal constant EPOCH_SECONDS = 60;
    uint256 internal constant FIRST_TIME = 1_800_000_000;
    uint256 internal constant GATEWAY_KEY = 0xA11CE;
    uint256 internal constant DEVICE_KEY = 0xDE71CE;
    uint256 internal constant P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;

    GatewayRegistry internal registry;
    Ledger internal ledger;

    function startNetwork(uint256 gateways) internal {
        vm.warp(FIRST_TIME);
        registry = new GatewayRegistry(firstGateways(gateways));
        ledger = new Ledger(registry, EPOCH_SECONDS);
    }

    function firstGateways(uint256 count) internal pure returns (GatewayRegistry.Gateway[] memory all) {
        all = new GatewayRegistry.Gateway[](count);
        for (uint256 i = 0; i < count; ++i) {
            all[i] = gateway(i);
        }
    }

    function gateway(uint256 index) internal pure returns (GatewayRegistry.Gateway memory) {
        return GatewayRegistry.Gateway(vm.addr(keyOf(index)), keccak256(abi.encode("tls", index)), "https://gateway.example");
    }

    function keyOf(uint256 index) internal pure returns (uint256) {
        return GATEWAY_KEY + index;
    }

    /// @dev Mask of the first `count` signers.
    function firstSigners(uint256 count) internal pure returns (uint256) {
        return count == 256 ? type(uint256).max : (1 << count) - 1;
    }

    /// @dev EIP-2098 signatures of the gateways whose bits are set, ascending.
    function signAll(bytes32 digest, uint256 signers) internal pure returns (bytes memory signatures) {
        for (uint256 i = 0; i < 256; ++i) {
            if ((signers >> i) & 1 != 0) signatures = bytes.concat(signatures, signOne(keyOf(i), digest));
        }
    }

    function signOne(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    /// @dev Written here a second time, from the EIP-712 text, so that a slip in the contract does not confirm itself.
    function digestOf(address verifier, bytes32 structHash) internal view returns (bytes32) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("DePIN Edge"),
                keccak256("1"),
                block.chainid,
                verifier
            )
        );
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    function hashOf(Ledger.Anchor memory a) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("Anchor(uint64 epoch,bytes32 previous,bytes32 root,uint32 batches,uint64 frames)"),
                a.epoch,
                a.previous,
                a.root,
                a.batches,
                a.frames
            )
        );
    }

    function hashOf(Ledger.Batch memory b) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "Batch(address gateway,uint64 number,bytes32 previous,bytes32 root,uint32 frames,uint32 samples,uint64 firstReceivedMs,uint64 lastReceivedMs,bytes32 body)"
                ),
                b.gateway,
                b.number,
                b.previous,
                b.root,
                b.frames,
                b.samples,
                b.firstReceivedMs,
                b.lastReceivedMs,
                b.body
            )
        );
    }

    function nextAnchor(bytes32 root) internal view returns (Ledger.Anchor memory) {
        return Ledger.Anchor(uint64(block.timestamp / EPOCH_SECONDS), ledger.head(), root, 1, 1);
    }

    /// @dev One epoch later, anchors `root` with a quorum.
    function anchorNext(bytes32 root) internal returns (Ledger.Anchor memory a) {
        vm.warp(block.timestamp + EPOCH_SECONDS);
        a = nextAnchor(root);
        uint256 signers = firstSigners(ledger.quorum());
        ledger.anchor(a, signers, signAll(digestOf(address(ledger), hashOf(a)), signers));
    }

    function pair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(abi.encodePacked(a, b)) : keccak256(abi.encodePacked(b, a));
    }

    /// @dev A frame of `samples` samples by the device with this key.
    function buildFrame(uint256 key, uint64 sequence, uint256 samples) internal pure returns (bytes memory) {
        bytes memory payload;
        for (uint256 i = 0; i < samples; ++i) {
            payload = bytes.concat(payload, abi.encodePacked(uint16(1), int8(-2), uint8(0), uint32(i * 1000), int64(2150)));
        }
        return signFrame(key, abi.encodePacked(headerOf(key, sequence, payload.length), payload));
    }

    function headerOf(uint256 key, uint64 sequence, uint256 payloadBytes) internal pure returns (bytes memory) {
        return abi.encodePacked(
            "DF",
            uint8(1),
            uint8(1),
            uint16(1),
            uint16(payloadBytes),
            deviceOf(key),
            uint32(7),
            sequence,
            uint64(1_800_000_000_000),
            sequence == 1 ? bytes32(0) : keccak256("previous")
        );
    }

    /// @dev Appends the device's signature, low s.
    function signFrame(uint256 key, bytes memory unsigned) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 s) = signLow(key, sha256(unsigned));
        return abi.encodePacked(unsigned, r, s);
    }

    function signLow(uint256 key, bytes32 digest) internal pure returns (bytes32 r, bytes32 s) {
        (r, s) = vm.signP256(key, digest);
        if (uint256(s) > P256_ORDER / 2) s = bytes32(P256_ORDER - uint256(s));
    }

    function deviceOf(uint256 key) internal pure returns (bytes20) {
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        return bytes20(uint160(uint256(sha256(abi.encodePacked(x, y)))));
    }
}
