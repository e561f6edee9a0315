// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {ActiveSet} from "./ActiveSet.sol";
import {EvidenceDomain} from "./EvidenceDomain.sol";
import {FrameFault, FrameFormat} from "./FrameFormat.sol";
import {GatewayRegistry} from "./GatewayRegistry.sol";
import {Quorum} from "./Quorum.sol";

/// @title Ledger
/// @notice Every anchor the network ever made, as one append-only Merkle mountain range; `verify` proves one frame against it.
/// @dev One anchor an epoch at most, each naming the one before, each signed by a quorum of the active set. No owner key, no
/// proxy, no way to take an anchor back.
///
/// The range is a binary counter: bit h of `count` set means a perfect tree of 2^h anchor hashes stands, with its root in
/// `_peaks[h]`. `_peaks[0]` is always the last anchor's hash, a peak of its own or already merged: it is the head, for free.
/// So an anchor writes two slots when it does not merge and three when it does, whatever the ledger's length.
contract Ledger is EvidenceDomain {
    /// @notice What a quorum signs for an epoch (EIP-712).
    /// @param epoch Block time in seconds divided by `epochSeconds`
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

    /// @dev All of it in one slot.
    struct State {
        uint64 count;
        uint64 epoch;
        uint64 setVersion;
    }

    bytes32 private constant ANCHOR_TYPEHASH =
        keccak256("Anchor(uint64 epoch,bytes32 previous,bytes32 root,uint32 batches,uint64 frames)");
    bytes32 private constant BATCH_TYPEHASH = keccak256(
        "Batch(address gateway,uint64 number,bytes32 previous,bytes32 root,uint32 frames,uint32 samples,uint64 firstReceivedMs,uint64 lastReceivedMs,bytes32 body)"
    );
    /// @dev 2^64 anchors never come: one a second would take 584 thousand million years.
    uint256 private constant PEAKS = 64;

    /// @notice Whose active set signs the anchors.
    GatewayRegistry public immutable registry;
    /// @notice Length of an epoch, seconds.
    uint64 public immutable epochSeconds;

    State private _state;
    bytes32[PEAKS] private _peaks;

    event Anchored(
        uint64 indexed epoch,
        uint64 indexed ordinal,
        bytes32 indexed hash,
        bytes32 previous,
        bytes32 root,
        uint32 batches,
        uint64 frames
    );

    error Ledger_EpochSecondsZero();
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
    /// @param epochSeconds_ Length of an epoch, seconds, at least 1
    constructor(GatewayRegistry registry_, uint64 epochSeconds_) {
        if (epochSeconds_ == 0) revert Ledger_EpochSecondsZero();
        if (ActiveSet.addressOf(address(registry_), 1).code.length == 0) revert Ledger_RegistryEmpty(address(registry_));
        registry = registry_;
        epochSeconds = epochSeconds_;
        _state.setVersion = uint64(ActiveSet.latest(address(registry_), 1));
    }

    /// @notice Appends an anchor. Anyone may submit it and pay; only a quorum's signatures count.
    /// @param a The anchor: its epoch after the last one and not in the future, its previous the head
    /// @param signers Bit i set: signer i of the active set signed
    /// @param signatures One 64-byte EIP-2098 signature a bit, ascending, over the EIP-712 digest of `a`
    function anchor(Anchor calldata a, uint256 signers, bytes calldata signatures) external {
        State memory current = _state;
        // The first anchor may be of any epoch up to now.
        if (a.epoch <= current.epoch && current.count != 0) revert Ledger_EpochTaken(a.epoch, current.epoch);
        if (a.epoch > epochNow()) revert Ledger_EpochInFuture(a.epoch, epochNow());
        bytes32 last = _peaks[0];
        if (a.previous != last) revert Ledger_WrongPrevious(a.previous, last);

        bytes32 hash = _hashAnchor(a);
        current.setVersion = uint64(ActiveSet.latest(address(registry), current.setVersion));
        Quorum.check(ActiveSet.addressOf(address(registry), current.setVersion), _typedDigest(hash), signers, signatures);

        uint64 ordinal = current.count;
        _append(ordinal, last, hash);
        unchecked {
            current.count = ordinal + 1;
        }
        current.epoch = a.epoch;
        _state = current;
        emit Anchored(a.epoch, ordinal, hash, last, a.root, a.batches, a.frames);
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
        if (keyDevice != device) revert Ledger_WrongKey(device, keyDevice);
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
        return _state.count;
    }

    /// @notice All a submitter must know, at one block.
    /// @return anchors Anchors so far
    /// @return lastEpoch Epoch of the last one (0 when there is none)
    /// @return currentEpoch The latest epoch that may be anchored now
    /// @return setVersion Version of the active set that must sign
    /// @return lastHash Hash of the last anchor
    function state()
        external
        view
        returns (uint64 anchors, uint64 lastEpoch, uint64 currentEpoch, uint64 setVersion, bytes32 lastHash)
    {
        State memory current = _state;
        setVersion = uint64(ActiveSet.latest(address(registry), current.setVersion));
        return (current.count, current.epoch, epochNow(), setVersion, _peaks[0]);
    }

    /// @notice Root of the perfect tree of 2^height anchors, zero where none stands.
    /// @param height From 0 to 63
    function peak(uint256 height) external view returns (bytes32) {
        return _isPeak(height) ? _peaks[height] : bytes32(0);
    }

    /// @notice Signatures an anchor needs now: floor(2n/3) + 1.
    function quorum() external view returns (uint256) {
        uint256 setVersion = ActiveSet.latest(address(registry), _state.setVersion);
        return ActiveSet.quorumOf(ActiveSet.countAt(ActiveSet.addressOf(address(registry), setVersion)));
    }

    /// @notice The epoch of this block: its time divided by `epochSeconds`.
    function epochNow() public view returns (uint64) {
        return uint64(block.timestamp / epochSeconds);
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
        bytes32 batch = _hashBatch(proof.batch);
        root = proof.anchor.root;
        if (MerkleProof.processProofCalldata(proof.anchorPath, batch) != root) revert Ledger_NotInAnchor(batch, root);
        bytes32 hash = _hashAnchor(proof.anchor);
        uint256 height = proof.ledgerPath.length;
        if (!_isPeak(height) || MerkleProof.processProofCalldata(proof.ledgerPath, hash) != _peaks[height]) {
            revert Ledger_NotInLedger(hash, height);
        }
    }

    function _isPeak(uint256 height) private view returns (bool) {
        return height < PEAKS && (_state.count >> height) & 1 != 0;
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

    /// @dev EIP-712 over the call data as it lies there, which is the struct's encoding. A field with bits beyond its type gives
    /// another hash than anyone signed.
    function _hashAnchor(Anchor calldata a) private pure returns (bytes32 hash) {
        bytes32 typehash = ANCHOR_TYPEHASH;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore(pointer, typehash)
            calldatacopy(add(pointer, 0x20), a, 0xa0)
            hash := keccak256(pointer, 0xc0)
        }
    }

    /// @dev As above; nine words.
    function _hashBatch(Batch calldata b) private pure returns (bytes32 hash) {
        bytes32 typehash = BATCH_TYPEHASH;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore(pointer, typehash)
            calldatacopy(add(pointer, 0x20), b, 0x120)
            hash := keccak256(pointer, 0x140)
        }
    }
}
