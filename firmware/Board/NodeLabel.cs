using System;
using System.Text;
using DePIN.Firmware.Keep;
using DePIN.Protocol;

namespace DePIN.Firmware.Board
{
    /// <summary>
    /// What people call the board: a name (any text) and a host name (for DHCP). From an Improv client, or from the enrolment when that is
    /// newer. Value of two generations: length | host name | length | name, both UTF-8, empty when never set.
    /// </summary>
    public sealed class NodeLabel
    {
        public const string StoreName = "label";
        public const int HostNameCharactersMax = 63;

        private readonly TwoGenerations _store;
        private readonly uint _enrolled;
        private byte[] _hostName = new byte[0];
        private byte[] _name = new byte[0];

        private NodeLabel(TwoGenerations store, uint enrolled)
        {
            _store = store;
            _enrolled = enrolled;
        }

        /// <summary>Reads it; a damaged one is empty: it is a label, nothing depends on it.</summary>
        public static NodeLabel Open(IFlash flash)
        {
            EnrolmentStore enrolment = new EnrolmentStore(flash);
            enrolment.Open();
            NodeLabel label = new NodeLabel(new TwoGenerations(flash, StoreName), enrolment.LabelGeneration);
            label._store.Open();
            byte[] value = label._store.Value;
            if (value != null && value.Length >= 2 && value[0] + 2 <= value.Length && value[0] + 2 + value[1 + value[0]] == value.Length)
            {
                label._hostName = Slice(value, 1, value[0]);
                if (label._store.Generation > enrolment.LabelGeneration)
                {
                    label._name = Slice(value, 2 + value[0], value[1 + value[0]]);
                }
            }

            byte[] enrolled = enrolment.Find(EnrolmentTags.Name);
            if (label._name.Length == 0 && enrolled != null)
            {
                label._name = enrolled;
            }

            return label;
        }

        /// <summary>How often a label was stored.</summary>
        public uint Generation
        {
            get { return _store.Generation; }
        }

        /// <summary>The name, UTF-8; without one "DePIN" and the beginning of the device id.</summary>
        public byte[] NameOr(string deviceId)
        {
            return _name.Length > 0 ? _name : Encoding.UTF8.GetBytes(("DePIN " + Short(deviceId)).Trim());
        }

        /// <summary>The host name, ASCII; without one "depin-" and the beginning of the device id.</summary>
        public byte[] HostNameOr(string deviceId)
        {
            return _hostName.Length > 0 ? _hostName : Encoding.UTF8.GetBytes(deviceId.Length > 0 ? "depin-" + Short(deviceId) : "depin");
        }

        /// <summary>Stores another name. Throws IOException when flash did not keep it.</summary>
        public void SetName(byte[] name)
        {
            Write(_hostName, name);
            _name = name;
        }

        /// <summary>Stores another host name. Throws IOException when flash did not keep it.</summary>
        public void SetHostName(byte[] hostName)
        {
            Write(hostName, _name);
            _hostName = hostName;
        }

        /// <summary>Letters, digits and hyphens, no hyphen at the ends, 1 to 63 (RFC 1123 section 2.1).</summary>
        public static bool IsHostName(byte[] text)
        {
            if (text.Length == 0 || text.Length > HostNameCharactersMax || text[0] == '-' || text[text.Length - 1] == '-')
            {
                return false;
            }

            for (int i = 0; i < text.Length; i++)
            {
                byte c = text[i];
                if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'))
                {
                    return false;
                }
            }

            return true;
        }

        private static string Short(string deviceId)
        {
            return deviceId.Length > 8 ? deviceId.Substring(0, 8) : deviceId;
        }

        private void Write(byte[] hostName, byte[] name)
        {
            byte[] value = new byte[2 + hostName.Length + name.Length];
            value[0] = (byte)hostName.Length;
            Array.Copy(hostName, 0, value, 1, hostName.Length);
            value[1 + hostName.Length] = (byte)name.Length;
            Array.Copy(name, 0, value, 2 + hostName.Length, name.Length);
            _store.WriteAbove(_enrolled, value);
        }

        private static byte[] Slice(byte[] value, int offset, int count)
        {
            byte[] slice = new byte[count];
            Array.Copy(value, offset, slice, 0, count);
            return slice;
        }
    }
}
