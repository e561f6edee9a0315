// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {ActiveSet} from "./ActiveSet.sol";
import {DeviceRegistry} from "./DeviceRegistry.sol";
import {EvidenceDomain} from "./EvidenceDomain.sol";
import {FrameFault, FrameFormat} from "./FrameFormat.sol";
import {GatewayRegistry} from "./GatewayRegistry.sol";
import {HeaderHash} from "./HeaderHash.sol";
import {Quorum} from "./Quorum.sol";

/// @title Ledger
/// @notice Every anchor the network ever made, as one append-only Merkle mountain range; `verify` proves one frame against it.
/// @dev One anchor an epoch at most, each naming the one before, each signed by a quorum of the set in force. No owner key, no
/// proxy, no way to take an anchor back. Governance may change the length of an epoch, two borders ahead, and may stop new anchors
/// for a bounded time; proofs go on.
///
/// Epochs are counted in segments (first epoch, its time, length): epoch(t) = first + (t - time) / length. The first segment is
/// (0, 0, length), so until the first change an epoch is the time divided by its length.
///
/// The range is a binary counter: bit h of `count` set means a perfect tree of 2^h anchor hashes stands, with its root in
/// `_peaks[h]`. `_peaks[0]` is always the last anchor's hash, a peak of its own or already merged: it is the head, for free.
/// So an anchor writes two slots when it does not merge and three when it does, whatever the ledger's length.
contract Ledger is EvidenceDomain {
    /// @notice What a quorum signs for an epoch (EIP-712).
    /// @param epoch Number of the epoch, as `epochNow` counts
    /// @param previous Hash of the anchor before, zero for the first
    /// @param root Merkle root over the epoch's batch hashes
    /// @param batches Batches under the root
    /// @param frames Frames under all of them
    struct Anchor {
        uint64 epoch;
        bytes32 previous;
        bytes32 root;
        uint32 batches;
        uint64 frames;
    }

    /// @notice A gateway's batch header (EIP-712).
    /// @param gateway Who batched
    /// @param number From 1, +1 with each of this gateway's batches
    /// @param previous Hash of its batch before, zero for the first
    /// @param root Merkle root over the frames
    /// @param frames Frames under the root
    /// @param samples Samples in them
    /// @param firstReceivedMs When the first frame was received, ms since the Unix epoch
    /// @param lastReceivedMs When the last was
    /// @param body SHA-256 over the batch's bytes
    struct Batch {
        address gateway;
        uint64 number;
        bytes32 previous;
        bytes32 root;
        uint32 frames;
        uint32 samples;
        uint64 firstReceivedMs;
        uint64 lastReceivedMs;
        bytes32 body;
    }

    /// @notice What proves one frame.
    /// @param frame The frame's bytes with the device's signature
    /// @param x The device's P-256 public key, X
    /// @param y The device's P-256 public key, Y
    /// @param batchPath From the frame's leaf to `batch.root`
    /// @param anchorPath From the batch's hash to `anchor.root`
    /// @param ledgerPath From the anchor's hash to the peak whose height is this path's length
    struct FrameProof {
        bytes frame;
        bytes32 x;
        bytes32 y;
        bytes32[] batchPath;
        Batch batch;
        bytes32[] anchorPath;
        Anchor anchor;
        bytes32[] ledgerPath;
    }

    /// @notice A stretch of time with epochs of one length.
    /// @param firstEpoch Number of its first epoch
    /// @param startTime When that begins, seconds since the Unix epoch
    /// @param epochSeconds Length of each
    struct Segment {
        uint64 firstEpoch;
        uint64 startTime;
        uint64 epochSeconds;
    }

    /// @notice Longest epoch governance may set; the shortest is a quarter of the first one.
    uint64 public constant EPOCH_SECONDS_MAX = 1 days;
    /// @notice Longest stop of new anchors.
    uint64 public constant PAUSE_SECONDS_MAX = 3 days;
    /// @notice From the end of a stop to the next one at least.
    uint64 public constant PAUSE_GAP_SECONDS = 7 days;
    /// @notice A new length of epochs begins this many borders ahead, so that every gateway knows it for a whole epoch.
    uint64 public constant EPOCH_LEAD = 2;

    /// @dev 2^40 anchors never come: one a second would take 34,000 years.
    uint256 private constant PEAKS = 40;

    /// @dev Where each number begins in `_state`; the count is the lowest. 40 bits of seconds or epochs last 34,000 years.
    uint256 private constant EPOCH_AT = 40;
    uint256 private constant SET_AT = 80; // 32 bits
    uint256 private constant PAUSED_AT = 112;
    uint256 private constant FIRST_AT = 152;
    uint256 private constant START_AT = 192;
    uint256 private constant LENGTH_AT = 232; // 24 bits
    uint256 private constant MASK = (1 << 40) - 1;
    uint256 private constant SET_MASK = (1 << 32) - 1;

    /// @notice Whose active set signs the anchors.
    GatewayRegistry public immutable registry;
    /// @notice Who knows the keys of devices that changed them.
    DeviceRegistry public immutable devices;
    /// @notice Who may change the length of an epoch and stop new anchors: the timelock.
    address public immutable governance;
    /// @notice The shortest epoch governance may set, seconds.
    uint64 public immutable epochSecondsMin;

    /// @dev All an anchor needs, in one slot, packed by hand: that saves an anchor about 500 gas. Count, last epoch, version of the set,
    /// end of the stop, then the newest segment: first epoch, its time, length.
    uint256 private _state;
    bytes32[PEAKS] private _peaks;
    Segment[] private _segments;

    event Anchored(
        uint64 indexed epoch,
        uint64 indexed ordinal,
        bytes32 indexed hash,
        bytes32 previous,
        bytes32 root,
        uint32 batches,
        uint64 frames
    );

    /// @notice The set that signs from anchor `ordinal` on is another one.
    event SetAdopted(uint64 indexed version, uint64 indexed ordinal, bytes32 configDigest);
    event EpochLengthChanged(uint64 indexed firstEpoch, uint64 startTime, uint64 epochSeconds);
    event Paused(uint64 until);
    event Resumed(uint64 at);

    error Ledger_EpochSecondsOutOfBounds(uint64 given, uint64 min, uint64 max);
    error Ledger_EpochChangePending(uint64 startTime);
    error Ledger_NotGovernance(address caller);
    error Ledger_Paused(uint64 until);
    error Ledger_PauseOutOfBounds(uint64 given, uint64 max);
    error Ledger_PausedLately(uint64 until);
    error Ledger_RegistryEmpty(address registry);
    error Ledger_EpochTaken(uint64 epoch, uint64 last);
    error Ledger_EpochInFuture(uint64 epoch, uint64 current);
    error Ledger_WrongPrevious(bytes32 given, bytes32 head);
    error Ledger_MalformedFrame(FrameFault fault);
    error Ledger_WrongKey(bytes20 device, bytes20 keyDevice);
    error Ledger_BadDeviceSignature(bytes20 device);
    error Ledger_NotInBatch(bytes32 leaf, bytes32 root);
    error Ledger_NotInAnchor(bytes32 batch, bytes32 root);
    error Ledger_NotInLedger(bytes32 anchor, uint256 height);

    /// @param registry_ Whose active set signs
    /// @param devices_ Where devices change their keys
    /// @param governance_ The timelock
    /// @param epochSeconds_ Length of an epoch, seconds, 1 to a day
    constructor(GatewayRegistry registry_, DeviceRegistry devices_, address governance_, uint64 epochSeconds_) {
        if (epochSeconds_ == 0 || epochSeconds_ > EPOCH_SECONDS_MAX) {
            revert Ledger_EpochSecondsOutOfBounds(epochSeconds_, 1, EPOCH_SECONDS_MAX);
        }
        if (ActiveSet.addressOf(address(registry_), 1).code.length == 0) revert Ledger_RegistryEmpty(address(registry_));
        registry = registry_;
        devices = devices_;
        governance = governance_;
        epochSecondsMin = (epochSeconds_ + 3) / 4;
        _state = 1 << SET_AT;
        _startSegment(0, 0, epochSeconds_);
    }

    /// @notice Appends an anchor. Anyone may submit it and pay; only a quorum's signatures count.
    /// @param a The anchor: its epoch after the last one and not in the future, its previous the head
    /// @param signers Bit i set: signer i of the set in force signed
    /// @param signatures One 64-byte EIP-2098 signature a bit, ascending, over the EIP-712 digest of `a`
    function anchor(Anchor calldata a, uint256 signers, bytes calldata signatures) external {
        uint256 current = _state;
        if (block.timestamp < (current >> PAUSED_AT) & MASK) revert Ledger_Paused(uint64((current >> PAUSED_AT) & MASK));
        uint256 ordinal = current & MASK;
        uint256 epoch = a.epoch;
        // The first anchor may be of any epoch up to now.
        if (epoch <= (current >> EPOCH_AT) & MASK && ordinal != 0) revert Ledger_EpochTaken(a.epoch, uint64((current >> EPOCH_AT) & MASK));
        bytes32 last = _peaks[0];
        bytes32 hash = HeaderHash.ofAnchor(a);
        if (a.previous != last) revert Ledger_WrongPrevious(a.previous, last);
        uint256 now_ = _epochNow(current);
        if (epoch > now_) revert Ledger_EpochInFuture(a.epoch, uint64(now_));
        current = _adopt(current, now_, type(uint256).max);
        Quorum.check(ActiveSet.addressOf(address(registry), (current >> SET_AT) & SET_MASK), _typedDigest(hash), signers, signatures);

        _append(ordinal, last, hash);
        unchecked {
            // No carry: neither number comes near its 40 bits.
            _state = (current & ~(MASK << EPOCH_AT | MASK)) | epoch << EPOCH_AT | (ordinal + 1);
        }
        _tell(a, uint64(ordinal), hash);
    }

    /// @notice Takes up newer versions of the set that are in force, one after the other. An anchor does so itself; this is for when more
    /// of them were made since the last anchor than one transaction can walk.
    /// @param most How many at most
    function adoptSet(uint256 most) external {
        uint256 current = _state;
        _state = _adopt(current, _epochNow(current), most);
    }

    /// @notice Changes the length of an epoch, from the second border from now on. Governance only.
    /// @param seconds_ From `epochSecondsMin` to `EPOCH_SECONDS_MAX`
    function setEpochSeconds(uint64 seconds_) external {
        _checkGovernance();
        if (seconds_ < epochSecondsMin || seconds_ > EPOCH_SECONDS_MAX) {
            revert Ledger_EpochSecondsOutOfBounds(seconds_, epochSecondsMin, EPOCH_SECONDS_MAX);
        }
        uint256 current = _state;
        uint64 pending = uint64((current >> START_AT) & MASK);
        if (block.timestamp < pending) revert Ledger_EpochChangePending(pending);
        uint64 first = uint64(_epochNow(current)) + EPOCH_LEAD;
        _startSegment(first, timeOf(first), seconds_);
    }

    /// @notice Stops new anchors for a while. Governance only; a stop ends by itself, and another cannot follow soon.
    /// @param seconds_ At most `PAUSE_SECONDS_MAX`
    function pause(uint64 seconds_) external {
        _checkGovernance();
        if (seconds_ == 0 || seconds_ > PAUSE_SECONDS_MAX) revert Ledger_PauseOutOfBounds(seconds_, PAUSE_SECONDS_MAX);
        uint64 before = pausedUntil();
        if (before != 0 && block.timestamp < before + PAUSE_GAP_SECONDS) revert Ledger_PausedLately(before);
        uint64 until = uint64(block.timestamp) + seconds_;
        _setPausedUntil(until);
        emit Paused(until);
    }

    /// @notice Ends a stop early. Governance only.
    function resume() external {
        _checkGovernance();
        if (block.timestamp < pausedUntil()) {
            _setPausedUntil(uint64(block.timestamp));
            emit Resumed(uint64(block.timestamp));
        }
    }

    /// @notice Proves that the device with this key signed this frame and that a quorum anchored it. Reverts with the reason if not.
    /// @dev P-256 by the precompile at 0x100 where a known-good vector proves it is there (EIP-7951), else in Solidity.
    /// @param proof The frame, its key and its three paths. The last path follows the ledger as it grows: rebuild it from the
    /// `Anchored` events when it no longer leads to a peak
    /// @return device The device that signed
    /// @return sequence The frame's number at that device
    function verify(FrameProof calldata proof) external view returns (bytes20 device, uint64 sequence) {
        bytes calldata frame = proof.frame;
        FrameFault fault = FrameFormat.check(frame);
        if (fault != FrameFault.None) revert Ledger_MalformedFrame(fault);
        device = FrameFormat.device(frame);
        sequence = FrameFormat.sequence(frame);

        _checkPaths(proof);

        bytes20 keyDevice = FrameFormat.deviceOf(proof.x, proof.y);
        // A device's id is the hash of its first key; only a device that changed its key costs a question.
        if (keyDevice != device && !devices.isKeyOf(device, proof.x, proof.y)) revert Ledger_WrongKey(device, keyDevice);
        (bytes32 r, bytes32 s) = FrameFormat.signature(frame);
        bytes32 digest = sha256(FrameFormat.signedPart(frame));
        if (!P256.verify(digest, r, s, proof.x, proof.y)) revert Ledger_BadDeviceSignature(device);
    }

    /// @notice Hash of the last anchor, which the next one must name; zero before the first.
    function head() external view returns (bytes32) {
        return _peaks[0];
    }

    /// @notice Anchors so far; the next one's ordinal.
    function count() external view returns (uint64) {
        return uint64(_state & MASK);
    }

    /// @notice All a submitter must know, at one block.
    /// @return anchors Anchors so far
    /// @return lastEpoch Epoch of the last one (0 when there is none)
    /// @return currentEpoch The latest epoch that may be anchored now
    /// @return setVersion Version of the active set that is in force and must sign
    /// @return lastHash Hash of the last anchor
    function state()
        external
        view
        returns (uint64 anchors, uint64 lastEpoch, uint64 currentEpoch, uint64 setVersion, bytes32 lastHash)
    {
        uint256 current = _state;
        currentEpoch = uint64(_epochNow(current));
        setVersion = uint64(_inForce(current, currentEpoch, type(uint256).max));
        return (uint64(current & MASK), uint64((current >> EPOCH_AT) & MASK), currentEpoch, setVersion, _peaks[0]);
    }

    /// @notice Root of the perfect tree of 2^height anchors, zero where none stands.
    /// @param height From 0 to 39
    function peak(uint256 height) external view returns (bytes32) {
        return _isPeak(height) ? _peaks[height] : bytes32(0);
    }

    /// @notice Signatures an anchor needs now: floor(2n/3) + 1 of the set in force.
    function quorum() external view returns (uint256) {
        return ActiveSet.quorumOf(ActiveSet.countAt(setInForce()));
    }

    /// @notice Length of an epoch now, seconds.
    function epochSeconds() external view returns (uint64) {
        return _segmentAt(block.timestamp).epochSeconds;
    }

    /// @notice Every segment of epochs so far, oldest first; the last may still be to come.
    function segments() external view returns (Segment[] memory) {
        return _segments;
    }

    /// @notice Until when new anchors are refused; in the past when they are not.
    function pausedUntil() public view returns (uint64) {
        return uint64((_state >> PAUSED_AT) & MASK);
    }

    /// @notice Address of the list of signers in force now: code, as ActiveSet lays it out.
    function setInForce() public view returns (address) {
        uint256 current = _state;
        return ActiveSet.addressOf(address(registry), _inForce(current, _epochNow(current), type(uint256).max));
    }

    /// @notice The epoch of this block.
    function epochNow() public view returns (uint64) {
        return uint64(_epochNow(_state));
    }

    /// @notice When an epoch begins, seconds since the Unix epoch.
    /// @param epoch Past or to come; one to come moves when governance changes the length
    function timeOf(uint64 epoch) public view returns (uint64) {
        uint256 i = _segments.length - 1;
        while (_segments[i].firstEpoch > epoch) --i;
        Segment memory segment = _segments[i];
        return segment.startTime + (epoch - segment.firstEpoch) * segment.epochSeconds;
    }

    function _epochNow(uint256 current) private view returns (uint256) {
        uint256 start = (current >> START_AT) & MASK;
        if (block.timestamp >= start) {
            unchecked {
                return ((current >> FIRST_AT) & MASK) + (block.timestamp - start) / (current >> LENGTH_AT);
            }
        }
        Segment memory before = _segmentAt(block.timestamp);
        return before.firstEpoch + (block.timestamp - before.startTime) / before.epochSeconds;
    }

    function _segmentAt(uint256 time) private view returns (Segment memory) {
        uint256 i = _segments.length - 1;
        while (_segments[i].startTime > time) --i;
        return _segments[i];
    }

    function _startSegment(uint64 first, uint64 startTime, uint64 seconds_) private {
        _segments.push(Segment(first, startTime, seconds_));
        _state = (_state & ((1 << FIRST_AT) - 1)) | uint256(first) << FIRST_AT | uint256(startTime) << START_AT | uint256(seconds_) << LENGTH_AT;
        emit EpochLengthChanged(first, startTime, seconds_);
    }

    function _tell(Anchor calldata a, uint64 ordinal, bytes32 hash) private {
        emit Anchored(a.epoch, ordinal, hash, a.previous, a.root, a.batches, a.frames);
    }

    function _setPausedUntil(uint64 until) private {
        _state = (_state & ~(MASK << PAUSED_AT)) | uint256(until) << PAUSED_AT;
    }

    /// @dev `current` with the version of the set that is in force in `epoch`, at most `most` versions on.
    function _adopt(uint256 current, uint256 epoch, uint256 most) private returns (uint256) {
        uint256 setVersion = _inForce(current, epoch, most);
        if (setVersion == (current >> SET_AT) & SET_MASK) return current;
        emit SetAdopted(uint64(setVersion), uint64(current & MASK), ActiveSet.addressOf(address(registry), setVersion).codehash);
        return (current & ~(SET_MASK << SET_AT)) | setVersion << SET_AT;
    }

    function _inForce(uint256 current, uint256 epoch, uint256 most) private view returns (uint256) {
        return ActiveSet.inForce(address(registry), (current >> SET_AT) & SET_MASK, epoch, most);
    }

    function _checkGovernance() private view {
        if (msg.sender != governance) revert Ledger_NotGovernance(msg.sender);
    }

    /// @dev Adds leaf number `ordinal`, as a binary counter adds one: each trailing one bit of `ordinal` is a peak to merge with.
    function _append(uint256 ordinal, bytes32 last, bytes32 hash) private {
        if (ordinal & 1 != 0) {
            bytes32 node = _pair(last, hash);
            uint256 height = 1;
            while ((ordinal >> height) & 1 != 0) {
                node = _pair(_peaks[height], node);
                unchecked {
                    ++height;
                }
            }
            // A merged peak is not cleared: its bit in the count is, and clearing would cost more than the refund.
            _peaks[height] = node;
        }
        _peaks[0] = hash;
    }

    /// @dev Reverts unless the three paths lead from the frame to a peak.
    function _checkPaths(FrameProof calldata proof) private view {
        bytes32 leaf = FrameFormat.leaf(proof.frame);
        bytes32 root = proof.batch.root;
        if (MerkleProof.processProofCalldata(proof.batchPath, leaf) != root) revert Ledger_NotInBatch(leaf, root);
        bytes32 batch = HeaderHash.ofBatch(proof.batch);
        root = proof.anchor.root;
        if (MerkleProof.processProofCalldata(proof.anchorPath, batch) != root) revert Ledger_NotInAnchor(batch, root);
        bytes32 hash = HeaderHash.ofAnchor(proof.anchor);
        uint256 height = proof.ledgerPath.length;
        if (!_isPeak(height) || MerkleProof.processProofCalldata(proof.ledgerPath, hash) != _peaks[height]) {
            revert Ledger_NotInLedger(hash, height);
        }
    }

    function _isPeak(uint256 height) private view returns (bool) {
        return height < PEAKS && (_state >> height) & 1 != 0;
    }

    /// @dev Commutative, as in MerkleProof: the smaller of the two first.
    function _pair(bytes32 a, bytes32 b) private pure returns (bytes32 node) {
        assembly ("memory-safe") {
            switch lt(a, b)
            case 1 {
                mstore(0x00, a)
                mstore(0x20, b)
            }
            default {
                mstore(0x00, b)
                mstore(0x20, a)
            }
            node := keccak256(0x00, 0x40)
        }
    }
}
