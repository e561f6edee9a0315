// Gateway to device: one piece of a file, the answer to an UpdateGet. QoS 0; what does not answer the device's open request is ignored.
//
// offset  size  field
//      0    15  the request it answers (UpdateGet), whose count C is the number of bytes that follow
//     15     C  the bytes

namespace DePIN.Protocol
{
    public static class UpdateChunk
    {
        public const int HeaderBytes = UpdateGet.Bytes;
        public const int BytesMax = HeaderBytes + UpdateGet.CountMax;

        /// <summary>Writes request and bytes; returns how many that are.</summary>
        public static int Write(byte[] request, int requestOffset, byte[] data, int dataOffset, byte[] destination, int offset)
        {
            Bytes.CheckRange(request, requestOffset, HeaderBytes);
            int count = UpdateGet.Count(request, requestOffset);
            Bytes.CheckRange(data, dataOffset, count);
            Bytes.CheckRange(destination, offset, HeaderBytes + count);
            System.Array.Copy(request, requestOffset, destination, offset, HeaderBytes);
            System.Array.Copy(data, dataOffset, destination, offset + HeaderBytes, count);
            return HeaderBytes + count;
        }

        /// <summary>Whether the bytes are a chunk: a request, and exactly its count of bytes.</summary>
        public static bool IsValid(byte[] buffer, int offset, int count)
        {
            Bytes.CheckRange(buffer, offset, count);
            return count > HeaderBytes && UpdateGet.HasCount(buffer, offset) && count == HeaderBytes + UpdateGet.Count(buffer, offset);
        }

        /// <summary>Whether it answers exactly this request.</summary>
        public static bool Answers(byte[] buffer, int offset, byte[] request, int requestOffset)
        {
            for (int i = 0; i < HeaderBytes; i++)
            {
                if (buffer[offset + i] != request[requestOffset + i])
                {
                    return false;
                }
            }

            return true;
        }
    }
}
