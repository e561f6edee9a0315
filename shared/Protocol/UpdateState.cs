// Device to gateway: what runs on it and how far an update is. QoS 0, sent when it connects, when the state changes, and about every 32 KB while it fetches.
//
// offset  size  field
//      0     4  release that runs, 0 when it has none
//      4     4  release that is offered or was tried last, 0 when none
//      8     8  first 8 bytes of that manifest's SHA-256, zero when none
//     16     1  state (see UpdateStates)
//     17     1  error (see UpdateErrors)
//     18     4  bytes done
//     22     4  bytes in total
//     26     1  length V of the version text that runs, 0..15
//     27     V  version text, ASCII
//   27+V     1  length B of the board name, 1..31; a node may end the message before it
//   28+V     B  board name, ASCII: a gateway leaves out who has another board than an update is for

namespace DePIN.Protocol
{
    public static class UpdateState
    {
        public const int BytesMin = 27;
        public const int BytesMax = BytesMin + UpdateManifest.VersionCharsMax + 1 + UpdateManifest.BoardCharsMax;

        public const int OfferedOffset = 4;
        public const int PrefixOffset = 8;
        public const int StateOffset = 16;
        public const int ErrorOffset = 17;
        public const int DoneOffset = 18;
        public const int TotalOffset = 22;
        public const int VersionOffset = 26;

        /// <summary>Writes the message and returns its size. A version text longer than 15 characters is cut there.</summary>
        /// <param name="running">Release that runs.</param>
        /// <param name="offered">Release that is offered.</param>
        /// <param name="manifestHash">At least 8 bytes, or null when nothing is offered.</param>
        /// <param name="state">See <see cref="UpdateStates"/>.</param>
        /// <param name="error">See <see cref="UpdateErrors"/>.</param>
        /// <param name="done">Bytes on flash.</param>
        /// <param name="total">Bytes of all files.</param>
        /// <param name="version">Printable ASCII; another character is written as '?'.</param>
        /// <param name="destination">Has <see cref="BytesMax"/> bytes behind <paramref name="offset"/>.</param>
        /// <param name="offset">Where the message begins.</param>
        public static int Write(uint running, uint offered, byte[] manifestHash, byte state, byte error, uint done, uint total, string version, byte[] destination, int offset)
        {
            Bytes.CheckRange(destination, offset, BytesMax);
            Bytes.WriteUInt32(destination, offset, running);
            Bytes.WriteUInt32(destination, offset + OfferedOffset, offered);
            System.Array.Clear(destination, offset + PrefixOffset, UpdateManifest.PrefixBytes);
            if (manifestHash != null)
            {
                System.Array.Copy(manifestHash, 0, destination, offset + PrefixOffset, UpdateManifest.PrefixBytes);
            }

            destination[offset + StateOffset] = state;
            destination[offset + ErrorOffset] = error;
            Bytes.WriteUInt32(destination, offset + DoneOffset, done);
            Bytes.WriteUInt32(destination, offset + TotalOffset, total);
            int chars = version.Length > UpdateManifest.VersionCharsMax ? UpdateManifest.VersionCharsMax : version.Length;
            destination[offset + VersionOffset] = (byte)chars;
            for (int i = 0; i < chars; i++)
            {
                char c = version[i];
                destination[offset + BytesMin + i] = c >= ' ' && c <= '~' ? (byte)c : (byte)'?';
            }

            return BytesMin + chars;
        }

        /// <summary>Puts the board's name behind the <paramref name="count"/> bytes that <see cref="Write"/> wrote; returns how many there are then.</summary>
        public static int WriteBoard(string board, byte[] destination, int offset, int count)
        {
            Bytes.CheckRange(destination, offset, BytesMax);
            int chars = board.Length > UpdateManifest.BoardCharsMax ? UpdateManifest.BoardCharsMax : board.Length;
            if (chars == 0)
            {
                return count;
            }

            destination[offset + count] = (byte)chars;
            for (int i = 0; i < chars; i++)
            {
                destination[offset + count + 1 + i] = (byte)board[i];
            }

            return count + 1 + chars;
        }

        /// <summary>Whether the bytes are a state: its exact size, texts of printable ASCII. States and errors may be of a later version.</summary>
        public static bool IsValid(byte[] buffer, int offset, int count)
        {
            Bytes.CheckRange(buffer, offset, count);
            if (count < BytesMin || count > BytesMax || buffer[offset + VersionOffset] > UpdateManifest.VersionCharsMax)
            {
                return false;
            }

            int end = BytesMin + buffer[offset + VersionOffset];
            if (count != end)
            {
                int chars = count - end - 1;
                if (chars < 1 || chars > UpdateManifest.BoardCharsMax || buffer[offset + end] != chars)
                {
                    return false;
                }
            }

            for (int i = BytesMin; i < count; i++)
            {
                if (i != end && (buffer[offset + i] < 0x20 || buffer[offset + i] > 0x7E))
                {
                    return false;
                }
            }

            return true;
        }

        /// <summary>The board's name in a valid message; empty when the node does not tell it.</summary>
        public static string Board(byte[] buffer, int offset, int count)
        {
            int end = BytesMin + buffer[offset + VersionOffset];
            char[] text = new char[count == end ? 0 : count - end - 1];
            for (int i = 0; i < text.Length; i++)
            {
                text[i] = (char)buffer[offset + end + 1 + i];
            }

            return new string(text);
        }

        public static uint Running(byte[] buffer, int offset)
        {
            return Bytes.ReadUInt32(buffer, offset);
        }

        public static uint Offered(byte[] buffer, int offset)
        {
            return Bytes.ReadUInt32(buffer, offset + OfferedOffset);
        }

        public static byte State(byte[] buffer, int offset)
        {
            return buffer[offset + StateOffset];
        }

        public static byte Error(byte[] buffer, int offset)
        {
            return buffer[offset + ErrorOffset];
        }

        public static uint Done(byte[] buffer, int offset)
        {
            return Bytes.ReadUInt32(buffer, offset + DoneOffset);
        }

        public static uint Total(byte[] buffer, int offset)
        {
            return Bytes.ReadUInt32(buffer, offset + TotalOffset);
        }

        public static string Version(byte[] buffer, int offset)
        {
            char[] text = new char[buffer[offset + VersionOffset]];
            for (int i = 0; i < text.Length; i++)
            {
                text[i] = (char)buffer[offset + BytesMin + i];
            }

            return new string(text);
        }
    }
}
