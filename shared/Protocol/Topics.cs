// The MQTT topics, all below "depin/1". The device id in a topic is 40 lower-case hex digits and equals the frame's.

namespace DePIN.Protocol
{
    public static class Topics
    {
        public const string Prefix = "depin/1/";

        /// <summary>Gateway to all devices: <see cref="TimeMessage"/>.</summary>
        public const string Time = "depin/1/time";

        /// <summary>What a gateway that reads another broker subscribes to.</summary>
        public const string FrameFilter = "depin/1/+/frame";

        private const string FrameSuffix = "/frame";

        /// <summary>Device to gateway: one frame.</summary>
        public static string Frame(string deviceIdText)
        {
            return Prefix + deviceIdText + FrameSuffix;
        }

        /// <summary>Gateway to device: <see cref="VerdictMessage"/>.</summary>
        public static string Verdict(string deviceIdText)
        {
            return Prefix + deviceIdText + "/verdict";
        }

        /// <summary>Gateway to applications: verified readings, SenML JSON.</summary>
        public static string Senml(string deviceIdText)
        {
            return Prefix + deviceIdText + "/senml";
        }

        /// <summary>Reads the device id out of a frame topic. False, with the id untouched, unless it is exactly what <see cref="Frame"/> makes.</summary>
        public static bool TryReadFrameTopic(string topic, byte[] id)
        {
            if (topic == null || topic.Length != Prefix.Length + DeviceId.TextChars + FrameSuffix.Length)
            {
                return false;
            }

            string text = topic.Substring(Prefix.Length, DeviceId.TextChars);
            byte[] parsed = new byte[DeviceId.Bytes];
            if (!DeviceId.TryParse(text, parsed) || topic != Frame(DeviceId.ToText(parsed, 0)))
            {
                return false;
            }

            System.Array.Copy(parsed, 0, id, 0, DeviceId.Bytes);
            return true;
        }
    }
}
