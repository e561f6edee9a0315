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

        /// <summary>CO2 as a share of the air: 1 ppm is 10^-6 (SenML's ppm is a secondary unit, RFC 8798); 32 to 47 are sensors on I2C.</summary>
        public const ushort CarbonDioxide = 32;
        public const ushort Voltage = 33;

        /// <summary>Negative: it flows back.</summary>
        public const ushort Current = 34;

        /// <summary>With the sign of the current.</summary>
        public const ushort Power = 35;

        /// <summary>The greatest acceleration since the last sample of it, without gravity.</summary>
        public const ushort AccelerationPeak = 36;
        public const ushort HeartRate = 37;
        public const ushort OxygenSaturation = 38;

        /// <summary>Perfusion index: how much of the light pulses, the measure of a pulse sensor's signal.</summary>
        public const ushort Perfusion = 39;

        /// <summary>Particles up to 1 um, in the air as it is; 64 to 71 are dust.</summary>
        public const ushort Pm1 = 64;
        public const ushort Pm25 = 65;
        public const ushort Pm10 = 66;

        /// <summary>72 to 87 are a meter's.</summary>
        public const ushort MainsVoltage = 72;
        public const ushort MainsCurrent = 73;
        public const ushort ActivePower = 74;

        /// <summary>What a meter has counted since it was reset.</summary>
        public const ushort ActiveEnergy = 75;
        public const ushort MainsFrequency = 76;
        public const ushort PowerFactor = 77;

        /// <summary>1 while the power is above the meter's own threshold.</summary>
        public const ushort PowerAlarm = 78;

        /// <summary>Impulses of an S0 output since the node counts them.</summary>
        public const ushort MeterImpulses = 79;

        /// <summary>Those impulses as energy.</summary>
        public const ushort MeterEnergy = 80;

        /// <summary>WGS 84, degrees, north positive; 88 to 95 are a position's.</summary>
        public const ushort Latitude = 88;
        public const ushort Longitude = 89;
        public const ushort Altitude = 90;
        public const ushort GroundSpeed = 91;

        /// <summary>The receiver's own estimate.</summary>
        public const ushort HorizontalAccuracy = 92;
        public const ushort Satellites = 93;

        /// <summary>Strongest access point of the node's own network; 96 to 103 are a radio survey's.</summary>
        public const ushort WifiOwnSignal = 96;

        /// <summary>Access points of the node's own network.</summary>
        public const ushort WifiOwnPoints = 97;

        /// <summary>Strongest access point of any other network. Names of networks are never in a frame.</summary>
        public const ushort WifiOtherSignal = 98;
        public const ushort WifiOtherPoints = 99;

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

        /// <summary>How far off the clock may be, an upper bound; 0 while nothing has set it.</summary>
        public const ushort NodeClockError = 142;

        /// <summary>Times outside any reason that a source told and the node did not take.</summary>
        public const ushort NodeClockRefused = 143;

        /// <summary>Wake-ups from deep sleep since boot: none of them is a boot.</summary>
        public const ushort NodeWakes = 144;

        /// <summary>1 when this boot found the RTC going: a restart by the watchdog, by request or after a crash; 0: power, or the reset pin.</summary>
        public const ushort NodeWarmStart = 145;

        /// <summary>The Wi-Fi network was heard and did not let the node in: its password, or no address.</summary>
        public const ushort NodeWifiRefusals = 146;

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
                case CarbonDioxide: return "co2";
                case Voltage: return "voltage";
                case Current: return "current";
                case Power: return "power";
                case AccelerationPeak: return "acceleration_peak";
                case HeartRate: return "heart_rate";
                case OxygenSaturation: return "oxygen_saturation";
                case Perfusion: return "perfusion";
                case Pm1: return "pm1";
                case Pm25: return "pm2_5";
                case Pm10: return "pm10";
                case MainsVoltage: return "mains_voltage";
                case MainsCurrent: return "mains_current";
                case ActivePower: return "active_power";
                case ActiveEnergy: return "active_energy";
                case MainsFrequency: return "mains_frequency";
                case PowerFactor: return "power_factor";
                case PowerAlarm: return "power_alarm";
                case MeterImpulses: return "meter_impulses";
                case MeterEnergy: return "meter_energy";
                case Latitude: return "latitude";
                case Longitude: return "longitude";
                case Altitude: return "altitude";
                case GroundSpeed: return "ground_speed";
                case HorizontalAccuracy: return "horizontal_accuracy";
                case Satellites: return "satellites";
                case WifiOwnSignal: return "wifi_own_signal";
                case WifiOwnPoints: return "wifi_own_points";
                case WifiOtherSignal: return "wifi_other_signal";
                case WifiOtherPoints: return "wifi_other_points";
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
                case NodeClockError: return "node_clock_error";
                case NodeClockRefused: return "node_clock_refused";
                case NodeWakes: return "node_wakes";
                case NodeWarmStart: return "node_warm_start";
                case NodeWifiRefusals: return "node_wifi_refusals";
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
                case CarbonDioxide: return "/";
                case Voltage: return "V";
                case Current: return "A";
                case Power: return "W";
                case AccelerationPeak: return "m/s2";
                case HeartRate: return "beat/min";
                case OxygenSaturation: return "/";
                case Perfusion: return "/";
                case Pm1: return "kg/m3";
                case Pm25: return "kg/m3";
                case Pm10: return "kg/m3";
                case MainsVoltage: return "V";
                case MainsCurrent: return "A";
                case ActivePower: return "W";
                case ActiveEnergy: return "J";
                case MainsFrequency: return "Hz";
                case PowerFactor: return "/";
                case PowerAlarm: return "/";
                case MeterImpulses: return "count";
                case MeterEnergy: return "J";
                case Latitude: return "lat";
                case Longitude: return "lon";
                case Altitude: return "m";
                case GroundSpeed: return "m/s";
                case HorizontalAccuracy: return "m";
                case Satellites: return "count";
                case WifiOwnSignal: return "dBm";
                case WifiOwnPoints: return "count";
                case WifiOtherSignal: return "dBm";
                case WifiOtherPoints: return "count";
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
                case NodeClockError: return "s";
                case NodeClockRefused: return "count";
                case NodeWakes: return "count";
                case NodeWarmStart: return "1";
                case NodeWifiRefusals: return "count";
                default: return null;
            }
        }
    }
}
