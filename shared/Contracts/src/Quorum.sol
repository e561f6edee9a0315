// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ActiveSet} from "./ActiveSet.sol";

/// @title Quorum
/// @notice Checks that floor(2n/3) + 1 of the n active signers signed one digest.
/// @dev `signers` is a mask: bit i set means signer i of the active set signed. `signatures` holds one 64-byte EIP-2098
/// signature per set bit, in ascending order of the bits. A mask cannot name a signer twice, so there is nothing to sort or
/// to remember; whoever submits pays about 3,300 gas a signature, besides its call data.
library Quorum {
    uint256 internal constant SIGNATURE_BYTES = 64;
    /// @dev n / 2 of secp256k1: a signature with a higher s is the same signature written twice (EIP-2).
    uint256 internal constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    error Quorum_TooFewSigners(uint256 signed, uint256 needed);
    error Quorum_UnknownSigner(uint256 index, uint256 count);
    error Quorum_SignatureBytes(uint256 given, uint256 expected);
    error Quorum_BadSignature(uint256 index, address expected);

    /// @dev Reverts unless a quorum of the list at `list` signed `digest`.
    function check(address list, bytes32 digest, uint256 signers, bytes calldata signatures) internal view {
        bytes memory packed = list.code;
        // Nothing below can overflow: a list has 1 to 256 signers, and memory and call data are far below 2^64 bytes.
        unchecked {
            uint256 count = (packed.length - ActiveSet.PREFIX_BYTES) / ActiveSet.SIGNER_BYTES;
            if (count < 256 && signers >> count != 0) revert Quorum_UnknownSigner(highestBit(signers), count);
            uint256 offset = 0;
            uint256 index = 0;
            for (uint256 rest = signers; rest != 0; rest >>= 1) {
                if (rest & 1 != 0) {
                    if (offset + SIGNATURE_BYTES > signatures.length) {
                        revert Quorum_SignatureBytes(signatures.length, offset + SIGNATURE_BYTES);
                    }
                    address expected = ActiveSet.signerAt(packed, index);
                    // No active signer is the zero address, so a failed recovery (zero) never matches.
                    if (recover(digest, signatures, offset) != expected) revert Quorum_BadSignature(index, expected);
                    offset += SIGNATURE_BYTES;
                }
                ++index;
            }
            uint256 signed = offset / SIGNATURE_BYTES;
            uint256 needed = ActiveSet.quorumOf(count);
            if (signed < needed) revert Quorum_TooFewSigners(signed, needed);
            if (signatures.length != offset) revert Quorum_SignatureBytes(signatures.length, offset);
        }
    }

    /// @dev Who made the EIP-2098 signature at `offset`; zero when it is none or its s is high.
    function recover(bytes32 digest, bytes calldata signatures, uint256 offset) internal view returns (address signer) {
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            let at := add(signatures.offset, offset)
            let vs := calldataload(add(at, 0x20))
            let s := shr(1, shl(1, vs))
            mstore(0x00, 0)
            if iszero(gt(s, HALF_ORDER)) {
                mstore(pointer, digest)
                mstore(add(pointer, 0x20), add(27, shr(255, vs)))
                mstore(add(pointer, 0x40), calldataload(at))
                mstore(add(pointer, 0x60), s)
                // A failed recovery returns nothing and leaves the zero.
                pop(staticcall(gas(), 1, pointer, 0x80, 0x00, 0x20))
            }
            signer := mload(0x00)
        }
    }

    function highestBit(uint256 value) private pure returns (uint256 bit) {
        while (value >> bit > 1) ++bit;
    }
}
