using DePIN.Simulator;

namespace DePIN.Network.Tests;

/// <summary>
/// The network of gateways under the simulator: many seeds without a broken promise; and the simulator itself: a seed replays, every fault and every hostile
/// act really happens, and a broken rule is seen.
/// </summary>
internal sealed class SimulatorTests
{
    private const int Seeds = 1_000;

    /// <summary>Within so many seeds a broken rule must be seen. The slowest is seen within a tenth of it.</summary>
    private const int SeedsToSee = 1_000;

    private static Totals? s_totals;

    private static Totals Thousand => s_totals ??= Totals.Of(1, Seeds, Environment.ProcessorCount);

    [Test]
    public void A_thousand_seeds_break_no_promise()
    {
        using StringWriter report = new();
        Thousand.Print(report, 1);
        Assert.That(Thousand.Failed, Is.Empty, report.ToString());
        TestContext.Out.WriteLine(report);
    }

    [Test]
    public void Every_kind_of_fault_happens([Values] FaultKind kind) => Assert.That(Thousand.Faults[(int)kind], Is.GreaterThan(0));

    [Test]
    public void Every_kind_of_hostile_act_happens([Values] HostileKind kind) => Assert.That(Thousand.Hostile[(int)kind], Is.GreaterThan(0));

    [Test]
    public void A_seed_replays_to_the_last_event([Values(1UL, 7UL, 42UL, 2_026UL)] ulong seed)
    {
        SimulationResult first = Simulation.Run(seed), second = Simulation.Run(seed);
        Assert.That((second.TraceHash, second.Steps, second.SimulatedMs, second.Anchors, second.Messages), Is.EqualTo((first.TraceHash, first.Steps, first.SimulatedMs, first.Anchors, first.Messages)));
    }

    [Test]
    public void Seeds_replay_in_another_process()
    {
        Totals here = Totals.Of(1, 20, 2);
        using System.Diagnostics.Process process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("dotnet", [typeof(Simulation).Assembly.Location, "--seeds", "20", "--json"]) { RedirectStandardOutput = true })!;
        string there = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That(there, Does.Contain($"\"traceHash\":\"{here.TraceHash:x16}\""), "hash codes differ in every process, order must not");
    }

    private static IEnumerable<Mutation> Mutations => Enum.GetValues<Mutation>().Where(m => m is not Mutation.None);

    [Test]
    public void A_broken_rule_is_seen([ValueSource(nameof(Mutations))] Mutation mutation)
    {
        Totals totals = Totals.Of(1, SeedsToSee, Environment.ProcessorCount, mutation, stopAfter: 1);
        Assert.That(totals.Failed, Is.Not.Empty, $"{mutation} broke no promise in {SeedsToSee} seeds");
        TestContext.Out.WriteLine($"{mutation}: seed {totals.Failed[0].Seed} after {totals.Seeds} seeds: {totals.Failed[0].Violation!.Message}");
    }

    [Test]
    public void A_failing_seed_says_what_when_and_how_to_replay_it()
    {
        Totals totals = Totals.Of(1, SeedsToSee, 1, Mutation.BadBodiesAreGood, stopAfter: 1);
        using StringWriter report = new();
        totals.Print(report, 1);
        Assert.That(report.ToString(), Does.Contain("FAILED: no ").And.Contain($"--seed {totals.Failed[0].Seed}").And.Contain("Delivered"));
    }

    [Test]
    public void Bytes_of_a_gateway_stay_flat_when_the_network_grows()
    {
        Scale.Figures small = Scale.Measure(16), large = Scale.Measure(160);
        Assert.That(small.Anchored, Is.GreaterThan(16));
        Assert.That(large.Anchored, Is.GreaterThan(64));
        Assert.That(large.BodyBytes, Is.LessThan(1.25 * small.BodyBytes), "bodies go to a committee, not to everyone");
        Assert.That(large.Bytes, Is.LessThan(1.25 * small.Bytes), "ten times the gateways, about the same traffic of each");
    }
}
