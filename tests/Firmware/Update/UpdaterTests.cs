using System.Text;
using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Update;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;

namespace DePIN.Firmware.Tests.Update;

/// <summary>The node's side of an update, step by step on simulated flash and time.</summary>
[TestFixture]
public sealed class UpdaterTests
{
    private static readonly (string Name, byte[] Content)[] Release2 = [("Library.pe", UpdateBench.Content(1500, 2)), ("Node.pe", UpdateBench.Content(2600, 3))];

    private static byte[] Manifest2 => UpdateBench.Owner.Manifest(2, Release2);

    [Test]
    public void An_offer_is_fetched_verified_and_marked_to_be_tried_and_the_node_starts_again()
    {
        UpdateBench bench = Fetching(out _);
        bench.Run();
        SlotRecord record = SlotRecord.Open(bench.Flash);
        Assert.Multiple(() =>
        {
            Assert.That(bench.Stop.IsRequested, Is.True);
            Assert.That((record.Active, record.Candidate, record.TriesLeft), Is.EqualTo((0, 1, SlotRecord.TriesMax)));
            Assert.That(record.CandidateHash, Is.EqualTo(SlotFiles.HashOf(Manifest2)));
            Assert.That(SlotFiles.ReadManifest(bench.Flash, 1), Is.EqualTo(Manifest2));
            Assert.That(Read(bench.Flash, "app-b.Library.pe"), Is.EqualTo(Release2[0].Content));
            Assert.That(Read(bench.Flash, "app-b.Node.pe"), Is.EqualTo(Release2[1].Content));
            Assert.That(bench.Reports.Select(report => report.State).Distinct(),
                Is.EqualTo(new[] { UpdateStates.Fetching, UpdateStates.Verifying, UpdateStates.Staged }));
            Assert.That(bench.Gets, Has.Count.EqualTo(2 + 3));
        });
    }

    [Test]
    public void What_must_not_be_taken_is_refused_with_its_reason_before_a_byte_is_fetched_or_written()
    {
        byte[] forged = Manifest2;
        forged[^1] ^= 1;
        Dictionary<byte, byte[]> offers = new()
        {
            [UpdateErrors.Malformed] = [.. Manifest2, 0],
            [UpdateErrors.WrongSignature] = forged,
            [UpdateErrors.NotThisOperator] = new Operator(5).Manifest(2, Release2),
            [UpdateErrors.WrongBoard] = UpdateBench.Owner.Manifest(2, manifest => manifest.Board = "another-board", Release2),
            [UpdateErrors.RuntimeTooOld] = UpdateBench.Owner.Manifest(2, manifest => manifest.Runtime = [1, 17, 0, 1], Release2),
            [UpdateErrors.DoesNotFit] = UpdateBench.Owner.Manifest(2, ("Node.pe", UpdateBench.Content(60_000, 1))),
        };
        Assert.Multiple(() =>
        {
            foreach ((byte error, byte[] offer) in offers)
            {
                UpdateBench bench = new() { Files = Release2 };
                int operations = bench.Flash.Operations.Count;
                bench.Connect();
                bench.Offer(offer);
                bench.Run(20);
                bench.Offer(offer);
                bench.Run(20);
                string name = UpdateErrors.Name(error);
                Assert.That((bench.Updater.State, bench.Updater.Error), Is.EqualTo((UpdateStates.Refused, error)), name);
                Assert.That(bench.Reports, Does.Contain((UpdateStates.Refused, error)), name);
                Assert.That(bench.Gets, Is.Empty, name);
                Assert.That(bench.Flash.Operations, Has.Count.EqualTo(operations), name);
            }
        });
    }

    [TestCase(1u)]
    [TestCase(2u)]
    public void A_release_that_is_not_higher_than_the_one_that_runs_is_refused(uint release)
    {
        PowerCutFlash flash = new();
        UpdateBench.Install(flash, 0, 2, ("Node.pe", UpdateBench.Content(100, 1)));
        SlotRecord.Open(flash).Activate(0, SlotFiles.HashOf(SlotFiles.ReadManifest(flash, 0)), UpdateStates.Idle);
        UpdateBench bench = new(flash) { Files = Release2 };
        bench.Offer(UpdateBench.Owner.Manifest(release, Release2));
        bench.Run(20);
        Assert.That((bench.Updater.State, bench.Updater.Error, bench.Gets.Count), Is.EqualTo((UpdateStates.Refused, UpdateErrors.NotNewer, 0)));
    }

    [Test]
    public void The_release_that_runs_is_no_offer_and_an_empty_message_ends_one()
    {
        UpdateBench bench = new() { Files = Release2 };
        bench.Connect();
        bench.Offer(SlotFiles.ReadManifest(bench.Flash, 0));
        bench.Run(5);
        Assert.That(bench.Updater.State, Is.EqualTo(UpdateStates.Idle));
        bench.Answer = _ => [];
        bench.Offer(Manifest2);
        bench.Run(5);
        Assert.That(bench.Updater.State, Is.EqualTo(UpdateStates.Fetching));
        bench.Offer([]);
        bench.Run(300);
        Assert.That((bench.Updater.State, bench.Gets.Count), Is.EqualTo((UpdateStates.Idle, 1)));
    }

    // Eight other files take 20,480 bytes each, the slot that runs 4,096 twice, ring and manifest 28,672, reserves 24,576.
    [TestCase(36_864, 262_144, 1u << 20, true)]
    [TestCase(36_865, 262_144, 1u << 20, false)]
    [TestCase(40_960, 266_240, 1u << 20, true)]
    [TestCase(4_000, 262_144, 5_000 + OfferJudge.MemoryReserveBytes - 700u, true)]
    [TestCase(4_000, 262_144, 5_000 + OfferJudge.MemoryReserveBytes - 701u, false)]
    public void What_fits_is_decided_by_drive_and_memory(int bytes, int driveBytes, uint memoryBytes, bool fits)
    {
        PowerCutFlash flash = new();
        UpdateBench.Install(flash, 0, 1, ("Node.pe", UpdateBench.Content(700, 1)));
        UpdateManifest running = new();
        byte[] runs = SlotFiles.ReadManifest(flash, 0);
        running.Read(runs, 0, runs.Length);
        for (int i = 0; i < 8; i++)
        {
            flash.Write($"other-{i}", new byte[20_000], 0, 20_000);
        }

        OfferJudge judge = new(flash, UpdateBench.Owner.PublicKey, driveBytes, 24_000) { MemoryBytes = memoryBytes };
        byte error = judge.Judge(UpdateBench.Owner.Manifest(2, ("Node.pe", UpdateBench.Content(bytes, 1))), new UpdateManifest(), running, 0, 1);
        Assert.That(error, Is.EqualTo(fits ? UpdateErrors.None : UpdateErrors.DoesNotFit));
    }

    [Test]
    public void Lost_double_late_and_foreign_chunks_do_no_harm()
    {
        UpdateBench bench = Fetching(out _);
        Random random = new(8);
        List<byte[]> old = [];
        bench.Answer = get =>
        {
            byte[] right = bench.Chunk(get);
            byte[] foreign = [.. right];
            foreign[0] ^= 1;
            byte[] shorter = right[..^1];
            old.Add(right);
            return random.Next(6) switch
            {
                0 => [],
                1 => [right, right],
                2 => [old[random.Next(old.Count)], right],
                3 => [foreign, right],
                4 => [shorter, [], right],
                _ => [right],
            };
        };
        bench.Run(stepsMax: 20_000);
        Assert.That(bench.Stop.IsRequested, Is.True);
        Assert.That(Read(bench.Flash, "app-b.Node.pe"), Is.EqualTo(Release2[1].Content));
    }

    [Test]
    public void At_most_one_request_is_open_and_it_is_repeated_only_after_its_time()
    {
        UpdateBench bench = Fetching(out _);
        bench.Answer = _ => [];
        bench.Run(stepsMax: 10, msPerStep: 900);
        Assert.That(bench.Gets, Has.Count.EqualTo(1));
        bench.Run(stepsMax: 10, msPerStep: 900);
        Assert.That(bench.Gets, Has.Count.EqualTo(2));
    }

    [Test]
    public void A_gateway_that_does_not_answer_is_asked_a_bounded_number_of_times_then_again_after_a_pause()
    {
        UpdateBench bench = Fetching(out _);
        bench.Answer = _ => [];
        bench.Run(stepsMax: 75, msPerStep: 1000); // the pause is at least half a minute
        Assert.That(bench.Gets, Has.Count.EqualTo(Updater.AsksMax));
        Assert.That(bench.Reports[^1], Is.EqualTo((UpdateStates.Paused, UpdateErrors.NoAnswer)));
        bench.Answer = null;
        bench.Time.Uptime += Updater.PauseMsMin;
        bench.Run();
        Assert.That(bench.Stop.IsRequested, Is.True);
    }

    [Test]
    public void While_the_gateway_is_away_nothing_is_asked_and_nothing_counts()
    {
        UpdateBench bench = Fetching(out _);
        bench.Health.IsConnected = false;
        bench.Run(stepsMax: 200, msPerStep: 10_000);
        Assert.That((bench.Gets.Count, bench.Updater.State), Is.EqualTo((0, UpdateStates.Fetching)));
        bench.Health.IsConnected = true;
        bench.Connect();
        bench.Run();
        Assert.That(bench.Stop.IsRequested, Is.True);
    }

    [Test]
    public void A_file_that_came_damaged_is_fetched_again()
    {
        UpdateBench bench = Fetching(out _);
        bool damaged = false;
        bench.Answer = get =>
        {
            byte[] chunk = bench.Chunk(get);
            if (!damaged && UpdateGet.File(get, 0) == 1)
            {
                damaged = true;
                chunk[^1] ^= 1;
            }

            return [chunk];
        };
        bench.Run();
        Assert.That(bench.Stop.IsRequested, Is.True);
        Assert.That(Read(bench.Flash, "app-b.Node.pe"), Is.EqualTo(Release2[1].Content));
        Assert.That(bench.Gets, Has.Count.EqualTo(2 + 3 + 3), "only that file");
    }

    [Test]
    public void A_file_that_always_comes_damaged_ends_in_a_refusal_that_outlives_a_restart()
    {
        UpdateBench bench = Fetching(out _);
        bench.Answer = get => [[.. bench.Chunk(get)[..^1], 0xEE]];
        bench.Run();
        Assert.That(bench.Reports[^1], Is.EqualTo((UpdateStates.Refused, UpdateErrors.BadHash)));
        Assert.That(bench.Gets, Has.Count.LessThanOrEqualTo(Updater.RoundsMax * 5));
        Assert.That(bench.Stop.IsRequested, Is.False);
        Assert.That(bench.Flash.List(), Has.None.StartsWith("app-b."));
        UpdateBench next = bench.Next();
        next.Connect();
        next.Offer(Manifest2);
        next.Run(50);
        Assert.That((next.Reports[^1], next.Gets.Count), Is.EqualTo(((UpdateStates.Refused, UpdateErrors.BadHash), 0)));
        next.Files = [("Node.pe", UpdateBench.Content(50, 4))];
        next.Offer(UpdateBench.Owner.Manifest(3, next.Files));
        next.Run();
        Assert.That(next.Stop.IsRequested, Is.True, "a higher release is another matter");
    }

    [TestCase(true)]
    [TestCase(false)]
    public void A_write_that_flash_does_not_take_is_made_again_and_flash_that_never_does_pauses(bool persisted)
    {
        UpdateBench bench = Fetching(out _);
        int faults = 2;
        bench.Answer = get =>
        {
            if (faults-- > 0)
            {
                bench.Flash.FailNextWrite(persisted);
            }

            return [bench.Chunk(get)];
        };
        bench.Run();
        Assert.That(bench.Stop.IsRequested, Is.True);
        UpdateBench broken = Fetching(out _);
        broken.Answer = get =>
        {
            broken.Flash.FailNextWrite(false);
            return [broken.Chunk(get)];
        };
        broken.Run(stepsMax: 100);
        Assert.That(broken.Reports[^1], Is.EqualTo((UpdateStates.Paused, UpdateErrors.FlashFailed)));
        Assert.That(broken.Gets, Has.Count.EqualTo(Updater.FlashFaultsMax));
    }

    [Test]
    public void A_power_cut_at_any_write_leaves_the_old_slot_and_the_update_ends_all_the_same()
    {
        Fetching(out UpdateBench whole).Run();
        int before = new UpdateBench().Flash.Operations.Count;
        List<long> cuts = [];
        long at = 0;
        foreach (int steps in whole.Flash.Operations.Skip(before))
        {
            cuts.AddRange([at + 1, at + ((steps + 1) / 2), at + steps]);
            at += steps;
        }

        Assert.That(cuts, Has.Count.GreaterThan(20));
        foreach (TornWrite torn in Enum.GetValues<TornWrite>())
        {
            foreach (long cut in cuts.Distinct())
            {
                PowerCutFlash flash = new UpdateBench().Flash.Survivor(cut, torn, (int)cut);
                UpdateBench bench = new(flash) { Files = Release2 };
                bench.Connect();
                bench.Offer(Manifest2);
                Assert.That(() => bench.Run(), Throws.InstanceOf<PowerCutException>(), $"{torn} {cut}");
                PowerCutFlash survivor = flash.Survivor();
                SlotRecord record = SlotRecord.Open(survivor);
                Assert.That(record.Active, Is.Zero, $"{torn} {cut}");
                Assert.That(Read(survivor, "app-a.Node.pe"), Is.EqualTo(UpdateBench.Content(700, 1)));
                if (record.Candidate != SlotFiles.None)
                {
                    AssertComplete(survivor, torn, cut);
                    continue;
                }

                UpdateBench next = new(survivor) { Files = Release2 };
                next.Connect();
                next.Offer(Manifest2);
                next.Run();
                Assert.That(next.Stop.IsRequested, Is.True, $"{torn} {cut}");
                Assert.That(SlotRecord.Open(survivor).Candidate, Is.EqualTo(1));
                AssertComplete(survivor, torn, cut);
            }
        }
    }

    [Test]
    public void After_a_power_cut_complete_files_are_not_fetched_again()
    {
        UpdateBench bench = Fetching(out _);
        bench.Answer = get => UpdateGet.File(get, 0) == 1 && UpdateGet.At(get, 0) > 0 ? [] : [bench.Chunk(get)];
        bench.Run(stepsMax: 60);
        UpdateBench next = bench.Next();
        next.Connect();
        next.Offer(Manifest2);
        next.Run();
        Assert.That(next.Stop.IsRequested, Is.True);
        Assert.That(next.Gets.Select(get => (UpdateGet.File(get, 0), UpdateGet.At(get, 0))), Is.EqualTo(new[] { ((byte)1, 1024u), ((byte)1, 2048u) }));
    }

    [Test]
    public void A_new_release_stays_once_it_was_healthy_for_the_period_without_a_break()
    {
        UpdateBench trial = Trying(out _);
        Assert.That(trial.Updater.State, Is.EqualTo(UpdateStates.Trying));
        trial.Health.HasAcknowledged = true;
        trial.Run(stepsMax: 59, msPerStep: 1000);
        trial.Health.IsConnected = false;
        trial.Step();
        trial.Health.IsConnected = true;
        trial.Run(stepsMax: 59, msPerStep: 1000);
        Assert.That(SlotRecord.Open(trial.Flash).Active, Is.Zero, "the period begins again");
        trial.Run(stepsMax: 3, msPerStep: 1000);
        SlotRecord record = SlotRecord.Open(trial.Flash);
        Assert.That((record.Active, record.Candidate, record.State), Is.EqualTo((1, SlotFiles.None, UpdateStates.Confirmed)));
        Assert.That(trial.Reports[^1], Is.EqualTo((UpdateStates.Confirmed, UpdateErrors.None)));
        Assert.That(trial.Stop.IsRequested, Is.False);
    }

    [TestCase(nameof(NodeHealth.IsConnected))]
    [TestCase(nameof(NodeHealth.HasAcknowledged))]
    [TestCase(nameof(NodeStatus))]
    public void A_new_release_that_is_not_healthy_in_its_time_goes_back_and_is_not_fetched_again(string lacks)
    {
        UpdateBench trial = Trying(out _);
        trial.Health.HasAcknowledged = lacks != nameof(NodeHealth.HasAcknowledged);
        trial.Health.IsConnected = lacks != nameof(NodeHealth.IsConnected);
        if (lacks == nameof(NodeStatus))
        {
            trial.Status.Set(BoardState.FlashFailed, "test");
        }

        trial.Run(stepsMax: 1000, msPerStep: 1000);
        Assert.That(trial.Stop.IsRequested, Is.True);
        Assert.That(trial.Time.Uptime, Is.InRange(180_000, 185_000));
        UpdateBench old = trial.Next();
        old.Connect();
        old.Offer(Manifest2);
        old.Run(50);
        Assert.That((old.Reports[^1], old.Gets.Count), Is.EqualTo(((UpdateStates.RolledBack, UpdateErrors.NotHealthy), 0)));
        old.Offer(UpdateBench.Owner.Manifest(2, ("Other.pe", UpdateBench.Content(10, 1))));
        old.Run(50);
        Assert.That(old.Updater.Error, Is.EqualTo(UpdateErrors.NotNewer), "nor another of that number");
    }

    [Test]
    public void A_sleeping_node_is_busy_from_the_offer_to_the_restart_and_awake_until_the_release_is_confirmed()
    {
        UpdateBench bench = new() { Files = [("Node.pe", UpdateBench.Content(4100, 2))] };
        bench.Connect();
        Assert.That(bench.Updater.IsBusy, Is.False);
        bench.Offer(UpdateBench.Owner.Manifest(2, bench.Files));
        Assert.That(bench.Updater.IsBusy, Is.True, "before it was even looked at");
        while (!bench.Stop.IsRequested)
        {
            bench.Step();
            Assert.That(bench.Updater.IsBusy, Is.True);
            bench.Time.Uptime += 100;
        }

        UpdateBench trial = bench.Next(slot: 1, sleeps: true);
        Assert.That((Updater.IsOnTrial(trial.Flash, 1), Updater.IsOnTrial(trial.Flash, 0), Updater.IsOnTrial(trial.Flash, SlotFiles.None)), Is.EqualTo((true, false, false)));
        trial.Connect();
        trial.Health.HasAcknowledged = true;
        trial.Offer(UpdateBench.Owner.Manifest(3, trial.Files));
        trial.Run(stepsMax: 200, msPerStep: 1000);
        Assert.That(trial.Stop.IsRequested, Is.True, "from the next start on it sleeps");
        Assert.That((Updater.IsOnTrial(trial.Flash, 1), trial.Reports[^1]), Is.EqualTo((false, (UpdateStates.Confirmed, UpdateErrors.None))));
        Assert.That(trial.Gets, Is.Empty, "the offer that came meanwhile is heard again after the start");
    }

    [Test]
    public void An_offer_that_comes_during_a_trial_waits_for_its_end()
    {
        UpdateBench trial = Trying(out _);
        trial.Health.HasAcknowledged = true;
        trial.Files = [("Node.pe", UpdateBench.Content(900, 9))];
        trial.Offer(UpdateBench.Owner.Manifest(3, trial.Files));
        trial.Run(stepsMax: 30, msPerStep: 1000);
        Assert.That(trial.Gets, Is.Empty);
        trial.Run(stepsMax: 60, msPerStep: 1000);
        Assert.That(SlotRecord.Open(trial.Flash).Candidate, Is.Zero, "confirmed, then the next one into the slot that is free now");
    }

    [Test]
    public void Without_a_loader_or_an_operators_key_no_update_is_taken()
    {
        UpdateBench none = new(slot: SlotFiles.None);
        none.Connect();
        none.Offer(Manifest2);
        none.Run(20);
        Assert.That(none.Reports, Is.Not.Empty.And.All.EqualTo((UpdateStates.Disabled, UpdateErrors.NoLoader)));
        Assert.That(none.Gets, Is.Empty);

        UpdateBench bench = new();
        NodeSettings settings = new();
        Updater without = new(settings, bench.Flash, 0, "x", "0.1.0", null!, bench.Status, bench.Health, bench.Time);
        Assert.That((without.Line, without.State, without.Error), Is.EqualTo(((DePIN.Firmware.Publish.SideChannel?)null, UpdateStates.Disabled, UpdateErrors.NoOperatorKey)));
    }

    [Test]
    public void The_operators_key_is_a_point_in_128_hex_digits()
    {
        string good = Convert.ToHexStringLower(UpdateBench.Owner.PublicKey);
        Assert.Multiple(() =>
        {
            Assert.That(Parse(good).OperatorKey, Is.EqualTo(UpdateBench.Owner.PublicKey));
            Assert.That(Parse(good.ToUpperInvariant()).OperatorKey, Is.EqualTo(UpdateBench.Owner.PublicKey));
            foreach (string bad in new[] { "", good[1..], good + "0", "g" + good[1..], good[..^1] + "x", (good[0] == '0' ? "1" : "0") + good[1..] })
            {
                NodeSettings settings = Parse(bad);
                Assert.That(settings.OperatorKey, Is.Null);
                Assert.That(settings.Problem, Does.StartWith("operator-key is 128 hex digits").Or.EqualTo("operator-key is no point of P-256"));
            }
        });
    }

    private static NodeSettings Parse(string key)
    {
        NodeSettings settings = new();
        byte[] text = Encoding.ASCII.GetBytes($"operator-key={key}\n");
        settings.Apply(text, 0, text.Length);
        return settings;
    }

    private static UpdateBench Fetching(out UpdateBench bench)
    {
        bench = new UpdateBench { Files = Release2 };
        bench.Connect();
        bench.Offer(Manifest2);
        return bench;
    }

    // Release 2 runs from slot b for the first time.
    private static UpdateBench Trying(out UpdateBench bench)
    {
        UpdateBench fetching = Fetching(out _);
        fetching.Run();
        SlotRecord.Open(fetching.Flash).CountTry();
        bench = fetching.Next(slot: 1);
        bench.Connect();
        return bench;
    }

    private static void AssertComplete(PowerCutFlash flash, TornWrite torn, long cut)
    {
        foreach ((string name, byte[] content) in Release2)
        {
            Assert.That(Read(flash, "app-b." + name), Is.EqualTo(content), $"{torn} {cut}");
        }
    }

    private static byte[] Read(PowerCutFlash flash, string name)
    {
        byte[] bytes = new byte[Math.Max(0, flash.Length(name))];
        flash.Read(name, 0, bytes, 0, bytes.Length);
        return bytes;
    }
}
