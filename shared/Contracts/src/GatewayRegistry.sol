// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {ActiveSet} from "./ActiveSet.sol";
import {EvidenceDomain} from "./EvidenceDomain.sol";
import {Ledger} from "./Ledger.sol";
import {Parameter, Parameters} from "./Parameters.sol";
import {Quorum} from "./Quorum.sol";

/// @title GatewayRegistry
/// @notice Which gateways may attest: their signing addresses (the active set), TLS keys and endpoints, and what they staked.
/// @dev Anyone joins who stakes; the set holds at most `GatewaysMax`, and a higher stake displaces the lowest. A stake leaves after an
/// unbonding delay, during which evidence still takes it; only Disputes slashes. Who was slashed is in jail: out, however it left, and
/// its stake leaves no sooner, so that it does not come back under another key. Until `bootstrapUntil` a quorum of the set may also
/// change it (`change`), so that a network begins before its tokens are spread; afterwards who has no stake can be removed.
///
/// Each version of the set is stored as code (ActiveSet), stays readable for ever, and is never empty and never longer than 256.
/// It is in force from the epoch after the one it was made in. This contract creates nothing but those lists: their addresses are
/// counted from its nonce. No owner key, no proxy.
contract GatewayRegistry is EvidenceDomain {
    using SafeTransferLib for address;

    /// @param signer Address of the secp256k1 key that signs attestations
    /// @param tlsKeyHash SHA-256 of the gateway's TLS public key (SubjectPublicKeyInfo, DER)
    /// @param endpoint Where its peers reach it, at most 256 bytes of URL
    struct Gateway {
        address signer;
        bytes32 tlsKeyHash;
        string endpoint;
    }

    /// @notice What a gateway has at stake.
    /// @param operator Who staked and gets the stake back; zero for who joined by `change` and never staked
    /// @param amount Tokens, of 18 decimals
    /// @param active Whether it is in the newest version of the set
    /// @param withdrawableAt When the stake may leave, seconds; 0 while it is not leaving
    /// @param jailedUntil When it may come back after a slashing, seconds; 0 if it never was slashed. Outlasts its membership
    struct Stake {
        address operator;
        uint96 amount;
        bool active;
        uint64 withdrawableAt;
        uint64 jailedUntil;
    }

    /// @notice What a registry works with; ledger and disputes may be deployed after it.
    /// @param token What is staked
    /// @param parameters Bounds and amounts
    /// @param ledger Whose epochs count
    /// @param disputes Who slashes
    /// @param bootstrapUntil Until when a quorum may change the set, seconds; at most 366 days ahead
    struct Wiring {
        address token;
        Parameters parameters;
        Ledger ledger;
        address disputes;
        uint64 bootstrapUntil;
    }

    struct Record {
        bytes32 tlsKeyHash;
        string endpoint;
        address operator;
        uint96 stake;
        bool active;
        uint64 withdrawableAt;
        uint64 jailedUntil;
        uint64 heldUntil;
    }

    uint256 public constant ENDPOINT_BYTES_MAX = 256;
    /// @notice More joins in one epoch are refused: each makes a version of the set, which the next anchor reads.
    uint256 public constant JOINS_PER_EPOCH_MAX = 16;
    uint256 public constant BOOTSTRAP_SECONDS_MAX = 366 days;

    uint256 private constant WHOLE = 10_000;
    bytes32 private constant GATEWAY_TYPEHASH = keccak256("Gateway(address signer,bytes32 tlsKeyHash,string endpoint)");
    bytes32 private constant CHANGE_TYPEHASH =
        keccak256("Change(uint64 version,Gateway[] added,address[] removed)Gateway(address signer,bytes32 tlsKeyHash,string endpoint)");
    bytes32 private constant JOIN_TYPEHASH = keccak256("Join(address operator,uint256 nonce)");

    /// @notice What is staked.
    address public immutable token;
    /// @notice Bounds and amounts.
    Parameters public immutable parameters;
    /// @notice Whose epochs the set changes at.
    Ledger public immutable ledger;
    /// @notice Who slashes.
    address public immutable disputes;
    /// @notice Until when a quorum may change the set, seconds since the Unix epoch.
    uint64 public immutable bootstrapUntil;

    /// @notice Number of the newest version of the set, from 1; +1 with each change. It is the nonce of the next change's signatures.
    uint64 public version;
    uint64 private _joinEpoch;
    uint64 private _joins;
    /// @notice All stakes together: what this contract holds for others.
    uint256 public totalStake;
    /// @notice How often a signer has joined: the nonce of its next consent.
    mapping(address signer => uint256) public nonces;
    mapping(address signer => Record) private _records;

    event GatewayAdded(address indexed signer, bytes32 tlsKeyHash, string endpoint);
    event GatewayRemoved(address indexed signer);
    event GatewayUpdated(address indexed signer, bytes32 tlsKeyHash, string endpoint);
    event ActiveSetChanged(uint64 indexed version, address list, uint256 count);
    event Staked(address indexed signer, address indexed operator, uint256 amount, uint256 stake);
    event Unbonding(address indexed signer, uint64 withdrawableAt);
    event StakeWithdrawn(address indexed signer, address indexed operator, uint256 amount);
    event GatewaySlashed(address indexed signer, uint256 amount, uint64 jailedUntil);

    error GatewayRegistry_SetEmpty();
    error GatewayRegistry_SetTooLarge(uint256 count, uint256 max);
    error GatewayRegistry_SetFull(address lowest, uint256 stake);
    error GatewayRegistry_SignerZero();
    error GatewayRegistry_AlreadyActive(address signer);
    error GatewayRegistry_AlreadyStaked(address signer);
    error GatewayRegistry_NotActive(address signer);
    error GatewayRegistry_NotKnown(address signer);
    error GatewayRegistry_NotOperator(address signer, address caller);
    error GatewayRegistry_NotDisputes(address caller);
    error GatewayRegistry_BadConsent(address signer);
    error GatewayRegistry_StakeTooLow(uint256 stake, uint256 min);
    error GatewayRegistry_StakeEnough(address signer);
    error GatewayRegistry_Jailed(address signer, uint64 until);
    error GatewayRegistry_NotWithdrawable(address signer, uint64 at);
    error GatewayRegistry_TooManyJoins(uint256 max);
    error GatewayRegistry_BootstrapOver(uint64 until);
    error GatewayRegistry_BootstrapRuns(uint64 until);
    error GatewayRegistry_BootstrapTooLong(uint64 until);
    error GatewayRegistry_EndpointTooLong(uint256 length, uint256 max);
    error GatewayRegistry_NothingChanged();
    error GatewayRegistry_UnknownVersion(uint64 version);

    /// @notice Starts the network with its first gateways, in force at once.
    /// @param initial At least one, at most 256, no signer twice; their order is the order of the signer mask
    /// @param wiring The contracts it works with
    constructor(Gateway[] memory initial, Wiring memory wiring) {
        if (wiring.bootstrapUntil > block.timestamp + BOOTSTRAP_SECONDS_MAX) {
            revert GatewayRegistry_BootstrapTooLong(wiring.bootstrapUntil);
        }
        token = wiring.token;
        parameters = wiring.parameters;
        ledger = wiring.ledger;
        disputes = wiring.disputes;
        bootstrapUntil = wiring.bootstrapUntil;
        bytes memory packed;
        for (uint256 i = 0; i < initial.length; ++i) {
            _add(initial[i]);
            packed = bytes.concat(packed, bytes20(initial[i].signer));
        }
        _store(packed, 0);
    }

    /// @notice Stakes and joins the set from the next epoch on. The caller is the gateway's operator and gets the stake back.
    /// @dev A gateway that a quorum added joins the same way and keeps its place. Into a full set only with more stake than the lowest
    /// there, which then leaves.
    /// @param gateway The gateway
    /// @param amount Tokens to stake, at least `StakeMin`; the caller must have approved them
    /// @param consent The signer's EIP-2098 signature over EIP-712 Join(address operator,uint256 nonce); empty when the signer itself calls
    function join(Gateway calldata gateway, uint96 amount, bytes calldata consent) external {
        Record storage record = _records[gateway.signer];
        if (gateway.signer == address(0)) revert GatewayRegistry_SignerZero();
        if (record.operator != address(0)) revert GatewayRegistry_AlreadyStaked(gateway.signer);
        if (!record.active) _checkJail(gateway.signer, record);
        _checkEndpoint(bytes(gateway.endpoint).length);
        _checkStake(amount);
        uint256 nonce = nonces[gateway.signer]++;
        if (msg.sender != gateway.signer) {
            bytes32 digest = _typedDigest(keccak256(abi.encode(JOIN_TYPEHASH, msg.sender, nonce)));
            if (consent.length != Quorum.SIGNATURE_BYTES || Quorum.recover(digest, consent, 0) != gateway.signer) {
                revert GatewayRegistry_BadConsent(gateway.signer);
            }
        }
        record.tlsKeyHash = gateway.tlsKeyHash;
        record.endpoint = gateway.endpoint;
        record.operator = msg.sender;
        record.stake = amount;
        totalStake += amount;
        emit Staked(gateway.signer, msg.sender, amount, amount);
        if (record.active) emit GatewayUpdated(gateway.signer, gateway.tlsKeyHash, gateway.endpoint);
        else _admit(gateway.signer);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @notice Adds to a gateway's stake. Anyone may, for its operator.
    /// @param signer A gateway that has staked
    /// @param amount Tokens; the caller must have approved them
    function addStake(address signer, uint96 amount) external {
        Record storage record = _known(signer);
        if (record.operator == address(0)) revert GatewayRegistry_NotKnown(signer);
        record.stake += amount;
        totalStake += amount;
        emit Staked(signer, record.operator, amount, record.stake);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @notice Leaves the set from the next epoch on; the stake may be withdrawn after the unbonding delay.
    /// @param signer The caller's own gateway; the last one of the set cannot leave
    function exit(address signer) external {
        Record storage record = _operated(signer);
        if (record.withdrawableAt != 0) revert GatewayRegistry_NotActive(signer);
        if (record.active && !_remove(signer)) revert GatewayRegistry_SetEmpty();
        _unbond(signer, record);
    }

    /// @notice Comes back: after jail, after being displaced, or instead of leaving.
    /// @param signer The caller's own gateway, with `StakeMin` at least
    function rejoin(address signer) external {
        Record storage record = _operated(signer);
        if (record.active) revert GatewayRegistry_AlreadyActive(signer);
        _checkJail(signer, record);
        _checkStake(record.stake);
        record.withdrawableAt = 0;
        _admit(signer);
    }

    /// @notice Pays a stake back to its operator once it is unbonded. Anyone may call.
    /// @param signer The gateway that left; it is forgotten, but for a jail
    function withdraw(address signer) external {
        Record storage record = _known(signer);
        uint64 at = record.withdrawableAt;
        if (at == 0 || block.timestamp < at) revert GatewayRegistry_NotWithdrawable(signer, at);
        (address operator, uint256 amount) = (record.operator, record.stake);
        _forget(signer);
        totalStake -= amount;
        emit StakeWithdrawn(signer, operator, amount);
        token.safeTransfer(operator, amount);
    }

    /// @notice Removes an active gateway whose stake is below `StakeMin`, once the bootstrap is over. Anyone may call.
    /// @param signer The gateway; the last one of the set stays
    function removeUnderstaked(address signer) external {
        if (block.timestamp < bootstrapUntil) revert GatewayRegistry_BootstrapRuns(bootstrapUntil);
        Record storage record = _records[signer];
        if (!record.active) revert GatewayRegistry_NotActive(signer);
        if (record.stake >= parameters.valueOf(Parameter.StakeMin)) revert GatewayRegistry_StakeEnough(signer);
        if (!_remove(signer)) revert GatewayRegistry_SetEmpty();
        if (record.operator == address(0)) _forget(signer);
        else _unbond(signer, record);
    }

    /// @notice Takes a share of a gateway's stake, hands it to Disputes, and jails the gateway. Disputes only, on evidence.
    /// @param signer Who offended: active, jailed or unbonding
    /// @param share Of 10,000
    /// @return amount Tokens taken, which the caller now has
    function slash(address signer, uint256 share) external returns (uint256 amount) {
        if (msg.sender != disputes) revert GatewayRegistry_NotDisputes(msg.sender);
        Record storage record = _known(signer);
        amount = record.stake * share / WHOLE;
        record.stake -= uint96(amount);
        totalStake -= amount;
        uint64 until = uint64(block.timestamp + parameters.valueOf(Parameter.JailSeconds));
        // A shorter term that governance set since does not shorten the one before.
        if (until < record.jailedUntil) until = record.jailedUntil;
        record.jailedUntil = until;
        _postpone(signer, record, until);
        // The last gateway of a set stays: a network of one has nobody to go on without it.
        if (record.active) _remove(signer);
        emit GatewaySlashed(signer, amount, until);
        token.safeTransfer(disputes, amount);
    }

    /// @notice Keeps a stake until a case against it is decided, whether it is leaving already or begins to. Disputes only.
    /// @param signer The accused
    /// @param until Seconds since the Unix epoch
    function hold(address signer, uint64 until) external {
        if (msg.sender != disputes) revert GatewayRegistry_NotDisputes(msg.sender);
        Record storage record = _known(signer);
        if (record.heldUntil < until) record.heldUntil = until;
        _postpone(signer, record, until);
    }

    /// @notice Changes the active set during the bootstrap: removes first, then adds at the end. The others keep their order.
    /// @param added Gateways to add, none active once the removals are done, none with a stake or in jail
    /// @param removed Signers to remove, all active
    /// @param signers Bit i set: signer i of the newest set signed
    /// @param signatures One 64-byte EIP-2098 signature a bit, ascending, over EIP-712
    /// Change(uint64 version,Gateway[] added,address[] removed) with the current `version`
    function change(Gateway[] calldata added, address[] calldata removed, uint256 signers, bytes calldata signatures) external {
        if (block.timestamp >= bootstrapUntil) revert GatewayRegistry_BootstrapOver(bootstrapUntil);
        if (added.length == 0 && removed.length == 0) revert GatewayRegistry_NothingChanged();
        address list = ActiveSet.addressOf(address(this), version);
        Quorum.check(list, _typedDigest(_hashChange(added, removed)), signers, signatures);

        for (uint256 i = 0; i < removed.length; ++i) {
            Record storage record = _records[removed[i]];
            if (!record.active) revert GatewayRegistry_NotActive(removed[i]);
            record.active = false;
            emit GatewayRemoved(removed[i]);
            if (record.operator == address(0)) _forget(removed[i]);
            else _unbond(removed[i], record);
        }
        bytes memory packed = _packActive(list);
        for (uint256 i = 0; i < added.length; ++i) {
            _add(added[i]);
            packed = bytes.concat(packed, bytes20(added[i].signer));
        }
        _store(packed, ledger.epochNow() + 1);
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

    /// @notice The signers of the newest version of the set, in the order of the signer mask's bits.
    function active() external view returns (address[] memory) {
        return ActiveSet.read(ActiveSet.addressOf(address(this), version));
    }

    /// @notice The signers of an earlier version of the set, for who checks an old quorum.
    /// @param setVersion From 1 to `version`
    function activeAt(uint64 setVersion) external view returns (address[] memory) {
        return ActiveSet.read(_listOf(setVersion));
    }

    /// @notice The epoch from which a version of the set is in force.
    /// @param setVersion From 1 to `version`
    function epochOf(uint64 setVersion) external view returns (uint64) {
        return uint64(ActiveSet.epochOf(_listOf(setVersion)));
    }

    /// @notice Digest of a version of the set: keccak256 over its code (0x00, epoch u64, 20 bytes a signer).
    /// @param setVersion From 1 to `version`
    function configDigest(uint64 setVersion) external view returns (bytes32) {
        return _listOf(setVersion).codehash;
    }

    /// @notice The gateways of the newest version with their TLS keys and endpoints, in the order of the signer mask's bits.
    function gateways() external view returns (Gateway[] memory all) {
        address[] memory signers = ActiveSet.read(ActiveSet.addressOf(address(this), version));
        all = new Gateway[](signers.length);
        for (uint256 i = 0; i < signers.length; ++i) {
            Record storage record = _records[signers[i]];
            all[i] = Gateway(signers[i], record.tlsKeyHash, record.endpoint);
        }
    }

    /// @notice Whether a signer is in the newest version of the set.
    /// @param signer The gateway's signing address
    function isActive(address signer) external view returns (bool) {
        return _records[signer].active;
    }

    /// @notice What a gateway has at stake. All zero when it is not known, but for a jail that still runs.
    /// @param signer The gateway's signing address
    function stakeOf(address signer) external view returns (Stake memory) {
        Record storage record = _records[signer];
        return Stake(record.operator, record.stake, record.active, record.withdrawableAt, record.jailedUntil);
    }

    /// @notice Signatures of the newest version that make a quorum: floor(2n/3) + 1.
    function quorum() external view returns (uint256) {
        return ActiveSet.quorumOf(ActiveSet.countAt(ActiveSet.addressOf(address(this), version)));
    }

    function _add(Gateway memory gateway) private {
        if (gateway.signer == address(0)) revert GatewayRegistry_SignerZero();
        Record storage record = _records[gateway.signer];
        if (record.active) revert GatewayRegistry_AlreadyActive(gateway.signer);
        if (record.operator != address(0)) revert GatewayRegistry_AlreadyStaked(gateway.signer);
        _checkJail(gateway.signer, record);
        _checkEndpoint(bytes(gateway.endpoint).length);
        record.tlsKeyHash = gateway.tlsKeyHash;
        record.endpoint = gateway.endpoint;
        record.active = true;
        emit GatewayAdded(gateway.signer, gateway.tlsKeyHash, gateway.endpoint);
    }

    /// @dev Puts a staked gateway at the end of the set; from a full set the lowest stake goes.
    function _admit(address signer) private {
        uint64 epoch = ledger.epochNow();
        if (epoch != _joinEpoch) (_joinEpoch, _joins) = (epoch, 0);
        if (++_joins > JOINS_PER_EPOCH_MAX) revert GatewayRegistry_TooManyJoins(JOINS_PER_EPOCH_MAX);

        address list = ActiveSet.addressOf(address(this), version);
        if (ActiveSet.countAt(list) >= parameters.valueOf(Parameter.GatewaysMax)) _displaceLowest(list, _records[signer].stake);
        Record storage record = _records[signer];
        record.active = true;
        emit GatewayAdded(signer, record.tlsKeyHash, record.endpoint);
        _store(bytes.concat(_packActive(list), bytes20(signer)), epoch + 1);
    }

    function _displaceLowest(address list, uint256 stake) private {
        address[] memory signers = ActiveSet.read(list);
        address lowest = signers[0];
        for (uint256 i = 1; i < signers.length; ++i) {
            if (_records[signers[i]].stake < _records[lowest].stake) lowest = signers[i];
        }
        Record storage record = _records[lowest];
        if (record.stake >= stake) revert GatewayRegistry_SetFull(lowest, record.stake);
        record.active = false;
        emit GatewayRemoved(lowest);
        if (record.operator == address(0)) _forget(lowest);
        else _unbond(lowest, record);
    }

    /// @dev False, and nothing done, when it is the last one.
    function _remove(address signer) private returns (bool) {
        address list = ActiveSet.addressOf(address(this), version);
        if (ActiveSet.countAt(list) == 1) return false;
        _records[signer].active = false;
        emit GatewayRemoved(signer);
        _store(_packActive(list), ledger.epochNow() + 1);
        return true;
    }

    function _unbond(address signer, Record storage record) private {
        uint64 at = uint64(block.timestamp + parameters.valueOf(Parameter.UnbondingSeconds));
        if (at < record.heldUntil) at = record.heldUntil;
        if (at < record.jailedUntil) at = record.jailedUntil;
        record.withdrawableAt = at;
        emit Unbonding(signer, at);
    }

    /// @dev A stake that is leaving leaves not before `until`.
    function _postpone(address signer, Record storage record, uint64 until) private {
        if (record.withdrawableAt == 0 || record.withdrawableAt >= until) return;
        record.withdrawableAt = until;
        emit Unbonding(signer, until);
    }

    /// @dev Nothing remains of who is gone but a jail that still runs.
    function _forget(address signer) private {
        uint64 until = _records[signer].jailedUntil;
        delete _records[signer];
        if (block.timestamp < until) _records[signer].jailedUntil = until;
    }

    function _packActive(address list) private view returns (bytes memory packed) {
        address[] memory current = ActiveSet.read(list);
        for (uint256 i = 0; i < current.length; ++i) {
            if (_records[current[i]].active) packed = bytes.concat(packed, bytes20(current[i]));
        }
    }

    function _store(bytes memory packed, uint64 epoch) private {
        uint256 count = packed.length / ActiveSet.SIGNER_BYTES;
        if (count == 0) revert GatewayRegistry_SetEmpty();
        if (count > ActiveSet.SIGNERS_MAX) revert GatewayRegistry_SetTooLarge(count, ActiveSet.SIGNERS_MAX);
        uint64 next = ++version;
        address list = SSTORE2.write(bytes.concat(bytes8(epoch), packed));
        assert(list == ActiveSet.addressOf(address(this), next));
        emit ActiveSetChanged(next, list, count);
    }

    function _checkJail(address signer, Record storage record) private view {
        if (block.timestamp < record.jailedUntil) revert GatewayRegistry_Jailed(signer, record.jailedUntil);
    }

    function _checkStake(uint256 amount) private view {
        uint256 min = parameters.valueOf(Parameter.StakeMin);
        if (amount < min) revert GatewayRegistry_StakeTooLow(amount, min);
    }

    function _known(address signer) private view returns (Record storage record) {
        record = _records[signer];
        if (!record.active && record.operator == address(0)) revert GatewayRegistry_NotKnown(signer);
    }

    /// @dev The record of a gateway that has staked and that the caller may act for.
    function _operated(address signer) private view returns (Record storage record) {
        record = _known(signer);
        if (record.operator == address(0)) revert GatewayRegistry_NotKnown(signer);
        if (msg.sender != record.operator && msg.sender != signer) revert GatewayRegistry_NotOperator(signer, msg.sender);
    }

    function _listOf(uint64 setVersion) private view returns (address) {
        if (setVersion == 0 || setVersion > version) revert GatewayRegistry_UnknownVersion(setVersion);
        return ActiveSet.addressOf(address(this), setVersion);
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
