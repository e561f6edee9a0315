// The data of an Improv result, from a board to a client: texts in the order that the command says.
//
// offset  size  field
//      0     1  command that is answered
//      1     1  length of all that follows
//      2        each text: length L | L bytes of UTF-8
//
// Begin, Add each text, then End, which adds an empty text where the data would be 10 bytes long (see ImprovFrame): clients read texts by
// place and do not see one more.

using System;

namespace DePIN.Protocol
{
    public sealed class ImprovResult
    {
        public const int TextsOffset = 2;

        private readonly byte[] _data = new byte[ImprovFrame.DataBytesMax];

        /// <summary>The data so far, <see cref="Count"/> bytes. Not a copy.</summary>
        public byte[] Data
        {
            get { return _data; }
        }

        public int Count { get; private set; }

        /// <summary>Begins an answer to that command.</summary>
        public void Begin(byte command)
        {
            _data[0] = command;
            _data[1] = 0;
            Count = TextsOffset;
        }

        /// <summary>Adds a text. False, with nothing added, when it does not fit.</summary>
        public bool Add(byte[] text)
        {
            if (text == null)
            {
                throw new ArgumentNullException(nameof(text));
            }

            // One byte stays free for End.
            if (Count + 1 + text.Length >= _data.Length)
            {
                return false;
            }

            _data[Count] = (byte)text.Length;
            Array.Copy(text, 0, _data, Count + 1, text.Length);
            Count += 1 + text.Length;
            return true;
        }

        /// <summary>Ends the answer and returns its size, which is never 10.</summary>
        public int End()
        {
            if (Count == ImprovFrame.DataBytesLost)
            {
                _data[Count] = 0;
                Count++;
            }

            _data[1] = (byte)(Count - TextsOffset);
            return Count;
        }

        /// <summary>Whether the data is a result: the lengths agree and nothing trails.</summary>
        public static bool IsValid(byte[] buffer, int offset, int count)
        {
            Bytes.CheckRange(buffer, offset, count);
            if (count < TextsOffset || buffer[offset + 1] != count - TextsOffset)
            {
                return false;
            }

            int at = TextsOffset;
            while (at < count)
            {
                at += 1 + buffer[offset + at];
            }

            return at == count;
        }
    }
}
