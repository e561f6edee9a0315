// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title P256
/// @notice Stands in for OpenZeppelin's P256 where coverage is measured (ContractsCoverage): without an optimiser that one does not compile
/// (stack too deep). The same answers by the precompile alone (EIP-7951), which the chain of the tests has.
library P256 {
    uint256 private constant P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF;
    uint256 private constant A = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC;
    uint256 private constant B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B;
    uint256 private constant HALF_ORDER = 0x7FFFFFFF800000007FFFFFFFFFFFFFFFDE737D56D38BCF4279DCE5617E3192A8;

    function verify(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) internal view returns (bool) {
        if (uint256(s) > HALF_ORDER) return false;
        (bool success, bytes memory answer) = address(0x100).staticcall(abi.encode(digest, r, s, x, y));
        return success && answer.length == 32;
    }

    function verifyNative(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) internal view returns (bool) {
        return verify(digest, r, s, x, y);
    }

    function verifySolidity(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) internal view returns (bool) {
        return verify(digest, r, s, x, y);
    }

    function isValidPublicKey(bytes32 x, bytes32 y) internal pure returns (bool) {
        (uint256 a, uint256 b) = (uint256(x), uint256(y));
        if (a >= P || b >= P) return false;
        return mulmod(b, b, P) == addmod(mulmod(a, addmod(mulmod(a, a, P), A, P), P), B, P);
    }
}
