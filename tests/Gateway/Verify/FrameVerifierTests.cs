using System.Buffers.Binary;
using System.Collections.Concurrent;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Tests.Verify;

/// <summary>Every rule of DESIGN section 4, on a real store.</summary>
internal sealed class FrameVerifierTests
{
    [Test]
    public async Task A_signed_frame_of_a_registered_device_is_accepted_and_stored()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[] frame = device.Next(3);
        Assert.That(await pipeline.SubmitAsync(device, frame), Is.EqualTo(FrameVerdict.Accepted));
        StoredFrame? stored = pipeline.Log.Find(pipeline.DeviceNumber(device), 1);
        Assert.Multiple(() =>
        {
            Assert.That(stored?.Frame, Is.EqualTo(frame));
            Assert.That(pipeline.Counters.Of(FrameVerdict.Accepted), Is.EqualTo(1));
            Assert.That(pipeline.Counters.Gaps, Is.Zero);
        });
    }

    [Test]
    public async Task The_same_bytes_again_are_a_duplicate_and_stored_once()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[] first = device.Next();
        byte[] second = device.Next();
        await pipeline.SubmitAsync(device, first);
        await pipeline.SubmitAsync(device, second);
        Assert.That(await pipeline.SubmitAsync(device, first), Is.EqualTo(FrameVerdict.Duplicate));
        Assert.That(await pipeline.SubmitAsync(device, second), Is.EqualTo(FrameVerdict.Duplicate));
        pipeline.Restart();
        Assert.That(await pipeline.SubmitAsync(device, first), Is.EqualTo(FrameVerdict.Duplicate));
        Assert.That(pipeline.Rows(), Is.EqualTo(2));
    }

    [Test]
    public async Task Two_signed_frames_with_one_sequence_are_an_equivocation_and_both_are_kept()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[] first = device.Next();
        byte[] other = device.Frame(1, null, value: 99);
        Assert.That(await pipeline.SubmitAsync(device, first), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(await pipeline.SubmitAsync(device, other), Is.EqualTo(FrameVerdict.Equivocation));
        Assert.That(await pipeline.SubmitAsync(device, other), Is.EqualTo(FrameVerdict.Equivocation));
        pipeline.Restart();
        List<StoredEquivocation> kept = pipeline.Log.Equivocations(0, 10);
        Assert.Multiple(() =>
        {
            Assert.That(kept, Has.Count.EqualTo(1));
            Assert.That(kept[0].First, Is.EqualTo(first));
            Assert.That(kept[0].Second, Is.EqualTo(other));
            Assert.That(kept[0].Sequence, Is.EqualTo(1));
            Assert.That(pipeline.Rows(), Is.EqualTo(1));
        });
    }

    [Test]
    public async Task A_forged_second_frame_is_a_bad_signature_and_no_evidence()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[] first = device.Next();
        await pipeline.SubmitAsync(device, first);
        byte[] forged = [.. first];
        forged[90] ^= 1;
        Assert.That(await pipeline.SubmitAsync(device, forged), Is.EqualTo(FrameVerdict.BadSignature));
        Assert.That(pipeline.Log.Equivocations(0, 10), Is.Empty);
    }

    [Test]
    public async Task Evidence_is_bounded_per_device_and_still_counted()
    {
        using Pipeline pipeline = new(store: new FrameLogOptions { Path = "", EvidencePerDeviceMax = 3 });
        using SigningDevice device = await pipeline.AddDeviceAsync();
        await pipeline.SubmitAsync(device, device.Next());
        for (int i = 0; i < 6; i++)
            Assert.That(await pipeline.SubmitAsync(device, device.Frame(1, null, value: 100 + i)), Is.EqualTo(FrameVerdict.Equivocation));
        Assert.That(pipeline.Log.Equivocations(0, 10), Has.Count.EqualTo(3));
        Assert.That(pipeline.Counters.Of(FrameVerdict.Equivocation), Is.EqualTo(6));
        Assert.That(pipeline.Counters.EvidenceKept, Is.EqualTo(3));
    }

    [Test]
    public async Task A_frame_with_an_old_sequence_is_a_replay()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[] early = device.Next();
        byte[] late = device.Next(skip: 5);
        Assert.That(await pipeline.SubmitAsync(device, late), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(await pipeline.SubmitAsync(device, early), Is.EqualTo(FrameVerdict.Replayed));
        pipeline.Restart();
        Assert.That(await pipeline.SubmitAsync(device, early), Is.EqualTo(FrameVerdict.Replayed));
    }

    [Test]
    public async Task A_gap_is_accepted_and_counted()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        await pipeline.SubmitAsync(device, device.Next());
        Assert.That(await pipeline.SubmitAsync(device, device.Next(skip: 3)), Is.EqualTo(FrameVerdict.Accepted));
        Assert.Multiple(() =>
        {
            Assert.That(pipeline.Counters.Gaps, Is.EqualTo(1));
            Assert.That(pipeline.Counters.Missing, Is.EqualTo(3));
            Assert.That(pipeline.Counters.BrokenChains, Is.Zero);
        });
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task A_wrong_previous_right_after_its_predecessor_is_accepted_and_counted(bool restarted)
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        await pipeline.SubmitAsync(device, device.Next());
        await pipeline.SubmitAsync(device, device.Next());
        if (restarted)
            pipeline.Restart();
        Assert.That(await pipeline.SubmitAsync(device, device.Frame(3, new byte[32])), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(pipeline.Counters.BrokenChains, Is.EqualTo(1));
    }

    [Test]
    public async Task A_chain_that_goes_on_after_a_restart_is_not_broken()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        await pipeline.SubmitAsync(device, device.Next());
        pipeline.Restart();
        Assert.That(await pipeline.SubmitAsync(device, device.Next()), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(pipeline.Counters.BrokenChains, Is.Zero);
    }

    [Test]
    public async Task What_is_not_a_frame_is_refused_before_any_signature_is_checked()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        using SigningDevice stranger = new();
        byte[] high = device.Next();
        SigningDevice.NegateS(high);
        byte[] trailing = [.. device.Frame(1, null), 0];
        byte[] sequence = device.Frame(1, null);
        BinaryPrimitives.WriteUInt64BigEndian(sequence.AsSpan(32), ulong.MaxValue);
        Assert.Multiple(async () =>
        {
            Assert.That(await pipeline.SubmitAsync(device, []), Is.EqualTo(FrameVerdict.Malformed));
            Assert.That(await pipeline.SubmitAsync(device, new byte[200]), Is.EqualTo(FrameVerdict.Malformed));
            Assert.That(await pipeline.SubmitAsync(device, new byte[1169]), Is.EqualTo(FrameVerdict.TooLarge));
            Assert.That(await pipeline.SubmitAsync(device, high), Is.EqualTo(FrameVerdict.Malformed));
            Assert.That(await pipeline.SubmitAsync(device, trailing), Is.EqualTo(FrameVerdict.Malformed));
            Assert.That(await pipeline.SubmitAsync(device, sequence), Is.EqualTo(FrameVerdict.Malformed));
            Assert.That(await pipeline.SubmitAsync(device, stranger.Frame(1, null)), Is.EqualTo(FrameVerdict.TopicMismatch));
            Assert.That(await pipeline.SubmitAsync(stranger, stranger.Frame(1, null)), Is.EqualTo(FrameVerdict.UnknownDevice));
            Assert.That(pipeline.Counters.SignaturesChecked, Is.Zero);
            Assert.That(pipeline.Rows(), Is.Zero);
        });
    }

    [Test]
    public async Task A_frame_signed_by_another_key_is_refused_and_holds_nobody_up()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[] good = device.Next();
        byte[] bad = [.. good];
        bad[^1] ^= 1;
        Assert.That(await pipeline.SubmitAsync(device, bad), Is.EqualTo(FrameVerdict.BadSignature));
        Assert.That(await pipeline.SubmitAsync(device, good), Is.EqualTo(FrameVerdict.Accepted));
    }

    [Test]
    public async Task A_revoked_device_is_refused_also_after_a_restart_and_whatever_is_said_later()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        await pipeline.SubmitAsync(device, device.Next());
        await pipeline.Devices.PutAsync(device.Registration with { RevokedAt = 5 });
        Assert.That(await pipeline.SubmitAsync(device, device.Next()), Is.EqualTo(FrameVerdict.Revoked));
        pipeline.Restart();
        await pipeline.Devices.PutAsync(device.Registration);
        Assert.That(await pipeline.SubmitAsync(device, device.Next()), Is.EqualTo(FrameVerdict.Revoked));
    }

    [Test]
    public async Task A_key_that_is_not_the_ids_never_gets_into_the_table()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = new();
        Assert.That(await pipeline.Devices.PutAsync(device.Registration with { PublicKey = new byte[64] }), Is.False);
        Assert.That(pipeline.Devices.Count, Is.Zero);
    }

    [Test]
    public async Task An_unknown_device_is_looked_up_once_and_its_waiting_frames_keep_their_order()
    {
        using SigningDevice device = new();
        Source source = new(device.Registration);
        using Pipeline pipeline = new(source: source);
        Task<FrameVerdict>[] frames = [.. Enumerable.Range(0, 20).Select(_ => pipeline.SubmitAsync(device, device.Next()))];
        Assert.That(frames.Any(frame => frame.IsCompleted), Is.False);
        source.Answer.SetResult();
        Assert.That(await Task.WhenAll(frames), Is.All.EqualTo(FrameVerdict.Accepted));
        Assert.That(source.Asked, Is.EqualTo(1));
    }

    [Test]
    public async Task A_device_the_registry_does_not_know_is_not_asked_for_again_at_once()
    {
        using SigningDevice device = new();
        Source source = new(null);
        source.Answer.SetResult();
        using Pipeline pipeline = new(source: source);
        for (int i = 0; i < 5; i++)
            Assert.That(await pipeline.SubmitAsync(device, device.Frame(1, null)), Is.EqualTo(FrameVerdict.UnknownDevice));
        Assert.That(source.Asked, Is.EqualTo(1));
    }

    [Test]
    public async Task Frames_refused_while_the_device_was_unknown_are_not_replays_later()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = new();
        byte[] first = device.Next();
        byte[] second = device.Next();
        Assert.That(await pipeline.SubmitAsync(device, first), Is.EqualTo(FrameVerdict.UnknownDevice));
        await pipeline.Devices.PutAsync(device.Registration);
        Assert.That(await pipeline.SubmitAsync(device, second), Is.EqualTo(FrameVerdict.Busy), "the first one is expected");
        Assert.That(await pipeline.SubmitAsync(device, first), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(await pipeline.SubmitAsync(device, second), Is.EqualTo(FrameVerdict.Accepted));
    }

    [Test]
    public async Task A_registry_that_cannot_be_asked_makes_the_device_keep_its_frame()
    {
        using SigningDevice device = new();
        Source source = new(device.Registration);
        source.Answer.SetException(new HttpRequestException("no route"));
        using Pipeline pipeline = new(source: source);
        Assert.That(await pipeline.SubmitAsync(device, device.Frame(1, null)), Is.EqualTo(FrameVerdict.Unavailable));
    }

    [Test]
    public async Task Many_copies_from_many_tasks_are_stored_exactly_once_and_in_order()
    {
        using Pipeline pipeline = new();
        SigningDevice[] devices = new SigningDevice[12];
        byte[][][] frames = new byte[devices.Length][][];
        for (int d = 0; d < devices.Length; d++)
        {
            devices[d] = await pipeline.AddDeviceAsync();
            frames[d] = [.. Enumerable.Range(0, 150).Select(_ => devices[d].Next())];
        }
        ConcurrentBag<FrameVerdict> verdicts = [];
        // Three senders a device, each in order, with up to 20 in flight: takeovers and retransmissions.
        await Task.WhenAll(Enumerable.Range(0, devices.Length * 3).Select(sender => Task.Run(async () =>
        {
            Queue<Task<FrameVerdict>> window = [];
            foreach (byte[] frame in frames[sender / 3])
            {
                if (window.Count == 20)
                    verdicts.Add(await window.Dequeue());
                window.Enqueue(pipeline.SubmitAsync(devices[sender / 3], frame));
            }
            foreach (Task<FrameVerdict> one in window)
                verdicts.Add(await one);
        })));
        Assert.Multiple(() =>
        {
            Assert.That(verdicts.Count(one => one == FrameVerdict.Accepted), Is.EqualTo(12 * 150));
            Assert.That(verdicts.Count(one => one == FrameVerdict.Duplicate), Is.EqualTo(2 * 12 * 150));
            Assert.That(pipeline.Rows(), Is.EqualTo(12 * 150));
            for (int d = 0; d < devices.Length; d++)
                Assert.That(pipeline.Log.FramesOf(pipeline.DeviceNumber(devices[d]), 1, 1000).Select(one => one.Frame), Is.EqualTo(frames[d]));
        });
        foreach (SigningDevice device in devices)
            device.Dispose();
    }

    [Test]
    public async Task The_key_cache_stays_within_its_limit_and_every_device_is_still_verified()
    {
        using Pipeline pipeline = new(new VerifierOptions { Workers = 2, KeysCachedMax = 4 });
        SigningDevice[] devices = new SigningDevice[20];
        for (int d = 0; d < devices.Length; d++)
            devices[d] = await pipeline.AddDeviceAsync();
        for (int round = 0; round < 5; round++)
            Assert.That(await Task.WhenAll(devices.Select(device => pipeline.SubmitAsync(device, device.Next()))), Is.All.EqualTo(FrameVerdict.Accepted));
        Assert.That(pipeline.Verifier.KeysCached, Is.LessThanOrEqualTo(4));
        foreach (SigningDevice device in devices)
            device.Dispose();
    }

    [Test]
    public async Task A_device_above_its_share_is_busy_and_loses_nothing()
    {
        using Pipeline pipeline = new(new VerifierOptions { Workers = 1, FramesInFlightPerDeviceMax = 4 });
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[][] frames = [.. Enumerable.Range(0, 100).Select(_ => device.Next())];
        await Device.SendAllAsync(pipeline, device, frames, window: 50);
        Assert.That(pipeline.Rows(), Is.EqualTo(100));
        Assert.That(pipeline.Counters.Of(FrameVerdict.Busy), Is.GreaterThan(0));
        Assert.That(pipeline.Counters.Of(FrameVerdict.Replayed), Is.Zero);
    }

    [Test]
    public async Task After_the_hold_a_device_that_gave_a_frame_up_goes_on()
    {
        using Pipeline pipeline = new(new VerifierOptions { Workers = 1, RetryHoldMs = 1 });
        using SigningDevice device = new();
        byte[] first = device.Next();
        await pipeline.SubmitAsync(device, first);
        await pipeline.Devices.PutAsync(device.Registration);
        byte[] second = device.Next();
        FrameVerdict verdict;
        while ((verdict = await pipeline.SubmitAsync(device, second)) == FrameVerdict.Busy)
            await Task.Yield();
        Assert.That(verdict, Is.EqualTo(FrameVerdict.Accepted));
    }

    [Test]
    public async Task Submitting_to_a_stopped_verifier_is_unavailable()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        pipeline.Verifier.Dispose();
        Assert.That(await pipeline.SubmitAsync(device, device.Next()), Is.EqualTo(FrameVerdict.Unavailable));
    }

    private sealed class Source(RegisteredDevice? device) : IDeviceSource
    {
        public TaskCompletionSource Answer { get; } = new();

        public int Asked { get; private set; }

        public async ValueTask<RegisteredDevice?> FindAsync(DeviceIdValue id, CancellationToken cancellationToken)
        {
            Asked++;
            await Answer.Task.WaitAsync(cancellationToken);
            return device;
        }
    }
}
