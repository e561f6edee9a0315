// What a sample measures. Ids are for ever: a new meaning takes a new id. Names and units are those of the SenML export
// (RFC 8428 section 12.1 and the IANA SenML units registry). How to add one: README.md.

namespace DePIN.Protocol
{
    public static class Channels
    {
        public const ushort Temperature = 1;
        public const ushort RelativeHumidity = 2;
        public const ushort Pressure = 3;
        public const ushort BatteryVoltage = 4;

        public const ushort CpuTemperature = 16;
        public const ushort Load1Min = 17;
        public const ushort MemoryUsed = 18;
        public const ushort NetworkReceived = 19;
        public const ushort NetworkSent = 20;
        public const ushort DiskUsed = 21;

        // How the node itself fares (profile node); counts since boot, clock origin 0 none, 1 gateway, 2 time server.
        public const ushort NodeUptime = 128;
        public const ushort NodeBoots = 129;
        public const ushort NodeMemoryFree = 130;
        public const ushort NodeFramesOwed = 131;
        public const ushort NodeFramesDropped = 132;
        public const ushort NodeFramesRefused = 133;
        public const ushort NodeWifiFailures = 134;
        public const ushort NodeConnectFailures = 135;
        public const ushort NodeGatewayRefusals = 136;
        public const ushort NodeSensorFailures = 137;
        public const ushort NodeFlashFailures = 138;
        public const ushort NodeClockOrigin = 139;
        public const ushort NodeClockSteps = 140;
        public const ushort NodeClockLastStep = 141;

        /// <summary>SenML name, or null for a channel this version does not know.</summary>
        public static string Name(ushort channel)
        {
            switch (channel)
            {
                case Temperature: return "temperature";
                case RelativeHumidity: return "humidity";
                case Pressure: return "pressure";
                case BatteryVoltage: return "battery";
                case CpuTemperature: return "cpu_temperature";
                case Load1Min: return "load_1min";
                case MemoryUsed: return "memory_used";
                case NetworkReceived: return "network_received";
                case NetworkSent: return "network_sent";
                case DiskUsed: return "disk_used";
                case NodeUptime: return "node_uptime";
                case NodeBoots: return "node_boots";
                case NodeMemoryFree: return "node_memory_free";
                case NodeFramesOwed: return "node_frames_owed";
                case NodeFramesDropped: return "node_frames_dropped";
                case NodeFramesRefused: return "node_frames_refused";
                case NodeWifiFailures: return "node_wifi_failures";
                case NodeConnectFailures: return "node_connect_failures";
                case NodeGatewayRefusals: return "node_gateway_refusals";
                case NodeSensorFailures: return "node_sensor_failures";
                case NodeFlashFailures: return "node_flash_failures";
                case NodeClockOrigin: return "node_clock_origin";
                case NodeClockSteps: return "node_clock_steps";
                case NodeClockLastStep: return "node_clock_last_step";
                default: return null;
            }
        }

        /// <summary>SenML unit, or null for a channel this version does not know.</summary>
        public static string Unit(ushort channel)
        {
            switch (channel)
            {
                case Temperature: return "Cel";
                case RelativeHumidity: return "%RH";
                case Pressure: return "Pa";
                case BatteryVoltage: return "V";
                case CpuTemperature: return "Cel";
                case Load1Min: return "1";
                case MemoryUsed: return "B";
                case NetworkReceived: return "B";
                case NetworkSent: return "B";
                case DiskUsed: return "B";
                case NodeUptime: return "s";
                case NodeBoots: return "count";
                case NodeMemoryFree: return "B";
                case NodeFramesOwed: return "count";
                case NodeFramesDropped: return "count";
                case NodeFramesRefused: return "count";
                case NodeWifiFailures: return "count";
                case NodeConnectFailures: return "count";
                case NodeGatewayRefusals: return "count";
                case NodeSensorFailures: return "count";
                case NodeFlashFailures: return "count";
                case NodeClockOrigin: return "1";
                case NodeClockSteps: return "count";
                case NodeClockLastStep: return "s";
                default: return null;
            }
        }
    }
}
