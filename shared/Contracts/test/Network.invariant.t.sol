// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {Driver} from "./Driver.sol";

/// @notice The campaign. One function asks for all that always holds (Invariants in Driver.sol) after every call, so that each is asked as
/// often as there are calls, at the price of one campaign.
contract NetworkInvariantTest is Test {
    Driver internal driver;
    bytes4[] private _acts;

    function setUp() public {
        driver = new Driver();
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
        add(driver.lapse.selector, 1);
        add(driver.payFee.selector, 1);
        add(driver.donate.selector, 1);
        add(driver.register.selector, 1);
        add(driver.rotate.selector, 1);
        add(driver.replaceKey.selector, 1);
        add(driver.transferDevice.selector, 1);
        add(driver.revoke.selector, 1);
        add(driver.reportBatches.selector, 1);
        add(driver.reportAnchors.selector, 1);
        add(driver.reportFrame.selector, 1);
        add(driver.accuse.selector, 1);
        add(driver.refute.selector, 1);
        add(driver.uphold.selector, 1);
        add(driver.reportDevice.selector, 1);
        add(driver.propose.selector, 1);
        add(driver.vote.selector, 1);
        add(driver.carryOut.selector, 1);
        add(driver.decide.selector, 1);
        add(driver.govern.selector, 1);
        add(driver.trespass.selector, 1);
        add(driver.delegate.selector, 1);
        targetSelector(FuzzSelector(address(driver), _acts));
    }

    function invariant_the_whole_set_holds() public view {
        driver.check();
    }

    function add(bytes4 act, uint256 weight) private {
        for (uint256 i = 0; i < weight; ++i) {
            _acts.push(act);
        }
    }
}
