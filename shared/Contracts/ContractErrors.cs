using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>Makes clients name our contracts' custom errors.</summary>
public static class ContractErrors
{
    /// <summary>Adds the errors of all contracts to what a client can name.</summary>
    public static void AddTo(RevertRegistry reverts)
    {
        ArgumentNullException.ThrowIfNull(reverts);
        DeviceRegistry.AddErrors(reverts);
        GatewayRegistry.AddErrors(reverts);
        Ledger.AddErrors(reverts);
        Disputes.AddErrors(reverts);
        Rewards.AddErrors(reverts);
        Parameters.AddErrors(reverts);
        NetworkToken.AddErrors(reverts);
        NetworkTimelock.AddErrors(reverts);
        NetworkGovernor.AddErrors(reverts);
    }
}
