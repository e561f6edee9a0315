using System.IO;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Sense;

namespace DePIN.Firmware.Life
{
    /// <summary>A frame of profile "node" now and then: signed, kept and anchored like a reading, so a node's history is as checkable as its measurements.</summary>
    public sealed class HealthFrames
    {
        public const int SamplesPerFrame = 19;

        /// <summary>The first one after a boot comes when the network and the clock had time to come up.</summary>
        public const long FirstMs = 60000;

        private readonly long _everyMs;
        private readonly NodeHealth _health;
        private readonly FrameComposer _composer;
        private readonly FrameStore _store;
        private readonly NodeClock _clock;
        private readonly SampleSet _samples = new SampleSet(SamplesPerFrame);
        private long _dueMs = FirstMs;

        /// <param name="everySeconds">0: none.</param>
        public HealthFrames(int everySeconds, NodeHealth health, FrameComposer composer, FrameStore store, NodeClock clock)
        {
            _everyMs = (long)everySeconds * 1000;
            _health = health;
            _composer = composer;
            _store = store;
            _clock = clock;
        }

        /// <summary>When the next one is due, uptime in ms.</summary>
        public long DueMs
        {
            get { return _dueMs; }
            set { _dueMs = value; }
        }

        /// <summary>Makes the frame when it is due. IOException: flash did not take it, and it is due again at the next call. SignerException: it is on flash and signed when it is sent.</summary>
        public void Tend(long uptimeMs)
        {
            if (_everyMs == 0 || uptimeMs < _dueMs)
            {
                return;
            }

            _samples.Truncate(0);
            _health.AddTo(_samples, _store, _clock, uptimeMs);
            ulong sequence;
            long dueMs = _dueMs;
            _dueMs = uptimeMs + _everyMs; // also when the signer fails: the frame's body is on flash then
            try
            {
                sequence = _composer.Compose(_samples);
            }
            catch (IOException)
            {
                _dueMs = dueMs;
                throw;
            }

            NodeLog.Event("health", "sequence=" + sequence.ToString() + " " + _store.Describe() + " wifi_failures=" + _health.WifiFailures.ToString() + " wifi_refusals=" + _health.WifiRefusals.ToString()
                + " connect_failures=" + _health.ConnectFailures.ToString() + " gateway_refusals=" + _health.GatewayRefusals.ToString()
                + " sensor_failures=" + _health.SensorFailures.ToString() + " flash_failures=" + _health.FlashFailures.ToString());
        }
    }
}
