// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {ERC721} from "solady/tokens/ERC721.sol";
import {LibString} from "solady/utils/LibString.sol";
import {FrameFormat} from "./FrameFormat.sol";

/// @title DeviceRegistry
/// @notice Which P-256 key a device has, and who owns the device. A device is an ERC-721 token whose id is the device id.
/// @dev Only the device's own signature registers it, for one owner, on one registry, on one chain; anyone may pay. A
/// revocation is permanent. Immutable: no owner key, no proxy. The token's 96 bits of extra data hold the key kind and both
/// times, so a registration writes four slots: x, y, owner, balance.
contract DeviceRegistry is ERC721 {
    /// @notice What is known of a device. All zero when it is not registered.
    /// @param x P-256 public key, X
    /// @param y P-256 public key, Y
    /// @param keyKind 1 software, 2 secure element
    /// @param registeredAt Block time of the registration, seconds since the Unix epoch
    /// @param revokedAt Block time of the revocation; 0 while the device is good
    struct Device {
        bytes32 x;
        bytes32 y;
        uint8 keyKind;
        uint64 registeredAt;
        uint64 revokedAt;
    }

    struct Key {
        bytes32 x;
        bytes32 y;
    }

    uint8 public constant KEY_KIND_SOFTWARE = 1;
    uint8 public constant KEY_KIND_SECURE_ELEMENT = 2;

    /// @dev "DC", version 1: the first bytes of ClaimMessage in shared/Protocol.
    bytes3 private constant CLAIM_HEADER = 0x444301;

    /// @dev Extra data of a token: key kind 8 bits | registered at 40 | revoked at 40. 40 bits of seconds last 34,000 years.
    uint256 private constant REGISTERED_SHIFT = 8;
    uint256 private constant REVOKED_SHIFT = 48;
    uint256 private constant TIME_MASK = (1 << 40) - 1;

    mapping(bytes20 device => Key) private _keys;

    event DeviceRegistered(bytes20 indexed device, address indexed owner, bytes32 x, bytes32 y, uint8 keyKind);
    event DeviceRevoked(bytes20 indexed device, uint64 at);

    error DeviceRegistry_UnknownKeyKind(uint8 keyKind);
    error DeviceRegistry_OwnerZero();
    error DeviceRegistry_AlreadyRegistered(bytes20 device);
    error DeviceRegistry_BadSignature(bytes20 device);
    error DeviceRegistry_NotRegistered(bytes20 device);
    error DeviceRegistry_NotOwner(bytes20 device, address caller);
    error DeviceRegistry_AlreadyRevoked(bytes20 device);

    /// @notice Registers the device that owns the P-256 key (x, y) and gives its token to `owner`.
    /// @dev The device signs the 76-byte ClaimMessage: "DC" | 1 | key kind | chain id (32) | this address (20) | owner (20).
    /// @param keyKind 1 software, 2 secure element: the device's own claim
    /// @param x Public key, X
    /// @param y Public key, Y
    /// @param r Signature over SHA-256 of the claim, r
    /// @param s Signature, s; at most half of the group's order
    /// @param owner Who the device was claimed for
    /// @return device The device id: the last 20 bytes of SHA-256(x || y)
    function register(uint8 keyKind, bytes32 x, bytes32 y, bytes32 r, bytes32 s, address owner) external returns (bytes20 device) {
        if (keyKind != KEY_KIND_SOFTWARE && keyKind != KEY_KIND_SECURE_ELEMENT) revert DeviceRegistry_UnknownKeyKind(keyKind);
        if (owner == address(0)) revert DeviceRegistry_OwnerZero();
        device = FrameFormat.deviceOf(x, y);
        uint256 id = uint256(uint160(device));
        if (_exists(id)) revert DeviceRegistry_AlreadyRegistered(device);
        bytes32 claim = sha256(abi.encodePacked(CLAIM_HEADER, keyKind, block.chainid, address(this), owner));
        if (!P256.verify(claim, r, s, x, y)) revert DeviceRegistry_BadSignature(device);

        _keys[device] = Key(x, y);
        _mintAndSetExtraDataUnchecked(owner, id, uint96(keyKind | (block.timestamp << REGISTERED_SHIFT)));
        emit DeviceRegistered(device, owner, x, y, keyKind);
    }

    /// @notice Revokes a device for good: gateways refuse its frames from then on. What was anchored stays proven.
    /// @param device The device id; the caller must be its owner or approved for its token
    function revoke(bytes20 device) external {
        uint256 id = uint256(uint160(device));
        if (!_exists(id)) revert DeviceRegistry_NotRegistered(device);
        if (!_isApprovedOrOwner(msg.sender, id)) revert DeviceRegistry_NotOwner(device, msg.sender);
        uint96 extra = _getExtraData(id);
        if (extra >> REVOKED_SHIFT != 0) revert DeviceRegistry_AlreadyRevoked(device);

        _setExtraData(id, uint96(extra | ((block.timestamp & TIME_MASK) << REVOKED_SHIFT)));
        emit DeviceRevoked(device, uint64(block.timestamp));
    }

    /// @notice A device's key, kind and times.
    /// @param device The device id
    /// @return All zero when the device is not registered
    function deviceOf(bytes20 device) external view returns (Device memory) {
        Key memory key = _keys[device];
        uint256 extra = _getExtraData(uint256(uint160(device)));
        return Device({
            x: key.x,
            y: key.y,
            keyKind: uint8(extra),
            registeredAt: uint64((extra >> REGISTERED_SHIFT) & TIME_MASK),
            revokedAt: uint64(extra >> REVOKED_SHIFT)
        });
    }

    /// @notice ERC-721 name of the collection.
    function name() public pure override returns (string memory) {
        return "DePIN Edge Device";
    }

    /// @notice ERC-721 symbol of the collection.
    function symbol() public pure override returns (string memory) {
        return "DEPIN";
    }

    /// @notice ERC-721 metadata, held on chain: the device id is the name.
    /// @param id The device id as a number
    function tokenURI(uint256 id) public view override returns (string memory) {
        if (!_exists(id)) revert TokenDoesNotExist();
        return string.concat('data:application/json;utf8,{"name":"DePIN Edge device ', LibString.toHexStringNoPrefix(id, 20), '"}');
    }
}
