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

        /// <summary>The Wi-Fi network is joined, or none is needed.</summary>
        public bool HasNetwork;

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

        /// <summary>The network could not be joined: absent, wrong password, no address.</summary>
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
        }
    }
}
