// Finds serial frames in a stream of anything: log lines, noise, halves of frames. Push bytes, and after each TryRead until it is
// false. A frame whose CRC is wrong is never given out; the search goes on one byte behind its beginning, so a good frame that began
// inside a broken one is found. Memory is one largest frame; work per byte pushed is bounded by one CRC per false beginning.

using System;

namespace DePIN.Protocol
{
    public sealed class SerialDecoder
    {
        private readonly byte[] _buffer = new byte[SerialFrame.FrameBytesMax];
        private int _count;
        private int _taken;

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
            DropTaken();
            while (true)
            {
                int skip = FindStart();
                if (skip != 0)
                {
                    SkippedBytes += (uint)skip;
                    Drop(skip);
                }

                if (_count < SerialFrame.HeaderBytes)
                {
                    return false;
                }

                int dataCount = (int)Bytes.ReadUInt16(_buffer, SerialFrame.DataBytesOffset);
                int frameBytes = SerialFrame.FrameBytesMin + dataCount;
                if (_count < frameBytes)
                {
                    return false;
                }

                uint expected = Bytes.ReadUInt32(_buffer, SerialFrame.HeaderBytes + dataCount);
                if (Crc32.Compute(_buffer, 0, SerialFrame.HeaderBytes + dataCount) == expected)
                {
                    Type = _buffer[SerialFrame.TypeOffset];
                    Sequence = _buffer[SerialFrame.SequenceOffset];
                    DataCount = dataCount;
                    _taken = frameBytes;
                    return true;
                }

                CrcErrors++;
                SkippedBytes++;
                Drop(1);
            }
        }

        /// <summary>Forgets a half frame, for instance when the port was opened again. The counters stay.</summary>
        public void Reset()
        {
            _count = 0;
            _taken = 0;
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
            if (_buffer[at] != SerialFrame.Magic0
                || (left > 1 && _buffer[at + 1] != SerialFrame.Magic1)
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
