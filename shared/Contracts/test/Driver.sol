// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ActiveSet} from "../src/ActiveSet.sol";
import {DeviceRegistry} from "../src/DeviceRegistry.sol";
import {Disputes} from "../src/Disputes.sol";
import {GatewayRegistry} from "../src/GatewayRegistry.sol";
import {Ledger} from "../src/Ledger.sol";
import {Parameter} from "../src/Parameters.sol";
import {Rewards} from "../src/Rewards.sol";
import {Network} from "./Network.sol";

/// @notice What a campaign's driver knows and the contracts are compared with: its books. Every act of `Driver` reports here what it
/// saw; nothing here is read back from the contract it is compared with.
abstract contract Books is Network {
    uint256 internal constant GATEWAYS = 8;
    uint256 internal constant HOLDERS = 4;
    uint256 internal constant DEVICES = 8;

    struct Root {
        bytes32 root;
        uint256[HOLDERS] cumulative;
        uint256 total;
    }

    struct DeviceBook {
        address owner;
        uint256 key;
        uint32 rotations;
        bool revoked;
    }

    /// @dev Signers of gateways and who operates them: every second one itself.
    address[GATEWAYS] internal signers;
    address[GATEWAYS] internal operators;
    address[HOLDERS] internal holders;
    mapping(address signer => uint256 key) internal keys;

    /// @dev What each gateway has at stake, by what was moved in, taken and paid back.
    mapping(address signer => uint256) internal stakes;
    /// @dev Until when evidence keeps each gateway out.
    mapping(address signer => uint256) internal jails;
    /// @dev Tokens sent to a contract by nobody's leave.
    mapping(address to => uint256) internal donated;
    /// @dev Rewards: what came in and what went out.
    uint256 internal minted;
    uint256 internal fees;
    uint256 internal bounties;
    uint256 internal burnt;
    uint256 internal lapsed;
    mapping(address holder => uint256) internal paid;
    mapping(address holder => uint256) internal settled;
    /// @dev The most governance ever allowed a day, and the last epoch a root paid for.
    uint256 internal emissionMost;
    uint64 internal paidUntil;
    Root[] internal roots;

    bytes32[] internal anchors;
    uint64 internal lastEpoch;
    bytes32[] internal cases;
    mapping(bytes32 id => uint256) internal bonds;
    DeviceBook[DEVICES] internal books;
    bytes20[DEVICES] internal ids;
    /// @dev Bounds of the parameters, which never change.
    uint256[18] internal least;
    uint256[18] internal most;
    mapping(uint256 key => DeviceRegistry.Key) private _publicKeys;
    /// @dev How often each act succeeded: a driver that only fails shows nothing.
    mapping(bytes32 act => uint256) public done;

    /// @dev Public keys are asked for often and dear to compute.
    function publicKey(uint256 key) internal returns (bytes32 x, bytes32 y) {
        DeviceRegistry.Key storage known = _publicKeys[key];
        if (known.x == 0) {
            (uint256 x_, uint256 y_) = vm.publicKeyP256(key);
            (known.x, known.y) = (bytes32(x_), bytes32(y_));
        }
        return (known.x, known.y);
    }

    function firstKey(uint256 device) internal pure returns (uint256) {
        return DEVICE_KEY + 1_000 * device;
    }

    function gatewayOf(uint256 g) internal view returns (GatewayRegistry.Gateway memory) {
        return GatewayRegistry.Gateway(signers[g], "tls", "https://gateway.example");
    }

    /// @dev forge-std's `bound` tells every number it gives, which takes longer than the act.
    function within(uint256 value, uint256 min, uint256 max) internal pure returns (uint256) {
        return max == type(uint256).max && min == 0 ? value : min + value % (max - min + 1);
    }

    /// @dev Tokens for `to`, approved for `spender`.
    function fund(address to, uint256 amount, address spender) internal {
        vm.prank(treasury);
        token.transfer(to, amount);
        vm.prank(to);
        token.approve(spender, amount);
    }

    /// @dev The signers of `all` whose bit in `mask` is set sign `digest`; `bits` is the mask, `count` how many.
    function signBy(address[] memory all, uint256 mask, bytes32 digest)
        internal
        view
        returns (uint256 bits, uint256 count, bytes memory signatures)
    {
        for (uint256 i = 0; i < all.length; ++i) {
            if ((mask >> (i % 16)) & 1 == 0) continue;
            bits |= 1 << i;
            ++count;
            signatures = bytes.concat(signatures, signOne(keys[all[i]], digest));
        }
    }

    /// @dev Most masks are a quorum: a random one is that too seldom.
    function maskOf(uint256 seed) internal pure returns (uint256) {
        return seed % 4 == 0 ? seed >> 2 : type(uint256).max;
    }

    function isQuorum(uint256 count, uint256 of_) internal pure returns (bool) {
        return 3 * count > 2 * of_;
    }

    function inForce() internal view returns (address[] memory) {
        return ActiveSet.read(ledger.setInForce());
    }
}

/// @notice Gateways, stakes and anchors.
abstract contract GatewayActs is Books {
    Ledger.Anchor private _last;
    uint256 private _lastMask;
    bytes private _lastSignatures;

    /// @dev Anyone's gateway, with the right consent, none or one that is used up.
    function join(uint256 g, uint256 amount, uint256 consentKind) external {
        g %= GATEWAYS;
        amount = within(amount, 0, 4_000 * ONE);
        (address signer, address operator) = (signers[g], operators[g]);
        fund(operator, amount, address(registry));
        bool forged = consentKind % 4 == 0 && signer != operator;
        bytes32 hash = keccak256(
            abi.encode(keccak256("Join(address operator,uint256 nonce)"), operator, registry.nonces(signer) + (forged ? 1 : 0))
        );
        bytes memory consent = signer == operator ? bytes("") : signOne(keys[signer], digestOf(address(registry), hash));
        uint256 stakeMin = parameters.valueOf(Parameter.StakeMin);
        bool inside = registry.isActive(signer);
        vm.prank(operator);
        try registry.join(gatewayOf(g), uint96(amount), consent) {
            require(!forged, "joined without consent");
            require(stakes[signer] == 0, "staked twice");
            require(amount >= stakeMin, "joined below the least stake");
            require(inside || block.timestamp >= jails[signer], "joined out of jail");
            stakes[signer] = amount;
            ++done["join"];
        } catch {}
    }

    function addStake(uint256 g, uint256 amount) external {
        g %= GATEWAYS;
        amount = within(amount, 0, 2_000 * ONE);
        address giver = holders[g % HOLDERS];
        fund(giver, amount, address(registry));
        vm.prank(giver);
        try registry.addStake(signers[g], uint96(amount)) {
            stakes[signers[g]] += amount;
            ++done["addStake"];
        } catch {}
    }

    function exit(uint256 g, uint256 who) external {
        g %= GATEWAYS;
        bool stranger = who % 8 == 0;
        vm.prank(stranger ? holders[0] : who % 2 == 0 ? operators[g] : signers[g]);
        try registry.exit(signers[g]) {
            require(!stranger, "a stranger took a gateway out");
            ++done["exit"];
        } catch {}
    }

    function rejoin(uint256 g) external {
        g %= GATEWAYS;
        vm.prank(operators[g]);
        try registry.rejoin(signers[g]) {
            require(block.timestamp >= jails[signers[g]], "came back out of jail");
            require(stakes[signers[g]] >= parameters.valueOf(Parameter.StakeMin), "came back below the least stake");
            ++done["rejoin"];
        } catch {}
    }

    function withdraw(uint256 g) external {
        g %= GATEWAYS;
        uint64 at = registry.stakeOf(signers[g]).withdrawableAt;
        uint256 before = token.balanceOf(operators[g]);
        try registry.withdraw(signers[g]) {
            require(at != 0 && block.timestamp >= at, "withdrawn while bonded");
            require(block.timestamp >= jails[signers[g]], "withdrawn out of jail");
            require(token.balanceOf(operators[g]) - before == stakes[signers[g]], "paid back other than the stake");
            stakes[signers[g]] = 0;
            ++done["withdraw"];
        } catch {}
    }

    function removeUnderstaked(uint256 g) external {
        g %= GATEWAYS;
        try registry.removeUnderstaked(signers[g]) {
            require(stakes[signers[g]] < parameters.valueOf(Parameter.StakeMin), "removed with enough stake");
            ++done["removeUnderstaked"];
        } catch {}
    }

    /// @dev The bootstrap's change, with and without a quorum.
    function change(uint256 add, uint256 remove, uint256 seed) external {
        address[] memory active = registry.active();
        GatewayRegistry.Gateway[] memory added = new GatewayRegistry.Gateway[](seed & 1);
        if (added.length != 0) added[0] = gatewayOf(add % GATEWAYS);
        address[] memory removed = seed & 2 == 0 ? new address[](0) : only(active[remove % active.length]);
        bytes32 digest = digestOf(address(registry), hashOf(registry.version(), added, removed));
        (uint256 bits, uint256 count, bytes memory signatures) = signBy(active, maskOf(seed >> 2), digest);
        try registry.change(added, removed, bits, signatures) {
            require(isQuorum(count, active.length), "changed without a quorum");
            require(block.timestamp < registry.bootstrapUntil(), "changed after the bootstrap");
            require(added.length == 0 || block.timestamp >= jails[added[0].signer], "added out of jail");
            ++done["change"];
        } catch {}
    }

    /// @dev Anchors an epoch around now, by some of the set in force: succeeds exactly when it must.
    function anchor(bytes32 root, uint256 seed, uint256 back) external {
        uint64 current = ledger.epochNow();
        Ledger.Anchor memory a = Ledger.Anchor(back % 16 == 1 ? current + 1 : current - uint64(back % 2), ledger.head(), root, 1, 1);
        bool foreign = seed % 32 == 1;
        address[] memory set = inForce();
        bytes32 digest = digestOf(foreign ? address(registry) : address(ledger), hashOf(a));
        (uint256 bits, uint256 count, bytes memory signatures) = signBy(set, maskOf(seed), digest);
        bool fresh = a.epoch <= current && (anchors.length == 0 || a.epoch > lastEpoch);
        bool must = fresh && isQuorum(count, set.length) && !foreign && block.timestamp >= ledger.pausedUntil();
        try ledger.anchor(a, bits, signatures) {
            require(must, "anchored without right");
            anchors.push(hashOf(a));
            lastEpoch = a.epoch;
            (_last, _lastMask, _lastSignatures) = (a, bits, signatures);
            ++done["anchor"];
            checkPeaks();
        } catch {
            require(!must, "a quorum's anchor was refused");
        }
    }

    function replayAnchor() external {
        if (_lastSignatures.length == 0) return;
        vm.expectRevert();
        ledger.anchor(_last, _lastMask, _lastSignatures);
    }

    /// @dev The reference keeps every leaf and folds each mountain level by level.
    function checkPeaks() private view {
        uint256 length = anchors.length;
        uint256 start = 0;
        for (uint256 below = 12; below > 0; --below) {
            uint256 h = below - 1;
            if ((length >> h) & 1 == 0) {
                require(ledger.peak(h) == bytes32(0), "a peak where none stands");
                continue;
            }
            uint256 size = 1 << h;
            bytes32[] memory level = new bytes32[](size);
            for (uint256 i = 0; i < size; ++i) {
                level[i] = anchors[start + i];
            }
            while (size > 1) {
                size >>= 1;
                for (uint256 i = 0; i < size; ++i) {
                    level[i] = pair(level[2 * i], level[2 * i + 1]);
                }
            }
            require(ledger.peak(h) == level[0], "the peak is another");
            start += 1 << h;
        }
    }

    function hashOf(uint64 version, GatewayRegistry.Gateway[] memory added, address[] memory removed) private pure returns (bytes32) {
        bytes32 gatewayType = keccak256("Gateway(address signer,bytes32 tlsKeyHash,string endpoint)");
        bytes memory hashes;
        for (uint256 i = 0; i < added.length; ++i) {
            bytes32 endpoint = keccak256(bytes(added[i].endpoint));
            hashes = bytes.concat(hashes, keccak256(abi.encode(gatewayType, added[i].signer, added[i].tlsKeyHash, endpoint)));
        }
        bytes32 changeType = keccak256(
            "Change(uint64 version,Gateway[] added,address[] removed)Gateway(address signer,bytes32 tlsKeyHash,string endpoint)"
        );
        return keccak256(abi.encode(changeType, version, keccak256(hashes), keccak256(abi.encodePacked(removed))));
    }
}

/// @notice Roots, claims and fees.
abstract contract RewardActs is Books {
    /// @dev A root that pays the holders more than the last; now and then more than the schedule allows, or than its leaves sum to.
    function publish(uint256[HOLDERS] calldata more, uint256 seed, uint256 lie) external {
        Rewards.Published memory before = rewards.inForce();
        Root memory r;
        uint256 unit = emissionMost / 100 + 1;
        for (uint256 i = 0; i < HOLDERS; ++i) {
            r.cumulative[i] = settled[holders[i]] + within(more[i], 0, 40 * unit);
            r.total += r.cumulative[i];
        }
        if (lie % 8 == 1) r.total /= 2;
        if (lie % 8 == 2) r.total += 1_000 * unit;
        if (r.total < before.total) r.total = before.total;
        r.root = rootOf(r.cumulative);
        uint64 epoch = ledger.epochNow();
        Rewards.Payout memory p = Rewards.Payout(lie % 8 == 3 ? epoch : epoch - 1, before.root, r.root, r.total);
        address[] memory set = inForce();
        (uint256 bits, uint256 count, bytes memory signatures) = signBy(set, maskOf(seed), digestOf(address(rewards), hashOf(p)));
        uint256 supply = token.totalSupply();
        try rewards.publish(p, bits, signatures) {
            require(isQuorum(count, set.length), "published without a quorum");
            require(p.epoch < epoch, "paid for an epoch that is not over");
            minted += token.totalSupply() - supply;
            if (p.epoch > paidUntil) paidUntil = p.epoch;
            roots.push(r);
            ++done["publish"];
        } catch {}
    }

    /// @dev Any holder's leaf of any root ever published, with its own or too high a number.
    function claim(uint256 h, uint256 index, uint256 lie) external {
        if (roots.length == 0) return;
        h %= HOLDERS;
        index = lie % 2 == 0 ? roots.length - 1 : index % roots.length;
        Root storage r = roots[index];
        bool honest = lie % 8 != 1;
        uint256 amount = r.cumulative[h] + (honest ? 0 : 1);
        bool due = rewards.inForce().root == r.root;
        uint256 before = token.balanceOf(holders[h]);
        try rewards.claim(holders[h], amount, pathOf(r.cumulative, h)) returns (uint256 got) {
            require(due && honest, "claimed under another root");
            require(token.balanceOf(holders[h]) - before == got, "paid other than told");
            require(got == amount - settled[holders[h]], "paid twice");
            paid[holders[h]] += got;
            settled[holders[h]] = amount;
            ++done["claim"];
        } catch {}
    }

    function lapse(uint256 h, uint256 index) external {
        if (roots.length == 0) return;
        h %= HOLDERS;
        Root storage r = roots[index % roots.length];
        try rewards.lapse(r.root, holders[h], r.cumulative[h], pathOf(r.cumulative, h)) returns (uint256 amount) {
            require(amount == r.cumulative[h] - settled[holders[h]], "lapsed what was paid");
            lapsed += amount;
            settled[holders[h]] = r.cumulative[h];
            ++done["lapse"];
        } catch {}
    }

    function payFee(uint256 h, uint256 amount) external {
        h %= HOLDERS;
        amount = within(amount, 0, 100 * ONE);
        fund(holders[h], amount, address(rewards));
        vm.prank(holders[h]);
        rewards.payFee("application", amount);
        fees += amount;
        ++done["payFee"];
    }

    /// @dev Tokens sent without a call must not upset any book.
    function donate(uint256 to, uint256 amount) external {
        address[3] memory targets = [address(registry), address(disputes), address(rewards)];
        address target = targets[to % 3];
        amount = within(amount, 0, 50 * ONE);
        vm.prank(treasury);
        token.transfer(target, amount);
        donated[target] += amount;
        ++done["donate"];
    }

    function rootOf(uint256[HOLDERS] memory cumulative) private view returns (bytes32) {
        return pair(
            pair(leafOf(0, cumulative[0]), leafOf(1, cumulative[1])), pair(leafOf(2, cumulative[2]), leafOf(3, cumulative[3]))
        );
    }

    function pathOf(uint256[HOLDERS] memory cumulative, uint256 h) private view returns (bytes32[] memory path) {
        path = new bytes32[](2);
        uint256 beside = h ^ 1;
        path[0] = leafOf(beside, cumulative[beside]);
        uint256 other = (h ^ 2) & 2;
        path[1] = pair(leafOf(other, cumulative[other]), leafOf(other + 1, cumulative[other + 1]));
    }

    function leafOf(uint256 h, uint256 cumulative) private view returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(holders[h], cumulative))));
    }

    function hashOf(Rewards.Payout memory p) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("Payout(uint64 epoch,bytes32 previous,bytes32 root,uint256 total)"), p.epoch, p.previous, p.root, p.total
            )
        );
    }
}

/// @notice Devices and their keys.
abstract contract DeviceActs is Books {
    /// @dev Alone, or as the only member of a batch; with the device's claim or another's.
    function register(uint256 d, uint256 h, uint256 kind) external {
        d %= DEVICES;
        address owner = holders[h % HOLDERS];
        bool forged = kind % 4 == 1;
        DeviceRegistry.Claim memory c = claimOf(d, owner, forged);
        bytes20 device;
        if (kind % 2 == 0) {
            bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(c.keyKind, c.x, c.y, c.r, c.s))));
            uint256 batch = devices.registerBatch(leaf, 1, owner, 1, "");
            try devices.registerMember(batch, c, new bytes32[](0)) returns (bytes20 id) {
                device = id;
            } catch {
                return;
            }
        } else {
            try devices.register(c.keyKind, c.x, c.y, c.r, c.s, owner) returns (bytes20 id) {
                device = id;
            } catch {
                return;
            }
        }
        require(!forged, "registered without the device's signature");
        require(books[d].owner == address(0), "registered twice");
        require(bytes32(device) == bytes32(ids[d]), "the device id is another");
        books[d] = DeviceBook(owner, firstKey(d), 0, false);
        ++done["register"];
    }

    /// @dev To the next key, signed by the present one or by another.
    function rotate(uint256 d, uint256 kind) external {
        d %= DEVICES;
        DeviceBook storage book = books[d];
        uint256 next = firstKey(d) + book.rotations + 1;
        (bytes32 x, bytes32 y) = publicKey(next);
        bytes memory message =
            abi.encodePacked("DK", uint8(1), block.chainid, address(devices), ids[d], x, y, book.rotations);
        bool forged = kind % 4 == 0;
        (bytes32 r, bytes32 s) = signLow(forged || book.key == 0 ? next : book.key, sha256(message));
        try devices.rotate(ids[d], x, y, r, s) {
            require(!(forged || book.revoked || book.key == 0), "rotated by a key that is not the device's");
            book.key = next;
            ++book.rotations;
            ++done["rotate"];
        } catch {}
    }

    /// @dev An owner proposes and, later or at once, accepts.
    function replaceKey(uint256 d, uint256 h, uint256 accept) external {
        d %= DEVICES;
        DeviceBook storage book = books[d];
        address caller = h % 4 == 0 ? holders[h % HOLDERS] : book.owner;
        uint256 next = firstKey(d) + book.rotations + 1;
        (bytes32 x, bytes32 y) = publicKey(next);
        uint64 at = devices.detailsOf(ids[d]).pendingAt;
        bool isTheOne = devices.detailsOf(ids[d]).pendingX == x;
        vm.startPrank(caller);
        if (accept % 2 == 0) {
            try devices.acceptKey(ids[d]) {
                require(caller == book.owner && at != 0 && block.timestamp >= at, "accepted early or by a stranger");
                require(isTheOne, "a proposal outlived a change of key");
                book.key = next;
                ++book.rotations;
                ++done["acceptKey"];
            } catch {}
        } else {
            try devices.proposeKey(ids[d], x, y) {
                require(caller == book.owner, "proposed by a stranger");
            } catch {}
        }
        vm.stopPrank();
    }

    function transferDevice(uint256 d, uint256 from, uint256 to) external {
        d %= DEVICES;
        (address giver, address taker) = (holders[from % HOLDERS], holders[to % HOLDERS]);
        uint256 id = uint256(uint160(ids[d]));
        vm.prank(giver);
        try devices.transferFrom(giver, taker, id) {
            require(books[d].owner == giver, "given by who does not own it");
            books[d].owner = taker;
            ++done["transferDevice"];
        } catch {}
    }

    function revoke(uint256 d, uint256 h) external {
        d %= DEVICES;
        vm.prank(holders[h % HOLDERS]);
        try devices.revoke(ids[d]) {
            require(books[d].owner == holders[h % HOLDERS], "revoked by a stranger");
            require(!books[d].revoked, "revoked twice");
            books[d].revoked = true;
            ++done["revoke"];
        } catch {}
    }

    function claimOf(uint256 d, address owner, bool forged) internal returns (DeviceRegistry.Claim memory) {
        bytes32 message = sha256(abi.encodePacked("DC", uint8(1), uint8(1), block.chainid, address(devices), owner));
        (bytes32 r, bytes32 s) = signLow(firstKey(forged ? d + DEVICES : d), message);
        (bytes32 x, bytes32 y) = publicKey(firstKey(d));
        return DeviceRegistry.Claim(1, x, y, r, s);
    }
}

/// @notice Evidence, good and bad.
abstract contract DisputeActs is Books {
    /// @dev What may be wrong with a report: nothing, or one of these.
    enum Flaw {
        None,
        NotCommitted,
        CommittedByAnother,
        OneSignedByAnother,
        OneTwice,
        ForeignDomain,
        None2,
        None3
    }

    /// @dev Another for each report: a commitment that a failed one left is no commitment to the next.
    bytes32 private _salt;

    function reportBatches(uint256 g, uint256 number, uint256 flaw_) external {
        g %= GATEWAYS;
        Flaw flaw = Flaw(flaw_ % 8);
        Disputes.BatchPair memory e;
        e.first = Ledger.Batch(signers[g], uint64(number % 64), 0, "one", 2, 3, 1, 2, "body");
        e.second = Ledger.Batch(signers[g], uint64(number % 64), 0, flaw == Flaw.OneTwice ? bytes32("one") : bytes32("two"), 2, 3, 1, 2, "body");
        (e.firstSignature, e.secondSignature) = signPair(g, hashOf(e.first), hashOf(e.second), flaw);
        address reporter = commit(keccak256(abi.encode(hashOf(e.first), hashOf(e.second))), g, flaw);
        uint256 taken = expected(g, Parameter.EquivocationSlash);
        uint256 before = token.balanceOf(reporter);
        vm.prank(reporter);
        try disputes.reportBatches(e, _salt) returns (uint256 got) {
            took(g, taken, got, before, reporter, flaw);
        } catch {}
    }

    function reportAnchors(uint256 g, uint256 epoch, uint256 flaw_) external {
        g %= GATEWAYS;
        Flaw flaw = Flaw(flaw_ % 8);
        Disputes.AnchorPair memory e;
        e.first = Ledger.Anchor(uint64(epoch % 64), 0, "one", 1, 1);
        e.second = Ledger.Anchor(uint64(epoch % 64), 0, flaw == Flaw.OneTwice ? bytes32("one") : bytes32("two"), 1, 1);
        (e.firstSignature, e.secondSignature) = signPair(g, hashOf(e.first), hashOf(e.second), flaw);
        address reporter = commit(keccak256(abi.encode(hashOf(e.first), hashOf(e.second))), g, flaw);
        uint256 taken = expected(g, Parameter.EquivocationSlash);
        uint256 before = token.balanceOf(reporter);
        vm.prank(reporter);
        try disputes.reportAnchors(e, _salt) returns (uint256 got) {
            took(g, taken, got, before, reporter, flaw);
        } catch {}
    }

    /// @dev A frame the device never signed, or (a flaw) one it did.
    function reportFrame(uint256 g, uint256 d, uint256 number, uint256 flaw_) external {
        g %= GATEWAYS;
        Flaw flaw = Flaw(flaw_ % 8);
        bool good = flaw == Flaw.OneTwice;
        Disputes.BadFrame memory e = frameOf(g, d % DEVICES, uint64(number % 64), good);
        if (flaw == Flaw.ForeignDomain) e.signature = signOne(keys[signers[g]], digestOf(address(registry), hashOf(e.batch)));
        if (flaw == Flaw.OneSignedByAnother) e.path[0] = 0;
        address reporter = commit(evidenceOf(e, g), g, flaw);
        uint256 taken = expected(g, Parameter.BadFrameSlash);
        uint256 before = token.balanceOf(reporter);
        vm.prank(reporter);
        try disputes.reportFrame(e, _salt) returns (uint256 got) {
            took(g, taken, got, before, reporter, flaw);
        } catch {}
    }

    function accuse(uint256 g, uint256 d, uint256 number) external {
        g %= GATEWAYS;
        d %= DEVICES;
        Disputes.BadFrame memory e = frameOf(g, d, uint64(number % 64), true);
        uint256 bond = parameters.valueOf(Parameter.DisputeBond);
        address reporter = commit(evidenceOf(e, g), g, Flaw.None);
        fund(reporter, bond, address(disputes));
        vm.prank(reporter);
        try disputes.accuse(e, _salt) returns (bytes32 id) {
            require(books[d].owner == address(0), "accused over a registered device");
            require(bonds[id] == 0, "judged twice");
            cases.push(id);
            bonds[id] = bond;
            ++done["accuse"];
        } catch {}
    }

    function refute(uint256 index) external {
        if (cases.length == 0) return;
        bytes32 id = cases[index % cases.length];
        address defender = holders[index % HOLDERS];
        uint256 before = token.balanceOf(defender);
        vm.prank(defender);
        try disputes.refute(id) {
            require(token.balanceOf(defender) - before == bonds[id], "paid other than the bond");
            bonds[id] = 0;
            ++done["refute"];
        } catch {}
    }

    /// @dev Once its time is over a case always ends: by this or, when the device is registered, by `refute`.
    function uphold(uint256 index) external {
        if (cases.length == 0) return;
        bytes32 id = cases[index % cases.length];
        Disputes.Case memory c = disputes.caseOf(id);
        bool due = c.reporter != address(0) && block.timestamp > c.deadline && devices.deviceOf(c.device).registeredAt == 0;
        uint256 taken = stakes[c.offender] * parameters.valueOf(Parameter.BadFrameSlash) / 10_000;
        // Known even when nothing is left of its stake: until it is withdrawn it still has an operator.
        bool known = registry.isActive(c.offender) || registry.stakeOf(c.offender).operator != address(0);
        uint256 before = token.balanceOf(c.reporter);
        try disputes.uphold(id) returns (uint256 got) {
            require(due, "upheld early, twice or wrongly");
            require(token.balanceOf(c.reporter) - before == got + bonds[id], "paid other than share and bond");
            stakes[c.offender] -= taken;
            burnt += taken - got;
            bonds[id] = 0;
            if (known) jail(c.offender);
            ++done["uphold"];
        } catch {
            require(!due, "a case that is due does not end");
        }
    }

    /// @dev Two frames under one sequence, or (a flaw) one under two.
    function reportDevice(uint256 d, uint256 flaw_) external {
        d %= DEVICES;
        Flaw flaw = Flaw(flaw_ % 8);
        uint256 key = books[d].key == 0 ? firstKey(d) : books[d].key;
        bytes memory first = signFrame(key, headerOf(ids[d], 2, 0));
        bytes memory second = signFrame(
            flaw == Flaw.OneSignedByAnother ? key + 500 : key,
            flaw == Flaw.OneTwice ? headerOf(ids[d], 2, 0) : other(headerOf(ids[d], flaw == Flaw.ForeignDomain ? 3 : 2, 0))
        );
        address reporter = commit(keccak256(abi.encode(sha256(cut(first)), sha256(cut(second)))), d, flaw);
        (bytes32 x, bytes32 y) = publicKey(key);
        vm.prank(reporter);
        try disputes.reportDevice(Disputes.FramePair(first, second, x, y), _salt) returns (uint256 got) {
            require(flaw == Flaw.None || flaw >= Flaw.None2, "suspended without evidence");
            require(books[d].owner != address(0) && !books[d].revoked, "suspended twice, or unknown");
            books[d].revoked = true;
            bounties += got;
            ++done["reportDevice"];
        } catch {}
    }

    function took(uint256 g, uint256 taken, uint256 got, uint256 before, address reporter, Flaw flaw) private {
        require(flaw == Flaw.None || flaw >= Flaw.None2, "slashed without evidence");
        require(token.balanceOf(reporter) - before == got, "paid other than told");
        require(2 * got <= taken, "the reporter got more than half");
        stakes[signers[g]] -= taken;
        burnt += taken - got;
        jail(signers[g]);
        ++done["slash"];
    }

    /// @dev A second offence never shortens the jail for the first.
    function jail(address offender) private {
        uint256 until = block.timestamp + parameters.valueOf(Parameter.JailSeconds);
        if (until > jails[offender]) jails[offender] = until;
    }

    function expected(uint256 g, Parameter share) private view returns (uint256) {
        return stakes[signers[g]] * parameters.valueOf(share) / 10_000;
    }

    function signPair(uint256 g, bytes32 first, bytes32 second, Flaw flaw) private view returns (bytes memory, bytes memory) {
        uint256 key = flaw == Flaw.OneSignedByAnother ? keys[signers[(g + 1) % GATEWAYS]] : keys[signers[g]];
        address verifier = flaw == Flaw.ForeignDomain ? address(registry) : address(ledger);
        return (signOne(keys[signers[g]], digestOf(address(ledger), first)), signOne(key, digestOf(verifier, second)));
    }

    function commit(bytes32 evidence, uint256 h, Flaw flaw) private returns (address reporter) {
        reporter = holders[h % HOLDERS];
        _salt = keccak256(abi.encode(_salt));
        address committer = flaw == Flaw.CommittedByAnother ? holders[(h + 1) % HOLDERS] : reporter;
        if (flaw != Flaw.NotCommitted) disputes.commit(keccak256(abi.encode(committer, evidence, _salt)));
        vm.roll(block.number + 1);
    }

    function frameOf(uint256 g, uint256 d, uint64 number, bool good) private view returns (Disputes.BadFrame memory e) {
        uint256 key = books[d].key == 0 ? firstKey(d) : books[d].key;
        e.frame = signFrame(good ? key : key + 500, headerOf(ids[d], 2, 0));
        e.path = new bytes32[](1);
        e.path[0] = "beside";
        bytes32 root = pair(keccak256(bytes.concat(keccak256(e.frame))), e.path[0]);
        e.batch = Ledger.Batch(signers[g], number, 0, root, 2, 3, 1, 2, "body");
        e.signature = signOne(keys[signers[g]], digestOf(address(ledger), hashOf(e.batch)));
    }

    function evidenceOf(Disputes.BadFrame memory e, uint256 g) private view returns (bytes32) {
        return keccak256(abi.encode(hashOf(e.batch), keccak256(bytes.concat(keccak256(e.frame))), signers[g]));
    }

    /// @dev The same header at another time.
    function other(bytes memory header) private pure returns (bytes memory) {
        header[47] = bytes1(uint8(header[47]) ^ 1);
        return header;
    }

    function cut(bytes memory frame) private pure returns (bytes memory unsigned) {
        unsigned = new bytes(frame.length - 64);
        for (uint256 i = 0; i < unsigned.length; ++i) {
            unsigned[i] = frame[i];
        }
    }
}

/// @notice Votes, and what only a vote may do.
abstract contract GovernanceActs is Books {
    struct Proposal {
        uint256 id;
        address target;
        bytes call;
        bytes32 description;
    }

    Proposal[] private _proposals;
    uint256 private _descriptions;

    function propose(uint256 h, uint256 kind, uint256 value) external {
        (address target, bytes memory call) = actOf(kind, value);
        string memory description = vm.toString(++_descriptions);
        address proposer = h % 4 == 0 ? holders[1] : treasury;
        bool weighs = governor.getVotes(proposer, block.timestamp - 1) >= governor.proposalThreshold();
        vm.prank(proposer);
        try governor.propose(only(target), only(uint256(0)), calls(call), description) returns (uint256 id) {
            require(weighs, "proposed without weight");
            _proposals.push(Proposal(id, target, call, keccak256(bytes(description))));
            ++done["propose"];
        } catch {}
    }

    /// @dev On each of the last three: older ones are over.
    function vote(uint256 h, uint256 support) external {
        for (uint256 i = oldest(); i < _proposals.length; ++i) {
            vm.prank(h % 2 == 0 ? treasury : holders[h % HOLDERS]);
            try governor.castVote(_proposals[i].id, support % 8 == 0 ? 0 : 1) {
                ++done["vote"];
            } catch {}
        }
    }

    /// @dev Queues what won and executes what waited. What reverts stays where it is.
    function carryOut() external {
        for (uint256 i = oldest(); i < _proposals.length; ++i) {
            Proposal storage p = _proposals[i];
            try governor.queue(only(p.target), only(uint256(0)), calls(p.call), p.description) {
                ++done["queue"];
            } catch {}
            try governor.execute(only(p.target), only(uint256(0)), calls(p.call), p.description) {
                noteEmission();
                ++done["execute"];
            } catch {}
        }
    }

    /// @dev Proposes, carries, waits and executes in one act: a chain of random ones seldom gets there.
    function decide(uint256 kind, uint256 value) external {
        (address target, bytes memory call) = actOf(kind, value);
        string memory description = vm.toString(++_descriptions);
        vm.prank(treasury);
        uint256 id = governor.propose(only(target), only(uint256(0)), calls(call), description);
        vm.warp(block.timestamp + governor.votingDelay() + 1);
        vm.prank(treasury);
        governor.castVote(id, 1);
        vm.warp(block.timestamp + governor.votingPeriod() + 1);
        governor.queue(only(target), only(uint256(0)), calls(call), keccak256(bytes(description)));
        vm.warp(block.timestamp + timelock.getMinDelay());
        try governor.execute(only(target), only(uint256(0)), calls(call), keccak256(bytes(description))) {
            noteEmission();
            ++done["decide"];
        } catch {}
    }

    /// @dev What a vote would do, without the ten days: else nothing but votes would happen.
    function govern(uint256 kind, uint256 value) external {
        (address target, bytes memory call) = actOf(kind, value);
        vm.prank(address(timelock));
        (bool success,) = target.call(call);
        if (success) ++done["govern"];
        noteEmission();
    }

    /// @dev Everybody tries what is not theirs; even the timelock, by a vote, takes no stake and mints nothing.
    function trespass(uint256 what, uint256 who, uint256 amount) external {
        address caller = [treasury, address(timelock), address(governor), operators[who % GATEWAYS], address(ledger)][who % 5];
        address target;
        bytes memory call;
        what %= 8;
        if (what == 0) (target, call) = (address(registry), abi.encodeCall(registry.slash, (signers[who % GATEWAYS], amount)));
        if (what == 1) (target, call) = (address(registry), abi.encodeCall(registry.hold, (signers[who % GATEWAYS], uint64(amount))));
        if (what == 2) (target, call) = (address(token), abi.encodeCall(token.mint, (caller, amount)));
        if (what == 3) (target, call) = (address(rewards), abi.encodeCall(rewards.payBounty, (caller)));
        if (what == 4) (target, call) = (address(devices), abi.encodeCall(devices.suspend, (ids[who % DEVICES])));
        if (what == 5) (target, call) = (address(governor), abi.encodeWithSignature("updateTimelock(address)", caller));
        if (what == 6) (target, call) = (address(timelock), abi.encodeCall(timelock.grantRole, (timelock.PROPOSER_ROLE(), caller)));
        if (what == 7) (target, call) = (address(ledger), abi.encodeCall(Ledger.pause, (1)));
        // The last two are the timelock's own right, so a vote's: they are tried by the others.
        if (what >= 6 && caller == address(timelock)) return;
        vm.prank(caller);
        (bool success,) = target.call(call);
        require(!success, "somebody did what is not theirs");
    }

    function delegate(uint256 from, uint256 to, uint256 amount) external {
        address giver = holders[from % HOLDERS];
        amount = within(amount, 0, token.balanceOf(giver));
        vm.startPrank(giver);
        token.transfer(holders[to % HOLDERS], amount);
        token.delegate(holders[to % HOLDERS]);
        vm.stopPrank();
        ++done["delegate"];
    }

    function wait(uint256 time) external {
        vm.warp(block.timestamp + within(time, 1, time % 16 == 0 ? 20 days : time % 4 == 0 ? 3 days : 3 minutes));
        vm.roll(block.number + 1);
    }

    function oldest() private view returns (uint256) {
        return _proposals.length < 3 ? 0 : _proposals.length - 3;
    }

    function noteEmission() private {
        uint256 value = parameters.valueOf(Parameter.EmissionPerDay);
        if (value > emissionMost) emissionMost = value;
    }

    /// @dev Something to decide, often beyond its bounds.
    function actOf(uint256 kind, uint256 value) private view returns (address, bytes memory) {
        kind %= 26;
        if (kind < 18) {
            Parameter p = Parameter(kind);
            (uint256 min, uint256 max) = parameters.boundsOf(p);
            // A stake nobody has ends all joining, and so the campaign.
            if (p == Parameter.StakeMin && value % 8 != 0) max = 2_000 * ONE;
            value = value % 8 == 1 ? max + 1 : value % 8 == 2 && min > 0 ? min - 1 : within(value, min, max);
            return (address(parameters), abi.encodeCall(parameters.set, (p, value)));
        }
        if (kind == 18) return (address(ledger), abi.encodeCall(Ledger.setEpochSeconds, (uint64(within(value, 1, 2 days)))));
        if (kind == 19) return (address(ledger), abi.encodeCall(Ledger.pause, (uint64(within(value, 0, 4 days)))));
        if (kind == 20) return (address(ledger), abi.encodeCall(Ledger.resume, ()));
        if (kind == 21) return (address(timelock), abi.encodeCall(timelock.updateDelay, (within(value, 0, 40 days))));
        if (kind == 22) return (address(governor), abi.encodeCall(governor.setVotingDelay, (uint48(within(value, 0, 40 days)))));
        if (kind == 23) return (address(governor), abi.encodeCall(governor.setVotingPeriod, (uint32(within(value, 0, 40 days)))));
        if (kind == 24) return (address(parameters), abi.encodeCall(parameters.setProfileWeight, (uint16(value % 3), within(value, 0, 40_000))));
        return (address(governor), abi.encodeCall(governor.updateQuorumNumerator, (within(value, 0, 100))));
    }

    function calls(bytes memory one) private pure returns (bytes[] memory list) {
        list = new bytes[](1);
        list[0] = one;
    }
}

/// @notice What always holds, compared with the books.
abstract contract Invariants is Books {
    /// @dev Stakes are what was put in, less what evidence took: no slash without it. And the tokens are there.
    function checkStakes() internal view returns (uint256 recorded) {
        uint256 sum = 0;
        for (uint256 i = 0; i < GATEWAYS; ++i) {
            address signer = signers[i];
            GatewayRegistry.Stake memory found = registry.stakeOf(signer);
            require(found.amount == stakes[signer], "a stake changed without cause");
            require(jails[signer] <= block.timestamp || found.jailedUntil == jails[signer], "a jail is another, or forgotten");
            sum += found.amount;
            if (found.active) ++recorded;
        }
        require(registry.totalStake() == sum, "the stakes' sum is another");
        require(token.balanceOf(address(registry)) == sum + donated[address(registry)], "stakes are not covered");
    }

    /// @dev Bonds of open cases and what is owed under the last root are covered, and no token comes from or goes to nowhere.
    function checkEscrow() internal view {
        uint256 sum = 0;
        uint256 count = cases.length;
        for (uint256 i = 0; i < count; ++i) {
            sum += bonds[cases[i]];
        }
        require(disputes.totalBonds() == sum, "the bonds' sum is another");
        require(token.balanceOf(address(disputes)) == sum + donated[address(disputes)], "bonds are not covered");

        uint256 here = token.balanceOf(address(rewards));
        require(here >= rewards.owed(), "rewards are not covered");
        uint256 went = bounties;
        for (uint256 i = 0; i < HOLDERS; ++i) {
            went += paid[holders[i]];
        }
        uint256 came = minted + fees + donated[address(rewards)];
        require(here == came - went, "rewards' balance is not what came less what went");
        require(token.totalSupply() == 100_000_000e18 + minted - burnt, "tokens from or to nowhere");
        require(token.totalSupply() <= token.SUPPLY_MAX(), "more tokens than there may be");
        uint256 first = 1_800_000_000;
        uint64 until = ledger.timeOf(paidUntil + 1);
        uint256 allowed = until > first ? emissionMost * (until - first) / 1 days : 0;
        require(minted <= allowed, "minted beyond the schedule");
    }

    /// @dev Nobody was paid twice: each account's sum is what it was paid or let lapse, and all together never more than the root.
    function checkClaims() internal view {
        uint256 sum = 0;
        uint256 went = 0;
        for (uint256 i = 0; i < HOLDERS; ++i) {
            address holder = holders[i];
            require(rewards.claimed(holder) == settled[holder], "claimed is not what was paid");
            sum += settled[holder];
            went += paid[holder];
        }
        require(rewards.totalClaimed() == sum, "the claims' sum is another");
        require(sum == went + lapsed, "paid twice");
        require(sum <= rewards.inForce().total, "paid more than the root");
    }

    /// @dev Never empty, nobody twice, what the records say, every version readable and the next one not there yet.
    function checkActiveSet(uint256 recorded) internal view {
        address[] memory active = registry.active();
        require(active.length > 0 && active.length <= 256, "the active set is empty");
        require(recorded == active.length, "the set is not what the records say");
        for (uint256 i = 0; i < active.length; ++i) {
            require(registry.isActive(active[i]), "a signer without a record");
            for (uint256 j = 0; j < i; ++j) {
                require(active[i] != active[j], "a signer twice");
            }
        }
        uint64 version = registry.version();
        require(registry.epochOf(version) <= ledger.epochNow() + 1, "a set of a far epoch");
        require(ActiveSet.addressOf(address(registry), version + 1).code.length == 0, "a version nobody made");
        require(ActiveSet.countAt(ledger.setInForce()) > 0, "nobody may sign");
    }

    /// @dev Every anchor is one that a quorum signed; the driver knows whether it did. Their order and peaks it checks at each.
    function checkAnchors() internal view {
        uint256 count = anchors.length;
        require(ledger.count() == count, "an anchor without a quorum");
        require(ledger.head() == (count == 0 ? bytes32(0) : anchors[count - 1]), "the head is another");
        (, uint64 last,,,) = ledger.state();
        require(last == lastEpoch, "the last epoch is another");
    }

    function checkParameters() internal view {
        uint256[] memory values = parameters.all();
        for (uint256 i = 0; i < 18; ++i) {
            require(values[i] >= least[i] && values[i] <= most[i], "a parameter out of bounds");
        }
        for (uint16 profile = 0; profile < 3; ++profile) {
            require(parameters.profileWeightOf(profile) <= 30_000, "a profile's weight out of bounds");
        }
        uint256 epoch = ledger.epochSeconds();
        require(epoch >= 15 && epoch <= 1 days, "an epoch out of bounds");
        require(ledger.pausedUntil() <= block.timestamp + 3 days, "stopped for too long");
        uint64 now_ = ledger.epochNow();
        require(ledger.timeOf(now_) <= block.timestamp && ledger.timeOf(now_ + 1) > block.timestamp, "a hole in time");
        uint256 delay = timelock.getMinDelay();
        require(delay >= 12 hours && delay <= 30 days, "the timelock's delay out of bounds");
        delay = governor.votingDelay();
        require(delay >= 6 hours && delay <= 30 days, "the voting delay out of bounds");
        delay = governor.votingPeriod();
        require(delay >= 30 hours && delay <= 30 days, "the voting period out of bounds");
        delay = governor.quorumNumerator();
        require(delay >= 1 && delay <= 50, "the quorum out of bounds");
    }

    function checkDevices() internal view {
        for (uint256 i = 0; i < DEVICES; ++i) {
            DeviceBook storage book = books[i];
            bytes20 id = ids[i];
            DeviceRegistry.Device memory device = devices.deviceOf(id);
            require((device.registeredAt != 0) == (book.owner != address(0)), "registered without a claim");
            if (book.owner == address(0)) continue;
            require(devices.ownerOf(uint256(uint160(id))) == book.owner, "the owner is another");
            require((device.revokedAt != 0) == book.revoked, "a revocation without cause, or undone");
            require(devices.keysOf(id).length == book.rotations + 1, "a key is missing");
        }
    }
}

/// @notice The whole set, driven at random by anybody: every act is tried with good and bad arguments, and says what must not succeed.
contract Driver is GatewayActs, RewardActs, DeviceActs, DisputeActs, GovernanceActs, Invariants {
    /// @param mature Whether the bootstrap is over and gateways have stakes; else it begins with four that have none
    constructor(bool mature) {
        startNetwork(4);
        for (uint256 i = 0; i < GATEWAYS; ++i) {
            signers[i] = vm.addr(keyOf(i));
            operators[i] = i % 2 == 0 ? signers[i] : makeAddr(string.concat("operator", vm.toString(i)));
            keys[signers[i]] = keyOf(i);
        }
        for (uint256 i = 0; i < HOLDERS; ++i) {
            holders[i] = makeAddr(string.concat("holder", vm.toString(i)));
        }
        for (uint256 i = 0; i < DEVICES; ++i) {
            ids[i] = deviceOf(firstKey(i));
            for (uint256 k = 0; k < 4; ++k) {
                publicKey(firstKey(i) + k);
            }
        }
        for (uint256 i = 0; i < 18; ++i) {
            (least[i], most[i]) = parameters.boundsOf(Parameter(i));
        }
        emissionMost = parameters.valueOf(Parameter.EmissionPerDay);
        paidUntil = ledger.epochNow();
        vm.prank(treasury);
        token.delegate(treasury);
        vm.warp(block.timestamp + 1 hours);
        if (mature) grow();
    }

    function grow() private {
        for (uint256 i = 0; i < GATEWAYS; i += 2) {
            stake(i, uint96(1_000 * ONE * (i + 1)));
            stakes[signers[i]] = 1_000 * ONE * (i + 1);
        }
        vm.startPrank(address(timelock));
        parameters.set(Parameter.ClaimWindowSeconds, least[uint256(Parameter.ClaimWindowSeconds)]);
        parameters.set(Parameter.GatewaysMax, 6);
        vm.stopPrank();
        vm.warp(registry.bootstrapUntil());
    }

    /// @notice Reverts with what does not hold.
    function check() external view {
        checkActiveSet(checkStakes());
        checkEscrow();
        checkClaims();
        checkAnchors();
        checkParameters();
        checkDevices();
    }
}
