// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

/// @title NetworkToken
/// @notice What gateways stake, owners earn and the community votes with: ERC-20, ERC-2612 permits, ERC-5805 votes.
/// @dev No owner, no pause. Only the Rewards contract mints, and never beyond `SUPPLY_MAX`; anyone may burn what is theirs.
/// Votes count by time, not by block (ERC-6372), and only once delegated, be it to oneself. Weight is taken at a past moment, so
/// a loan within one transaction votes nothing.
contract NetworkToken is ERC20, ERC20Permit, ERC20Votes {
    /// @notice The most there will ever be at once: a thousand million, of 18 decimals.
    uint256 public constant SUPPLY_MAX = 1_000_000_000e18;

    /// @notice Who mints: the Rewards contract.
    address public immutable minter;

    error NetworkToken_NotMinter(address caller);
    error NetworkToken_MinterZero();
    error NetworkToken_SupplyExceeded(uint256 supply, uint256 max);
    error NetworkToken_Allocation(uint256 holders, uint256 amounts);

    /// @param minter_ The Rewards contract
    /// @param holders Who has the first tokens
    /// @param amounts How many each, of 18 decimals
    constructor(address minter_, address[] memory holders, uint256[] memory amounts)
        ERC20("DePIN Edge", "EDGE")
        ERC20Permit("DePIN Edge")
    {
        if (minter_ == address(0)) revert NetworkToken_MinterZero();
        if (holders.length != amounts.length) revert NetworkToken_Allocation(holders.length, amounts.length);
        minter = minter_;
        for (uint256 i = 0; i < holders.length; ++i) {
            _mint(holders[i], amounts[i]);
        }
    }

    /// @notice Makes new tokens; Rewards only, within its schedule.
    /// @param to Who gets them
    /// @param amount How many
    function mint(address to, uint256 amount) external {
        if (msg.sender != minter) revert NetworkToken_NotMinter(msg.sender);
        _mint(to, amount);
    }

    /// @notice Destroys the caller's tokens.
    /// @param amount How many
    function burn(uint256 amount) external {
        _burn(msg.sender, amount);
    }

    /// @notice ERC-6372: votes are counted by the block's time.
    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    /// @notice ERC-6372.
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    /// @notice Next nonce of an account's permits and delegations by signature.
    /// @param account Whose
    function nonces(address account) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(account);
    }

    function _update(address from, address to, uint256 amount) internal override(ERC20, ERC20Votes) {
        super._update(from, to, amount);
        if (from == address(0) && totalSupply() > SUPPLY_MAX) revert NetworkToken_SupplyExceeded(totalSupply(), SUPPLY_MAX);
    }
}
