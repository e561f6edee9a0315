// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {DeviceRegistry} from "./DeviceRegistry.sol";
import {FrameFault, FrameFormat} from "./FrameFormat.sol";
import {GatewayRegistry} from "./GatewayRegistry.sol";
import {HeaderHash} from "./HeaderHash.sol";
import {Ledger} from "./Ledger.sol";
import {NetworkToken} from "./NetworkToken.sol";
import {Parameter, Parameters} from "./Parameters.sol";
import {Quorum} from "./Quorum.sol";
import {Rewards} from "./Rewards.sol";
import {TypedDigest} from "./TypedDigest.sol";

/// @title Disputes
/// @notice Where evidence is judged: who signed what an honest gateway never signs loses stake, at once and without a vote.
/// @dev Four offences: two batch headers of one gateway under one number; two anchors signed for one epoch; a signature under a batch
/// that holds a bad frame; two frames of a device under one sequence. The first three slash the signer and jail it, the last
/// suspends the device. The reporter gets `ReporterShare` of what was taken, the rest is burnt. Each offence counts once.
///
/// Evidence is public once it is in the pool, so a reporter commits to it first (`commit`, a block before at least): the commitment
/// binds the evidence and the reporter, so who copies it has no commitment of an earlier block, and the reporter's transaction is in
/// a block before he can make one. Without this a copier, or the offender himself, would take the reporter's share. An offender
/// who reports himself of his own accord still loses at least half of the slash.
///
/// That a device is not registered cannot be proven, for it may be a member of a batch in the DeviceRegistry that nobody showed
/// yet. So that accusation opens a case with a bond: within `ResponseSeconds` anyone may register the member, which ends the case
/// and costs the accuser the bond; otherwise the case is upheld. A stake that is leaving waits for it.
contract Disputes {
    using SafeTransferLib for address;

    /// @notice Two batch headers of one gateway under one number, each with the gateway's own EIP-2098 signature.
    struct BatchPair {
        Ledger.Batch first;
        bytes firstSignature;
        Ledger.Batch second;
        bytes secondSignature;
    }

    /// @notice Two anchors for one epoch, each with the EIP-2098 signature of the same gateway.
    struct AnchorPair {
        Ledger.Anchor first;
        bytes firstSignature;
        Ledger.Anchor second;
        bytes secondSignature;
    }

    /// @notice A frame under a batch header, and the signature of one of those who signed the header, as author or attester.
    struct BadFrame {
        bytes frame;
        bytes32[] path;
        Ledger.Batch batch;
        bytes signature;
    }

    /// @notice Two frames of one device under one sequence, and the key that signed both.
    struct FramePair {
        bytes first;
        bytes second;
        bytes32 x;
        bytes32 y;
    }

    /// @notice An accusation that a gateway signed for the frame of an unregistered device.
    /// @param reporter Who accuses; zero when there is no such case
    /// @param bond What he put down
    /// @param device The device
    /// @param offender The accused
    /// @param deadline Last second of the answer
    /// @param batch Hash of the batch header
    struct Case {
        address reporter;
        uint96 bond;
        bytes20 device;
        address offender;
        uint64 deadline;
        bytes32 batch;
    }

    enum Offence {
        TwoBatches,
        TwoAnchors,
        BadFrame,
        UnregisteredDevice,
        TwoFrames
    }

    /// @notice More elements are no path: a batch has at most 65,536 frames.
    uint256 public constant PATH_MAX = 32;
    /// @notice How long an accused's stake is kept beyond a case's deadline, so that the case can be upheld.
    uint64 public constant HOLD_SECONDS = 7 days;

    uint256 private constant WHOLE = 10_000;

    Ledger public immutable ledger;
    GatewayRegistry public immutable gateways;
    DeviceRegistry public immutable devices;
    Parameters public immutable parameters;
    NetworkToken public immutable token;
    Rewards public immutable rewards;

    /// @notice Bonds of open cases: what this contract holds for others.
    uint256 public totalBonds;
    /// @notice Number of the block in which a commitment was made; 0 when it was not, or is used.
    mapping(bytes32 commitment => uint256) public commitments;
    /// @notice Whether an offence was judged already.
    mapping(bytes32 offence => bool) public judged;
    mapping(bytes32 offence => Case) private _cases;

    event Committed(bytes32 indexed commitment);
    event OffenceProven(
        Offence indexed kind, address indexed offender, address indexed reporter, uint256 slashed, uint256 paid, bytes32 offence
    );
    event DeviceOffenceProven(bytes20 indexed device, address indexed reporter, uint256 paid);
    event CaseOpened(bytes32 indexed id, address indexed offender, bytes20 indexed device, address reporter, uint64 deadline);
    event CaseRefuted(bytes32 indexed id, address indexed by, uint256 bond);

    error Disputes_Wiring();
    error Disputes_CommitmentTaken(bytes32 commitment);
    error Disputes_NotCommitted(bytes32 commitment);
    error Disputes_AlreadyJudged(bytes32 offence);
    error Disputes_NoOffence();
    error Disputes_DifferentSigners(address first, address second);
    error Disputes_NotTheAuthor(address signer, address gateway);
    error Disputes_BadSignature();
    error Disputes_NotInBatch(bytes32 leaf, bytes32 root);
    error Disputes_DeviceRegistered(bytes20 device);
    error Disputes_DeviceNotRegistered(bytes20 device);
    error Disputes_NoCase(bytes32 id);
    error Disputes_CaseOpen(bytes32 id, uint64 deadline);

    /// @param ledger_ Whose headers are judged; its registries are used
    /// @param parameters_ Shares, bond, delay
    /// @param token_ What is staked
    /// @param rewards_ Who pays a bounty for a device; may be deployed after this
    constructor(Ledger ledger_, Parameters parameters_, NetworkToken token_, Rewards rewards_) {
        ledger = ledger_;
        gateways = ledger_.registry();
        devices = ledger_.devices();
        parameters = parameters_;
        token = token_;
        rewards = rewards_;
        if (gateways.disputes() != address(this) || devices.disputes() != address(this)) revert Disputes_Wiring();
        if (gateways.ledger() != ledger_ || gateways.token() != address(token_)) revert Disputes_Wiring();
    }

    /// @notice Commits to evidence without showing it. Report it from the next block on.
    /// @param commitment keccak256(abi.encode(reporter, evidence hash, salt)); the report functions say what the evidence hash is
    function commit(bytes32 commitment) external {
        if (commitments[commitment] != 0) revert Disputes_CommitmentTaken(commitment);
        commitments[commitment] = block.number;
        emit Committed(commitment);
    }

    /// @notice A gateway signed two different headers of its own under one number.
    /// @param evidence Both; evidence hash: keccak256(abi.encode(first hash, second hash)) of the EIP-712 struct hashes
    /// @param salt Of the commitment
    /// @return paid What the caller got
    function reportBatches(BatchPair calldata evidence, bytes32 salt) external returns (uint256 paid) {
        bytes32 first = HeaderHash.ofBatch(evidence.first);
        bytes32 second = HeaderHash.ofBatch(evidence.second);
        _spend(keccak256(abi.encode(first, second)), salt);
        address gateway = evidence.first.gateway;
        if (first == second || evidence.second.gateway != gateway || evidence.first.number != evidence.second.number) {
            revert Disputes_NoOffence();
        }
        _checkAuthor(first, evidence.firstSignature, gateway);
        _checkAuthor(second, evidence.secondSignature, gateway);
        return _punish(Offence.TwoBatches, gateway, bytes32(uint256(evidence.first.number)), Parameter.EquivocationSlash);
    }

    /// @notice A gateway signed two different anchors for one epoch.
    /// @param evidence Both; evidence hash: keccak256(abi.encode(first hash, second hash)) of the EIP-712 struct hashes
    /// @param salt Of the commitment
    /// @return paid What the caller got
    function reportAnchors(AnchorPair calldata evidence, bytes32 salt) external returns (uint256 paid) {
        bytes32 first = HeaderHash.ofAnchor(evidence.first);
        bytes32 second = HeaderHash.ofAnchor(evidence.second);
        _spend(keccak256(abi.encode(first, second)), salt);
        if (first == second || evidence.first.epoch != evidence.second.epoch) revert Disputes_NoOffence();
        address signer = _signerOf(first, evidence.firstSignature);
        address other = _signerOf(second, evidence.secondSignature);
        if (signer != other) revert Disputes_DifferentSigners(signer, other);
        return _punish(Offence.TwoAnchors, signer, bytes32(uint256(evidence.first.epoch)), Parameter.EquivocationSlash);
    }

    /// @notice A gateway signed a batch with a frame that is malformed, or that none of the device's keys ever signed.
    /// @param evidence The frame and one signature; evidence hash: keccak256(abi.encode(batch hash, leaf, signer))
    /// @param salt Of the commitment
    /// @return paid What the caller got
    function reportFrame(BadFrame calldata evidence, bytes32 salt) external returns (uint256 paid) {
        (bytes32 batch, address signer) = _openFrame(evidence, salt);
        if (FrameFormat.check(evidence.frame) == FrameFault.None) {
            bytes20 device = FrameFormat.device(evidence.frame);
            DeviceRegistry.Key[] memory keys = devices.keysOf(device);
            if (keys.length == 0) revert Disputes_DeviceNotRegistered(device);
            for (uint256 i = 0; i < keys.length; ++i) {
                if (_isSigned(evidence.frame, keys[i].x, keys[i].y)) revert Disputes_NoOffence();
            }
        }
        return _punish(Offence.BadFrame, signer, batch, Parameter.BadFrameSlash);
    }

    /// @notice A gateway signed a batch with a frame of a device that is not registered: opens a case.
    /// @param evidence The frame and one signature; evidence hash: keccak256(abi.encode(batch hash, leaf, signer))
    /// @param salt Of the commitment
    /// @return id Of the case
    function accuse(BadFrame calldata evidence, bytes32 salt) external returns (bytes32 id) {
        (bytes32 batch, address signer) = _openFrame(evidence, salt);
        if (FrameFormat.check(evidence.frame) != FrameFault.None) revert Disputes_NoOffence();
        bytes20 device = FrameFormat.device(evidence.frame);
        if (devices.deviceOf(device).registeredAt != 0) revert Disputes_DeviceRegistered(device);
        id = offenceOf(Offence.UnregisteredDevice, signer, keccak256(abi.encode(batch, device)));
        if (judged[id]) revert Disputes_AlreadyJudged(id);
        // An offender that nobody knows has nothing to lose; the call below says so.
        judged[id] = true;
        uint256 bond = parameters.valueOf(Parameter.DisputeBond);
        uint64 deadline = uint64(block.timestamp + parameters.valueOf(Parameter.ResponseSeconds));
        _cases[id] = Case(msg.sender, uint96(bond), device, signer, deadline, batch);
        totalBonds += bond;
        gateways.hold(signer, deadline + HOLD_SECONDS);
        emit CaseOpened(id, signer, device, msg.sender, deadline);
        address(token).safeTransferFrom(msg.sender, address(this), bond);
    }

    /// @notice Ends a case whose device is registered after all; the caller gets the accuser's bond.
    /// @param id Of the case
    function refute(bytes32 id) external {
        Case memory found = _caseOf(id);
        if (devices.deviceOf(found.device).registeredAt == 0) revert Disputes_DeviceNotRegistered(found.device);
        delete _cases[id];
        totalBonds -= found.bond;
        emit CaseRefuted(id, msg.sender, found.bond);
        address(token).safeTransfer(msg.sender, found.bond);
    }

    /// @notice Upholds a case that nobody refuted in time. Anyone may call; the accuser is paid and gets his bond back. Of an offender
    /// that is gone meanwhile (its stake was not held longer, or it never had one) there is nothing to take.
    /// @param id Of the case
    /// @return paid What the accuser got besides the bond
    function uphold(bytes32 id) external returns (uint256 paid) {
        Case memory found = _caseOf(id);
        if (block.timestamp <= found.deadline) revert Disputes_CaseOpen(id, found.deadline);
        if (devices.deviceOf(found.device).registeredAt != 0) revert Disputes_DeviceRegistered(found.device);
        delete _cases[id];
        totalBonds -= found.bond;
        GatewayRegistry.Stake memory stake = gateways.stakeOf(found.offender);
        if (stake.active || stake.operator != address(0)) {
            paid = _slash(Offence.UnregisteredDevice, found.offender, id, Parameter.BadFrameSlash, found.reporter);
        } else {
            emit OffenceProven(Offence.UnregisteredDevice, found.offender, found.reporter, 0, 0, id);
        }
        address(token).safeTransfer(found.reporter, found.bond);
    }

    /// @notice A device signed two different frames under one sequence: it is suspended for good.
    /// @dev The bounty comes out of what Rewards has beyond its debts, at most `DeviceBounty`. A device costs its owner a registration
    /// only, so governance keeps the bounty below that: else owners would report devices they made for it.
    /// @param evidence Both frames; evidence hash: keccak256(abi.encode(SHA-256 of the first's signed part, of the second's))
    /// @param salt Of the commitment
    /// @return paid What the caller got
    function reportDevice(FramePair calldata evidence, bytes32 salt) external returns (uint256 paid) {
        if (FrameFormat.check(evidence.first) != FrameFault.None || FrameFormat.check(evidence.second) != FrameFault.None) {
            revert Disputes_NoOffence();
        }
        bytes32 first = sha256(FrameFormat.signedPart(evidence.first));
        bytes32 second = sha256(FrameFormat.signedPart(evidence.second));
        _spend(keccak256(abi.encode(first, second)), salt);
        bytes20 device = FrameFormat.device(evidence.first);
        // The same signed bytes under two signatures are one frame.
        if (first == second || device != FrameFormat.device(evidence.second)) revert Disputes_NoOffence();
        if (FrameFormat.sequence(evidence.first) != FrameFormat.sequence(evidence.second)) revert Disputes_NoOffence();
        if (!devices.isKeyOf(device, evidence.x, evidence.y)) revert Disputes_DeviceNotRegistered(device);
        if (!_isSigned(evidence.first, evidence.x, evidence.y) || !_isSigned(evidence.second, evidence.x, evidence.y)) {
            revert Disputes_BadSignature();
        }
        bytes32 offence = offenceOf(Offence.TwoFrames, address(device), 0);
        if (judged[offence]) revert Disputes_AlreadyJudged(offence);
        judged[offence] = true;
        devices.suspend(device);
        paid = rewards.payBounty(msg.sender);
        emit DeviceOffenceProven(device, msg.sender, paid);
    }

    /// @notice A case, all zero when there is none.
    /// @param id Of the case
    function caseOf(bytes32 id) external view returns (Case memory) {
        return _cases[id];
    }

    /// @notice What makes an offence one and the same.
    /// @param kind Which offence
    /// @param offender The gateway, or the device id
    /// @param subject Batch number, epoch, batch hash, or keccak256(abi.encode(batch hash, device))
    function offenceOf(Offence kind, address offender, bytes32 subject) public pure returns (bytes32) {
        return keccak256(abi.encode(kind, offender, subject));
    }

    /// @dev Uses up the caller's commitment to this evidence.
    function _spend(bytes32 evidence, bytes32 salt) private {
        bytes32 commitment = keccak256(abi.encode(msg.sender, evidence, salt));
        uint256 made = commitments[commitment];
        if (made == 0 || made >= block.number) revert Disputes_NotCommitted(commitment);
        delete commitments[commitment];
    }

    function _openFrame(BadFrame calldata evidence, bytes32 salt) private returns (bytes32 batch, address signer) {
        batch = HeaderHash.ofBatch(evidence.batch);
        signer = _signerOf(batch, evidence.signature);
        bytes32 leaf = FrameFormat.leaf(evidence.frame);
        _spend(keccak256(abi.encode(batch, leaf, signer)), salt);
        bytes32 root = evidence.batch.root;
        if (evidence.path.length > PATH_MAX || MerkleProof.processProofCalldata(evidence.path, leaf) != root) {
            revert Disputes_NotInBatch(leaf, root);
        }
    }

    function _punish(Offence kind, address offender, bytes32 subject, Parameter share) private returns (uint256 paid) {
        bytes32 offence = offenceOf(kind, offender, subject);
        if (judged[offence]) revert Disputes_AlreadyJudged(offence);
        judged[offence] = true;
        return _slash(kind, offender, offence, share, msg.sender);
    }

    function _slash(Offence kind, address offender, bytes32 offence, Parameter share, address reporter) private returns (uint256 paid) {
        uint256 slashed = gateways.slash(offender, parameters.valueOf(share));
        paid = slashed * parameters.valueOf(Parameter.ReporterShare) / WHOLE;
        emit OffenceProven(kind, offender, reporter, slashed, paid, offence);
        token.burn(slashed - paid);
        address(token).safeTransfer(reporter, paid);
    }

    function _checkAuthor(bytes32 structHash, bytes calldata signature, address gateway) private view {
        address signer = _signerOf(structHash, signature);
        if (signer != gateway) revert Disputes_NotTheAuthor(signer, gateway);
    }

    function _signerOf(bytes32 structHash, bytes calldata signature) private view returns (address signer) {
        if (signature.length != Quorum.SIGNATURE_BYTES) revert Disputes_BadSignature();
        signer = Quorum.recover(TypedDigest.hash(ledger.domainSeparator(), structHash), signature, 0);
        if (signer == address(0)) revert Disputes_BadSignature();
    }

    function _isSigned(bytes calldata frame, bytes32 x, bytes32 y) private view returns (bool) {
        (bytes32 r, bytes32 s) = FrameFormat.signature(frame);
        return P256.verify(sha256(FrameFormat.signedPart(frame)), r, s, x, y);
    }

    function _caseOf(bytes32 id) private view returns (Case memory found) {
        found = _cases[id];
        if (found.reporter == address(0)) revert Disputes_NoCase(id);
    }
}
