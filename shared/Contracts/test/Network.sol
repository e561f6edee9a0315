// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {ActiveSet} from "../src/ActiveSet.sol";
import {DeviceRegistry} from "../src/DeviceRegistry.sol";
import {Disputes} from "../src/Disputes.sol";
import {GatewayRegistry} from "../src/GatewayRegistry.sol";
import {Ledger} from "../src/Ledger.sol";
import {NetworkGovernor} from "../src/NetworkGovernor.sol";
import {NetworkTimelock} from "../src/NetworkTimelock.sol";
import {NetworkToken} from "../src/NetworkToken.sol";
import {Parameter, Parameters} from "../src/Parameters.sol";
import {Rewards} from "../src/Rewards.sol";

/// @notice A network for the tests: gateways with keys, their registry, a ledger, and what they and devices sign.
abstract contract Network is Test {
    uint64 internal constant EPOCH_SECONDS = 60;
    uint256 internal constant FIRST_TIME = 1_800_000_000;
    uint256 internal constant GATEWAY_KEY = 0xA11CE;
    uint256 internal constant DEVICE_KEY = 0xDE71CE;
    uint256 internal constant P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;

    uint256 internal constant ONE = 1e18;
    uint48 internal constant VOTING_DELAY = 1 days;
    uint32 internal constant VOTING_PERIOD = 5 days;
    uint256 internal constant TIMELOCK_DELAY = 2 days;
    uint256 internal constant BOOTSTRAP_SECONDS = 90 days;

    NetworkTimelock internal timelock;
    NetworkToken internal token;
    NetworkGovernor internal governor;
    Parameters internal parameters;
    GatewayRegistry internal registry;
    DeviceRegistry internal devices;
    Ledger internal ledger;
    Disputes internal disputes;
    Rewards internal rewards;
    /// @dev Has the first tokens.
    address internal treasury = makeAddr("treasury");

    /// @dev Deploys the whole set in the order the C# side does; who comes later is named by its address to be.
    function startNetwork(uint256 gateways) internal {
        vm.warp(FIRST_TIME);
        vm.roll(100);
        uint256 nonce = vm.getNonce(address(this));
        address me = address(this);
        address governor_ = vm.computeCreateAddress(me, nonce + 2);
        address ledger_ = vm.computeCreateAddress(me, nonce + 6);
        address disputes_ = vm.computeCreateAddress(me, nonce + 7);
        address rewards_ = vm.computeCreateAddress(me, nonce + 8);

        timelock = new NetworkTimelock(TIMELOCK_DELAY, governor_);
        token = new NetworkToken(rewards_, only(treasury), only(100_000_000 * ONE));
        governor = new NetworkGovernor(token, timelock, VOTING_DELAY, VOTING_PERIOD, 100_000 * ONE, 4);
        parameters = new Parameters(address(timelock), firstParameters());
        registry = new GatewayRegistry(firstGateways(gateways), wiring(ledger_, disputes_));
        devices = new DeviceRegistry(parameters, disputes_);
        ledger = new Ledger(registry, devices, address(timelock), EPOCH_SECONDS);
        disputes = new Disputes(ledger, parameters, token, Rewards(rewards_));
        rewards = new Rewards(ledger, parameters, token, disputes_);
    }

    function wiring(address ledger_, address disputes_) internal view returns (GatewayRegistry.Wiring memory) {
        return GatewayRegistry.Wiring(
            address(token), parameters, Ledger(ledger_), disputes_, uint64(block.timestamp + BOOTSTRAP_SECONDS)
        );
    }

    function firstParameters() internal pure returns (uint256[] memory values) {
        values = new uint256[](18);
        values[uint256(Parameter.StakeMin)] = 1_000 * ONE;
        values[uint256(Parameter.GatewaysMax)] = 64;
        values[uint256(Parameter.UnbondingSeconds)] = 14 days;
        values[uint256(Parameter.JailSeconds)] = 7 days;
        values[uint256(Parameter.EquivocationSlash)] = 5_000;
        values[uint256(Parameter.BadFrameSlash)] = 1_000;
        values[uint256(Parameter.ReporterShare)] = 1_000;
        values[uint256(Parameter.DisputeBond)] = 10 * ONE;
        values[uint256(Parameter.ResponseSeconds)] = 1 days;
        values[uint256(Parameter.DeviceBounty)] = ONE / 100;
        values[uint256(Parameter.KeyDelaySeconds)] = 7 days;
        values[uint256(Parameter.EmissionPerDay)] = 10_000 * ONE;
        values[uint256(Parameter.EscrowSeconds)] = 1 hours;
        values[uint256(Parameter.ClaimWindowSeconds)] = 365 days;
        values[uint256(Parameter.DeviceShare)] = 7_000;
        values[uint256(Parameter.FramesPerDeviceMax)] = 60;
        values[uint256(Parameter.ApplicationFee)] = 0;
        values[uint256(Parameter.DoubtfulShare)] = 5_000;
    }

    /// @dev Stakes for gateway `index` as its own operator; tokens come from the treasury.
    function stake(uint256 index, uint96 amount) internal {
        address signer = vm.addr(keyOf(index));
        vm.prank(treasury);
        token.transfer(signer, amount);
        vm.startPrank(signer);
        token.approve(address(registry), amount);
        registry.join(gateway(index), amount, "");
        vm.stopPrank();
    }

    function only(address one) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = one;
    }

    function only(uint256 one) internal pure returns (uint256[] memory list) {
        list = new uint256[](1);
        list[0] = one;
    }

    function firstGateways(uint256 count) internal pure returns (GatewayRegistry.Gateway[] memory all) {
        all = new GatewayRegistry.Gateway[](count);
        for (uint256 i = 0; i < count; ++i) {
            all[i] = gateway(i);
        }
    }

    function gateway(uint256 index) internal pure returns (GatewayRegistry.Gateway memory) {
        return GatewayRegistry.Gateway(vm.addr(keyOf(index)), keccak256(abi.encode("tls", index)), "https://gateway.example");
    }

    function keyOf(uint256 index) internal pure returns (uint256) {
        return GATEWAY_KEY + index;
    }

    /// @dev Mask of the first `count` signers.
    function firstSigners(uint256 count) internal pure returns (uint256) {
        return count == 256 ? type(uint256).max : (1 << count) - 1;
    }

    /// @dev EIP-2098 signatures of the gateways whose bits are set, ascending.
    function signAll(bytes32 digest, uint256 signers) internal pure returns (bytes memory signatures) {
        for (uint256 i = 0; i < 256; ++i) {
            if ((signers >> i) & 1 != 0) signatures = bytes.concat(signatures, signOne(keyOf(i), digest));
        }
    }

    function signOne(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    /// @dev Written here a second time, from the EIP-712 text, so that a slip in the contract does not confirm itself.
    function digestOf(address verifier, bytes32 structHash) internal view returns (bytes32) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("DePIN Edge"),
                keccak256("1"),
                block.chainid,
                verifier
            )
        );
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    function hashOf(Ledger.Anchor memory a) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("Anchor(uint64 epoch,bytes32 previous,bytes32 root,uint32 batches,uint64 frames)"),
                a.epoch,
                a.previous,
                a.root,
                a.batches,
                a.frames
            )
        );
    }

    function hashOf(Ledger.Batch memory b) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "Batch(address gateway,uint64 number,bytes32 previous,bytes32 root,uint32 frames,uint32 samples,uint64 firstReceivedMs,uint64 lastReceivedMs,bytes32 body)"
                ),
                b.gateway,
                b.number,
                b.previous,
                b.root,
                b.frames,
                b.samples,
                b.firstReceivedMs,
                b.lastReceivedMs,
                b.body
            )
        );
    }

    function nextAnchor(bytes32 root) internal view returns (Ledger.Anchor memory) {
        return Ledger.Anchor(ledger.epochNow(), ledger.head(), root, 1, 1);
    }

    /// @dev One epoch later, anchors `root` with a quorum.
    function anchorNext(bytes32 root) internal returns (Ledger.Anchor memory a) {
        vm.warp(block.timestamp + EPOCH_SECONDS);
        a = nextAnchor(root);
        uint256 signers = firstSigners(ledger.quorum());
        ledger.anchor(a, signers, signAll(digestOf(address(ledger), hashOf(a)), signers));
    }

    function pair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(abi.encodePacked(a, b)) : keccak256(abi.encodePacked(b, a));
    }

    /// @dev A frame of `samples` samples by the device with this key.
    function buildFrame(uint256 key, uint64 sequence, uint256 samples) internal pure returns (bytes memory) {
        bytes memory payload;
        for (uint256 i = 0; i < samples; ++i) {
            payload = bytes.concat(payload, abi.encodePacked(uint16(1), int8(-2), uint8(0), uint32(i * 1000), int64(2150)));
        }
        return signFrame(key, abi.encodePacked(headerOf(key, sequence, payload.length), payload));
    }

    function headerOf(uint256 key, uint64 sequence, uint256 payloadBytes) internal pure returns (bytes memory) {
        return headerOf(deviceOf(key), sequence, payloadBytes);
    }

    function headerOf(bytes20 device, uint64 sequence, uint256 payloadBytes) internal pure returns (bytes memory) {
        return abi.encodePacked(
            "DF",
            uint8(1),
            uint8(1),
            uint16(1),
            uint16(payloadBytes),
            device,
            uint32(7),
            sequence,
            uint64(1_800_000_000_000),
            sequence == 1 ? bytes32(0) : keccak256("previous")
        );
    }

    /// @dev Appends the device's signature, low s.
    function signFrame(uint256 key, bytes memory unsigned) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 s) = signLow(key, sha256(unsigned));
        return abi.encodePacked(unsigned, r, s);
    }

    function signLow(uint256 key, bytes32 digest) internal pure returns (bytes32 r, bytes32 s) {
        (r, s) = vm.signP256(key, digest);
        if (uint256(s) > P256_ORDER / 2) s = bytes32(P256_ORDER - uint256(s));
    }

    function deviceOf(uint256 key) internal pure returns (bytes20) {
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        return bytes20(uint160(uint256(sha256(abi.encodePacked(x, y)))));
    }
}
