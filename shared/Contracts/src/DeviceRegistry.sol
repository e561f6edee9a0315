// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {ERC721} from "solady/tokens/ERC721.sol";
import {LibString} from "solady/utils/LibString.sol";
import {SignatureCheckerLib} from "solady/utils/SignatureCheckerLib.sol";
import {EvidenceDomain} from "./EvidenceDomain.sol";
import {FrameFormat} from "./FrameFormat.sol";
import {Parameter, Parameters} from "./Parameters.sol";

/// @title DeviceRegistry
/// @notice Which P-256 key a device has, and who owns the device. A device is an ERC-721 token whose id is the device id.
/// @dev Only the device's own signature registers it, for one owner, on one registry, on one chain; anyone may pay. It is registered
/// once, so the claim needs no counter; a change of key has one. A revocation is permanent, by the owner or by Disputes. Immutable:
/// no owner key, no proxy. The token's 96 bits of extra data hold the key kind, both times and a flag, so a registration writes four
/// slots: x, y, owner, balance.
///
/// Thousands of devices are registered by one Merkle root over their claims (`registerBatch`): they count from then on, and each
/// gets its token when someone shows its path (`registerMember`).
contract DeviceRegistry is ERC721, EvidenceDomain {
    /// @notice What is known of a device. All zero when it is not registered.
    /// @param x P-256 public key, X
    /// @param y P-256 public key, Y
    /// @param keyKind 1 software, 2 secure element, 3 secure element with its maker's attestation
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

    /// @notice A device's own claim of its owner.
    /// @param keyKind 1 software, 2 secure element, 3 attested
    /// @param x Public key, X
    /// @param y Public key, Y
    /// @param r Signature over SHA-256 of the claim, r
    /// @param s Signature, s; at most half of the group's order
    struct Claim {
        uint8 keyKind;
        bytes32 x;
        bytes32 y;
        bytes32 r;
        bytes32 s;
    }

    /// @notice What a device is for, as its owner says, and its change of key.
    /// @param profile Profile number of its frames; 0 when not said
    /// @param location Coarse place: the 25 bits of a geohash of five characters (about 5 km); 0 when not said
    /// @param suspended Whether Disputes revoked it, for signing two frames under one sequence
    /// @param rotations How often its key changed
    /// @param pendingAt From when its owner may put the key (pendingX, pendingY) in force, seconds; 0 when none waits
    struct Details {
        uint16 profile;
        uint32 location;
        bool suspended;
        uint32 rotations;
        uint64 pendingAt;
        bytes32 pendingX;
        bytes32 pendingY;
    }

    /// @notice Devices registered by one Merkle root.
    /// @param root Over keccak256(keccak256(abi.encode(keyKind, x, y, r, s))) of each, pairs sorted
    /// @param owner Whom all of them claimed
    /// @param count How many, as the owner says
    /// @param profile Profile number of all; 0 when not said
    /// @param registeredAt Block time, seconds
    struct Batch {
        bytes32 root;
        address owner;
        uint32 count;
        uint16 profile;
        uint40 registeredAt;
    }

    struct Description {
        uint16 profile;
        uint32 location;
        uint32 rotations;
    }

    struct Pending {
        bytes32 x;
        bytes32 y;
        address owner;
        uint64 at;
    }

    uint8 public constant KEY_KIND_SOFTWARE = 1;
    uint8 public constant KEY_KIND_SECURE_ELEMENT = 2;
    uint8 public constant KEY_KIND_ATTESTED = 3;
    /// @notice A geohash of five characters has 25 bits: finer places are nobody's business.
    uint32 public constant LOCATION_MAX = (1 << 25) - 1;
    /// @notice More changes of a key are refused: evidence is checked against every key a device had.
    uint256 public constant ROTATIONS_MAX = 16;
    /// @notice Longest address of a published list of devices.
    uint256 public constant URI_BYTES_MAX = 256;
    /// @notice More elements are no path.
    uint256 public constant PATH_MAX = 32;

    /// @dev "DC", version 1: the first bytes of ClaimMessage in shared/Protocol.
    bytes3 private constant CLAIM_HEADER = 0x444301;
    /// @dev "DK", version 1: a change of key.
    bytes3 private constant ROTATION_HEADER = 0x444b01;
    bytes32 private constant SPONSORED_TYPEHASH =
        keccak256("Sponsored(bytes20 device,uint16 profile,uint32 location,uint256 nonce,uint64 deadline)");

    /// @dev Extra data of a token: key kind 8 bits | registered at 40 | revoked at 40 | suspended 1. 40 bits of seconds last 34,000 years.
    uint256 private constant REGISTERED_SHIFT = 8;
    uint256 private constant REVOKED_SHIFT = 48;
    uint256 private constant SUSPENDED_SHIFT = 88;
    uint256 private constant TIME_MASK = (1 << 40) - 1;

    /// @notice The delay of a change of key by the owner.
    Parameters public immutable parameters;
    /// @notice Who suspends.
    address public immutable disputes;

    mapping(bytes20 device => Key) private _keys;
    mapping(bytes20 device => Key[]) private _formerKeys;
    mapping(bytes20 device => Description) private _descriptions;
    mapping(bytes20 device => Pending) private _pending;
    Batch[] private _batches;
    /// @notice Next nonce of an owner's consent to a sponsored registration.
    mapping(address owner => uint256) public nonces;

    event DeviceRegistered(bytes20 indexed device, address indexed owner, bytes32 x, bytes32 y, uint8 keyKind);
    event DeviceRevoked(bytes20 indexed device, uint64 at);
    event DeviceSuspended(bytes20 indexed device, uint64 at);
    event DeviceDescribed(bytes20 indexed device, uint16 profile, uint32 location);
    event KeyProposed(bytes20 indexed device, bytes32 x, bytes32 y, uint64 from);
    event KeyWithdrawn(bytes20 indexed device);
    event KeyRotated(bytes20 indexed device, bytes32 x, bytes32 y, uint32 rotation);
    event BatchRegistered(uint256 indexed batch, address indexed owner, bytes32 root, uint32 count, uint16 profile, string uri);

    error DeviceRegistry_UnknownKeyKind(uint8 keyKind);
    error DeviceRegistry_OwnerZero();
    error DeviceRegistry_AlreadyRegistered(bytes20 device);
    error DeviceRegistry_BadSignature(bytes20 device);
    error DeviceRegistry_NotRegistered(bytes20 device);
    error DeviceRegistry_NotOwner(bytes20 device, address caller);
    error DeviceRegistry_AlreadyRevoked(bytes20 device);
    error DeviceRegistry_NotDisputes(address caller);
    error DeviceRegistry_BadLocation(uint32 location);
    error DeviceRegistry_BadConsent(address owner);
    error DeviceRegistry_ConsentExpired(uint64 deadline);
    error DeviceRegistry_BadKey(bytes32 x, bytes32 y);
    error DeviceRegistry_TooManyRotations(bytes20 device);
    error DeviceRegistry_NoKeyPending(bytes20 device);
    error DeviceRegistry_KeyNotDue(bytes20 device, uint64 from);
    error DeviceRegistry_BatchEmpty();
    error DeviceRegistry_UnknownBatch(uint256 batch);
    error DeviceRegistry_NotInBatch(uint256 batch, bytes20 device);
    error DeviceRegistry_UriTooLong(uint256 length, uint256 max);

    /// @param parameters_ Where the delay of a change of key is
    /// @param disputes_ Who suspends; may be deployed after this
    constructor(Parameters parameters_, address disputes_) {
        parameters = parameters_;
        disputes = disputes_;
    }

    /// @notice Registers the device that owns the P-256 key (x, y) and gives its token to `owner`.
    /// @dev The device signs the 76-byte ClaimMessage: "DC" | 1 | key kind | chain id (32) | this address (20) | owner (20).
    /// @param keyKind 1 software, 2 secure element, 3 attested: the device's own claim
    /// @param x Public key, X
    /// @param y Public key, Y
    /// @param r Signature over SHA-256 of the claim, r
    /// @param s Signature, s; at most half of the group's order
    /// @param owner Who the device was claimed for
    /// @return device The device id: the last 20 bytes of SHA-256(x || y)
    function register(uint8 keyKind, bytes32 x, bytes32 y, bytes32 r, bytes32 s, address owner) external returns (bytes20 device) {
        return _register(Claim(keyKind, x, y, r, s), owner, block.timestamp);
    }

    /// @notice Registers a device with profile and place for an owner who only signs; anyone pays.
    /// @param claim The device's own claim of `owner`
    /// @param owner Who the device was claimed for
    /// @param profile Profile number of its frames
    /// @param location Coarse place, at most `LOCATION_MAX`
    /// @param deadline Last second the consent is good
    /// @param consent The owner's signature (EIP-2098, 65 bytes, or ERC-1271) over EIP-712
    /// Sponsored(bytes20 device,uint16 profile,uint32 location,uint256 nonce,uint64 deadline)
    function registerSponsored(
        Claim calldata claim,
        address owner,
        uint16 profile,
        uint32 location,
        uint64 deadline,
        bytes calldata consent
    ) external returns (bytes20 device) {
        if (block.timestamp > deadline) revert DeviceRegistry_ConsentExpired(deadline);
        device = _register(claim, owner, block.timestamp);
        bytes32 hash = keccak256(abi.encode(SPONSORED_TYPEHASH, device, profile, location, nonces[owner]++, deadline));
        if (!SignatureCheckerLib.isValidSignatureNowCalldata(owner, _typedDigest(hash), consent)) {
            revert DeviceRegistry_BadConsent(owner);
        }
        _describe(device, profile, location);
    }

    /// @notice Registers many devices of one owner at once, by a Merkle root over their claims.
    /// @dev The chain sees no claim yet, so gateways check a member's path and claim (`checkMember`) before they take its frames.
    /// @param root As in `Batch`
    /// @param count How many devices are under it
    /// @param owner Whom all of them claimed
    /// @param profile Profile number of all; 0 when not said
    /// @param uri Where the list of claims is published, at most 256 bytes
    /// @return batch Its number
    function registerBatch(bytes32 root, uint32 count, address owner, uint16 profile, string calldata uri)
        external
        returns (uint256 batch)
    {
        if (root == 0 || count == 0) revert DeviceRegistry_BatchEmpty();
        if (owner == address(0)) revert DeviceRegistry_OwnerZero();
        if (bytes(uri).length > URI_BYTES_MAX) revert DeviceRegistry_UriTooLong(bytes(uri).length, URI_BYTES_MAX);
        batch = _batches.length;
        _batches.push(Batch(root, owner, count, profile, uint40(block.timestamp)));
        emit BatchRegistered(batch, owner, root, count, profile, uri);
    }

    /// @notice Gives a member of a batch its token; it counts as registered since the batch was.
    /// @param batch Number of the batch
    /// @param claim The device's own claim of the batch's owner
    /// @param path From its leaf to the batch's root
    function registerMember(uint256 batch, Claim calldata claim, bytes32[] calldata path) external returns (bytes20 device) {
        Batch memory found = _batchAt(batch);
        device = FrameFormat.deviceOf(claim.x, claim.y);
        if (!_isUnder(found.root, claim, path)) revert DeviceRegistry_NotInBatch(batch, device);
        _register(claim, found.owner, found.registeredAt);
        if (found.profile != 0) _describe(device, found.profile, 0);
    }

    /// @notice Says what a device is for and roughly where.
    /// @param device The device id; the caller must be its owner or approved for its token
    /// @param profile Profile number of its frames
    /// @param location Coarse place, at most `LOCATION_MAX`
    function describe(bytes20 device, uint16 profile, uint32 location) external {
        _checkOwner(device);
        _describe(device, profile, location);
    }

    /// @notice Changes a device's key, signed by the key it has. Its id stays.
    /// @dev The old key signs 143 bytes: "DK" | 1 | chain id (32) | this address (20) | device (20) | x (32) | y (32) | rotations so far (4).
    /// The count keeps an old change from being made again.
    /// @param device The device id
    /// @param x New public key, X
    /// @param y New public key, Y
    /// @param r Signature of the old key over SHA-256 of the message, r
    /// @param s Signature, s; at most half of the group's order
    function rotate(bytes20 device, bytes32 x, bytes32 y, bytes32 r, bytes32 s) external {
        _checkGood(device);
        Key memory key = _keys[device];
        bytes memory scope = abi.encodePacked(ROTATION_HEADER, block.chainid, address(this), device);
        bytes32 message = sha256(abi.encodePacked(scope, x, y, _descriptions[device].rotations));
        if (!P256.verify(message, r, s, key.x, key.y)) revert DeviceRegistry_BadSignature(device);
        _rotate(device, x, y);
    }

    /// @notice Proposes a device's next key without the old one's signature: it may be put in force after `KeyDelaySeconds`.
    /// @param device The device id; the caller must own it, and still own it then
    /// @param x New public key, X
    /// @param y New public key, Y
    function proposeKey(bytes20 device, bytes32 x, bytes32 y) external {
        _checkGood(device);
        if (ownerOf(uint256(uint160(device))) != msg.sender) revert DeviceRegistry_NotOwner(device, msg.sender);
        if (!P256.isValidPublicKey(x, y)) revert DeviceRegistry_BadKey(x, y);
        uint64 from = uint64(block.timestamp + parameters.valueOf(Parameter.KeyDelaySeconds));
        _pending[device] = Pending(x, y, msg.sender, from);
        emit KeyProposed(device, x, y, from);
    }

    /// @notice Withdraws a proposed key.
    /// @param device The device id; the caller must be its owner or approved for its token
    function withdrawKey(bytes20 device) external {
        _checkOwner(device);
        if (_pending[device].at == 0) revert DeviceRegistry_NoKeyPending(device);
        delete _pending[device];
        emit KeyWithdrawn(device);
    }

    /// @notice Puts a proposed key in force once its delay is over.
    /// @param device The device id; the caller must be who proposed and still own it
    function acceptKey(bytes20 device) external {
        _checkGood(device);
        Pending memory pending = _pending[device];
        if (ownerOf(uint256(uint160(device))) != msg.sender) revert DeviceRegistry_NotOwner(device, msg.sender);
        // A key that a former owner proposed is not the buyer's.
        if (pending.at == 0 || pending.owner != msg.sender) revert DeviceRegistry_NoKeyPending(device);
        if (block.timestamp < pending.at) revert DeviceRegistry_KeyNotDue(device, pending.at);
        _rotate(device, pending.x, pending.y);
    }

    /// @notice Revokes a device for good: gateways refuse its frames from then on. What was anchored stays proven.
    /// @param device The device id; the caller must be its owner or approved for its token
    function revoke(bytes20 device) external {
        _checkOwner(device);
        _revoke(device, 0);
    }

    /// @notice Revokes a device whose key signed two frames under one sequence. Disputes only, on evidence.
    /// @param device The device id
    function suspend(bytes20 device) external {
        if (msg.sender != disputes) revert DeviceRegistry_NotDisputes(msg.sender);
        if (!_exists(uint256(uint160(device)))) revert DeviceRegistry_NotRegistered(device);
        _revoke(device, 1);
        emit DeviceSuspended(device, uint64(block.timestamp));
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
            revokedAt: uint64((extra >> REVOKED_SHIFT) & TIME_MASK)
        });
    }

    /// @notice What a device is for, and its change of key.
    /// @param device The device id
    function detailsOf(bytes20 device) external view returns (Details memory) {
        Description memory said = _descriptions[device];
        Pending memory pending = _pending[device];
        bool suspended = (_getExtraData(uint256(uint160(device))) >> SUSPENDED_SHIFT) & 1 != 0;
        return Details(said.profile, said.location, suspended, said.rotations, pending.at, pending.x, pending.y);
    }

    /// @notice Every key a device has or had, the present one first; none when it is not registered.
    /// @param device The device id
    function keysOf(bytes20 device) external view returns (Key[] memory keys) {
        if (!_exists(uint256(uint160(device)))) return keys;
        Key[] storage former = _formerKeys[device];
        keys = new Key[](former.length + 1);
        keys[0] = _keys[device];
        for (uint256 i = 0; i < former.length; ++i) {
            keys[i + 1] = former[i];
        }
    }

    /// @notice Whether a key is or was a device's.
    /// @param device The device id
    /// @param x Public key, X
    /// @param y Public key, Y
    function isKeyOf(bytes20 device, bytes32 x, bytes32 y) external view returns (bool) {
        if (!_exists(uint256(uint160(device)))) return false;
        if (_keys[device].x == x && _keys[device].y == y) return true;
        Key[] storage former = _formerKeys[device];
        for (uint256 i = 0; i < former.length; ++i) {
            if (former[i].x == x && former[i].y == y) return true;
        }
        return false;
    }

    /// @notice Devices registered by one root.
    /// @param batch Number of the batch
    function batchOf(uint256 batch) external view returns (Batch memory) {
        return _batchAt(batch);
    }

    /// @notice Whether a device is under a batch's root with a claim it signed itself; says nothing of a later revocation.
    /// @param batch Number of the batch
    /// @param claim The device's own claim of the batch's owner
    /// @param path From its leaf to the batch's root
    function checkMember(uint256 batch, Claim calldata claim, bytes32[] calldata path) external view returns (bool) {
        Batch memory found = _batchAt(batch);
        return _isUnder(found.root, claim, path) && _isSigned(claim, found.owner);
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

    function _register(Claim memory claim, address owner, uint256 time) private returns (bytes20 device) {
        if (claim.keyKind == 0 || claim.keyKind > KEY_KIND_ATTESTED) revert DeviceRegistry_UnknownKeyKind(claim.keyKind);
        if (owner == address(0)) revert DeviceRegistry_OwnerZero();
        device = FrameFormat.deviceOf(claim.x, claim.y);
        uint256 id = uint256(uint160(device));
        if (_exists(id)) revert DeviceRegistry_AlreadyRegistered(device);
        if (!_isSigned(claim, owner)) revert DeviceRegistry_BadSignature(device);

        _keys[device] = Key(claim.x, claim.y);
        _mintAndSetExtraDataUnchecked(owner, id, uint96(claim.keyKind | (time << REGISTERED_SHIFT)));
        emit DeviceRegistered(device, owner, claim.x, claim.y, claim.keyKind);
    }

    function _isSigned(Claim memory claim, address owner) private view returns (bool) {
        bytes32 message = sha256(abi.encodePacked(CLAIM_HEADER, claim.keyKind, block.chainid, address(this), owner));
        return P256.verify(message, claim.r, claim.s, claim.x, claim.y);
    }

    /// @dev A leaf is hashed twice, so that no pair of nodes can pose as one.
    function _isUnder(bytes32 root, Claim calldata claim, bytes32[] calldata path) private pure returns (bool) {
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(claim.keyKind, claim.x, claim.y, claim.r, claim.s))));
        return path.length <= PATH_MAX && MerkleProof.processProofCalldata(path, leaf) == root;
    }

    function _describe(bytes20 device, uint16 profile, uint32 location) private {
        if (location > LOCATION_MAX) revert DeviceRegistry_BadLocation(location);
        (_descriptions[device].profile, _descriptions[device].location) = (profile, location);
        emit DeviceDescribed(device, profile, location);
    }

    function _rotate(bytes20 device, bytes32 x, bytes32 y) private {
        if (!P256.isValidPublicKey(x, y)) revert DeviceRegistry_BadKey(x, y);
        if (_formerKeys[device].length == ROTATIONS_MAX) revert DeviceRegistry_TooManyRotations(device);
        _formerKeys[device].push(_keys[device]);
        _keys[device] = Key(x, y);
        delete _pending[device];
        emit KeyRotated(device, x, y, ++_descriptions[device].rotations);
    }

    function _revoke(bytes20 device, uint256 suspended) private {
        uint256 id = uint256(uint160(device));
        uint256 extra = _getExtraData(id);
        if ((extra >> REVOKED_SHIFT) & TIME_MASK != 0) revert DeviceRegistry_AlreadyRevoked(device);
        extra |= ((block.timestamp & TIME_MASK) << REVOKED_SHIFT) | (suspended << SUSPENDED_SHIFT);
        _setExtraData(id, uint96(extra));
        emit DeviceRevoked(device, uint64(block.timestamp));
    }

    function _batchAt(uint256 batch) private view returns (Batch memory) {
        if (batch >= _batches.length) revert DeviceRegistry_UnknownBatch(batch);
        return _batches[batch];
    }

    function _checkOwner(bytes20 device) private view {
        uint256 id = uint256(uint160(device));
        if (!_exists(id)) revert DeviceRegistry_NotRegistered(device);
        if (!_isApprovedOrOwner(msg.sender, id)) revert DeviceRegistry_NotOwner(device, msg.sender);
    }

    function _checkGood(bytes20 device) private view {
        uint256 id = uint256(uint160(device));
        if (!_exists(id)) revert DeviceRegistry_NotRegistered(device);
        if ((_getExtraData(id) >> REVOKED_SHIFT) & TIME_MASK != 0) revert DeviceRegistry_AlreadyRevoked(device);
    }
}
