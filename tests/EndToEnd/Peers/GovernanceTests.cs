using System.Numerics;
using System.Text.Json;
using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.Evidence;

namespace DePIN.EndToEnd.Tests.Peers;

/// <summary>The community votes while gateways run: nobody is restarted.</summary>
public sealed class GovernanceTests
{
    private const ulong Longer = 6;
    private static readonly NetworkPlan Quick = NetworkPlan.Default with { VotingDelaySeconds = 1, VotingPeriodSeconds = 4, TimelockSeconds = 1, ProposalThreshold = 1 };

    [Test]
    public async Task A_vote_changes_the_length_of_epochs_and_every_gateway_follows_and_goes_on_anchoring()
    {
        await using GatewayNetwork network = await GatewayNetwork.StartAsync(3, plan: Quick);
        DeploymentRecord record = network.Chain.Deployment;
        CommunityContracts community = record.Community!;
        for (int i = 0; i < 3; i++) await network.SendAsAsync(i, community.Token, NetworkToken.EncodeDelegate(network.Chain.Owner)); // before they anchor
        network.StartLoad();
        await network.UntilAnchorsAsync(1, "three anchor");

        Address[] targets = [record.Ledger];
        BigInteger[] values = [BigInteger.Zero];
        byte[][] calls = [Ledger.EncodeSetEpochSeconds(Longer)];
        const string description = "Longer epochs";
        Hash32 descriptionHash = EthereumCrypto.Keccak256(System.Text.Encoding.UTF8.GetBytes(description));
        await network.Chain.SendAsync(community.Governor, NetworkGovernor.EncodePropose(targets, values, calls, description));
        BigInteger proposal = NetworkGovernor.TryDecodeGetProposalId(await network.Chain.Client.CallAsync(new CallRequest(community.Governor, NetworkGovernor.EncodeGetProposalId(targets, values, calls, descriptionHash))), out BigInteger id)
            ? id : throw new InvalidOperationException("getProposalId()");
        await UntilStateAsync(1); // active
        await network.Chain.SendAsync(community.Governor, NetworkGovernor.EncodeCastVote(proposal, support: 1));
        await UntilStateAsync(4); // succeeded
        await network.Chain.SendAsync(community.Governor, NetworkGovernor.EncodeQueue(targets, values, calls, descriptionHash));
        await UntilStateAsync(5); // queued
        await network.UntilAsync(async () =>
        {
            try
            {
                await network.Chain.SendAsync(community.Governor, NetworkGovernor.EncodeExecute(targets, values, calls, descriptionHash));
                return true;
            }
            catch (ExecutionRevertedException)
            {
                return false; // the timelock's delay is not over
            }
        }, "the vote is carried out");

        EpochSchedule epochs = await new LedgerReader(network.Chain.Client, record.Ledger).ReadEpochsAsync();
        Assert.That(epochs.Segments[^1].Seconds, Is.EqualTo(Longer));
        await network.UntilAsync(async () =>
        {
            for (int i = 0; i < 3; i++)
                if ((await network.Gateways[i].Api.GetAsync("/api/status", CancellationToken.None)).GetProperty("epochSeconds").GetUInt64() != Longer) return false;
            return true;
        }, "every gateway is in the longer epochs");
        await network.UntilAnchorsAsync(2, "and they go on anchoring");
        for (int i = 0; i < 3; i++)
        {
            JsonElement seen = await network.NetworkAsync(i);
            Assert.That(seen.GetProperty("epochEndsS").GetUInt64(), Is.EqualTo(epochs.StartOf(seen.GetProperty("epoch").GetUInt64() + 1)), $"gateway {i} counts as the ledger does");
        }

        await network.StopLoadAsync();
        await network.UntilAnchoredAsync();
        await network.AssertNothingLostNothingDoubledAsync(provenOnChainEach: 2);

        Task UntilStateAsync(byte state) => network.UntilAsync(async () =>
            NetworkGovernor.TryDecodeState(await network.Chain.Client.CallAsync(new CallRequest(community.Governor, NetworkGovernor.EncodeState(proposal))), out byte now) && now == state, $"the proposal is in state {state}");
    }
}
