using System;
using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Protocol;

namespace DePIN.Firmware.Sense
{
    /// <summary>
    /// All sensors of the node. Looks for absent ones again every 30 rounds, so a loose plug heals itself; tells every change of
    /// presence once. To add a sensor: a folder beside Bme280 with an ISensor, and one line in <see cref="Open"/>.
    /// </summary>
    public sealed class SensorSet
    {
        private const int RoundsBetweenSearches = 30;

        private readonly ISensor[] _sensors;
        private readonly bool[] _present;
        private readonly NodeHealth _health;
        private int _rounds;

        public SensorSet(ISensor[] sensors, NodeHealth health)
        {
            _sensors = sensors;
            _health = health;
            _present = new bool[sensors.Length];
        }

        /// <summary>The sensors this firmware knows, looked for once.</summary>
        public static SensorSet Open(NodeSettings settings, NodeHealth health)
        {
            SensorSet set = new SensorSet(new ISensor[]
            {
                new Bme280.Bme280Sensor(BoardPins.I2cBus, Bme280.Bme280Sensor.AddressPrimary),
                new Bme280.Bme280Sensor(BoardPins.I2cBus, Bme280.Bme280Sensor.AddressSecondary),
                new HostMonitor.HostMonitorSensor(BoardPins.I2cBus, HostMonitor.HostMonitorSensor.Address),
                new Battery.BatterySensor(settings.Battery, BoardPins.BatteryAdcChannel, BoardPins.BatteryDividerPermille),
            }, health);
            set.Search();
            if (set.PresentCount == 0)
            {
                NodeLog.Event("sensors", "present=0 message=no sensor answered: check the wiring");
            }

            return set;
        }

        public int PresentCount
        {
            get
            {
                int count = 0;
                for (int i = 0; i < _present.Length; i++)
                {
                    count += _present[i] ? 1 : 0;
                }

                return count;
            }
        }

        /// <summary>The profile of the last present sensor in the list that has one: a host's own measurements go before.</summary>
        public ushort SuggestedProfile
        {
            get
            {
                ushort profile = Profiles.Environment;
                for (int i = 0; i < _sensors.Length; i++)
                {
                    if (_present[i] && _sensors[i].Profile != 0)
                    {
                        profile = _sensors[i].Profile;
                    }
                }

                return profile;
            }
        }

        /// <summary>One round of measurements. Sensors that do not fit into the set any more are left for the next frame.</summary>
        public void Read(SampleSet samples, long uptimeMs)
        {
            _rounds++;
            if (_rounds % RoundsBetweenSearches == 0)
            {
                Search();
            }

            for (int i = 0; i < _sensors.Length; i++)
            {
                if (_present[i] && !TryRead(_sensors[i], samples, uptimeMs))
                {
                    _present[i] = false;
                    _health.CountSensorFailure();
                    _health.SensorsPresent = PresentCount;
                    NodeLog.Event("sensor", "name=" + _sensors[i].Name + " present=0 message=it stopped answering");
                }
            }
        }

        private void Search()
        {
            for (int i = 0; i < _sensors.Length; i++)
            {
                if (!_present[i] && TryOpen(_sensors[i]))
                {
                    _present[i] = true;
                    NodeLog.Event("sensor", "name=" + _sensors[i].Name + " present=1");
                }
            }

            _health.SensorsPresent = PresentCount;
        }

        // A driver of somebody else's may throw: it must not take the node with it.
        private static bool TryOpen(ISensor sensor)
        {
            try
            {
                return sensor.Open();
            }
            catch (Exception e)
            {
                NodeLog.Fault("open-" + sensor.Name, e);
                return false;
            }
        }

        private static bool TryRead(ISensor sensor, SampleSet samples, long uptimeMs)
        {
            int before = samples.Count;
            bool read = false;
            try
            {
                read = sensor.Read(samples, uptimeMs);
            }
            catch (Exception e)
            {
                NodeLog.Fault("read-" + sensor.Name, e);
            }

            if (!read)
            {
                samples.Truncate(before);
            }

            return read;
        }
    }
}
