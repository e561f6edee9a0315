// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TypedDigest} from "./TypedDigest.sol";

/// @title EvidenceDomain
/// @notice The EIP-712 domain of everything gateways sign: name "DePIN Edge", version "1", this chain, this contract.
/// @dev A signature for one ledger, one registry or one chain is worth nothing on another.
abstract contract EvidenceDomain {
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME_HASH = keccak256("DePIN Edge");
    bytes32 private constant VERSION_HASH = keccak256("1");

    uint256 private immutable _chainId = block.chainid;
    bytes32 private immutable _separator = _computeSeparator();

    /// @notice The EIP-712 domain separator on this chain.
    /// @return The 32-byte separator. It follows the chain id, so a fork of the chain gets its own.
    function domainSeparator() public view returns (bytes32) {
        return block.chainid == _chainId ? _separator : _computeSeparator();
    }

    /// @dev What gateways sign: EIP-712, "\x19\x01" then the separator then the struct's hash.
    function _typedDigest(bytes32 structHash) internal view returns (bytes32) {
        return TypedDigest.hash(domainSeparator(), structHash);
    }

    function _computeSeparator() private view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this)));
    }
}
