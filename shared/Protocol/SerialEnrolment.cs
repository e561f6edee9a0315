// An enrolment: all that a board needs to belong to a network, in one transaction. Larger than a frame: it is sent in pieces (SerialTypes
// .EnrolBegin, EnrolData, EnrolCommit) and takes effect as a whole.
//
// Sections, each at most once, in the order of their tags:
//   offset  size  field
//        0     1  tag (see EnrolmentTags)
//        1     2  length L, big-endian
//        3     L  content
// Settings are lines key=value (gateway-host, tls, interval-ms, profile, operator-key …: node.conf in firmware/README.md); lines that the
// board has already and that are not named stay.

using System;

namespace DePIN.Protocol
{
    public static class SerialEnrolment
    {
        public const int SectionHeaderBytes = 3;
        public const int SettingsBytesMax = 1024;
        public const int AuthorityBytesMax = 4096;
        public const int UserBytesMax = 64;
        public const int PasswordBytesMax = 64;
        public const int NameBytesMax = 64;
        public const int LocationBytesMax = 128;
        public const int BytesMax = (EnrolmentTags.Last * SectionHeaderBytes) + SettingsBytesMax + AuthorityBytesMax + UserBytesMax
            + PasswordBytesMax + NameBytesMax + LocationBytesMax;

        /// <summary>Adds a section and returns the offset behind it.</summary>
        /// <exception cref="ArgumentException">The content is longer than its tag allows, or the tag is unknown.</exception>
        public static int Append(byte tag, byte[] content, byte[] destination, int offset)
        {
            if (content == null || content.Length > ContentBytesMax(tag))
            {
                throw new ArgumentException("at most " + ContentBytesMax(tag) + " bytes", nameof(content));
            }

            Bytes.CheckRange(destination, offset, SectionHeaderBytes + content.Length);
            destination[offset] = tag;
            Bytes.WriteUInt16(destination, offset + 1, (uint)content.Length);
            Array.Copy(content, 0, destination, offset + SectionHeaderBytes, content.Length);
            return offset + SectionHeaderBytes + content.Length;
        }

        /// <summary>Null when the bytes are an enrolment, else what is wrong: an unknown or repeated tag, a length, a text that is none.</summary>
        public static string Problem(byte[] buffer, int offset, int count)
        {
            Bytes.CheckRange(buffer, offset, count);
            int end = offset + count;
            int at = offset;
            int last = 0;
            while (at < end)
            {
                if (end - at < SectionHeaderBytes)
                {
                    return "a section is cut short";
                }

                byte tag = buffer[at];
                int length = (int)Bytes.ReadUInt16(buffer, at + 1);
                at += SectionHeaderBytes;
                if (tag <= last || tag > EnrolmentTags.Last)
                {
                    return "section " + tag + " is unknown, repeated or out of order";
                }

                if (length > ContentBytesMax(tag) || length > end - at)
                {
                    return "section " + tag + " is too long";
                }

                if (!Utf8Text.IsValid(buffer, at, length))
                {
                    return "section " + tag + " is no text in UTF-8";
                }

                last = tag;
                at += length;
            }

            return last == 0 ? "it is empty" : null;
        }

        /// <summary>The content of a section of a valid enrolment; null when it has none. A copy.</summary>
        public static byte[] Find(byte tag, byte[] buffer, int offset, int count)
        {
            int end = offset + count;
            int at = offset;
            while (end - at >= SectionHeaderBytes)
            {
                int length = (int)Bytes.ReadUInt16(buffer, at + 1);
                if (buffer[at] == tag && length <= end - at - SectionHeaderBytes)
                {
                    byte[] content = new byte[length];
                    Array.Copy(buffer, at + SectionHeaderBytes, content, 0, length);
                    return content;
                }

                at += SectionHeaderBytes + length;
            }

            return null;
        }

        private static int ContentBytesMax(byte tag)
        {
            switch (tag)
            {
                case EnrolmentTags.Settings: return SettingsBytesMax;
                case EnrolmentTags.Authority: return AuthorityBytesMax;
                case EnrolmentTags.User: return UserBytesMax;
                case EnrolmentTags.Password: return PasswordBytesMax;
                case EnrolmentTags.Name: return NameBytesMax;
                case EnrolmentTags.Location: return LocationBytesMax;
                default: return -1;
            }
        }
    }

    /// <summary>Sections of an enrolment.</summary>
    public static class EnrolmentTags
    {
        /// <summary>Lines key=value, ASCII, at most 1,024 bytes.</summary>
        public const byte Settings = 1;

        /// <summary>The authority that signed the gateway's certificate, PEM, at most 4,096 bytes.</summary>
        public const byte Authority = 2;

        /// <summary>Name at the gateway's MQTT server, at most 64 bytes.</summary>
        public const byte User = 3;

        /// <summary>Its password, at most 64 bytes. Never told again.</summary>
        public const byte Password = 4;

        /// <summary>What people call the board, at most 64 bytes.</summary>
        public const byte Name = 5;

        /// <summary>Where it hangs, at most 128 bytes: free text, or a geo: URI (RFC 5870).</summary>
        public const byte Location = 6;

        public const byte Last = Location;
    }
}
