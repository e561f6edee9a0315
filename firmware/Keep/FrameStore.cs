using System;
using System.IO;
using System.Threading;
using DePIN.Firmware.Board;
using DePIN.Firmware.Sense;
using DePIN.Protocol;

namespace DePIN.Firmware.Keep
{
    /// <summary>
    /// The node's memory of its own frames: boot count, place in the chain, the ring, one lock around all of it. It stands between
    /// the frame builder and the key: what it is asked to sign, it keeps first. Whoever publishes reads from here and nowhere else,
    /// so a frame that was not kept cannot be sent.
    /// Boot record (two generations): boot count u32 | newest sequence at boot u64 | its hash, 32 bytes.
    /// </summary>
    public sealed class FrameStore : IDeviceSigner
    {
        public const string BootName = "boot";
        private const int BootBytes = 44;

        private readonly object _gate = new object();
        private readonly AutoResetEvent _added = new AutoResetEvent(false);
        private readonly FrameRing _ring;
        private readonly IDeviceSigner _key;
        private readonly IDigestSigner _digestKey;

        // RFC 6979 gives the same bytes the same signature; a secure element does not.
        private readonly bool _repeatable;
        private readonly byte[] _digest = new byte[32];
        private readonly byte[] _bootPrevious = new byte[32];
        private uint _bootCount;
        private ulong _bootSequence;
        private bool _recoverFirst;
        private bool _resumed;
        private bool _signLater;

        private FrameStore(FrameRing ring, IDeviceSigner key, uint bootCount)
        {
            _ring = ring;
            _key = key;
            _digestKey = key as IDigestSigner;
            _repeatable = key.KeyKind == KeyKinds.Software;
            _bootCount = bootCount;
        }

        /// <summary>This is no boot but a wake-up from deep sleep: the boot before goes on.</summary>
        public bool IsResumed
        {
            get { return _resumed; }
        }

        /// <summary>The newest sleep record, null when there is none. Of this boot when <see cref="IsResumed"/>, else of an earlier one.</summary>
        public SleepState Slept
        {
            get { return _ring.Slept; }
        }

        /// <summary>Samples on flash that are in no frame yet.</summary>
        public int WaitingCount
        {
            get
            {
                lock (_gate)
                {
                    return _ring.WaitingCount;
                }
            }
        }

        /// <summary>Frames are signed when they are read, not when they are made: for a node that sleeps, whose memory does not keep a signature.</summary>
        public bool SignLater
        {
            set { _signLater = value; }
        }

        /// <summary>Boots of this device, this one included; a wake-up from deep sleep is none.</summary>
        public uint BootCount
        {
            get { return _bootCount; }
        }

        /// <summary>Frames that no gateway acknowledged yet.</summary>
        public long Owed
        {
            get
            {
                lock (_gate)
                {
                    return OwedLocked();
                }
            }
        }

        /// <summary>Frames that made room for newer ones, ever.</summary>
        public uint Dropped
        {
            get
            {
                lock (_gate)
                {
                    return _ring.Dropped;
                }
            }
        }

        /// <summary>Frames that a gateway refused for good, ever.</summary>
        public uint Refused
        {
            get
            {
                lock (_gate)
                {
                    return _ring.Refused;
                }
            }
        }

        public byte KeyKind
        {
            get { return _key.KeyKind; }
        }

        /// <summary>Finds the chain on flash and counts this boot. Throws IOException when flash does not take it.</summary>
        public static FrameStore Open(IFlash flash, int ringBytes, IDeviceSigner key)
        {
            return Open(flash, ringBytes, key, null);
        }

        /// <summary>The same, but a wake-up from deep sleep is no boot: nothing is written, the boot before goes on.</summary>
        /// <param name="wake">Says whether this is a wake-up; null: it is not.</param>
        public static FrameStore Open(IFlash flash, int ringBytes, IDeviceSigner key, IWakeReport wake)
        {
            TwoGenerations boot = new TwoGenerations(flash, BootName);
            PairState state = boot.Open();
            if (state == PairState.Damaged)
            {
                NodeLog.Event("boot-record-damaged", "message=both copies are unreadable: boot count starts again, sequences come from the ring");
            }

            byte[] record = new byte[BootBytes];
            if (boot.Value != null && boot.Value.Length == BootBytes)
            {
                Array.Copy(boot.Value, 0, record, 0, BootBytes);
            }

            FrameRing ring = new FrameRing(flash, ringBytes);
            FrameStore store = new FrameStore(ring, key, BigEndian.ReadUInt32(record, 0) + 1);
            store._bootSequence = BigEndian.ReadUInt64(record, 4);
            Array.Copy(record, 12, store._bootPrevious, 0, 32);
            store.Recover();
            SleepState slept = ring.Slept;
            if (wake != null && slept != null && slept.BootCount + 1 == store._bootCount && wake.IsWake(slept))
            {
                store._bootCount = slept.BootCount;
                store._resumed = true;
                return store;
            }

            BigEndian.WriteUInt32(record, 0, store._bootCount);
            BigEndian.WriteUInt64(record, 4, ring.Newest);
            ring.ReadPrevious(record, 12);
            boot.Write(record);
            store._bootSequence = ring.Newest;
            ring.ReadPrevious(store._bootPrevious, 0);
            return store;
        }

        /// <summary>Writes the newest frame's place in the chain into the boot record, so that the ring may be erased and no sequence comes twice.</summary>
        public static void KeepPlace(IFlash flash)
        {
            TwoGenerations boot = new TwoGenerations(flash, BootName);
            boot.Open();
            byte[] record = new byte[BootBytes];
            if (boot.Value != null && boot.Value.Length == BootBytes)
            {
                Array.Copy(boot.Value, 0, record, 0, BootBytes);
            }

            byte[] previous = new byte[32];
            Array.Copy(record, 12, previous, 0, 32);
            FrameRing ring = new FrameRing(flash, FrameRing.CapacityBytesMin);
            ring.Recover(BigEndian.ReadUInt64(record, 4), previous);
            BigEndian.WriteUInt64(record, 4, ring.Newest);
            ring.ReadPrevious(record, 12);
            boot.Write(record);
        }

        public void ReadPublicKey(byte[] destination, int offset)
        {
            _key.ReadPublicKey(destination, offset);
        }

        /// <summary>Puts the body on flash, then signs it. IOException: flash did not take it, and nothing was signed; SignerException: it is kept, and signed when it is read.</summary>
        public void Sign(byte[] buffer, int offset, int count, byte[] signature, int signatureOffset)
        {
            lock (_gate)
            {
                RecoverIfDue();
                Keep(buffer, offset, count);
                if (_signLater)
                {
                    _added.Set();
                    return;
                }

                _ring.ReadPrevious(_digest, 0);
                if (!_repeatable)
                {
                    // A tenth of a second. Nobody may read the frame before its one signature is there: a second one would differ.
                    SignKept(buffer, offset, count, signature, signatureOffset);
                    _added.Set();
                    return;
                }
            }

            // Seconds on a board: the publisher may read older frames meanwhile. The newest it signs itself when it comes first.
            SignWithKey(buffer, offset, count, signature, signatureOffset);
            lock (_gate)
            {
                if (_ring.Newest == FrameParser.Sequence(buffer, offset))
                {
                    _ring.AddSignature(signature, signatureOffset);
                }
            }

            _added.Set();
        }

        /// <summary>Adds the samples on flash that are in no frame to the set.</summary>
        public void CopyWaiting(SampleSet samples)
        {
            lock (_gate)
            {
                RecoverIfDue();
                _ring.CopyWaiting(samples);
            }
        }

        /// <summary>The last write before a deep sleep: state, new samples, and what was freed. IOException: flash did not take it, and the node must not sleep.</summary>
        public void KeepAsleep(SleepState state, SampleSet samples)
        {
            lock (_gate)
            {
                RecoverIfDue();
                try
                {
                    state.BootCount = _bootCount;
                    _ring.AddSleep(state, samples);
                }
                catch (IOException)
                {
                    _recoverFirst = true;
                    throw;
                }
            }
        }

        /// <summary>The sequence of the next frame.</summary>
        public ulong NextSequence
        {
            get
            {
                lock (_gate)
                {
                    return _ring.NextSequence;
                }
            }
        }

        /// <summary>Whether the frame of that sequence is on flash: the answer to a failed <see cref="Sign"/>.</summary>
        public bool IsKept(ulong sequence)
        {
            lock (_gate)
            {
                RecoverIfDue();
                return _ring.Newest >= sequence;
            }
        }

        /// <summary>Sequence and previous hash (null for the first frame) of the next frame.</summary>
        public ulong Next(byte[] previous)
        {
            lock (_gate)
            {
                RecoverIfDue();
                _ring.ReadPrevious(previous, 0);
                return _ring.NextSequence;
            }
        }

        /// <summary>The oldest frame that is owed and not below <paramref name="from"/>, 0 when there is none.</summary>
        public ulong NextOwed(ulong from)
        {
            lock (_gate)
            {
                ulong oldest = _ring.Oldest;
                if (oldest == 0 || from > _ring.Newest)
                {
                    return 0;
                }

                return from > oldest ? from : oldest;
            }
        }

        /// <summary>
        /// Reads one owed frame, complete. Returns its bytes; 0 when it is not there any more, and then it counts as free.
        /// </summary>
        public int Read(ulong sequence, byte[] buffer)
        {
            int count;
            bool signed;
            lock (_gate)
            {
                RecoverIfDue();
                count = _ring.Read(sequence, buffer, out signed);
                if (count > 0 && !signed && !_repeatable)
                {
                    // On flash before anybody sees it: two signatures of one frame are two frames to a gateway.
                    _key.Sign(buffer, 0, count, buffer, count);
                    KeepSignature(sequence, buffer, count);
                    return count + FrameFormat.SignatureBytes;
                }
            }

            if (count > 0 && !signed)
            {
                // The power went between body and signature. The same key over the same bytes: RFC 6979 gives the same signature.
                _key.Sign(buffer, 0, count, buffer, count);
                count += FrameFormat.SignatureBytes;
            }

            return count;
        }

        /// <summary>Everything up to this frame needs no sending any more.</summary>
        public void FreeThrough(ulong sequence)
        {
            lock (_gate)
            {
                try
                {
                    _ring.FreeThrough(sequence);
                }
                catch (IOException e)
                {
                    _recoverFirst = true;
                    NodeLog.Fault("free", e);
                }
            }
        }

        public void CountRefused()
        {
            lock (_gate)
            {
                _ring.CountRefused();
            }
        }

        /// <summary>Waits for a new frame, at most that long.</summary>
        public void WaitForFrame(int milliseconds)
        {
            _added.WaitOne(milliseconds, false);
        }

        /// <summary>Wakes whoever waits for a frame.</summary>
        public void Wake()
        {
            _added.Set();
        }

        /// <summary>For the log: what is owed and what was lost.</summary>
        public string Describe()
        {
            lock (_gate)
            {
                return "owed=" + OwedLocked().ToString() + " bytes=" + _ring.UsedBytes.ToString()
                    + " dropped=" + _ring.Dropped.ToString() + " refused=" + _ring.Refused.ToString();
            }
        }

        private void SignKept(byte[] buffer, int offset, int count, byte[] signature, int signatureOffset)
        {
            SignWithKey(buffer, offset, count, signature, signatureOffset);
            try
            {
                KeepSignature(FrameParser.Sequence(buffer, offset), signature, signatureOffset);
            }
            catch (IOException e)
            {
                // Nobody has seen it. The frame is signed when it is read, unless this signature turns out to be on flash after all.
                NodeLog.Fault("keep-signature", e);
            }
        }

        private void SignWithKey(byte[] buffer, int offset, int count, byte[] signature, int signatureOffset)
        {
            if (_digestKey != null)
            {
                _digestKey.SignDigest(_digest, 0, signature, signatureOffset);
            }
            else
            {
                _key.Sign(buffer, offset, count, signature, signatureOffset);
            }
        }

        private void KeepSignature(ulong sequence, byte[] signature, int offset)
        {
            try
            {
                _ring.KeepSignature(sequence, signature, offset);
            }
            catch (IOException)
            {
                _recoverFirst = true;
                throw;
            }
        }

        private long OwedLocked()
        {
            ulong oldest = _ring.Oldest;
            return oldest == 0 ? 0 : (long)(_ring.Newest - oldest + 1);
        }

        private void Keep(byte[] buffer, int offset, int count)
        {
            try
            {
                uint dropped = _ring.Dropped;
                _ring.Add(buffer, offset, count);
                if (_ring.Dropped != dropped)
                {
                    NodeLog.Event("ring-full", "dropped=" + _ring.Dropped.ToString() + " message=the oldest frames were dropped: no gateway took them in time");
                }
            }
            catch (IOException)
            {
                // Nothing, some or all of it is there: only flash knows.
                _recoverFirst = true;
                throw;
            }
        }

        private void RecoverIfDue()
        {
            if (_recoverFirst)
            {
                Recover();
                _recoverFirst = false;
            }
        }

        private void Recover()
        {
            if (!_ring.Recover(_bootSequence, _bootPrevious))
            {
                NodeLog.Event("ring-lost", "sequence=" + _ring.NextSequence.ToString()
                    + " message=the frames on flash are gone: sequences go on far ahead, so that none is used twice");
            }
        }
    }
}
