// Builds and signs a device's frames in one buffer that is used again for every frame: Begin, TryAdd per sample, Sign.
// After Sign the frame is Buffer[0 .. Count), and CopyDigest gives what the next frame names as "previous".
// Not for several threads at once.

using System;

namespace DePIN.Protocol
{
    public sealed class FrameBuilder
    {
        private readonly byte[] _buffer = new byte[FrameFormat.FrameBytesMax];
        private readonly byte[] _digest = new byte[Sha256.DigestBytes];
        private readonly Sha256 _hash = new Sha256();
        private int _payloadBytes;
        private bool _begun;

        /// <param name="deviceId">20 bytes; see <see cref="DeviceId"/>.</param>
        public FrameBuilder(byte[] deviceId)
        {
            if (deviceId == null || deviceId.Length != DeviceId.Bytes)
            {
                throw new ArgumentException("a device id has 20 bytes", nameof(deviceId));
            }

            _buffer[0] = FrameFormat.Magic0;
            _buffer[1] = FrameFormat.Magic1;
            _buffer[FrameFormat.VersionOffset] = FrameFormat.Version;
            Array.Copy(deviceId, 0, _buffer, FrameFormat.DeviceIdOffset, DeviceId.Bytes);
        }

        /// <summary>The frame, from index 0; valid until the next <see cref="Begin"/>.</summary>
        public byte[] Buffer
        {
            get { return _buffer; }
        }

        /// <summary>Bytes of the signed frame; 0 before <see cref="Sign"/>.</summary>
        public int Count { get; private set; }

        /// <summary>Samples added since <see cref="Begin"/>.</summary>
        public int SampleCount
        {
            get { return FrameParser.SampleCount(_buffer, 0); }
        }

        /// <summary>Starts a frame without samples.</summary>
        /// <param name="profile">One of <see cref="Profiles"/>.</param>
        /// <param name="clockSynchronised">Whether <paramref name="timeMs"/> is Unix time; else it is ms since boot.</param>
        /// <param name="bootCount">Boots of this device.</param>
        /// <param name="sequence">From 1, one more than the last frame's, never reused.</param>
        /// <param name="timeMs">Time of the first sample.</param>
        /// <param name="previous">32 bytes: SHA-256 of the previous frame without its signature; null for sequence 1.</param>
        public void Begin(ushort profile, bool clockSynchronised, uint bootCount, ulong sequence, ulong timeMs, byte[] previous)
        {
            if (sequence == 0)
            {
                throw new ArgumentOutOfRangeException(nameof(sequence));
            }

            if (sequence == 1 ? previous != null : previous == null || previous.Length != FrameFormat.PreviousBytes)
            {
                throw new ArgumentException("32 bytes, or null for sequence 1", nameof(previous));
            }

            _buffer[FrameFormat.FlagsOffset] = clockSynchronised ? FrameFormat.FlagClockSynchronised : (byte)0;
            Bytes.WriteUInt16(_buffer, FrameFormat.ProfileOffset, profile);
            Bytes.WriteUInt32(_buffer, FrameFormat.BootCountOffset, bootCount);
            Bytes.WriteUInt64(_buffer, FrameFormat.SequenceOffset, sequence);
            Bytes.WriteUInt64(_buffer, FrameFormat.TimeOffset, timeMs);
            if (previous == null)
            {
                Array.Clear(_buffer, FrameFormat.PreviousOffset, FrameFormat.PreviousBytes);
            }
            else
            {
                Array.Copy(previous, 0, _buffer, FrameFormat.PreviousOffset, FrameFormat.PreviousBytes);
            }

            SetPayloadBytes(0);
            Count = 0;
            _begun = true;
        }

        /// <summary>Adds one sample. False, with nothing added, when the frame is full: sign it and begin the next.</summary>
        public bool TryAdd(ushort channel, sbyte exponent, byte quality, uint offsetMs, long value)
        {
            CheckBegun();
            if (FrameParser.IsSealed(_buffer, 0))
            {
                throw new InvalidOperationException("the payload is sealed");
            }

            if (_payloadBytes > FrameFormat.PayloadBytesMax - FrameFormat.SampleBytes)
            {
                return false;
            }

            int at = FrameFormat.PayloadOffset + _payloadBytes;
            Bytes.WriteUInt16(_buffer, at + FrameFormat.SampleChannelOffset, channel);
            _buffer[at + FrameFormat.SampleExponentOffset] = (byte)exponent;
            _buffer[at + FrameFormat.SampleQualityOffset] = quality;
            Bytes.WriteUInt32(_buffer, at + FrameFormat.SampleOffsetMsOffset, offsetMs);
            Bytes.WriteUInt64(_buffer, at + FrameFormat.SampleValueOffset, (ulong)value);
            SetPayloadBytes(_payloadBytes + FrameFormat.SampleBytes);
            return true;
        }

        /// <summary>Makes the payload these sealed bytes instead of samples.</summary>
        public void SetSealedPayload(byte[] payload, int offset, int count)
        {
            CheckBegun();
            Bytes.CheckRange(payload, offset, count);
            if (count > FrameFormat.PayloadBytesMax)
            {
                throw new ArgumentOutOfRangeException(nameof(count));
            }

            Array.Copy(payload, offset, _buffer, FrameFormat.PayloadOffset, count);
            _buffer[FrameFormat.FlagsOffset] |= FrameFormat.FlagPayloadSealed;
            SetPayloadBytes(count);
        }

        /// <summary>Completes the frame: signature, and the digest the next frame names.</summary>
        public void Sign(IDeviceSigner signer)
        {
            CheckBegun();
            int signed = FrameFormat.HeaderBytes + _payloadBytes;
            _hash.Reset();
            _hash.Update(_buffer, 0, signed);
            _hash.Finish(_digest, 0);
            IDigestSigner digestSigner = signer as IDigestSigner;
            if (digestSigner != null)
            {
                digestSigner.SignDigest(_digest, 0, _buffer, signed);
            }
            else
            {
                signer.Sign(_buffer, 0, signed, _buffer, signed);
            }

            Count = signed + FrameFormat.SignatureBytes;
            _begun = false;
        }

        /// <summary>Writes SHA-256 of the signed frame without its signature: the next frame's "previous".</summary>
        public void CopyDigest(byte[] destination, int offset)
        {
            if (Count == 0)
            {
                throw new InvalidOperationException("the frame is not signed");
            }

            Array.Copy(_digest, 0, destination, offset, Sha256.DigestBytes);
        }

        private void SetPayloadBytes(int count)
        {
            _payloadBytes = count;
            Bytes.WriteUInt16(_buffer, FrameFormat.PayloadBytesOffset, (uint)count);
        }

        private void CheckBegun()
        {
            if (!_begun)
            {
                throw new InvalidOperationException("no frame has begun");
            }
        }
    }
}
