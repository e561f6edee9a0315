// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Why a frame is malformed. The numbers are those of FrameFault in shared/Protocol.
enum FrameFault {
    None,
    TooShort,
    TooLong,
    BadMagic,
    UnknownVersion,
    ReservedFlags,
    LengthMismatch,
    PayloadNotSamples,
    SequenceZero,
    PreviousNotZero,
    SignatureOutOfRange,
    HighS
}

/// @title FrameFormat
/// @notice Slices frame version 1 and refuses whatever a gateway refuses (shared/Protocol, FrameParser).
/// @dev Big-endian:
///   0 magic "DF" | 2 version | 3 flags | 4 profile u16 | 6 payload length L u16 | 8 device id (20) | 28 boot count u32
///   32 sequence u64 | 40 time u64 | 48 previous (32) | 80 payload (L) | 80+L signature r, s (64)
library FrameFormat {
    uint256 internal constant HEADER_BYTES = 80;
    uint256 internal constant SIGNATURE_BYTES = 64;
    uint256 internal constant PAYLOAD_BYTES_MAX = 1024;
    uint256 internal constant SAMPLE_BYTES = 16;
    uint256 internal constant FRAME_BYTES_MIN = HEADER_BYTES + SIGNATURE_BYTES;
    uint256 internal constant FRAME_BYTES_MAX = FRAME_BYTES_MIN + PAYLOAD_BYTES_MAX;
    uint256 internal constant FLAG_PAYLOAD_SEALED = 2;
    uint256 internal constant FLAGS_KNOWN = 3;
    /// @dev Order of the P-256 group, FIPS 186-4 D.1.2.3, and half of it.
    uint256 internal constant ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;
    uint256 internal constant HALF_ORDER = 0x7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8;

    /// @dev The first rule the frame breaks, or None.
    function check(bytes calldata frame) internal pure returns (FrameFault) {
        if (frame.length < FRAME_BYTES_MIN) return FrameFault.TooShort;
        if (frame.length > FRAME_BYTES_MAX) return FrameFault.TooLong;
        uint256 head = uint256(bytes32(frame[0:32]));
        if (head >> 240 != 0x4446) return FrameFault.BadMagic;
        if ((head >> 232) & 0xff != 1) return FrameFault.UnknownVersion;
        uint256 flags = (head >> 224) & 0xff;
        if (flags & ~FLAGS_KNOWN != 0) return FrameFault.ReservedFlags;
        uint256 payloadBytes = (head >> 192) & 0xffff;
        if (frame.length != FRAME_BYTES_MIN + payloadBytes) return FrameFault.LengthMismatch;
        if (flags & FLAG_PAYLOAD_SEALED == 0 && payloadBytes % SAMPLE_BYTES != 0) return FrameFault.PayloadNotSamples;
        uint64 number = sequence(frame);
        if (number == 0) return FrameFault.SequenceZero;
        if (number == 1 && bytes32(frame[48:80]) != 0) return FrameFault.PreviousNotZero;
        (bytes32 r, bytes32 s) = signature(frame);
        if (uint256(r) == 0 || uint256(r) >= ORDER || uint256(s) == 0 || uint256(s) >= ORDER) return FrameFault.SignatureOutOfRange;
        if (uint256(s) > HALF_ORDER) return FrameFault.HighS;
        return FrameFault.None;
    }

    /// @dev Device id of a frame that `check` passed.
    function device(bytes calldata frame) internal pure returns (bytes20) {
        return bytes20(frame[8:28]);
    }

    /// @dev Sequence of a frame of at least FRAME_BYTES_MIN bytes.
    function sequence(bytes calldata frame) internal pure returns (uint64) {
        return uint64(bytes8(frame[32:40]));
    }

    /// @dev The frame without its signature: what the device hashed and signed.
    function signedPart(bytes calldata frame) internal pure returns (bytes calldata) {
        return frame[:frame.length - SIGNATURE_BYTES];
    }

    /// @dev The last 64 bytes: r then s.
    function signature(bytes calldata frame) internal pure returns (bytes32 r, bytes32 s) {
        r = bytes32(frame[frame.length - 64:frame.length - 32]);
        s = bytes32(frame[frame.length - 32:]);
    }

    /// @dev Leaf of the frame in its batch. Hashed twice, so that no 64-byte frame can pose as a pair of nodes.
    function leaf(bytes calldata frame) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(frame)));
    }

    /// @dev Device id of a P-256 public key: the last 20 bytes of SHA-256(X || Y).
    function deviceOf(bytes32 x, bytes32 y) internal pure returns (bytes20) {
        return bytes20(uint160(uint256(sha256(abi.encodePacked(x, y)))));
    }
}
