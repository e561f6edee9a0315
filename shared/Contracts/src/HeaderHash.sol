// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ledger} from "./Ledger.sol";

/// @title HeaderHash
/// @notice EIP-712 struct hashes of what gateways sign about frames: batch headers and anchors.
/// @dev Over the call data as it lies there, which is the struct's encoding. A field with bits beyond its type gives another hash
/// than anyone signed.
library HeaderHash {
    bytes32 private constant ANCHOR_TYPEHASH =
        keccak256("Anchor(uint64 epoch,bytes32 previous,bytes32 root,uint32 batches,uint64 frames)");
    bytes32 private constant BATCH_TYPEHASH = keccak256(
        "Batch(address gateway,uint64 number,bytes32 previous,bytes32 root,uint32 frames,uint32 samples,uint64 firstReceivedMs,uint64 lastReceivedMs,bytes32 body)"
    );

    /// @dev Five words.
    function ofAnchor(Ledger.Anchor calldata a) internal pure returns (bytes32 hash) {
        bytes32 typehash = ANCHOR_TYPEHASH;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore(pointer, typehash)
            calldatacopy(add(pointer, 0x20), a, 0xa0)
            hash := keccak256(pointer, 0xc0)
        }
    }

    /// @dev Nine words.
    function ofBatch(Ledger.Batch calldata b) internal pure returns (bytes32 hash) {
        bytes32 typehash = BATCH_TYPEHASH;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore(pointer, typehash)
            calldatacopy(add(pointer, 0x20), b, 0x120)
            hash := keccak256(pointer, 0x140)
        }
    }
}
