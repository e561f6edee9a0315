// Finds frames in a stream of anything: log lines, noise, halves of frames. Push bytes, and after each TryRead until it is false. A frame
// whose CRC is wrong is never given out; the search goes on one byte behind its beginning, so a good frame that began inside a broken one
// is found. What lies inside a good frame is that frame's data and never a frame of its own. Memory is one largest frame; work per byte
// pushed is bounded by one CRC per false beginning. When the line was silent for longer than a sender pauses within a frame, call
// TryReadAfterSilence instead: a beginning without an end is then given up, and what stands behind it is looked at.
//
// On request it finds Improv frames (ImprovFrame) on the same line as well. Their checksum is one byte: noise passes it once in 256 times,
// behind "IMPROV" and version 1.

using System;

namespace DePIN.Protocol
{
    public sealed class SerialDecoder
    {
        private readonly byte[] _buffer = new byte[SerialFrame.FrameBytesMax];
        private readonly bool _findsImprov;
        private int _count;
        private int _taken;

        /// <param name="findsImprov">Whether Improv frames are looked for, too.</param>
        public SerialDecoder(bool findsImprov = false)
        {
            _findsImprov = findsImprov;
        }

        /// <summary>Whether the frame that was found is an Improv frame: then it has no sequence.</summary>
        public bool IsImprov { get; private set; }

        /// <summary>Type of the frame that <see cref="TryRead"/> found.</summary>
        public byte Type { get; private set; }

        public byte Sequence { get; private set; }

        /// <summary>Holds the data from <see cref="DataOffset"/>; valid until the next <see cref="Push"/>, <see cref="TryRead"/> or <see cref="Reset"/>.</summary>
        public byte[] Buffer
        {
            get { return _buffer; }
        }

        public int DataOffset
        {
            get { return SerialFrame.DataOffset; }
        }

        public int DataCount { get; private set; }

        /// <summary>Bytes that belonged to no frame, since construction.</summary>
        public uint SkippedBytes { get; private set; }

        /// <summary>Complete frames whose CRC was wrong, since construction.</summary>
        public uint CrcErrors { get; private set; }

        /// <summary>Adds one byte of the stream.</summary>
        /// <exception cref="InvalidOperationException">TryRead was not called until it returned false.</exception>
        public void Push(byte value)
        {
            DropTaken();
            if (_count == _buffer.Length)
            {
                throw new InvalidOperationException("read before pushing more");
            }

            _buffer[_count] = value;
            _count++;
        }

        /// <summary>True when a whole frame lies in the buffer: type, sequence and data describe it.</summary>
        public bool TryRead()
        {
            return TryRead(false);
        }

        /// <summary>The same on a line that has fallen silent: no rest of a frame is waited for, and nothing is left in the buffer at the end.</summary>
        public bool TryReadAfterSilence()
        {
            return TryRead(true);
        }

        /// <summary>Forgets a half frame, for instance when the port was opened again. The counters stay.</summary>
        public void Reset()
        {
            _count = 0;
            _taken = 0;
        }

        private bool TryRead(bool isSilent)
        {
            DropTaken();
            while (true)
            {
                int skip = FindStart();
                if (skip != 0)
                {
                    SkippedBytes += (uint)skip;
                    Drop(skip);
                }

                if (_count == 0)
                {
                    return false;
                }

                int frameBytes = FrameBytes();
                if (frameBytes == 0 || _count < frameBytes)
                {
                    if (!isSilent)
                    {
                        return false;
                    }
                }
                else if (IsGood(frameBytes))
                {
                    _taken = frameBytes;
                    return true;
                }
                else
                {
                    CrcErrors++;
                }

                SkippedBytes++;
                Drop(1);
            }
        }

        // Of the frame that begins the buffer; 0 when its header is not whole.
        private int FrameBytes()
        {
            if (_buffer[0] == SerialFrame.Magic0)
            {
                return _count < SerialFrame.HeaderBytes ? 0
                    : SerialFrame.FrameBytesMin + (int)Bytes.ReadUInt16(_buffer, SerialFrame.DataBytesOffset);
            }

            return _count < ImprovFrame.HeaderBytes ? 0 : ImprovFrame.FrameBytesMin + _buffer[ImprovFrame.DataBytesOffset];
        }

        private bool IsGood(int frameBytes)
        {
            if (_buffer[0] != SerialFrame.Magic0)
            {
                IsImprov = true;
                Type = _buffer[ImprovFrame.TypeOffset];
                Sequence = 0;
                DataCount = frameBytes - ImprovFrame.FrameBytesMin;
                return ImprovFrame.Checksum(_buffer, 0, frameBytes - ImprovFrame.ChecksumBytes) == _buffer[frameBytes - ImprovFrame.ChecksumBytes];
            }

            IsImprov = false;
            Type = _buffer[SerialFrame.TypeOffset];
            Sequence = _buffer[SerialFrame.SequenceOffset];
            DataCount = frameBytes - SerialFrame.FrameBytesMin;
            int checkedBytes = frameBytes - SerialFrame.CrcBytes;
            return Crc32.Compute(_buffer, 0, checkedBytes) == Bytes.ReadUInt32(_buffer, checkedBytes);
        }

        // The first index where a frame may begin, judged by as much of the header as is there.
        private int FindStart()
        {
            for (int at = 0; at < _count; at++)
            {
                if (MayBegin(at))
                {
                    return at;
                }
            }

            return _count;
        }

        private bool MayBegin(int at)
        {
            int left = _count - at;
            if (_buffer[at] != SerialFrame.Magic0)
            {
                return _findsImprov && ImprovFrame.MayBegin(_buffer, at, left);
            }

            if ((left > 1 && _buffer[at + 1] != SerialFrame.Magic1)
                || (left > 2 && _buffer[at + 2] != SerialFrame.Magic2)
                || (left > 3 && _buffer[at + 3] != SerialFrame.Magic3)
                || (left > SerialFrame.VersionOffset && _buffer[at + SerialFrame.VersionOffset] != SerialFrame.Version))
            {
                return false;
            }

            return left < SerialFrame.HeaderBytes
                || Bytes.ReadUInt16(_buffer, at + SerialFrame.DataBytesOffset) <= SerialFrame.DataBytesMax;
        }

        private void DropTaken()
        {
            if (_taken != 0)
            {
                Drop(_taken);
                _taken = 0;
            }
        }

        private void Drop(int count)
        {
            _count -= count;
            Array.Copy(_buffer, count, _buffer, 0, _count);
        }
    }
}
