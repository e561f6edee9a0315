// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {Network} from "./Network.sol";

/// @notice The signatures that the device's own signer makes (shared/vectors/signer.json), before what Ledger and DeviceRegistry ask.
contract SignerVectorsTest is Network {
    string private _json;

    function setUp() public {
        _json = vm.readFile("../vectors/signer.json");
    }

    function test_each_signature_of_the_devices_signer_is_verified_by_precompile_and_fallback() public view {
        uint256 count = 0;
        for (; vm.keyExistsJson(_json, at(count, "")); ++count) {
            (bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) = vectorAt(count);
            vm.assertTrue(P256.verify(digest, r, s, x, y));
            vm.assertTrue(P256.verifyNative(digest, r, s, x, y));
            vm.assertTrue(P256.verifySolidity(digest, r, s, x, y));
            vm.assertFalse(P256.verify(~digest, r, s, x, y));
        }
        vm.assertTrue(count >= 16);
    }

    function test_the_same_signatures_with_a_high_s_are_refused() public view {
        uint256 count = 0;
        for (; vm.keyExistsJson(_json, at(count, "")); ++count) {
            (bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) = vectorAt(count);
            bytes32 high = bytes32(P256_ORDER - uint256(s));
            vm.assertFalse(P256.verify(digest, r, high, x, y));
            vm.assertFalse(P256.verifySolidity(digest, r, high, x, y));
        }
        vm.assertTrue(count >= 16);
    }

    function vectorAt(uint256 index) private view returns (bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) {
        digest = bytes32(hexAt(at(index, ".digest")));
        (r, s) = abi.decode(hexAt(at(index, ".signature")), (bytes32, bytes32));
        (x, y) = abi.decode(hexAt(at(index, ".publicKey")), (bytes32, bytes32));
    }

    function at(uint256 index, string memory member) private pure returns (string memory) {
        return string.concat("$[", vm.toString(index), "]", member);
    }

    function hexAt(string memory key) private view returns (bytes memory) {
        return vm.parseBytes(string.concat("0x", vm.parseJsonString(_json, key)));
    }
}
