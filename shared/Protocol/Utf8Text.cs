// Whether bytes are UTF-8 as RFC 3629 section 3 has it: shortest forms only, no surrogates, nothing above U+10FFFF; and no U+0000, which
// ends a text in the board's own interfaces.

namespace DePIN.Protocol
{
    public static class Utf8Text
    {
        public static bool IsValid(byte[] buffer, int offset, int count)
        {
            Bytes.CheckRange(buffer, offset, count);
            int end = offset + count;
            int at = offset;
            while (at < end)
            {
                uint first = buffer[at];
                at++;
                if (first == 0)
                {
                    return false;
                }

                if (first < 0x80)
                {
                    continue;
                }

                int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
                if (first < 0xC2 || first > 0xF4 || end - at < more)
                {
                    return false;
                }

                // Of the second byte the range is narrower behind four first bytes.
                uint low = first == 0xE0 ? 0xA0u : first == 0xF0 ? 0x90u : 0x80u;
                uint high = first == 0xED ? 0x9Fu : first == 0xF4 ? 0x8Fu : 0xBFu;
                for (int i = 0; i < more; i++)
                {
                    uint next = buffer[at];
                    at++;
                    if (next < low || next > high)
                    {
                        return false;
                    }

                    low = 0x80;
                    high = 0xBF;
                }
            }

            return true;
        }
    }
}
