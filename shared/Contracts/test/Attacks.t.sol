// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {ActiveSet} from "../src/ActiveSet.sol";
import {DeviceRegistry} from "../src/DeviceRegistry.sol";
import {Disputes} from "../src/Disputes.sol";
import {FrameFault} from "../src/FrameFormat.sol";
import {GatewayRegistry} from "../src/GatewayRegistry.sol";
import {Ledger} from "../src/Ledger.sol";
import {NetworkGovernor} from "../src/NetworkGovernor.sol";
import {NetworkTimelock} from "../src/NetworkTimelock.sol";
import {NetworkToken} from "../src/NetworkToken.sol";
import {Parameter} from "../src/Parameters.sol";
import {Quorum} from "../src/Quorum.sol";
import {Rewards} from "../src/Rewards.sol";
import {Network} from "./Network.sol";

/// @notice A device's owner that, given the token, tries to use it a second time before the transfer is over.
contract HostileReceiver {
    DeviceRegistry private immutable _devices;
    bytes20 private immutable _device;
    address private immutable _former;
    /// @dev Bit i: attempt i succeeded.
    uint256 public succeeded;

    constructor(DeviceRegistry devices, bytes20 device, address former) {
        (_devices, _device, _former) = (devices, device, former);
    }

    function onERC721Received(address, address, uint256 id, bytes calldata) external returns (bytes4) {
        // The token is its own by now, so that giving it on is its right; taking it from the former owner again is not.
        attempt(0, abi.encodeCall(_devices.transferFrom, (_former, address(this), id)));
        attempt(1, abi.encodeCall(_devices.suspend, (_device)));
        attempt(2, abi.encodeCall(_devices.acceptKey, (_device)));
        attempt(3, abi.encodeCall(_devices.transferFrom, (address(this), address(0xBEEF), id)));
        return this.onERC721Received.selector;
    }

    function attempt(uint256 bit, bytes memory call) private {
        (bool success,) = address(_devices).call(call);
        if (success) succeeded |= 1 << bit;
    }
}

/// @notice An owner by ERC-1271 that calls back while it is asked for its consent.
contract HostileOwner {
    DeviceRegistry private immutable _devices;
    bytes private _again;
    uint256 public calls;

    constructor(DeviceRegistry devices) {
        _devices = devices;
    }

    function prepare(bytes calldata again) external {
        _again = again;
    }

    function isValidSignature(bytes32, bytes calldata) external returns (bytes4) {
        // A static call: this write, and any re-entry that writes, fails.
        ++calls;
        (bool success,) = address(_devices).call(_again);
        require(success);
        return 0x1626ba7e;
    }
}

/// @notice What a proposal calls; it calls back into whatever executes it.
contract HostileTarget {
    address private _target;
    bytes private _again;
    uint256 public runs;
    bool public reentered;

    function prepare(address target, bytes calldata again) external {
        (_target, _again) = (target, again);
    }

    function run() external {
        ++runs;
        if (_target == address(0) || runs > 1) return;
        (reentered,) = _target.call(_again);
    }
}

/// @notice A lender of a flash loan's kind: out and back in one call.
contract Borrower {
    function vote(NetworkToken token, NetworkGovernor governor, address lender, uint256 amount, uint256 id) external {
        token.transferFrom(lender, address(this), amount);
        token.delegate(address(this));
        governor.castVote(id, 1);
        token.transfer(lender, amount);
    }

    function propose(NetworkToken token, NetworkGovernor governor, address lender, uint256 amount, address target, bytes calldata call)
        external
    {
        token.transferFrom(lender, address(this), amount);
        token.delegate(address(this));
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = (new address[](1), new uint256[](1), new bytes[](1));
        (targets[0], calls[0]) = (target, call);
        governor.propose(targets, values, calls, "flash");
        token.transfer(lender, amount);
    }
}

/// @notice Attacks by name, beside those that the contracts' own suites already try.
contract AttacksTest is Network {
    uint256 private constant OWNER_KEY = 0x0111;
    bytes32 private constant SALT = "salt";
    address private _owner = vm.addr(OWNER_KEY);
    address private _reporter = makeAddr("reporter");

    function setUp() public {
        startNetwork(4);
        stake(1, uint96(2_000 * ONE));
        vm.prank(treasury);
        token.delegate(treasury);
        vm.warp(block.timestamp + 1 hours);
    }

    // Malleable signatures.

    function test_malleability_a_change_a_root_and_a_consent_with_a_high_s_are_refused() public {
        Rewards.Payout memory p = payout("root", 1);
        bytes memory signatures = highS(2, digestOf(address(rewards), hashOf(p)));
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 2, vm.addr(keyOf(2))));
        rewards.publish(p, 7, signatures);

        address[] memory removed = only(vm.addr(keyOf(3)));
        signatures = highS(2, digestOf(address(registry), changeHash(removed)));
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 2, vm.addr(keyOf(2))));
        registry.change(new GatewayRegistry.Gateway[](0), removed, 7, signatures);

        address operator = makeAddr("operator");
        bytes32 hash = keccak256(abi.encode(keccak256("Join(address operator,uint256 nonce)"), operator, 0));
        (, bytes32 r, bytes32 s) = vm.sign(keyOf(5), digestOf(address(registry), hash));
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_BadConsent.selector, vm.addr(keyOf(5))));
        registry.join(gateway(5), uint96(1_000 * ONE), abi.encodePacked(r, SECP256K1_ORDER - uint256(s)));
    }

    function test_malleability_a_rotation_with_a_high_s_is_refused() public {
        bytes20 device = register(DEVICE_KEY);
        (uint256 x, uint256 y) = vm.publicKeyP256(DEVICE_KEY + 1);
        bytes memory message = abi.encodePacked("DK", uint8(1), block.chainid, address(devices), device, x, y, uint32(0));
        (bytes32 r, bytes32 s) = signLow(DEVICE_KEY, sha256(message));
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_BadSignature.selector, device));
        devices.rotate(device, bytes32(x), bytes32(y), r, bytes32(P256_ORDER - uint256(s)));
        devices.rotate(device, bytes32(x), bytes32(y), r, s);
    }

    /// @dev The same evidence in the longer, 65-byte form is another byte string, but no other offence: it is not even read.
    function test_malleability_a_report_in_another_form_is_refused_and_takes_no_second_slash() public {
        Disputes.BatchPair memory e = batchPair(7);
        commit(evidenceOf(e));
        vm.prank(_reporter);
        disputes.reportBatches(e, SALT);
        // The two headers the other way round are the same offence.
        (e.first, e.second, e.firstSignature, e.secondSignature) = (e.second, e.first, e.secondSignature, e.firstSignature);
        commit(evidenceOf(e));
        bytes32 offence = disputes.offenceOf(Disputes.Offence.TwoBatches, vm.addr(keyOf(1)), bytes32(uint256(7)));
        vm.prank(_reporter);
        vm.expectRevert(abi.encodeWithSelector(Disputes.Disputes_AlreadyJudged.selector, offence));
        disputes.reportBatches(e, SALT);
        e.firstSignature = bytes.concat(e.firstSignature, hex"1b");
        vm.prank(_reporter);
        vm.expectRevert(Disputes.Disputes_BadSignature.selector);
        disputes.reportBatches(e, SALT);
    }

    // Replay across chain, contract and epoch.

    function test_replay_on_another_chain_of_a_root_a_join_a_claim_a_consent_and_evidence() public {
        Rewards.Payout memory p = payout("root", 1);
        bytes memory signatures = signAll(digestOf(address(rewards), hashOf(p)), 7);
        address operator = makeAddr("operator");
        bytes32 hash = keccak256(abi.encode(keccak256("Join(address operator,uint256 nonce)"), operator, 0));
        bytes memory consent = signOne(keyOf(5), digestOf(address(registry), hash));
        DeviceRegistry.Claim memory claim = claimOf(DEVICE_KEY, _owner);
        uint64 deadline = uint64(block.timestamp + 1);
        Disputes.BatchPair memory e = batchPair(7);
        commit(evidenceOf(e));

        vm.chainId(block.chainid + 1);
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 0, vm.addr(keyOf(0))));
        rewards.publish(p, 7, signatures);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_BadConsent.selector, vm.addr(keyOf(5))));
        registry.join(gateway(5), uint96(1_000 * ONE), consent);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_BadSignature.selector, deviceOf(DEVICE_KEY)));
        devices.registerSponsored(claim, _owner, 1, 1, deadline, "");
        vm.prank(_reporter);
        vm.expectRevert();
        disputes.reportBatches(e, SALT);
    }

    function test_replay_of_a_consent_on_another_registry_and_of_a_sponsored_one_for_another_device() public {
        DeviceRegistry other = new DeviceRegistry(parameters, address(disputes));
        uint64 deadline = uint64(block.timestamp + 1);
        bytes memory consent = sponsored(devices, deviceOf(DEVICE_KEY), 0, deadline);
        DeviceRegistry.Claim memory claim = claimOf(DEVICE_KEY, _owner);
        // The device's claim names the registry too, and is asked for first.
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_BadSignature.selector, deviceOf(DEVICE_KEY)));
        other.registerSponsored(claim, _owner, 1, 1, deadline, consent);
        claim = claimOf(DEVICE_KEY + 1, _owner);
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_BadConsent.selector, _owner));
        devices.registerSponsored(claim, _owner, 1, 1, deadline, consent);
    }

    function test_replay_of_an_anchors_signatures_for_another_epoch() public {
        Ledger.Anchor memory a = nextAnchor("root");
        bytes memory signatures = signAll(digestOf(address(ledger), hashOf(a)), 7);
        ledger.anchor(a, 7, signatures);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_EpochTaken.selector, a.epoch, a.epoch));
        ledger.anchor(a, 7, signatures);
        vm.warp(block.timestamp + EPOCH_SECONDS);
        (a.epoch, a.previous) = (a.epoch + 1, ledger.head());
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 0, vm.addr(keyOf(0))));
        ledger.anchor(a, 7, signatures);
    }

    // One signer for two.

    function test_duplicates_one_signature_for_two_bits_is_refused_wherever_a_quorum_is_asked() public {
        Rewards.Payout memory p = payout("root", 1);
        bytes memory signatures = twice(digestOf(address(rewards), hashOf(p)));
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 1, vm.addr(keyOf(1))));
        rewards.publish(p, 7, signatures);
        address[] memory removed = only(vm.addr(keyOf(3)));
        signatures = twice(digestOf(address(registry), changeHash(removed)));
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_BadSignature.selector, 1, vm.addr(keyOf(1))));
        registry.change(new GatewayRegistry.Gateway[](0), removed, 7, signatures);
        // Nor does a signature more than there are bits count.
        signatures = signAll(digestOf(address(rewards), hashOf(p)), 7);
        vm.expectRevert(abi.encodeWithSelector(Quorum.Quorum_TooFewSigners.selector, 2, 3));
        rewards.publish(p, 3, signatures);
    }

    // Re-entrancy.

    function test_reentrancy_a_receiver_of_a_device_gets_it_once() public {
        bytes20 device = register(DEVICE_KEY);
        HostileReceiver receiver = new HostileReceiver(devices, device, _owner);
        (uint256 x, uint256 y) = vm.publicKeyP256(DEVICE_KEY + 1);
        vm.startPrank(_owner);
        devices.proposeKey(device, bytes32(x), bytes32(y));
        vm.warp(block.timestamp + 7 days);
        devices.safeTransferFrom(_owner, address(receiver), uint256(uint160(device)));
        vm.stopPrank();
        vm.assertEq(receiver.succeeded(), 1 << 3, "only giving on what it owns");
        vm.assertEq(devices.ownerOf(uint256(uint160(device))), address(0xBEEF));
        vm.assertEq(devices.balanceOf(_owner) + devices.balanceOf(address(receiver)), 0);
        vm.assertEq(devices.keysOf(device).length, 1, "the former owner's key was not taken");
    }

    function test_reentrancy_an_owner_who_is_asked_for_consent_cannot_write() public {
        HostileOwner owner = new HostileOwner(devices);
        DeviceRegistry.Claim memory second = claimOf(DEVICE_KEY + 1, address(owner));
        owner.prepare(abi.encodeCall(devices.register, (second.keyKind, second.x, second.y, second.r, second.s, address(owner))));
        DeviceRegistry.Claim memory claim = claimOf(DEVICE_KEY, address(owner));
        vm.expectRevert(abi.encodeWithSelector(DeviceRegistry.DeviceRegistry_BadConsent.selector, address(owner)));
        devices.registerSponsored(claim, address(owner), 1, 1, uint64(block.timestamp), "any");
        vm.assertEq(owner.calls(), 0);
        vm.assertEq(devices.balanceOf(address(owner)), 0);
    }

    function test_reentrancy_a_decisions_target_does_not_execute_it_twice() public {
        HostileTarget target = new HostileTarget();
        bytes memory call = abi.encodeCall(target.run, ());
        target.prepare(
            address(governor),
            abi.encodeCall(governor.execute, (only(address(target)), only(uint256(0)), calls(call), keccak256("why")))
        );
        pass(address(target), call);
        governor.execute(only(address(target)), only(uint256(0)), calls(call), keccak256("why"));
        vm.assertEq(target.runs(), 1);
        vm.assertFalse(target.reentered());
    }

    /// @dev The timelock lets anyone execute: a re-entry there makes the outer execution fail, and with it the inner one.
    function test_reentrancy_the_timelock_executes_an_operation_once() public {
        HostileTarget target = new HostileTarget();
        bytes memory call = abi.encodeCall(target.run, ());
        bytes32 salt = bytes20(address(governor)) ^ keccak256("why");
        bytes memory again =
            abi.encodeCall(timelock.executeBatch, (only(address(target)), only(uint256(0)), calls(call), bytes32(0), salt));
        target.prepare(address(timelock), again);
        pass(address(target), call);
        (bool success,) = address(timelock).call(again);
        vm.assertFalse(success);
        vm.assertEq(target.runs(), 0, "all of it was undone");
        target.prepare(address(0), "");
        (success,) = address(timelock).call(again);
        vm.assertTrue(success);
        (success,) = address(timelock).call(again);
        vm.assertFalse(success);
        vm.assertEq(target.runs(), 1);
    }

    /// @dev Tokens have no hooks; were there one, every book is closed before the tokens leave. Shown by the order of what is logged.
    function test_reentrancy_every_book_is_closed_before_tokens_move() public {
        address signer = vm.addr(keyOf(1));
        vm.prank(signer);
        registry.exit(signer);
        vm.warp(block.timestamp + 14 days);
        vm.mockCallRevert(address(token), abi.encodeWithSelector(token.transfer.selector), "stop");
        vm.expectCall(address(token), abi.encodeWithSelector(token.transfer.selector), 1);
        vm.expectRevert();
        registry.withdraw(signer);
        vm.clearMockedCalls();
        vm.mockFunction(address(token), address(new WithdrawAgain(registry, signer)), abi.encodeWithSelector(token.transfer.selector));
        registry.withdraw(signer);
        vm.assertEq(registry.totalStake(), 0);
    }

    // Second pre-images.

    function test_second_preimage_a_pair_of_leaves_is_no_frame() public {
        bytes memory first = buildFrame(DEVICE_KEY, 2, 1);
        bytes memory second = buildFrame(DEVICE_KEY, 3, 1);
        bytes32 left = keccak256(bytes.concat(keccak256(first)));
        bytes32 right = keccak256(bytes.concat(keccak256(second)));
        Ledger.FrameProof memory proof = proofOf(abi.encodePacked(left < right ? left : right, left < right ? right : left), pair(left, right));
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_MalformedFrame.selector, FrameFault.TooShort));
        ledger.verify(proof);
        // Whatever the length, a leaf is hashed twice: the hash of the pair is not the pair's leaf.
        Disputes.BadFrame memory e;
        e.frame = proof.frame;
        e.batch = proof.batch;
        e.signature = signOne(keyOf(1), digestOf(address(ledger), hashOf(e.batch)));
        bytes32 leaf = keccak256(bytes.concat(keccak256(e.frame)));
        commit(keccak256(abi.encode(hashOf(e.batch), leaf, vm.addr(keyOf(1)))));
        vm.prank(_reporter);
        vm.expectRevert(abi.encodeWithSelector(Disputes.Disputes_NotInBatch.selector, leaf, e.batch.root));
        disputes.reportFrame(e, SALT);
    }

    /// @dev Batches and anchors are hashed from ten and six words, nodes from two: a node is no batch and no anchor. Here the forged
    /// header's hash would have to be a node's.
    function test_second_preimage_a_node_is_no_batch_and_no_anchor() public {
        Ledger.FrameProof memory good = proofOf(buildFrame(DEVICE_KEY, 2, 1), 0);
        bytes32 sibling = keccak256("another batch");
        good.anchorPath = new bytes32[](1);
        good.anchorPath[0] = sibling;
        good.anchor = anchorNext(pair(hashOf(good.batch), sibling));
        good.ledgerPath = new bytes32[](0);
        ledger.verify(good);
        // Without its path the batch would have to be the root itself.
        good.anchorPath = new bytes32[](0);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_NotInAnchor.selector, hashOf(good.batch), good.anchor.root));
        ledger.verify(good);
        // An anchor whose own hash is a peak's child does not pose as the peak.
        good.anchorPath = new bytes32[](1);
        good.anchorPath[0] = sibling;
        anchorNext("next");
        bytes32 hash = hashOf(good.anchor);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_NotInLedger.selector, hash, 0));
        ledger.verify(good);
    }

    function test_second_preimage_a_node_of_the_rewards_is_no_leaf() public {
        bytes32 once = keccak256(abi.encode(_owner, 100 * ONE));
        publish(payout(once, 100 * ONE));
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_NotInRoot.selector, _owner, 100 * ONE));
        rewards.claim(_owner, 100 * ONE, new bytes32[](0));
    }

    // Huge call data: refused by name, for the sender's gas only. 1 MB of it costs its sender ten million gas before anything runs.

    function test_huge_call_data_costs_the_contracts_nothing() public {
        bytes memory huge = new bytes(1 << 20);
        bytes32[] memory hugePath = new bytes32[](1 << 15);
        Ledger.Anchor memory a = nextAnchor("root");
        refuse(address(ledger), abi.encodeCall(ledger.anchor, (a, 7, huge)), Quorum.Quorum_BadSignature.selector);
        bytes memory signed = signAll(digestOf(address(ledger), hashOf(a)), 7);
        refuse(
            address(ledger), abi.encodeCall(ledger.anchor, (a, 7, bytes.concat(signed, huge))), Quorum.Quorum_SignatureBytes.selector
        );
        Rewards.Payout memory p = payout("root", 1);
        refuse(address(rewards), abi.encodeCall(rewards.publish, (p, 7, huge)), Quorum.Quorum_BadSignature.selector);
        refuse(address(rewards), abi.encodeCall(rewards.claim, (_owner, 1, hugePath)), Rewards.Rewards_NotInRoot.selector);
        refuse(address(rewards), abi.encodeCall(rewards.lapse, ("root", _owner, 1, hugePath)), Rewards.Rewards_NotLapsed.selector);
    }

    function test_huge_call_data_to_the_registries() public {
        bytes memory huge = new bytes(1 << 20);
        GatewayRegistry.Gateway memory g = gateway(5);
        refuse(address(registry), abi.encodeCall(registry.join, (g, uint96(1_000 * ONE), huge)), GatewayRegistry.GatewayRegistry_BadConsent.selector);
        g.endpoint = string(huge);
        refuse(address(registry), abi.encodeCall(registry.join, (g, uint96(1_000 * ONE), "")), GatewayRegistry.GatewayRegistry_EndpointTooLong.selector);
        vm.prank(vm.addr(keyOf(0)));
        (bool success, bytes memory reason) = address(registry).call(abi.encodeCall(registry.update, ("tls", string(huge))));
        vm.assertFalse(success);
        vm.assertEq(bytes4(reason), GatewayRegistry.GatewayRegistry_EndpointTooLong.selector);
        refuse(address(devices), abi.encodeCall(devices.registerBatch, ("root", 1, _owner, 1, string(huge))), DeviceRegistry.DeviceRegistry_UriTooLong.selector);
        DeviceRegistry.Claim memory claim = claimOf(DEVICE_KEY, _owner);
        uint256 batch = devices.registerBatch("root", 1, _owner, 1, "");
        refuse(address(devices), abi.encodeCall(devices.registerMember, (batch, claim, new bytes32[](1 << 15))), DeviceRegistry.DeviceRegistry_NotInBatch.selector);
        refuse(address(devices), abi.encodeCall(devices.registerSponsored, (claim, _owner, 1, 1, uint64(block.timestamp), huge)), DeviceRegistry.DeviceRegistry_BadConsent.selector);
        // Only a quorum's own change is stored: a thousand additions by anybody else are hashed, and fail at the first signature.
        GatewayRegistry.Gateway[] memory added = new GatewayRegistry.Gateway[](1_000);
        (success, reason) = address(registry).call(abi.encodeCall(registry.change, (added, new address[](0), 7, huge)));
        vm.assertFalse(success);
        vm.assertEq(bytes4(reason), Quorum.Quorum_BadSignature.selector);
        vm.assertLt(vm.lastCallGas().gasTotalUsed, 1_500 * added.length, "each costs to hash, about what its call data costs");
    }

    function test_huge_call_data_as_evidence_and_proof() public {
        bytes memory huge = new bytes(1 << 20);
        Disputes.BatchPair memory e = batchPair(7);
        e.firstSignature = huge;
        commit(evidenceOf(e));
        refuse(address(disputes), abi.encodeCall(disputes.reportBatches, (e, SALT)), Disputes.Disputes_BadSignature.selector);
        Disputes.FramePair memory frames = Disputes.FramePair(huge, huge, 0, 0);
        refuse(address(disputes), abi.encodeCall(disputes.reportDevice, (frames, SALT)), Disputes.Disputes_NoOffence.selector);
        Disputes.BadFrame memory bad;
        bad.frame = buildFrame(DEVICE_KEY, 2, 1);
        bad.path = new bytes32[](1 << 15);
        bad.batch = e.first;
        bad.signature = signOne(keyOf(1), digestOf(address(ledger), hashOf(bad.batch)));
        bytes32 leaf = keccak256(bytes.concat(keccak256(bad.frame)));
        commit(keccak256(abi.encode(hashOf(bad.batch), leaf, vm.addr(keyOf(1)))));
        refuse(address(disputes), abi.encodeCall(disputes.reportFrame, (bad, SALT)), Disputes.Disputes_NotInBatch.selector);
        refuse(address(disputes), abi.encodeCall(disputes.accuse, (bad, SALT)), Disputes.Disputes_NotInBatch.selector);
        Ledger.FrameProof memory proof;
        proof.frame = huge;
        refuse(address(ledger), abi.encodeCall(ledger.verify, (proof)), Ledger.Ledger_MalformedFrame.selector);
    }

    /// @dev Strings end at 256 bytes; the one stored, the endpoint, costs its gateway.
    function test_huge_strings_end_at_their_limit() public {
        string memory most = string(new bytes(256));
        string memory more = string(new bytes(257));
        devices.registerBatch("root", 1, _owner, 1, most);
        refuse(address(devices), abi.encodeCall(devices.registerBatch, ("root", 1, _owner, 1, more)), DeviceRegistry.DeviceRegistry_UriTooLong.selector);
        vm.startPrank(vm.addr(keyOf(0)));
        registry.update("tls", most);
        vm.expectRevert(abi.encodeWithSelector(GatewayRegistry.GatewayRegistry_EndpointTooLong.selector, 257, 256));
        registry.update("tls", more);
        vm.stopPrank();
    }

    /// @dev The governor takes arrays of any length, but only from who has the weight to propose, for that one's gas: what it stores and
    /// what a vote costs is the same. What no transaction can carry out (EIP-7825) harms only its proposer.
    function test_huge_proposals_cost_their_proposer_and_nobody_else() public {
        bytes memory huge = new bytes(1 << 20);
        (address[] memory targets, uint256[] memory values, bytes[] memory many) = thousands(4_000);
        refuseAny(address(governor), abi.encodeCall(governor.propose, (targets, values, many, "why")), IGovernor.GovernorInsufficientProposerVotes.selector);
        refuseAny(
            address(governor),
            abi.encodeCall(governor.propose, (only(address(ledger)), only(uint256(0)), calls(huge), "why")),
            IGovernor.GovernorInsufficientProposerVotes.selector
        );

        vm.startPrank(treasury);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidProposalLength.selector, 4_000, 1, 4_000));
        governor.propose(targets, values, calls(""), "why");
        (uint256 small, uint256 written) = propose(only(address(ledger)), only(uint256(0)), calls(abi.encodeCall(Ledger.pause, (1))), "why");
        (uint256 long, uint256 writtenLong) = propose(targets, values, many, "why");
        (uint256 wide, uint256 writtenWide) = propose(only(address(ledger)), only(uint256(0)), calls(huge), string(huge));
        vm.assertEq(writtenLong, written, "what is stored does not grow with the arrays");
        vm.assertEq(writtenWide, written, "nor with a description");
        vm.warp(block.timestamp + VOTING_DELAY + 1);
        uint256 cost = vote(small);
        vm.assertApproxEqAbs(vote(long), cost, 100, "nor what a vote costs");
        vm.assertApproxEqAbs(vote(wide), cost, 100);
        vm.stopPrank();
    }

    function test_huge_votes_and_executions_are_refused_or_their_senders_own() public {
        bytes memory huge = new bytes(1 << 20);
        (address[] memory targets, uint256[] memory values, bytes[] memory many) = thousands(4_000);
        vm.prank(treasury);
        uint256 id = governor.propose(only(address(ledger)), only(uint256(0)), calls(abi.encodeCall(Ledger.pause, (1))), "why");
        vm.warp(block.timestamp + VOTING_DELAY + 1);
        refuseAny(address(governor), abi.encodeCall(governor.castVoteBySig, (id, 1, treasury, huge)), IGovernor.GovernorInvalidSignature.selector);
        vm.record();
        vm.prank(treasury);
        governor.castVoteWithReasonAndParams(id, 1, string(huge), huge);
        (, bytes32[] memory writes) = vm.accesses(address(governor));
        vm.assertLe(writes.length, 2, "the vote, and that it was cast");

        // Anybody executes at the timelock, but only what the governor scheduled.
        refuseAny(
            address(timelock),
            abi.encodeCall(timelock.executeBatch, (targets, values, many, bytes32(0), SALT)),
            TimelockController.TimelockUnexpectedOperationState.selector
        );
        refuseAny(
            address(timelock),
            abi.encodeCall(timelock.execute, (address(ledger), 0, huge, bytes32(0), SALT)),
            TimelockController.TimelockUnexpectedOperationState.selector
        );
        refuseAny(
            address(timelock),
            abi.encodeCall(timelock.scheduleBatch, (targets, values, many, bytes32(0), SALT, TIMELOCK_DELAY)),
            IAccessControl.AccessControlUnauthorizedAccount.selector
        );
        // The one that was proposed first is not in their way.
        vm.warp(block.timestamp + VOTING_PERIOD + 1);
        governor.queue(only(address(ledger)), only(uint256(0)), calls(abi.encodeCall(Ledger.pause, (1))), keccak256("why"));
        vm.warp(block.timestamp + TIMELOCK_DELAY);
        governor.execute(only(address(ledger)), only(uint256(0)), calls(abi.encodeCall(Ledger.pause, (1))), keccak256("why"));
        vm.assertEq(ledger.pausedUntil(), block.timestamp + 1);
    }

    /// @dev Each join or return makes a version of the set that the next anchor must pass. One stake makes 32 an epoch; after 3 days of
    /// a stop these are more than a transaction's 2^24 gas (EIP-7825) can pass, so anybody may pass them in parts.
    function test_griefing_by_versions_of_the_set_does_not_stop_the_ledger() public {
        stake(5, uint96(1_000 * ONE));
        address signer = vm.addr(keyOf(5));
        vm.startPrank(signer);
        for (uint256 epoch = 0; epoch < 20; ++epoch) {
            vm.warp(block.timestamp + EPOCH_SECONDS);
            for (uint256 i = 0; i < 16; ++i) {
                registry.exit(signer);
                registry.rejoin(signer);
            }
        }
        vm.stopPrank();
        vm.warp(block.timestamp + EPOCH_SECONDS);
        uint64 newest = registry.version();
        vm.assertEq(newest, 2 + 20 * 32);
        uint256 before = gasleft();
        ledger.adoptSet(100);
        // So 2^24 gas pass 4,000 versions.
        vm.assertLt(before - gasleft(), 400_000);
        ledger.adoptSet(type(uint256).max);
        Ledger.Anchor memory a = nextAnchor("root");
        bytes memory signatures = signAll(digestOf(address(ledger), hashOf(a)), 15);
        before = gasleft();
        ledger.anchor(a, 15, signatures);
        vm.assertLt(before - gasleft(), 150_000);
        // Nor the rewards, which ask the ledger.
        Rewards.Payout memory p = payout("root", 1);
        rewards.publish(p, 15, signAll(digestOf(address(rewards), hashOf(p)), 15));
    }

    // Flash loans.

    function test_flash_loan_votes_and_proposes_nothing() public {
        bytes memory call = abi.encodeCall(Ledger.pause, (1));
        vm.prank(treasury);
        uint256 id = governor.propose(only(address(ledger)), only(uint256(0)), calls(call), "why");
        vm.warp(block.timestamp + VOTING_DELAY + 1);
        Borrower borrower = new Borrower();
        uint256 amount = token.balanceOf(treasury);
        vm.prank(treasury);
        token.approve(address(borrower), amount * 2);
        borrower.vote(token, governor, treasury, amount, id);
        (, uint256 inFavour,) = governor.proposalVotes(id);
        vm.assertEq(inFavour, 0, "borrowed and given back in one transaction");
        vm.expectRevert();
        borrower.propose(token, governor, treasury, amount, address(ledger), call);
    }

    // Frames that were never anchored.

    function test_a_frame_of_a_batch_that_was_not_anchored_is_not_proven() public {
        Ledger.FrameProof memory proof = proofOf(buildFrame(DEVICE_KEY, 2, 1), 0);
        // Signed by all gateways, but a quorum never brought it here.
        proof.anchor = nextAnchor(hashOf(proof.batch));
        bytes32 hash = hashOf(proof.anchor);
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_NotInLedger.selector, hash, 0));
        ledger.verify(proof);
        // An anchor of that epoch over another batch does not prove this one either, whatever header is shown with it.
        Ledger.Anchor memory a = anchorNext("another batch");
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_NotInLedger.selector, hash, 0));
        ledger.verify(proof);
        proof.anchor = a;
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger_NotInAnchor.selector, hashOf(proof.batch), a.root));
        ledger.verify(proof);
    }

    function test_whoever_copies_the_signatures_of_a_payout_neither_starts_its_escrow_anew_nor_brings_a_replaced_root_back() public {
        vm.warp(block.timestamp + 1 days);
        uint64 epoch = ledger.epochNow() - 1;
        Rewards.Payout memory wrong = Rewards.Payout(epoch, 0, "wrong", 1);
        Rewards.Payout memory right = Rewards.Payout(epoch, 0, "right", 1);
        bytes memory wrongly = signAll(digestOf(address(rewards), hashOf(wrong)), 7);
        bytes memory rightly = signAll(digestOf(address(rewards), hashOf(right)), 7);
        rewards.publish(wrong, 7, wrongly);
        rewards.publish(right, 7, rightly);
        uint64 from = rewards.pending().claimableFrom;
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_AlreadyPublished.selector, hashOf(wrong)));
        rewards.publish(wrong, 7, wrongly);
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_AlreadyPublished.selector, hashOf(right)));
        rewards.publish(right, 7, rightly);
        vm.warp(from);
        vm.assertEq(rewards.inForce().root, "right");
    }

    // Faults that were found by reading (the first two) and by the campaign (the last).

    function test_replacing_a_waiting_root_mints_no_second_time() public {
        vm.warp(block.timestamp + 1 days);
        uint64 epoch = ledger.epochNow() - 1;
        uint256 allowed = 10_000 * ONE * uint256(epoch - FIRST_TIME / EPOCH_SECONDS) * EPOCH_SECONDS / 1 days;
        publish(Rewards.Payout(epoch, 0, "first", allowed));
        Rewards.Payout memory p = Rewards.Payout(epoch, 0, "second", allowed + 1);
        bytes memory signatures = signAll(digestOf(address(rewards), hashOf(p)), 7);
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_TotalTooHigh.selector, allowed + 1, allowed));
        rewards.publish(p, 7, signatures);
        // Nor by going back to an earlier epoch, and then over the same ones again.
        p = Rewards.Payout(epoch - 1, 0, "third", 1);
        signatures = signAll(digestOf(address(rewards), hashOf(p)), 7);
        vm.expectRevert(abi.encodeWithSelector(Rewards.Rewards_EpochNotAfter.selector, epoch - 1, epoch - 1));
        rewards.publish(p, 7, signatures);
        publish(Rewards.Payout(epoch, 0, "fourth", allowed));
    }

    function test_an_accused_who_leaves_after_the_accusation_waits_for_the_case() public {
        govern(Parameter.ResponseSeconds, 30 days);
        bytes32 id = accuse(1);
        address signer = vm.addr(keyOf(1));
        vm.prank(signer);
        registry.exit(signer);
        vm.assertEq(registry.stakeOf(signer).withdrawableAt, block.timestamp + 37 days);
        vm.warp(block.timestamp + 30 days + 1);
        vm.assertEq(disputes.uphold(id), 20 * ONE);
    }

    function test_a_case_against_who_is_gone_ends_and_gives_the_bond_back() public {
        bytes32 id = accuse(3);
        address[] memory removed = only(vm.addr(keyOf(3)));
        registry.change(new GatewayRegistry.Gateway[](0), removed, 7, signAll(digestOf(address(registry), changeHash(removed)), 7));
        vm.warp(block.timestamp + 1 days + 1);
        vm.assertEq(disputes.uphold(id), 0);
        vm.assertEq(token.balanceOf(_reporter), 10 * ONE);
        vm.assertEq(disputes.totalBonds(), 0);
    }

    /// @dev Refused with this error, for less gas than a megabyte's copy in memory would cost (two million).
    function refuse(address target, bytes memory call, bytes4 error_) private {
        vm.prank(_reporter);
        (bool success, bytes memory reason) = target.call(call);
        uint256 used = vm.lastCallGas().gasTotalUsed;
        vm.assertFalse(success);
        vm.assertEq(bytes4(reason), error_);
        vm.assertLt(used, 150_000);
    }

    /// @dev Refused with this error, whatever the sender pays for his own arrays.
    function refuseAny(address target, bytes memory call, bytes4 error_) private {
        vm.prank(_reporter);
        (bool success, bytes memory reason) = target.call(call);
        vm.assertFalse(success);
        vm.assertEq(bytes4(reason), error_);
    }

    function thousands(uint256 count) private view returns (address[] memory targets, uint256[] memory values, bytes[] memory many) {
        (targets, values, many) = (new address[](count), new uint256[](count), new bytes[](count));
        for (uint256 i = 0; i < count; ++i) {
            (targets[i], many[i]) = (address(ledger), abi.encodeCall(Ledger.pause, (1)));
        }
    }

    /// @dev The proposal and how many slots of the governor it wrote.
    function propose(address[] memory targets, uint256[] memory values, bytes[] memory many, string memory description)
        private
        returns (uint256 id, uint256 written)
    {
        vm.record();
        id = governor.propose(targets, values, many, description);
        (, bytes32[] memory writes) = vm.accesses(address(governor));
        written = writes.length;
        vm.assertGt(written, 0);
    }

    function vote(uint256 id) private returns (uint256 used) {
        vm.cool(address(governor));
        vm.cool(address(token));
        governor.castVote(id, 1);
        used = vm.lastCallGas().gasTotalUsed;
    }

    function pass(address target, bytes memory call) private {
        vm.prank(treasury);
        uint256 id = governor.propose(only(target), only(uint256(0)), calls(call), "why");
        vm.warp(block.timestamp + VOTING_DELAY + 1);
        vm.prank(treasury);
        governor.castVote(id, 1);
        vm.warp(block.timestamp + VOTING_PERIOD + 1);
        governor.queue(only(target), only(uint256(0)), calls(call), keccak256("why"));
        vm.warp(block.timestamp + TIMELOCK_DELAY);
    }

    function accuse(uint256 index) private returns (bytes32 id) {
        Disputes.BadFrame memory e;
        e.frame = buildFrame(DEVICE_KEY, 2, 1);
        bytes32 leaf = keccak256(bytes.concat(keccak256(e.frame)));
        e.batch = Ledger.Batch(vm.addr(keyOf(index)), 1, 0, leaf, 1, 1, 1, 2, "body");
        e.signature = signOne(keyOf(index), digestOf(address(ledger), hashOf(e.batch)));
        commit(keccak256(abi.encode(hashOf(e.batch), leaf, vm.addr(keyOf(index)))));
        vm.prank(treasury);
        token.transfer(_reporter, 10 * ONE);
        vm.startPrank(_reporter);
        token.approve(address(disputes), 10 * ONE);
        id = disputes.accuse(e, SALT);
        vm.stopPrank();
    }

    function proofOf(bytes memory frame, bytes32 root) private returns (Ledger.FrameProof memory proof) {
        proof.frame = frame;
        (uint256 x, uint256 y) = vm.publicKeyP256(DEVICE_KEY);
        (proof.x, proof.y) = (bytes32(x), bytes32(y));
        proof.batch.root = root == 0 ? keccak256(bytes.concat(keccak256(frame))) : root;
        if (root != 0) proof.anchor = anchorNext(hashOf(proof.batch));
    }

    function commit(bytes32 evidence) private {
        vm.prank(_reporter);
        disputes.commit(keccak256(abi.encode(_reporter, evidence, SALT)));
        vm.roll(block.number + 1);
    }

    function batchPair(uint64 number) private view returns (Disputes.BatchPair memory e) {
        e.first = Ledger.Batch(vm.addr(keyOf(1)), number, 0, "one", 2, 3, 1, 2, "body");
        e.second = Ledger.Batch(vm.addr(keyOf(1)), number, 0, "two", 2, 3, 1, 2, "body");
        e.firstSignature = signOne(keyOf(1), digestOf(address(ledger), hashOf(e.first)));
        e.secondSignature = signOne(keyOf(1), digestOf(address(ledger), hashOf(e.second)));
    }

    function evidenceOf(Disputes.BatchPair memory e) private pure returns (bytes32) {
        return keccak256(abi.encode(hashOf(e.first), hashOf(e.second)));
    }

    function payout(bytes32 root, uint256 total) private view returns (Rewards.Payout memory) {
        return Rewards.Payout(ledger.epochNow() - 1, rewards.inForce().root, root, total);
    }

    function publish(Rewards.Payout memory p) private {
        rewards.publish(p, 7, signAll(digestOf(address(rewards), hashOf(p)), 7));
        if (p.root != "first") vm.warp(block.timestamp + 1 hours);
    }

    function hashOf(Rewards.Payout memory p) private pure returns (bytes32) {
        bytes32 typehash = keccak256("Payout(uint64 epoch,bytes32 previous,bytes32 root,uint256 total)");
        return keccak256(abi.encode(typehash, p.epoch, p.previous, p.root, p.total));
    }

    function changeHash(address[] memory removed) private view returns (bytes32) {
        bytes32 typehash = keccak256(
            "Change(uint64 version,Gateway[] added,address[] removed)Gateway(address signer,bytes32 tlsKeyHash,string endpoint)"
        );
        return keccak256(abi.encode(typehash, registry.version(), keccak256(""), keccak256(abi.encodePacked(removed))));
    }

    /// @dev Three signatures, the one of signer `index` with its s turned: valid for a verifier that allows it.
    function highS(uint256 index, bytes32 digest) private pure returns (bytes memory signatures) {
        for (uint256 i = 0; i < 3; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf(i), digest);
            uint256 high = SECP256K1_ORDER - uint256(s);
            signatures = bytes.concat(
                signatures, i == index ? abi.encodePacked(r, high | (uint256(28 - v) << 255)) : signOne(keyOf(i), digest)
            );
        }
    }

    function twice(bytes32 digest) private pure returns (bytes memory) {
        bytes memory one = signOne(keyOf(0), digest);
        return bytes.concat(one, one, signOne(keyOf(2), digest));
    }

    function register(uint256 key) private returns (bytes20) {
        DeviceRegistry.Claim memory c = claimOf(key, _owner);
        return devices.register(c.keyKind, c.x, c.y, c.r, c.s, _owner);
    }

    function claimOf(uint256 key, address owner) private view returns (DeviceRegistry.Claim memory) {
        bytes32 message = sha256(abi.encodePacked("DC", uint8(1), uint8(1), block.chainid, address(devices), owner));
        (bytes32 r, bytes32 s) = signLow(key, message);
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        return DeviceRegistry.Claim(1, bytes32(x), bytes32(y), r, s);
    }

    function sponsored(DeviceRegistry at, bytes20 device, uint256 nonce, uint64 deadline) private view returns (bytes memory) {
        bytes32 typehash = keccak256("Sponsored(bytes20 device,uint16 profile,uint32 location,uint256 nonce,uint64 deadline)");
        return signOne(OWNER_KEY, digestOf(address(at), keccak256(abi.encode(typehash, device, uint16(1), uint32(1), nonce, deadline))));
    }

    function govern(Parameter parameter, uint256 value) private {
        vm.prank(address(timelock));
        parameters.set(parameter, value);
    }

    function calls(bytes memory one) private pure returns (bytes[] memory list) {
        list = new bytes[](1);
        list[0] = one;
    }
}

/// @notice Stands in for the token's `transfer` as one with a hook would: it calls the registry again while the stake is on its way.
contract WithdrawAgain {
    GatewayRegistry private immutable _registry;
    address private immutable _signer;

    constructor(GatewayRegistry registry, address signer) {
        (_registry, _signer) = (registry, signer);
    }

    function transfer(address, uint256) external returns (bool) {
        try _registry.withdraw(_signer) {
            return false;
        } catch {
            return true;
        }
    }
}
