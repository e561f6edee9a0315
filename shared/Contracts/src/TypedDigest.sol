// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title TypedDigest
/// @notice The EIP-712 digest, which is what is signed.
library TypedDigest {
    /// @dev "\x19\x01" then the separator then the struct's hash.
    function hash(bytes32 separator, bytes32 structHash) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore(pointer, hex"1901")
            mstore(add(pointer, 0x02), separator)
            mstore(add(pointer, 0x22), structHash)
            digest := keccak256(pointer, 0x42)
        }
    }
}
