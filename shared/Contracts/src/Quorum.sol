// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "solady/utils/ECDSA.sol";
import {ActiveSet} from "./ActiveSet.sol";

/// @title Quorum
/// @notice Checks that floor(2n/3) + 1 of the n active signers signed one digest.
/// @dev `signers` is a mask: bit i set means signer i of the active set signed. `signatures` holds one 64-byte EIP-2098
/// signature per set bit, in ascending order of the bits. A mask cannot name a signer twice, so there is nothing to sort or
/// to remember; whoever submits pays about 4,000 gas a signature.
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
        uint256 count;
        unchecked {
            // The registry wrote the list: it is never shorter than the prefix and one signer.
            count = (packed.length - ActiveSet.PREFIX_BYTES) / ActiveSet.SIGNER_BYTES;
        }
        uint256 needed = ActiveSet.quorumOf(count);
        uint256 signed = 0;
        uint256 index = 0;
        uint256 rest = signers;
        while (rest != 0) {
            if (rest & 1 != 0) {
                if (index >= count) revert Quorum_UnknownSigner(index, count);
                bytes32 r;
                bytes32 vs;
                if (signatures.length < (signed + 1) * SIGNATURE_BYTES) {
                    revert Quorum_SignatureBytes(signatures.length, (signed + 1) * SIGNATURE_BYTES);
                }
                assembly ("memory-safe") {
                    let offset := add(signatures.offset, shl(6, signed))
                    r := calldataload(offset)
                    vs := calldataload(add(offset, 0x20))
                }
                address expected = ActiveSet.at(packed, index);
                // No active signer is the zero address, so a failed recovery (zero) never matches.
                if ((uint256(vs) << 1) >> 1 > HALF_ORDER || ECDSA.tryRecover(digest, r, vs) != expected) {
                    revert Quorum_BadSignature(index, expected);
                }
                unchecked {
                    ++signed;
                }
            }
            unchecked {
                ++index;
            }
            rest >>= 1;
        }
        if (signed < needed) revert Quorum_TooFewSigners(signed, needed);
        if (signatures.length != signed * SIGNATURE_BYTES) revert Quorum_SignatureBytes(signatures.length, signed * SIGNATURE_BYTES);
    }
}
