using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sign;
using DePIN.Protocol;

namespace DePIN.BoardCost;

/// <summary>
/// What is counted, as plain calls of the board's own code. <see cref="IlCounter"/> loads a twin of this class beside the counted
/// copies, so the same calls go to those.
/// </summary>
public static class SignErrand
{
    /// <summary>A frame of the default settings: six rounds of a BME280's three values.</summary>
    public const int Rounds = 6;

    /// <summary>Values a round.</summary>
    public const int SamplesPerRound = 3;

    /// <summary>The default of interval-ms.</summary>
    private const int IntervalMs = 10_000;

    /// <summary>One signature of a digest.</summary>
    public static Action Signature()
    {
        P256Signer signer = new(Key());
        byte[] digest = new byte[Sha256.DigestBytes];
        byte[] signature = new byte[FrameFormat.SignatureBytes];
        return () => signer.SignDigest(digest, 0, signature, 0);
    }

    /// <summary>The hash of a message of so many bytes.</summary>
    public static Action Hash(int bytes)
    {
        byte[] message = new byte[bytes];
        byte[] digest = new byte[Sha256.DigestBytes];
        return () => Sha256.Hash(message, 0, message.Length, digest, 0);
    }

    /// <summary>One frame from its samples to its record in the ring: composed, hashed, kept, signed.</summary>
    /// <param name="folder">The flash drive; empty.</param>
    public static Action Frame(string folder)
    {
        FileFlash flash = new(folder + Path.DirectorySeparatorChar);
        P256Signer signer = new(Key());
        byte[] publicKey = new byte[DeviceId.PublicKeyBytes];
        signer.ReadPublicKey(publicKey, 0);
        byte[] id = new byte[DeviceId.Bytes];
        DeviceId.FromPublicKey(publicKey, 0, id, 0);
        FrameStore store = FrameStore.Open(flash, new NodeSettings().RingBytes, new SharedSigner(signer));
        FrameComposer composer = new(Profiles.Environment, id, store, NodeClock.Open(flash, new DeviceTime()));
        SampleSet samples = new();
        for (int round = 0; round < Rounds; round++)
        {
            samples.Add(Channels.Temperature, -2, 0, 2_150 + round, round * IntervalMs);
            samples.Add(Channels.RelativeHumidity, -2, 0, 4_712, round * IntervalMs);
            samples.Add(Channels.Pressure, 0, 0, 101_325, round * IntervalMs);
        }

        return () => composer.Compose(samples);
    }

    // Any key costs the same; the tests hold that.
    private static byte[] Key()
    {
        byte[] key = new byte[P256Signer.PrivateKeyBytes];
        for (int i = 0; i < key.Length; i++)
        {
            key[i] = (byte)(i + 1);
        }

        return key;
    }
}
