using System.Threading;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Sense;
using DePIN.Protocol;
using nanoFramework.Runtime.Native;

namespace DePIN.Firmware.Life
{
    /// <summary>
    /// How the node fares: what it counted since boot, and how it is now. Every part writes its own lines here; the light shows the worst of it,
    /// the health frame carries all of it. Counters are int and wrap after two thousand million.
    /// </summary>
    public sealed class NodeHealth
    {
        private int _wifiFailures;
        private int _connectFailures;
        private int _gatewayRefusals;
        private int _sensorFailures;
        private int _flashFailures;
        private int _wakes;
        private int _wifiRefusals;

        /// <summary>The Wi-Fi network is joined, or none is needed.</summary>
        public bool HasNetwork;

        /// <summary>The network is heard and does not let the node in: a wrong password, or no address.</summary>
        public bool IsWifiRefused;

        /// <summary>This start found the RTC going: a restart by the watchdog, by request or after a crash, not power or the reset pin.</summary>
        public bool IsWarmStart;

        /// <summary>The gateway took the connection and it stands.</summary>
        public bool IsConnected;

        /// <summary>The gateway acknowledged a frame since boot.</summary>
        public bool HasAcknowledged;

        /// <summary>The clock was set by a time server or the gateway.</summary>
        public bool IsClockSet;

        /// <summary>Sensors that answered last.</summary>
        public int SensorsPresent;

        public int WifiFailures
        {
            get { return _wifiFailures; }
        }

        public int ConnectFailures
        {
            get { return _connectFailures; }
        }

        public int GatewayRefusals
        {
            get { return _gatewayRefusals; }
        }

        public int SensorFailures
        {
            get { return _sensorFailures; }
        }

        public int FlashFailures
        {
            get { return _flashFailures; }
        }

        public int WifiRefusals
        {
            get { return _wifiRefusals; }
        }

        /// <summary>Wake-ups from deep sleep since boot.</summary>
        public int Wakes
        {
            get { return _wakes; }
        }

        /// <summary>The network is heard and could not be joined.</summary>
        public void CountWifiRefusal()
        {
            Interlocked.Increment(ref _wifiRefusals);
        }

        /// <summary>The network could not be joined and is not heard either, or nobody could tell.</summary>
        public void CountWifiFailure()
        {
            Interlocked.Increment(ref _wifiFailures);
        }

        /// <summary>The gateway was not reached, or is not the one whose authority this node has: name, TCP, TLS, no answer.</summary>
        public void CountConnectFailure()
        {
            Interlocked.Increment(ref _connectFailures);
        }

        /// <summary>The gateway answered and refused: the connection, or a frame for now.</summary>
        public void CountGatewayRefusal()
        {
            Interlocked.Increment(ref _gatewayRefusals);
        }

        /// <summary>A sensor stopped answering.</summary>
        public void CountSensorFailure()
        {
            Interlocked.Increment(ref _sensorFailures);
        }

        /// <summary>Flash did not take a frame.</summary>
        public void CountFlashFailure()
        {
            Interlocked.Increment(ref _flashFailures);
        }

        /// <summary>Writes the counters for after a deep sleep; they are since boot, and a wake-up is none.</summary>
        public void Save(SleepState state)
        {
            state.Counters[0] = _wifiFailures;
            state.Counters[1] = _connectFailures;
            state.Counters[2] = _gatewayRefusals;
            state.Counters[3] = _sensorFailures;
            state.Counters[4] = _flashFailures;
            state.Counters[5] = _wakes;
            state.Counters[6] = _wifiRefusals;
            state.Counters[7] = IsWarmStart ? 1 : 0;
        }

        /// <summary>Takes them over again, and counts this wake-up.</summary>
        public void Resume(SleepState state)
        {
            _wifiFailures = state.Counters[0];
            _connectFailures = state.Counters[1];
            _gatewayRefusals = state.Counters[2];
            _sensorFailures = state.Counters[3];
            _flashFailures = state.Counters[4];
            _wakes = state.Counters[5] + 1;
            _wifiRefusals = state.Counters[6];
            IsWarmStart = state.Counters[7] != 0;
        }

        /// <summary>The samples of a health frame: <see cref="HealthFrames.SamplesPerFrame"/>.</summary>
        public void AddTo(SampleSet samples, FrameStore store, NodeClock clock, long uptimeMs)
        {
            samples.Add(Channels.NodeUptime, 0, 0, uptimeMs / 1000, uptimeMs);
            samples.Add(Channels.NodeBoots, 0, 0, store.BootCount, uptimeMs);
            samples.Add(Channels.NodeMemoryFree, 0, 0, GC.Run(false), uptimeMs);
            samples.Add(Channels.NodeFramesOwed, 0, 0, store.Owed, uptimeMs);
            samples.Add(Channels.NodeFramesDropped, 0, 0, store.Dropped, uptimeMs);
            samples.Add(Channels.NodeFramesRefused, 0, 0, store.Refused, uptimeMs);
            samples.Add(Channels.NodeWifiFailures, 0, 0, _wifiFailures, uptimeMs);
            samples.Add(Channels.NodeConnectFailures, 0, 0, _connectFailures, uptimeMs);
            samples.Add(Channels.NodeGatewayRefusals, 0, 0, _gatewayRefusals, uptimeMs);
            samples.Add(Channels.NodeSensorFailures, 0, 0, _sensorFailures, uptimeMs);
            samples.Add(Channels.NodeFlashFailures, 0, 0, _flashFailures, uptimeMs);
            samples.Add(Channels.NodeClockOrigin, 0, 0, (int)clock.Origin, uptimeMs);
            samples.Add(Channels.NodeClockSteps, 0, 0, clock.Steps, uptimeMs);
            samples.Add(Channels.NodeClockLastStep, -3, 0, clock.LastStepMs, uptimeMs);
            samples.Add(Channels.NodeClockError, -3, 0, clock.Origin == ClockOrigin.None ? 0 : clock.ErrorMs, uptimeMs);
            samples.Add(Channels.NodeClockRefused, 0, 0, clock.Refused, uptimeMs);
            samples.Add(Channels.NodeWakes, 0, 0, _wakes, uptimeMs);
            samples.Add(Channels.NodeWarmStart, 0, 0, IsWarmStart ? 1 : 0, uptimeMs);
            samples.Add(Channels.NodeWifiRefusals, 0, 0, _wifiRefusals, uptimeMs);
        }
    }
}
