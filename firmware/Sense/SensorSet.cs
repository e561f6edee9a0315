using System;
using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Protocol;

namespace DePIN.Firmware.Sense
{
    /// <summary>
    /// All sensors of the node. Looks for absent ones again every 30 rounds, so a loose plug heals itself; tells every change of
    /// presence once. After a stuck bus it looks again sooner: in the next round, then after 2, 4 … rounds. To add a sensor: a folder
    /// beside Bme280 with an ISensor, and one line in <see cref="Open"/> (README.md).
    /// </summary>
    public sealed class SensorSet
    {
        private const int RoundsBetweenSearches = 30;

        private readonly ISensor[] _sensors;
        private readonly bool[] _present;
        private readonly I2cBus _bus;
        private readonly NodeHealth _health;
        private readonly object _gate = new object();
        private SampleSet _testSamples;
        private int _roundsToSearch = RoundsBetweenSearches;
        private int _stuckRounds;

        /// <param name="sensors">Looked for and read in this order.</param>
        /// <param name="bus">The bus they share.</param>
        /// <param name="health">Where presence and failures are counted.</param>
        public SensorSet(ISensor[] sensors, I2cBus bus, NodeHealth health)
        {
            _sensors = sensors;
            _health = health;
            _present = new bool[sensors.Length];
            _bus = bus;
        }

        /// <summary>The sensors this firmware knows, looked for once.</summary>
        /// <param name="flash">For sensors that keep a count; without it they are left out.</param>
        public static SensorSet Open(NodeSettings settings, NodeHealth health, IFlash flash = null)
        {
            I2cBus bus = new I2cBus(BoardPins.I2cBus);
            SensorSet set = new SensorSet(
                new ISensor[]
                {
                    new Bme280.Bme280Sensor(bus, Bme280.Bme280Sensor.AddressPrimary),
                    new Bme280.Bme280Sensor(bus, Bme280.Bme280Sensor.AddressSecondary),
                    new Sht4x.Sht4xSensor(bus, Sht4x.Sht4xSensor.AddressPrimary),
                    new Sht4x.Sht4xSensor(bus, Sht4x.Sht4xSensor.AddressSecondary),
                    new Scd4x.Scd4xSensor(bus),
                    new Ina226.Ina226Sensor(bus, Ina226.Ina226Sensor.Address, settings.ShuntMicroohm),
                    new Lis3dh.Lis3dhSensor(bus, Lis3dh.Lis3dhSensor.AddressPrimary),
                    new Lis3dh.Lis3dhSensor(bus, Lis3dh.Lis3dhSensor.AddressSecondary),
                    new Max30102.Max30102Sensor(bus, Max30102.Max30102Sensor.PollMs),
                    new HostMonitor.HostMonitorSensor(bus, HostMonitor.HostMonitorSensor.Address),
                    new WifiSurvey.WifiSurveySensor(settings.WifiSurvey, WifiSurvey.WifiSurveySensor.ScanMsMax),
                    new Pms5003.Pms5003Sensor(settings.Pms5003Port, settings.Pms5003SleepRounds),
                    new Pzem004t.Pzem004tSensor(settings.Pzem004tPort),
                    new S0Pulse.S0PulseSensor(flash, settings.S0Pin, settings.S0ImpulsesPerKwh),
                    new Gnss.GnssSensor(settings.GnssPort, settings.GnssBaud),
                    new Battery.BatterySensor(settings.Battery, BoardPins.BatteryAdcChannel, BoardPins.BatteryDividerPermille),
                },
                bus,
                health);
            set.Search();
            set.JudgeBus();
            if (set.PresentCount == 0)
            {
                NodeLog.Event("sensors", "present=0 message=no sensor answered: check the wiring");
            }

            return set;
        }

        /// <summary>Sensors this firmware looks for, present or not.</summary>
        public int Count
        {
            get { return _sensors.Length; }
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
            lock (_gate)
            {
                ReadRound(samples, uptimeMs);
            }
        }

        /// <summary>Looks for one sensor where it is absent and reads it, beside the rounds: its samples go into the report alone.</summary>
        public SensorReport Test(int index, long uptimeMs)
        {
            lock (_gate)
            {
                ISensor sensor = _sensors[index];
                SensorReport report = new SensorReport { Text = sensor.Name };
                _testSamples = _testSamples != null ? _testSamples : new SampleSet();
                _testSamples.Truncate(0);
                _bus.Retry();
                Find(index);
                _health.SensorsPresent = PresentCount;
                report.IsPresent = _present[index];
                report.HasRead = _present[index] && ReadOne(index, _testSamples, uptimeMs);
                if (!report.HasRead)
                {
                    report.Text += "\n" + (_bus.IsStuck ? "its bus is stuck" : report.IsPresent ? "it stopped answering" : "not there");
                }

                for (int i = 0; i < _testSamples.Count; i++)
                {
                    sbyte exponent = _testSamples.Exponent(i);
                    report.Text += "\n" + _testSamples.Channel(i).ToString() + "=" + _testSamples.Value(i).ToString() + (exponent != 0 ? "e" + exponent.ToString() : "");
                }

                JudgeBus();
                return report;
            }
        }

        private void ReadRound(SampleSet samples, long uptimeMs)
        {
            _bus.Retry();
            _roundsToSearch--;
            if (_roundsToSearch <= 0)
            {
                Search();
            }

            for (int i = 0; i < _sensors.Length; i++)
            {
                if (_present[i])
                {
                    ReadOne(i, samples, uptimeMs);
                }
            }

            JudgeBus();
        }

        private bool ReadOne(int index, SampleSet samples, long uptimeMs)
        {
            bool read = TryRead(_sensors[index], samples, uptimeMs);
            if (!read)
            {
                _present[index] = false;
                _health.CountSensorFailure();
                _health.SensorsPresent = PresentCount;
                string why = _bus.IsStuck ? "its bus is stuck" : "it stopped answering";
                NodeLog.Event("sensor", "name=" + _sensors[index].Name + " present=0 message=" + why);
            }

            return read;
        }

        private void Find(int index)
        {
            if (!_present[index] && TryOpen(_sensors[index]))
            {
                _present[index] = true;
                NodeLog.Event("sensor", "name=" + _sensors[index].Name + " present=1");
            }
        }

        // Called at boot and by Read.
        private void Search()
        {
            _bus.Retry();
            _roundsToSearch = RoundsBetweenSearches;
            for (int i = 0; i < _sensors.Length; i++)
            {
                Find(i);
            }

            _health.SensorsPresent = PresentCount;
        }

        // A search on a bus that is still stuck costs a second: it comes sooner than the ordinary one, but ever later.
        private void JudgeBus()
        {
            if (_bus.IsStuck)
            {
                if (_stuckRounds == 0)
                {
                    NodeLog.Event("i2c", "bus=" + _bus.Number.ToString() + " stuck=1 message=SDA or SCL is held low: check the wiring");
                }

                _stuckRounds = _stuckRounds == 0 ? 1 : _stuckRounds * 2;
                _stuckRounds = _stuckRounds > RoundsBetweenSearches ? RoundsBetweenSearches : _stuckRounds;
                _roundsToSearch = _roundsToSearch > _stuckRounds ? _stuckRounds : _roundsToSearch;
            }
            else if (_stuckRounds != 0 && _roundsToSearch == RoundsBetweenSearches)
            {
                _stuckRounds = 0;
                NodeLog.Event("i2c", "bus=" + _bus.Number.ToString() + " stuck=0");
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
