// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FrameFault, FrameFormat} from "../src/FrameFormat.sol";
import {Ledger} from "../src/Ledger.sol";
import {Network} from "./Network.sol";

/// @notice Calls the library with call data, as the Ledger does.
contract FrameReader {
    function check(bytes calldata frame) external pure returns (FrameFault) {
        return FrameFormat.check(frame);
    }

    function leaf(bytes calldata frame) external pure returns (bytes32) {
        return FrameFormat.leaf(frame);
    }

    function digest(bytes calldata frame) external pure returns (bytes32) {
        return sha256(FrameFormat.signedPart(frame));
    }
}

/// @notice The golden frames that firmware and gateway read too: shared/vectors/frame.json.
contract FrameVectorsTest is Network {
    FrameReader private _reader;
    string private _json;
    mapping(bytes32 name => FrameFault) private _faults;

    function setUp() public {
        startNetwork(1);
        _reader = new FrameReader();
        _json = vm.readFile("../vectors/frame.json");
        string[12] memory names = [
            "None",
            "TooShort",
            "TooLong",
            "BadMagic",
            "UnknownVersion",
            "ReservedFlags",
            "LengthMismatch",
            "PayloadNotSamples",
            "SequenceZero",
            "PreviousNotZero",
            "SignatureOutOfRange",
            "HighS"
        ];
        for (uint256 i = 0; i < names.length; ++i) {
            _faults[keccak256(bytes(names[i]))] = FrameFault(i);
        }
    }

    function test_each_broken_frame_breaks_the_rule_it_is_named_for() public view {
        uint256 count = 0;
        for (; vm.keyExistsJson(_json, string.concat(".faults[", vm.toString(count), "]")); ++count) {
            string memory at_ = string.concat(".faults[", vm.toString(count), "]");
            FrameFault expected = _faults[keccak256(bytes(vm.parseJsonString(_json, string.concat(at_, ".fault"))))];
            vm.assertTrue(expected != FrameFault.None);
            string memory name = vm.parseJsonString(_json, string.concat(at_, ".name"));
            vm.assertEq(uint256(_reader.check(hexAt(string.concat(at_, ".frame")))), uint256(expected), name);
        }
        vm.assertTrue(count >= 12);
    }

    function test_each_good_frame_has_its_digest_and_leaf_and_is_proven_on_the_ledger() public {
        bytes memory key = hexAt(".publicKey");
        bytes20 device = bytes20(hexAt(".deviceId"));
        uint256 count = 0;
        for (; vm.keyExistsJson(_json, string.concat(".valid[", vm.toString(count), "]")); ++count) {
            string memory at_ = string.concat(".valid[", vm.toString(count), "]");
            bytes memory frame = hexAt(string.concat(at_, ".frame"));
            vm.assertEq(uint256(_reader.check(frame)), 0);
            vm.assertEq(_reader.digest(frame), bytes32(hexAt(string.concat(at_, ".digest"))));
            vm.assertEq(_reader.leaf(frame), bytes32(hexAt(string.concat(at_, ".leaf"))));

            Ledger.FrameProof memory proof;
            proof.frame = frame;
            (proof.x, proof.y) = abi.decode(key, (bytes32, bytes32));
            proof.batch.root = _reader.leaf(frame);
            proof.anchor = anchorNext(hashOf(proof.batch));
            proof.ledgerPath = pathOfLast(hashOf(proof.anchor), count);
            (bytes20 proven, uint64 sequence) = ledger.verify(proof);
            vm.assertEq(bytes32(proven), bytes32(device));
            vm.assertEq(vm.toString(sequence), vm.parseJsonString(_json, string.concat(at_, ".sequence")));
        }
        vm.assertTrue(count >= 5);
    }

    bytes32[] private _anchors;

    // The last anchor's siblings are the peaks it was merged with, lowest first; each is folded here from the leaves.
    function pathOfLast(bytes32 hash, uint256 ordinal) private returns (bytes32[] memory path) {
        _anchors.push(hash);
        uint256 height = 0;
        while ((ordinal >> height) & 1 != 0) ++height;
        path = new bytes32[](height);
        for (uint256 h = 0; h < height; ++h) {
            uint256 size = 1 << h;
            uint256 start = ordinal + 1 - 2 * size;
            bytes32[] memory level = new bytes32[](size);
            for (uint256 i = 0; i < size; ++i) {
                level[i] = _anchors[start + i];
            }
            for (; size > 1; size >>= 1) {
                for (uint256 i = 0; i < size / 2; ++i) {
                    level[i] = pair(level[2 * i], level[2 * i + 1]);
                }
            }
            path[h] = level[0];
        }
    }

    function hexAt(string memory key) private view returns (bytes memory) {
        return vm.parseBytes(string.concat("0x", vm.parseJsonString(_json, key)));
    }
}
