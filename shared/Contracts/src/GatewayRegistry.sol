// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {ActiveSet} from "./ActiveSet.sol";
import {EvidenceDomain} from "./EvidenceDomain.sol";
import {Quorum} from "./Quorum.sol";

/// @title GatewayRegistry
/// @notice Which gateways may attest: their signing addresses (the active set), TLS keys and endpoints.
/// @dev The set changes only by a quorum of itself; there is no owner key and no proxy. Each version of the set is stored as
/// code (ActiveSet), stays readable for ever, and is never empty and never longer than 256. This contract creates nothing but
/// those lists: their addresses are counted from its nonce.
contract GatewayRegistry is EvidenceDomain {
    /// @param signer Address of the secp256k1 key that signs attestations
    /// @param tlsKeyHash SHA-256 of the gateway's TLS public key (SubjectPublicKeyInfo, DER)
    /// @param endpoint Where its peers reach it, at most 256 bytes of URL
    struct Gateway {
        address signer;
        bytes32 tlsKeyHash;
        string endpoint;
    }

    struct Record {
        bytes32 tlsKeyHash;
        string endpoint;
        bool active;
    }

    uint256 public constant ENDPOINT_BYTES_MAX = 256;

    bytes32 private constant GATEWAY_TYPEHASH = keccak256("Gateway(address signer,bytes32 tlsKeyHash,string endpoint)");
    bytes32 private constant CHANGE_TYPEHASH =
        keccak256("Change(uint64 version,Gateway[] added,address[] removed)Gateway(address signer,bytes32 tlsKeyHash,string endpoint)");

    /// @notice Number of the active set, from 1; +1 with each change. It is the nonce of the next change's signatures.
    uint64 public version;
    mapping(address signer => Record) private _records;

    event GatewayAdded(address indexed signer, bytes32 tlsKeyHash, string endpoint);
    event GatewayRemoved(address indexed signer);
    event GatewayUpdated(address indexed signer, bytes32 tlsKeyHash, string endpoint);
    event ActiveSetChanged(uint64 indexed version, address list, uint256 count);

    error GatewayRegistry_SetEmpty();
    error GatewayRegistry_SetTooLarge(uint256 count, uint256 max);
    error GatewayRegistry_SignerZero();
    error GatewayRegistry_AlreadyActive(address signer);
    error GatewayRegistry_NotActive(address signer);
    error GatewayRegistry_EndpointTooLong(uint256 length, uint256 max);
    error GatewayRegistry_NothingChanged();
    error GatewayRegistry_UnknownVersion(uint64 version);

    /// @notice Starts the network with its first gateways.
    /// @param initial At least one, at most 256, no signer twice; their order is the order of the signer mask
    constructor(Gateway[] memory initial) {
        bytes memory packed;
        for (uint256 i = 0; i < initial.length; ++i) {
            _add(initial[i]);
            packed = bytes.concat(packed, bytes20(initial[i].signer));
        }
        _store(packed);
    }

    /// @notice Changes the active set: removes first, then adds at the end. The others keep their order.
    /// @param added Gateways to add, none active once the removals are done
    /// @param removed Signers to remove, all active
    /// @param signers Bit i set: signer i of the current set signed
    /// @param signatures One 64-byte EIP-2098 signature a bit, ascending, over EIP-712
    /// Change(uint64 version,Gateway[] added,address[] removed) with the current `version`
    function change(Gateway[] calldata added, address[] calldata removed, uint256 signers, bytes calldata signatures) external {
        if (added.length == 0 && removed.length == 0) revert GatewayRegistry_NothingChanged();
        address list = ActiveSet.addressOf(address(this), version);
        Quorum.check(list, _typedDigest(_hashChange(added, removed)), signers, signatures);

        for (uint256 i = 0; i < removed.length; ++i) {
            if (!_records[removed[i]].active) revert GatewayRegistry_NotActive(removed[i]);
            delete _records[removed[i]];
            emit GatewayRemoved(removed[i]);
        }
        address[] memory current = ActiveSet.read(list);
        bytes memory packed;
        for (uint256 i = 0; i < current.length; ++i) {
            if (_records[current[i]].active) packed = bytes.concat(packed, bytes20(current[i]));
        }
        for (uint256 i = 0; i < added.length; ++i) {
            _add(added[i]);
            packed = bytes.concat(packed, bytes20(added[i].signer));
        }
        _store(packed);
    }

    /// @notice An active gateway changes its own TLS key and endpoint.
    /// @param tlsKeyHash SHA-256 of the new TLS public key
    /// @param endpoint Where its peers reach it from now on, at most 256 bytes
    function update(bytes32 tlsKeyHash, string calldata endpoint) external {
        Record storage record = _records[msg.sender];
        if (!record.active) revert GatewayRegistry_NotActive(msg.sender);
        _checkEndpoint(bytes(endpoint).length);
        record.tlsKeyHash = tlsKeyHash;
        record.endpoint = endpoint;
        emit GatewayUpdated(msg.sender, tlsKeyHash, endpoint);
    }

    /// @notice The signers of the active set, in the order of the signer mask's bits.
    function active() external view returns (address[] memory) {
        return ActiveSet.read(ActiveSet.addressOf(address(this), version));
    }

    /// @notice The signers of an earlier version of the set, for who checks an old quorum.
    /// @param setVersion From 1 to `version`
    function activeAt(uint64 setVersion) external view returns (address[] memory) {
        if (setVersion == 0 || setVersion > version) revert GatewayRegistry_UnknownVersion(setVersion);
        return ActiveSet.read(ActiveSet.addressOf(address(this), setVersion));
    }

    /// @notice The active gateways with their TLS keys and endpoints, in the order of the signer mask's bits.
    function gateways() external view returns (Gateway[] memory all) {
        address[] memory signers = ActiveSet.read(ActiveSet.addressOf(address(this), version));
        all = new Gateway[](signers.length);
        for (uint256 i = 0; i < signers.length; ++i) {
            Record storage record = _records[signers[i]];
            all[i] = Gateway(signers[i], record.tlsKeyHash, record.endpoint);
        }
    }

    /// @notice Whether a signer is in the active set.
    /// @param signer The gateway's signing address
    function isActive(address signer) external view returns (bool) {
        return _records[signer].active;
    }

    /// @notice Signatures a change or an anchor needs now: floor(2n/3) + 1.
    function quorum() external view returns (uint256) {
        return ActiveSet.quorumOf(ActiveSet.countAt(ActiveSet.addressOf(address(this), version)));
    }

    function _add(Gateway memory gateway) private {
        if (gateway.signer == address(0)) revert GatewayRegistry_SignerZero();
        if (_records[gateway.signer].active) revert GatewayRegistry_AlreadyActive(gateway.signer);
        _checkEndpoint(bytes(gateway.endpoint).length);
        _records[gateway.signer] = Record(gateway.tlsKeyHash, gateway.endpoint, true);
        emit GatewayAdded(gateway.signer, gateway.tlsKeyHash, gateway.endpoint);
    }

    function _store(bytes memory packed) private {
        uint256 count = packed.length / ActiveSet.SIGNER_BYTES;
        if (count == 0) revert GatewayRegistry_SetEmpty();
        if (count > ActiveSet.SIGNERS_MAX) revert GatewayRegistry_SetTooLarge(count, ActiveSet.SIGNERS_MAX);
        uint64 next = ++version;
        address list = SSTORE2.write(packed);
        assert(list == ActiveSet.addressOf(address(this), next));
        emit ActiveSetChanged(next, list, count);
    }

    function _checkEndpoint(uint256 length) private pure {
        if (length > ENDPOINT_BYTES_MAX) revert GatewayRegistry_EndpointTooLong(length, ENDPOINT_BYTES_MAX);
    }

    /// @dev EIP-712: an array is hashed as the hash of its encoded elements, a string as its own hash.
    function _hashChange(Gateway[] calldata added, address[] calldata removed) private view returns (bytes32) {
        bytes32[] memory addedHashes = new bytes32[](added.length);
        for (uint256 i = 0; i < added.length; ++i) {
            addedHashes[i] =
                keccak256(abi.encode(GATEWAY_TYPEHASH, added[i].signer, added[i].tlsKeyHash, keccak256(bytes(added[i].endpoint))));
        }
        return keccak256(
            abi.encode(CHANGE_TYPEHASH, version, keccak256(abi.encodePacked(addedHashes)), keccak256(abi.encodePacked(removed)))
        );
    }
}
