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

        /// <summary>What a gateway that reads another broker subscribes to for updates.</summary>
        public const string UpdateGetFilter = "depin/1/+/update/get";
        public const string UpdateStateFilter = "depin/1/+/update/state";

        private const string FrameSuffix = "/frame";
        private const string UpdateGetSuffix = "/update/get";
        private const string UpdateStateSuffix = "/update/state";

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

        /// <summary>Gateway to device: <see cref="Protocol.UpdateManifest"/>, when the device subscribes and when the offer changes; empty is no offer.</summary>
        public static string UpdateManifest(string deviceIdText)
        {
            return Prefix + deviceIdText + "/update/manifest";
        }

        /// <summary>Device to gateway: <see cref="Protocol.UpdateGet"/>.</summary>
        public static string UpdateGet(string deviceIdText)
        {
            return Prefix + deviceIdText + UpdateGetSuffix;
        }

        /// <summary>Gateway to device: <see cref="Protocol.UpdateChunk"/>.</summary>
        public static string UpdateChunk(string deviceIdText)
        {
            return Prefix + deviceIdText + "/update/chunk";
        }

        /// <summary>Device to gateway: <see cref="Protocol.UpdateState"/>.</summary>
        public static string UpdateState(string deviceIdText)
        {
            return Prefix + deviceIdText + UpdateStateSuffix;
        }

        /// <summary>Reads the device id out of a frame topic. False, with the id untouched, unless it is exactly what <see cref="Frame"/> makes.</summary>
        public static bool TryReadFrameTopic(string topic, byte[] id)
        {
            return TryReadTopic(topic, FrameSuffix, id);
        }

        /// <summary>As <see cref="TryReadFrameTopic"/>, for what <see cref="UpdateGet"/> makes.</summary>
        public static bool TryReadUpdateGetTopic(string topic, byte[] id)
        {
            return TryReadTopic(topic, UpdateGetSuffix, id);
        }

        /// <summary>As <see cref="TryReadFrameTopic"/>, for what <see cref="UpdateState"/> makes.</summary>
        public static bool TryReadUpdateStateTopic(string topic, byte[] id)
        {
            return TryReadTopic(topic, UpdateStateSuffix, id);
        }

        private static bool TryReadTopic(string topic, string suffix, byte[] id)
        {
            if (topic == null || topic.Length != Prefix.Length + DeviceId.TextChars + suffix.Length)
            {
                return false;
            }

            string text = topic.Substring(Prefix.Length, DeviceId.TextChars);
            byte[] parsed = new byte[DeviceId.Bytes];
            if (!DeviceId.TryParse(text, parsed) || topic != Prefix + DeviceId.ToText(parsed, 0) + suffix)
            {
                return false;
            }

            System.Array.Copy(parsed, 0, id, 0, DeviceId.Bytes);
            return true;
        }
    }
}
