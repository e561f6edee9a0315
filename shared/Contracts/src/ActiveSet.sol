// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LibRLP} from "solady/utils/LibRLP.sol";

/// @title ActiveSet
/// @notice Where a registry's list of active signers is, and how it is read: as code, for one cold account access however
/// long the list is.
/// @dev Version k of the list is the k-th contract the registry created (EIP-161: a contract's nonce starts at 1), so its
/// address follows from the registry's address and k. A reader that remembers k only asks whether k + 1 has code: 2,600 gas
/// in place of a call, a storage read and a copy. The registry must create nothing else. The code is one STOP byte, then
/// 20 bytes a signer (solady's SSTORE2 layout).
library ActiveSet {
    /// @dev More would not fit the 256-bit signer mask.
    uint256 internal constant SIGNERS_MAX = 256;
    uint256 internal constant SIGNER_BYTES = 20;
    /// @dev The STOP byte that keeps the data from being run.
    uint256 internal constant PREFIX_BYTES = 1;

    /// @dev The address of version `version` (from 1) of `registry`'s list.
    function addressOf(address registry, uint256 version) internal pure returns (address) {
        return LibRLP.computeAddress(registry, version);
    }

    /// @dev The newest version at or after `known`, which must exist. One access when nothing changed.
    function latest(address registry, uint256 known) internal view returns (uint256 version) {
        version = known;
        while (addressOf(registry, version + 1).code.length != 0) ++version;
    }

    /// @dev Signers in the list at `list`.
    function countAt(address list) internal view returns (uint256) {
        return (list.code.length - PREFIX_BYTES) / SIGNER_BYTES;
    }

    /// @dev Signatures that make a quorum of `count` signers: floor(2n/3) + 1.
    function quorumOf(uint256 count) internal pure returns (uint256) {
        unchecked {
            return (2 * count) / 3 + 1;
        }
    }

    /// @dev The whole list, decoded, in the order of the signer mask's bits.
    function read(address list) internal view returns (address[] memory signers) {
        uint256 count = countAt(list);
        signers = new address[](count);
        bytes memory packed = list.code;
        for (uint256 i = 0; i < count; ++i) {
            signers[i] = signerAt(packed, i);
        }
    }

    /// @dev Signer `index` of a list read with `list.code`; `index` must be below its count.
    function signerAt(bytes memory packed, uint256 index) internal pure returns (address signer) {
        assembly ("memory-safe") {
            // 0x20 length + 1 prefix byte + 20 a signer; the top 20 bytes of the word read are the address.
            signer := shr(96, mload(add(add(packed, 0x21), mul(index, 20))))
        }
    }
}
