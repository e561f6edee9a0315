// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LibRLP} from "solady/utils/LibRLP.sol";

/// @title ActiveSet
/// @notice Where a registry's list of active signers is, and how it is read: as code, for one cold account access however
/// long the list is.
/// @dev Version k of the list is the k-th contract the registry created (EIP-161: a contract's nonce starts at 1), so its
/// address follows from the registry's address and k. A reader that remembers k only asks whether k + 1 has code: 2,600 gas
/// in place of a call, a storage read and a copy. The registry must create nothing else. The code is one STOP byte (solady's
/// SSTORE2 layout), the epoch the list is in force from (8 bytes), then 20 bytes a signer.
library ActiveSet {
    /// @dev More would not fit the 256-bit signer mask.
    uint256 internal constant SIGNERS_MAX = 256;
    uint256 internal constant SIGNER_BYTES = 20;
    /// @dev The STOP byte that keeps the data from being run, and the epoch.
    uint256 internal constant PREFIX_BYTES = 9;

    /// @dev The address of version `version` (from 1) of `registry`'s list.
    function addressOf(address registry, uint256 version) internal pure returns (address) {
        return LibRLP.computeAddress(registry, version);
    }

    /// @dev The version in force in `epoch`: the newest one at or after `known`, which must be in force, whose epoch has come, but at most
    /// `most` versions on. One access when nothing changed.
    function inForce(address registry, uint256 known, uint256 epoch, uint256 most) internal view returns (uint256 version) {
        version = known;
        for (uint256 i = 0; i < most; ++i) {
            address next = addressOf(registry, version + 1);
            if (next.code.length == 0 || epochOf(next) > epoch) return version;
            ++version;
        }
    }

    /// @dev The epoch the list at `list` is in force from.
    function epochOf(address list) internal view returns (uint256 epoch) {
        assembly ("memory-safe") {
            mstore(0x00, 0)
            extcodecopy(list, 0x18, 1, 8)
            epoch := mload(0x00)
        }
    }

    /// @dev Signers in the list at `list`.
    function countAt(address list) internal view returns (uint256) {
        return (list.code.length - PREFIX_BYTES) / SIGNER_BYTES;
    }

    /// @dev Signatures that make a quorum of `count` signers: floor(2n/3) + 1. No parameter: with fewer, two quorums need not
    /// share an honest gateway; with more, a third that is away stops the network.
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
            // 0x20 length + 9 prefix bytes + 20 a signer; the top 20 bytes of the word read are the address.
            signer := shr(96, mload(add(add(packed, 0x29), mul(index, 20))))
        }
    }
}
