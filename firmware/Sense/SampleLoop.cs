using System;
using System.IO;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sign;

namespace DePIN.Firmware.Sense
{
    /// <summary>
    /// The node's heart: measure every interval, a frame every few rounds, without end. Rounds keep to the interval's grid instead of
    /// drifting by what a signature takes; a round that was missed is left out, not made up for.
    /// </summary>
    public sealed class SampleLoop
    {
        private const int FlashFailuresMax = 5;
        private const int SignFailuresMax = 5;

        private readonly NodeSettings _settings;
        private readonly NodeStatus _status;
        private readonly SensorSet _sensors;
        private readonly FrameComposer _composer;
        private readonly FrameStore _store;
        private readonly NodeClock _clock;
        private readonly ITimeSource _time;
        private readonly NodeHealth _health;
        private readonly HealthFrames _healthFrames;
        private readonly SampleSet _samples = new SampleSet();
        private int _rounds;
        private int _flashFailures;
        private int _signFailures;
        private bool _sleeps;

        public SampleLoop(NodeSettings settings, NodeStatus status, SensorSet sensors, FrameComposer composer, FrameStore store,
            NodeClock clock, ITimeSource time, NodeHealth health, HealthFrames healthFrames)
        {
            _settings = settings;
            _status = status;
            _sensors = sensors;
            _composer = composer;
            _store = store;
            _clock = clock;
            _time = time;
            _health = health;
            _healthFrames = healthFrames;
        }

        /// <summary>The samples that wait for the next frame.</summary>
        public SampleSet Samples
        {
            get { return _samples; }
        }

        /// <summary>Rounds in <see cref="Samples"/>.</summary>
        public int Rounds
        {
            get { return _rounds; }
        }

        /// <summary>
        /// For a node that sleeps: samples are on flash before they are in a frame, so a frame that flash did not take is tried again with all
        /// of them; and the time server is asked when there is a network, not here.
        /// </summary>
        public void GoOn(int rounds)
        {
            _sleeps = true;
            _rounds = rounds;
            _store.CopyWaiting(_samples);
        }

        /// <summary>One round of measurements. Returns whether a frame is due.</summary>
        public bool Measure()
        {
            if (!IsFull())
            {
                _sensors.Read(_samples, _time.UptimeMs());
                _rounds++;
            }

            return _samples.Count > 0 && (_rounds >= _settings.SamplesPerFrame || IsFull());
        }

        /// <summary>A frame of all samples that wait: kept, then signed (by a node that sleeps: when it is sent).</summary>
        public void MakeFrame()
        {
            int count = _samples.Count;
            ulong next = _sleeps ? _store.NextSequence : 0;
            try
            {
                ulong sequence = _composer.Compose(_samples);
                _flashFailures = 0;
                _signFailures = 0;
                NodeLog.Event("frame", "sequence=" + sequence.ToString() + " samples=" + count.ToString() + " " + _store.Describe());
            }
            catch (IOException e)
            {
                CountFlashFailure();
                if (_sleeps && !_store.IsKept(next))
                {
                    NodeLog.Event("frame-later", "samples=" + count.ToString() + " message=flash did not take the frame: it is made again in the next round: " + e.Message);
                    return;
                }

                NodeLog.Event("frame-lost", "samples=" + count.ToString() + " message=flash did not take the frame: " + e.Message);
            }
            catch (SignerException e)
            {
                CountSignFailure(count, e);
            }

            _samples.Truncate(0);
            _rounds = 0;
        }

        // No room for another round.
        private bool IsFull()
        {
            int perRound = _rounds == 0 ? 0 : (_samples.Count + _rounds - 1) / _rounds;
            return _samples.Free < perRound;
        }

        private void CountFlashFailure()
        {
            _flashFailures++;
            _health.CountFlashFailure();
            if (_flashFailures >= FlashFailuresMax)
            {
                _status.Set(BoardState.FlashFailed, "flash refused " + _flashFailures.ToString() + " frames in a row");
            }
        }

        // The frame's body is on flash: it is signed when it is sent, if the key comes back.
        private void CountSignFailure(int samples, SignerException e)
        {
            _signFailures++;
            NodeLog.Event("sign-failed", "samples=" + samples.ToString() + " message=" + e.Message);
            if (_signFailures >= SignFailuresMax)
            {
                _status.Set(BoardState.KeyAbsent, e.Message);
            }
        }

        /// <summary>The clock and the health frame.</summary>
        public void Tend()
        {
            try
            {
                _clock.Tend(_sleeps ? "" : _settings.SntpServer);
            }
            catch (IOException e)
            {
                NodeLog.Fault("keep-time", e);
            }

            _health.IsClockSet = _clock.IsSynchronised;
            try
            {
                _healthFrames.Tend(_time.UptimeMs());
            }
            catch (IOException e)
            {
                CountFlashFailure();
                NodeLog.Event("frame-lost", "message=flash did not take the health frame: " + e.Message);
            }
            catch (SignerException e)
            {
                CountSignFailure(HealthFrames.SamplesPerFrame, e);
            }
        }
    }
}
