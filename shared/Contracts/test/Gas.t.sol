// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ledger} from "../src/Ledger.sol";
import {Network} from "./Network.sol";

/// @notice What acts cost in the steady state, without the transaction's 21,000 and its call data: for `forge snapshot`, which sees a
/// change of a few gas. Figures of whole transactions: `depin bench gas`.
contract GasTest is Network {
    function test_the_mean_of_eight_anchors_with_three_of_four() public {
        startNetwork(4);
        for (uint256 i = 0; i < 16; ++i) {
            anchorNext(keccak256(abi.encode(i)));
        }
        uint256 used = 0;
        for (uint256 i = 0; i < 8; ++i) {
            vm.warp(block.timestamp + EPOCH_SECONDS);
            Ledger.Anchor memory a = nextAnchor(keccak256(abi.encode(i)));
            bytes memory signatures = signAll(digestOf(address(ledger), hashOf(a)), 7);
            vm.cool(address(ledger));
            vm.cool(ledger.setInForce());
            uint256 before = gasleft();
            ledger.anchor(a, 7, signatures);
            used += before - gasleft();
        }
        emit log_named_uint("mean", used / 8);
        vm.assertLt(used / 8, 36_000);
    }
}
