// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProofLib} from "solady/utils/MerkleProofLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {ActiveSet} from "./ActiveSet.sol";
import {EvidenceDomain} from "./EvidenceDomain.sol";
import {GatewayRegistry} from "./GatewayRegistry.sol";
import {Ledger} from "./Ledger.sol";
import {NetworkToken} from "./NetworkToken.sol";
import {Parameter, Parameters} from "./Parameters.sol";
import {Quorum} from "./Quorum.sol";

/// @title Rewards
/// @notice Pays owners of devices and operators of gateways. A quorum signs one Merkle root over what every account earned since the
/// beginning; a claim shows its path and gets what it was not paid yet, over any number of epochs.
/// @dev How much each account earned is computed by every gateway alone, out of the ledger's anchors and the registries
/// (shared/Contracts/README.md, "Rewards", is the rule); only an agreed root reaches the chain. What the chain holds them to:
/// - the sum of a root never exceeds the sum before it, plus what `EmissionPerDay` allows for the epochs between, plus the fees that
///   came in; fees are spent first, the rest is minted, and replacing a root that waits mints no second time;
/// - the tokens for a root are here from the moment it is published (escrow), and it is good for claims `EscrowSeconds` later:
///   until then a quorum may replace it, for instance because evidence came up;
/// - the sum claimed never exceeds the sum of the root, whatever the leaves say;
/// - what stays unclaimed for `ClaimWindowSeconds` may lapse (`lapse`): it then pays later rewards in place of new tokens.
contract Rewards is EvidenceDomain {
    using SafeTransferLib for address;

    /// @notice What a quorum signs (EIP-712).
    /// @param epoch Last epoch that counts; over
    /// @param previous Root in force before, zero for the first
    /// @param root Over keccak256(keccak256(abi.encode(account, cumulative))), pairs sorted
    /// @param total Sum of all `cumulative`
    struct Payout {
        uint64 epoch;
        bytes32 previous;
        bytes32 root;
        uint256 total;
    }

    /// @notice A published root.
    /// @param root As in `Payout`
    /// @param epoch As in `Payout`
    /// @param claimableFrom When claims begin, seconds
    /// @param total As in `Payout`
    struct Published {
        bytes32 root;
        uint64 epoch;
        uint64 claimableFrom;
        uint128 total;
    }

    /// @dev All a claim reads or writes here but root and account, in one slot: that saves each 4,200 gas. `total` is the sum of the root in
    /// force; `maturesAt` is when the waiting one comes in force, 0 while none waits. 104 bits hold the greatest supply 20,000 times over.
    struct Tally {
        uint104 claimed;
        uint104 total;
        uint48 maturesAt;
    }

    /// @dev What was minted since the root of `lastEpoch` came in force: a root that waits may be replaced, and the schedule holds for
    /// all of them together.
    struct Minted {
        uint64 lastEpoch;
        uint192 amount;
    }

    /// @notice More elements are no path: 2^40 accounts never come.
    uint256 public constant PATH_MAX = 40;

    bytes32 private constant PAYOUT_TYPEHASH = keccak256("Payout(uint64 epoch,bytes32 previous,bytes32 root,uint256 total)");

    Ledger public immutable ledger;
    GatewayRegistry public immutable gateways;
    Parameters public immutable parameters;
    NetworkToken public immutable token;
    /// @notice Who pays bounties.
    address public immutable disputes;

    Tally private _tally;
    Published private _current;
    Published private _pending;
    Minted private _minted;
    /// @notice What an account was paid, or let lapse, since the beginning.
    mapping(address account => uint256) public claimed;
    /// @notice Whether a payout (EIP-712 struct hash) was published: each once, or whoever copied its signatures could begin its escrow anew
    /// for ever, and bring a root back that was replaced.
    mapping(bytes32 payout => bool) public wasPublished;
    mapping(bytes32 root => uint64) private _claimableFrom;

    event PayoutPublished(
        uint64 indexed epoch, bytes32 indexed root, bytes32 previous, uint256 total, uint256 minted, uint64 claimableFrom
    );
    event Claimed(address indexed account, uint256 amount, uint256 cumulative);
    event Lapsed(address indexed account, uint256 amount, uint256 cumulative);
    event FeePaid(bytes32 indexed application, address indexed payer, uint256 amount);
    event BountyPaid(address indexed reporter, uint256 amount);

    error Rewards_Wiring();
    error Rewards_EpochNotAfter(uint64 epoch, uint64 last);
    error Rewards_EpochNotOver(uint64 epoch, uint64 current);
    error Rewards_WrongPrevious(bytes32 given, bytes32 current);
    error Rewards_RootZero();
    error Rewards_AlreadyPublished(bytes32 payout);
    error Rewards_TotalTooLow(uint256 total, uint256 least);
    error Rewards_TotalTooHigh(uint256 total, uint256 most);
    error Rewards_NotInRoot(address account, uint256 cumulative);
    error Rewards_NothingToClaim(address account, uint256 claimed);
    error Rewards_NotLapsed(bytes32 root, uint64 at);
    error Rewards_NotDisputes(address caller);

    /// @param ledger_ Whose epochs count, and whose gateways agree
    /// @param parameters_ Emission, escrow, window
    /// @param token_ What is paid; this contract must be its minter
    /// @param disputes_ Who pays bounties
    constructor(Ledger ledger_, Parameters parameters_, NetworkToken token_, address disputes_) {
        ledger = ledger_;
        gateways = ledger_.registry();
        parameters = parameters_;
        token = token_;
        disputes = disputes_;
        if (token_.minter() != address(this)) revert Rewards_Wiring();
        // Emission begins with the epoch after this one.
        _current.epoch = ledger_.epochNow();
    }

    /// @notice Publishes a root that a quorum agreed on. Anyone may submit it and pay.
    /// @dev While a root waits for its escrow to end, another one with the same `previous`, of the same epoch or a later one, replaces
    /// it and waits anew: so gateways publish the next only when the last is good for claims, unless they must correct it.
    /// @param payout What was agreed
    /// @param signers Bit i set: signer i of the set in force signed
    /// @param signatures One 64-byte EIP-2098 signature a bit, ascending, over the EIP-712 digest of `payout`
    function publish(Payout calldata payout, uint256 signers, bytes calldata signatures) external {
        _mature();
        Published memory current = _current;
        (,, uint64 now_, uint64 setVersion,) = ledger.state();
        // What waits was minted for, so its epoch is not gone back on.
        uint64 last = _pending.epoch == 0 ? current.epoch : _pending.epoch - 1;
        if (payout.epoch <= last) revert Rewards_EpochNotAfter(payout.epoch, last);
        if (payout.epoch >= now_) revert Rewards_EpochNotOver(payout.epoch, now_);
        if (payout.previous != current.root) revert Rewards_WrongPrevious(payout.previous, current.root);
        if (payout.root == 0) revert Rewards_RootZero();
        if (payout.total < current.total) revert Rewards_TotalTooLow(payout.total, current.total);

        bytes32 hash = keccak256(abi.encode(PAYOUT_TYPEHASH, payout.epoch, payout.previous, payout.root, payout.total));
        if (wasPublished[hash]) revert Rewards_AlreadyPublished(hash);
        wasPublished[hash] = true;
        Quorum.check(ActiveSet.addressOf(address(gateways), setVersion), _typedDigest(hash), signers, signatures);
        _accept(payout, current.epoch);
    }

    /// @notice Pays an account what it earned and was not paid yet. Anyone may call; only the account is paid.
    /// @param account Whom to pay
    /// @param cumulative What it earned since the beginning, as the root says
    /// @param path From its leaf to the root in force
    /// @return amount What it got
    function claim(address account, uint256 cumulative, bytes32[] calldata path) external returns (uint256 amount) {
        Tally memory tally = _mature();
        _checkLeaf(_current.root, account, cumulative, path);
        amount = _settle(tally, account, cumulative);
        emit Claimed(account, amount, cumulative);
        address(token).safeTransfer(account, amount);
    }

    /// @notice Lets what an account did not claim in the window lapse. Anyone may call, so that it pays others' rewards.
    /// @param root A root that has been good for claims for `ClaimWindowSeconds`
    /// @param account Whose
    /// @param cumulative What it had earned then
    /// @param path From its leaf to that root
    /// @return amount What lapsed
    function lapse(bytes32 root, address account, uint256 cumulative, bytes32[] calldata path) external returns (uint256 amount) {
        Tally memory tally = _mature();
        uint64 from = _claimableFrom[root];
        uint64 at = from + uint64(parameters.valueOf(Parameter.ClaimWindowSeconds));
        if (from == 0 || block.timestamp < at) revert Rewards_NotLapsed(root, at);
        _checkLeaf(root, account, cumulative, path);
        amount = _settle(tally, account, cumulative);
        emit Lapsed(account, amount, cumulative);
    }

    /// @notice Pays an application's fee: it goes to the next rewards.
    /// @param application Which application, as it names itself
    /// @param amount Tokens; the caller must have approved them
    function payFee(bytes32 application, uint256 amount) external {
        emit FeePaid(application, msg.sender, amount);
        address(token).safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @notice Pays a bounty out of what is not owed to anyone, at most `DeviceBounty`. Disputes only, on evidence.
    /// @param reporter Who gets it
    /// @return amount What he got, 0 when there is nothing
    function payBounty(address reporter) external returns (uint256 amount) {
        if (msg.sender != disputes) revert Rewards_NotDisputes(msg.sender);
        amount = parameters.valueOf(Parameter.DeviceBounty);
        uint256 free = token.balanceOf(address(this)) - owed();
        if (amount > free) amount = free;
        if (amount == 0) return 0;
        emit BountyPaid(reporter, amount);
        address(token).safeTransfer(reporter, amount);
    }

    /// @notice The root that is good for claims now; all zero before the first, but its epoch.
    function inForce() external view returns (Published memory) {
        return _pending.root != 0 && block.timestamp >= _pending.claimableFrom ? _pending : _current;
    }

    /// @notice The root whose escrow runs; all zero when there is none.
    function pending() external view returns (Published memory waiting) {
        if (block.timestamp < _pending.claimableFrom) waiting = _pending;
    }

    /// @notice What was claimed or has lapsed, of all accounts.
    function totalClaimed() public view returns (uint256) {
        return _tally.claimed;
    }

    /// @notice What all accounts together may still claim under the last root; never more than this contract has.
    function owed() public view returns (uint256) {
        return (_pending.root != 0 ? _pending.total : _current.total) - totalClaimed();
    }

    function _accept(Payout calldata payout, uint64 lastEpoch) private {
        uint256 minted = _fund(payout, lastEpoch);
        uint64 from = uint64(block.timestamp + parameters.valueOf(Parameter.EscrowSeconds));
        _pending = Published(payout.root, payout.epoch, from, uint128(payout.total));
        _tally.maturesAt = uint48(from);
        emit PayoutPublished(payout.epoch, payout.root, payout.previous, payout.total, minted, from);
        if (minted != 0) token.mint(address(this), minted);
    }

    /// @dev What must be minted so that `payout` is covered: what is here pays first.
    function _fund(Payout calldata payout, uint64 lastEpoch) private returns (uint256 minted) {
        uint256 covered = totalClaimed() + token.balanceOf(address(this));
        uint256 span = ledger.timeOf(payout.epoch + 1) - ledger.timeOf(lastEpoch + 1);
        uint256 allowed = parameters.valueOf(Parameter.EmissionPerDay) * span / 1 days;
        uint256 before = _minted.lastEpoch == lastEpoch ? _minted.amount : 0;
        allowed = allowed > before ? allowed - before : 0;
        if (payout.total > covered) {
            minted = payout.total - covered;
            if (minted > allowed) revert Rewards_TotalTooHigh(payout.total, covered + allowed);
            _minted = Minted(lastEpoch, uint192(before + minted));
        }
        // Fees come round again and again: this bounds what they may add.
        if (payout.total > type(uint104).max) revert Rewards_TotalTooHigh(payout.total, type(uint104).max);
    }

    /// @dev Puts the waiting root in force once its escrow is over.
    function _mature() private returns (Tally memory tally) {
        tally = _tally;
        if (tally.maturesAt == 0 || block.timestamp < tally.maturesAt) return tally;
        _current = _pending;
        _claimableFrom[_pending.root] = tally.maturesAt;
        (tally.total, tally.maturesAt) = (uint104(_pending.total), 0);
        _tally = tally;
        delete _pending;
    }

    function _settle(Tally memory tally, address account, uint256 cumulative) private returns (uint256 amount) {
        uint256 before = claimed[account];
        if (cumulative <= before) revert Rewards_NothingToClaim(account, before);
        amount = cumulative - before;
        uint256 sum = tally.claimed + amount;
        // A quorum that signs leaves beyond their sum pays the first who come, never more than the sum.
        if (sum > tally.total) revert Rewards_TotalTooHigh(sum, tally.total);
        claimed[account] = cumulative;
        tally.claimed = uint104(sum);
        _tally = tally;
    }

    /// @dev A leaf is hashed twice, so that no pair of nodes can pose as one.
    function _checkLeaf(bytes32 root, address account, uint256 cumulative, bytes32[] calldata path) private pure {
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(account, cumulative))));
        if (root == 0 || path.length > PATH_MAX || !MerkleProofLib.verifyCalldata(path, root, leaf)) {
            revert Rewards_NotInRoot(account, cumulative);
        }
    }
}
