// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ledger} from "../src/Ledger.sol";
import {Network} from "./Network.sol";

/// @notice Drives a ledger at random: good anchors, early ones, ones without quorum, replays; and keeps its own full list.
contract LedgerDriver is Network {
    bytes32[] public hashes;
    uint64[] public epochs;
    Ledger.Anchor private _last;
    bytes private _lastSignatures;

    constructor() {
        startNetwork(4);
    }

    function theLedger() external view returns (Ledger) {
        return ledger;
    }

    function length() external view returns (uint256) {
        return hashes.length;
    }

    function anchor(bytes32 root, uint8 mask, uint16 wait) external {
        vm.warp(block.timestamp + bound(wait, 0, 3 * EPOCH_SECONDS));
        Ledger.Anchor memory a = nextAnchor(root);
        uint256 signers = bound(mask, 0, 15);
        bytes memory signatures = signAll(digestOf(address(ledger), hashOf(a)), signers);
        uint256 signed = 0;
        for (uint256 i = 0; i < 4; ++i) {
            signed += (signers >> i) & 1;
        }
        bool fresh = epochs.length == 0 || a.epoch > epochs[epochs.length - 1];
        if (fresh && signed >= 3) {
            ledger.anchor(a, signers, signatures);
            hashes.push(hashOf(a));
            epochs.push(a.epoch);
            _last = a;
            _lastSignatures = signatures;
        } else {
            vm.expectRevert();
            ledger.anchor(a, signers, signatures);
        }
    }

    function replay(uint16 wait) external {
        if (hashes.length == 0) return;
        vm.warp(block.timestamp + wait);
        vm.expectRevert();
        ledger.anchor(_last, 0x7, _lastSignatures);
    }
}

contract LedgerInvariantTest is Network {
    LedgerDriver private _driver;

    function setUp() public {
        _driver = new LedgerDriver();
        targetContract(address(_driver));
        bytes4[] memory selectors = new bytes4[](4);
        // Three in four calls try to anchor.
        selectors[0] = LedgerDriver.anchor.selector;
        selectors[1] = LedgerDriver.anchor.selector;
        selectors[2] = LedgerDriver.anchor.selector;
        selectors[3] = LedgerDriver.replay.selector;
        targetSelector(FuzzSelector(address(_driver), selectors));
    }

    function invariant_the_count_and_the_head_are_the_good_anchors() public view {
        Ledger target = _driver.theLedger();
        uint256 length = _driver.length();
        vm.assertEq(target.count(), length);
        vm.assertEq(target.head(), length == 0 ? bytes32(0) : _driver.hashes(length - 1));
    }

    function invariant_epochs_only_grow() public view {
        uint256 length = _driver.length();
        for (uint256 i = 1; i < length; ++i) {
            vm.assertTrue(_driver.epochs(i) > _driver.epochs(i - 1));
        }
    }

    /// @dev The reference keeps every leaf and folds each mountain level by level.
    function invariant_the_peaks_are_those_of_a_naive_tree() public view {
        Ledger target = _driver.theLedger();
        uint256 length = _driver.length();
        uint256 start = 0;
        for (uint256 below = 64; below > 0; --below) {
            uint256 h = below - 1;
            if ((length >> h) & 1 == 0) {
                vm.assertEq(target.peak(h), bytes32(0));
                continue;
            }
            uint256 size = 1 << h;
            bytes32[] memory level = new bytes32[](size);
            for (uint256 i = 0; i < size; ++i) {
                level[i] = _driver.hashes(start + i);
            }
            while (size > 1) {
                size >>= 1;
                for (uint256 i = 0; i < size; ++i) {
                    level[i] = pair(level[2 * i], level[2 * i + 1]);
                }
            }
            vm.assertEq(target.peak(h), level[0]);
            start += 1 << h;
        }
    }
}
