// A node's life on one flash part: boots, frames, sends, acknowledgements, and what must be true of it at every moment. The power can
// be cut anywhere; the node boots again on what is left.

using System.Security.Cryptography;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Sense;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;

namespace DePIN.Firmware.Tests.Keep;

internal sealed class StoreScenario(int seed, int ringBytes, bool gatewayAnswers)
{
    public const int Frames = 70;
    private const int SamplesPerFrame = 18;
    private const int FrameBytesOnFlash = 540;

    private readonly Random _random = new(seed);
    private readonly Dictionary<ulong, byte[]> _kept = [];
    private readonly Dictionary<ulong, byte[]> _sent = [];
    private readonly HashSet<uint> _boots = [];
    private ulong _acked;
    private int _composed;
    private bool _mayDrop;

    public RecordingSigner Signer { get; } = new();

    public int PowerCuts { get; private set; }

    /// <summary>Runs the life to its end; <paramref name="next"/> gives the flash after each cut.</summary>
    public PowerCutFlash Run(PowerCutFlash flash, Func<PowerCutFlash, PowerCutFlash> next)
    {
        while (true)
        {
            try
            {
                Live(flash);
                return flash;
            }
            catch (PowerCutException)
            {
                PowerCuts++;
                flash = next(flash);
                CheckSurvivor(flash.Survivor());
            }
        }
    }

    /// <summary>Everything that must be true of what is on flash, judged by a boot of its own on a copy.</summary>
    public void CheckSurvivor(PowerCutFlash copy)
    {
        FrameStore store = FrameStore.Open(copy, ringBytes, Signer);
        Assert.That(RingBytesOf(copy), Is.LessThanOrEqualTo(ringBytes), "the ring is bounded");
        ulong newestKept = _kept.Count == 0 ? 0 : _kept.Keys.Max();
        byte[] previous = new byte[32];
        Assert.That(store.Next(previous), Is.GreaterThan(newestKept), "no kept sequence is used again");

        byte[] buffer = new byte[FrameFormat.FrameBytesMax];
        ulong oldest = store.NextOwed(0);
        if (!_mayDrop && newestKept > _acked)
        {
            Assert.That(oldest, Is.GreaterThan(0UL).And.LessThanOrEqualTo(_acked + 1), "nothing that was kept is lost");
        }

        byte[]? hash = null;
        for (ulong sequence = oldest; sequence != 0; sequence = store.NextOwed(sequence + 1))
        {
            int count = store.Read(sequence, buffer);
            Require(count > 0, sequence, "is owed and readable");
            byte[] frame = buffer[..count];
            CheckFrame(sequence, frame);
            ReadOnlySpan<byte> body = frame.AsSpan(0, count - FrameFormat.SignatureBytes);
            if (hash is not null)
            {
                Require(body.Slice(FrameFormat.PreviousOffset, 32).SequenceEqual(hash), sequence, "names the one before");
            }

            hash = SHA256.HashData(body);
        }

        if (hash is not null)
        {
            Assert.That(previous, Is.EqualTo(hash), "the next frame will name the newest");
        }

        Assert.That(Signer.Contradictions, Is.Empty, "no sequence is signed twice with different content");
    }

    private static long RingBytesOf(PowerCutFlash flash) =>
        flash.List().Where(name => name.StartsWith("ring-", StringComparison.Ordinal)).Sum(name => flash.Length(name));

    private void Live(PowerCutFlash flash)
    {
        FrameStore store = FrameStore.Open(flash, ringBytes, Signer);
        Assert.That(_boots.Add(store.BootCount), Is.True, "no boot count twice");
        FrameComposer composer = new(Profiles.Environment, new byte[20], store, NodeClock.Open(flash, new ManualTime()));
        SampleSet samples = new();
        byte[] buffer = new byte[FrameFormat.FrameBytesMax];
        while (_composed < Frames)
        {
            samples.Truncate(0);
            for (int i = 0; i < SamplesPerFrame; i++)
            {
                samples.Add(Channels.Temperature, -2, 0, _random.NextInt64(), 1000 + i);
            }

            _composed++;

            // From here on the ring may have to drop: a cut inside that write leaves it done or not.
            _mayDrop |= _kept.Keys.Count(kept => kept > _acked) * FrameBytesOnFlash > ringBytes - (2 * FrameRing.SegmentBytesMax);
            ulong sequence = composer.Compose(samples);
            int count = store.Read(sequence, buffer);
            Require(count > 0, sequence, "was kept and is readable");
            _kept[sequence] = buffer[..count];
            Send(store, buffer);
        }
    }

    private void Send(FrameStore store, byte[] buffer)
    {
        ulong sequence = store.NextOwed(0);
        for (int i = _random.Next(4); i > 0 && sequence != 0; i--)
        {
            int count = store.Read(sequence, buffer);
            CheckFrame(sequence, buffer[..count]);
            if (gatewayAnswers && _random.Next(3) > 0)
            {
                _acked = Math.Max(_acked, sequence);
                store.FreeThrough(sequence);
            }

            sequence = store.NextOwed(sequence + 1);
        }
    }

    // Millions of times: Assert.That would be most of the time.
    private static void Require(bool condition, ulong sequence, string what)
    {
        if (!condition)
        {
            Assert.Fail($"frame {sequence} {what}: not so");
        }
    }

    // Whatever was sent or kept under a sequence once is what is there under it always.
    private void CheckFrame(ulong sequence, byte[] frame)
    {
        Require(FrameParser.Sequence(frame, 0) == sequence, sequence, "has its sequence");
        Require(frame.AsSpan()[^64..].SequenceEqual(RecordingSigner.SignatureOf(frame.AsSpan()[..^64])), sequence, "has its body's signature");
        if (_sent.TryGetValue(sequence, out byte[]? before) || _kept.TryGetValue(sequence, out before))
        {
            Require(frame.AsSpan().SequenceEqual(before), sequence, "has the bytes it always had");
        }

        _sent[sequence] = frame;
    }
}
