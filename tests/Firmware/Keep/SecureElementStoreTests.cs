using System.Security.Cryptography;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sign;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;

namespace DePIN.Firmware.Tests.Keep;

/// <summary>
/// A signer that never signs alike twice, as a secure element: what anybody could have published under a sequence is, byte for byte,
/// what is there ever after, because two signatures of one frame are an equivocation to a gateway.
/// </summary>
[TestFixture]
public sealed class SecureElementStoreTests
{
    private const int Frames = 24;

    [Test]
    public void A_cut_anywhere_never_lets_two_signatures_of_one_frame_out([Values] TornWrite torn, [Values] bool failing)
    {
        Life rehearsal = new(failing);
        PowerCutFlash whole = new();
        rehearsal.Live(whole);
        Assert.That(rehearsal.Published, Has.Count.GreaterThan(Frames - 3));
        long step = Math.Max(1, whole.Steps / 400);
        for (long cut = 0; cut <= whole.Steps; cut += step)
        {
            Life life = new(failing);
            PowerCutFlash flash = new(cut, torn, (int)cut);
            try
            {
                life.Live(flash);
            }
            catch (PowerCutException)
            {
                // The rest of the life runs on what is left.
            }

            PowerCutFlash second = flash.Survivor();
            life.Live(second);
            life.Live(second.Survivor());
        }
    }

    [Test]
    public void A_signature_that_flash_refused_is_not_given_out_and_one_it_kept_all_the_same_is()
    {
        foreach (bool persisted in new[] { false, true })
        {
            PowerCutFlash flash = new();
            Life life = new(failing: false);
            FrameStore store = FrameStore.Open(flash, FrameRing.CapacityBytesMin, life.Signer);
            life.Compose(flash, store);
            life.Signer.OnSign = () => flash.FailNextWrite(persisted);
            life.Compose(flash, store);
            life.Signer.OnSign = null;
            life.ReadAll(store);
            life.ReadAll(FrameStore.Open(flash.Survivor(), FrameRing.CapacityBytesMin, life.Signer));
            Assert.That(life.Signer.Signatures, Is.EqualTo(persisted ? 2 : 3));
        }
    }

    private sealed class Life(bool failing)
    {
        private readonly byte[] _buffer = new byte[FrameFormat.FrameBytesMax];

        public Dictionary<ulong, byte[]> Published { get; } = [];

        public UnlikeSigner Signer { get; } = new();

        public void Live(PowerCutFlash flash)
        {
            FrameStore store = FrameStore.Open(flash, FrameRing.CapacityBytesMin, Signer);
            for (int i = 0; i < Frames; i++)
            {
                // The chip is away for a while: bodies are kept without their signatures, which come late and apart from them.
                Signer.IsAway = failing && i % 8 is 3 or 4 or 5;
                try
                {
                    Compose(flash, store);
                    ReadAll(store);
                }
                catch (SignerException) when (Signer.IsAway)
                {
                    // Kept, not signed.
                }
            }

            Signer.IsAway = false;
            ReadAll(store);
        }

        public void Compose(PowerCutFlash flash, FrameStore store)
        {
            FrameComposer composer = new(Profiles.Environment, new byte[20], store, NodeClock.Open(flash, new ManualTime()));
            SampleSet samples = new();
            for (int i = 0; i < 18; i++)
            {
                samples.Add(Channels.Temperature, -2, 0, i, 1000 + i);
            }

            composer.Compose(samples);
        }

        public void ReadAll(FrameStore store)
        {
            for (ulong sequence = store.NextOwed(0); sequence != 0; sequence = store.NextOwed(sequence + 1))
            {
                int count = store.Read(sequence, _buffer);
                if (count == 0)
                {
                    continue;
                }

                byte[] frame = _buffer[..count];
                if (!Published.TryGetValue(sequence, out byte[]? before))
                {
                    Published[sequence] = frame;
                }
                else if (!before.AsSpan().SequenceEqual(frame))
                {
                    Assert.Fail($"frame {sequence} has another signature now");
                }
            }
        }
    }

    private sealed class UnlikeSigner : IDeviceSigner
    {
        public byte KeyKind => KeyKinds.SecureElement;

        public bool IsAway { get; set; }

        public Action? OnSign { get; set; }

        public int Signatures { get; private set; }

        public void ReadPublicKey(byte[] destination, int offset) => Array.Clear(destination, offset, 64);

        public void Sign(byte[] buffer, int offset, int count, byte[] signature, int signatureOffset)
        {
            if (IsAway)
            {
                throw new SignerException("away");
            }

            Signatures++;
            OnSign?.Invoke();
            RandomNumberGenerator.Fill(signature.AsSpan(signatureOffset, 64));
        }
    }
}
