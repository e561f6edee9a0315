using System;
using DePIN.Firmware.Board;
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
        private int _rounds;

        public SensorSet(ISensor[] sensors)
        {
            _sensors = sensors;
            _present = new bool[sensors.Length];
        }

        /// <summary>The sensors this firmware knows, looked for once.</summary>
        /// <param name="flash">For sensors that keep a count; without it they are left out.</param>
        public static SensorSet Open(NodeSettings settings, IFlash flash = null)
        {
            SensorSet set = new SensorSet(new ISensor[]
            {
                new Bme280.Bme280Sensor(BoardPins.I2cBus, Bme280.Bme280Sensor.AddressPrimary),
                new Bme280.Bme280Sensor(BoardPins.I2cBus, Bme280.Bme280Sensor.AddressSecondary),
                new HostMonitor.HostMonitorSensor(BoardPins.I2cBus, HostMonitor.HostMonitorSensor.Address),
                new WifiSurvey.WifiSurveySensor(settings.WifiSurvey, WifiSurvey.WifiSurveySensor.ScanMsMax),
                new Pms5003.Pms5003Sensor(settings.Pms5003Port, settings.Pms5003SleepRounds),
                new Pzem004t.Pzem004tSensor(settings.Pzem004tPort),
                new S0Pulse.S0PulseSensor(flash, settings.S0Pin, settings.S0ImpulsesPerKwh),
                new Gnss.GnssSensor(settings.GnssPort, settings.GnssBaud),
                new Battery.BatterySensor(settings.Battery, BoardPins.BatteryAdcChannel, BoardPins.BatteryDividerPermille),
            });
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
