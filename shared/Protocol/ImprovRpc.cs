// The data of an Improv command, from a client to a board.
//
// offset  size  field
//      0     1  command (see ImprovCommands)
//      1     1  length N of the payload: the frame's length less 2
//      2     N  payload; of Wi-Fi settings: length S | network name, S bytes | length P | password, P bytes

using System;

namespace DePIN.Protocol
{
    public static class ImprovRpc
    {
        public const int CommandOffset = 0;
        public const int PayloadBytesOffset = 1;
        public const int PayloadOffset = 2;
        public const int PayloadBytesMax = ImprovFrame.DataBytesMax - PayloadOffset;

        /// <summary>Of a network's name (IEEE 802.11, SSID element).</summary>
        public const int SsidBytesMax = 32;

        /// <summary>8 to 63 characters or 64 hex digits (WPA), none for an open network; the network judges, not we.</summary>
        public const int PasswordBytesMax = 64;

        /// <summary>Whether the data is a command whose length agrees with the frame's.</summary>
        public static bool IsValid(byte[] buffer, int offset, int count)
        {
            Bytes.CheckRange(buffer, offset, count);
            return count >= PayloadOffset && buffer[offset + PayloadBytesOffset] == count - PayloadOffset;
        }

        /// <summary>
        /// Whether the payload of a valid command is Wi-Fi settings: a name of 1 to 32 bytes and a password of at most 64, both UTF-8, and
        /// nothing behind them. The name's length stands at <see cref="PayloadOffset"/>.
        /// </summary>
        public static bool IsWifiSettings(byte[] buffer, int offset, int count)
        {
            Bytes.CheckRange(buffer, offset, count);
            int end = offset + count;
            int at = offset + PayloadOffset;
            if (end - at < 2)
            {
                return false;
            }

            int ssid = buffer[at];
            at++;
            if (ssid == 0 || ssid > SsidBytesMax || end - at < ssid + 1 || !Utf8Text.IsValid(buffer, at, ssid))
            {
                return false;
            }

            at += ssid;
            int password = buffer[at];
            at++;
            return password <= PasswordBytesMax && end - at == password && Utf8Text.IsValid(buffer, at, password);
        }

        /// <summary>Writes a command's data and returns its size.</summary>
        public static int Write(byte command, byte[] payload, int payloadOffset, int payloadCount, byte[] destination, int offset)
        {
            Bytes.CheckRange(payload, payloadOffset, payloadCount);
            if (payloadCount > PayloadBytesMax)
            {
                throw new ArgumentOutOfRangeException(nameof(payloadCount));
            }

            Bytes.CheckRange(destination, offset, PayloadOffset + payloadCount);
            destination[offset + CommandOffset] = command;
            destination[offset + PayloadBytesOffset] = (byte)payloadCount;
            Array.Copy(payload, payloadOffset, destination, offset + PayloadOffset, payloadCount);
            return PayloadOffset + payloadCount;
        }

        /// <summary>Writes the data of Wi-Fi settings and returns its size.</summary>
        /// <exception cref="ArgumentException">A name of 0 or more than 32 bytes, a password of more than 64, or ill-formed UTF-8.</exception>
        public static int WriteWifiSettings(byte[] ssid, byte[] password, byte[] destination, int offset)
        {
            if (ssid == null || ssid.Length == 0 || ssid.Length > SsidBytesMax || !Utf8Text.IsValid(ssid, 0, ssid.Length))
            {
                throw new ArgumentException("1 to 32 bytes of UTF-8", nameof(ssid));
            }

            if (password == null || password.Length > PasswordBytesMax || !Utf8Text.IsValid(password, 0, password.Length))
            {
                throw new ArgumentException("at most 64 bytes of UTF-8", nameof(password));
            }

            int count = PayloadOffset + 2 + ssid.Length + password.Length;
            Bytes.CheckRange(destination, offset, count);
            destination[offset + CommandOffset] = ImprovCommands.WifiSettings;
            destination[offset + PayloadBytesOffset] = (byte)(count - PayloadOffset);
            int at = offset + PayloadOffset;
            destination[at] = (byte)ssid.Length;
            Array.Copy(ssid, 0, destination, at + 1, ssid.Length);
            at += 1 + ssid.Length;
            destination[at] = (byte)password.Length;
            Array.Copy(password, 0, destination, at + 1, password.Length);
            return count;
        }
    }
}
