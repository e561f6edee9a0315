using System;
using System.Collections;
using System.IO;
using DePIN.Firmware.Board;
using DePIN.Firmware.Sense;
using DePIN.Protocol;

namespace DePIN.Firmware.Keep
{
    /// <summary>
    /// The frames a node still owes, on flash, in segment files of at most 8,000 bytes, at most as many bytes as it was given.
    /// A frame's body is on flash before it is signed, so a sequence that was ever signed is found again after any power cut and
    /// signed again over the same bytes (RFC 6979: the same signature). The newest body also carries the node's place in its chain
    /// (sequence, previous hash), therefore the last segment is never deleted. Oldest segment goes first when full, counted.
    /// Callers hold one lock: the node's loop adds, the publisher reads and frees.
    /// </summary>
    public sealed class FrameRing
    {
        public const int SegmentBytesMax = 8000;

        /// <summary>Below three segments a drop would take half of what is kept.</summary>
        public const int CapacityBytesMin = 3 * SegmentBytesMax;

        /// <summary>A ring that vanished while the boot record knows of frames goes on this far ahead: no device comes to reuse one.</summary>
        public const ulong LostRingStride = 0x100000000;

        private const int BodyBytesMax = FrameFormat.FrameBytesMax - FrameFormat.SignatureBytes;
        private const int ScratchBytes = BodyBytesMax + FrameFormat.SignatureBytes + (2 * RingRecord.CountersBytes)
            + (4 * RingRecord.OverheadBytes) + SleepState.Bytes;

        private readonly IFlash _flash;
        private readonly int _capacityBytes;
        private readonly ArrayList _segments = new ArrayList();
        private readonly byte[] _scratch = new byte[ScratchBytes];
        private readonly byte[] _loaded = new byte[SegmentBytesMax];
        private readonly byte[] _previous = new byte[32];
        private readonly byte[] _pendingSignature = new byte[FrameFormat.SignatureBytes];

        private readonly WaitingSamples _waiting = new WaitingSamples();

        private RingSegment _loadedSegment;
        private int _loadedBytes;
        private int _cursor;
        private ulong _cursorSequence;
        private uint _nextSegment;
        private ulong _last;
        private ulong _freed;
        private bool _markDue;
        private bool _newestBodyRead;
        private bool _signaturePending;
        private uint _dropped;
        private uint _refused;
        private int _bytes;
        private SleepState _slept;

        /// <param name="capacityBytes">Bytes of all segment files together, at least <see cref="CapacityBytesMin"/>.</param>
        public FrameRing(IFlash flash, int capacityBytes)
        {
            if (capacityBytes < CapacityBytesMin)
            {
                throw new ArgumentOutOfRangeException("capacityBytes");
            }

            _flash = flash;
            _capacityBytes = capacityBytes;
        }

        /// <summary>The sequence the next frame must have.</summary>
        public ulong NextSequence
        {
            get { return _last + 1; }
        }

        /// <summary>The newest frame's sequence, 0 before the first.</summary>
        public ulong Newest
        {
            get { return _last; }
        }

        /// <summary>The oldest frame that is kept and not free, 0 when nothing is owed.</summary>
        public ulong Oldest
        {
            get
            {
                for (int i = 0; i < _segments.Count; i++)
                {
                    RingSegment segment = (RingSegment)_segments[i];
                    if (segment.Frames > 0 && segment.Last > _freed)
                    {
                        return segment.First > _freed ? segment.First : _freed + 1;
                    }
                }

                return 0;
            }
        }

        /// <summary>Every frame up to this one is acknowledged, refused for good, or dropped.</summary>
        public ulong FreedThrough
        {
            get { return _freed; }
        }

        /// <summary>Frames lost because the ring was full, since the ring was made.</summary>
        public uint Dropped
        {
            get { return _dropped; }
        }

        /// <summary>Frames a gateway refused for good, since the ring was made.</summary>
        public uint Refused
        {
            get { return _refused; }
        }

        /// <summary>Bytes of all segment files.</summary>
        public int UsedBytes
        {
            get { return _bytes; }
        }

        /// <summary>The newest sleep record, null when there is none.</summary>
        public SleepState Slept
        {
            get { return _slept; }
        }

        /// <summary>Samples on flash that are in no frame.</summary>
        public int WaitingCount
        {
            get { return _waiting.Count; }
        }

        /// <summary>Adds the samples on flash that are in no frame.</summary>
        public void CopyWaiting(SampleSet samples)
        {
            _waiting.CopyTo(samples);
        }

        /// <summary>SHA-256 of the newest frame without its signature; 32 zero bytes before the first.</summary>
        public void ReadPrevious(byte[] destination, int offset)
        {
            Array.Copy(_previous, 0, destination, offset, 32);
        }

        /// <summary>
        /// Reads the segments back and finds the node's place in its chain. Called at boot and after any failed write.
        /// <paramref name="knownSequence"/> and <paramref name="knownPrevious"/> are what the boot record remembers: when the ring
        /// knows less, it was lost, and the chain goes on far ahead instead of using a sequence again. Returns false then.
        /// </summary>
        public bool Recover(ulong knownSequence, byte[] knownPrevious)
        {
            _segments.Clear();
            _loadedSegment = null;
            _signaturePending = false;
            _markDue = false;
            _bytes = 0;
            _last = 0;
            _freed = 0;
            _dropped = 0;
            _refused = 0;
            _nextSegment = 1;
            _slept = null;
            _waiting.Truncate(0);
            Array.Clear(_previous, 0, 32);

            string[] names = _flash.List();
            for (int i = 0; i < names.Length; i++)
            {
                uint number = RingSegment.NumberOf(names[i]);
                if (number > 0)
                {
                    InsertSorted(new RingSegment(number));
                }
            }

            for (int i = 0; i < _segments.Count; i++)
            {
                Scan((RingSegment)_segments[i]);
            }

            if (_segments.Count > 0)
            {
                _nextSegment = ((RingSegment)_segments[_segments.Count - 1]).Number + 1;
            }

            HashNewest();
            CountDropped();
            DeleteFreed();
            if (_last >= knownSequence)
            {
                if (knownSequence > 0 && !_newestBodyRead)
                {
                    Array.Copy(knownPrevious, 0, _previous, 0, 32);
                }

                return true;
            }

            _last = knownSequence + LostRingStride;
            _freed = _last;
            _markDue = true;
            Array.Copy(knownPrevious, 0, _previous, 0, 32);
            return false;
        }

        /// <summary>The power went between making room and the count of it: what lies between the freed frames and the oldest was dropped.</summary>
        private void CountDropped()
        {
            for (int i = 0; i < _segments.Count; i++)
            {
                RingSegment oldest = (RingSegment)_segments[i];
                if (oldest.Frames == 0)
                {
                    continue;
                }

                if (oldest.First > _freed + 1)
                {
                    _dropped += (uint)(oldest.First - _freed - 1);
                    _freed = oldest.First - 1;
                    _markDue = true;
                }

                return;
            }
        }

        /// <summary>
        /// Puts a frame's body (header and payload, unsigned) on flash. On return it survives anything. Its sequence must be
        /// <see cref="NextSequence"/> and its previous hash what <see cref="ReadPrevious"/> gives. Throws IOException when flash
        /// does not take it: then call <see cref="Recover"/>, which finds out whether it was kept.
        /// </summary>
        public void Add(byte[] frame, int offset, int count)
        {
            if (count < FrameFormat.HeaderBytes || count > BodyBytesMax || FrameParser.Sequence(frame, offset) != NextSequence)
            {
                throw new ArgumentException("not the next frame's body");
            }

            int need = count + FrameFormat.SignatureBytes + (2 * RingRecord.CountersBytes) + (4 * RingRecord.OverheadBytes);
            int end;
            RingSegment segment = Begin(need, out end);
            ulong sequence = NextSequence;
            end = RingRecord.Put(_scratch, end, RingRecord.KindBody, sequence, frame, offset, count);
            AppendTo(segment, end);

            _signaturePending = false;
            _markDue = false;
            if (segment.Frames == 0)
            {
                segment.First = sequence;
            }

            segment.Last = sequence;
            segment.Frames++;
            _last = sequence;
            Sha256.Hash(frame, offset, count, _previous, 0);
            EndWaiting(FrameParser.Profile(frame, offset));
            DeleteFreed();
        }

        /// <summary>
        /// The last write before a deep sleep: what was freed and counted meanwhile, the state, and those samples that are not on flash
        /// yet. They stay until a frame of readings follows. Throws like <see cref="Add"/>.
        /// </summary>
        public void AddSleep(SleepState state, SampleSet samples)
        {
            int need = SleepState.Bytes + (samples.Count * WaitingSamples.SampleBytes) + FrameFormat.SignatureBytes + (2 * RingRecord.CountersBytes)
                + (4 * RingRecord.OverheadBytes);
            int end;
            RingSegment segment = Begin(need, out end);
            int first = _waiting.Count; // after making room, which may have cost some of them
            int data = end + RingRecord.HeaderBytes;
            state.WaitingBefore = first;
            state.Write(_scratch, data);
            int count = SleepState.Bytes + WaitingSamples.Write(samples, first, state.UptimeMs, _scratch, data + SleepState.Bytes);
            end = RingRecord.Close(_scratch, end, RingRecord.KindSleep, _last, count);
            AppendTo(segment, end);

            _signaturePending = false;
            _markDue = false;
            _slept = state;
            _waiting.Take(samples, first);
            segment.HoldsWaiting |= samples.Count > first;
            DeleteFreed();
        }

        /// <summary>
        /// Remembers the newest frame's signature, of a signer that would give the same one again. It goes to flash with the next frame.
        /// </summary>
        public void AddSignature(byte[] signature, int offset)
        {
            Array.Copy(signature, offset, _pendingSignature, 0, FrameFormat.SignatureBytes);
            _signaturePending = true;
        }

        /// <summary>
        /// Puts the signature of any frame that is here on flash at once: of a signer that gives another one each time (a secure
        /// element). On return it is the one that <see cref="Read"/> gives for ever. Throws IOException when flash does not take it:
        /// then call <see cref="Recover"/>, and <see cref="Read"/> tells whether it was kept.
        /// </summary>
        public void KeepSignature(ulong sequence, byte[] signature, int offset)
        {
            int need = FrameFormat.SignatureBytes + RingRecord.CountersBytes + (2 * RingRecord.OverheadBytes);
            RingSegment segment = OpenTail(need);
            MakeRoom(need);
            if (Find(sequence) == null)
            {
                return;
            }

            int end = 0;
            if (segment == null)
            {
                segment = new RingSegment(_nextSegment);
                _nextSegment++;
                end = RingRecord.PutCounters(_scratch, end, RingRecord.KindSegment, _freed, _dropped, _refused);
            }

            end = RingRecord.Put(_scratch, end, RingRecord.KindSignature, sequence, signature, offset, FrameFormat.SignatureBytes);
            segment.LastSignature = sequence > segment.LastSignature ? sequence : segment.LastSignature;
            AppendTo(segment, end);
        }

        /// <summary>
        /// Reads one frame. Returns its bytes, 0 when it is not here (freed, dropped, never was). When <paramref name="signed"/>
        /// comes back false, only the body is there and the caller signs it again.
        /// </summary>
        public int Read(ulong sequence, byte[] buffer, out bool signed)
        {
            signed = false;
            RingSegment segment = Find(sequence);
            if (segment == null)
            {
                return 0;
            }

            Load(segment);
            if (_cursorSequence == 0 || _cursorSequence > sequence)
            {
                _cursor = 0;
            }

            int offset = _cursor;
            while (offset < _loadedBytes)
            {
                int length = RingRecord.LengthAt(_loaded, offset, _loadedBytes);
                if (length == 0)
                {
                    offset++;
                    continue;
                }

                if (RingRecord.KindAt(_loaded, offset) == RingRecord.KindBody && RingRecord.SequenceAt(_loaded, offset) == sequence)
                {
                    int body = length - RingRecord.OverheadBytes;
                    Array.Copy(_loaded, offset + RingRecord.HeaderBytes, buffer, 0, body);
                    _cursor = offset;
                    _cursorSequence = sequence;
                    signed = CopySignature(sequence, offset + length, buffer, body);
                    return signed ? body + FrameFormat.SignatureBytes : body;
                }

                offset += length;
            }

            return 0;
        }

        /// <summary>
        /// Frees every frame up to this one. A segment whose frames are all free is deleted; the mark itself is written with the
        /// next frame, so a power cut before may publish some frames again: the gateway knows them as duplicates.
        /// </summary>
        public void FreeThrough(ulong sequence)
        {
            if (sequence > _last)
            {
                throw new ArgumentOutOfRangeException("sequence");
            }

            if (sequence > _freed)
            {
                _freed = sequence;
                _markDue = true;
                DeleteFreed();
            }
        }

        /// <summary>Counts one frame that a gateway refused for good. It is freed like any other.</summary>
        public void CountRefused()
        {
            _refused++;
            _markDue = true;
        }

        // The segment to append to, and what goes before: the pending signature, the mark.
        private RingSegment Begin(int need, out int end)
        {
            RingSegment segment = OpenTail(need);
            MakeRoom(need);
            end = 0;
            if (segment == null)
            {
                FlushSignature();
                segment = new RingSegment(_nextSegment);
                _nextSegment++;
                end = RingRecord.PutCounters(_scratch, end, RingRecord.KindSegment, _freed, _dropped, _refused);
            }
            else
            {
                end = PutPendingSignature(end);
                if (_markDue)
                {
                    end = RingRecord.PutCounters(_scratch, end, RingRecord.KindMark, _freed, _dropped, _refused);
                }
            }

            return segment;
        }

        // A frame of readings has all samples that waited; a frame about the node itself has none of them.
        private void EndWaiting(ushort profile)
        {
            if (profile == Profiles.Node)
            {
                return;
            }

            _waiting.Truncate(0);
            for (int i = 0; i < _segments.Count; i++)
            {
                ((RingSegment)_segments[i]).HoldsWaiting = false;
            }
        }

        private RingSegment OpenTail(int need)
        {
            if (_segments.Count == 0)
            {
                return null;
            }

            RingSegment tail = (RingSegment)_segments[_segments.Count - 1];
            return tail.TailClean && tail.Length + need <= SegmentBytesMax ? tail : null;
        }

        private void MakeRoom(int need)
        {
            while (_bytes + need > _capacityBytes && _segments.Count > 1)
            {
                RingSegment oldest = (RingSegment)_segments[0];
                if (oldest.Frames > 0 && oldest.Last > _freed)
                {
                    ulong from = oldest.First > _freed ? oldest.First : _freed + 1;
                    _dropped += (uint)(oldest.Last - from + 1);
                    _freed = oldest.Last;
                    _markDue = true;
                }

                Remove(0);
            }
        }

        private void FlushSignature()
        {
            if (_signaturePending && _segments.Count > 0)
            {
                RingSegment tail = (RingSegment)_segments[_segments.Count - 1];
                if (tail.TailClean && tail.Length + FrameFormat.SignatureBytes + RingRecord.OverheadBytes <= SegmentBytesMax)
                {
                    AppendTo(tail, PutPendingSignature(0));
                }
            }

            _signaturePending = false;
        }

        private int PutPendingSignature(int end)
        {
            return _signaturePending
                ? RingRecord.Put(_scratch, end, RingRecord.KindSignature, _last, _pendingSignature, 0, FrameFormat.SignatureBytes)
                : end;
        }

        private void AppendTo(RingSegment segment, int count)
        {
            if (segment.Length == 0)
            {
                _segments.Add(segment);
            }

            // Until the write is known to be whole nothing more may follow it: a failed append leaves a torn tail behind.
            segment.TailClean = false;
            _flash.Append(segment.Name, _scratch, 0, count);
            segment.TailClean = true;
            segment.Length += count;
            _bytes += count;
        }

        private RingSegment Find(ulong sequence)
        {
            for (int i = 0; i < _segments.Count; i++)
            {
                RingSegment segment = (RingSegment)_segments[i];
                if (segment.Frames > 0 && segment.First <= sequence && sequence <= segment.Last)
                {
                    return segment;
                }
            }

            return null;
        }

        private bool CopySignature(ulong sequence, int offset, byte[] buffer, int destination)
        {
            if (sequence == _last && _signaturePending)
            {
                Array.Copy(_pendingSignature, 0, buffer, destination, FrameFormat.SignatureBytes);
                return true;
            }

            if (IsSignature(sequence, offset, RingRecord.LengthAt(_loaded, offset, _loadedBytes)))
            {
                Array.Copy(_loaded, offset + RingRecord.HeaderBytes, buffer, destination, FrameFormat.SignatureBytes);
                return true;
            }

            // Apart from its body: it was signed late, or behind a torn tail.
            for (int i = 0; i < _segments.Count; i++)
            {
                RingSegment segment = (RingSegment)_segments[i];
                if (segment.LastSignature >= sequence && CopySignatureFrom(segment, sequence, buffer, destination))
                {
                    return true;
                }
            }

            return false;
        }

        private bool CopySignatureFrom(RingSegment segment, ulong sequence, byte[] buffer, int destination)
        {
            Load(segment);
            int offset = 0;
            while (offset < _loadedBytes)
            {
                int length = RingRecord.LengthAt(_loaded, offset, _loadedBytes);
                if (IsSignature(sequence, offset, length))
                {
                    Array.Copy(_loaded, offset + RingRecord.HeaderBytes, buffer, destination, FrameFormat.SignatureBytes);
                    return true;
                }

                offset += length > 0 ? length : 1;
            }

            return false;
        }

        private bool IsSignature(ulong sequence, int offset, int length)
        {
            return length == FrameFormat.SignatureBytes + RingRecord.OverheadBytes
                && RingRecord.KindAt(_loaded, offset) == RingRecord.KindSignature
                && RingRecord.SequenceAt(_loaded, offset) == sequence;
        }

        private void Load(RingSegment segment)
        {
            if (_loadedSegment != segment)
            {
                _loadedSegment = segment;
                _loadedBytes = 0;
                _cursor = 0;
                _cursorSequence = 0;
            }

            // A segment only grows: what is loaded stays, the rest is read behind it.
            if (_loadedBytes < segment.Length)
            {
                _loadedBytes += _flash.Read(segment.Name, _loadedBytes, _loaded, _loadedBytes, segment.Length - _loadedBytes);
            }
        }

        private void Scan(RingSegment segment)
        {
            int length = _flash.Length(segment.Name);
            segment.Length = length > SegmentBytesMax ? SegmentBytesMax : length;
            Load(segment);
            _bytes += segment.Length;
            int offset = 0;
            int goodEnd = 0;
            while (offset < _loadedBytes)
            {
                int record = RingRecord.LengthAt(_loaded, offset, _loadedBytes);
                if (record == 0)
                {
                    offset++;
                    continue;
                }

                TakeScanned(segment, offset, record);
                offset += record;
                goodEnd = offset;
            }

            segment.TailClean = goodEnd == length && length > 0;
        }

        private void TakeScanned(RingSegment segment, int offset, int record)
        {
            byte kind = RingRecord.KindAt(_loaded, offset);
            ulong sequence = RingRecord.SequenceAt(_loaded, offset);
            if (kind == RingRecord.KindBody && sequence > _last)
            {
                if (segment.Frames == 0)
                {
                    segment.First = sequence;
                }

                segment.Last = sequence;
                segment.Frames++;
                _last = sequence;
                EndWaiting(FrameParser.Profile(_loaded, offset + RingRecord.HeaderBytes));
            }
            else if (kind == RingRecord.KindSleep && record >= SleepState.Bytes + RingRecord.OverheadBytes)
            {
                TakeSleep(segment, offset + RingRecord.HeaderBytes, record - RingRecord.OverheadBytes);
            }
            else if (kind == RingRecord.KindSignature)
            {
                segment.LastSignature = sequence > segment.LastSignature ? sequence : segment.LastSignature;
            }
            else if ((kind == RingRecord.KindMark || kind == RingRecord.KindSegment)
                && record == RingRecord.CountersBytes + RingRecord.OverheadBytes)
            {
                if (sequence > _freed)
                {
                    _freed = sequence;
                }

                _dropped = BigEndian.ReadUInt32(_loaded, offset + RingRecord.HeaderBytes);
                _refused = BigEndian.ReadUInt32(_loaded, offset + RingRecord.HeaderBytes + 4);
            }
        }

        private void TakeSleep(RingSegment segment, int offset, int count)
        {
            SleepState state = SleepState.Read(_loaded, offset);
            if (state == null)
            {
                return;
            }

            _slept = state;
            _waiting.Truncate(state.WaitingBefore);
            _waiting.Read(_loaded, offset + SleepState.Bytes, count - SleepState.Bytes, state.UptimeMs);
            segment.HoldsWaiting |= count > SleepState.Bytes;
        }

        private void HashNewest()
        {
            // A mark may speak of frames whose body is unreadable: their sequences were used all the same.
            ulong newestBody = _last;
            _newestBodyRead = newestBody > 0;
            if (_freed > _last)
            {
                _last = _freed;
            }

            if (newestBody == 0)
            {
                return;
            }

            RingSegment segment = Find(newestBody);
            Load(segment);
            int offset = 0;
            while (offset < _loadedBytes)
            {
                int record = RingRecord.LengthAt(_loaded, offset, _loadedBytes);
                if (record > 0 && RingRecord.KindAt(_loaded, offset) == RingRecord.KindBody
                    && RingRecord.SequenceAt(_loaded, offset) == newestBody)
                {
                    Sha256.Hash(_loaded, offset + RingRecord.HeaderBytes, record - RingRecord.OverheadBytes, _previous, 0);
                    return;
                }

                offset += record > 0 ? record : 1;
            }
        }

        private void DeleteFreed()
        {
            // The last segment stays, and so does everything from the newest body on: they say where the chain is.
            int index = 0;
            while (index < _segments.Count - 1)
            {
                RingSegment segment = (RingSegment)_segments[index];
                bool holdsNewest = segment.Frames > 0 && segment.Last == _last;
                bool free = (segment.Frames == 0 || segment.Last <= _freed) && segment.LastSignature <= _freed && !segment.HoldsWaiting;
                if (free && !holdsNewest)
                {
                    Remove(index);
                }
                else
                {
                    index++;
                }
            }
        }

        private void Remove(int index)
        {
            RingSegment segment = (RingSegment)_segments[index];
            _segments.RemoveAt(index);
            _bytes -= segment.Length;
            if (_loadedSegment == segment)
            {
                _loadedSegment = null;
            }

            if (segment.HoldsWaiting)
            {
                // A full ring made room: whoever still has the samples in memory writes them again with the next sleep record.
                _waiting.Truncate(0);
            }

            _flash.Delete(segment.Name);
        }

        private void InsertSorted(RingSegment segment)
        {
            int index = 0;
            while (index < _segments.Count && ((RingSegment)_segments[index]).Number < segment.Number)
            {
                index++;
            }

            _segments.Insert(index, segment);
        }
    }
}
