using DePIN.Firmware.Keep;
using DePIN.VirtualBoard.Flash;

namespace DePIN.Firmware.Tests.Keep;

/// <summary>
/// The power goes at every boundary of every flash operation of a node's life, and at 1,500 seeded places more (several cuts a life).
/// </summary>
[TestFixture]
public sealed class PowerCutTests
{
    private const int Seeds = 1500;

    [Test]
    public void A_cut_at_any_boundary_of_any_write_loses_nothing_and_reuses_nothing(
        [Values] TornWrite torn, [Values] bool gatewayAnswers)
    {
        PowerCutFlash rehearsal = new();
        new StoreScenario(1, FrameRing.CapacityBytesMin, gatewayAnswers).Run(rehearsal, flash => flash.Survivor());
        Assert.That(rehearsal.Operations, Has.Count.GreaterThan(StoreScenario.Frames), "every frame was written");
        Assert.That(rehearsal.List().Max(StringComparer.Ordinal), Is.GreaterThanOrEqualTo("ring-00000004.seg"), "segments were begun anew");

        long start = 0;
        foreach (int steps in rehearsal.Operations)
        {
            int[] places = [0, 1, 15, steps / 2, steps - 1, steps];
            foreach (int place in places.Where(place => place >= 0 && place <= steps).Distinct())
            {
                StoreScenario life = new(1, FrameRing.CapacityBytesMin, gatewayAnswers);
                PowerCutFlash end = life.Run(new PowerCutFlash(start + place, torn, (int)start), flash => flash.Survivor());
                life.CheckSurvivor(end);
                Assert.That(life.PowerCuts, Is.LessThanOrEqualTo(1));
            }

            start += steps;
        }
    }

    [Test]
    public void Random_cuts_many_in_a_life_lose_nothing_and_reuse_nothing()
    {
        int cuts = 0;
        for (int seed = 0; seed < Seeds; seed++)
        {
            Random random = new(seed);
            int ring = seed % 3 == 0 ? 60_000 : FrameRing.CapacityBytesMin;
            TornWrite Torn() => (TornWrite)random.Next(3);
            long Budget() => random.Next(4) == 0 ? random.Next(40) : random.Next(20_000);
            StoreScenario life = new(seed, ring, gatewayAnswers: seed % 2 == 0);
            PowerCutFlash end = life.Run(
                new PowerCutFlash(Budget(), Torn(), seed), flash => flash.Survivor(Budget() + (life.PowerCuts * 400), Torn(), random.Next()));
            life.CheckSurvivor(end.Survivor());
            cuts += life.PowerCuts;
        }

        Assert.That(cuts, Is.GreaterThan(Seeds), "lives were cut");
        TestContext.Out.WriteLine($"{cuts} power cuts in {Seeds} lives");
    }
}
