// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {ActiveSet} from "../src/ActiveSet.sol";
import {DeviceRegistry} from "../src/DeviceRegistry.sol";
import {Ledger} from "../src/Ledger.sol";
import {Parameter} from "../src/Parameters.sol";
import {Rewards} from "../src/Rewards.sol";
import {Driver, Books} from "./Driver.sol";
import {Network} from "./Network.sol";

/// @notice What always holds, compared with the driver's books. One campaign asks all of it after every call, so that each of the
/// seven is asked as often as there are calls, at the price of one.
abstract contract Invariants is Test {
    uint256 private constant GATEWAYS = 8;
    uint256 private constant HOLDERS = 4;
    uint256 private constant DEVICES = 4;

    Driver internal driver;
    Network.Set internal net;

    function start() internal {
        driver = new Driver();
        net = driver.network();
    }

    function checkAll() internal view {
        checkStakes();
        checkEscrow();
        checkClaims();
        checkActiveSet();
        checkAnchors();
        checkParameters();
        checkDevices();
    }

    /// @dev Stakes are what was put in, less what evidence took: no slash without it. And the tokens are there.
    function checkStakes() internal view {
        uint256 sum = 0;
        for (uint256 i = 0; i < GATEWAYS; ++i) {
            address signer = driver.signers(i);
            uint256 amount = net.registry.stakeOf(signer).amount;
            vm.assertEq(amount, driver.stakes(signer), "a stake changed without cause");
            sum += amount;
        }
        vm.assertEq(net.registry.totalStake(), sum, "the stakes' sum is another");
        vm.assertEq(net.token.balanceOf(address(net.registry)), sum + driver.donated(address(net.registry)), "stakes are not covered");
    }

    /// @dev Bonds of open cases and what is owed under the last root are covered, and no token comes from or goes to nowhere.
    function checkEscrow() internal view {
        uint256 bonds = 0;
        uint256 count = driver.caseCount();
        for (uint256 i = 0; i < count; ++i) {
            bonds += driver.bonds(driver.cases(i));
        }
        vm.assertEq(net.disputes.totalBonds(), bonds, "the bonds' sum is another");
        vm.assertEq(net.token.balanceOf(address(net.disputes)), bonds + driver.donated(address(net.disputes)), "bonds are not covered");

        uint256 here = net.token.balanceOf(address(net.rewards));
        vm.assertGe(here, net.rewards.owed(), "rewards are not covered");
        uint256 paid = driver.bounties();
        for (uint256 i = 0; i < HOLDERS; ++i) {
            paid += driver.paid(driver.holders(i));
        }
        uint256 came = driver.minted() + driver.fees() + driver.donated(address(net.rewards));
        vm.assertEq(here, came - paid, "rewards' balance is not what came less what went");
        vm.assertEq(net.token.totalSupply(), 100_000_000e18 + driver.minted() - driver.burnt(), "tokens from or to nowhere");
        vm.assertLe(net.token.totalSupply(), net.token.SUPPLY_MAX());
        uint256 first = 1_800_000_000;
        uint64 until = net.ledger.timeOf(driver.paidUntil() + 1);
        uint256 most = until > first ? driver.emissionMost() * (until - first) / 1 days : 0;
        vm.assertLe(driver.minted(), most, "minted beyond the schedule");
    }

    /// @dev Nobody was paid twice: each account's sum is what it was paid or let lapse, and all together never more than the root.
    function checkClaims() internal view {
        uint256 settled = 0;
        uint256 paid = 0;
        for (uint256 i = 0; i < HOLDERS; ++i) {
            address holder = driver.holders(i);
            vm.assertEq(net.rewards.claimed(holder), driver.settled(holder), "claimed is not what was paid");
            settled += driver.settled(holder);
            paid += driver.paid(holder);
        }
        vm.assertEq(net.rewards.totalClaimed(), settled, "the claims' sum is another");
        vm.assertEq(settled, paid + driver.lapsed(), "paid twice");
        vm.assertLe(settled, net.rewards.inForce().total, "paid more than the root");
    }

    /// @dev Never empty, nobody twice, what the records say, every version readable and the next one not there yet.
    function checkActiveSet() internal view {
        address[] memory active = net.registry.active();
        vm.assertTrue(active.length > 0 && active.length <= 256, "the active set is empty");
        uint256 recorded = 0;
        for (uint256 i = 0; i < GATEWAYS; ++i) {
            if (net.registry.isActive(driver.signers(i))) ++recorded;
        }
        vm.assertEq(recorded, active.length, "the set is not what the records say");
        for (uint256 i = 0; i < active.length; ++i) {
            vm.assertTrue(net.registry.isActive(active[i]), "a signer without a record");
            for (uint256 j = 0; j < i; ++j) {
                vm.assertTrue(active[i] != active[j], "a signer twice");
            }
        }
        uint64 version = net.registry.version();
        vm.assertTrue(net.registry.epochOf(version) <= net.ledger.epochNow() + 1, "a set of a far epoch");
        vm.assertEq(ActiveSet.addressOf(address(net.registry), version + 1).code.length, 0, "a version nobody made");
        vm.assertGt(ActiveSet.countAt(net.ledger.setInForce()), 0, "nobody may sign");
    }

    /// @dev Every anchor is one that a quorum signed; the driver knows whether it did. Their order and peaks it checks at each.
    function checkAnchors() internal view {
        uint256 count = driver.anchorCount();
        vm.assertEq(net.ledger.count(), count, "an anchor without a quorum");
        vm.assertEq(net.ledger.head(), count == 0 ? bytes32(0) : driver.anchors(count - 1), "the head is another");
        (, uint64 last,,,) = net.ledger.state();
        vm.assertEq(last, driver.lastEpoch(), "the last epoch is another");
    }

    function checkParameters() internal view {
        for (uint256 i = 0; i < 17; ++i) {
            (uint256 min, uint256 max) = net.parameters.boundsOf(Parameter(i));
            uint256 value = net.parameters.valueOf(Parameter(i));
            vm.assertTrue(value >= min && value <= max, "a parameter out of bounds");
        }
        uint256 epoch = net.ledger.epochSeconds();
        vm.assertTrue(epoch >= 15 && epoch <= 1 days, "an epoch out of bounds");
        vm.assertLe(net.ledger.pausedUntil(), block.timestamp + 3 days, "stopped for too long");
        uint64 now_ = net.ledger.epochNow();
        vm.assertTrue(net.ledger.timeOf(now_) <= block.timestamp && net.ledger.timeOf(now_ + 1) > block.timestamp, "a hole in time");
        uint256 delay = net.timelock.getMinDelay();
        vm.assertTrue(delay >= 12 hours && delay <= 30 days, "the timelock's delay out of bounds");
        delay = net.governor.votingDelay();
        vm.assertTrue(delay >= 6 hours && delay <= 30 days, "the voting delay out of bounds");
        delay = net.governor.votingPeriod();
        vm.assertTrue(delay >= 30 hours && delay <= 30 days, "the voting period out of bounds");
        delay = net.governor.quorumNumerator();
        vm.assertTrue(delay >= 1 && delay <= 50, "the quorum out of bounds");
    }

    function checkDevices() internal view {
        for (uint256 i = 0; i < DEVICES; ++i) {
            Books.DeviceBook memory book = driver.bookOf(i);
            bytes20 id = driver.idOf(i);
            DeviceRegistry.Device memory device = net.devices.deviceOf(id);
            vm.assertEq(device.registeredAt != 0, book.owner != address(0), "registered without a claim");
            if (book.owner == address(0)) continue;
            vm.assertEq(net.devices.ownerOf(uint256(uint160(id))), book.owner, "the owner is another");
            vm.assertEq(device.revokedAt != 0, book.revoked, "a revocation without cause, or undone");
            vm.assertEq(net.devices.keysOf(id).length, book.rotations + 1, "a key is missing");
        }
    }
}

contract NetworkInvariantTest is Invariants {
    bytes4[] private _acts;

    function setUp() public {
        start();
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
        checkAll();
    }

    function add(bytes4 act, uint256 weight) private {
        for (uint256 i = 0; i < weight; ++i) {
            _acts.push(act);
        }
    }
}
