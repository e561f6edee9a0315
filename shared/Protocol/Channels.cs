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
                default: return null;
            }
        }
    }
}
