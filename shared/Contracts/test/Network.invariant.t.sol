// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {Driver} from "./Driver.sol";

/// @notice The campaign, in two halves that run at once: a network that begins, and one whose bootstrap is over. One function asks for
/// all that always holds (Invariants in Driver.sol) after every call, so that each is asked as often as there are calls.
abstract contract Campaign is Test {
    Driver internal driver;
    bytes4[] private _acts;

    function start(bool mature) internal {
        driver = new Driver(mature);
        targetContract(address(driver));
        add(driver.wait.selector, 4);
        add(driver.join.selector, 2);
        add(driver.addStake.selector, 1);
        add(driver.exit.selector, 1);
        add(driver.rejoin.selector, 1);
        add(driver.withdraw.selector, 1);
        add(driver.removeUnderstaked.selector, 1);
        add(driver.change.selector, 1);
        add(driver.anchor.selector, 4);
        add(driver.replayAnchor.selector, 1);
        add(driver.publish.selector, 2);
        add(driver.claim.selector, 2);
        add(driver.lapse.selector, 2);
        add(driver.payFee.selector, 1);
        add(driver.donate.selector, 1);
        add(driver.register.selector, 1);
        add(driver.rotate.selector, 1);
        add(driver.replaceKey.selector, 4);
        add(driver.transferDevice.selector, 1);
        add(driver.revoke.selector, 2);
        add(driver.reportBatches.selector, 1);
        add(driver.reportAnchors.selector, 1);
        add(driver.reportFrame.selector, 1);
        add(driver.accuse.selector, 2);
        add(driver.refute.selector, 1);
        add(driver.uphold.selector, 2);
        add(driver.reportDevice.selector, 1);
        add(driver.propose.selector, 2);
        add(driver.vote.selector, 3);
        add(driver.carryOut.selector, 3);
        add(driver.decide.selector, 1);
        add(driver.govern.selector, 1);
        add(driver.trespass.selector, 1);
        add(driver.delegate.selector, 1);
        targetSelector(FuzzSelector(address(driver), _acts));
    }

    function drive(bytes32 seed) internal {
        for (uint256 i = 0; i < 500; ++i) {
            seed = keccak256(abi.encode(seed));
            bytes memory words;
            // The widest act takes six words.
            for (uint256 k = 0; k < 6; ++k) {
                words = bytes.concat(words, keccak256(abi.encode(seed, k)));
            }
            (bool success, bytes memory said) = address(driver).call(bytes.concat(_acts[uint256(seed) % _acts.length], words));
            vm.assertTrue(success, string(said));
        }
        driver.check();
    }

    function add(bytes4 act, uint256 weight) private {
        for (uint256 i = 0; i < weight; ++i) {
            _acts.push(act);
        }
    }
}

contract YoungNetworkInvariantTest is Campaign {
    function setUp() public {
        start(false);
    }

    function invariant_the_whole_set_holds() public view {
        driver.check();
    }
}

contract MatureNetworkInvariantTest is Campaign {
    function setUp() public {
        start(true);
    }

    function invariant_the_whole_set_holds() public view {
        driver.check();
    }

    /// @dev A campaign whose acts all fail would show nothing: each of them succeeds now and then.
    function test_every_act_succeeds_now_and_then() public {
        string[30] memory acts = [
            "acceptKey", "accuse", "addStake", "anchor", "change", "claim", "decide", "delegate", "donate", "execute", "exit", "govern",
            "join", "lapse", "payFee", "propose", "publish", "queue", "refute", "register", "rejoin", "removeUnderstaked", "reportDevice",
            "revoke", "rotate", "slash", "transferDevice", "uphold", "vote", "withdraw"
        ];
        uint256[30] memory done;
        for (uint256 run = 0; run < 10; ++run) {
            driver = new Driver(run % 2 == 0);
            drive(keccak256(abi.encode(run)));
            for (uint256 i = 0; i < acts.length; ++i) {
                done[i] += driver.done(bytes32(bytes(acts[i])));
            }
        }
        for (uint256 i = 0; i < acts.length; ++i) {
            vm.assertGt(done[i], 0, acts[i]);
        }
    }
}
